/* SPDX-License-Identifier: MIT */
/* Charges: in pairs at every limit, refunded whatever fails, shared by copies, borrowed from the host. */
#include "tests/unit/session/scene.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include "include/iommufd_uapi.h"

static void limit_set(struct scene *scene, enum scope scope, enum resource resource, uint64_t limit)
{
	struct limits *limits = scope == SCOPE_SESSION ? &scene->pages.limits->session
						       : &scene->pages.limits->tenant;

	limits->max[resource] = limit;
}

static void assert_denied(struct scene *scene, enum scope scope, enum resource resource,
	uint64_t limit, uint64_t used, uint64_t asked)
{
	PB(Status) *status = scene_status(scene);

	assert_status(scene, "EDQUOT", NULL);
	assert_int_equal(status->limit->scope, scope);
	assert_int_equal(status->limit->resource, resource);
	assert_int_equal(status->limit->limit, limit);
	assert_int_equal(status->limit->used, used);
	assert_int_equal(status->asked, asked);
	assert_true(fake_audits(AUDIT_DENIED) > 0);
}

static void locked_pair(struct scene *scene, enum scope scope)
{
	int fd = file_memfd(16 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	limit_set(scene, scope, RESOURCE_LOCKED_BYTES, 10 * PAGE);
	do_map(scene, ioas, memory, 0, 6 * PAGE);
	try_map(scene, ioas, memory, 0, 5 * PAGE, -1);
	assert_denied(scene, scope, RESOURCE_LOCKED_BYTES, 10 * PAGE, 6 * PAGE, 5 * PAGE);
	assert_string_equal(scene_status(scene)->rule, scene->setup.rule_limits);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), 1);
	do_map(scene, ioas, memory, 0, 4 * PAGE); /* the same memory twice is pinned twice */
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 10 * PAGE);
	limit_set(scene, scope, RESOURCE_LOCKED_BYTES, UINT64_MAX);
	try_destroy(scene, ioas);
	assert_done(scene);
	try_destroy(scene, memory);
	assert_done(scene);
	close(fd);
}

static void test_locked_bytes(void **state)
{
	locked_pair(*state, SCOPE_SESSION);
	locked_pair(*state, SCOPE_TENANT);
}

static void test_ioas(void **state)
{
	struct scene *scene = *state;
	PB(IoasAlloc) body = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
	PB(Operation) operation = OP(IOAS_ALLOC, &body);

	limit_set(scene, SCOPE_SESSION, RESOURCE_IOAS, 2);
	do_ioas(scene);
	do_ioas(scene);
	scene_request(scene, &operation, NULL, 0);
	assert_denied(scene, SCOPE_SESSION, RESOURCE_IOAS, 2, 2, 1);
	assert_int_equal(scene_used(scene, RESOURCE_OBJECTS), 2);
	assert_int_equal(fake_objects(), 2);
}

static void test_objects(void **state)
{
	struct scene *scene = *state;
	PB(IoasAlloc) body = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
	PB(Operation) operation = OP(IOAS_ALLOC, &body);
	int fd = file_memfd(PAGE);

	limit_set(scene, SCOPE_TENANT, RESOURCE_OBJECTS, 2);
	do_ioas(scene);
	do_register(scene, fd);
	scene_request(scene, &operation, NULL, 0);
	assert_denied(scene, SCOPE_TENANT, RESOURCE_OBJECTS, 2, 2, 1);
	close(fd);
}

static void test_memory_handles(void **state)
{
	struct scene *scene = *state;
	PB(MemoryRegister) body = IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
	PB(Operation) operation = OP(MEMORY_REGISTER, &body);
	int fd = file_memfd(PAGE);
	size_t fds;

	limit_set(scene, SCOPE_SESSION, RESOURCE_MEMORY_HANDLES, 1);
	do_register(scene, fd);
	fds = fds_open();
	scene_request(scene, &operation, &fd, 1);
	assert_denied(scene, SCOPE_SESSION, RESOURCE_MEMORY_HANDLES, 1, 1, 1);
	assert_int_equal(fds_open(), fds);
	close(fd);
}

static void test_mappings(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	limit_set(scene, SCOPE_SESSION, RESOURCE_MAPPINGS, 3);
	try_map(scene, ioas, memory, 0, PAGE, 0x10000);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0x11000);
	assert_done(scene);
	/* A copy over two mappings is two. */
	try_copy(scene, ioas, ioas, 0x10000, 2 * PAGE, 0x20000);
	assert_denied(scene, SCOPE_SESSION, RESOURCE_MAPPINGS, 3, 2, 2);
	try_copy(scene, ioas, ioas, 0x10000, PAGE, 0x20000);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0x30000);
	assert_denied(scene, SCOPE_SESSION, RESOURCE_MAPPINGS, 3, 3, 1);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 2 * PAGE);
	close(fd);
}

