/* SPDX-License-Identifier: MIT */
/* Mappings, one blocking call each. */
#include "client/lib/conn.h"

#include <errno.h>

static int run(struct iommub_conn *conn, const struct operation *op, int fd, uint64_t *ret_value)
{
	struct wire_operation wire;
	const Result *result;
	int err;

	wire_operation_init(&wire, op);
	err = call_simple(conn, &wire.operation, fd, &result);
	if (err < 0)
		return err;
	if (operation_result(op, result, ret_value) < 0)
		return call_malformed(conn, "a mapping operation");
	return 0;
}

int iommub_map(struct iommub_conn *conn, struct iommub_map *map)
{
	struct operation op = {0};
	int err = conn_enter(conn);

	if (err == 0)
		err = operation_from_map(&op, map, &conn->error);
	return err < 0 ? err : run(conn, &op, -1, &map->iova);
}

int iommub_map_fd(struct iommub_conn *conn, int fd, struct iommub_map *map)
{
	struct operation op = {0};
	int err = conn_enter(conn);

	if (err == 0 && fd < 0)
		err = conn_fail(conn, -EBADF, NULL, "%d is no file descriptor", fd);
	if (err == 0)
		err = operation_from_map(&op, map, &conn->error);
	op.kind = OPERATION_MAP_FD;
	return err < 0 ? err : run(conn, &op, fd, &map->iova);
}

int iommub_map_va(struct iommub_conn *conn, iommub_id ioas, const void *addr, uint64_t bytes,
	uint32_t flags, uint64_t *iova_inout)
{
	struct iommub_map map = {.size = sizeof(map), .ioas = ioas, .bytes = bytes, .flags = flags};
	const struct registry_range *range;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!iova_inout)
		return conn_fail(conn, -EINVAL, NULL, "nowhere to put the IOVA");
	if (bytes == 0)
		return conn_fail(conn, -EINVAL, "bytes", "a length of 0");
	range = registry_find(&conn->registry, (uintptr_t)addr, bytes);
	if (!range)
		return conn_fail(conn, -EFAULT, "addr",
			"the %llu bytes at %p are not in one range of registered memory",
			(unsigned long long)bytes, addr);
	map.memory = range->memory;
	map.offset = range->offset + ((uintptr_t)addr - range->start);
	map.iova = *iova_inout;
	err = iommub_map(conn, &map);
	if (err == 0)
		*iova_inout = map.iova;
	return err;
}

int iommub_unmap(struct iommub_conn *conn, iommub_id ioas, uint64_t iova, uint64_t bytes,
	uint64_t *ret_bytes)
{
	struct operation op = {
		.kind = OPERATION_UNMAP, .unmap = {.ioas = ioas, .iova = iova, .bytes = bytes}};
	uint64_t unmapped = 0;
	int err = conn_enter(conn);

	if (err == 0)
		err = run(conn, &op, -1, &unmapped);
	if (err == 0 && ret_bytes)
		*ret_bytes = unmapped;
	return err;
}

int iommub_copy(struct iommub_conn *conn, struct iommub_copy *copy)
{
	struct operation op = {0};
	int err = conn_enter(conn);

	if (err == 0)
		err = operation_from_copy(&op, copy, &conn->error);
	return err < 0 ? err : run(conn, &op, -1, &copy->dst_iova);
}
