/* SPDX-License-Identifier: MIT */
/* A broker that answers nonsense: every call ends, with an error that fits, no fd is left, and what can go on does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "client/lib/conn.h"
#include "fake.h"

enum answer {
	GARBAGE,
	HALF,
	NO_BODY, /* no known kind of message, then the real answer */
	ID_WRONG,
	ID_MISSING,
	ID_OLD,
	TWICE,
	NO_RESULT,
	OTHER_RESULT,
	ID_ZERO_RESULT,
	EXTRA_FDS,
	UNKNOWN_FIELD,
	UNKNOWN_EVENT,
	UNKNOWN_ERRNO,
	LATE_WELCOME,
	LARGE,
	CLOSE
};

struct scene {
	enum answer answer;
	int err; /* of the first call */
	int err_next; /* of the one after it */
};

static void good(int fd, uint64_t id, bool fds)
{
	Iommubroker__V1__Result result = IOMMUBROKER__V1__RESULT__INIT;
	Iommubroker__V1__IoasAllocResult alloc = IOMMUBROKER__V1__IOAS_ALLOC_RESULT__INIT;
	const int three[3] = {fd, fd, fd};

	alloc.has_ioas = 1;
	alloc.ioas = 7;
	result.op_case = IOMMUBROKER__V1__RESULT__OP_IOAS_ALLOC;
	result.ioas_alloc = &alloc;
	fake_answer_fds(fd, id, &result, three, fds ? 3 : 0);
}

static void other_result(int fd, uint64_t id, bool zero_id)
{
	Iommubroker__V1__Result result = IOMMUBROKER__V1__RESULT__INIT;
	Iommubroker__V1__IoasMapResult map = IOMMUBROKER__V1__IOAS_MAP_RESULT__INIT;
	Iommubroker__V1__IoasAllocResult alloc = IOMMUBROKER__V1__IOAS_ALLOC_RESULT__INIT;

	result.op_case = zero_id ? IOMMUBROKER__V1__RESULT__OP_IOAS_ALLOC
				 : IOMMUBROKER__V1__RESULT__OP_IOAS_MAP;
	if (zero_id)
		result.ioas_alloc = &alloc;
	else
		result.ioas_map = &map;
	fake_answer(fd, id, &result);
}

static void say(int fd, enum answer answer, uint64_t id)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0x12, 0x00};
	/* field 15, 3 bytes; field 3 (event) with an event of field 9 */
	static const uint8_t unknown_message[] = {0x7a, 0x03, 1, 2, 3},
			     unknown_event[] = {0x1a, 0x02, 0x4a, 0x00};
	/* Response with id, field 30 unknown, result with ioas_alloc of 7 with an unknown field of its own */
	const uint8_t unknown_field[] = {0x12, 17, 0x08, (uint8_t)id, 0xf2, 0x01, 0x01, 'x', 0x1a,
		0x09, 0x32, 0x07, 0x08, 0x07, 0x9a, 0x06, 0x02, 'h', 'i'};
	static uint8_t large[70000];
	Iommubroker__V1__ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Welcome welcome = IOMMUBROKER__V1__WELCOME__INIT;
	Iommubroker__V1__Response response = IOMMUBROKER__V1__RESPONSE__INIT;

	switch (answer) {
	case GARBAGE:
		fake_send_bytes(fd, garbage, sizeof(garbage), &fd, 1);
		break;
	case HALF:
		fake_send_bytes(fd, unknown_field, sizeof(unknown_field) / 2, NULL, 0);
		break;
	case NO_BODY:
		fake_send_bytes(fd, unknown_message, sizeof(unknown_message), &fd, 1);
		good(fd, id, false);
		break;
	case ID_WRONG:
		good(fd, id + 1, true);
		break;
	case ID_OLD:
		good(fd, 0, false);
		break;
	case ID_MISSING:
		message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE;
		message.response = &response;
		fake_send(fd, &message, NULL, 0);
		break;
	case TWICE:
		good(fd, id, false);
		good(fd, id, true);
		break;
	case NO_RESULT:
		fake_answer(fd, id, NULL);
		break;
	case OTHER_RESULT:
		other_result(fd, id, false);
		break;
	case ID_ZERO_RESULT:
		other_result(fd, id, true);
		break;
	case EXTRA_FDS:
		good(fd, id, true);
		break;
	case UNKNOWN_FIELD:
		fake_send_bytes(fd, unknown_field, sizeof(unknown_field), NULL, 0);
		break;
	case UNKNOWN_EVENT:
		fake_send_bytes(fd, unknown_event, sizeof(unknown_event), &fd, 1);
		good(fd, id, false);
		break;
	case UNKNOWN_ERRNO:
		fake_refuse(fd, id, "EMARSUNREACHABLE");
		break;
	case LATE_WELCOME:
		message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME;
		message.welcome = &welcome;
		fake_send(fd, &message, NULL, 0);
		good(fd, id, false);
		break;
	case LARGE:
		fake_send_bytes(fd, large, sizeof(large), &fd, 1);
		break;
	case CLOSE:
		break;
	}
}

