/* SPDX-License-Identifier: MIT */
/*
 * Packets that are no message, or not the message that is legal now. What ends a session ends that
 * session alone; what is a message with something wrong in it is answered, and the session goes on.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_FIELD 1000u

/* A packed Info request with id 7, for tests that damage it. Returns its length. */
static size_t pack_info(uint8_t *buffer, size_t bytes)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	struct ask ask;
	size_t n;

	ask_info(&ask);
	SET(&request, id, 7);
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = &ask.operation;
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST;
	message.request = &request;
	n = iommubroker__v1__client_message__get_packed_size(&message);
	assert_in_range(n, 1, bytes);
	iommubroker__v1__client_message__pack(&message, buffer);
	return n;
}

static void send_expect_end(struct scene *scene, const void *bytes, size_t n)
{
	struct wire *victim = scene_victim(scene);

	assert_int_equal(wire_send(victim, bytes, n, NULL, 0), 0);
	wire_expect_end(victim);
	scene_check(scene, victim);
}

static void packet_that_is_no_message(void **state)
{
	static const uint8_t garbage[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t text[] = "GET / HTTP/1.1\r\n\r\n";
	static const uint8_t zeroes[512];
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	send_expect_end(&scene, garbage, sizeof(garbage));
	send_expect_end(&scene, text, sizeof(text) - 1);
	send_expect_end(&scene, zeroes, sizeof(zeroes));
	scene_close(&scene);
}

static void empty_packet(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	send_expect_end(&scene, "", 0);
	scene_close(&scene);
}

/* Cut anywhere inside, a message is no message. (Cut at a field's end it may be a smaller message:
 * that one has a request without an operation, and is answered.) */
static void half_a_message(void **state)
{
	uint8_t packet[64];
	size_t n = pack_info(packet, sizeof(packet));
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	for (size_t cut = 1; cut < n; cut++)
		send_expect_end(&scene, packet, cut);
	scene_close(&scene);
}

static void message_larger_than_the_limit(void **state)
{
	static uint8_t large[65536 + 1];
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	memset(large, 0x0a, sizeof(large));
	send_expect_end(&scene, large, sizeof(large));
	scene_close(&scene);
}

static void client_message_without_body(void **state)
{
	/* A field that ClientMessage does not have, and nothing else: parses, says nothing. */
	static const uint8_t other[] = {0x78, 0x01}; /* field 15, varint 1 */
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	send_expect_end(&scene, other, sizeof(other));
	scene_close(&scene);
}

static void request_before_hello(void **state)
{
	uint8_t packet[64];
	size_t n = pack_info(packet, sizeof(packet));
	struct scene scene;
	struct wire *victim;

	(void)state;
	scene_open(&scene, NULL);
	victim = wire_connect(scene.broker, "alpha.sock");
	assert_int_equal(wire_send(victim, packet, n, NULL, 0), 0);
	wire_expect_end(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
}

static void hello_twice(void **state)
{
	struct scene scene;
	struct wire *victim;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	{
		ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
		Hello hello = IOMMUBROKER__V1__HELLO__INIT;

		SET(&hello, version_min, 1);
		SET(&hello, version_max, 1);
		message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
		message.hello = &hello;
		assert_int_equal(wire_send_message(victim, &message, NULL, 0), 0);
	}
	wire_expect_end(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
}

/* A version range that we do not speak is refused in a Welcome that says so, and the session ends.
 */
static void hello_with_versions(struct scene *scene, uint32_t min, uint32_t max)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	Hello hello = IOMMUBROKER__V1__HELLO__INIT;
	struct wire *victim = wire_connect(scene->broker, "alpha.sock");
	const ServerMessage *answer;

	SET(&hello, version_min, min);
	SET(&hello, version_max, max);
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	assert_int_equal(wire_send_message(victim, &message, NULL, 0), 0);
	answer = wire_receive(victim);
	assert_non_null(answer);
	assert_int_equal(answer->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME);
	assert_non_null(answer->welcome->status);
	assert_non_null(answer->welcome->status->error);
	assert_non_null(answer->welcome->status->message);
	assert_non_null(strstr(answer->welcome->status->message, "version"));
	wire_expect_end(victim);
	scene_check(scene, victim);
}

static void hello_with_a_version_that_is_not_spoken(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	hello_with_versions(&scene, 2, 9);
	hello_with_versions(&scene, 0, 0);
	hello_with_versions(&scene, 2, 1); /* the wrong way round */
	scene_close(&scene);
}

/* Answered, and the session goes on: send a request with unknown bytes behind it at some level. */
static void send_operation_with_unknown(
	struct scene *scene, const uint8_t *operation, size_t n, const char *error)
{
	uint8_t packet[128];
	size_t length = 0;
	struct wire *victim = scene_victim(scene);
	const ServerMessage *answer;

	assert_in_range(n, 0, 100);
	packet[length++] = 0x12; /* ClientMessage.request */
	packet[length++] = (uint8_t)(n + 4);
	packet[length++] = 0x08; /* Request.id */
	packet[length++] = 7;
	packet[length++] = 0x12; /* Request.operation */
	packet[length++] = (uint8_t)n;
	memcpy(packet + length, operation, n);
	assert_int_equal(wire_send(victim, packet, length + n, NULL, 0), 0);
	answer = wire_receive(victim);
	assert_non_null(answer);
	assert_int_equal(answer->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE);
	assert_int_equal(answer->response->id, 7);
	wire_expect_error(answer->response, error, NULL);
	scene_serves(victim);
	scene_check(scene, victim);
}

static void unknown_operation(void **state)
{
	static const uint8_t none[] = {0};
	static const uint8_t unknown[] = {0xc2, 0x3e, 0x00}; /* field 1000, length 0 */
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	send_operation_with_unknown(&scene, unknown, sizeof(unknown), "EOPNOTSUPP");
	send_operation_with_unknown(&scene, none, 0, "EOPNOTSUPP");
	scene_close(&scene);
}

static void unknown_field(void **state)
{
	/* Operation.info { field 1000 = 1 }, and Operation { info {} field 1000 = 1 } */
	static const uint8_t in_info[] = {0x0a, 0x03, 0xc0, 0x3e, 0x01};
	static const uint8_t beside_info[] = {0x0a, 0x00, 0xc0, 0x3e, 0x01};
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	send_operation_with_unknown(&scene, in_info, sizeof(in_info), "E2BIG");
	send_operation_with_unknown(&scene, beside_info, sizeof(beside_info), "E2BIG");
	scene_close(&scene);
}

static const Response *call_batch(
	struct wire *wire, uint32_t mode, Operation **operations, size_t n)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	Batch batch = IOMMUBROKER__V1__BATCH__INIT;

	SET(&batch, mode, (Iommubroker__V1__BatchMode)mode);
	batch.operations = operations;
	batch.n_operations = n;
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_BATCH;
	request.batch = &batch;
	return wire_call_request(wire, &request, NULL, 0);
}

static void batch_at_its_limit_and_past_it(void **state)
{
	static Operation *operations[1025];
	struct scene scene;
	struct wire *victim;
	struct ask ask;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	{
		IoasUnmap *unmap = ask_ioas_unmap(&ask);

		SET(unmap, ioas, wire_ioas_alloc(victim));
		SET(unmap, iova, 0);
		SET(unmap, length, UINT64_MAX);
	}
	for (size_t i = 0; i < 1025; i++)
		operations[i] = &ask.operation;
	wire_expect_success(
		call_batch(victim, IOMMUBROKER__V1__BATCH_MODE__BATCH_CONTINUE, operations, 1024));
	assert_int_equal(victim->message->response->batch->n_results, 1024);
	wire_expect_error(
		call_batch(victim, IOMMUBROKER__V1__BATCH_MODE__BATCH_CONTINUE, operations, 1025),
		"EINVAL", NULL);
	wire_expect_error(call_batch(victim, 9, operations, 1), "EINVAL", "mode");
	scene_serves(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
}

static void batch_of_what_does_not_batch(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	Operation *operation = &ask.operation;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ask_device_open(&ask)->name = (char *)"edu0";
	wire_expect_error(
		call_batch(victim, IOMMUBROKER__V1__BATCH_MODE__BATCH_STOP, &operation, 1),
		"EINVAL", NULL);
	scene_check(&scene, victim);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(packet_that_is_no_message, harness_teardown),
		cmocka_unit_test_teardown(empty_packet, harness_teardown),
		cmocka_unit_test_teardown(half_a_message, harness_teardown),
		cmocka_unit_test_teardown(message_larger_than_the_limit, harness_teardown),
		cmocka_unit_test_teardown(client_message_without_body, harness_teardown),
		cmocka_unit_test_teardown(request_before_hello, harness_teardown),
		cmocka_unit_test_teardown(hello_twice, harness_teardown),
		cmocka_unit_test_teardown(
			hello_with_a_version_that_is_not_spoken, harness_teardown),
		cmocka_unit_test_teardown(unknown_operation, harness_teardown),
		cmocka_unit_test_teardown(unknown_field, harness_teardown),
		cmocka_unit_test_teardown(batch_at_its_limit_and_past_it, harness_teardown),
		cmocka_unit_test_teardown(batch_of_what_does_not_batch, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
