/* SPDX-License-Identifier: MIT */
/* A bump allocator over one private mapping; see arena.h. */
#include "broker/session/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <sys/mman.h>

static void *allocator_take(void *data, size_t bytes)
{
	return arena_take(data, bytes);
}

static void allocator_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

int arena_init(struct arena *arena, size_t bytes)
{
	/* A mapping of its own and not malloc: untouched pages cost nothing, however large the bound is. */
	void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		return -ENOMEM;
	*arena = (struct arena){
		.area = area,
		.bytes = bytes,
		.allocator = {.alloc = allocator_take,
			.free = allocator_free,
			.allocator_data = arena},
	};
	return 0;
}

void arena_deinit(struct arena *arena)
{
	if (!arena->area)
		return;
	munmap(arena->area, arena->bytes);
	arena->area = NULL;
	arena->bytes = arena->used = 0;
}

void *arena_take(struct arena *arena, size_t bytes)
{
	const size_t align = alignof(max_align_t);
	void *pointer = arena->area + arena->used;

	if (bytes > arena->bytes - arena->used)
		return NULL;
	bytes = (bytes + align - 1) & ~(align - 1);
	if (bytes > arena->bytes - arena->used)
		return NULL;
	arena->used += bytes;
	return pointer;
}

void arena_reset(struct arena *arena)
{
	arena->used = 0;
}
