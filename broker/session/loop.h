/* SPDX-License-Identifier: MIT */
/* When a session reads, when it does not, and when it ends: see loop.c. */
#ifndef IOMMUB_SESSION_LOOP_H
#define IOMMUB_SESSION_LOOP_H

#include "broker/session/session.h"

enum loop_state {
	LOOP_READING = 1, /* the only state in which the client is read */
	LOOP_SENDING, /* an answer is stuck: the client does not drain */
	LOOP_WAITING, /* a request waits for the supervisor */
	LOOP_ENDED
};

struct loop;

/* Serve `client_fd` (borrowed) with this dispatcher, in session->base. The Hello deadline runs from
 * here. 0 or -errno. */
int loop_new(
	struct session *session, struct dispatcher *dispatcher, int client_fd, struct loop **ret);
void loop_free(struct loop *loop);

/* Until the session ends. 0, or -errno if libevent failed. */
int loop_run(struct loop *loop);

enum loop_state loop_state(const struct loop *loop);
/* Why it ended: a sentence, and a positive errno or 0 for a client that simply left. */
const char *loop_end_reason(const struct loop *loop, int *ret_error);

#endif
