/* SPDX-License-Identifier: MIT */
/*
 * The end of a session at every point: whatever a client left behind goes, lowest objects first, and scene_end() sees
 * nothing charged, nothing in the backend, no fd and no bug. And the listing by which a client finds its objects again.
 */
#include "tests/unit/session/scene.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/graph.h"
#include "include/iommufd_uapi.h"

/* Everything that can be there, each part only if its bit is set. */
enum part {
	MEMORY = 1,
	IOAS = 2,
	MAP = 4,
	COPY = 8,
	DEVICE = 16,
	ATTACH = 32,
	WAIT = 64,
	PARTS = 128
};

static void build(struct scene *scene, unsigned int parts)
{
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = 0, ioas = 0, device = 0;

	if (parts & MEMORY)
		memory = do_register(scene, fd);
	if (parts & IOAS)
		ioas = do_ioas(scene);
	if (memory && ioas && (parts & MAP)) {
		try_map(scene, ioas, memory, 0, 2 * PAGE, 0x10000);
		assert_done(scene);
		if (parts & COPY) {
			try_copy(scene, do_ioas(scene), ioas, 0x11000, PAGE, 0x40000);
			assert_done(scene);
		}
	}
	if (parts & DEVICE)
		device = do_open(scene, 3);
	if (device && ioas && (parts & ATTACH)) {
		try_attach(scene, device, ioas);
		assert_done(scene);
	}
	if (parts & WAIT) {
		PB(DeviceOpen) body = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
		PB(Operation) operation = OP(DEVICE_OPEN, &body);

		body.name = "edu1";
		scene_request(scene, &operation, NULL, 0);
		assert_int_equal(scene->result, DISPATCH_WAIT);
	}
	close(fd);
}

static void test_every_combination(void **state)
{
	(void)state;
	for (unsigned int parts = 0; parts < PARTS; parts++) {
		void *scene;

		scene_begin(&scene);
		build(scene, parts);
		scene_end(&scene);
		/* The supervisor keeps its duplicates for the sweep. */
		assert_int_equal(fake.n_released, 0);
	}
}

/* The client keeps its device attached by itself: EBUSY at every destroy. The mappings go all the same. */
static void test_busy(void **state)
{
	build(*state, PARTS - 1);
	fake.destroy_busy = true;
}

/* Not even unmapping works: the memory is still pinned, so its charge must stand until the sweep. */
static void test_still_pinned(void **state)
{
	struct scene *scene;
	void *opaque;

	(void)state;
	scene_begin(&opaque);
	scene = opaque;
	build(scene, MEMORY | IOAS | MAP);
	fake.destroy_busy = true;
	fake.calls = 0;
	fake.fail_cmd = IOMMU_IOAS_UNMAP;
	fake.fail_at = 1;
	fake.fail_error = EBUSY;
	dispatcher_free(scene->dispatcher);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 2 * PAGE);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), 0);
	assert_int_equal(scene_used(scene, RESOURCE_OBJECTS), 0);
	assert_int_equal(fake_audits(AUDIT_BROKEN), 0);
	/* So that the rest of the scene can be asserted. */
	account_release(&scene->session.account,
		&(struct charge){.resource = RESOURCE_LOCKED_BYTES, .amount = 2 * PAGE});
	fake.mappings[0].ioas = 0;
	assert_int_equal(dispatcher_new(&scene->session, &scene->dispatcher), 0);
	scene_end(&opaque);
}

/* The same with the pages shared by another IOAS, which can be unmapped: they stay pinned by the first. */
static void test_still_pinned_by_one(void **state)
{
	struct scene *scene;
	void *opaque;

	(void)state;
	scene_begin(&opaque);
	scene = opaque;
	build(scene, MEMORY | IOAS | MAP | COPY);
	fake.destroy_busy = true;
	fake.calls = 0;
	fake.fail_cmd = IOMMU_IOAS_UNMAP;
	fake.fail_at = 1;
	fake.fail_error = EBUSY;
	dispatcher_free(scene->dispatcher);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 2 * PAGE);
	account_release(&scene->session.account,
		&(struct charge){.resource = RESOURCE_LOCKED_BYTES, .amount = 2 * PAGE});
	fake.mappings[0].ioas = 0;
	assert_int_equal(dispatcher_new(&scene->session, &scene->dispatcher), 0);
	scene_end(&opaque);
}

static PB(ListResult) * list(struct scene *scene, uint32_t after, uint32_t max)
{
	PB(List) body = IOMMUBROKER__V1__LIST__INIT;
	PB(Operation) operation = OP(LIST, &body);

	body.has_after = body.has_max = true;
	body.after = after;
	body.max = max;
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	return scene_result(scene)->list;
}

static void test_list(void **state)
{
	struct scene *scene = *state;
	PB(ListResult) * result;
	PB(IoasAlloc) body = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
	PB(Operation) operation = OP(IOAS_ALLOC, &body);

	assert_int_equal(list(scene, 0, 0)->n_objects, 0);
	build(scene, MEMORY | IOAS | MAP | DEVICE | ATTACH);
	result = list(scene, 0, 0);
	assert_int_equal(result->n_objects, 4);
	assert_false(result->more);
	assert_int_equal(result->objects[0]->type, OBJECT_IOAS);
	assert_int_equal(result->objects[0]->users, 1);
	assert_int_equal(result->objects[0]->bytes, 2 * PAGE);
	assert_int_equal(result->objects[1]->type, OBJECT_DEVICE);
	assert_string_equal(result->objects[1]->device, "edu0");
	assert_int_equal(result->objects[1]->pt_id, result->objects[2]->id);
	assert_int_equal(result->objects[2]->type, OBJECT_HWPT_PAGING);
	assert_int_equal(result->objects[3]->type, OBJECT_MEMORY);
	assert_int_equal(result->objects[3]->bytes, 4 * PAGE);
	assert_int_equal(result->objects[3]->users, 1);
	result = list(scene, 1, 2);
	assert_int_equal(result->n_objects, 2);
	assert_true(result->more);
	assert_int_equal(list(scene, UINT32_MAX, 0)->n_objects, 0);
	body.tag = "the largest tag: of 32 bytes ...";
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	assert_string_equal(list(scene, 3, 1)->objects[0]->tag, body.tag);
}

/* More objects than fit one answer, each as long as can be. */
static void test_list_pages(void **state)
{
	struct scene *scene = *state;
	PB(MemoryRegister) body = IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
	PB(Operation) operation = OP(MEMORY_REGISTER, &body);
	int fd = file_memfd(UINT64_C(1) << 40);
	uint32_t after = 0;
	size_t n = 0;

	body.tag = "the largest tag: of 32 bytes ...";
	for (int i = 0; i < 900; i++) {
		scene_request(scene, &operation, &fd, 1);
		assert_done(scene);
	}
	for (bool more = true; more;) {
		PB(ListResult) *result = list(scene, after, 0);

		n += result->n_objects;
		more = result->more;
		assert_true(result->objects[0]->id > after);
		after = result->objects[result->n_objects - 1]->id;
	}
	assert_int_equal(n, 900);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination),
		TEST(test_busy),
		cmocka_unit_test(test_still_pinned),
		cmocka_unit_test(test_still_pinned_by_one),
		TEST(test_list),
		TEST(test_list_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
