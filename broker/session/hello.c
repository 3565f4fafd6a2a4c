/* SPDX-License-Identifier: MIT */
/* Hello and Welcome; see hello.h. */
#include "broker/session/hello.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/backend.h"
#include "broker/session/status.h"
#include "broker/session/validate.h"

static const enum scope scopes[] = {SCOPE_SESSION, SCOPE_TENANT};

void session_facts_get(struct call *call, struct session_facts *ret)
{
	const struct account *account = &call->session->account;

	ret->n_limits = 0;
	ret->limits = call_take_pointers(call, (size_t)2 * RESOURCE_END);
	for (size_t i = 0; i < 2; i++)
		for (int r = RESOURCE_LOCKED_BYTES; r < RESOURCE_END; r++)
			ret->limits[ret->n_limits++] = limit_build(call, (enum resource)r,
				scopes[i], account_limit(account, scopes[i], (enum resource)r),
				account_used(account, scopes[i], (enum resource)r));
	ret->n_features = 1;
	ret->features = call_take_pointers(call, 1);
	ret->features[0] = call_copy(call, backend_name(call->session->backend));
	ret->tenant = call_copy(call, call->session->setup->tenant);
	ret->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
}

static int hello_check(struct call *call, const PB(Hello) * hello)
{
	int r;

	if (call->session->phase != PHASE_HELLO)
		return call_error(call, EPROTO, "hello", "Hello came a second time");
	r = message_check_known(call, &hello->base, "Hello");
	if (r < 0)
		return r;
	if (call->n_fds)
		return call_error(call, EINVAL, "fds", "Hello takes no file descriptors, %zu came",
			call->n_fds);
	if (!hello->has_version_min || !hello->has_version_max)
		return call_error(call, EINVAL,
			hello->has_version_min ? "version_max" : "version_min",
			"Hello needs version_min and version_max");
	if (hello->version_min > hello->version_max)
		return call_error(call, EINVAL, "version_min",
			"version_min %u is above version_max %u", hello->version_min,
			hello->version_max);
	if (hello->version_min > PROTOCOL_VERSION || hello->version_max < PROTOCOL_VERSION)
		return call_error(call, EPROTONOSUPPORT, "version_min",
			"this broker speaks version %u, the client %u to %u", PROTOCOL_VERSION,
			hello->version_min, hello->version_max);
	if (hello->client_name &&
		!text_is_clean(hello->client_name, sizeof(call->session->client_name) - 1))
		return call_error(call, EINVAL, "client_name",
			"client_name is not printable UTF-8 of at most %zu bytes",
			sizeof(call->session->client_name) - 1);
	return 0;
}

PB(Welcome) * hello_answer(struct call *call, const PB(Hello) * hello)
{
	PB(Welcome) *welcome = call_take(call, sizeof(*welcome));
	struct session_facts facts;

	PB_INIT(welcome)(welcome);
	welcome->has_version = true;
	welcome->version = PROTOCOL_VERSION;
	if (hello_check(call, hello) < 0) {
		welcome->status = status_build(call, false);
		return welcome;
	}
	if (hello->client_name)
		memcpy(call->session->client_name, hello->client_name,
			strlen(hello->client_name) + 1);
	call->session->phase = PHASE_READY;
	session_facts_get(call, &facts);
	welcome->tenant = facts.tenant;
	welcome->has_session = true;
	welcome->session = call->session->setup->session;
	welcome->n_limits = facts.n_limits;
	welcome->limits = facts.limits;
	welcome->n_features = facts.n_features;
	welcome->features = facts.features;
	welcome->has_message_bytes_max = welcome->has_fds_max = true;
	welcome->message_bytes_max = MESSAGE_BYTES_MAX;
	welcome->fds_max = MESSAGE_FDS_MAX;
	welcome->has_batch_max = welcome->has_page_bytes = true;
	welcome->batch_max = BATCH_MAX;
	welcome->page_bytes = facts.page_bytes;
	return welcome;
}
