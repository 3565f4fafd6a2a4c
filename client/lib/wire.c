/* SPDX-License-Identifier: MIT */
/* The model is in wire.h. */
#include "client/lib/wire.h"

#include <errno.h>
#include "client/lib/options.h"

#define MAP_FLAGS ((uint32_t)(IOMMUB_MAP_READ | IOMMUB_MAP_WRITE | IOMMUB_MAP_FIXED))

static int options_error(struct error *error, int err, const char *what)
{
	if (err == -E2BIG)
		return error_set(error, err, "size",
			"%s says something that this library is too old to know", what);
	return error_set(error, err, "size", "%s does not begin with its size", what);
}

static int flags_check(struct error *error, uint32_t flags)
{
	if (flags & ~MAP_FLAGS)
		return error_set(error, -EINVAL, "flags", "flags 0x%x: there is no such flag",
			(unsigned int)(flags & ~MAP_FLAGS));
	if (!(flags & (uint32_t)(IOMMUB_MAP_READ | IOMMUB_MAP_WRITE)))
		return error_set(error, -EINVAL, "flags", "neither READ nor WRITE is said");
	return 0;
}

int operation_from_map(struct operation *op, const struct iommub_map *map, struct error *error)
{
	int err;

	if (!map)
		return error_set(error, -EINVAL, NULL, "no struct iommub_map is given");
	err = options_read(&op->map, sizeof(op->map), map);
	if (err < 0)
		return options_error(error, err, "struct iommub_map");
	op->kind = OPERATION_MAP;
	return flags_check(error, op->map.flags);
}

int operation_from_copy(struct operation *op, const struct iommub_copy *copy, struct error *error)
{
	int err;

	if (!copy)
		return error_set(error, -EINVAL, NULL, "no struct iommub_copy is given");
	err = options_read(&op->copy, sizeof(op->copy), copy);
	if (err < 0)
		return options_error(error, err, "struct iommub_copy");
	op->kind = OPERATION_COPY;
	return flags_check(error, op->copy.flags);
}

static void map_init(Iommubroker__V1__IoasMap *to, const struct operation *op)
{
	const struct iommub_map *map = &op->map;

	iommubroker__v1__ioas_map__init(to);
	to->has_ioas = 1;
	to->ioas = map->ioas;
	if (op->kind == OPERATION_MAP) {
		to->has_memory = 1;
		to->memory = map->memory;
	} else {
		to->has_fd_index = 1;
		to->fd_index = op->fd_index;
	}
	to->has_offset = 1;
	to->offset = map->offset;
	to->has_length = 1;
	to->length = map->bytes;
	to->has_iova = (map->flags & IOMMUB_MAP_FIXED) != 0;
	to->iova = map->iova;
	to->has_readable = 1;
	to->readable = (map->flags & IOMMUB_MAP_READ) != 0;
	to->has_writeable = 1;
	to->writeable = (map->flags & IOMMUB_MAP_WRITE) != 0;
}

static void copy_init(Iommubroker__V1__IoasCopy *to, const struct iommub_copy *copy)
{
	iommubroker__v1__ioas_copy__init(to);
	to->has_dst_ioas = 1;
	to->dst_ioas = copy->dst_ioas;
	to->has_src_ioas = 1;
	to->src_ioas = copy->src_ioas;
	to->has_length = 1;
	to->length = copy->bytes;
	to->has_dst_iova = (copy->flags & IOMMUB_MAP_FIXED) != 0;
	to->dst_iova = copy->dst_iova;
	to->has_src_iova = 1;
	to->src_iova = copy->src_iova;
	to->has_readable = 1;
	to->readable = (copy->flags & IOMMUB_MAP_READ) != 0;
	to->has_writeable = 1;
	to->writeable = (copy->flags & IOMMUB_MAP_WRITE) != 0;
}

void wire_operation_init(struct wire_operation *wire, const struct operation *op)
{
	Operation *operation = &wire->operation;

	iommubroker__v1__operation__init(operation);
	switch (op->kind) {
	case OPERATION_MAP:
	case OPERATION_MAP_FD:
		map_init(&wire->map, op);
		operation->op_case = IOMMUBROKER__V1__OPERATION__OP_IOAS_MAP;
		operation->ioas_map = &wire->map;
		break;
	case OPERATION_UNMAP:
		iommubroker__v1__ioas_unmap__init(&wire->unmap);
		wire->unmap.has_ioas = 1;
		wire->unmap.ioas = op->unmap.ioas;
		wire->unmap.has_iova = 1;
		wire->unmap.iova = op->unmap.iova;
		wire->unmap.has_length = 1;
		wire->unmap.length = op->unmap.bytes;
		operation->op_case = IOMMUBROKER__V1__OPERATION__OP_IOAS_UNMAP;
		operation->ioas_unmap = &wire->unmap;
		break;
	case OPERATION_COPY:
		copy_init(&wire->copy, &op->copy);
		operation->op_case = IOMMUBROKER__V1__OPERATION__OP_IOAS_COPY;
		operation->ioas_copy = &wire->copy;
		break;
	case OPERATION_DESTROY:
		iommubroker__v1__destroy__init(&wire->destroy);
		wire->destroy.has_id = 1;
		wire->destroy.id = op->destroy;
		operation->op_case = IOMMUBROKER__V1__OPERATION__OP_DESTROY;
		operation->destroy = &wire->destroy;
		break;
	}
}

int operation_result(const struct operation *op, const Result *result, uint64_t *ret_value)
{
	if (!result && op->kind != OPERATION_DESTROY)
		return -EPROTO;
	switch (op->kind) {
	case OPERATION_MAP:
	case OPERATION_MAP_FD:
		if (result->op_case != IOMMUBROKER__V1__RESULT__OP_IOAS_MAP ||
			!result->ioas_map->has_iova)
			return -EPROTO;
		*ret_value = result->ioas_map->iova;
		return 0;
	case OPERATION_UNMAP:
		if (result->op_case != IOMMUBROKER__V1__RESULT__OP_IOAS_UNMAP ||
			!result->ioas_unmap->has_length)
			return -EPROTO;
		*ret_value = result->ioas_unmap->length;
		return 0;
	case OPERATION_COPY:
		if (result->op_case != IOMMUBROKER__V1__RESULT__OP_IOAS_COPY ||
			!result->ioas_copy->has_iova)
			return -EPROTO;
		*ret_value = result->ioas_copy->iova;
		return 0;
	case OPERATION_DESTROY:
		*ret_value = 0;
		return 0;
	}
	return -EPROTO;
}

Batch *wire_batch(
	struct arena *arena, uint32_t mode, const struct operation *ops, size_t op_stride, size_t n)
{
	Batch *batch = arena_alloc(arena, sizeof(*batch));
	Operation **pointers = arena_alloc(arena, n * sizeof(Operation *));
	struct wire_operation *wire = arena_alloc(arena, n * sizeof(*wire));

	if (!batch || !pointers || !wire)
		return NULL;
	iommubroker__v1__batch__init(batch);
	batch->has_mode = 1;
	batch->mode = (Iommubroker__V1__BatchMode)mode;
	batch->n_operations = n;
	batch->operations = pointers;
	for (size_t i = 0; i < n; i++) {
		wire_operation_init(
			&wire[i], (const struct operation *)(const void *)((const uint8_t *)ops +
									   i * op_stride));
		pointers[i] = &wire[i].operation;
	}
	return batch;
}
