/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/tenant.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int tenants_open(const struct policy *policy, struct tenants *ret)
{
	struct tenant *all =
		calloc(policy->tenants_count ? policy->tenants_count : 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < policy->tenants_count; i++) {
		all[i].policy = &policy->tenants[i];
		all[i].cgroup_procs_fd = all[i].cgroup_events_fd = -1;
		all[i].uid = (uid_t)-1;
		all[i].pages = (struct account_pages){.account_fd = -1, .limits_fd = -1};
	}
	*ret = (struct tenants){.all = all, .count = policy->tenants_count};
	return 0;
}

void tenants_close(struct tenants *tenants)
{
	for (size_t i = 0; i < tenants->count; i++) {
		account_pages_close(&tenants->all[i].pages);
		if (tenants->all[i].cgroup_procs_fd >= 0)
			close(tenants->all[i].cgroup_procs_fd);
		if (tenants->all[i].cgroup_events_fd >= 0)
			close(tenants->all[i].cgroup_events_fd);
	}
	free(tenants->all);
	*tenants = (struct tenants){0};
}

struct tenant *tenants_match(
	struct tenants *tenants, const struct policy *policy, const struct policy_peer *peer)
{
	const struct policy_tenant *match = policy_match_peer(policy, peer);

	return match ? &tenants->all[match - policy->tenants] : NULL;
}

uint64_t tenant_connections_max(const struct tenant *tenant)
{
	uint64_t max = tenant->policy->tenant.max[POLICY_CONNECTIONS];

	return max < ACCOUNT_SLOTS ? max : ACCOUNT_SLOTS;
}

static int pages_open(struct tenant *tenant)
{
	struct limits session = {0}, all = {0};
	int error;

	for (int i = RESOURCE_LOCKED_BYTES; i < RESOURCE_END; i++) {
		session.max[i] = tenant->policy->session.max[i];
		all.max[i] = tenant->policy->tenant.max[i];
	}
	error = account_pages_open(&session, &all, &tenant->pages);
	if (!error)
		account_lent_set(&tenant->pages, tenant->lent_bytes);
	return error;
}

int tenant_slot_take(struct tenant *tenant, unsigned int *ret_slot)
{
	unsigned int slot = 0;

	if (tenant->slots_count >= tenant_connections_max(tenant))
		return -EDQUOT;
	if (tenant->slots_count == 0) {
		int error = pages_open(tenant);

		if (error)
			return error;
	}
	while (tenant->slots_taken & UINT64_C(1) << slot)
		slot++;
	tenant->slots_taken |= UINT64_C(1) << slot;
	tenant->slots_count++;
	*ret_slot = slot;
	return 0;
}

void tenant_slot_free(struct tenant *tenant, unsigned int slot, struct pool *pool)
{
	account_slot_clear(&tenant->pages, slot);
	tenant->slots_taken &= ~(UINT64_C(1) << slot);
	if (--tenant->slots_count > 0)
		return;
	pool_take_back(pool, &tenant->lent_bytes);
	account_pages_close(&tenant->pages);
}

void tenant_lend(struct tenant *tenant, struct pool *pool, uint64_t ask_bytes)
{
	uint64_t limit = tenant->policy->tenant.max[POLICY_LOCKED_MEMORY];

	if (pool_lend(pool, &tenant->lent_bytes, limit, ask_bytes) > 0)
		account_lent_set(&tenant->pages, tenant->lent_bytes);
}
