/* SPDX-License-Identifier: MIT */
#include "policy/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES 16384u

struct arena_block {
	struct arena_block *older;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

static struct arena_block *arena_grow(struct arena *arena, size_t at_least)
{
	size_t size = at_least > ARENA_BLOCK_BYTES ? at_least : ARENA_BLOCK_BYTES;
	struct arena_block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = calloc(1, sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	block->older = arena->newest;
	arena->newest = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t bytes)
{
	struct arena_block *block = arena->newest;
	size_t want;
	void *piece;

	if (__builtin_mul_overflow(count, bytes, &want) || want > SIZE_MAX - alignof(max_align_t))
		return NULL;
	want = (want + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!block || block->size - block->used < want)
		block = arena_grow(arena, want);
	if (!block)
		return NULL;
	piece = block->bytes + block->used;
	block->used += want;
	return piece;
}

char *arena_copy(struct arena *arena, const char *text, size_t bytes)
{
	char *copy = bytes < SIZE_MAX ? arena_alloc(arena, bytes + 1, 1) : NULL;

	if (copy && bytes)
		memcpy(copy, text, bytes);
	return copy;
}

void arena_free(struct arena *arena)
{
	struct arena_block *block = arena->newest;

	while (block) {
		struct arena_block *older = block->older;

		free(block);
		block = older;
	}
	arena->newest = NULL;
}
