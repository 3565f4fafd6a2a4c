/* SPDX-License-Identifier: MIT */
/* The model is in transport.h. */
#include "client/lib/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_US INT64_C(1000)

int64_t time_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void set_timeout(int fd, int option, int64_t ns)
{
	/* Zero would mean for ever. */
	struct timeval tv = {.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / NS_PER_US + 1};

	(void)setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv));
}

void transport_set_wait(int fd, uint32_t timeout_ms)
{
	set_timeout(fd, SO_RCVTIMEO, (int64_t)timeout_ms * 1000 * NS_PER_US);
}

int transport_connect(const char *path, int64_t deadline_ns)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	int fd, err;

	if (length == 0)
		return -EINVAL;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A full backlog makes connect() wait; it has no poll, but it honours the send timeout. */
	do {
		int64_t left_ns = deadline_ns - time_now_ns();

		if (left_ns <= 0) {
			err = EAGAIN;
			break;
		}
		set_timeout(fd, SO_SNDTIMEO, left_ns);
		err = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? errno
											  : 0;
	} while (err == EINTR);
	if (err) {
		(void)close(fd);
		return err == EAGAIN ? -ETIMEDOUT : -err;
	}
	return fd;
}

int transport_check(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(int);
	int type = 0, domain = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return -errno;
	length = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
		return -errno;
	length = sizeof(peer);
	if (type != SOCK_SEQPACKET || domain != AF_UNIX ||
		getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
		return -EINVAL;
	return 0;
}

int transport_send(int fd, const void *bytes, size_t length, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * TRANSPORT_SEND_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > TRANSPORT_SEND_FDS_MAX)
		return -EMSGSIZE;
	if (n_fds > 0) {
		memset(&control, 0, CMSG_SPACE(sizeof(int) * n_fds));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void packet_close_fds(struct packet *packet)
{
	for (size_t i = 0; i < packet->n_fds; i++)
		(void)close(packet->fds[i]);
	packet->n_fds = 0;
}

static void collect_fds(struct msghdr *msg, struct packet *packet)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > TRANSPORT_FDS_MAX - packet->n_fds)
			n = TRANSPORT_FDS_MAX -
			    packet->n_fds; /* the kernel sends at most as many */
		memcpy(packet->fds + packet->n_fds, CMSG_DATA(c), n * sizeof(int));
		packet->n_fds += n;
	}
}

int transport_recv(int fd, bool wait, struct packet *packet)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * TRANSPORT_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = packet->bytes, .iov_len = TRANSPORT_BYTES_MAX};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t length;

	length = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	/* A peer that closes without having read all says so ahead of the packets that it sent before: once. */
	if (length < 0 && errno == ECONNRESET)
		length = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (length < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	packet->length = (size_t)length;
	packet->n_fds = 0;
	packet->fds_lost = (msg.msg_flags & MSG_CTRUNC) != 0;
	collect_fds(&msg, packet);
	if (length == 0 || (msg.msg_flags & MSG_TRUNC)) {
		packet_close_fds(packet);
		return length == 0 ? -ECONNRESET : -EMSGSIZE;
	}
	return 0;
}

int transport_wait(int fd, short events, int64_t deadline_ns)
{
	struct pollfd entry = {.fd = fd, .events = events};
	struct timespec left = {0};
	int n;

	if (deadline_ns != INT64_MAX) {
		int64_t left_ns = deadline_ns - time_now_ns();

		if (left_ns < 0)
			left_ns = 0;
		left.tv_sec = left_ns / NS_PER_S;
		left.tv_nsec = left_ns % NS_PER_S;
	}
	n = ppoll(&entry, 1, deadline_ns == INT64_MAX ? NULL : &left, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}
