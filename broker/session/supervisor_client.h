/* SPDX-License-Identifier: MIT */
/* The session's end of the control socket: what main.c and loop.c use of it. What handlers use is
 * in session.h. */
#ifndef IOMMUB_SESSION_SUPERVISOR_CLIENT_H
#define IOMMUB_SESSION_SUPERVISOR_CLIENT_H

#include "broker/session/session.h"

#define SUPERVISOR_CALL_MS                                                                         \
	2000 /* the supervisor never blocks: who waits longer waits for a dead one */

/* Wait for SETUP, the first packet of all. 0, -ETIMEDOUT, -ECONNRESET, or -EPROTO with *why. */
int supervisor_setup_read(
	int control_fd, int timeout_ms, struct control_setup *ret, const char **why);

/* `control_fd` is borrowed: it is SESSION_FD_CONTROL for as long as the process lives. 0 or
 * -ENOMEM. */
int supervisor_client_new(
	struct session *session, int control_fd, int call_ms, struct supervisor_client **ret);
void supervisor_client_free(struct supervisor_client *client);

int supervisor_client_fd(const struct supervisor_client *client);
/* READY: the sandbox is up. */
int supervisor_ready(struct supervisor_client *client, uint32_t landlock_abi);

/* One packet that arrived. 1: the answer to supervisor_ask(), and *ret_fd (or -1) is the caller's;
 * 0: nothing to do; -ECONNRESET: the supervisor is gone. A packet that nobody asked for is
 * session_broken(). */
int supervisor_receive(
	struct supervisor_client *client, union control_message *ret_answer, int *ret_fd);

#endif
