/* SPDX-License-Identifier: MIT */
/* An explicit batch: operations put together by the caller, one message, one answer. */
#include "client/lib/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define OPS_FIRST 16u
/* What the envelope around the operations may take: Request, Batch, ids, lengths. */
#define ENVELOPE_BYTES 64u
/* An operation's own tag and length. */
#define OPERATION_OVERHEAD_BYTES 4u

struct batch_op {
	struct operation operation;
	int err; /* once run */
	uint64_t value;
};

struct iommub_batch {
	struct iommub_conn *conn;
	uint32_t mode;
	bool has_run;
	struct batch_op *ops;
	size_t n, room;
	size_t bytes; /* of the operations, encoded */
	int fds[TRANSPORT_SEND_FDS_MAX]; /* borrowed */
	size_t n_fds;
	struct arena arena;
};

int iommub_batch_new(struct iommub_conn *conn, uint32_t mode, struct iommub_batch **ret)
{
	struct iommub_batch *batch;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (mode < IOMMUB_BATCH_STOP || mode > IOMMUB_BATCH_ATOMIC || !ret)
		return conn_fail(conn, -EINVAL, "mode", "there is no batch mode %u", mode);
	batch = calloc(1, sizeof(*batch));
	if (!batch)
		return conn_fail(conn, -ENOMEM, NULL, "no memory for a batch");
	batch->conn = conn;
	batch->mode = mode;
	arena_init(&batch->arena);
	*ret = batch;
	return 0;
}

static int batch_enter(struct iommub_batch *batch)
{
	int err = batch ? conn_enter(batch->conn) : -EINVAL;

	if (err == 0 && batch->has_run)
		err = conn_fail(
			batch->conn, -EBUSY, NULL, "this batch has been run: clear it first");
	return err;
}

static int batch_grow(struct iommub_batch *batch)
{
	size_t room = batch->room > 0 ? batch->room * 2 : OPS_FIRST;
	struct batch_op *ops;

	if (batch->n < batch->room)
		return 0;
	ops = reallocarray(batch->ops, room, sizeof(*ops));
	if (!ops)
		return conn_fail(batch->conn, -ENOMEM, NULL, "no memory for a larger batch");
	batch->ops = ops;
	batch->room = room;
	return 0;
}

static int batch_add(struct iommub_batch *batch, const struct operation *operation)
{
	const struct iommub_info *info = &batch->conn->info.view;
	struct wire_operation wire;
	size_t bytes;
	int err;

	wire_operation_init(&wire, operation);
	bytes = iommubroker__v1__operation__get_packed_size(&wire.operation) +
		OPERATION_OVERHEAD_BYTES;
	if (batch->n >= info->batch_max ||
		bytes > info->message_bytes_max - ENVELOPE_BYTES - batch->bytes)
		return conn_fail(batch->conn, -EMSGSIZE, NULL,
			"the batch is full: %zu operations in %zu bytes", batch->n, batch->bytes);
	err = batch_grow(batch);
	if (err < 0)
		return err;
	batch->ops[batch->n++] = (struct batch_op){.operation = *operation};
	batch->bytes += bytes;
	return 0;
}

int iommub_batch_add_map(struct iommub_batch *batch, const struct iommub_map *map)
{
	struct operation operation = {0};
	int err = batch_enter(batch);

	if (err == 0)
		err = operation_from_map(&operation, map, &batch->conn->error);
	return err < 0 ? err : batch_add(batch, &operation);
}

int iommub_batch_add_map_fd(struct iommub_batch *batch, int fd, const struct iommub_map *map)
{
	struct operation operation = {0};
	int err = batch_enter(batch);

	if (err == 0 && fd < 0)
		err = conn_fail(batch->conn, -EBADF, NULL, "%d is no file descriptor", fd);
	if (err == 0)
		err = operation_from_map(&operation, map, &batch->conn->error);
	if (err < 0)
		return err;
	if (batch->n_fds >= batch->conn->info.view.fds_max)
		return conn_fail(batch->conn, -EMSGSIZE, NULL,
			"the batch is full: %zu file descriptors", batch->n_fds);
	operation.kind = OPERATION_MAP_FD;
	operation.fd_index = (uint32_t)batch->n_fds;
	err = batch_add(batch, &operation);
	if (err == 0)
		batch->fds[batch->n_fds++] = fd;
	return err;
}

int iommub_batch_add_unmap(
	struct iommub_batch *batch, iommub_id ioas, uint64_t iova, uint64_t bytes)
{
	struct operation operation = {
		.kind = OPERATION_UNMAP, .unmap = {.ioas = ioas, .iova = iova, .bytes = bytes}};
	int err = batch_enter(batch);

