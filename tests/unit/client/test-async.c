/* SPDX-License-Identifier: MIT */
/* Gathered operations: when they leave, in which order they complete, where their callbacks run, and what an end of the session does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client/lib/conn.h"
#include "fake.h"

#define MESSAGES_MAX 64u
#define OPS_MAX 512u

/* What the fake broker saw: operations in each message; 0 = one that was no batch. */
struct seen {
	size_t messages[MESSAGES_MAX];
	size_t n;
	size_t serve; /* close after so many messages; 0: never */
	const char *refuse_batch; /* errno's name: batches as a whole are refused */
};

static void counting_script(int fd, void *arg)
{
	struct seen *seen = arg;
	uint64_t operations = 0;

	if (!fake_welcome(fd))
		return;
	for (;;) {
		uint8_t byte[TRANSPORT_BYTES_MAX];
		ssize_t length = recv(fd, byte, sizeof(byte), MSG_PEEK);
		ClientMessage *message = length > 0 ? iommubroker__v1__client_message__unpack(
							      NULL, (size_t)length, byte)
						    : NULL;

		bool is_batch;

		if (!message)
			return;
		is_batch = message->request->op_case == IOMMUBROKER__V1__REQUEST__OP_BATCH;
		if (seen->n < MESSAGES_MAX)
			seen->messages[seen->n++] =
				is_batch ? message->request->batch->n_operations : 0;
		if (is_batch && seen->refuse_batch) {
			fake_refuse(fd, message->request->id, seen->refuse_batch);
			fake_free(fake_receive(fd, NULL, NULL));
			fake_free(message);
			continue;
		}
		fake_free(message);
		if (seen->serve > 0 && seen->n > seen->serve)
			return;
		if (!fake_serve_one(fd, &operations))
			return;
	}
}

/* What the callbacks saw. */
struct done {
	size_t n;
	int err[OPS_MAX];
	uint64_t value[OPS_MAX];
	int error_err[OPS_MAX];
};

static void count_done(struct iommub_conn *conn, int err, const struct iommub_error *error,
	uint64_t value, void *arg)
{
	struct done *done = arg;

	(void)conn;
	done->err[done->n] = err;
	done->error_err[done->n] = error ? error->err : 0;
	done->value[done->n++] = value;
}

static const struct iommub_map some_map = {
	.size = sizeof(some_map), .ioas = 7, .memory = 1, .bytes = 4096, .flags = IOMMUB_MAP_READ};

static void add(struct iommub_conn *conn, size_t n, struct done *done)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(iommub_map_async(conn, &some_map, count_done, done), 0);
}

static void dispatch_all(struct iommub_conn *conn)
{
	while (iommub_pending(conn) > 0)
		assert_true(iommub_dispatch(conn, -1) > 0);
}

/* ---- when they leave ---- */

static void gather(size_t n, const size_t *messages, size_t n_messages)
{
	struct done done = {0};
	struct seen seen = {0};
	struct iommub_conn *conn;
	struct fake fake;

	assert_int_equal(fake_connect(&fake, counting_script, &seen, 0, &conn), 0);
	add(conn, n, &done);
	assert_int_equal(done.n, 0);
	assert_int_equal(iommub_pending(conn), n);
	dispatch_all(conn);
	assert_int_equal(done.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(done.err[i], 0);
		assert_int_equal(
			done.value[i], i * 0x1000); /* the fake numbers operations as they come */
	}
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(seen.n, n_messages);
	assert_memory_equal(seen.messages, messages, n_messages * sizeof(*messages));
}

static void test_gather(void **state)
{
	(void)state;
	gather(1, (const size_t[]){1}, 1);
	gather(63, (const size_t[]){63}, 1);
	gather(64, (const size_t[]){64}, 1);
	gather(65, (const size_t[]){64, 1}, 2);
	gather(200, (const size_t[]){64, 64, 64, 8}, 4);
}

