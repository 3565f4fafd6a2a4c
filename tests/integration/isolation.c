/* SPDX-License-Identifier: MIT */
/*
 * Two tenants, and what one of them can do about the other: nothing.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/scene.h"
#include "tests/harness/vfio_user_raw.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

/* Ids are a session's own: the other's mean nothing here, even when the numbers are equal. */
static void ids_do_not_cross_sessions(void **state)
{
	struct scene scene;
	struct wire *alpha;
	struct ask ask;
	uint32_t ioas[8], memory;
	int fd = wire_memfd(PAGE, 0);

	(void)state;
	scene_open(&scene, NULL);
	alpha = scene_victim(&scene);
	for (size_t i = 0; i < 8; i++)
		ioas[i] = wire_ioas_alloc(alpha);
	memory = wire_memory_register(alpha, fd, true);
	for (size_t i = 0; i < 8; i++) {
		if (ioas[i] == scene.beta_ioas)
			continue;
		SET(ask_destroy(&ask), id, ioas[i]);
		wire_expect_error(wire_call(scene.beta, &ask, NULL, 0), "ENOENT", NULL);
		/* Not even another session of the same tenant. */
		wire_expect_error(wire_call(scene.witness, &ask, NULL, 0), "ENOENT", NULL);
	}
	SET(ask_memory_unregister(&ask), memory, memory);
	wire_expect_error(wire_call(scene.witness, &ask, NULL, 0), "ENOENT", NULL);
	ask_list(&ask);
	wire_expect_success(wire_call(scene.witness, &ask, NULL, 0));
	assert_int_equal(scene.witness->message->response->result->list->n_objects, 0);
	wire_expect_success(wire_call(alpha, &ask, NULL, 0));
	assert_int_equal(alpha->message->response->result->list->n_objects, 9);
	scene_check(&scene, alpha);
	scene_close(&scene);
	close(fd);
}

static const Response *call_open(struct wire *wire, const char *name)
{
	struct ask ask;

	ask_device_open(&ask)->name = (char *)name;
	return wire_call(wire, &ask, NULL, 0);
}

static void a_device_has_one_session(void **state)
{
	struct scene scene;
	struct wire *alpha;
	int device_fd;

	(void)state;
	scene_open(&scene, NULL);
	alpha = scene_victim(&scene);
	wire_device_open(alpha, "edu0", &device_fd);
	wire_expect_error(call_open(scene.beta, "edu0"), "EBUSY", "in use");
	/* The same tenant's other session neither: the group's owner is the context. */
	wire_expect_error(call_open(scene.witness, "edu0"), "EBUSY", "in use");
	/* And the same session only once. */
	assert_string_not_equal(wire_error(call_open(alpha, "edu0")), "");
	/* What the policy does not list for a tenant is a denial by a rule, whether it exists or
	 * not. */
	wire_expect_error(call_open(scene.beta, "edu1"), "EPERM", NULL);
	assert_non_null(scene.beta->message->response->status->rule);
	assert_non_null(
		strstr(scene.beta->message->response->status->rule, "tenants.beta.devices"));
	close(device_fd);
	scene_check(&scene, alpha);
	scene_close(&scene);
}

/* A tenant lists what its policy allows, with the state but not who holds it. */
static void device_list_shows_own_policy(void **state)
{
	struct scene scene;
	struct wire *alpha;
	struct ask ask;
	int device_fd;

	(void)state;
	scene_open(&scene, NULL);
	alpha = scene_victim(&scene);
	wire_device_open(alpha, "edu0", &device_fd);
	ask_device_list(&ask);
	wire_expect_success(wire_call(scene.beta, &ask, NULL, 0));
	assert_int_equal(scene.beta->message->response->result->device_list->n_devices, 1);
	{
		const Iommubroker__V1__Device *device =
			scene.beta->message->response->result->device_list->devices[0];

		assert_string_equal(device->name, "edu0");
		assert_int_equal(device->state, IOMMUBROKER__V1__DEVICE_STATE__DEVICE_GRANTED);
		assert_false(device->has_mine && device->mine);
		assert_int_equal(device->vendor, 0x1234);
		assert_int_equal(device->device, 0x11e8);
	}
	wire_expect_success(wire_call(alpha, &ask, NULL, 0));
	assert_int_equal(alpha->message->response->result->device_list->n_devices, 2);
	close(device_fd);
	scene_check(&scene, alpha);
	scene_close(&scene);
}