static void test_devices(void **state)
{
	struct scene *scene = *state;
	PB(DeviceOpen) body = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
	PB(Operation) operation = OP(DEVICE_OPEN, &body);

	limit_set(scene, SCOPE_SESSION, RESOURCE_DEVICES, 1);
	do_open(scene, 0);
	body.name = "edu1";
	scene_request(scene, &operation, NULL, 0);
	assert_int_equal(scene->result, DISPATCH_ANSWER); /* the supervisor was not asked */
	assert_denied(scene, SCOPE_SESSION, RESOURCE_DEVICES, 1, 1, 1);
}

/* Whatever the kernel refuses is refunded. */
static void refunds(struct scene *scene, unsigned long cmd)
{
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);
	uint64_t before[RESOURCE_END];

	try_map(scene, ioas, memory, 0, PAGE, 0x10000);
	assert_done(scene);
	for (int r = 1; r < RESOURCE_END; r++)
		before[r] = scene_used(scene, (enum resource)r);
	fake.calls = 0;
	fake.fail_at = 1;
	fake.fail_error = ENOMEM;
	fake.fail_cmd = cmd;
	if (cmd == IOMMU_IOAS_MAP_FILE) {
		try_map(scene, ioas, memory, 0, PAGE, 0x20000);
	} else if (cmd == IOMMU_IOAS_COPY) {
		try_copy(scene, ioas, ioas, 0x10000, PAGE, 0x20000);
	} else {
		PB(IoasAlloc) body = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
		PB(Operation) operation = OP(IOAS_ALLOC, &body);

		scene_request(scene, &operation, NULL, 0);
	}
	assert_status(scene, "ENOMEM", NULL);
	for (int r = 1; r < RESOURCE_END; r++)
		assert_int_equal(scene_used(scene, (enum resource)r), before[r]);
	fake.fail_at = 0;
	try_destroy(scene, ioas);
	assert_done(scene);
	close(fd);
}

static void test_refund(void **state)
{
	refunds(*state, IOMMU_IOAS_MAP_FILE);
	refunds(*state, IOMMU_IOAS_COPY);
	refunds(*state, IOMMU_IOAS_ALLOC);
}

/* The kernel said that a place is taken: nothing is charged for it. */
static void test_refund_exists(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	try_map(scene, ioas, memory, 0, 2 * PAGE, 0x10000);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, 2 * PAGE, 0x11000);
	assert_status(scene, "EEXIST", NULL);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 2 * PAGE);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), 1);
	close(fd);
}

/* The bytes belong to the pages: they go with the last mapping of them, whichever that is. */
static void test_copy_shares(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), a = do_ioas(scene), b = do_ioas(scene);

	try_map(scene, a, memory, 0, 4 * PAGE, 0x10000);
	assert_done(scene);
	try_copy(scene, b, a, 0x11000, 2 * PAGE, 0x40000);
	assert_done(scene);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 4 * PAGE);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), 2);
	try_unmap(scene, a, 0x10000, 4 * PAGE);
	assert_done(scene);
	assert_int_equal(scene_result(scene)->ioas_unmap->length, 4 * PAGE);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 4 * PAGE);
	try_destroy(scene, memory);
	assert_status(scene, "EBUSY", NULL);
	try_destroy(scene, b);
	assert_done(scene);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 0);
	try_destroy(scene, memory);
	assert_done(scene);
	close(fd);
}

static void test_copy_refused(void **state)
{
	struct scene *scene = *state;
	PB(IoasMap) map = IOMMUBROKER__V1__IOAS_MAP__INIT;
	PB(Operation) operation = OP(IOAS_MAP, &map);
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	try_copy(scene, ioas, ioas, 0x10000, PAGE, 0x40000);
	assert_status(scene, "ENOENT", "src_iova");
	map.has_ioas = map.has_memory = map.has_length = map.has_iova = map.has_writeable = true;
	map.ioas = ioas;
	map.memory = memory;
	map.length = PAGE;
	map.iova = 0x10000;
	map.writeable = false;
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	try_copy(scene, ioas, ioas, 0x10000, PAGE, 0x40000);
	assert_status(scene, "EPERM", "writeable");
	try_copy(scene, ioas, ioas, 0x10000, 2 * PAGE, 0x40000);
	assert_status(scene, "ENOENT", "src_iova");
	close(fd);
}

/* All of an unmap or nothing of it; the kernel would have taken the first mapping away. */
static void test_unmap_whole(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	try_unmap(scene, ioas, 0x10000, PAGE);
	assert_status(scene, "ENOENT", "iova");
	try_map(scene, ioas, memory, 0, PAGE, 0x10000);
	try_map(scene, ioas, memory, 0, 2 * PAGE, 0x11000);
	assert_done(scene);
	try_unmap(scene, ioas, 0x10000, 2 * PAGE);
	assert_status(scene, "ENOENT", "length");
	try_unmap(scene, ioas, 0x12000, 4 * PAGE);
	assert_status(scene, "ENOENT", "length");
	assert_int_equal(fake_mappings(), 2);
	try_unmap(scene, ioas, 0xf000, 8 * PAGE);
	assert_done(scene);
	assert_int_equal(scene_result(scene)->ioas_unmap->length, 3 * PAGE);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 0);
	/* Everything, also when there is nothing. */
	try_unmap(scene, ioas, 0, UINT64_MAX);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0);
	assert_done(scene);
	try_unmap(scene, ioas, 0, UINT64_MAX);
	assert_done(scene);
	assert_int_equal(scene_result(scene)->ioas_unmap->length, PAGE);
	try_unmap(scene, ioas, PAGE, UINT64_MAX);
	assert_status(scene, "EOVERFLOW", "iova");
	close(fd);
}