	return err < 0 ? err : batch_add(batch, &operation);
}

int iommub_batch_add_copy(struct iommub_batch *batch, const struct iommub_copy *copy)
{
	struct operation operation = {0};
	int err = batch_enter(batch);

	if (err == 0)
		err = operation_from_copy(&operation, copy, &batch->conn->error);
	return err < 0 ? err : batch_add(batch, &operation);
}

int iommub_batch_add_destroy(struct iommub_batch *batch, iommub_id id)
{
	struct operation operation = {.kind = OPERATION_DESTROY, .destroy = id};
	int err = batch_enter(batch);

	return err < 0 ? err : batch_add(batch, &operation);
}

/* What one operation's answer says; nothing is there for those that were not tried. */
static void op_read(struct iommub_batch *batch, size_t index, const OperationResult *result)
{
	struct batch_op *op = &batch->ops[index];

	op->err = errno_from_status(result->status);
	if (op->err == 0)
		op->err = operation_result(&op->operation, result->result, &op->value);
	if (op->err == 0 && op->operation.kind == OPERATION_DESTROY)
		registry_remove_memory(&batch->conn->registry, op->operation.destroy);
}

static size_t first_failure(const struct iommub_batch *batch, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (batch->ops[i].err < 0)
			return i;
	return SIZE_MAX;
}

static int results_read(struct iommub_batch *batch, const Response *response, size_t *ret_failed_at)
{
	const BatchResult *answer = response->kind_case == IOMMUBROKER__V1__RESPONSE__KIND_BATCH
					    ? response->batch
					    : NULL;
	size_t n = answer && answer->n_results < batch->n ? answer->n_results : batch->n, failed_at;
	int err;

	if (!answer)
		n = 0;
	for (size_t i = 0; i < n; i++)
		op_read(batch, i, answer->results[i]);
	failed_at = first_failure(batch, n);
	if (failed_at != SIZE_MAX) {
		err = batch->ops[failed_at].err;
		if (error_from_status(&batch->conn->error, answer->results[failed_at]->status) == 0)
			(void)call_malformed(batch->conn, "an operation of a batch");
	} else {
		err = error_from_status(&batch->conn->error, response->status);
		/* Nothing of a failed atomic batch is left but the number of the operation that failed. */
		if (err < 0 && answer && answer->has_failed_at && answer->failed_at < batch->n) {
			failed_at = answer->failed_at;
			batch->ops[failed_at].err = err;
		}
		if (err == 0 && n < batch->n)
			err = call_malformed(batch->conn, "a batch");
	}
	if (err < 0 && ret_failed_at)
		*ret_failed_at = failed_at;
	return err;
}

int iommub_batch_run(struct iommub_batch *batch, size_t *ret_failed_at)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	struct call call = {.request = &request};
	int err = batch_enter(batch);

	if (err < 0 || batch->n == 0)
		return err;
	arena_reset(&batch->arena);
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_BATCH;
	request.batch = wire_batch(&batch->arena, batch->mode, &batch->ops[0].operation,
		sizeof(batch->ops[0]), batch->n);
	if (!request.batch)
		return conn_fail(batch->conn, -ENOMEM, NULL, "no memory for a batch");
	for (size_t i = 0; i < batch->n; i++)
		batch->ops[i].err = -ECANCELED;
	batch->has_run = true;
	call.fds = batch->fds;
	call.n_fds = batch->n_fds;
	err = call_run(batch->conn, &call);
	if (err < 0) {
		if (ret_failed_at)
			*ret_failed_at = SIZE_MAX;
		return err;
	}
	if (call.fd >= 0)
		(void)close(call.fd);
	return results_read(batch, call.response, ret_failed_at);
}

int iommub_batch_result(const struct iommub_batch *batch, size_t index, uint64_t *ret_iova_or_bytes)
{
	if (!batch || !batch->has_run || index >= batch->n)
		return -ENOENT;
	if (batch->ops[index].err == 0 && ret_iova_or_bytes)
		*ret_iova_or_bytes = batch->ops[index].value;
	return batch->ops[index].err;
}

void iommub_batch_clear(struct iommub_batch *batch)
{
	if (!batch)
		return;
	batch->n = batch->n_fds = batch->bytes = 0;
	batch->has_run = false;
}

void iommub_batch_free(struct iommub_batch *batch)
{
	if (!batch)
		return;
	free(batch->ops);
	arena_deinit(&batch->arena);
	free(batch);
}
