/* SPDX-License-Identifier: MIT */
/* The caller's event loop: what to poll, and what to do when it fires. */
#include "client/lib/conn.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#define NS_PER_MS INT64_C(1000000)

static bool send_waits(const struct iommub_conn *conn)
{
	return conn->n_unsent > 0 && !conn->send_failed;
}

int iommub_get_fd(const struct iommub_conn *conn)
{
	int err = conn_check(conn);

	return err < 0 ? err : conn->fd;
}

int iommub_get_events(const struct iommub_conn *conn)
{
	int err = conn_check(conn);

	return err < 0 ? err : POLLIN | (send_waits(conn) ? POLLOUT : 0);
}

int iommub_get_timeout_ms(const struct iommub_conn *conn)
{
	const struct request *last;
	int64_t left_ns;

	if (conn_check(conn) < 0)
		return -1;
	last = TAILQ_LAST(&conn->queue, request_queue);
	if (async_due(conn) || conn->n_events > 0 || (last && last->state == REQUEST_GATHERING))
		return 0;
	if (queue_deadline(conn) == INT64_MAX)
		return -1;
	left_ns = queue_deadline(conn) - time_now_ns();
	if (left_ns <= 0)
		return 0;
	left_ns = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
	return left_ns > INT_MAX ? INT_MAX : (int)left_ns;
}

int iommub_flush(struct iommub_conn *conn)
{
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	queue_seal(conn);
	if (queue_send(conn) == -EAGAIN)
		return conn_fail(conn, -EAGAIN, NULL, "the socket is full: poll it for POLLOUT");
	return 0;
}

/* Take in all that is there; stop early when the connection breaks: its requests are DONE then. */
static void receive_all(struct iommub_conn *conn)
{
	while (!conn->broken && queue_receive(conn, false) == 0) {
		/* an answer or an event was taken in; the number of answers is bounded by what we asked */
	}
}

static int dispatch_once(struct iommub_conn *conn)
{
	if (!conn->broken) {
		queue_seal(conn);
		(void)queue_send(conn);
		receive_all(conn);
		queue_expire(conn);
	}
	return async_run(conn) + event_run(conn);
}

static int dispatch_until(struct iommub_conn *conn, int64_t deadline_ns)
{
	int ran;

	while ((ran = dispatch_once(conn)) == 0 && !conn->broken && !conn->doomed) {
		int64_t wait_ns = queue_deadline(conn);
		int err;

		if (deadline_ns < wait_ns)
			wait_ns = deadline_ns;
		if (deadline_ns != INT64_MAX && time_now_ns() >= deadline_ns)
			break;
		err = transport_wait(
			conn->fd, (short)(POLLIN | (send_waits(conn) ? POLLOUT : 0)), wait_ns);
		if (err < 0 && err != -ETIMEDOUT)
			(void)conn_break(conn, err, "the connection cannot be polled");
	}
	return ran;
}

int iommub_dispatch(struct iommub_conn *conn, int timeout_ms)
{
	int err = conn_check(conn), ran;

	if (err < 0)
		return err;
	if (conn->dispatching)
		return conn_fail(
			conn, -EDEADLK, NULL, "iommub_dispatch() was called in a callback");
	conn->dispatching = true;
	ran = dispatch_until(
		conn, timeout_ms < 0 ? INT64_MAX : time_now_ns() + (int64_t)timeout_ms * NS_PER_MS);
	conn->dispatching = false;
	if (conn->doomed) {
		conn_free(conn);
		return ran;
	}
	return ran > 0 ? ran : conn->broken ? conn_enter(conn) : 0;
}
