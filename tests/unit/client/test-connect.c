/* SPDX-License-Identifier: MIT */
/* The two ways into a session and the two ways out; who may use a connection; what options may say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fake.h"

/* ---- Hello, Welcome ---- */

struct hello_seen {
	uint32_t version_min, version_max;
	char name[80];
	Iommubroker__V1__Status *refusal;
	uint32_t version;
	size_t steps; /* 0: close at once, 1: after Hello, 2: answer */
};

static void hello_script(int fd, void *arg)
{
	struct hello_seen *seen = arg;
	Iommubroker__V1__ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Welcome welcome = IOMMUBROKER__V1__WELCOME__INIT;
	Iommubroker__V1__ClientMessage *hello;

	if (seen->steps == 0)
		return;
	hello = fake_receive(fd, NULL, NULL);
	if (hello && hello->body_case == IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO) {
		seen->version_min = hello->hello->version_min;
		seen->version_max = hello->hello->version_max;
		(void)snprintf(seen->name, sizeof(seen->name), "%s", hello->hello->client_name);
	}
	fake_free(hello);
	if (seen->steps == 1)
		return;
	welcome.status = seen->refusal;
	welcome.has_version = 1;
	welcome.version = seen->version;
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME;
	message.welcome = &welcome;
	fake_send(fd, &message, NULL, 0);
}

static int try_hello(struct hello_seen *seen)
{
	struct iommub_conn *conn = NULL;
	struct fake fake;
	size_t fds = count_fds();
	int err = fake_connect(&fake, hello_script, seen, 0, &conn);

	assert_int_equal(conn != NULL, err == 0);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(count_fds(), fds);
	return err;
}

static void test_hello(void **state)
{
	Iommubroker__V1__Status refusal = IOMMUBROKER__V1__STATUS__INIT;
	struct hello_seen seen = {.version = 1, .steps = 2};

	(void)state;
	assert_int_equal(try_hello(&seen), 0);
	assert_int_equal(seen.version_min, 1);
	assert_int_equal(seen.version_max, 1);
	assert_string_equal(seen.name, "test");
	seen.version = 2;
	assert_int_equal(try_hello(&seen), -EPROTONOSUPPORT);
	refusal.error = (char *)"EPERM";
	seen.refusal = &refusal;
	assert_int_equal(try_hello(&seen), -EPERM);
	seen.steps = 0;
	assert_int_equal(try_hello(&seen), -ECONNRESET);
	seen.steps = 1;
	assert_int_equal(try_hello(&seen), -ECONNRESET);
}

/* ---- paths, options ---- */

static void test_path(void **state)
{
	struct iommub_connect_opts opts = {.size = sizeof(opts)};
	struct iommub_conn *conn = NULL;
	struct fake fake;
	char path[200];

	(void)state;
	opts.path = "/nonexistent/broker.sock";
	assert_int_equal(iommub_connect(&opts, &conn), -ENOENT);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	opts.path = path;
	assert_int_equal(iommub_connect(&opts, &conn), -ENOENT); /* 107 bytes fit */
	path[107] = 'a';
	path[108] = '\0';
	assert_int_equal(iommub_connect(&opts, &conn), -ENAMETOOLONG);

	fake_start(&fake, fake_serve, NULL);
	assert_int_equal(setenv(IOMMUB_SOCKET_ENV, fake.path, 1), 0);
	assert_int_equal(iommub_connect(NULL, &conn), 0);
	assert_int_equal(unsetenv(IOMMUB_SOCKET_ENV), 0);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void test_options(void **state)
{
	struct {
		struct iommub_connect_opts opts;
		uint64_t later; /* what a newer header would have */
	} wide = {.opts = {.size = sizeof(wide), .path = "/nonexistent/x"}};
	struct iommub_conn *conn = NULL;
	char name[IOMMUB_NAME_MAX + 2];

	(void)state;
	assert_int_equal(iommub_connect(&wide.opts, &conn), -ENOENT);
	wide.later = 1;
	assert_int_equal(iommub_connect(&wide.opts, &conn), -E2BIG);
	wide.opts.size = 0;
	assert_int_equal(iommub_connect(&wide.opts, &conn), -EINVAL);
	wide.opts.size = offsetof(struct iommub_connect_opts, client_name); /* an older header */
	wide.opts.client_name = (const char *)1;
	assert_int_equal(iommub_connect(&wide.opts, &conn), -ENOENT);
	wide.opts.size = sizeof(wide.opts);
	memset(name, 'n', sizeof(name));
	name[IOMMUB_NAME_MAX + 1] = '\0';
	wide.opts.client_name = name;
	assert_int_equal(iommub_connect(&wide.opts, &conn), -EINVAL);
	name[IOMMUB_NAME_MAX] = '\0';
	assert_int_equal(iommub_connect(&wide.opts, &conn), -ENOENT);
	assert_int_equal(iommub_connect(&wide.opts, NULL), -EINVAL);
	assert_null(conn);
}

static void test_null(void **state)
{
	const struct iommub_info *info;
	int fd;

	(void)state;
	iommub_disconnect(NULL);
	iommub_batch_free(NULL);
	iommub_batch_clear(NULL);
	iommub_set_log(NULL, NULL, NULL);
	iommub_set_event_handler(NULL, NULL, NULL);
	assert_int_equal(iommub_pending(NULL), 0);
	assert_int_equal(iommub_get_fd(NULL), -EINVAL);
	assert_int_equal(iommub_get_timeout_ms(NULL), -1);
	assert_int_equal(iommub_dispatch(NULL, 0), -EINVAL);
	assert_int_equal(iommub_get_info(NULL, &info), -EINVAL);
	assert_int_equal(iommub_surrender(NULL, &fd), -EINVAL);
	assert_int_equal(iommub_destroy(NULL, 1), -EINVAL);
	assert_int_equal(iommub_batch_run(NULL, NULL), -EINVAL);
	assert_int_equal(iommub_last_error(NULL)->err, -EINVAL);
}

/* ---- who owns it ---- */

static void test_fork(void **state)
{
	struct iommub_map map = {.size = sizeof(map), .flags = IOMMUB_MAP_READ};
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id ioas;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool good = iommub_ioas_alloc(conn, NULL, &ioas) == -ECHILD &&
			    iommub_last_error(conn)->err == -ECHILD &&
			    iommub_get_fd(conn) == -ECHILD && iommub_dispatch(conn, 0) == -ECHILD &&
			    iommub_flush(conn) == -ECHILD &&
			    iommub_map_async(conn, &map, NULL, NULL) == -ECHILD &&
			    iommub_surrender(conn, &status) == -ECHILD;

		iommub_disconnect(conn); /* frees the copy, ends nothing */
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &ioas), 0);
	assert_int_equal(ioas, 7);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* A copy of the socket in another process must not keep a session alive that was disconnected. */
