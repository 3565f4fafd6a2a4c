/* SPDX-License-Identifier: MIT */
/* Batches; batch.h has their rules. */
#include "broker/session/batch.h"

#include <errno.h>
#include <string.h>
#include "broker/session/arena.h"
#include "broker/session/ops.h"
#include "broker/session/status.h"
#include "broker/session/validate.h"

/* Response, its id, status and the rest of what is around the results: a sentence, a rule, a field, a limit. */
#define AROUND_BYTES 1024u

#define MODE(name) IOMMUBROKER__V1__BATCH_MODE__BATCH_##name

static int wrong(
	struct call *call, size_t index, PB(BatchResult) * ret, const char *field, const char *why)
{
	ret->has_failed_at = true;
	ret->failed_at = (uint32_t)index;
	return call_error(call, EINVAL, field, "operations[%zu]: %s", index, why);
}

/* What holds for the batch as a whole, before anything of it is done. */
static int batch_check(struct call *call, const PB(Batch) * batch, PB(BatchResult) * ret)
{
	bool atomic = batch->mode == MODE(ATOMIC);
	uint64_t named = 0;
	int r = message_check_known(call, &batch->base, "Batch");

	if (r < 0)
		return r;
	if (!batch->has_mode || batch->mode < MODE(STOP) || batch->mode > MODE(ATOMIC))
		return call_error(call, EINVAL, "mode", "mode is %s",
			batch->has_mode ? "unknown" : "missing");
	if (batch->n_operations == 0 || batch->n_operations > BATCH_MAX)
		return call_error(call, EINVAL, "operations", "%zu operations: a batch has 1 to %u",
			batch->n_operations, BATCH_MAX);
	for (size_t i = 0; i < batch->n_operations; i++) {
		const PB(Operation) *message = batch->operations[i];
		const struct operation *operation = operation_get(message->op_case);
		int slot;

		if (!operation)
			continue; /* its own result says so */
		if (!operation->batchable)
			return wrong(
				call, i, ret, "operations", "this operation cannot be in a batch");
		if (atomic && !operation->undo)
			return wrong(call, i, ret, "operations",
				"this operation cannot be undone, so it cannot be in an atomic "
				"batch");
		slot = operation_fd_slot(operation, message->info);
		if (slot >= 0 && (size_t)slot < call->n_fds)
			named |= UINT64_C(1) << slot;
	}
	for (size_t i = 0; i < call->n_fds; i++)
		if (!(named & (UINT64_C(1) << i)))
			return call_error(call, EINVAL, "fds",
				"%zu file descriptors came; no operation names number %zu",
				call->n_fds, i);
	return 0;
}

static void operation_begin(struct call *one, const struct call *whole)
{
	call_init(one, whole->session, whole->arena, whole->fds, whole->n_fds);
	one->in_batch = true;
}

static int operation_run(struct call *one, const PB(Operation) * message)
{
	static PB(Empty) empty = IOMMUBROKER__V1__EMPTY__INIT;
	int r = operation_validate(one, message);

	if (r == 0)
		r = one->operation->handler(one);
	if (r == 0 && one->result.op_case == IOMMUBROKER__V1__RESULT__OP__NOT_SET)
		call_set_result(one, &empty);
	if (r < 0)
		status_audit(one);
	return r;
}

/* The result of one operation, small enough that BATCH_RESULT_BYTES remain for each of those to come. */
static PB(OperationResult) *
	result_build(struct call *one, int r, size_t *used_bytes, size_t to_come)
{
	const size_t room = MESSAGE_BYTES_MAX - AROUND_BYTES;
	PB(OperationResult) *result = call_take(one, sizeof(*result));
	size_t bytes;

	PB_INIT(operation_result)(result);
	if (r == 0) {
		result->result = memcpy(
			call_take(one, sizeof(one->result)), &one->result, sizeof(one->result));
		*used_bytes += BATCH_RESULT_BYTES;
		return result;
	}
	result->status = status_build(one, false);
	bytes = protobuf_c_message_get_packed_size(&result->base) + 4; /* and its tag and length */
	if (*used_bytes + bytes + to_come * BATCH_RESULT_BYTES > room) {
		result->status = status_build(one, true);
		bytes = BATCH_RESULT_BYTES;
	}
	*used_bytes += bytes;
	return result;
}

/* Operations [0, count) did succeed; take them back, last first. */
static int undo_all(
	struct call *call, const PB(Batch) * batch, PB(BatchResult) * done, size_t count)
{
	int failed = 0;

	while (count--) {
		struct call one;
		int r;

		operation_begin(&one, call);
		one.operation = operation_get(batch->operations[count]->op_case);
		one.body = batch->operations[count]->info;
		one.result = *done->results[count]->result;
		r = one.operation->undo(&one);
		if (r == 0)
			continue;
		failed = r;
		session_audit(call->session, AUDIT_BROKEN, -r, "%s cannot be undone: %s",
			one.operation->name, one.error.text);
	}
	return failed;
}

/* An atomic batch failed at operation `index` with the error in `one`: nothing is to be left of it. */
static int batch_undo(struct call *call, const PB(Batch) * batch, PB(BatchResult) * ret,
	size_t index, const struct call *one)
{
	int failed = undo_all(call, batch, ret, index);

	call->error = one->error;
	call->operation = one->operation;
	if (call->error.field == NULL)
		call->error.field = "operations";
	if (failed < 0)
		call_error(call, EIO, "operations",
			"operations[%zu] failed, and not everything before it could be undone: "
			"List shows what is left",
			index);
	ret->n_results = 0;
	return -call->error.error;
}

int batch_run(struct call *call, const PB(Batch) * batch, PB(BatchResult) * ret)
{
	size_t used_bytes = 0;
	struct call one;
	int r = batch_check(call, batch, ret);

	if (r < 0)
		return r;
	ret->results = call_take_pointers(call, batch->n_operations);
	for (size_t i = 0; i < batch->n_operations; i++) {
		operation_begin(&one, call);
		r = operation_run(&one, batch->operations[i]);
		ret->results[i] = result_build(&one, r, &used_bytes, batch->n_operations - 1 - i);
		ret->n_results = i + 1;
		if (r == 0)
			continue;
		if (!ret->has_failed_at) {
			ret->has_failed_at = true;
			ret->failed_at = (uint32_t)i;
		}
		if (batch->mode == MODE(ATOMIC))
			return batch_undo(call, batch, ret, i, &one);
		if (batch->mode == MODE(STOP))
			break;
	}
	return 0;
}
