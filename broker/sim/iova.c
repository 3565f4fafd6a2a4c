/* SPDX-License-Identifier: MIT */
/*
 * An IOVA map: a red-black tree of disjoint spans whose nodes lie in the mappings, so that insertion cannot fail.
 *
 * Each mapping knows the gap before it, down to the end of the mapping before (or to zero), and the widest gap in its
 * subtree. That makes "the first hole that is wide enough" a walk down one path, whatever the number of mappings. The
 * space behind the last mapping is no node's gap; it is looked at last.
 *
 *	         gap    mapping     gap   mapping       the rest
 *	0 |------------|=========|-------|=======|------------------------| 2^64-1
 *
 * The tree's own rotations keep gap_max of the nodes they turn (RB_AUGMENT); what insertion and removal change above is
 * recomputed here, from the lowest changed node to the root.
 */
#include "broker/sim/iova.h"

#include <stddef.h>

static void gap_max_update(struct sim_mapping *m);

#undef RB_AUGMENT
#define RB_AUGMENT(x) gap_max_update(x)

static int mapping_compare(const struct sim_mapping *a, const struct sim_mapping *b)
{
	return (a->start > b->start) - (a->start < b->start);
}

RB_GENERATE_INTERNAL(sim_iova_map, sim_mapping, node, mapping_compare, SIM_TREE_FUNCTION)

static void gap_max_update(struct sim_mapping *m)
{
	const struct sim_mapping *left = RB_LEFT(m, node), *right = RB_RIGHT(m, node);
	uint64_t widest = m->gap;

	if (left && left->gap_max > widest)
		widest = left->gap_max;
	if (right && right->gap_max > widest)
		widest = right->gap_max;
	m->gap_max = widest;
}

static void gap_max_update_up(struct sim_mapping *m)
{
	for (; m; m = RB_PARENT(m, node))
		gap_max_update(m);
}

void sim_iova_init(struct sim_iova_map *map)
{
	RB_INIT(map);
}

struct sim_mapping *sim_iova_first(const struct sim_iova_map *map, uint64_t start, uint64_t last)
{
	struct sim_mapping *m = RB_ROOT(map), *found = NULL;

	while (m) {
		if (m->last >= start) {
			found = m;
			m = RB_LEFT(m, node);
		} else {
			m = RB_RIGHT(m, node);
		}
	}
	return found && found->start <= last ? found : NULL;
}

struct sim_mapping *sim_iova_next(struct sim_mapping *mapping)
{
	return RB_NEXT(sim_iova_map, NULL, mapping);
}

void sim_iova_insert(struct sim_iova_map *map, struct sim_mapping *mapping)
{
	struct sim_mapping *after = sim_iova_first(map, mapping->start, UINT64_MAX);
	const struct sim_mapping *before =
		after ? RB_PREV(sim_iova_map, map, after) : RB_MAX(sim_iova_map, map);

	mapping->gap = before ? mapping->start - before->last - 1 : mapping->start;
	mapping->gap_max = mapping->gap;
	if (after)
		after->gap = after->start - mapping->last - 1;
	(void)RB_INSERT(sim_iova_map, map, mapping);
	gap_max_update_up(mapping);
	gap_max_update_up(after);
}

void sim_iova_remove(struct sim_iova_map *map, struct sim_mapping *mapping)
{
	struct sim_mapping *after = RB_NEXT(sim_iova_map, map, mapping);
	struct sim_mapping *above = RB_PARENT(mapping, node);

	if (after)
		after->gap += mapping->gap + (mapping->last - mapping->start + 1);
	(void)RB_REMOVE(sim_iova_map, map, mapping);
	gap_max_update_up(above);
	gap_max_update_up(after);
}

/* The first mapping in the subtree that starts behind `start` and has a gap of `length` before it. */
static struct sim_mapping *gap_find(struct sim_mapping *m, uint64_t start, uint64_t length)
{
	while (m && m->gap_max >= length) {
		if (m->start > start) {
			struct sim_mapping *found = gap_find(RB_LEFT(m, node), start, length);

			if (found)
				return found;
			if (m->gap >= length)
				return m;
		}
		m = RB_RIGHT(m, node);
	}
	return NULL;
}

bool sim_iova_hole(const struct sim_iova_map *map, uint64_t start, uint64_t last, uint64_t length,
	uint64_t *ret_start, uint64_t *ret_last)
{
	struct sim_iova_map *tree = (struct sim_iova_map *)map; /* sys/tree.h knows no const */
	const struct sim_mapping *m = gap_find(RB_ROOT(tree), start, length);
	uint64_t from, to;

	if (m) {
		from = m->start - m->gap;
		to = m->start - 1;
	} else {
		m = RB_MAX(sim_iova_map, tree);
		if (m && m->last == UINT64_MAX)
			return false;
		from = m ? m->last + 1 : 0;
		to = UINT64_MAX;
		if (to - from < length - 1)
			return false;
	}
	if (from > last)
		return false;
	*ret_start = from > start ? from : start;
	*ret_last = to < last ? to : last;
	return true;
}