/* What makes them leave: 64, flush, a blocking call; not a 63rd. */
static void test_leave(void **state)
{
	struct done done = {0};
	struct seen seen = {0};
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id ioas;

	(void)state;
	assert_int_equal(fake_connect(&fake, counting_script, &seen, 0, &conn), 0);
	add(conn, 63, &done);
	assert_int_equal(conn->n_unsent, 1);
	assert_int_equal(iommub_get_timeout_ms(conn), 0); /* "dispatch me" */
	add(conn, 1, &done);
	assert_int_equal(conn->n_unsent, 0);
	assert_true(iommub_get_timeout_ms(conn) > 0);
	add(conn, 2, &done);
	assert_int_equal(iommub_flush(conn), 0);
	assert_int_equal(conn->n_unsent, 0);
	add(conn, 3, &done);
	assert_int_equal(iommub_unmap_async(conn, 7, 0, 4096, count_done, &done), 0);
	/* a blocking call takes in all answers before its own, but runs no callback */
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &ioas), 0);
	assert_int_equal(done.n, 0);
	assert_int_equal(iommub_pending(conn), 70);
	assert_int_equal(iommub_get_timeout_ms(conn), 0);
	assert_int_equal(iommub_dispatch(conn, 0), 70);
	assert_int_equal(done.n, 70);
	assert_int_equal(done.value[69], 4096);
	assert_int_equal(iommub_get_timeout_ms(conn), -1);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_memory_equal(seen.messages, ((const size_t[]){64, 2, 4, 0}), 4 * sizeof(size_t));
}

