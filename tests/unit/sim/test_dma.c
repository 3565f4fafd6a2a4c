/* SPDX-License-Identifier: MIT */
/* DMA through the public interface alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "include/iommufd_sim.h"
#include "include/iommufd_uapi.h"

#define PAGE UINT64_C(4096)
#define BASE UINT64_C(0x100000)

static struct iommufd_sim *sim;
static int ctx, device, fd;
static uint32_t ioas;

static int setup(void **state)
{
	const struct iommufd_sim_device_desc desc = {.size = sizeof(desc)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};

	(void)state;
	assert_int_equal(iommufd_sim_new(&sim), 0);
	ctx = iommufd_sim_open(sim);
	device = iommufd_sim_device_open(sim, &desc);
	assert_true(ctx >= 0 && device >= 0);
	assert_int_equal(iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_ALLOC, &alloc), 0);
	ioas = alloc.out_ioas_id;
	bind.iommufd = ctx;
	assert_int_equal(iommufd_sim_ioctl(sim, device, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
	attach.pt_id = ioas;
	assert_int_equal(iommufd_sim_ioctl(sim, device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), 0);
	fd = memfd_create("test-dma", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)(16 * PAGE)), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(fd);
	iommufd_sim_free(sim);
	return 0;
}

static void map(uint64_t iova, uint64_t start, uint64_t length)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = iova,
	};

	assert_int_equal(iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_MAP_FILE, &arg), 0);
}

static struct iommufd_sim_faults faults(void)
{
	struct iommufd_sim_faults f;

	assert_int_equal(iommufd_sim_device_faults(sim, device, &f), 0);
	return f;
}

static void across_mappings(void **state)
{
	uint8_t out[3 * PAGE], in[3 * PAGE], *file;

	(void)state;
	/* Adjacent in IOVA, backwards in the file. */
	map(BASE, 8 * PAGE, 2 * PAGE);
	map(BASE + 2 * PAGE, 2 * PAGE, 2 * PAGE);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE + 100, out, sizeof(out)), 0);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE + 100, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(out));
	file = mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(file != MAP_FAILED);
	assert_memory_equal(file + 8 * PAGE + 100, out, 2 * PAGE - 100);
	assert_memory_equal(file + 2 * PAGE, out + 2 * PAGE - 100, PAGE + 100);
	assert_int_equal(file[4 * PAGE], 0);
	assert_int_equal(file[10 * PAGE], 0);
	(void)munmap(file, 16 * PAGE);
	assert_int_equal(faults().count, 0);
}

static void fault_in_the_middle(void **state)
{
	uint8_t out[2 * PAGE], in[PAGE];

	(void)state;
	map(BASE, 0, PAGE);
	memset(out, 0x11, sizeof(out));
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE + 8, out, sizeof(out)), -EFAULT);
	assert_int_equal(faults().count, 1);
	assert_int_equal(faults().last_iova, BASE + PAGE);
	assert_true(faults().last_write);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE, in, sizeof(in)), 0);
	assert_int_equal(in[7], 0);
	assert_int_equal(in[8], 0x11);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE - 1, in, 1), -EFAULT);
	assert_int_equal(faults().count, 2);
	assert_int_equal(faults().last_iova, BASE - 1);
	assert_false(faults().last_write);
}

static void at_the_end_of_the_space(void **state)
{
	uint8_t two[2] = {1, 2};

	(void)state;
	assert_int_equal(iommufd_sim_dma_write(sim, device, UINT64_MAX, two, sizeof(two)), -EFAULT);
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE, two, 0), 0);
	assert_int_equal(faults().count, 1);
}

static void truncated_under_it(void **state)
{
	uint8_t out[4 * PAGE], byte = 0;

	(void)state;
	map(BASE, 0, 4 * PAGE);
	memset(out, 0x22, sizeof(out));
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE, out, sizeof(out)), 0);
	assert_int_equal(ftruncate(fd, (off_t)(2 * PAGE)), 0);
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE, out, sizeof(out)), -EFAULT);
	assert_int_equal(faults().last_iova, BASE + 2 * PAGE);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE + 3 * PAGE, &byte, 1), -EFAULT);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE + PAGE, &byte, 1), 0);
	assert_int_equal(byte, 0x22);
	assert_int_equal(faults().count, 2);
	/* Its owner gives it back. */
	assert_int_equal(ftruncate(fd, (off_t)(4 * PAGE)), 0);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE + 3 * PAGE, &byte, 1), 0);
	assert_int_equal(byte, 0);
}

