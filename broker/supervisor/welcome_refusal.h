/* SPDX-License-Identifier: MIT */
/*
 * The one packet that the supervisor itself ever sends to a client: a Welcome whose Status says why there will be no
 * session. Written by hand, field by field, since the supervisor does not link protobuf; a test decodes it with the real
 * thing. It is made of what the supervisor knows alone: no byte of it comes from the client.
 */
#ifndef IOMMUB_SUPERVISOR_WELCOME_REFUSAL_H
#define IOMMUB_SUPERVISOR_WELCOME_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#include "broker/common/resource.h"

#define WELCOME_REFUSAL_MAX 512u

struct welcome_refusal {
	const char *error; /* errno by name */
	const char *message;
	const char *rule; /* NULL: none */
	enum scope scope; /* 0: no limit; else of connections */
	uint64_t limit, used;
};

/* Returns the length of the packet; texts are cut so that it always fits. */
size_t welcome_refusal_encode(
	const struct welcome_refusal *refusal, uint8_t packet[WELCOME_REFUSAL_MAX]);

/* Send it without blocking, then make sure that it can be read: what the client has sent is dropped unseen, because a
 * socket that is closed with unread data gives its peer ECONNRESET instead of our packet. */
void welcome_refusal_send(int socket_fd, const struct welcome_refusal *refusal);

#endif
