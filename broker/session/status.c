/* SPDX-License-Identifier: MIT */
/* struct op_error -> Status; see status.h. */
#include "broker/session/status.h"

#include <errno.h>
#include <string.h>
#include "broker/session/ops.h"

PB(Limit) * limit_build(struct call *call, enum resource resource, enum scope scope, uint64_t limit,
		    uint64_t used)
{
	PB(Limit) *message = call_take(call, sizeof(*message));

	PB_INIT(limit)(message);
	message->has_resource = message->has_scope = message->has_limit = message->has_used = true;
	message->resource = (PB(Resource))resource;
	message->scope = (PB(Scope))scope;
	message->limit = limit;
	message->used = used;
	return message;
}

PB(Status) * status_build(struct call *call, bool brief)
{
	const struct op_error *e = &call->error;
	const char *name;
	PB(Status) * status;

	if (!e->error)
		return NULL;
	status = call_take(call, sizeof(*status));
	PB_INIT(status)(status);
	name = strerrorname_np(e->error);
	/* Text must outlive the error: in a batch the next operation's takes its place. */
	status->error = call_copy(call, name ? name : "EIO");
	if (brief)
		return status;
	status->message = call_copy(call, e->text);
	if (e->rule)
		status->rule = call_copy(call, e->rule);
	if (e->field)
		status->field = call_copy(call, e->field);
	if (e->by_limit) {
		const struct account_denial *denial = &e->denial;

		status->limit = limit_build(
			call, denial->resource, denial->scope, denial->limit, denial->used);
		status->has_asked = true;
		status->asked = denial->asked;
	}
	return status;
}

void status_audit(struct call *call)
{
	const struct op_error *e = &call->error;
	const char *operation = call->operation ? call->operation->name : "request";
	enum audit_kind kind;

	if (e->by_limit || e->rule || e->error == EPERM)
		kind = AUDIT_DENIED;
	else if (e->error == E2BIG || e->error == EINVAL || e->error == EPROTO ||
		 e->error == EBADMSG || e->error == EOPNOTSUPP)
		kind = AUDIT_BAD_INPUT;
	else
		return;
	session_audit(call->session, kind, e->error, "%s: %s%s%s", operation, e->text,
		e->rule ? " by " : "", e->rule ? e->rule : "");
}
