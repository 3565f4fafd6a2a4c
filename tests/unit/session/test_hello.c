/* SPDX-License-Identifier: MIT */
/* The beginning of a session, and packets that are no messages. */
#include "tests/unit/session/scene.h"

#include <string.h>
#include <unistd.h>

static void hello_send(struct scene *scene, PB(Hello) * hello, size_t n_fds)
{
	PB(ClientMessage) message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	int fds[] = {scene->pages.limits_fd, scene->pages.limits_fd};

	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = hello;
	scene_message(scene, &message, fds, n_fds);
	assert_int_equal(scene->message->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME);
}

static PB(Hello) hello_of(uint32_t min, uint32_t max)
{
	PB(Hello) hello = IOMMUBROKER__V1__HELLO__INIT;

	hello.has_version_min = hello.has_version_max = true;
	hello.version_min = min;
	hello.version_max = max;
	return hello;
}

static void test_welcome(void **state)
{
	struct scene *scene = *state;
	PB(Hello) hello = hello_of(1, 4);
	PB(Info) info = IOMMUBROKER__V1__INFO__INIT;
	PB(Operation) operation = OP(INFO, &info);
	PB(Welcome) * welcome;

	hello.client_name = "me";
	hello_send(scene, &hello, 0);
	assert_int_equal(scene->result, DISPATCH_ANSWER);
	welcome = scene->message->welcome;
	assert_null(welcome->status);
	assert_int_equal(welcome->version, 1);
	assert_string_equal(welcome->tenant, "alpha");
	assert_int_equal(welcome->session, 7);
	assert_int_equal(welcome->n_limits, 2 * ALL_RESOURCES);
	assert_string_equal(welcome->features[0], "model");
	assert_int_equal(welcome->message_bytes_max, MESSAGE_BYTES_MAX);
	assert_int_equal(welcome->fds_max, MESSAGE_FDS_MAX);
	assert_int_equal(welcome->batch_max, BATCH_MAX);
	assert_int_equal(welcome->page_bytes, PAGE);
	/* Info is as good as Welcome for whoever adopts the connection. */
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	assert_string_equal(scene_result(scene)->info->tenant, "alpha");
	assert_string_equal(scene_result(scene)->info->client_name, "me");
	assert_int_equal(scene_result(scene)->info->session, 7);
	assert_int_equal(scene_result(scene)->info->n_limits, 2 * ALL_RESOURCES);
}

static void refused(
	struct scene *scene, PB(Hello) hello, size_t n_fds, const char *error, const char *field)
{
	size_t fds = fds_open();

	scene->session.phase = PHASE_HELLO;
	hello_send(scene, &hello, n_fds);
	assert_int_equal(scene->result, DISPATCH_END);
	assert_status(scene, error, field);
	assert_int_equal(scene->session.phase, PHASE_ENDING);
	assert_int_equal(fds_open(), fds);
}

static void test_refused(void **state)
{
	struct scene *scene = *state;
	PB(Hello) hello = hello_of(1, 1);

	refused(scene, hello_of(2, 9), 0, "EPROTONOSUPPORT", "version_min");
	refused(scene, hello_of(0, 0), 0, "EPROTONOSUPPORT", "version_min");
	refused(scene, hello_of(2, 1), 0, "EINVAL", "version_min");
	refused(scene, hello, 1, "EINVAL", "fds");
	hello.has_version_max = false;
	refused(scene, hello, 0, "EINVAL", "version_max");
	hello = hello_of(1, 1);
	hello.client_name = "0123456789012345678901234567890123456789012345678901234567890123";
	scene->session.phase = PHASE_HELLO;
	hello_send(scene, &hello, 0); /* 64 bytes */
	assert_null(scene_status(scene));
	hello.client_name = "01234567890123456789012345678901234567890123456789012345678901234";
	refused(scene, hello, 0, "EINVAL", "client_name");
	hello.client_name = "\x1b[31m";
	refused(scene, hello, 0, "EINVAL", "client_name");
}