/* As root: tenants by uid on one socket, nobody else gets in. */
static void tenants_by_uid(void **state)
{
	static const char policy[] =
		"version: 1\n"
		"host: { session_uids: @session_uids@, locked_memory: 64MiB }\n"
		"sockets:\n"
		"  - { name: main, path: main.sock, mode: \"0666\" }\n"
		"tenants:\n"
		"  - { name: alpha, match: { uid: 64001 }, limits: { locked_memory: 4MiB } }\n"
		"  - { name: beta, match: { uid: 64002 }, limits: { locked_memory: 4MiB } }\n"
		"  - { name: gamma, match: { gid: 64003 }, limits: { locked_memory: 4MiB } }\n";
	static const struct {
		uid_t uid;
		gid_t gid;
		const char *tenant;
	} rows[] = {
		{64001, 64001, "alpha"}, {64002, 64001, "beta"},
		{64001, 64003, "alpha"}, /* the first that matches */
		{64009, 64003, "gamma"}, {64009, 64009, NULL},
		{0, 0, NULL}, /* root is nobody's tenant by itself */
	};
	struct harness_broker *broker;

	(void)state;
	if (geteuid() != 0)
		skip();
	broker = harness_broker_start(policy, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire *wire = wire_connect_as(broker, "main.sock", rows[i].uid, rows[i].gid);
		const Welcome *welcome = wire_hello(wire);

		if (rows[i].tenant != NULL) {
			assert_non_null(welcome);
			assert_non_null(welcome->tenant);
			assert_string_equal(welcome->tenant, rows[i].tenant);
		} else if (welcome != NULL) {
			/* Told why in a Welcome that refuses, or just closed. */
			assert_non_null(welcome->status);
			assert_string_equal(welcome->status->error, "EACCES");
			wire_expect_end(wire);
		}
		wire_close(wire);
	}
	harness_sessions_await(0);
	harness_broker_stop(broker);
}

/* Killing one tenant's session, however, does nothing to the other's DMA. */
static void a_dead_session_leaves_the_other_running(void **state)
{
	struct scene scene;
	struct wire *alpha;
	int alpha_fd, beta_fd;
	uint32_t beta_device;

	(void)state;
	scene_open(&scene, NULL);
	beta_device = wire_device_open(scene.beta, "edu0", &beta_fd);
	wire_map_fixed(scene.beta, scene.beta_ioas, scene.beta_memory, 0, PAGE, 0x10000);
	wire_device_attach(scene.beta, beta_device, scene.beta_ioas);
	raw_device_open(beta_fd);
	raw_edu_start(beta_fd);
	alpha = scene_victim(&scene);
	wire_device_open(alpha, "edu1", &alpha_fd);
	assert_int_equal(kill(harness_session_new(scene.sessions, 2), SIGKILL), 0);
	wire_expect_end(alpha);
	raw_edu_dma(beta_fd, 0x10000, 0, 512, 0);
	raw_edu_dma(beta_fd, 0x10000, 0, 512, RAW_EDU_FROM_DEVICE);
	close(alpha_fd);
	close(beta_fd);
	wire_close(alpha);
	harness_sessions_await(2);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ids_do_not_cross_sessions, harness_teardown),
		cmocka_unit_test_teardown(a_device_has_one_session, harness_teardown),
		cmocka_unit_test_teardown(device_list_shows_own_policy, harness_teardown),
		cmocka_unit_test_teardown(tenants_by_uid, harness_teardown),
		cmocka_unit_test_teardown(
			a_dead_session_leaves_the_other_running, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
