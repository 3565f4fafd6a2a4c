/* SPDX-License-Identifier: MIT */
/* A client's error as it goes over the wire: the errno by name, a sentence, and what denied. */
#ifndef IOMMUB_SESSION_STATUS_H
#define IOMMUB_SESSION_STATUS_H

#include "broker/session/call.h"

/* The Status of a call that failed, in its arena; NULL for one that did not. `brief`: the errno alone, for a batch whose
 * answer would not fit otherwise. */
PB(Status) * status_build(struct call *call, bool brief);
/* A limit as a message. */
PB(Limit) * limit_build(struct call *call, enum resource resource, enum scope scope, uint64_t limit,
		    uint64_t used);
/* Tell the audit log of a failure, if it is of a kind that belongs there: denials, and input that no well-meaning
 * client sends. */
void status_audit(struct call *call);

#endif
