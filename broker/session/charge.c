/* SPDX-License-Identifier: MIT */
/* Charges of a session; see charge.h. */
#include "broker/session/charge.h"

#include <errno.h>
#include "broker/session/call.h"
#include "broker/session/events.h"
#include "broker/session/session.h"

/* Another session of the tenant may use up what was lent before we get to it: try again, but not for ever. */
#define LEND_TRIES 3

/* Ask for as much as is missing. On -EDQUOT *denial has become the host's. */
static int borrow(struct call *call, struct account_denial *denial)
{
	union control_message request = {0}, answer;
	uint64_t missing = denial->used + denial->asked - denial->limit;
	int r;

	request.lend.bytes = missing;
	r = supervisor_call(call->session->supervisor, &request, CONTROL_LEND, &answer);
	if (r < 0)
		return call_error(
			call, EAGAIN, NULL, "broker restarting: cannot ask for more locked memory");
	if (answer.lent.lent_bytes >= denial->limit + missing)
		return 0;
	*denial = (struct account_denial){
		.resource = RESOURCE_LOCKED_BYTES,
		.scope = SCOPE_HOST,
		.limit = answer.lent.host_limit_bytes,
		.used = answer.lent.host_used_bytes,
		.asked = denial->asked,
	};
	return -EDQUOT;
}

int charge_take(struct call *call, enum resource resource, uint64_t amount, struct charge *ret)
{
	struct session *session = call->session;
	struct account_denial denial;
	int r;

	for (int tries = 0;; tries++) {
		r = account_charge(&session->account, resource, amount, ret, &denial);
		if (r != -ENOBUFS || tries == LEND_TRIES)
			break;
		r = borrow(call, &denial);
		if (r == -EAGAIN)
			return r;
		if (r < 0)
			break;
	}
	switch (r) {
	case 0:
		quota_touch(session->quota, resource);
		return 0;
	case -EDQUOT:
		return call_over_limit(call, &denial);
	case -ENOBUFS:
		denial.scope = SCOPE_HOST;
		return call_over_limit(call, &denial);
	default:
		return call_error(call, -r, NULL, "the tenant's account is busy");
	}
}

void charge_give(struct session *session, struct charge *charge)
{
	if (charge->amount == 0)
		return;
	quota_touch(session->quota, charge->resource);
	account_release(&session->account, charge);
}
