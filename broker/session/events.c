/* SPDX-License-Identifier: MIT */
/* When a client is told that a quota is nearly used; see events.h. */
#include "broker/session/events.h"

static const enum scope scopes[QUOTA_SCOPES] = {SCOPE_SESSION, SCOPE_TENANT};

static void look_at(
	struct quota *quota, const struct account *account, int i, enum resource resource)
{
	uint64_t limit = account_limit(account, scopes[i], resource);
	uint32_t bit = 1u << resource;
	uint64_t used;

	if (limit == UINT64_MAX || limit == 0)
		return;
	used = account_used(account, scopes[i], resource);
	if (quota->told[i] & bit) {
		if (used < limit - limit / 5)
			quota->told[i] &= ~bit;
	} else if (used >= limit - limit / 10) {
		quota->told[i] |= bit;
		quota->due[i] |= bit;
	}
}

void quota_look(struct quota *quota, const struct account *account)
{
	while (quota->touched) {
		enum resource resource = (enum resource)__builtin_ctz(quota->touched);

		quota->touched &= quota->touched - 1;
		for (int i = 0; i < QUOTA_SCOPES; i++)
			look_at(quota, account, i, resource);
	}
}

bool quota_next(struct quota *quota, enum scope *ret_scope, enum resource *ret_resource)
{
	for (int i = 0; i < QUOTA_SCOPES; i++) {
		if (!quota->due[i])
			continue;
		*ret_scope = scopes[i];
		*ret_resource = (enum resource)__builtin_ctz(quota->due[i]);
		quota->due[i] &= quota->due[i] - 1;
		return true;
	}
	return false;
}