static void test_disconnect_with_copy(void **state)
{
	struct iommub_conn *conn;
	struct fake fake;
	int copy;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	copy = dup(iommub_get_fd(conn));
	iommub_disconnect(conn);
	fake_stop(&fake); /* would wait for ever if the fake broker still had a client */
	assert_int_equal(close(copy), 0);
}

/* ---- surrender, adopt ---- */

static void test_adopt(void **state)
{
	const struct iommub_info *info;
	struct iommub_conn *conn, *adopted = NULL;
	struct fake fake;
	iommub_id ioas;
	int fd;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	assert_true(fcntl(iommub_get_fd(conn), F_GETFD) & FD_CLOEXEC);
	assert_int_equal(iommub_surrender(conn, &fd), 0);
	assert_false(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(iommub_adopt(fd, NULL, &adopted), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(iommub_get_info(adopted, &info), 0);
	assert_string_equal(info->tenant, "alpha");
	assert_int_equal(info->session, 42);
	assert_int_equal(info->page_bytes, 4096);
	assert_int_equal(iommub_ioas_alloc(adopted, NULL, &ioas), 0);
	iommub_disconnect(adopted);
	fake_stop(&fake);
}

static void stale_script(int fd, void *arg)
{
	uint64_t operations = 0;

	(void)arg;
	if (!fake_welcome(fd))
		return;
	/* answers that the previous owner asked for and did not read, the last with an fd */
	fake_answer(fd, 1, NULL);
	fake_refuse(fd, 2, "ENOSPC");
	fake_answer_fds(fd, 3, NULL, &fd, 1);
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

static void test_adopt_swallows_stale_answers(void **state)
{
	struct iommub_conn *conn, *adopted = NULL;
	struct fake fake;
	iommub_id ioas;
	size_t fds;
	int fd;

	(void)state;
	assert_int_equal(fake_connect(&fake, stale_script, NULL, 0, &conn), 0);
	assert_int_equal(iommub_surrender(conn, &fd), 0);
	fds = count_fds();
	assert_int_equal(iommub_adopt(fd, NULL, &adopted), 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(iommub_ioas_alloc(adopted, NULL, &ioas), 0);
	iommub_disconnect(adopted);
	fake_stop(&fake);
}

static void test_adopt_refuses(void **state)
{
	struct iommub_conn *conn = NULL;
	int pair[2], unconnected;

	(void)state;
	assert_int_equal(iommub_adopt(-1, NULL, &conn), -EBADF);
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(iommub_adopt(pair[0], NULL, &conn), -ENOTSOCK);
	assert_int_equal(close(pair[0]) | close(pair[1]), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(iommub_adopt(pair[0], NULL, &conn), -EINVAL);
	assert_int_equal(close(pair[0]) | close(pair[1]), 0);
	unconnected = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(iommub_adopt(unconnected, NULL, &conn), -EINVAL);
	assert_int_equal(close(unconnected), 0);
	/* the other end is gone: the fd stays ours, as it was */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(close(pair[1]), 0);
	assert_int_equal(iommub_adopt(pair[0], NULL, &conn), -ECONNRESET);
	assert_int_equal(fcntl(pair[0], F_GETFD), 0);
	assert_int_equal(close(pair[0]), 0);
	assert_null(conn);
}

static void test_surrender_pending(void **state)
{
	struct iommub_map map = {.size = sizeof(map), .flags = IOMMUB_MAP_READ};
	struct iommub_conn *conn;
	struct fake fake;
	int fd = -1;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	assert_int_equal(iommub_map_async(conn, &map, NULL, NULL), 0);
	assert_int_equal(iommub_surrender(conn, &fd), -EBUSY);
	while (iommub_pending(conn) > 0) {
		struct pollfd entry = {
			.fd = iommub_get_fd(conn), .events = (short)iommub_get_events(conn)};

		assert_true(iommub_dispatch(conn, 0) >= 0);
		if (iommub_pending(conn) > 0)
			assert_true(poll(&entry, 1, iommub_get_timeout_ms(conn)) > 0);
	}
	assert_int_equal(iommub_surrender(conn, &fd), 0);
	assert_int_equal(close(fd), 0);
	fake_stop(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hello),
		cmocka_unit_test(test_path), cmocka_unit_test(test_options),
		cmocka_unit_test(test_null), cmocka_unit_test(test_fork),
		cmocka_unit_test(test_disconnect_with_copy), cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_adopt_swallows_stale_answers),
		cmocka_unit_test(test_adopt_refuses), cmocka_unit_test(test_surrender_pending)};

	return cmocka_run_group_tests_name("client-connect", tests, NULL, NULL);
}