static void hostile_script(int fd, void *arg)
{
	struct scene *scene = arg;
	uint64_t operations = 0, id;

	if (!fake_welcome(fd) || !fake_request(fd, &id, NULL))
		return;
	say(fd, scene->answer, id);
	if (scene->answer == CLOSE)
		return;
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

static void test_answers(void **state)
{
	static const struct scene scenes[] = {
		{GARBAGE, -EPROTO, -ENOTCONN},
		{HALF, -EPROTO, -ENOTCONN},
		{NO_BODY, 0, 0},
		{ID_WRONG, -EPROTO, -ENOTCONN},
		{ID_MISSING, -EPROTO, -ENOTCONN},
		{ID_OLD, -EPROTO, -ENOTCONN},
		{TWICE, 0, -EPROTO},
		{NO_RESULT, -EPROTO, 0},
		{OTHER_RESULT, -EPROTO, 0},
		{ID_ZERO_RESULT, -EPROTO, 0},
		{EXTRA_FDS, 0, 0},
		{UNKNOWN_FIELD, 0, 0},
		{UNKNOWN_EVENT, 0, 0},
		{UNKNOWN_ERRNO, -EPROTO, 0},
		{LATE_WELCOME, 0, 0},
		{LARGE, -EPROTO, -ENOTCONN},
		{CLOSE, -ECONNRESET, -ENOTCONN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct scene scene = scenes[i];
		struct iommub_conn *conn = NULL;
		struct fake fake;
		size_t fds = count_fds();
		iommub_id ioas = 0;
		int err;

		assert_int_equal(fake_connect(&fake, hostile_script, &scene, 0, &conn), 0);
		err = iommub_ioas_alloc(conn, NULL, &ioas);
		if (err != scene.err)
			fail_msg("scene %zu: %d, expected %d", i, err, scene.err);
		assert_int_equal(ioas, err == 0 ? 7 : 0);
		if (err < 0)
			assert_int_equal(iommub_last_error(conn)->err, err);
		err = iommub_ioas_alloc(conn, NULL, &ioas);
		if (err != scene.err_next)
			fail_msg("scene %zu, next call: %d, expected %d", i, err, scene.err_next);
		iommub_disconnect(conn);
		fake_stop(&fake);
		assert_int_equal(count_fds(), fds);
	}
}

static void refuse_script(int fd, void *arg)
{
	uint64_t id;

	if (fake_welcome(fd))
		while (fake_request(fd, &id, NULL))
			fake_refuse(fd, id, arg);
}

static void test_error_in_words(void **state)
{
	const struct iommub_error *error;
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id ioas;

	(void)state;
	assert_int_equal(fake_connect(&fake, refuse_script, (void *)"EDQUOT", 0, &conn), 0);
	assert_int_equal(iommub_last_error(conn)->err, 0);
	assert_int_equal(iommub_ioas_alloc(conn, "tag", &ioas), -EDQUOT);
	error = iommub_last_error(conn);
	assert_int_equal(error->err, -EDQUOT);
	assert_string_equal(error->name, "EDQUOT");
	assert_string_equal(error->message, "the tenant's limit of locked memory");
	assert_string_equal(error->rule, "policy.yaml:7 tenants.alpha.limits");
	assert_string_equal(error->field, "length");
	assert_true(error->has_limit);
	assert_int_equal(error->limit.resource, IOMMUB_RESOURCE_LOCKED_BYTES);
	assert_int_equal(error->limit.scope, IOMMUB_SCOPE_TENANT);
	assert_int_equal(error->limit.limit, 100);
	assert_int_equal(error->limit.used, 90);
	assert_int_equal(error->asked, 11);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* ---- never an answer, and one that comes too late ---- */

static void late_script(int fd, void *arg)
{
	uint64_t operations = 0, first, second;

	(void)arg;
	if (!fake_welcome(fd) || !fake_request(fd, &first, NULL) ||
		!fake_request(fd, &second, NULL))
		return;
	good(fd, first, true); /* the client gave it up before it asked again */
	good(fd, second, false);
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

/* Only what must time out has a short timeout, so that a slow machine fails nothing. */
static void set_timeout(struct iommub_conn *conn, uint32_t timeout_ms)
{
	conn->timeout_ms = timeout_ms;
	transport_set_wait(conn->fd, timeout_ms);
}

static void test_deadline(void **state)
{
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id ioas = 0;
	size_t fds = count_fds();

	(void)state;
	/* the fake broker answers the first request only when the second has come: the first must time out */
	assert_int_equal(fake_connect(&fake, late_script, NULL, 0, &conn), 0);
	set_timeout(conn, 20);
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &ioas), -ETIMEDOUT);
	assert_int_equal(ioas, 0);
	set_timeout(conn, IOMMUB_TIMEOUT_MS_DEFAULT);
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &ioas), 0);
	assert_int_equal(ioas, 7);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(count_fds(), fds);
}

