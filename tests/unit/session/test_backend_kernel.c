/* SPDX-License-Identifier: MIT */
/*
 * The kernel backend with an ioctl of the test's: what it passes on, and, as on a kernel before 6.13, which windows of a
 * file stay mapped for how long. Whether a window is mapped is asked of the kernel, by msync().
 */
#include "tests/harness/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/session/backend_impl.h"
#include "iommufd_uapi.h"

#define PAGE UINT64_C(4096)
#define IOMMUFD 1000

static struct {
	bool has_map_file;
	int error; /* of the next ioctl */
	unsigned long last_cmd;
	int last_fd;
	uint64_t next_iova;
	uint64_t address; /* of the last IOAS_MAP */
	uint32_t flags;
	unsigned int calls;
} fake;

static int fake_map(struct iommu_ioas_map *map)
{
	fake.address = map->user_va;
	fake.flags = map->flags;
	if (!(map->flags & IOMMU_IOAS_MAP_FIXED_IOVA))
		map->iova = fake.next_iova;
	return 0;
}

static int fake_ioctl(int fd, unsigned long cmd, void *arg)
{
	fake.calls++;
	fake.last_fd = fd;
	fake.last_cmd = cmd;
	if (cmd == IOMMU_IOAS_MAP_FILE && !fake.has_map_file)
		return -ENOTTY;
	if (fake.error)
		return fake.error;
	if (cmd == IOMMU_IOAS_MAP)
		return fake_map(arg);
	if (cmd == IOMMU_IOAS_MAP_FILE)
		((struct iommu_ioas_map_file *)arg)->iova = 0x77000;
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD) {
		assert_int_equal(((struct vfio_device_bind_iommufd *)arg)->iommufd, IOMMUFD);
		((struct vfio_device_bind_iommufd *)arg)->out_devid = 5;
	}
	if (cmd == IOMMU_IOAS_UNMAP)
		((struct iommu_ioas_unmap *)arg)->length = 0x123; /* out: not what was asked */
	return 0;
}

static struct backend *backend;
static int file;

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.next_iova = 0x10000;
	file = memfd_create("file", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, 16 * PAGE) < 0)
		return -1;
	return backend_kernel_new(IOMMUFD, fake_ioctl, &backend);
}

static int teardown(void **state)
{
	(void)state;
	backend_free(backend);
	close(file);
	return 0;
}

static char *bytes_at(uint64_t address)
{
	/* IOAS_MAP has numbers. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	return (char *)(uintptr_t)address;
}

static bool is_mapped(uint64_t address)
{
	return msync(bytes_at(address), PAGE, MS_ASYNC) == 0;
}

/* Map one page at a fixed IOVA; returns its address in this process. */
static uint64_t map_page(uint32_t ioas, uint64_t iova)
{
	assert_int_equal(backend_map_file(backend, ioas, file, 0, PAGE,
				 IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE, &iova),
		0);
	assert_true(is_mapped(fake.address));
	return fake.address;
}

static int unmap(uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg), .ioas_id = ioas, .iova = iova, .length = length};

	return backend_ioctl(backend, IOMMU_IOAS_UNMAP, &arg);
}

static int copy(uint32_t dst, uint64_t dst_iova, uint32_t src, uint64_t src_iova, uint64_t length)
{
	struct iommu_ioas_copy arg = {.size = sizeof(arg),
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = length,
		.dst_iova = dst_iova,
		.src_iova = src_iova};

	return backend_ioctl(backend, IOMMU_IOAS_COPY, &arg);
}

static void map_file_needs_no_window(void **state)
{
	uint64_t iova = 0;

	(void)state;
	fake.has_map_file = true;
	assert_int_equal(
		backend_map_file(backend, 1, file, 0, PAGE, IOMMU_IOAS_MAP_READABLE, &iova), 0);
	assert_int_equal(iova, 0x77000);
	assert_int_equal(fake.last_cmd, IOMMU_IOAS_MAP_FILE);
	assert_true(file_windows_empty(&backend->windows));
	fake.error = -ENOMEM; /* any other error is the answer, not a reason to try otherwise */
	assert_int_equal(
		backend_map_file(backend, 1, file, 0, PAGE, IOMMU_IOAS_MAP_READABLE, &iova),
		-ENOMEM);
	assert_int_equal(fake.last_cmd, IOMMU_IOAS_MAP_FILE);
	assert_int_equal(iova, 0x77000);
}

static void old_kernel_is_probed_once(void **state)
{
	uint64_t iova = 0;
	char byte = 'x';

	(void)state;
	assert_int_equal(pwrite(file, &byte, 1, 2 * PAGE), 1);
	assert_int_equal(backend_map_file(backend, 1, file, 2 * PAGE, PAGE,
				 IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE, &iova),
		0);
	assert_int_equal(fake.calls, 2);
	assert_int_equal(iova, 0x10000);
	assert_int_equal(*bytes_at(fake.address), 'x');
	*bytes_at(fake.address) = 'y'; /* writable, and shared with the file */
	assert_int_equal(pread(file, &byte, 1, 2 * PAGE), 1);
	assert_int_equal(byte, 'y');
	iova = 0;
	assert_int_equal(
		backend_map_file(backend, 1, file, 0, PAGE, IOMMU_IOAS_MAP_READABLE, &iova), 0);
	assert_int_equal(fake.calls, 3);
}

