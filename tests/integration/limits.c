/* SPDX-License-Identifier: MIT */
/*
 * Limits in pairs: at the limit yes, one past it no, and a denial says which limit, its value, what
 * is used and what was asked for. What is given back can be taken again.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/scene.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)

#define IOMMUB_SCOPE(name) IOMMUBROKER__V1__SCOPE__SCOPE_##name
#define IOMMUB_RESOURCE(name) IOMMUBROKER__V1__RESOURCE__RESOURCE_##name

static void make_policy(char *buffer, size_t bytes, const char *host, const char *limits)
{
	snprintf(buffer, bytes,
		"version: 1\n"
		"host: { session_uids: @session_uids@, %s }\n"
		"sockets:\n"
		"  - { name: alpha, path: alpha.sock, mode: \"0666\" }\n"
		"  - { name: beta, path: beta.sock, mode: \"0666\" }\n"
		"tenants:\n"
		"  - name: alpha\n"
		"    match: { socket: alpha }\n"
		"    devices: [ { name: edu0 }, { name: edu1 } ]\n"
		"    limits: { %s }\n"
		"  - name: beta\n"
		"    match: { socket: beta }\n"
		"    limits: { locked_memory: 4MiB }\n",
		host, limits);
}

static const Response *call_map(struct wire *wire, uint32_t ioas, uint32_t memory, uint64_t length)
{
	struct ask ask;
	IoasMap *map = ask_ioas_map(&ask);

	SET(map, ioas, ioas);
	SET(map, memory, memory);
	SET(map, length, length);
	return wire_call(wire, &ask, NULL, 0);
}

static void expect_denial(const Response *response, uint32_t scope, uint32_t resource,
	uint64_t limit, uint64_t used, uint64_t asked)
{
	const Limit *said;

	wire_expect_error(response, "EDQUOT", NULL);
	said = response->status->limit;
	assert_non_null(said);
	assert_int_equal(said->scope, scope);
	assert_int_equal(said->resource, resource);
	assert_int_equal(said->limit, limit);
	assert_int_equal(said->used, used);
	assert_int_equal(response->status->asked, asked);
	assert_non_null(response->status->rule);
}

static void locked_memory_of_a_session(void **state)
{
	char policy[1024];
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory;
	int fd = wire_memfd(2 * MIB, 0);

	(void)state;
	make_policy(policy, sizeof(policy), "locked_memory: 64MiB",
		"locked_memory: 8MiB, session: { locked_memory: 1MiB }");
	scene_open(&scene, policy);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	expect_denial(call_map(victim, ioas, memory, MIB + PAGE), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(LOCKED_BYTES), MIB, 0, MIB + PAGE);
	wire_expect_success(call_map(victim, ioas, memory, MIB));
	expect_denial(call_map(victim, ioas, memory, PAGE), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(LOCKED_BYTES), MIB, MIB, PAGE);
	/* Mapping the same memory twice pins it twice; what is given back can be taken again. */
	wire_unmap(victim, ioas, 0, UINT64_MAX);
	wire_expect_success(call_map(victim, ioas, memory, MIB / 2));
	wire_expect_success(call_map(victim, ioas, memory, MIB / 2));
	expect_denial(call_map(victim, ioas, memory, PAGE), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(LOCKED_BYTES), MIB, MIB, PAGE);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

static void locked_memory_of_a_tenant(void **state)
{
	char policy[1024];
	struct scene scene;
	struct wire *first, *second;
	uint32_t ioas1, ioas2, memory1, memory2;
	int fd = wire_memfd(2 * MIB, 0);

	(void)state;
	make_policy(policy, sizeof(policy), "locked_memory: 64MiB", "locked_memory: 2MiB");
	scene_open(&scene, policy);
	first = scene_victim(&scene);
	second = scene_victim(&scene);
	ioas1 = wire_ioas_alloc(first);
	ioas2 = wire_ioas_alloc(second);
	memory1 = wire_memory_register(first, fd, true);
	memory2 = wire_memory_register(second, fd, true);
	wire_expect_success(call_map(first, ioas1, memory1, MIB + PAGE));
	expect_denial(call_map(second, ioas2, memory2, MIB), IOMMUB_SCOPE(TENANT),
		IOMMUB_RESOURCE(LOCKED_BYTES), 2 * MIB, MIB + PAGE, MIB);
	wire_expect_success(call_map(second, ioas2, memory2, MIB - PAGE));
	expect_denial(call_map(first, ioas1, memory1, PAGE), IOMMUB_SCOPE(TENANT),
		IOMMUB_RESOURCE(LOCKED_BYTES), 2 * MIB, 2 * MIB, PAGE);
	/* The other tenant is not concerned. */
	scene_serves_beta(&scene);
	/* When one of them ends, what it held is free. */
	wire_close(second);
	harness_sessions_await(3);
	wire_expect_success(call_map(first, ioas1, memory1, MIB - PAGE));
	scene_check(&scene, first);
	scene_close(&scene);
	close(fd);
}

