/* SPDX-License-Identifier: MIT */
/*
 * What is mapped where in one IOAS: the session's own record, by IOVA.
 *
 * Mappings are disjoint, so ordering them by their first IOVA orders them by their last one too, and one descent answers
 * "which is the first that reaches beyond X". A node lives inside its mapping: inserting cannot fail.
 *
 * A mapping and the pages behind it are two things, as in the kernel, because IOAS_COPY makes a second mapping of the
 * same pages. The pages carry the charge and give it back when their last mapping goes.
 */
#ifndef IOMMUB_SESSION_IOVA_INDEX_H
#define IOMMUB_SESSION_IOVA_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/tree.h>

struct memory_file;

/* Memory that one IOAS_MAP pinned. */
struct pages {
	uint32_t mappings; /* how many refer to it */
	bool writeable; /* mapped so that a device may write */
	uint64_t charged_bytes; /* of RESOURCE_LOCKED_BYTES, given back with the last mapping */
	struct memory_file *file; /* a reference; what its owner must not seal while this lives */
};

struct mapping {
	uint64_t start;
	uint64_t last; /* inclusive */
	struct pages *pages;
	RB_ENTRY(mapping) node;
};

RB_HEAD(iova_index, mapping);

/* false: it would overlap one that is there, nothing changed. */
bool iova_index_insert(struct iova_index *index, struct mapping *mapping);
void iova_index_remove(struct iova_index *index, struct mapping *mapping);
/* The first mapping whose last IOVA is not below `iova`, or NULL. */
struct mapping *iova_index_reaching(struct iova_index *index, uint64_t iova);
struct mapping *iova_index_next(struct mapping *mapping);

/* Is every IOVA of [start, last] mapped? How many mappings it touches goes to *ret_count. */
bool iova_index_covers(
	struct iova_index *index, uint64_t start, uint64_t last, uint64_t *ret_count);
/* Does [start, last] cut a mapping in two? Returns that mapping, or NULL. */
struct mapping *iova_index_cut_by(struct iova_index *index, uint64_t start, uint64_t last);

#endif