/* The file is mapped anew, and shorter, under pages that reach further: what lies behind its mapping is not theirs. */
static void mapped_anew_and_shorter(void **state)
{
	uint8_t out[2 * PAGE], in[2 * PAGE];
	char path[64];
	int rw = fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", rw);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	map(BASE, 0, 4 * PAGE);
	memset(out, 0x33, sizeof(out));
	assert_int_equal(
		iommufd_sim_dma_write(sim, device, BASE, out, 1), -EFAULT); /* for reading only */
	assert_int_equal(ftruncate(rw, (off_t)PAGE), 0);
	(void)close(fd);
	fd = rw;
	map(BASE + 16 * PAGE, 0, PAGE);
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE, out, sizeof(out)), -EFAULT);
	assert_int_equal(faults().last_iova, BASE + PAGE);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE + 16 * PAGE, in, PAGE), 0);
	assert_memory_equal(in, out, PAGE);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE + 3 * PAGE, in, 1), -EFAULT);
}

static void hundred_pages(void **state)
{
	const size_t bytes = 100 * PAGE;
	uint8_t *out = malloc(bytes), *in = malloc(bytes);

	(void)state;
	assert_true(out && in);
	assert_int_equal(ftruncate(fd, (off_t)(bytes + PAGE)), 0);
	map(BASE, PAGE, bytes);
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(i % 251);
	assert_int_equal(iommufd_sim_dma_write(sim, device, BASE, out, bytes), 0);
	assert_int_equal(iommufd_sim_dma_read(sim, device, BASE, in, bytes), 0);
	assert_memory_equal(in, out, bytes);
	free(out);
	free(in);
}

static void wrong_fds(void **state)
{
	struct iommufd_sim_usage usage;
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(iommufd_sim_dma_read(sim, ctx, BASE, &byte, 1), -EBADF);
	assert_int_equal(iommufd_sim_dma_read(sim, -1, BASE, &byte, 1), -EBADF);
	assert_int_equal(iommufd_sim_ioctl(sim, fd, IOMMU_DESTROY, &byte), -EBADF);
	assert_int_equal(iommufd_sim_close(sim, fd), -EBADF);
	assert_int_equal(iommufd_sim_usage(sim, 1 << 30, &usage), -EBADF);
	assert_int_equal(iommufd_sim_usage(sim, device, &usage), 0);
	assert_int_equal(usage.objects, 3);
}

static void device_descriptions(void **state)
{
	struct {
		struct iommufd_sim_device_desc desc;
		uint32_t tail;
	} arg = {.desc = {.size = sizeof(arg)}};
	int other;

	(void)state;
	other = iommufd_sim_device_open(sim, &arg.desc);
	assert_true(other >= 0);
	assert_int_equal(iommufd_sim_close(sim, other), 0);
	arg.tail = 1;
	assert_int_equal(iommufd_sim_device_open(sim, &arg.desc), -E2BIG);
	arg.desc.size = sizeof(arg.desc) - 1;
	assert_int_equal(iommufd_sim_device_open(sim, &arg.desc), -EINVAL);
	arg.desc.size = sizeof(arg.desc);
	arg.desc.flags = 1;
	assert_int_equal(iommufd_sim_device_open(sim, &arg.desc), -EINVAL);
	arg.desc.flags = 0;
	arg.desc.address_bits = 15;
	assert_int_equal(iommufd_sim_device_open(sim, &arg.desc), -EINVAL);
	arg.desc.address_bits = 65;
	assert_int_equal(iommufd_sim_device_open(sim, &arg.desc), -EINVAL);
	arg.desc.address_bits = 64;
	assert_true(iommufd_sim_device_open(sim, &arg.desc) >= 0);
	arg.desc.address_bits = 16;
	assert_true(iommufd_sim_device_open(sim, &arg.desc) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(across_mappings, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(at_the_end_of_the_space, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated_under_it, setup, teardown),
		cmocka_unit_test_setup_teardown(mapped_anew_and_shorter, setup, teardown),
		cmocka_unit_test_setup_teardown(hundred_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_fds, setup, teardown),
		cmocka_unit_test_setup_teardown(device_descriptions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
