/* SPDX-License-Identifier: MIT */
/*
 * Ranges that overflow, leave the file, are not aligned or are nothing at all. Every one is a row:
 * what is asked of a memory of four pages, and the error that names it. After all of them nothing
 * is mapped and nothing is charged.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"

#include <string.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define MEMORY_BYTES (4 * PAGE)
#define ANYWHERE                                                                                   \
	UINT64_C(0x5a5a5a5a) /* not a multiple of anything: "no iova given" in the table  \
				       */

static const struct {
	const char *what;
	uint64_t offset, length, iova;
	const char *error;
} bad_maps[] = {
	{"length zero", 0, 0, ANYWHERE, "EINVAL"},
	{"length not aligned", 0, 100, ANYWHERE, "EINVAL"},
	{"length one past a page", 0, PAGE + 1, ANYWHERE, "EINVAL"},
	{"offset not aligned", 1, PAGE, ANYWHERE, "EINVAL"},
	{"iova not aligned", 0, PAGE, 0x100001, "EINVAL"},
	{"one page past the end", 0, MEMORY_BYTES + PAGE, ANYWHERE, "EINVAL"},
	{"begins at the end", MEMORY_BYTES, PAGE, ANYWHERE, "EINVAL"},
	{"begins far behind the end", UINT64_C(1) << 62, PAGE, ANYWHERE, "EINVAL"},
	{"offset above off_t", UINT64_C(1) << 63, PAGE, ANYWHERE, "EINVAL"},
	{"offset plus length overflows", -PAGE, 2 * PAGE, ANYWHERE, "EINVAL"},
	{"offset plus length is 2^64", -PAGE, PAGE, ANYWHERE, "EINVAL"},
	{"length near 2^64", 0, -PAGE, ANYWHERE, "EINVAL"},
};

static void set_map(struct ask *ask, uint32_t ioas, uint32_t memory, uint64_t offset,
	uint64_t length, uint64_t iova)
{
	IoasMap *map = ask_ioas_map(ask);

	SET(map, ioas, ioas);
	SET(map, memory, memory);
	SET(map, offset, offset);
	SET(map, length, length);
	if (iova != ANYWHERE)
		SET(map, iova, iova);
}

