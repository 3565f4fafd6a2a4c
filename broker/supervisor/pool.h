/* SPDX-License-Identifier: MIT */
/*
 * The host's pool of locked memory, of which tenants are lent shares.
 *
 * A tenant is lent bytes in chunks, so that most charges within its limits wake nobody. The rule:
 *
 *     sum of all shares <= total            and, for each tenant,            share <= its own limit
 *
 * A request gets what it asks for, rounded up to a chunk as far as there is room, or nothing: a share too small to be of
 * use would only be kept from the others. Shares come back when a tenant has no session left.
 */
#ifndef IOMMUB_SUPERVISOR_POOL_H
#define IOMMUB_SUPERVISOR_POOL_H

#include <stdint.h>

struct pool {
	uint64_t total_bytes; /* UINT64_MAX: no limit */
	uint64_t chunk_bytes; /* at least 1 */
	uint64_t lent_bytes;
};

/* Lend to a tenant that has *share_bytes and may have limit_bytes. Returns what was added to the share: 0, or at least
 * ask_bytes. */
uint64_t pool_lend(
	struct pool *pool, uint64_t *share_bytes, uint64_t limit_bytes, uint64_t ask_bytes);

/* All of a share comes back; *share_bytes is 0 afterwards. */
void pool_take_back(struct pool *pool, uint64_t *share_bytes);

#endif
