/* SPDX-License-Identifier: MIT */
/*
 * Memory of one message: taken piece by piece, given back all at once.
 *
 * A decoded protobuf message is dozens of small pieces that die together, and so is the scaffolding of one that is being encoded.
 * An arena hands out consecutive parts of a block that stays, so that in the usual case nothing is allocated; what does not fit comes from
 * further blocks, which the next reset frees. ARENA_BYTES_MAX bounds what a message of 64 KiB can blow itself up to.
 */
#ifndef IOMMUB_CLIENT_ARENA_H
#define IOMMUB_CLIENT_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#define ARENA_BYTES_MAX (8u << 20)

struct arena_block;
struct arena {
	struct arena_block *blocks; /* newest first; the last of the list is the one that stays */
	size_t total_bytes;
	ProtobufCAllocator allocator; /* for protobuf-c: alloc here, free is nothing */
};

/* A zeroed arena needs this once before use. */
void arena_init(struct arena *arena);
/* Aligned for anything; NULL above the bound or without memory. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* Give everything back; pieces handed out are gone. */
void arena_reset(struct arena *arena);
void arena_deinit(struct arena *arena);

#endif
