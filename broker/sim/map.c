/* SPDX-License-Identifier: MIT */
/*
 * Mappings come and go.
 *
 * MAP and MAP_FILE make pages and one mapping of all of them. COPY takes a span of IOVA that mappings cover without a
 * hole, and makes a mapping of the same pages for each of them, in another IOAS or the same. All take the same way:
 * place (map_place) -> enter into the map -> pin, if a page table is there. Whatever fails, all of it is undone.
 *
 * UNMAP takes whole mappings only. It goes through the range in order and stops at the first that the range cuts: ENOENT,
 * and those before it are gone. The kernel does so, and callers must know it.
 */
#include "broker/sim/model.h"
#include "include/iommufd_uapi.h"

#include <errno.h>
#include <stdlib.h>

#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)
#define MAP_DIRECTIONS (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

/* Mappings in the making: of each the pages (with a reference), the offset, and its length as `last`. */
struct batch {
	struct sim_mapping **mappings;
	size_t count, room;
	size_t entered; /* so many are in the map ... */
	size_t pinned; /* ... and pinned */
	struct sim_mapping *one; /* room for the usual one */
};

static int batch_add(struct batch *batch, struct sim_pages *pages, uint64_t offset, uint64_t length)
{
	struct sim_mapping *mapping;

	if (batch->count == batch->room) {
		size_t room = batch->room ? batch->room * 2 : 1;
		struct sim_mapping **mappings = &batch->one;

		if (room > 1) {
			mappings = reallocarray(room > 2 ? batch->mappings : NULL, room,
				sizeof(struct sim_mapping *));
			if (!mappings)
				return -ENOMEM;
			if (room == 2)
				mappings[0] = batch->one;
		}
		batch->mappings = mappings;
		batch->room = room;
	}
	mapping = malloc(sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	mapping->pages = pages;
	mapping->offset = offset;
	mapping->start = 0;
	mapping->last = length - 1;
	batch->mappings[batch->count++] = mapping;
	return 0;
}

/* After success the mappings belong to the IOAS; else take them out and free them. */
static void batch_end(
	struct sim_context *context, struct sim_ioas *ioas, struct batch *batch, bool success)
{
	for (size_t i = 0; !success && i < batch->count; i++) {
		struct sim_mapping *mapping = batch->mappings[i];

		if (i < batch->pinned)
			sim_pages_unpin(context, mapping->pages, mapping->offset,
				mapping->last - mapping->start + 1);
		if (i < batch->entered)
			sim_iova_remove(&ioas->map, mapping);
		sim_pages_put(context, mapping->pages);
		free(mapping);
	}
	if (batch->room > 1)
		free(batch->mappings);
}

/* Give the mapping its place and enter it. The checks are those of the kernel's insert, in its order. */
static int map_enter(
	struct sim_ioas *ioas, struct sim_mapping *mapping, uint64_t iova, uint32_t flags)
{
	uint64_t length = mapping->last + 1;

	if ((flags & IOMMU_IOAS_MAP_WRITEABLE) && !mapping->pages->writable)
		return -EPERM;
	if ((mapping->offset % SIM_PAGE_BYTES) & (ioas->alignment - 1))
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &mapping->last))
		return -EOVERFLOW;
	mapping->start = iova;
	mapping->flags = flags & MAP_DIRECTIONS;
	sim_iova_insert(&ioas->map, mapping);
	return 0;
}

