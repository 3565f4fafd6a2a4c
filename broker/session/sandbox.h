/* SPDX-License-Identifier: MIT */
/* How a session shuts itself in: see sandbox.c. */
#ifndef IOMMUB_SESSION_SANDBOX_H
#define IOMMUB_SESSION_SANDBOX_H

#include <stdint.h>

/* Before anything is read: undumpable, no new privileges, no capability. 0 or -errno. */
int sandbox_begin(void);

/* No path, no TCP port, no abstract socket and no process outside. 0 or -errno; *ret_abi is the
 * version of Landlock that holds, 0 on a kernel without it. */
int sandbox_landlock(uint32_t *ret_abi);

/* Load our own filter and then the supervisor's from `filter_fd` (borrowed). From here on, what
 * neither knows kills. 0 or -errno; -EPROTO: there is no filter in that file. */
int sandbox_seccomp(int filter_fd);

#endif
