/* SPDX-License-Identifier: MIT */
/*
 * Which addresses of this process show which part of which memory handle.
 *
 * A tree of ranges [start, last] that never overlap, ordered by start. Ranges may touch; a lookup never spans two, since adjacent
 * addresses need not be adjacent in one file.
 */
#ifndef IOMMUB_CLIENT_REGISTRY_H
#define IOMMUB_CLIENT_REGISTRY_H

#include <stdint.h>
#include <bsd/sys/tree.h>

struct registry_range {
	RB_ENTRY(registry_range) node;
	uint64_t start;
	uint64_t last;
	uint64_t offset; /* of start, in the file */
	uint32_t memory;
};

RB_HEAD(registry, registry_range); /* zeroed = empty */

/* 0; -EINVAL: no bytes, or the addresses or the offsets wrap around; -EEXIST: overlaps another; -ENOMEM. */
int registry_add(struct registry *registry, uint64_t start, uint64_t bytes, uint32_t memory,
	uint64_t offset);
/* The range that holds all of [start, start + bytes), or NULL. */
const struct registry_range *registry_find(
	struct registry *registry, uint64_t start, uint64_t bytes);
/* Forget the range that begins at `start`. 0 or -ENOENT. */
int registry_remove(struct registry *registry, uint64_t start);
/* Forget all ranges of a memory handle. */
void registry_remove_memory(struct registry *registry, uint32_t memory);
void registry_clear(struct registry *registry);

#endif