static void locked_memory_of_the_host(void **state)
{
	char policy[1024];
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory;
	int fd = wire_memfd(8 * MIB, 0);

	(void)state;
	make_policy(policy, sizeof(policy), "locked_memory: 4MiB, lend_chunk: 1MiB",
		"locked_memory: 32MiB");
	scene_open(&scene, policy);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	/* Beta was lent a chunk when it mapped its page: three are left. */
	wire_expect_success(call_map(victim, ioas, memory, 3 * MIB));
	wire_expect_error(call_map(victim, ioas, memory, PAGE), "EDQUOT", NULL);
	assert_int_equal(victim->message->response->status->limit->scope, IOMMUB_SCOPE(HOST));
	assert_int_equal(victim->message->response->status->limit->limit, 4 * MIB);
	wire_unmap(victim, ioas, 0, UINT64_MAX);
	wire_expect_success(call_map(victim, ioas, memory, 3 * MIB));
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

static void objects_of_each_kind(void **state)
{
	char policy[1024];
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	uint32_t ioas[2], memory[2];
	int fd = wire_memfd(8 * PAGE, 0), device_fd;

	(void)state;
	make_policy(policy, sizeof(policy), "locked_memory: 64MiB",
		"locked_memory: 32MiB, session: { ioas: 2, mappings: 3, memory_handles: 2, "
		"devices: 1 }");
	scene_open(&scene, policy);
	victim = scene_victim(&scene);
	ioas[0] = wire_ioas_alloc(victim);
	ioas[1] = wire_ioas_alloc(victim);
	ask_ioas_alloc(&ask);
	expect_denial(wire_call(victim, &ask, NULL, 0), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(IOAS), 2, 2, 1);
	memory[0] = wire_memory_register(victim, fd, true);
	memory[1] = wire_memory_register(victim, fd, true);
	ask_memory_register(&ask);
	expect_denial(wire_call(victim, &ask, &fd, 1), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(MEMORY_HANDLES), 2, 2, 1);
	for (unsigned int i = 0; i < 3; i++)
		wire_expect_success(call_map(victim, ioas[i % 2], memory[i % 2], PAGE));
	expect_denial(call_map(victim, ioas[0], memory[0], PAGE), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(MAPPINGS), 3, 3, 1);
	wire_device_open(victim, "edu0", &device_fd);
	ask_device_open(&ask)->name = (char *)"edu1";
	expect_denial(wire_call(victim, &ask, NULL, 0), IOMMUB_SCOPE(SESSION),
		IOMMUB_RESOURCE(DEVICES), 1, 1, 1);
	close(device_fd);
	wire_destroy(victim, ioas[1]);
	ioas[1] = wire_ioas_alloc(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

/* Connections are counted before a process is made for them. */
static void connections_of_a_tenant(void **state)
{
	char policy[1024];
	struct scene scene;
	struct wire *second, *third;
	const Welcome *welcome;

	(void)state;
	make_policy(policy, sizeof(policy), "locked_memory: 64MiB",
		"locked_memory: 32MiB, connections: 2");
	scene_open(&scene, policy); /* the witness is the first */
	second = scene_victim(&scene);
	third = wire_connect(scene.broker, "alpha.sock");
	welcome = wire_hello(third);
	if (welcome != NULL) {
		assert_non_null(welcome->status);
		assert_string_equal(welcome->status->error, "EDQUOT");
		assert_non_null(welcome->status->limit);
		assert_int_equal(welcome->status->limit->resource, IOMMUB_RESOURCE(CONNECTIONS));
		assert_int_equal(welcome->status->limit->limit, 2);
		wire_expect_end(third);
	}
	wire_close(third);
	harness_sessions_await(3);
	scene_check(&scene, second);
	/* One left, one may come. */
	second = scene_victim(&scene);
	scene_check(&scene, second);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(locked_memory_of_a_session, harness_teardown),
		cmocka_unit_test_teardown(locked_memory_of_a_tenant, harness_teardown),
		cmocka_unit_test_teardown(locked_memory_of_the_host, harness_teardown),
		cmocka_unit_test_teardown(objects_of_each_kind, harness_teardown),
		cmocka_unit_test_teardown(connections_of_a_tenant, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
