/* SPDX-License-Identifier: MIT */
/*
 * Memory that lives as long as one message: taken piece by piece from one fixed area, given back all at once.
 *
 * What a client sends decides how much the parser asks for (two bytes can become a hundred), so the area is the bound:
 * when it is used up, the parser's allocation fails and with it the message. Nothing here calls malloc after
 * arena_init(), and pages that no message has needed yet are not resident.
 */
#ifndef IOMMUB_SESSION_ARENA_H
#define IOMMUB_SESSION_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena {
	unsigned char *area;
	size_t bytes;
	size_t used;
	ProtobufCAllocator allocator; /* for protobuf-c: alloc takes from here, free does nothing */
};

/* 0 or -ENOMEM. The arena must not move afterwards: its allocator points to it. */
int arena_init(struct arena *arena, size_t bytes);
void arena_deinit(struct arena *arena);
/* Aligned for anything; NULL when the area is used up. Not zeroed. */
void *arena_take(struct arena *arena, size_t bytes);
/* All that was taken is gone. */
void arena_reset(struct arena *arena);

#endif
