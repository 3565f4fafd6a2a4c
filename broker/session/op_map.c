/* SPDX-License-Identifier: MIT */
/*
 * Map, unmap, copy.
 *
 * A map is charged before the kernel is asked, and what the kernel refuses is refunded. An unmap is held against this
 * session's own index first: the kernel takes a range apart from its start and stops with ENOENT at the first mapping
 * that the range cuts, with the earlier ones gone; here it is all or nothing. A copy shares the pages: it charges
 * mappings, and no memory.
 */
#include <errno.h>
#include <string.h>
#include "broker/session/backend.h"
#include "broker/session/call.h"
#include "broker/session/graph.h"
#include "broker/session/mapping.h"
#include "broker/session/memory_file.h"
#include "broker/session/ops.h"
#include "broker/session/windows.h"
#include "include/iommufd_uapi.h"

static struct ioas *ioas_get(struct call *call, uint32_t id, const char *field)
{
	struct ioas *ioas = (struct ioas *)graph_find(call->session->graph, id, OBJECT_IOAS);

	if (!ioas)
		call_error(call, ENOENT, field, "%s: this session has no IOAS %u", field, id);
	return ioas;
}

/* Absent means true. */
static int direction_flags(struct call *call, bool readable, bool writeable, uint32_t *ret)
{
	if (!readable && !writeable)
		return call_error(call, EINVAL, "readable", "neither readable nor writeable");
	*ret = (readable ? IOMMU_IOAS_MAP_READABLE : 0u) |
	       (writeable ? IOMMU_IOAS_MAP_WRITEABLE : 0u);
	return 0;
}

/* A place that the client chose, or a place to choose from. */
static int check_place(struct call *call, const struct ioas *ioas, bool fixed, const char *field,
	uint64_t iova, uint64_t length)
{
	const struct control_setup *setup = call->session->setup;

	if (!fixed) {
		if (ioas->nowhere)
			return call_error(call, ENOSPC, field,
				"the devices of IOAS %u leave nothing of the tenant's IOVA windows",
				ioas->object.id);
		return 0;
	}
	if (windows_contain(setup, iova, iova + length - 1))
		return 0;
	call_denied(call, setup->rule_windows,
		"[0x%llx, 0x%llx] is outside the tenant's IOVA windows", (unsigned long long)iova,
		(unsigned long long)(iova + length - 1));
	call->error.field = field;
	return -EPERM;
}

/* The kernel chose: hold it to what it was told. */
static int check_chosen(struct call *call, const struct ioas *ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas->object.id, .iova = iova, .length = length};

	if (windows_contain(call->session->setup, iova, iova + length - 1))
		return 0;
	session_audit(call->session, AUDIT_BROKEN, 0, "IOVA 0x%llx was chosen outside the windows",
		(unsigned long long)iova);
	if (backend_ioctl(call->session->backend, IOMMU_IOAS_UNMAP, &unmap) < 0)
		session_broken(call->session, "and it cannot be unmapped");
	return call_error(call, ENOSPC, "iova", "no free place in the tenant's IOVA windows");
}

/* The file that a map means: of a handle, or the message's own. */
static int map_file_get(
	struct call *call, const PB(IoasMap) * map, bool writeable, struct memory_file **ret)
{
	struct memory *memory;

	if (!map->has_memory)
		return memory_file_new(call, call->fds[call->fd_slot], writeable, ret);
	memory = (struct memory *)graph_find(call->session->graph, map->memory, OBJECT_MEMORY);
	if (!memory)
		return call_error(call, ENOENT, "memory", "this session has no memory handle %u",
			map->memory);
	if (writeable && !memory->file->writeable)
		return call_error(call, EACCES, "writeable",
			"memory %u was registered with writeable = false: map it so, too",
			map->memory);
	if (writeable && memory_file_check_seals(call, memory->file->fd, "writeable") < 0)
		return -EACCES;
	memory->file->references++;
	*ret = memory->file;
	return 0;
}

static int map_into(struct call *call, struct ioas *ioas, const PB(IoasMap) * map, uint32_t flags,
	struct memory_file *file, uint64_t *ret_iova)
{
	bool writeable = flags & IOMMU_IOAS_MAP_WRITEABLE;
	uint64_t iova = map->has_iova ? map->iova : 0;
	uint64_t offset = map->offset, length = map->length; /* offset is 0 when absent */
	struct mapping *mapping;
	int r = memory_file_check_range(call, file, offset, length);

	if (r < 0)
		return r;
	/* A map by fd holds of its file only what guards it against sealing. */
	r = mapping_new(
		call, file->handle || file->guard ? file : NULL, length, writeable, &mapping);
	if (r < 0)
		return r;
	r = memory_file_fill(call, file, offset, length);
	if (r < 0)
		goto fail;
	r = backend_map_file(
		call->session->backend, ioas->object.id, file->fd, offset, length, flags, &iova);
	if (r < 0) {
		call_kernel_error(call, r, "map");
		goto fail;
	}
	r = check_chosen(call, ioas, iova, length);
	if (r < 0)
		goto fail;
	mapping_place(call->session, ioas, mapping, iova, iova + length - 1, mapping->pages);
	*ret_iova = iova;
	return 0;
fail:
	mapping_free(call->session, mapping);
	return r;
}