/* The kernel refuses what the index allowed: what is left is known one mapping at a time. */
static void test_unmap_refused(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	for (int64_t i = 0; i < 3; i++)
		try_map(scene, ioas, memory, 0, PAGE, 0x10000 + i * 0x1000);
	fake.calls = 0;
	fake.fail_at = 1;
	fake.fail_error = EBUSY;
	fake.fail_cmd = IOMMU_IOAS_UNMAP;
	try_unmap(scene, ioas, 0x10000, 3 * PAGE);
	assert_status(scene, "EBUSY", NULL);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), fake_mappings());
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), fake_mappings() * PAGE);
	close(fd);
}

static void test_lend(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(16 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	scene->pages.limits->lent_bytes = 2 * PAGE;
	fake.host_free = 4 * PAGE;
	do_map(scene, ioas, memory, 0, 2 * PAGE);
	assert_int_equal(fake.lends, 0); /* within what was lent nobody is asked */
	do_map(scene, ioas, memory, 0, 3 * PAGE);
	assert_int_equal(fake.lends, 1);
	do_map(scene, ioas, memory, 0, PAGE);
	try_map(scene, ioas, memory, 0, PAGE, -1);
	assert_denied(scene, SCOPE_HOST, RESOURCE_LOCKED_BYTES, 6 * PAGE, 6 * PAGE, PAGE);
	assert_null(scene_status(scene)->rule);
	fake.supervisor_gone = true;
	try_map(scene, ioas, memory, 0, PAGE, -1);
	assert_status(scene, "EAGAIN", NULL);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 6 * PAGE);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), 3);
	close(fd);
}

static unsigned int events(struct scene *scene)
{
	struct outgoing out;
	unsigned int n = 0;

	while (dispatcher_next_event(scene->dispatcher, &out))
		n++;
	return n;
}

static void test_quota_events(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(100 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	limit_set(scene, SCOPE_SESSION, RESOURCE_LOCKED_BYTES, 100 * PAGE);
	try_map(scene, ioas, memory, 0, 89 * PAGE, 0x100000);
	assert_int_equal(events(scene), 0);
	try_map(scene, ioas, memory, 0, PAGE, 0);
	assert_int_equal(events(scene), 1);
	try_map(scene, ioas, memory, 0, PAGE, 0x1000);
	assert_int_equal(events(scene), 0); /* once */
	try_unmap(scene, ioas, 0, 2 * PAGE);
	try_map(scene, ioas, memory, 0, 2 * PAGE, 0);
	assert_int_equal(events(scene), 0); /* it was not below 80 % in between */
	try_unmap(scene, ioas, 0x100000, 89 * PAGE);
	try_map(scene, ioas, memory, 0, 89 * PAGE, 0x100000);
	assert_int_equal(events(scene), 1);
	limit_set(scene, SCOPE_TENANT, RESOURCE_MAPPINGS, 3);
	try_map(scene, ioas, memory, 0, PAGE, 0x2000);
	assert_int_equal(events(scene), 1);
	close(fd);
}

/* What a live mapping costs this process, malloc's own part included. */
static void test_heap_per_mapping(void **state)
{
	struct scene *scene = *state;
	int fd;
	uint32_t memory, ioas;
	size_t before;

	if (IOMMUB_SANITIZE)
		skip(); /* a sanitizer's malloc is another */
	fd = file_memfd(PAGE);
	memory = do_register(scene, fd);
	ioas = do_ioas(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0);
	before = mallinfo2().uordblks;
	for (int64_t i = 1; i <= 1000; i++) {
		try_map(scene, ioas, memory, 0, PAGE, i * (int64_t)PAGE);
		assert_done(scene);
	}
	assert_true(mallinfo2().uordblks - before <= (size_t)1000 * 112);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
	const struct CMUnitTest tests[] = {
		TEST(test_locked_bytes),
		TEST(test_ioas),
		TEST(test_objects),
		TEST(test_memory_handles),
		TEST(test_mappings),
		TEST(test_devices),
		TEST(test_refund),
		TEST(test_refund_exists),
		TEST(test_copy_shares),
		TEST(test_copy_refused),
		TEST(test_unmap_whole),
		TEST(test_unmap_refused),
		TEST(test_lend),
		TEST(test_quota_events),
		TEST(test_heap_per_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
