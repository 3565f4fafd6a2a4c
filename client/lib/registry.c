/* SPDX-License-Identifier: MIT */
/* The model is in registry.h. */
#include "client/lib/registry.h"

#include <errno.h>
#include <stdlib.h>

static int range_compare(const struct registry_range *a, const struct registry_range *b)
{
	return (a->start > b->start) - (a->start < b->start);
}

/* libbsd leaves the attribute of RB_GENERATE_STATIC undefined on Linux. */
RB_GENERATE_INTERNAL(registry, registry_range, node, range_compare, __attribute__((unused)) static)

/* [start, start + bytes - 1] without wrapping; the last byte may be the last there is. */
static int range_last(uint64_t start, uint64_t bytes, uint64_t *ret)
{
	if (bytes == 0 || start > UINT64_MAX - (bytes - 1))
		return -EINVAL;
	*ret = start + (bytes - 1);
	return 0;
}

/* The range with the greatest start that is not above `address`. */
static struct registry_range *range_at_or_below(struct registry *registry, uint64_t address)
{
	struct registry_range key = {.start = address};
	struct registry_range *range = RB_NFIND(registry, registry, &key);

	if (range && range->start == address)
		return range;
	return range ? RB_PREV(registry, registry, range) : RB_MAX(registry, registry);
}

int registry_add(
	struct registry *registry, uint64_t start, uint64_t bytes, uint32_t memory, uint64_t offset)
{
	const struct registry_range *below;
	struct registry_range *range;
	uint64_t last, offset_last;

	if (range_last(start, bytes, &last) < 0 || range_last(offset, bytes, &offset_last) < 0)
		return -EINVAL;
	/* Ranges do not overlap, so the one that starts nearest below our end is the only one to look at. */
	below = range_at_or_below(registry, last);
	if (below && below->last >= start)
		return -EEXIST;
	range = malloc(sizeof(*range));
	if (!range)
		return -ENOMEM;
	*range = (struct registry_range){
		.start = start, .last = last, .offset = offset, .memory = memory};
	RB_INSERT(registry, registry, range);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the tree holds it from here on */
	return 0;
}

const struct registry_range *registry_find(
	struct registry *registry, uint64_t start, uint64_t bytes)
{
	const struct registry_range *range;
	uint64_t last;

	if (range_last(start, bytes, &last) < 0)
		return NULL;
	range = range_at_or_below(registry, start);
	return range && range->last >= last ? range : NULL;
}

int registry_remove(struct registry *registry, uint64_t start)
{
	struct registry_range *range = range_at_or_below(registry, start);

	if (!range || range->start != start)
		return -ENOENT;
	RB_REMOVE(registry, registry, range);
	free(range);
	return 0;
}

void registry_remove_memory(struct registry *registry, uint32_t memory)
{
	struct registry_range *range = RB_MIN(registry, registry), *next;

	for (; range; range = next) {
		next = RB_NEXT(registry, registry, range);
		if (range->memory != memory)
			continue;
		RB_REMOVE(registry, registry, range);
		free(range);
	}
}

void registry_clear(struct registry *registry)
{
	struct registry_range *range;

	while ((range = RB_ROOT(registry))) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed has left the tree */
		RB_REMOVE(registry, registry, range);
		free(range);
	}
}