static int map_batch(struct sim_context *context, struct sim_ioas *ioas, struct batch *batch,
	uint64_t length, uint32_t flags, uint64_t *iova)
{
	const struct sim_mapping *first = batch->mappings[0];
	uint64_t at;
	int r;

	if (length == 0 || (length & (ioas->alignment - 1)))
		return -EINVAL;
	if (flags & IOMMU_IOAS_MAP_FIXED_IOVA)
		r = sim_place_check(ioas, *iova, length);
	else
		r = sim_place_find(ioas, first->pages->base + first->offset, length, iova);
	at = *iova;
	for (size_t i = 0; r == 0 && i < batch->count; i++) {
		uint64_t bytes = batch->mappings[i]->last + 1;

		r = map_enter(ioas, batch->mappings[i], at, flags);
		if (r == 0)
			batch->entered++;
		at += bytes;
	}
	for (size_t i = 0; r == 0 && ioas->hwpt_count > 0 && i < batch->count; i++) {
		const struct sim_mapping *m = batch->mappings[i];

		r = sim_pages_pin(context, m->pages, m->offset, m->last - m->start + 1);
		if (r == 0)
			batch->pinned++;
	}
	if (r == 0)
		context->mapping_count += batch->count;
	return r;
}

static int ioas_find(struct sim_context *context, uint32_t id, struct sim_ioas **ret)
{
	return sim_object_find(context, id, SIM_OBJECT_IOAS, (struct sim_object **)ret);
}

/* The checks that MAP, MAP_FILE and COPY begin with. */
static int map_check(uint32_t flags, uint64_t iova, uint64_t other_iova, uint64_t length)
{
	if (flags & ~(uint32_t)MAP_FLAGS)
		return -EOPNOTSUPP;
	if (iova == UINT64_MAX || other_iova == UINT64_MAX || length == UINT64_MAX)
		return -EOVERFLOW;
	if (!(flags & MAP_DIRECTIONS))
		return -EINVAL;
	return 0;
}

/* Map all of `pages`, which is taken over also on failure. */
static int map_pages(struct sim_context *context, struct sim_ioas *ioas, struct sim_pages *pages,
	uint64_t offset, uint64_t length, uint32_t flags, uint64_t *iova)
{
	struct batch batch = {0};
	int r = batch_add(&batch, pages, offset, length);

	if (r < 0) {
		sim_pages_put(context, pages);
		return r;
	}
	r = map_batch(context, ioas, &batch, length, flags, iova);
	batch_end(context, ioas, &batch, r == 0);
	return r;
}

int sim_ioas_map_user(struct sim_command *command)
{
	struct iommu_ioas_map *in = command->in;
	struct sim_pages *pages;
	struct sim_ioas *ioas;
	uint64_t end, iova = in->iova;
	int r;

	if (in->__reserved)
		return -EOPNOTSUPP;
	r = map_check(in->flags, in->iova, 0, in->length);
	if (r == 0)
		r = ioas_find(command->context, in->ioas_id, &ioas);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(in->user_va, in->length, &end))
		return -EOVERFLOW;
	r = sim_pages_new(command->context, NULL, in->user_va, in->length,
		in->flags & IOMMU_IOAS_MAP_WRITEABLE, &pages);
	if (r == 0)
		r = map_pages(command->context, ioas, pages, in->user_va % SIM_PAGE_BYTES,
			in->length, in->flags, &iova);
	if (r < 0)
		return r;
	in->iova = iova;
	sim_command_respond(command, sizeof(*in));
	return 0;
}

int sim_ioas_map_file(struct sim_command *command)
{
	struct iommu_ioas_map_file *in = command->in;
	uint64_t last, iova = in->iova;
	struct sim_pages *pages;
	struct sim_ioas *ioas;
	struct sim_file *file;
	int r;

	r = map_check(in->flags, in->iova, 0, in->length);
	if (r == 0)
		r = ioas_find(command->context, in->ioas_id, &ioas);
	if (r < 0)
		return r;
	if (in->length == 0)
		return -EINVAL;
	if (__builtin_add_overflow(in->start, in->length - 1, &last))
		return -EOVERFLOW;
	r = sim_file_get(command->context, in->fd, &file);
	if (r == 0)
		r = sim_pages_new(command->context, file, in->start, in->length,
			in->flags & IOMMU_IOAS_MAP_WRITEABLE, &pages);
	if (r == 0)
		r = map_pages(command->context, ioas, pages, in->start % SIM_PAGE_BYTES, in->length,
			in->flags, &iova);
	if (r < 0)
		return r;
	in->iova = iova;
	sim_command_respond(command, sizeof(*in));
	return 0;
}

