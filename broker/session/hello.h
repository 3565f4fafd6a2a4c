/* SPDX-License-Identifier: MIT */
/*
 * The beginning of a session: Hello -> Welcome, and what Welcome says, which Info repeats for a program that adopts a
 * connection it did not open.
 */
#ifndef IOMMUB_SESSION_HELLO_H
#define IOMMUB_SESSION_HELLO_H

#include "broker/session/call.h"

#define PROTOCOL_VERSION 1u

struct session_facts {
	PB(Limit) * *limits;
	size_t n_limits;
	char **features;
	size_t n_features;
	char *tenant;
	uint32_t page_bytes;
};

/* In the call's arena. */
void session_facts_get(struct call *call, struct session_facts *ret);

/* Check Hello and, when it is good, be ready for requests. Always a Welcome, which has a status when it is a refusal;
 * then the call's error is set and the session must end. */
PB(Welcome) * hello_answer(struct call *call, const PB(Hello) * hello);

#endif
