/* SPDX-License-Identifier: MIT */
/* What is checked of a client's file, one way to be wrong at a time, by handle and by fd of a map. */
#include "tests/unit/session/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static PB(Status) * try_register(struct scene *scene, int fd, bool writeable)
{
	PB(MemoryRegister) body = IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
	PB(Operation) operation = OP(MEMORY_REGISTER, &body);

	body.has_writeable = true;
	body.writeable = writeable;
	return scene_request(scene, &operation, &fd, 1);
}

static PB(Status) *
	try_map_fd(struct scene *scene, uint32_t ioas, int fd, uint64_t length, bool writeable)
{
	PB(IoasMap) body = IOMMUBROKER__V1__IOAS_MAP__INIT;
	PB(Operation) operation = OP(IOAS_MAP, &body);

	body.has_ioas = body.has_length = body.has_writeable = true;
	body.ioas = ioas;
	body.length = length;
	body.writeable = writeable;
	return scene_request(scene, &operation, &fd, 1);
}

/* Refused by both ways in, with nothing left behind. */
static void refused(struct scene *scene, int fd, bool writeable, const char *error)
{
	uint32_t ioas = do_ioas(scene);
	size_t fds;

	assert_true(fd >= 0);
	fds = fds_open();
	try_register(scene, fd, writeable);
	assert_status(scene, error, "fd");
	try_map_fd(scene, ioas, fd, PAGE, writeable);
	assert_status(scene, error, "fd");
	assert_int_equal(fds_open(), fds);
	assert_int_equal(scene_used(scene, RESOURCE_MEMORY_HANDLES), 0);
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 0);
	try_destroy(scene, ioas);
	assert_done(scene);
	close(fd);
}

static void test_socket(void **state)
{
	refused(*state, socket(AF_UNIX, SOCK_STREAM, 0), true, "EINVAL");
}

static void test_pipe(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	refused(*state, fds[1], true, "EINVAL");
}

static void test_eventfd(void **state)
{
	refused(*state, eventfd(0, 0), true, "EINVAL");
}

static void test_directory(void **state)
{
	refused(*state, open("/", O_RDONLY | O_DIRECTORY), false, "EINVAL");
}

static void test_disk_file(void **state)
{
	refused(*state, open("/proc/self/exe", O_RDONLY), false, "EINVAL");
}

static void test_path_only(void **state)
{
	int fd = file_memfd(PAGE);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	refused(*state, open(path, O_PATH), false, "EINVAL");
	refused(*state, open(path, O_WRONLY), false, "EINVAL");
	close(fd);
}

static void test_empty(void **state)
{
	refused(*state, file_memfd(0), true, "EINVAL");
}

static void test_read_only(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(PAGE), reader;
	char path[64];
	uint32_t memory, ioas;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY);
	refused(scene, dup(reader), true, "EACCES");
	/* For DMA that only reads it is good, and only for that. */
	try_register(scene, reader, false);
	assert_done(scene);
	memory = scene_result(scene)->memory_register->memory;
	ioas = do_ioas(scene);
	try_map(scene, ioas, memory, 0, PAGE, -1);
	assert_status(scene, "EACCES", "writeable");
	try_map_fd(scene, ioas, reader, PAGE, false);
	assert_done(scene);
	close(reader);
	close(fd);
}

static void sealed(struct scene *scene, int seal)
{
	int fd = file_memfd(PAGE);

	assert_int_equal(fcntl(fd, F_ADD_SEALS, seal), 0);
	refused(scene, dup(fd), true, "EACCES");
	try_register(scene, fd, false);
	assert_done(scene);
	try_destroy(scene, scene_result(scene)->memory_register->memory);
	assert_done(scene);
	close(fd);
}

static void test_sealed(void **state)
{
	sealed(*state, F_SEAL_WRITE);
	sealed(*state, F_SEAL_FUTURE_WRITE);
}

/* As long as DMA may write to a file, its owner cannot promise to anybody that it does not change. */
static void test_seal_afterwards(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(PAGE);
	uint32_t memory = do_register(scene, fd);

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	try_destroy(scene, memory);
	assert_done(scene);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(fd);
}

static void test_seal_after_map_by_fd(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(PAGE);
	uint32_t ioas = do_ioas(scene);
	size_t fds = fds_open();

	try_map_fd(scene, ioas, fd, PAGE, true);
	assert_done(scene);
	assert_int_equal(fds_open(), fds); /* mapped, closed, no handle kept */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	try_unmap(scene, ioas, scene_result(scene)->ioas_map->iova, PAGE);
	assert_done(scene);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(fd);
}

/* F_SEAL_FUTURE_WRITE cannot be held off: it is compatible with mappings that are there. What is new after it is not. */
static void test_future_write_seal_afterwards(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(2 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);
	PB(IoasMap) body = IOMMUBROKER__V1__IOAS_MAP__INIT;
	PB(Operation) operation = OP(IOAS_MAP, &body);

	(void)do_map(scene, ioas, memory, 0, PAGE);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	try_map(scene, ioas, memory, PAGE, PAGE, -1);
	assert_status(scene, "EACCES", "writeable");
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), PAGE);
	body.has_ioas = body.has_memory = body.has_length = body.has_writeable = true;
	body.ioas = ioas;
	body.memory = memory;
	body.length = PAGE;
	body.writeable = false;
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	close(fd);
}