static void refused_map_leaves_no_window(void **state)
{
	uint64_t iova = 0x5000;

	(void)state;
	fake.error = -EEXIST;
	assert_int_equal(
		backend_map_file(backend, 1, file, 0, PAGE, IOMMU_IOAS_MAP_READABLE, &iova),
		-EEXIST);
	assert_int_equal(iova, 0x5000);
	assert_true(file_windows_empty(&backend->windows));
	fake.error = 0;
	assert_int_equal(
		backend_map_file(backend, 1, -1, 0, PAGE, IOMMU_IOAS_MAP_READABLE, &iova), -EBADF);
	assert_int_equal(backend_map_file(backend, 1, file, UINT64_MAX - PAGE + 1, PAGE,
				 IOMMU_IOAS_MAP_READABLE, &iova),
		-EOVERFLOW);
}

static void window_goes_with_its_area(void **state)
{
	uint64_t a, b;

	(void)state;
	a = map_page(1, 0x1000);
	b = map_page(1, 0x3000);
	fake.error = -ENOENT;
	assert_int_equal(unmap(1, 0x1000, PAGE), -ENOENT);
	assert_true(is_mapped(a)); /* nothing happened */
	fake.error = 0;
	assert_int_equal(unmap(2, 0x1000, PAGE), 0); /* another IOAS */
	assert_int_equal(unmap(1, 0x0, PAGE), 0); /* beside it */
	assert_int_equal(unmap(1, 0x800, PAGE), 0); /* a part of it */
	assert_true(is_mapped(a));
	assert_int_equal(unmap(1, 0x1000, PAGE), 0);
	assert_false(is_mapped(a));
	assert_true(is_mapped(b));
	assert_int_equal(unmap(1, 0, UINT64_MAX), 0); /* all */
	assert_false(is_mapped(b));
	assert_true(file_windows_empty(&backend->windows));
}

static void window_lives_as_long_as_the_last_copy(void **state)
{
	uint64_t a;

	(void)state;
	a = map_page(1, 0x1000);
	assert_int_equal(copy(2, 0x9000, 1, 0x1000, PAGE), 0);
	fake.error = -EEXIST;
	assert_int_equal(copy(3, 0x9000, 1, 0x1000, PAGE), -EEXIST);
	fake.error = 0;
	assert_int_equal(unmap(1, 0x1000, PAGE), 0);
	assert_true(is_mapped(a)); /* the copy's pages are pinned by this address */
	assert_int_equal(unmap(2, 0x9000, PAGE), 0);
	assert_false(is_mapped(a));
}

static void copy_of_a_part_of_two_areas_holds_both(void **state)
{
	uint64_t a, b;

	(void)state;
	a = map_page(1, 0x1000);
	b = map_page(1, 0x2000);
	assert_int_equal(copy(1, 0x20000, 1, 0x1800, PAGE), 0);
	assert_int_equal(unmap(1, 0x1000, 2 * PAGE), 0);
	assert_true(is_mapped(a));
	assert_true(is_mapped(b));
	assert_int_equal(unmap(1, 0x20000, 0x800), 0);
	assert_false(is_mapped(a));
	assert_true(is_mapped(b));
	assert_int_equal(unmap(1, 0x20800, 0x800), 0);
	assert_false(is_mapped(b));
}

static void window_goes_with_its_ioas(void **state)
{
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = 1};
	uint64_t a, b, top;

	(void)state;
	a = map_page(1, 0x1000);
	b = map_page(2, 0x1000);
	top = map_page(1, UINT64_MAX - PAGE + 1);
	fake.error = -EBUSY;
	assert_int_equal(backend_ioctl(backend, IOMMU_DESTROY, &destroy), -EBUSY);
	assert_true(is_mapped(a));
	fake.error = 0;
	assert_int_equal(backend_ioctl(backend, IOMMU_DESTROY, &destroy), 0);
	assert_false(is_mapped(a));
	assert_false(is_mapped(top));
	assert_true(is_mapped(b));
}

/* UNMAP that failed half-way: the kernel's later answer shows what it had done. */
static void stale_area_is_replaced(void **state)
{
	uint64_t a, b;

	(void)state;
	a = map_page(1, 0x1000);
	b = map_page(1, 0x1000);
	assert_false(is_mapped(a));
	assert_true(is_mapped(b));
}

static void windows_end_with_the_backend(void **state)
{
	uint64_t a;

	(void)state;
	a = map_page(1, 0x1000);
	backend_free(backend);
	backend = NULL;
	assert_false(is_mapped(a));
}

static void device_is_bound_shared_and_detached(void **state)
{
	const struct control_device facts = {.name = "nic0"};
	struct backend_device *device;
	bool vfio_user = true;
	uint32_t id = 0;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), shared;

	(void)state;
	fake.error = -EINVAL;
	assert_int_equal(backend_device_open(backend, fd, &facts, &device, &id), -EINVAL);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* owned, also on failure */
	fake.error = 0;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(backend_device_open(backend, fd, &facts, &device, &id), 0);
	assert_int_equal(id, 5);
	assert_int_equal(fake.last_fd, fd);
	shared = backend_device_share(backend, device, &vfio_user);
	assert_true(shared >= 0 && shared != fd);
	assert_false(vfio_user);
	assert_true(fcntl(shared, F_GETFD) & FD_CLOEXEC);
	close(shared);
	backend_device_close(backend, device);
	assert_int_equal(fake.last_cmd, VFIO_DEVICE_DETACH_IOMMUFD_PT);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_string_equal(backend_name(backend), "kernel");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(map_file_needs_no_window),
		TEST(old_kernel_is_probed_once),
		TEST(refused_map_leaves_no_window),
		TEST(window_goes_with_its_area),
		TEST(window_lives_as_long_as_the_last_copy),
		TEST(copy_of_a_part_of_two_areas_holds_both),
		TEST(window_goes_with_its_ioas),
		TEST(stale_area_is_replaced),
		TEST(windows_end_with_the_backend),
		TEST(device_is_bound_shared_and_detached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
