/* SPDX-License-Identifier: MIT */
/* Gathered operations: added to the last request of the queue while it is GATHERING; their callbacks, when it is DONE. */
#include "client/lib/conn.h"

#include <errno.h>
#include <stdlib.h>

static int async_add(
	struct iommub_conn *conn, const struct operation *operation, iommub_done_fn fn, void *arg)
{
	struct request *request = TAILQ_LAST(&conn->queue, request_queue);
	size_t gather_max = IOMMUB_GATHER_MAX;

	if (conn->pending >= conn->pending_max)
		return conn_fail(conn, -EAGAIN, NULL,
			"%zu asynchronous operations wait for their callbacks: dispatch first",
			conn->pending);
	if (conn->info.view.batch_max < gather_max)
		gather_max = conn->info.view.batch_max;
	if (!request || request->state != REQUEST_GATHERING)
		request = queue_add(conn, REQUEST_GATHERING);
	if (!request)
		return conn_fail(conn, -ENOMEM, NULL, "no memory for more operations");
	request->ops[request->n++] =
		(struct async_op){.operation = *operation, .fn = fn, .arg = arg};
	conn->pending++;
	if (request->n >= gather_max) {
		queue_seal(conn);
		(void)queue_send(
			conn); /* what does not leave now does with the next flush or dispatch */
	}
	return 0;
}

int iommub_map_async(
	struct iommub_conn *conn, const struct iommub_map *map, iommub_done_fn fn, void *arg)
{
	struct operation operation;
	int err = conn_enter(conn);

	if (err == 0)
		err = operation_from_map(&operation, map, &conn->error);
	return err < 0 ? err : async_add(conn, &operation, fn, arg);
}

int iommub_unmap_async(struct iommub_conn *conn, iommub_id ioas, uint64_t iova, uint64_t bytes,
	iommub_done_fn fn, void *arg)
{
	struct operation operation = {
		.kind = OPERATION_UNMAP, .unmap = {.ioas = ioas, .iova = iova, .bytes = bytes}};
	int err = conn_enter(conn);

	return err < 0 ? err : async_add(conn, &operation, fn, arg);
}

bool async_due(const struct iommub_conn *conn)
{
	const struct request *first = TAILQ_FIRST(&conn->queue);

	return first && first->state == REQUEST_DONE;
}

/* A callback may make any call but dispatch: it may add to the queue, take in answers, disconnect. The request at the head stays where it is
 * until all its callbacks have run. */
static int request_run(struct iommub_conn *conn, struct request *request)
{
	int ran = 0;

	while (request->next < request->n && !conn->doomed) {
		struct async_op op = request->ops[request->next];
		static const struct iommub_error unexplained = {
			.name = "", .message = "no memory to explain"};
		struct iommub_error view = unexplained;

		request->ops[request->next++].error = NULL;
		conn->pending--;
		view.err = op.err;
		if (op.fn) {
			op.fn(conn, op.err,
				op.err == 0 ? NULL
				: op.error  ? &op.error->view
					    : &view,
				op.value, op.arg);
			ran++;
		}
		free(op.error);
	}
	return ran;
}

int async_run(struct iommub_conn *conn)
{
	struct request *request;
	int ran = 0;

	while (!conn->doomed && (request = TAILQ_FIRST(&conn->queue)) &&
		request->state == REQUEST_DONE) {
		ran += request_run(conn, request);
		if (!conn->doomed)
			queue_drop(conn, request);
	}
	return ran;
}

size_t iommub_pending(const struct iommub_conn *conn)
{
	return conn ? conn->pending : 0;
}
