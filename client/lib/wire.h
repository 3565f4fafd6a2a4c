/* SPDX-License-Identifier: MIT */
/*
 * Operations as the protocol has them. Between the public structures and protobuf there is one description of the operations that a batch
 * can carry: struct operation, plain data that can be put aside, and is turned into protobuf when its message leaves.
 */
#ifndef IOMMUB_CLIENT_WIRE_H
#define IOMMUB_CLIENT_WIRE_H

#include <iommubroker/map.h>
#include "client.pb-c.h"
#include "client/lib/arena.h"
#include "client/lib/error.h"

typedef Iommubroker__V1__ClientMessage ClientMessage;
typedef Iommubroker__V1__ServerMessage ServerMessage;
typedef Iommubroker__V1__Request Request;
typedef Iommubroker__V1__Response Response;
typedef Iommubroker__V1__Operation Operation;
typedef Iommubroker__V1__Result Result;
typedef Iommubroker__V1__OperationResult OperationResult;
typedef Iommubroker__V1__Batch Batch;
typedef Iommubroker__V1__BatchResult BatchResult;

enum operation_kind {
	OPERATION_MAP = 1,
	OPERATION_MAP_FD,
	OPERATION_UNMAP,
	OPERATION_COPY,
	OPERATION_DESTROY
};

struct operation {
	enum operation_kind kind;
	uint32_t fd_index; /* MAP_FD */
	union {
		struct iommub_map map; /* MAP, MAP_FD */
		struct {
			uint32_t ioas;
			uint64_t iova;
			uint64_t bytes;
		} unmap;
		struct iommub_copy copy;
		uint32_t destroy;
	};
};

/* Read the caller's structure and check what can be seen without asking the broker. 0, -EINVAL, -E2BIG, with *error filled. */
int operation_from_map(struct operation *op, const struct iommub_map *map, struct error *error);
int operation_from_copy(struct operation *op, const struct iommub_copy *copy, struct error *error);

/* An operation and what it points to, as protobuf. `wire` must stay where it is. */
struct wire_operation {
	Operation operation;
	union {
		Iommubroker__V1__IoasMap map;
		Iommubroker__V1__IoasUnmap unmap;
		Iommubroker__V1__IoasCopy copy;
		Iommubroker__V1__Destroy destroy;
	};
};
void wire_operation_init(struct wire_operation *wire, const struct operation *op);

/* What became of an operation, out of a result that the broker sent for it: 0 with the IOVA or the bytes (0 where the operation has none);
 * -EPROTO: the result is of another operation. */
int operation_result(const struct operation *op, const Result *result, uint64_t *ret_value);

/* A batch as protobuf, out of the arena. NULL: no memory. `op_stride` is the distance of two operations in bytes: they may be part of
 * something larger. */
Batch *wire_batch(struct arena *arena, uint32_t mode, const struct operation *ops, size_t op_stride,
	size_t n);

#endif