/* What covers [start, start+length), piece by piece; -ENOENT if there is a hole. */
static int copy_collect(struct sim_ioas *ioas, uint64_t start, uint64_t length, struct batch *batch)
{
	uint64_t last, at = start;
	struct sim_mapping *m;

	if (length == 0)
		return -EINVAL;
	if (__builtin_add_overflow(start, length - 1, &last))
		return -EOVERFLOW;
	for (m = sim_iova_first(&ioas->map, start, start); m && m->start <= at;
		m = sim_iova_next(m)) {
		uint64_t piece_last = m->last < last ? m->last : last;
		int r = batch_add(
			batch, m->pages, m->offset + (at - m->start), piece_last - at + 1);

		if (r < 0)
			return r;
		m->pages->refs++;
		if (piece_last == last)
			return 0;
		at = piece_last + 1;
	}
	return -ENOENT;
}

int sim_ioas_copy(struct sim_command *command)
{
	struct iommu_ioas_copy *in = command->in;
	struct sim_ioas *from, *to = NULL;
	struct batch batch = {0};
	uint64_t iova = in->dst_iova;
	int r;

	r = map_check(in->flags, in->dst_iova, in->src_iova, in->length);
	if (r == 0)
		r = ioas_find(command->context, in->src_ioas_id, &from);
	if (r < 0)
		return r;
	r = copy_collect(from, in->src_iova, in->length, &batch);
	if (r == 0)
		r = ioas_find(command->context, in->dst_ioas_id, &to);
	if (r == 0)
		r = map_batch(command->context, to, &batch, in->length, in->flags, &iova);
	batch_end(command->context, to, &batch, r == 0);
	if (r < 0)
		return r;
	in->dst_iova = iova;
	sim_command_respond(command, sizeof(*in));
	return 0;
}

int sim_ioas_unmap(struct sim_context *context, struct sim_ioas *ioas, uint64_t start,
	uint64_t last, uint64_t *unmapped)
{
	struct sim_mapping *mapping = sim_iova_first(&ioas->map, start, last), *next;

	*unmapped = 0;
	for (; mapping && mapping->start <= last; mapping = next) {
		uint64_t length = mapping->last - mapping->start + 1;

		if (mapping->start < start || mapping->last > last)
			return -ENOENT;
		next = sim_iova_next(mapping);
		sim_iova_remove(&ioas->map, mapping);
		if (ioas->hwpt_count > 0)
			sim_pages_unpin(context, mapping->pages, mapping->offset, length);
		sim_pages_put(context, mapping->pages);
		free(mapping);
		context->mapping_count--;
		*unmapped += length;
	}
	return 0;
}

int sim_ioas_unmap_range(struct sim_command *command)
{
	struct iommu_ioas_unmap *in = command->in;
	bool all = in->iova == 0 && in->length == UINT64_MAX;
	uint64_t last = UINT64_MAX, unmapped;
	struct sim_ioas *ioas;
	int r;

	r = ioas_find(command->context, in->ioas_id, &ioas);
	if (r < 0)
		return r;
	if (!all) {
		if (in->iova == UINT64_MAX || in->length == UINT64_MAX)
			return -EOVERFLOW;
		if (in->length == 0)
			return -EINVAL;
		if (__builtin_add_overflow(in->iova, in->length - 1, &last))
			return -EOVERFLOW;
	}
	r = sim_ioas_unmap(command->context, ioas, in->iova, last, &unmapped);
	if (r == 0 && !all && unmapped == 0)
		r = -ENOENT;
	if (r < 0)
		return r;
	in->length = unmapped;
	sim_command_respond(command, sizeof(*in));
	return 0;
}