int op_ioas_map(struct call *call)
{
	const PB(IoasMap) *map = call->body;
	bool readable = !map->has_readable || map->readable;
	bool writeable = !map->has_writeable || map->writeable;
	struct ioas *ioas = ioas_get(call, map->ioas, "ioas");
	PB(IoasMapResult) * result;
	struct memory_file *file;
	uint64_t iova;
	uint32_t flags;
	int r;

	if (!ioas)
		return -ENOENT;
	r = direction_flags(call, readable, writeable, &flags);
	if (r == 0)
		r = check_place(call, ioas, map->has_iova, "iova", map->iova, map->length);
	if (r == 0)
		r = map_file_get(call, map, writeable, &file);
	if (r < 0)
		return r;
	if (map->has_iova)
		flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	r = map_into(call, ioas, map, flags, file, &iova);
	if (!map->has_memory)
		file->fd = -1; /* the message's, closed with it */
	memory_file_unref(file);
	if (r < 0)
		return r;
	result = call_take(call, sizeof(*result));
	PB_INIT(ioas_map_result)(result);
	result->has_iova = true;
	result->iova = iova;
	call_set_result(call, result);
	return 0;
}

/* The kernel refused a range that our index said it could unmap whole: something else holds a part of it. Find out
 * which mappings are left, so that the ledger stays true. */
static void unmap_one_by_one(
	struct session *session, struct ioas *ioas, uint64_t start, uint64_t last)
{
	struct mapping *mapping = iova_index_reaching(&ioas->index, start), *next;

	for (; mapping && mapping->start <= last; mapping = next) {
		struct iommu_ioas_unmap unmap = {.size = sizeof(unmap),
			.ioas_id = ioas->object.id,
			.iova = mapping->start,
			.length = mapping->last - mapping->start + 1};
		int r = backend_ioctl(session->backend, IOMMU_IOAS_UNMAP, &unmap);

		next = iova_index_next(mapping);
		if (r == 0 || r == -ENOENT)
			mapping_drop(session, ioas, mapping);
	}
}

/* All of [start, start+length), which cuts no mapping; *ret_bytes = what went. */
static int unmap_range(
	struct call *call, struct ioas *ioas, uint64_t start, uint64_t length, uint64_t *ret_bytes)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas->object.id, .iova = start, .length = length};
	/* Everything is said as 2^64-1, which leaves one byte out that no mapping can begin at. */
	uint64_t last = length == UINT64_MAX ? UINT64_MAX : start + length - 1;
	uint64_t before = ioas->bytes;
	struct mapping *mapping, *next;
	int r = backend_ioctl(call->session->backend, IOMMU_IOAS_UNMAP, &unmap);

	if (r < 0) {
		unmap_one_by_one(call->session, ioas, start, last);
		return call_error(call, -r, NULL,
			"unmap: the IOMMU layer answered %s; %llu bytes went", strerror(-r),
			(unsigned long long)(before - ioas->bytes));
	}
	for (mapping = iova_index_reaching(&ioas->index, start); mapping && mapping->start <= last;
		mapping = next) {
		next = iova_index_next(mapping);
		mapping_drop(call->session, ioas, mapping);
	}
	*ret_bytes = before - ioas->bytes;
	return 0;
}

int op_ioas_unmap(struct call *call)
{
	const PB(IoasUnmap) *unmap = call->body;
	struct ioas *ioas = ioas_get(call, unmap->ioas, "ioas");
	bool all = unmap->length == UINT64_MAX;
	PB(IoasUnmapResult) * result;
	uint64_t bytes = 0;
	int r;

	if (!ioas)
		return -ENOENT;
	if (!all) {
		uint64_t last = unmap->iova + unmap->length - 1;
		struct mapping *first = iova_index_reaching(&ioas->index, unmap->iova);
		struct mapping *cut;

		if (!first || first->start > last)
			return call_error(call, ENOENT, "iova",
				"nothing is mapped in [0x%llx, 0x%llx]",
				(unsigned long long)unmap->iova, (unsigned long long)last);
		cut = iova_index_cut_by(&ioas->index, unmap->iova, last);
		if (cut)
			return call_error(call, ENOENT, "length",
				"[0x%llx, 0x%llx] would cut the mapping [0x%llx, 0x%llx]: whole "
				"mappings only",
				(unsigned long long)unmap->iova, (unsigned long long)last,
				(unsigned long long)cut->start, (unsigned long long)cut->last);
	}
	r = unmap_range(call, ioas, unmap->iova, unmap->length, &bytes);
	if (r < 0)
		return r;
	result = call_take(call, sizeof(*result));
	PB_INIT(ioas_unmap_result)(result);
	result->has_length = true;
	result->length = bytes;
	call_set_result(call, result);
	return 0;
}

