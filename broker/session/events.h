/* SPDX-License-Identifier: MIT */
/*
 * Quota events: a client is told once when its use of a resource reaches 90 % of a limit, and again only after it was
 * below 80 % in between. Per scope: its own session's limit, and the tenant's, which other sessions use too. Usage is
 * looked at once per message, for the resources that the message charged or gave back: adding up what all sessions of
 * a tenant use is too dear to do for each of a thousand maps.
 */
#ifndef IOMMUB_SESSION_EVENTS_H
#define IOMMUB_SESSION_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "broker/common/account.h"

#define QUOTA_SCOPES 2 /* SCOPE_SESSION, SCOPE_TENANT */

struct quota {
	uint32_t touched; /* bit per resource: changed since quota_look() */
	uint32_t told
		[QUOTA_SCOPES]; /* bit per resource: reached 90 % and not yet below 80 % again */
	uint32_t due[QUOTA_SCOPES]; /* bit per resource: an event to be sent */
};

static inline void quota_touch(struct quota *quota, enum resource resource)
{
	quota->touched |= 1u << resource;
}

/* After a message: which events became due? */
void quota_look(struct quota *quota, const struct account *account);
/* The next event that is due: true with *ret_scope and *ret_resource, and it counts as sent. */
bool quota_next(struct quota *quota, enum scope *ret_scope, enum resource *ret_resource);

#endif
