/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/pool.h"

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Up to the next multiple of a chunk; what would overflow stays as asked. */
static uint64_t round_up(uint64_t bytes, uint64_t chunk_bytes)
{
	uint64_t rest = bytes % chunk_bytes, rounded;

	if (rest == 0 || __builtin_add_overflow(bytes, chunk_bytes - rest, &rounded))
		return bytes;
	return rounded;
}

uint64_t pool_lend(
	struct pool *pool, uint64_t *share_bytes, uint64_t limit_bytes, uint64_t ask_bytes)
{
	uint64_t room = pool->total_bytes - pool->lent_bytes;
	uint64_t bytes;

	room = min(room, limit_bytes > *share_bytes ? limit_bytes - *share_bytes : 0);
	if (ask_bytes > room)
		return 0;
	bytes = min(round_up(ask_bytes, pool->chunk_bytes), room);
	pool->lent_bytes += bytes;
	*share_bytes += bytes;
	return bytes;
}

void pool_take_back(struct pool *pool, uint64_t *share_bytes)
{
	pool->lent_bytes -= *share_bytes;
	*share_bytes = 0;
}