static void maps_that_are_no_maps(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	uint32_t ioas, memory;
	int fd = wire_memfd(MEMORY_BYTES, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	for (size_t i = 0; i < sizeof(bad_maps) / sizeof(bad_maps[0]); i++) {
		set_map(&ask, ioas, memory, bad_maps[i].offset, bad_maps[i].length,
			bad_maps[i].iova);
		if (strcmp(wire_error(wire_call(victim, &ask, NULL, 0)), bad_maps[i].error) != 0)
			fail_msg("%s: expected %s, got %s", bad_maps[i].what, bad_maps[i].error,
				wire_error(victim->message->response));
		assert_non_null(victim->message->response->status->message);
	}
	assert_int_equal(wire_used(victim, IOMMUBROKER__V1__SCOPE__SCOPE_SESSION,
				 IOMMUBROKER__V1__RESOURCE__RESOURCE_LOCKED_BYTES),
		0);
	assert_int_equal(wire_used(victim, IOMMUBROKER__V1__SCOPE__SCOPE_SESSION,
				 IOMMUBROKER__V1__RESOURCE__RESOURCE_MAPPINGS),
		0);
	/* The whole memory at once is fine: the bound is where it should be. */
	wire_map(victim, ioas, memory, 0, MEMORY_BYTES);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

/* A map that ends above the last IOVA there is, and one onto another. */
static void maps_that_collide(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	uint32_t ioas, memory;
	int fd = wire_memfd(MEMORY_BYTES, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	set_map(&ask, ioas, memory, 0, 2 * PAGE, -PAGE);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EOVERFLOW", "2^64");
	wire_map_fixed(victim, ioas, memory, 0, 2 * PAGE, 0x10000);
	set_map(&ask, ioas, memory, 0, PAGE, 0x10000);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EEXIST", NULL);
	set_map(&ask, ioas, memory, 0, 2 * PAGE, 0xf000);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EEXIST", NULL);
	/* Neighbours touch and do not collide. */
	wire_map_fixed(victim, ioas, memory, 0, PAGE, 0xf000);
	wire_map_fixed(victim, ioas, memory, 0, PAGE, 0x12000);
	assert_int_equal(wire_used(victim, IOMMUBROKER__V1__SCOPE__SCOPE_SESSION,
				 IOMMUBROKER__V1__RESOURCE__RESOURCE_LOCKED_BYTES),
		4 * PAGE);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

static void expect_unmap(
	struct wire *wire, uint32_t ioas, uint64_t iova, uint64_t length, const char *error)
{
	struct ask ask;
	IoasUnmap *unmap = ask_ioas_unmap(&ask);

	SET(unmap, ioas, ioas);
	SET(unmap, iova, iova);
	SET(unmap, length, length);
	wire_expect_error(wire_call(wire, &ask, NULL, 0), error, NULL);
}

/* An unmap does all of it or nothing. */
static void unmaps_that_cut(void **state)
{
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory;
	int fd = wire_memfd(MEMORY_BYTES, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	wire_map_fixed(victim, ioas, memory, 0, 2 * PAGE, 0x10000);
	wire_map_fixed(victim, ioas, memory, 0, 2 * PAGE, 0x12000);
	expect_unmap(victim, ioas, 0x10000, PAGE, "ENOENT");
	expect_unmap(victim, ioas, 0x11000, PAGE, "ENOENT");
	expect_unmap(
		victim, ioas, 0x10000, 3 * PAGE, "ENOENT"); /* the first whole, the second cut */
	expect_unmap(victim, ioas, 0x20000, PAGE, "ENOENT");
	expect_unmap(victim, ioas, 0x10000, 0, "EINVAL");
	expect_unmap(victim, ioas, -PAGE, 2 * PAGE, "EOVERFLOW");
	assert_int_equal(wire_used(victim, IOMMUBROKER__V1__SCOPE__SCOPE_SESSION,
				 IOMMUBROKER__V1__RESOURCE__RESOURCE_LOCKED_BYTES),
		4 * PAGE);
	wire_unmap(victim, ioas, 0x10000, 4 * PAGE);
	assert_int_equal(wire_used(victim, IOMMUBROKER__V1__SCOPE__SCOPE_SESSION,
				 IOMMUBROKER__V1__RESOURCE__RESOURCE_LOCKED_BYTES),
		0);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

/* Windows of the policy, in pairs: the last page inside yes, one past it no. */
static void maps_outside_the_window(void **state)
{
	static const char policy[] =
		"version: 1\n"
		"host: { session_uids: @session_uids@, locked_memory: 64MiB }\n"
		"sockets:\n"
		"  - { name: alpha, path: alpha.sock, mode: \"0666\" }\n"
		"  - { name: beta, path: beta.sock, mode: \"0666\" }\n"
		"tenants:\n"
		"  - name: alpha\n"
		"    match: { socket: alpha }\n"
		"    iova_windows: [ { start: 0x100000, last: 0x1fffff } ]\n"
		"    limits: { locked_memory: 32MiB }\n"
		"  - name: beta\n"
		"    match: { socket: beta }\n"
		"    limits: { locked_memory: 4MiB }\n";
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	uint32_t ioas, memory;
	int fd = wire_memfd(MEMORY_BYTES, 0);

	(void)state;
	scene_open(&scene, policy);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	wire_map_fixed(victim, ioas, memory, 0, PAGE, 0x1ff000);
	wire_map_fixed(victim, ioas, memory, 0, PAGE, 0x100000);
	set_map(&ask, ioas, memory, 0, PAGE, 0x200000);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EPERM", NULL);
	assert_non_null(victim->message->response->status->rule);
	assert_non_null(strstr(victim->message->response->status->rule, "iova_windows"));
	set_map(&ask, ioas, memory, 0, PAGE, 0xff000);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EPERM", NULL);
	set_map(&ask, ioas, memory, 0, 2 * PAGE, 0x1fe000 + PAGE);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EPERM", NULL);
	/* What the broker chooses is inside, too. */
	assert_in_range(wire_map(victim, ioas, memory, 0, MEMORY_BYTES), 0x100000, 0x1fc000);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

static void allow_iovas_that_are_no_ranges(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	Range range = IOMMUBROKER__V1__RANGE__INIT, *ranges[] = {&range, &range};
	IoasAllowIovas *allow;
	uint32_t ioas;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	allow = ask_ioas_allow_iovas(&ask);
	SET(allow, ioas, ioas);
	allow->ranges = ranges;
	allow->n_ranges = 1;
	SET(&range, start, 0x2000);
	SET(&range, last, 0x1fff);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", NULL);
	allow->n_ranges = 2; /* overlapping */
	SET(&range, last, 0x2fff);
	assert_string_not_equal(wire_error(wire_call(victim, &ask, NULL, 0)), "");
	allow->n_ranges = 1;
	wire_expect_success(wire_call(victim, &ask, NULL, 0));
	scene_check(&scene, victim);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(maps_that_are_no_maps, harness_teardown),
		cmocka_unit_test_teardown(maps_that_collide, harness_teardown),
		cmocka_unit_test_teardown(unmaps_that_cut, harness_teardown),
		cmocka_unit_test_teardown(maps_outside_the_window, harness_teardown),
		cmocka_unit_test_teardown(allow_iovas_that_are_no_ranges, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
