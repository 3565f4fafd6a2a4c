/* SPDX-License-Identifier: MIT */
/*
 * An arena: memory that is handed out piece by piece and given back all at once.
 *
 * A document and a policy are each many small things with one end of life. With an arena there is
 * one owner, one free, and no path on which half of a tree leaks.
 */
#ifndef IOMMUB_POLICY_ARENA_H
#define IOMMUB_POLICY_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *newest; /* {0} is an empty arena */
};

/* Zeroed memory for count objects of `bytes` each, aligned for any type; NULL when there is none
 * (or it overflows). */
void *arena_alloc(struct arena *arena, size_t count, size_t bytes);
/* A terminated copy of `bytes` bytes of text. */
char *arena_copy(struct arena *arena, const char *text, size_t bytes);
void arena_free(struct arena *arena);

#endif