/* May this range be shared so? *ret_count = how many mappings it becomes. */
static int check_source(struct call *call, struct ioas *src, const PB(IoasCopy) * copy,
	bool writeable, uint64_t *ret_count)
{
	uint64_t last = copy->src_iova + copy->length - 1;
	struct mapping *mapping;

	if (!iova_index_covers(&src->index, copy->src_iova, last, ret_count))
		return call_error(call, ENOENT, "src_iova",
			"not all of [0x%llx, 0x%llx] is mapped in IOAS %u",
			(unsigned long long)copy->src_iova, (unsigned long long)last,
			src->object.id);
	mapping = iova_index_reaching(&src->index, copy->src_iova);
	for (uint64_t i = 0; writeable && i < *ret_count; i++) {
		if (!mapping->pages->writeable)
			return call_error(call, EPERM, "writeable",
				"the mapping at 0x%llx is read-only, and a copy of it can be no "
				"more",
				(unsigned long long)mapping->start);
		mapping = iova_index_next(mapping);
	}
	return 0;
}

/* As the kernel does: one mapping for each part of a source mapping. */
static void place_copies(struct session *session, struct ioas *dst, struct ioas *src,
	const PB(IoasCopy) * copy, uint64_t dst_iova, struct mapping *chain)
{
	uint64_t last = copy->src_iova + copy->length - 1;
	uint64_t at = copy->src_iova;

	while (chain) {
		struct mapping *copied = chain;
		struct mapping *mapping = iova_index_reaching(&src->index, at);
		uint64_t end = mapping->last < last ? mapping->last : last;
		uint64_t start = dst_iova + (at - copy->src_iova);

		chain = mapping_chain_next(chain);
		mapping_place(session, dst, copied, start, start + (end - at), mapping->pages);
		at = end + 1;
	}
}

int op_ioas_copy(struct call *call)
{
	const PB(IoasCopy) *copy = call->body;
	bool readable = !copy->has_readable || copy->readable;
	bool writeable = !copy->has_writeable || copy->writeable;
	struct ioas *dst = ioas_get(call, copy->dst_ioas, "dst_ioas");
	struct ioas *src = dst ? ioas_get(call, copy->src_ioas, "src_ioas") : NULL;
	struct iommu_ioas_copy arg = {.size = sizeof(arg),
		.dst_ioas_id = copy->dst_ioas,
		.src_ioas_id = copy->src_ioas,
		.length = copy->length,
		.dst_iova = copy->has_dst_iova ? copy->dst_iova : 0,
		.src_iova = copy->src_iova};
	PB(IoasCopyResult) * result;
	struct mapping *chain = NULL;
	uint64_t count = 0;
	int r;

	if (!dst || !src)
		return -ENOENT;
	r = direction_flags(call, readable, writeable, &arg.flags);
	if (r == 0)
		r = check_place(
			call, dst, copy->has_dst_iova, "dst_iova", copy->dst_iova, copy->length);
	if (r == 0)
		r = check_source(call, src, copy, writeable, &count);
	if (r == 0)
		r = mapping_new_chain(call, count, &chain);
	if (r < 0)
		return r;
	if (copy->has_dst_iova)
		arg.flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	r = backend_ioctl(call->session->backend, IOMMU_IOAS_COPY, &arg);
	if (r < 0)
		call_kernel_error(call, r, "copy");
	else
		r = check_chosen(call, dst, arg.dst_iova, copy->length);
	if (r < 0) {
		while (chain) {
			struct mapping *mapping = chain;

			chain = mapping_chain_next(chain);
			mapping_free(call->session, mapping);
		}
		return r;
	}
	place_copies(call->session, dst, src, copy, arg.dst_iova, chain);
	result = call_take(call, sizeof(*result));
	PB_INIT(ioas_copy_result)(result);
	result->has_iova = true;
	result->iova = arg.dst_iova;
	call_set_result(call, result);
	return 0;
}

int op_ioas_map_undo(struct call *call)
{
	const PB(IoasMap) *map = call->body;
	struct ioas *ioas = ioas_get(call, map->ioas, "ioas");
	uint64_t bytes;

	return ioas ? unmap_range(call, ioas, call->result.ioas_map->iova, map->length, &bytes)
		    : -ENOENT;
}

int op_ioas_copy_undo(struct call *call)
{
	const PB(IoasCopy) *copy = call->body;
	struct ioas *dst = ioas_get(call, copy->dst_ioas, "dst_ioas");
	uint64_t bytes;

	return dst ? unmap_range(call, dst, call->result.ioas_copy->iova, copy->length, &bytes)
		   : -ENOENT;
}