static void test_invalid(void **state)
{
	struct iommub_map map = some_map;
	struct done done = {0};
	struct iommub_conn *conn;
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	map.flags = IOMMUB_MAP_FIXED;
	assert_int_equal(iommub_map_async(conn, &map, count_done, &done), -EINVAL);
	assert_string_equal(iommub_last_error(conn)->field, "flags");
	map.flags = 1u << 3;
	assert_int_equal(iommub_map_async(conn, &map, count_done, &done), -EINVAL);
	map = some_map;
	map.size = 0;
	assert_int_equal(iommub_map_async(conn, &map, count_done, &done), -EINVAL);
	assert_int_equal(iommub_map_async(conn, NULL, count_done, &done), -EINVAL);
	assert_int_equal(iommub_pending(conn), 0);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* ---- bounds ---- */

static void test_bound(void **state)
{
	struct done done = {0};
	struct iommub_conn *conn;
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	conn->pending_max = 100;
	add(conn, 100, &done);
	assert_int_equal(iommub_map_async(conn, &some_map, count_done, &done), -EAGAIN);
	assert_int_equal(iommub_last_error(conn)->err, -EAGAIN);
	dispatch_all(conn);
	assert_int_equal(done.n, 100);
	add(conn, 1, &done);
	dispatch_all(conn);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* A broker that reads nothing until told: the socket fills, what does not fit stays here, and all leaves later. */
static void slow_script(int fd, void *arg)
{
	const int *gate = arg;
	uint64_t operations = 0;
	char byte;

	if (!fake_welcome(fd) || read(gate[0], &byte, 1) != 1)
		return;
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

static void test_backpressure(void **state)
{
	struct iommub_conn *conn;
	struct fake fake;
	size_t n = 0;
	int gate[2], err;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(fake_connect(&fake, slow_script, gate, 0, &conn), 0);
	conn->pending_max = 1u << 20;
	do {
		for (size_t i = 0; i < IOMMUB_GATHER_MAX; i++, n++)
			assert_int_equal(iommub_map_async(conn, &some_map, NULL, NULL), 0);
		err = iommub_flush(conn);
	} while (err == 0);
	assert_int_equal(err, -EAGAIN);
	assert_int_equal(iommub_get_events(conn), POLLIN | POLLOUT);
	assert_int_equal(iommub_pending(conn), n);
	assert_int_equal(write(gate[1], "x", 1), 1);
	assert_int_equal(iommub_unmap(conn, 7, 0, 4096, NULL), 0); /* after all of them */
	assert_int_equal(iommub_get_events(conn), POLLIN);
	assert_int_equal(iommub_pending(conn), n);
	assert_int_equal(iommub_dispatch(conn, 0), 0); /* nobody wanted to know */
	assert_int_equal(iommub_pending(conn), 0);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(close(gate[0]) | close(gate[1]), 0);
}

/* ---- in callbacks ---- */

struct nested {
	struct done done;
	int dispatch_err, call_err, async_err;
	bool disconnect;
	size_t n;
};

static void nested_done(struct iommub_conn *conn, int err, const struct iommub_error *error,
	uint64_t value, void *arg)
{
	struct nested *nested = arg;
	iommub_id ioas;

	(void)err;
	(void)error;
	(void)value;
	nested->n++;
	if (nested->disconnect) {
		iommub_disconnect(conn);
		return;
	}
	nested->dispatch_err = iommub_dispatch(conn, 0);
	nested->call_err = iommub_ioas_alloc(conn, NULL, &ioas);
	nested->async_err = iommub_map_async(conn, &some_map, count_done, &nested->done);
}

static void test_callback_calls(void **state)
{
	struct nested nested = {0};
	struct iommub_conn *conn;
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	assert_int_equal(iommub_map_async(conn, &some_map, nested_done, &nested), 0);
	add(conn, 70, &nested.done);
	dispatch_all(conn);
	assert_int_equal(nested.n, 1);
	assert_int_equal(nested.dispatch_err, -EDEADLK);
	assert_int_equal(nested.call_err, 0);
	assert_int_equal(nested.async_err, 0);
	assert_int_equal(nested.done.n, 71);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void test_callback_disconnects(void **state)
{
	struct nested nested = {.disconnect = true};
	struct iommub_conn *conn;
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(iommub_map_async(conn, &some_map, nested_done, &nested), 0);
	assert_int_equal(iommub_dispatch(conn, -1), 1);
	assert_int_equal(nested.n,
		1); /* no further callback, and the connection is freed (ASan sees if not) */
	fake_stop(&fake);
}

/* ---- failures ---- */

static void test_refused_batch(void **state)
{
	struct done done = {0};
	struct seen seen = {.refuse_batch = "EAGAIN"};
	struct iommub_conn *conn;
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, counting_script, &seen, 0, &conn), 0);
	add(conn, 3, &done);
	dispatch_all(conn);
	assert_int_equal(done.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(done.err[i], -EAGAIN);
		assert_int_equal(done.error_err[i], -EAGAIN);
		assert_int_equal(done.value[i], 0);
	}
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void test_end_of_session(void **state)
{
	struct done done = {0};
	struct seen seen = {.serve = 1};
	struct iommub_conn *conn;
	struct fake fake;
	int ran;

	(void)state;
	assert_int_equal(fake_connect(&fake, counting_script, &seen, 0, &conn), 0);
	add(conn, 130, &done); /* the first 64 are answered, then the session ends */
	while ((ran = iommub_dispatch(conn, -1)) > 0) {
		/* callbacks first, then the end */
	}
	assert_int_equal(ran, -ENOTCONN);
	assert_int_equal(done.n, 130);
	assert_int_equal(done.err[63], 0);
	for (size_t i = 64; i < 130; i++) {
		assert_int_equal(done.err[i], -ECONNRESET);
		assert_int_equal(done.error_err[i], -ECONNRESET);
	}
	assert_int_equal(iommub_map_async(conn, &some_map, NULL, NULL), -ENOTCONN);
	assert_int_equal(iommub_flush(conn), -ENOTCONN);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* A broker that closes without having read all that came: its last words are still heard. (The kernel reports the close ahead of them.) */
static void last_words_script(int fd, void *arg)
{
	uint8_t byte;

	(void)arg;
	if (fake_welcome(fd) && recv(fd, &byte, 1, MSG_PEEK) > 0)
		fake_refuse(fd, 1, "EAGAIN");
}

static void test_last_words(void **state)
{
	struct done done = {0};
	struct iommub_conn *conn;
	struct pollfd entry = {0};
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, last_words_script, NULL, 0, &conn), 0);
	add(conn, 1, &done);
	assert_int_equal(iommub_flush(conn), 0);
	entry.fd = iommub_get_fd(conn);
	assert_int_equal(poll(&entry, 1, -1), 1); /* asks for nothing but the end */
	assert_int_equal(iommub_dispatch(conn, 0), 1);
	assert_int_equal(done.err[0], -EAGAIN);
	assert_int_equal(iommub_dispatch(conn, 0), -ENOTCONN);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void mute_script(int fd, void *arg)
{
	uint64_t id, operations = 0;

	(void)arg;
	if (!fake_welcome(fd) || !fake_request(fd, &id, NULL))
		return; /* the first is never answered */
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

/* The broker leaves out an answer: the operations are given up at their deadline; an answer to a later request then says nothing new about it. */
static void test_deadline(void **state)
{
	struct done done = {0};
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id ioas;

	(void)state;
	assert_int_equal(fake_connect(&fake, mute_script, NULL, 0, &conn), 0);
	conn->timeout_ms = 20;
	add(conn, 2, &done);
	conn->timeout_ms = IOMMUB_TIMEOUT_MS_DEFAULT;
	dispatch_all(conn);
	assert_int_equal(done.n, 2);
	assert_int_equal(done.err[0], -ETIMEDOUT);
	assert_int_equal(done.error_err[1], -ETIMEDOUT);
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &ioas), 0);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* ---- events ---- */

static void event_script(int fd, void *arg)
{
	ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Event event = IOMMUBROKER__V1__EVENT__INIT;
	Iommubroker__V1__QuotaEvent quota = IOMMUBROKER__V1__QUOTA_EVENT__INIT;
	Iommubroker__V1__Limit limit = IOMMUBROKER__V1__LIMIT__INIT;
	const size_t *n = arg;
	uint64_t operations = 0;

	if (!fake_welcome(fd))
		return;
	quota.limit = &limit;
	limit.has_limit = limit.has_used = 1;
	limit.limit = 100;
	event.event_case = IOMMUBROKER__V1__EVENT__EVENT_QUOTA;
	event.quota = &quota;
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_EVENT;
	message.event = &event;
	for (size_t i = 0; i < *n; i++) {
		limit.used = i;
		fake_send(fd, &message, NULL, 0);
	}
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

static void count_event(struct iommub_conn *conn, const struct iommub_event *event, void *arg)
{
	struct done *done = arg;

	(void)conn;
	assert_int_equal(event->type, IOMMUB_EVENT_QUOTA);
	assert_int_equal(event->limit.limit, 100);
	done->value[done->n++] = event->limit.used;
}

static void test_events(void **state)
{
	static const struct {
		size_t sent, seen, first;
	} rows[] = {{1, 1, 0}, {64, 64, 0}, {65, 64, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct done done = {0};
		struct iommub_conn *conn;
		struct fake fake;
		iommub_id ioas;
		size_t sent = rows[i].sent;

		assert_int_equal(fake_connect(&fake, event_script, &sent, 0, &conn), 0);
		iommub_set_event_handler(conn, count_event, &done);
		assert_int_equal(iommub_ioas_alloc(conn, NULL, &ioas), 0);
		assert_int_equal(done.n, 0); /* not in a blocking call */
		assert_int_equal(iommub_get_timeout_ms(conn), 0);
		assert_int_equal(iommub_dispatch(conn, 0), rows[i].seen);
		assert_int_equal(done.n, rows[i].seen);
		assert_int_equal(done.value[0], rows[i].first); /* the oldest are dropped */
		iommub_disconnect(conn);
		fake_stop(&fake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_gather),
		cmocka_unit_test(test_leave), cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_bound), cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_callback_calls), cmocka_unit_test(test_callback_disconnects),
		cmocka_unit_test(test_refused_batch), cmocka_unit_test(test_end_of_session),
		cmocka_unit_test(test_last_words), cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_events)};

	return cmocka_run_group_tests_name("client-async", tests, NULL, NULL);
}
