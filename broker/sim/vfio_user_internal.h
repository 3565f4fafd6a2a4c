/* SPDX-License-Identifier: MIT */
/* One vfio-user connection, as its framing (vfio_user_server.c) and its commands
 * (vfio_user_commands.c) share it. */
#ifndef IOMMUB_SIM_VFIO_USER_INTERNAL_H
#define IOMMUB_SIM_VFIO_USER_INTERNAL_H

#include "broker/sim/vfio_user_server.h"
#include "include/vfio_user.h"

/* A message in memory; the body lies behind the header and is aligned to 8. */
union vfio_user_message {
	struct vfio_user_header header;
	uint8_t bytes[VFIO_USER_MESSAGE_MAX];
	uint64_t align;
};

struct vfio_user_server {
	int socket_fd;
	bool negotiated; /* VERSION was answered */
	const struct vfio_user_device_ops *ops;
	void *device;

	size_t in_bytes; /* of the message that is arriving */
	size_t out_bytes; /* the reply: its size, and how much of it is out */
	size_t out_sent;
	size_t n_fds; /* came with the message that is arriving; -1 where a command took one */
	int fds[VFIO_USER_FDS_MAX];
	union vfio_user_message in;
	union vfio_user_message out;
};

/*
 * Run the message in server->in. 0 with the reply's body behind server->out.header and its length
 * in *ret_body_bytes, or -errno. A command that takes an fd sets its place to -1.
 */
int vfio_user_command_run(struct vfio_user_server *server, size_t *ret_body_bytes);

#endif
