/* SPDX-License-Identifier: MIT */
/*
 * The life of a mapping and of the pages behind it, as far as this session's own records go: charges, references, index.
 * What the kernel is asked is op_map.c's.
 */
#ifndef IOMMUB_SESSION_MAPPING_H
#define IOMMUB_SESSION_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

struct call;
struct ioas;
struct mapping;
struct memory_file;
struct pages;
struct session;

/* Charge for one map of `bytes` (whole pages) of a file, and make a mapping with pages of its own, in no index yet.
 * 0, or -errno with the call's error said. */
int mapping_new(struct call *call, struct memory_file *file, uint64_t bytes, bool writeable,
	struct mapping **ret);
/* Charge for `count` more mappings and make them, chained by mapping_chain_next(), without pages. */
int mapping_new_chain(struct call *call, uint64_t count, struct mapping **ret);
struct mapping *mapping_chain_next(struct mapping *mapping);
/* A mapping that is in no index goes; with the last one of its pages their charge and their file. NULL is fine. */
void mapping_free(struct session *session, struct mapping *mapping);

/* Put it at [start, last] of an IOAS, backed by `pages` (its own, or to share). The kernel has said that this place was
 * free: that our index disagrees is a bug. */
void mapping_place(struct session *session, struct ioas *ioas, struct mapping *mapping,
	uint64_t start, uint64_t last, struct pages *pages);
/* Take it out of its IOAS' index and free it. */
void mapping_drop(struct session *session, struct ioas *ioas, struct mapping *mapping);
/* All of an IOAS: the kernel has none of them any more. */
void mapping_drop_all(struct session *session, struct ioas *ioas);

#endif