static void silent_script(int fd, void *arg)
{
	(void)arg;
	while (true) {
		Iommubroker__V1__ClientMessage *message = fake_receive(fd, NULL, NULL);

		if (!message)
			return;
		fake_free(message);
	}
}

static void test_no_welcome(void **state)
{
	struct iommub_conn *conn = NULL;
	struct fake fake;

	(void)state;
	assert_int_equal(fake_connect(&fake, silent_script, NULL, 30, &conn), -ETIMEDOUT);
	assert_null(conn);
	fake_stop(&fake);
}

/* ---- devices: the fd ---- */

struct device_scene {
	size_t n_fds; /* that come with the device */
	int last_case; /* of the last operation the fake broker saw */
};

static void device_script(int fd, void *arg)
{
	Iommubroker__V1__Result result = IOMMUBROKER__V1__RESULT__INIT;
	Iommubroker__V1__DeviceOpenResult open = IOMMUBROKER__V1__DEVICE_OPEN_RESULT__INIT;
	Iommubroker__V1__Empty empty = IOMMUBROKER__V1__EMPTY__INIT;
	struct device_scene *scene = arg;
	const int fds[2] = {fd, fd};
	uint64_t id;

	open.has_device = 1;
	open.device = 5;
	if (!fake_welcome(fd))
		return;
	while (fake_request(fd, &id, &scene->last_case)) {
		if (scene->last_case == IOMMUBROKER__V1__OPERATION__OP_DEVICE_OPEN) {
			result.op_case = IOMMUBROKER__V1__RESULT__OP_DEVICE_OPEN;
			result.device_open = &open;
			fake_answer_fds(fd, id, &result, fds, scene->n_fds);
		} else {
			result.op_case = IOMMUBROKER__V1__RESULT__OP_DEVICE_CLOSE;
			result.device_close = &empty;
			fake_answer(fd, id, &result);
		}
	}
}

static int device_open(struct device_scene *scene, bool room)
{
	struct iommub_device_opts opts = {.size = sizeof(opts), .name = "edu0"};
	struct rlimit saved, none;
	struct iommub_conn *conn;
	struct fake fake;
	size_t fds = count_fds();
	iommub_id device = 0;
	int fd = -1, err;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_int_equal(fake_connect(&fake, device_script, scene, 0, &conn), 0);
	none = saved;
	none.rlim_cur = 3; /* everything that is open stays so, nothing new fits */
	if (!room)
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	err = iommub_device_open(conn, &opts, &device, &fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_int_equal(device, err == 0 ? 5 : 0);
	if (err == 0) {
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(close(fd), 0);
	} else {
		assert_int_equal(fd, -1);
	}
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(count_fds(), fds);
	return err;
}

static void test_device_fd(void **state)
{
	struct device_scene scene = {.n_fds = 1};

	(void)state;
	assert_int_equal(device_open(&scene, true), 0);
	scene.n_fds = 2; /* one too many: closed */
	assert_int_equal(device_open(&scene, true), 0);
	scene.n_fds = 0; /* a device that cannot be used is given back */
	assert_int_equal(device_open(&scene, true), -EPROTO);
	assert_int_equal(scene.last_case, IOMMUBROKER__V1__OPERATION__OP_DEVICE_CLOSE);
	scene.n_fds = 1; /* no room here: the same, with our own error */
	assert_int_equal(device_open(&scene, false), -EMFILE);
	assert_int_equal(scene.last_case, IOMMUBROKER__V1__OPERATION__OP_DEVICE_CLOSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
		cmocka_unit_test(test_error_in_words), cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_no_welcome), cmocka_unit_test(test_device_fd)};

	return cmocka_run_group_tests_name("client-hostile", tests, NULL, NULL);
}