/* A client that seals its file while we look at it: the mmap() of the guard is the last moment at which it can. */
static int sealed_at_mmap_fd = -1, sealed_at_mmap;

void *__real_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (sealed_at_mmap && fd >= 0) {
		assert_int_equal(fcntl(sealed_at_mmap_fd, F_ADD_SEALS, sealed_at_mmap), 0);
		sealed_at_mmap = 0;
	}
	return __real_mmap(address, bytes, protection, flags, fd, offset);
}

static void sealed_at_the_guard(struct scene *scene, int seal)
{
	int fd = file_memfd(PAGE);

	sealed_at_mmap_fd = fd;
	sealed_at_mmap = seal;
	try_register(scene, fd, true);
	assert_int_equal(sealed_at_mmap, 0);
	assert_status(scene, "EACCES", "fd");
	assert_int_equal(scene_used(scene, RESOURCE_MEMORY_HANDLES), 0);
	close(fd);
}

static void test_seal_meanwhile(void **state)
{
	sealed_at_the_guard(*state, F_SEAL_WRITE);
	sealed_at_the_guard(*state, F_SEAL_FUTURE_WRITE);
}

static void test_kind_not_permitted(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(PAGE), shm = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);

	scene->setup.memory_kinds = MEMORY_KIND_HUGETLB;
	try_register(scene, fd, true);
	assert_status(scene, "EPERM", NULL);
	assert_string_equal(scene_status(scene)->rule, scene->setup.rule_memory);
	close(fd);
	if (shm < 0)
		return;
	assert_int_equal(ftruncate(shm, (off_t)PAGE), 0);
	scene->setup.memory_kinds = MEMORY_KIND_HUGETLB | MEMORY_KIND_MEMFD;
	try_register(scene, shm, true);
	assert_status(scene, "EPERM", NULL);
	scene->setup.memory_kinds |= MEMORY_KIND_TMPFS;
	try_register(scene, shm, true);
	assert_done(scene);
	close(shm);
}

static void test_range(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(4 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	try_map(scene, ioas, memory, 3 * PAGE, PAGE, -1);
	assert_done(scene);
	try_map(scene, ioas, memory, 3 * PAGE, 2 * PAGE, -1);
	assert_status(scene, "EINVAL", "length");
	try_map(scene, ioas, memory, 4 * PAGE, PAGE, -1);
	assert_status(scene, "EINVAL", "offset");
	try_map(scene, ioas, memory, UINT64_MAX - PAGE + 1, PAGE, -1);
	assert_status(scene, "EINVAL", "offset");
	/* The size is the file's own, now: it may grow and shrink. */
	assert_int_equal(ftruncate(fd, (off_t)(5 * PAGE)), 0);
	try_map(scene, ioas, memory, 4 * PAGE, PAGE, -1);
	assert_done(scene);
	assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	try_map(scene, ioas, memory, 3 * PAGE, PAGE, -1);
	assert_status(scene, "EINVAL", "offset");
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 2 * PAGE);
	close(fd);
}

/* A map asks for memory before the kernel pins it, also of a file that can no longer grow. */
static void test_fill(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(8 * PAGE);
	uint32_t memory, ioas = do_ioas(scene);
	struct stat st;

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	memory = do_register(scene, fd);
	do_map(scene, ioas, memory, 2 * PAGE, 2 * PAGE);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 2 * PAGE);
	assert_int_equal(st.st_size, 8 * PAGE);
	close(fd);
}

/* A hugepage file: the guard takes none, and without one to be had a map is refused and charged nothing. */
static void test_hugetlb(void **state)
{
	struct scene *scene = *state;
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	uint32_t memory, ioas;

	if (fd < 0 || ftruncate(fd, (off_t)(1 * MIB << 30)) < 0) {
		if (fd >= 0)
			close(fd);
		skip();
	}
	/* More than any machine has. */
	memory = do_register(scene, fd);
	assert_true(scene_result(scene)->memory_register->page_bytes > PAGE);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ioas = do_ioas(scene);
	try_map(scene, ioas, memory, 0, 1 * MIB << 30, -1);
	assert_non_null(scene_status(scene));
	assert_int_equal(scene_used(scene, RESOURCE_LOCKED_BYTES), 0);
	assert_int_equal(scene_used(scene, RESOURCE_MAPPINGS), 0);
	scene->setup.memory_kinds = MEMORY_KIND_MEMFD;
	try_register(scene, fd, true);
	assert_status(scene, "EPERM", NULL);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
	const struct CMUnitTest tests[] = {
		TEST(test_socket),
		TEST(test_pipe),
		TEST(test_eventfd),
		TEST(test_directory),
		TEST(test_disk_file),
		TEST(test_path_only),
		TEST(test_empty),
		TEST(test_read_only),
		TEST(test_sealed),
		TEST(test_seal_afterwards),
		TEST(test_seal_after_map_by_fd),
		TEST(test_future_write_seal_afterwards),
		TEST(test_seal_meanwhile),
		TEST(test_kind_not_permitted),
		TEST(test_range),
		TEST(test_fill),
		TEST(test_hugetlb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
