/* SPDX-License-Identifier: MIT */
/*
 * One blocking request: it goes to the end of the queue, what was gathered before it leaves with it, and answers of earlier requests
 * are taken in on the way to its own.
 *
 * The usual case costs two system calls: send, and a receive that waits by itself (the socket has the timeout). Only if something else came
 * first, or the socket was full, is there a poll.
 */
#include "client/lib/conn.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void call_give_up(struct iommub_conn *conn, struct call *call)
{
	struct request *request;

	TAILQ_FOREACH (request, &conn->queue, link) {
		if (request->call != call)
			continue;
		request_fail(conn, request, -ETIMEDOUT, "the broker did not answer in time");
		return;
	}
}

static void call_wait(struct iommub_conn *conn, struct call *call, int64_t deadline_ns)
{
	bool wait = true;

	while (!call->done) {
		int err;

		(void)queue_send(conn);
		if (call->done)
			return;
		err = queue_receive(conn, wait && (conn->n_unsent == 0 || conn->send_failed));
		wait = false;
		if (err != -EAGAIN)
			continue; /* something came, or the connection broke and the call is done */
		err = transport_wait(conn->fd,
			(short)(POLLIN | (conn->n_unsent > 0 && !conn->send_failed ? POLLOUT : 0)),
			deadline_ns);
		if (err < 0 && time_now_ns() >= deadline_ns)
			call_give_up(conn, call);
		else if (err < 0)
			(void)conn_break(conn, err, "the connection cannot be polled");
	}
}

int call_run(struct iommub_conn *conn, struct call *call)
{
	struct request *request;
	int err = conn_enter(conn);

	call->done = false;
	call->err = 0;
	call->response = NULL;
	call->fd = -1;
	call->fds_lost = false;
	if (err < 0)
		return err;
	queue_seal(conn);
	request = queue_add(conn, REQUEST_READY);
	if (!request)
		return conn_fail(conn, -ENOMEM, NULL, "no memory for a request");
	request->call = call;
	call_wait(conn, call, request->deadline_ns);
	return call->err;
}

int call_operation(struct iommub_conn *conn, Operation *operation, const int *fds, size_t n_fds,
	const Result **ret_result, int *ret_fd, bool *ret_fds_lost)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	struct call call = {.request = &request, .fds = fds, .n_fds = n_fds};
	int err;

	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = operation;
	err = call_run(conn, &call);
	if (err == 0 && call.response)
		err = error_from_status(&conn->error, call.response->status);
	if (call.fd >= 0 && (err < 0 || !ret_fd)) {
		(void)close(call.fd);
		call.fd = -1;
	}
	if (err < 0)
		return err;
	*ret_result =
		call.response && call.response->kind_case == IOMMUBROKER__V1__RESPONSE__KIND_RESULT
			? call.response->result
			: NULL;
	if (ret_fd)
		*ret_fd = call.fd;
	if (ret_fds_lost)
		*ret_fds_lost = call.fds_lost;
	return 0;
}

int call_simple(struct iommub_conn *conn, Operation *operation, int fd, const Result **ret_result)
{
	const Result *ignored;

	return call_operation(conn, operation, &fd, fd >= 0 ? 1 : 0,
		ret_result ? ret_result : &ignored, NULL, NULL);
}

int call_malformed(struct iommub_conn *conn, const char *operation)
{
	return conn_fail(conn, -EPROTO, NULL, "the broker's answer to %s lacks what was asked for",
		operation);
}