static void test_twice(void **state)
{
	struct scene *scene = *state;
	PB(Hello) hello = hello_of(1, 1);

	hello_send(scene, &hello, 0);
	hello_send(scene, &hello, 0);
	assert_int_equal(scene->result, DISPATCH_END);
	assert_status(scene, "EPROTO", "hello");
}

static void garbage(struct scene *scene, const void *bytes, size_t length, size_t n_fds)
{
	int fds[256];
	size_t open_before = fds_open();

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = scene->pages.limits_fd;
	for (int ready = 0; ready < 2; ready++) {
		scene->session.phase = ready ? PHASE_READY : PHASE_HELLO;
		scene_packet(scene, bytes, length, fds, n_fds);
		assert_int_equal(scene->result, DISPATCH_END);
		assert_int_equal(scene->message->body_case,
			ready ? IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE
			      : IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME);
		assert_int_equal(fds_open(), open_before);
	}
}

static void test_garbage(void **state)
{
	struct scene *scene = *state;
	static uint8_t large[MESSAGE_BYTES_MAX + 1];

	garbage(scene, "\xff\xff\xff\xff", 4, 2);
	assert_status(scene, "EBADMSG", NULL);
	garbage(scene, "\x12\x7f", 2, 0); /* half a message */
	garbage(scene, "", 0, 1);
	garbage(scene, large, sizeof(large), 0);
	assert_status(scene, "EBADMSG", NULL);
	garbage(scene, "\x18\x01", 2, 0); /* neither Hello nor Request */
	assert_status(scene, "EBADMSG", NULL);
	garbage(scene, "\x0a\x00\x18\x01", 4, 0);
	assert_status(scene, "E2BIG", "ClientMessage");
	garbage(scene, "\x0a\x00", 2, MESSAGE_FDS_MAX + 1);
	assert_status(scene, "EBADMSG", NULL);
}

/* Two bytes each become more than a hundred: the arena is the bound, not the message's size. */
static void test_amplification(void **state)
{
	struct scene *scene = *state;
	static uint8_t packet[MESSAGE_BYTES_MAX];
	size_t n = 0, inner = 32000;

	packet[n++] = 0x12; /* ClientMessage.request, 3 bytes of length */
	packet[n++] = (uint8_t)((inner * 2 + 4) | 0x80);
	packet[n++] = (uint8_t)((inner * 2 + 4) >> 7 | 0x80);
	packet[n++] = (uint8_t)((inner * 2 + 4) >> 14);
	packet[n++] = 0x1a; /* Request.batch */
	packet[n++] = (uint8_t)((inner * 2) | 0x80);
	packet[n++] = (uint8_t)((inner * 2) >> 7 | 0x80);
	packet[n++] = (uint8_t)((inner * 2) >> 14);
	for (size_t i = 0; i < inner; i++) {
		packet[n++] = 0x12; /* an Operation without anything */
		packet[n++] = 0;
	}
	scene->session.phase = PHASE_READY;
	scene_packet(scene, packet, n, NULL, 0);
	assert_int_equal(scene->result, DISPATCH_END);
	assert_status(scene, "EBADMSG", NULL);
}

static void test_request_without_id(void **state)
{
	struct scene *scene = *state;

	scene->session.phase = PHASE_READY;
	scene_packet(scene, "\x12\x04\x12\x02\x0a\x00", 6, NULL, 0);
	assert_int_equal(scene->result, DISPATCH_ANSWER);
	assert_status(scene, "EINVAL", "id");
	scene_packet(scene, "\x12\x02\x08\x05", 4, NULL, 0);
	assert_status(scene, "EINVAL", "operation");
	assert_int_equal(scene->message->response->id, 5);
	scene_packet(scene, "\x12\x04\x08\x05\x20\x01", 6, NULL, 0);
	assert_status(scene, "E2BIG", "Request");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin_hello, scene_end)
	const struct CMUnitTest tests[] = {
		TEST(test_welcome),
		TEST(test_refused),
		TEST(test_twice),
		TEST(test_garbage),
		TEST(test_amplification),
		TEST(test_request_without_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
