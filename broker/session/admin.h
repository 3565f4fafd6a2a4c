/* SPDX-License-Identifier: MIT */
/*
 * The same program, serving an administrator (--role=admin): it turns protobuf into the fixed-size structs that the
 * supervisor takes, and its answers into protobuf. It knows nothing, keeps nothing, and has two sockets; so it is one loop
 * that waits for one packet at a time. Its sandbox is a session's.
 */
#ifndef IOMMUB_SESSION_ADMIN_H
#define IOMMUB_SESSION_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include "broker/common/control.h"

/* What exec left is on the fds of enum admin_fd. Never returns. */
void admin_main(void) __attribute__((noreturn));

/* Serve until a side has gone, or broke its protocol. 0 or -errno. For tests. */
int admin_serve(int client_fd, int control_fd);

#endif
