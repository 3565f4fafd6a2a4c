/* SPDX-License-Identifier: MIT */
/*
 * Ids that name nothing, something of another type, or something that others still use.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"

#include <string.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

static const uint32_t strange_ids[] = {0x7fffffff, 0x80000000, 0xdeadbeef, 0xffffffff, 999};

static void expect_destroy(struct wire *wire, uint32_t id, const char *error)
{
	struct ask ask;
	Destroy *destroy = ask_destroy(&ask);

	SET(destroy, id, id);
	wire_expect_error(wire_call(wire, &ask, NULL, 0), error, NULL);
}

static void expect_attach(struct wire *wire, uint32_t device, uint32_t pt_id, const char *error)
{
	struct ask ask;
	DeviceAttach *attach = ask_device_attach(&ask);

	SET(attach, device, device);
	SET(attach, pt_id, pt_id);
	wire_expect_error(wire_call(wire, &ask, NULL, 0), error, NULL);
}

static void expect_map(struct wire *wire, uint32_t ioas, uint32_t memory, const char *error)
{
	struct ask ask;
	IoasMap *map = ask_ioas_map(&ask);

	SET(map, ioas, ioas);
	SET(map, memory, memory);
	SET(map, length, PAGE);
	wire_expect_error(wire_call(wire, &ask, NULL, 0), error, NULL);
}

static void expect_unregister(struct wire *wire, uint32_t memory, const char *error)
{
	struct ask ask;
	MemoryUnregister *unregister = ask_memory_unregister(&ask);

	SET(unregister, memory, memory);
	wire_expect_error(wire_call(wire, &ask, NULL, 0), error, NULL);
}

static void ids_that_name_nothing(void **state)
{
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory;
	int fd = wire_memfd(PAGE, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	for (size_t i = 0; i < sizeof(strange_ids) / sizeof(strange_ids[0]); i++) {
		struct ask ask;
		uint32_t id = strange_ids[i];

		if (id == ioas || id == memory)
			continue;
		expect_destroy(victim, id, "ENOENT");
		expect_unregister(victim, id, "ENOENT");
		expect_map(victim, id, memory, "ENOENT");
		expect_map(victim, ioas, id, "ENOENT");
		expect_attach(victim, id, ioas, "ENOENT");
		SET(ask_ioas_iova_ranges(&ask), ioas, id);
		wire_expect_error(wire_call(victim, &ask, NULL, 0), "ENOENT", NULL);
		SET(ask_device_close(&ask), device, id);
		wire_expect_error(wire_call(victim, &ask, NULL, 0), "ENOENT", NULL);
		SET(ask_device_share(&ask), device, id);
		wire_expect_error(wire_call(victim, &ask, NULL, 0), "ENOENT", NULL);
		assert_int_equal(victim->n_fds, 0);
		SET(ask_device_detach(&ask), device, id);
		wire_expect_error(wire_call(victim, &ask, NULL, 0), "ENOENT", NULL);
	}
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

static void ids_of_another_type(void **state)
{
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory;
	int fd = wire_memfd(PAGE, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	expect_map(victim, memory, ioas, "ENOENT");
	expect_map(victim, ioas, ioas, "ENOENT");
	expect_unregister(victim, ioas, "ENOENT");
	expect_attach(victim, ioas, ioas, "ENOENT");
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

/* M is mapped into A, D is attached to A: see broker/session/graph.h. */
static void ids_that_have_users(void **state)
{
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory, device;
	int fd = wire_memfd(PAGE, 0), device_fd;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	wire_map_fixed(victim, ioas, memory, 0, PAGE, 0x10000);
	device = wire_device_open(victim, "edu0", &device_fd);
	wire_device_attach(victim, device, ioas);
	expect_unregister(victim, memory, "EBUSY");
	expect_destroy(victim, memory, "EBUSY");
	expect_destroy(victim, ioas, "EBUSY");
	/* Nothing of that changed anything. */
	wire_unmap(victim, ioas, 0x10000, PAGE);
	wire_destroy(victim, memory);
	{
		struct ask ask;

		SET(ask_device_close(&ask), device, device);
		wire_expect_success(wire_call(victim, &ask, NULL, 0));
	}
	wire_destroy(victim, ioas);
	expect_destroy(victim, ioas, "ENOENT");
	close(device_fd);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

static void names_of_devices(void **state)
{
	static char long_name[300];
	static const char *const names[] = {
		"", "nvme0", "../edu0", "edu0\n", "0000:00:1f.7", long_name};
	struct scene scene;
	struct wire *victim;
	struct ask ask;

	(void)state;
	memset(long_name, 'a', sizeof(long_name) - 1);
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ask_device_open(&ask)->name = (char *)names[i];
		assert_string_not_equal(wire_error(wire_call(victim, &ask, NULL, 0)), "");
		assert_non_null(victim->message->response->status->message);
		assert_int_equal(victim->n_fds, 0);
	}
	ask_device_open(&ask);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "name");
	scene_check(&scene, victim);
	scene_close(&scene);
}

static void missing_fields(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ask_destroy(&ask);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "id");
	SET(ask_ioas_map(&ask), memory, 0x80000001);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "missing");
	ask_ioas_map(&ask); /* neither a memory handle nor a file descriptor */
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "file descriptor");
	SET(ask_ioas_unmap(&ask), ioas, 1);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "missing");
	SET(ask_device_attach(&ask), pt_id, 1);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "device");
	ask_ioas_alloc(&ask)->tag = (char *)"a tag of thirty-three characters!";
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "tag");
	ask_ioas_alloc(&ask)->tag = (char *)"a tag of thirty-two characters !";
	wire_expect_success(wire_call(victim, &ask, NULL, 0));
	scene_check(&scene, victim);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ids_that_name_nothing, harness_teardown),
		cmocka_unit_test_teardown(ids_of_another_type, harness_teardown),
		cmocka_unit_test_teardown(ids_that_have_users, harness_teardown),
		cmocka_unit_test_teardown(names_of_devices, harness_teardown),
		cmocka_unit_test_teardown(missing_fields, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
