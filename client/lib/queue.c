/* SPDX-License-Identifier: MIT */
/* The model is in conn.h. */
#include "client/lib/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

struct request *queue_add(struct iommub_conn *conn, enum request_state state)
{
	struct request *request = conn->spare;

	if (request)
		conn->spare = NULL;
	else
		request = malloc(sizeof(*request));
	if (!request)
		return NULL;
	request->state = state;
	request->id = 0;
	request->deadline_ns = conn_deadline(conn);
	request->call = NULL;
	request->n = 0;
	request->next = 0;
	TAILQ_INSERT_TAIL(&conn->queue, request, link);
	conn->n_unsent++;
	return request;
}

static bool request_unsent(const struct request *request)
{
	return request->state == REQUEST_GATHERING || request->state == REQUEST_READY;
}

static struct request *first_unsent(const struct iommub_conn *conn)
{
	struct request *request = TAILQ_LAST(&conn->queue, request_queue);

	if (conn->n_unsent == 0)
		return NULL;
	for (size_t i = 1; i < conn->n_unsent; i++)
		request = TAILQ_PREV(request, request_queue, link);
	return request;
}

static struct request *first_sent(const struct iommub_conn *conn)
{
	struct request *request = TAILQ_FIRST(&conn->queue);

	while (request && request->state == REQUEST_DONE)
		request = TAILQ_NEXT(request, link);
	return request && request->state == REQUEST_SENT ? request : NULL;
}

/* Leave the unsent part of the queue. */
static void request_leave(struct iommub_conn *conn, struct request *request)
{
	if (!request_unsent(request))
		return;
	if (request == first_unsent(conn))
		conn->tx_length = 0;
	conn->n_unsent--;
	request->state = REQUEST_DONE;
}

void queue_drop(struct iommub_conn *conn, struct request *request)
{
	request_leave(conn, request);
	for (size_t i = 0; i < request->n; i++)
		free(request->ops[i].error);
	TAILQ_REMOVE(&conn->queue, request, link);
	if (conn->spare)
		free(request);
	else
		conn->spare = request;
}

void queue_seal(struct iommub_conn *conn)
{
	struct request *last = TAILQ_LAST(&conn->queue, request_queue);

	if (last && last->state == REQUEST_GATHERING)
		last->state = REQUEST_READY;
}

static struct error *error_new(void)
{
	return malloc(sizeof(struct error));
}

void request_fail(struct iommub_conn *conn, struct request *request, int err, const char *why)
{
	request_leave(conn, request);
	if (request->call) {
		request->call->err = err;
		request->call->done = true;
		(void)conn_fail(conn, err, NULL, "%s", why);
		queue_drop(conn, request);
		return;
	}
	for (size_t i = 0; i < request->n; i++) {
		struct async_op *op = &request->ops[i];

		op->err = err;
		op->error = error_new();
		if (op->error)
			(void)error_set(op->error, err, NULL, "%s", why);
	}
	request->state = REQUEST_DONE;
}

int64_t queue_deadline(const struct iommub_conn *conn)
{
	const struct request *request;

	TAILQ_FOREACH (request, &conn->queue, link)
		if (request->state != REQUEST_DONE)
			return request
				->deadline_ns; /* all have the same timeout: the first is the next */
	return INT64_MAX;
}

void queue_expire(struct iommub_conn *conn)
{
	struct request *request, *next;
	int64_t now_ns = time_now_ns();

	for (request = TAILQ_FIRST(&conn->queue); request; request = next) {
		next = TAILQ_NEXT(request, link);
		if (request->state == REQUEST_DONE || request->call)
			continue;
		if (request->deadline_ns > now_ns)
			return;
		conn_log(conn, LOG_WARNING, "%zu operations have no answer in %u ms", request->n,
			conn->timeout_ms);
		request_fail(conn, request, -ETIMEDOUT, "the broker did not answer in time");
	}
}

/* ---- sending ---- */

static int request_encode(struct iommub_conn *conn, struct request *request)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	Request wire = IOMMUBROKER__V1__REQUEST__INIT;
	size_t length;

	arena_reset(&conn->tx_arena);
	if (request->call) {
		wire = *request->call->request;
	} else {
		wire.op_case = IOMMUBROKER__V1__REQUEST__OP_BATCH;
		wire.batch = wire_batch(&conn->tx_arena, IOMMUB_BATCH_CONTINUE,
			&request->ops[0].operation, sizeof(request->ops[0]), request->n);
		if (!wire.batch)
			return -ENOMEM;
	}
	wire.has_id = 1;
	wire.id = conn->last_id + 1;
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST;
	message.request = &wire;
	length = iommubroker__v1__client_message__get_packed_size(&message);
	if (length > conn->info.view.message_bytes_max)
		return -EMSGSIZE;
	conn->tx_length = iommubroker__v1__client_message__pack(&message, conn->tx);
	return 0;
}

