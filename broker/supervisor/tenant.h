/* SPDX-License-Identifier: MIT */
/*
 * A tenant at run time: its uid, its ledger, its share of the host's memory, and which slots of the ledger its sessions
 * have. A session has a slot from before its fork until its sweep has been reported; so slots are also what bounds
 * the connections of a tenant.
 *
 * The two pages exist only while a slot is taken: what a hostile session wrote there does not outlive its tenant's last
 * session.
 */
#ifndef IOMMUB_SUPERVISOR_TENANT_H
#define IOMMUB_SUPERVISOR_TENANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/common/account.h"
#include "broker/supervisor/pool.h"
#include "policy/policy.h"

struct tenant {
	const struct policy_tenant *policy;
	uid_t uid;
	int cgroup_procs_fd; /* -1: none */
	int cgroup_events_fd; /* -1: none */
	uint64_t oom_kills; /* that the audit has told of */
	uint64_t slots_taken; /* bit per slot */
	unsigned int slots_count;
	uint64_t lent_bytes; /* its share of the pool */
	unsigned int devices; /* lent to its sessions now */
	struct account_pages pages; /* open while slots_count > 0 */
};

struct tenants {
	struct tenant *all; /* in the policy's order */
	size_t count;
};

int tenants_open(const struct policy *policy, struct tenants *ret);
void tenants_close(struct tenants *tenants);

/* Which of them this is; NULL: none. */
struct tenant *tenants_match(
	struct tenants *tenants, const struct policy *policy, const struct policy_peer *peer);

/* How many sessions it may have at a time: by its policy, and by what fits into the ledger's page. */
uint64_t tenant_connections_max(const struct tenant *tenant);

/* Take a slot; opens the pages for the first. -EDQUOT at the limit, or -errno. */
int tenant_slot_take(struct tenant *tenant, unsigned int *ret_slot);
/* After the sweep. The last one gives the share back to the pool and closes the pages. */
void tenant_slot_free(struct tenant *tenant, unsigned int slot, struct pool *pool);

/* Lend at least ask_bytes more, or nothing; sessions see it in the limits page. */
void tenant_lend(struct tenant *tenant, struct pool *pool, uint64_t ask_bytes);

#endif
