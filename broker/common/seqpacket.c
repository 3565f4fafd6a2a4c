/* SPDX-License-Identifier: MIT */
/*
 * The one place where file descriptors arrive. For a caller who wants any, the control buffer is
 * large enough for all that the kernel may deliver in one packet: so "too many" is counted here and
 * closed here, and MSG_CTRUNC means that somebody else (an LSM, a full fd table) took fds away. For
 * a caller who wants none there is no control buffer, and the kernel drops what comes: close() of a
 * hostile peer's file may wait for that peer (FUSE asks its daemon first).
 */
#include "broker/common/seqpacket.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void fds_close(int *fds, size_t n)
{
	int saved = errno;

	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
	errno = saved;
}

/* All fds of all SCM_RIGHTS headers. The kernel sends one header, but nothing promises that. */
static size_t fds_collect(struct msghdr *msg, int fds[SEQPACKET_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t count;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && n < SEQPACKET_FDS_MAX; i++, n++)
			memcpy(&fds[n], CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
	}
	return n;
}

ssize_t seqpacket_recv(
	int socket_fd, void *buffer, size_t bytes, int *fds, size_t max_fds, size_t *ret_fds)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(SEQPACKET_FDS_MAX * sizeof(int))];
	struct iovec iov = {.iov_base = buffer, .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = max_fds ? control : NULL,
		.msg_controllen = max_fds ? sizeof(control) : 0};
	int came[SEQPACKET_FDS_MAX];
	size_t n_came;
	ssize_t result;

	do
		result = recvmsg(socket_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		return -errno;

	n_came = fds_collect(&msg, came);
	if (max_fds > 0 && (msg.msg_flags & MSG_CTRUNC))
		result = -ENOBUFS;
	else if (msg.msg_flags & MSG_TRUNC)
		result = -EMSGSIZE;
	else if (result > 0 && (n_came > max_fds || (msg.msg_flags & MSG_CTRUNC)))
		result = -ETOOMANYREFS;
	if (result <= 0) {
		fds_close(came, n_came);
		return result;
	}
	if (n_came > 0)
		memcpy(fds, came, n_came * sizeof(int));
	*ret_fds = n_came;
	return result;
}

int seqpacket_send(int socket_fd, const void *buffer, size_t bytes, const int *fds, size_t n_fds)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(SEQPACKET_FDS_MAX * sizeof(int))];
	struct iovec iov = {.iov_base = (void *)buffer, .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t result;

	if (n_fds > SEQPACKET_FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *cmsg;

		memset(control, 0, CMSG_SPACE(n_fds * sizeof(int)));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	do
		result = sendmsg(socket_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}
