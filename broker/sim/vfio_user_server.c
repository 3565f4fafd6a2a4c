/* SPDX-License-Identifier: MIT */
/*
 * Framing: bytes in, bytes out, and what happens to file descriptors between. What the commands
 * mean is in vfio_user_commands.c.
 *
 *      ┌─> header: 16 bytes ──check──> body: header.bytes - 16 ──> run the command ──> reply ─┐
 *      └──────────────────────── only when the reply is out ─────────────────────────────────┘
 *
 * The server never asks the socket for a byte beyond the message at hand, so file descriptors that
 * come along belong to that message; whatever the command does not take is closed when it is done.
 * One message is in memory, one reply: the buffers are part of the connection, nothing is allocated
 * later.
 *
 * What cannot be answered ends the connection, because where the next message begins is then
 * unknown or the peer is no client: a size out of bounds, a reply, more than VFIO_USER_FDS_MAX fds,
 * control data that did not fit (which a client or an LSM can cause: it says nothing about us), a
 * command before VERSION. What can be answered is answered with an errno.
 */
#include "broker/sim/vfio_user_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages handled by one call: another connection's turn comes. */
#define MESSAGES_PER_RUN 32

int vfio_user_server_new(int socket_fd, const struct vfio_user_device_ops *ops, void *device,
	struct vfio_user_server **ret)
{
	struct vfio_user_server *server = calloc(1, sizeof(*server));

	if (!server) {
		close(socket_fd);
		return -ENOMEM;
	}
	server->socket_fd = socket_fd;
	server->ops = ops;
	server->device = device;
	*ret = server;
	return 0;
}

static void close_fds(struct vfio_user_server *server)
{
	for (size_t i = 0; i < server->n_fds; i++) {
		if (server->fds[i] >= 0)
			close(server->fds[i]);
	}
	server->n_fds = 0;
}

void vfio_user_server_free(struct vfio_user_server *server)
{
	if (!server)
		return;
	close_fds(server);
	close(server->socket_fd);
	free(server);
}

int vfio_user_server_fd(const struct vfio_user_server *server)
{
	return server->socket_fd;
}

uint32_t vfio_user_server_events(const struct vfio_user_server *server)
{
	return server->out_sent < server->out_bytes ? EPOLLOUT : EPOLLIN;
}

/* Keep what came with this read. Every fd that arrived is in server->fds afterwards or closed. */
static int take_fds(struct vfio_user_server *server, struct msghdr *message)
{
	int r = message->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (server->n_fds < VFIO_USER_FDS_MAX) {
				server->fds[server->n_fds++] = fd;
			} else {
				close(fd);
				r = -EPROTO;
			}
		}
	}
	return r;
}

/* Read until `until` bytes of the message are here. 1: they are; 0: not yet; -errno: the connection
 * is over. */
static int fill(struct vfio_user_server *server, size_t until)
{
	while (server->in_bytes < until) {
		union {
			char bytes[CMSG_SPACE(VFIO_USER_FDS_MAX * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = {server->in.bytes + server->in_bytes, until - server->in_bytes};
		struct msghdr message = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t n = recvmsg(server->socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		r = take_fds(server, &message);
		if (r < 0)
			return r;
		if (n == 0)
			return -ECONNRESET;
		server->in_bytes += (size_t)n;
	}
	return 1;
}

/* What must be right before a body is awaited. */
static int header_check(const struct vfio_user_server *server)
{
	const struct vfio_user_header *header = &server->in.header;

	if (header->bytes < sizeof(*header))
		return -EPROTO;
	if (header->bytes > VFIO_USER_MESSAGE_MAX)
		return -EMSGSIZE;
	if ((header->flags & VFIO_USER_TYPE_MASK) != VFIO_USER_TYPE_COMMAND)
		return -EPROTO;
	if (!server->negotiated && header->command != VFIO_USER_VERSION)
		return -EPROTO;
	return 0;
}

/* 1: the reply is out; 0: not yet; -errno: the connection is over. */
static int flush(struct vfio_user_server *server)
{
	while (server->out_sent < server->out_bytes) {
		struct iovec iov = {
			server->out.bytes + server->out_sent, server->out_bytes - server->out_sent};
		struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = sendmsg(server->socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		server->out_sent += (size_t)n;
	}
	server->out_bytes = server->out_sent = 0;
	return 1;
}

/* A whole message is here: run it, prepare the reply, be ready for the next. */
static void answer(struct vfio_user_server *server)
{
	const struct vfio_user_header *command = &server->in.header;
	struct vfio_user_header *reply = &server->out.header;
	size_t body_bytes = 0;
	int r = vfio_user_command_run(server, &body_bytes);

	if (!(command->flags & VFIO_USER_FLAG_NO_REPLY)) {
		*reply = (struct vfio_user_header){
			.id = command->id,
			.command = command->command,
			.bytes = (uint32_t)(sizeof(*reply) + (r < 0 ? 0 : body_bytes)),
			.flags = VFIO_USER_TYPE_REPLY | (r < 0 ? VFIO_USER_FLAG_ERROR : 0),
			.error = r < 0 ? (uint32_t)-r : 0,
		};
		server->out_bytes = reply->bytes;
	}
	close_fds(server);
	server->in_bytes = 0;
}

int vfio_user_server_run(struct vfio_user_server *server)
{
	for (int i = 0; i < MESSAGES_PER_RUN; i++) {
		int r = flush(server);

		if (r <= 0)
			return r;
		r = fill(server, sizeof(struct vfio_user_header));
		if (r <= 0)
			return r;
		r = header_check(server);
		if (r < 0)
			return r;
		r = fill(server, server->in.header.bytes);
		if (r <= 0)
			return r;
		answer(server);
	}
	/* The last reply too, if it fits: so that who waits for it need not wait for another turn.
	 * */
	int r = flush(server);

	return r < 0 ? r : 0;
}
