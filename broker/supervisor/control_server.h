/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's end of the control protocol (broker/common/control.h). A session is hostile: every packet passes
 * control_check() before a field is read, an fd that comes is closed, an answer that cannot be sent at once is not sent;
 * each of these ends that session, and no other notices.
 */
#ifndef IOMMUB_SUPERVISOR_CONTROL_SERVER_H
#define IOMMUB_SUPERVISOR_CONTROL_SERVER_H

#include <stdint.h>

#include "broker/common/control.h"

struct session_proc;

/* Serve what has come, a bounded number of packets, so that a session that floods us takes turns with the others. */
void control_readable(struct session_proc *session);

/* The session has ended: hear what audit records it still sent, answer nothing. */
void control_drain(struct session_proc *session);

/* Answer; a session that does not take it is killed. fd is borrowed, -1 for none. */
void control_answer(struct session_proc *session, union control_message *answer,
	enum control_type type, uint64_t serial, int fd);

/* Deny, with a sentence; rule may be NULL. */
void control_deny(struct session_proc *session, uint64_t serial, int error, const char *rule,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
