/* SPDX-License-Identifier: MIT */
/* The model is in arena.h. */
#include "client/lib/arena.h"

#include <stdlib.h>

#define BLOCK_BYTES (32u << 10)
#define ALIGNMENT 16u

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

static void *allocator_alloc(void *arena, size_t bytes)
{
	return arena_alloc(arena, bytes);
}

static void allocator_free(void *arena, void *piece)
{
	(void)arena;
	(void)piece;
}

void arena_init(struct arena *arena)
{
	arena->allocator = (ProtobufCAllocator){
		.alloc = allocator_alloc, .free = allocator_free, .allocator_data = arena};
}

static struct arena_block *block_add(struct arena *arena, size_t bytes)
{
	size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
	struct arena_block *block;

	if (size > ARENA_BYTES_MAX - arena->total_bytes)
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	*block = (struct arena_block){.next = arena->blocks, .size = size};
	arena->blocks = block;
	arena->total_bytes += size;
	return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	struct arena_block *block = arena->blocks;
	uint8_t *piece;

	if (bytes > ARENA_BYTES_MAX)
		return NULL;
	bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (!block || bytes > block->size - block->used)
		block = block_add(arena, bytes);
	if (!block)
		return NULL;
	piece = block->bytes + block->used;
	block->used += bytes;
	return piece;
}

void arena_reset(struct arena *arena)
{
	while (arena->blocks && arena->blocks->next) {
		struct arena_block *next = arena->blocks->next;

		arena->total_bytes -= arena->blocks->size;
		free(arena->blocks);
		arena->blocks = next;
	}
	if (arena->blocks)
		arena->blocks->used = 0;
}

void arena_deinit(struct arena *arena)
{
	arena_reset(arena);
	free(arena->blocks);
	arena->blocks = NULL;
	arena->total_bytes = 0;
}
