/* SPDX-License-Identifier: MIT */
/* An intrusive red-black tree of disjoint ranges; iova_index.h has the model. */
#include "broker/session/iova_index.h"

#include <stddef.h>

/* Overlapping ranges compare as equal, so that inserting one finds the one that is in its way. */
static int mapping_compare(const struct mapping *a, const struct mapping *b)
{
	if (a->last < b->start)
		return -1;
	return a->start > b->last;
}

RB_GENERATE_INTERNAL(iova_index, mapping, node, mapping_compare, __attribute__((unused)) static)

bool iova_index_insert(struct iova_index *index, struct mapping *mapping)
{
	return RB_INSERT(iova_index, index, mapping) == NULL;
}

void iova_index_remove(struct iova_index *index, struct mapping *mapping)
{
	RB_REMOVE(iova_index, index, mapping);
}

struct mapping *iova_index_reaching(struct iova_index *index, uint64_t iova)
{
	struct mapping key = {.start = iova, .last = iova};

	return RB_NFIND(iova_index, index, &key);
}

struct mapping *iova_index_next(struct mapping *mapping)
{
	return RB_NEXT(iova_index, NULL, mapping);
}

bool iova_index_covers(struct iova_index *index, uint64_t start, uint64_t last, uint64_t *ret_count)
{
	struct mapping *mapping = iova_index_reaching(index, start);
	uint64_t count = 0;

	if (!mapping || mapping->start > start)
		return false;
	for (;;) {
		struct mapping *next;

		count++;
		if (mapping->last >= last)
			break;
		next = iova_index_next(mapping);
		if (!next || next->start != mapping->last + 1)
			return false;
		mapping = next;
	}
	*ret_count = count;
	return true;
}

struct mapping *iova_index_cut_by(struct iova_index *index, uint64_t start, uint64_t last)
{
	struct mapping *first = iova_index_reaching(index, start);
	struct mapping *end = iova_index_reaching(index, last);

	/* Only the mappings at the two ends can reach over them. */
	if (first && first->start < start)
		return first;
	if (end && end->start <= last && end->last > last)
		return end;
	return NULL;
}
