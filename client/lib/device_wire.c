/* SPDX-License-Identifier: MIT */
/*
 * One vfio-user message out, one reply in, before a deadline.
 *
 * The socket may be blocking or not, and is shared with nobody: every read and write is
 * MSG_DONTWAIT, and poll(2) waits for what is left of the time. A failure in between leaves the
 * stream at an unknown place, so it ends the connection: the handle is `broken` from there on. An
 * error that the server answered does not, nor does a message of which nothing was sent.
 *
 * The other end is not trusted with more than its answer: sizes are compared with what the caller
 * has room for, and file descriptors, for which there is no use here, are closed.
 */
#include "client/lib/device.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "include/vfio_user.h"

#define ERRNO_MAX 4095u

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0: the socket is ready, or says why not on the next use. */
static int wait_for(const struct iommub_device *device, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd socket = {.fd = device->fd, .events = events};
		int64_t left_ms = deadline_ms - now_ms();
		int r;

		if (left_ms < 0)
			left_ms = 0;
		r = poll(&socket, 1, (int)left_ms);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* Take `bytes` off the front of an array of buffers. */
static void consume(struct iovec *iov, size_t n, size_t bytes)
{
	for (size_t i = 0; i < n; i++) {
		size_t step = bytes < iov[i].iov_len ? bytes : iov[i].iov_len;

		iov[i].iov_base = (char *)iov[i].iov_base + step;
		iov[i].iov_len -= step;
		bytes -= step;
	}
}

static size_t total(const struct iovec *iov, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

static int send_all(struct iommub_device *device, struct iovec *iov, size_t n_iov, const int *fds,
	size_t n_fds, int64_t deadline_ms)
{
	union {
		char bytes[CMSG_SPACE(VFIO_USER_FDS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = n_iov};
	bool started = false;

	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	while (total(iov, n_iov) > 0) {
		ssize_t sent = sendmsg(device->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		int r = sent < 0 ? -errno : 0;

		if (r == -EINTR)
			continue;
		if (r == -EAGAIN) {
			r = wait_for(device, POLLOUT, deadline_ms);
			if (r == 0)
				continue;
			device->broken = true;
			return r;
		}
		if (r < 0) {
			if (r == -EPIPE || r == -ECONNRESET) {
				device->broken = true;
				return -ECONNRESET;
			}
			device->broken = started;
			return r;
		}
		started = true;
		message.msg_control = NULL; /* they went with the first byte */
		message.msg_controllen = 0;
		consume(iov, n_iov, (size_t)sent);
	}
	return 0;
}

static void close_received(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			close(fd);
		}
	}
}

/* Fill all the buffers. Every failure ends the connection. */
static int receive_all(
	struct iommub_device *device, struct iovec *iov, size_t n_iov, int64_t deadline_ms)
{
	while (total(iov, n_iov) > 0) {
		union {
			char bytes[CMSG_SPACE(VFIO_USER_FDS_MAX * sizeof(int))];
			struct cmsghdr header;
		} control;
		struct msghdr message = {
			.msg_iov = iov,
			.msg_iovlen = n_iov,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t n = recvmsg(device->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int r = n < 0 ? -errno : 0;

		if (r == -EINTR)
			continue;
		if (r == -EAGAIN) {
			r = wait_for(device, POLLIN, deadline_ms);
			if (r == 0)
				continue;
		}
		if (r < 0) {
			device->broken = true;
			return r;
		}
		close_received(&message);
		if (n == 0) {
			device->broken = true;
			return -ECONNRESET;
		}
		consume(iov, n_iov, (size_t)n);
	}
	return 0;
}

/* Is this the reply, and is it as long as it may be? 0 with the length of what follows the fixed
 * part; a server's error; or
 * -EPROTO, which ends the connection. */
static int reply_check(struct iommub_device *device, const struct vfio_user_header *reply,
	const struct vfio_user_header *sent, const struct wire_call *call, size_t *ret_data_bytes)
{
	size_t fixed = sizeof(*reply) + call->reply.iov_len;

	if (reply->id != sent->id || reply->command != sent->command ||
		(reply->flags & VFIO_USER_TYPE_MASK) != VFIO_USER_TYPE_REPLY)
		goto broken;
	if (reply->flags & VFIO_USER_FLAG_ERROR) {
		if (reply->bytes != sizeof(*reply))
			goto broken;
		return reply->error == 0 || reply->error > ERRNO_MAX ? -EIO : -(int)reply->error;
	}
	if (reply->bytes < fixed || reply->bytes - fixed > call->data.iov_len)
		goto broken;
	if (!call->ret_data_bytes && reply->bytes - fixed != call->data.iov_len)
		goto broken;
	*ret_data_bytes = reply->bytes - fixed;
	return 0;

broken:
	device->broken = true;
	return -EPROTO;
}

int device_wire_call(struct iommub_device *device, const struct wire_call *call)
{
	struct vfio_user_header header = {
		.command = call->command,
		.flags = VFIO_USER_TYPE_COMMAND,
	};
	struct vfio_user_header reply;
	struct iovec out[3] = {{&header, sizeof(header)}, call->body[0], call->body[1]};
	struct iovec head = {&reply, sizeof(reply)};
	struct iovec in[2] = {call->reply, call->data};
	int64_t deadline_ms = now_ms() + device->timeout_ms;
	size_t data_bytes = 0;
	int r;

	if (device->owner != getpid())
		return -ECHILD;
	if (device->broken)
		return -ENOTCONN;
	header.id = device->next_id++;
	header.bytes = (uint32_t)total(out, 3);
	r = send_all(device, out, 3, call->fds, call->n_fds, deadline_ms);
	if (r < 0)
		return r;
	r = receive_all(device, &head, 1, deadline_ms);
	if (r < 0)
		return r;
	r = reply_check(device, &reply, &header, call, &data_bytes);
	if (r < 0)
		return r;
	in[1].iov_len = data_bytes;
	r = receive_all(device, in, 2, deadline_ms);
	if (r < 0)
		return r;
	if (call->ret_data_bytes)
		*call->ret_data_bytes = data_bytes;
	return 0;
}