static int request_send(struct iommub_conn *conn, struct request *request)
{
	int err = conn->tx_length > 0 ? 0 : request_encode(conn, request);

	if (err < 0)
		return err;
	err = transport_send(conn->fd, conn->tx, conn->tx_length,
		request->call ? request->call->fds : NULL,
		request->call ? request->call->n_fds : 0);
	if (err < 0)
		return err;
	request_leave(conn, request);
	request->id = ++conn->last_id;
	request->state = REQUEST_SENT;
	return 0;
}

int queue_send(struct iommub_conn *conn)
{
	struct request *request;

	while (!conn->send_failed && (request = first_unsent(conn)) &&
		request->state == REQUEST_READY) {
		int err = request_send(conn, request);

		switch (err) {
		case 0:
			break;
		case -EAGAIN:
			return -EAGAIN;
		case -EPIPE:
		case -ECONNRESET:
		case -ENOTCONN:
			/* Its last words may still be there to read: the end shows when receiving. */
			conn->send_failed = true;
			break;
		case -EMSGSIZE:
			request_fail(conn, request, err,
				"the request is larger than one message may be");
			break;
		default:
			/* Too many fds in flight, no memory, a fd that is not open: this request only. */
			request_fail(conn, request, err, "the request could not be sent");
		}
	}
	return 0;
}

/* ---- receiving ---- */

static void async_op_complete(struct async_op *op, const OperationResult *result)
{
	const char *unanswered = "the broker's answer does not say what became of this operation";

	op->err = result ? errno_from_status(result->status) : -EPROTO;
	if (op->err == 0)
		op->err = operation_result(&op->operation, result->result, &op->value);
	if (op->err == 0)
		return;
	op->value = 0;
	op->error = error_new();
	if (op->error && (!result || error_from_status(op->error, result->status) == 0))
		(void)error_set(op->error, op->err, NULL, "%s", unanswered);
}

static void async_complete(struct request *request, const Response *response)
{
	const BatchResult *batch = NULL;

	if (response->kind_case == IOMMUBROKER__V1__RESPONSE__KIND_BATCH)
		batch = response->batch;
	/* In mode CONTINUE the batch as a whole fails only if it was refused: then nobody's result is there. */
	if (errno_from_status(response->status) < 0 && (!batch || batch->n_results == 0)) {
		for (size_t i = 0; i < request->n; i++) {
			struct async_op *op = &request->ops[i];

			op->err = errno_from_status(response->status);
			op->error = error_new();
			if (op->error)
				(void)error_from_status(op->error, response->status);
		}
	} else {
		for (size_t i = 0; i < request->n; i++)
			async_op_complete(&request->ops[i],
				batch && i < batch->n_results ? batch->results[i] : NULL);
	}
	request->state = REQUEST_DONE;
}

static void call_complete(
	struct iommub_conn *conn, struct request *request, const Response *response)
{
	struct call *call = request->call;

	call->response = response;
	call->fds_lost = conn->packet.fds_lost;
	if (conn->packet.n_fds > 0) {
		call->fd = conn->packet.fds[0];
		conn->packet.fds[0] = conn->packet.fds[--conn->packet.n_fds];
	}
	call->done = true;
	queue_drop(conn, request);
}

static int response_receive(struct iommub_conn *conn, const Response *response)
{
	struct request *request = first_sent(conn);

	if (conn->adopting && (!request || response->id != request->id))
		return 0;
	if (!response->has_id || response->id <= conn->answered_id || response->id > conn->last_id)
		return conn_break(
			conn, -EPROTO, "the broker answered what was not asked, or twice");
	if (request && response->id > request->id)
		return conn_break(conn, -EPROTO, "the broker left a request without an answer");
	conn->answered_id = response->id;
	if (!request || response->id < request->id) {
		conn_log(conn, LOG_INFO, "an answer came too late and was dropped");
		return 0;
	}
	if (request->call)
		call_complete(conn, request, response);
	else
		async_complete(request, response);
	return 0;
}

static int message_receive(struct iommub_conn *conn)
{
	const ServerMessage *message;

	arena_reset(&conn->rx_arena);
	message = iommubroker__v1__server_message__unpack(
		&conn->rx_arena.allocator, conn->packet.length, conn->packet.bytes);
	if (!message)
		return conn_break(conn, -EPROTO, "the broker sent what is no message");
	switch (message->body_case) {
	case IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE:
		return response_receive(conn, message->response);
	case IOMMUBROKER__V1__SERVER_MESSAGE__BODY_EVENT:
		event_receive(conn, message->event);
		return 0;
	default:
		/* A Welcome that comes late, or a kind of message that is newer than we are. */
		return 0;
	}
}

int queue_receive(struct iommub_conn *conn, bool wait)
{
	int err = transport_recv(conn->fd, wait, &conn->packet);

	switch (err) {
	case 0:
		err = message_receive(conn);
		packet_close_fds(&conn->packet);
		return err;
	case -EAGAIN:
		return -EAGAIN;
	case -ECONNRESET:
		return conn_break(
			conn, err, "the session has ended: the broker closed the connection");
	case -EMSGSIZE:
		return conn_break(
			conn, -EPROTO, "the broker sent a message larger than any may be");
	default:
		return conn_break(conn, err, "nothing can be received from the broker");
	}
}
