/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the model fails once: the step that hits it answers ENOMEM and changes nothing, and done again it
 * succeeds. The linker sends the library's allocations here (--wrap).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "include/iommufd_sim.h"
#include "include/iommufd_uapi.h"

#define PAGE UINT64_C(4096)
#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static int countdown; /* the allocation that fails, counted down; 0: none */

static int fails(void)
{
	return countdown > 0 && --countdown == 0;
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __real_calloc(count, bytes);
}

void *__real_reallocarray(void *old, size_t count, size_t bytes);
void *__wrap_reallocarray(void *old, size_t count, size_t bytes);
void *__wrap_reallocarray(void *old, size_t count, size_t bytes)
{
	return fails() ? NULL : __real_reallocarray(old, count, bytes);
}

static struct iommufd_sim *sim;
static int ctx, devices[2], fd;
static uint32_t a, b;

static int step_new(void)
{
	return iommufd_sim_new(&sim);
}

static int step_open(void)
{
	ctx = iommufd_sim_open(sim);
	return ctx < 0 ? ctx : 0;
}

static int ioas_alloc(uint32_t *ret)
{
	struct iommu_ioas_alloc arg = {.size = sizeof(arg)};
	int r = iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_ALLOC, &arg);

	*ret = arg.out_ioas_id;
	return r;
}

static int step_alloc_a(void)
{
	return ioas_alloc(&a);
}

static int step_alloc_b(void)
{
	return ioas_alloc(&b);
}

static int map(uint32_t ioas, uint64_t iova, uint64_t pages)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = RW | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.fd = fd,
		.length = pages * PAGE,
		.iova = iova,
	};

	return iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_MAP_FILE, &arg);
}

static int step_map_4(void)
{
	return map(a, 16 * PAGE, 4);
}

static int step_map_beside(void)
{
	return map(a, 20 * PAGE, 4);
}

static int step_map_more(void)
{
	return map(a, 24 * PAGE, 2);
}

static int step_map_user(void)
{
	static uint8_t memory[PAGE] __attribute__((aligned(4096)));
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = RW,
		.ioas_id = b,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
	};

	return iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_MAP, &arg);
}

static int copy(uint64_t src, uint64_t pages, uint64_t dst)
{
	struct iommu_ioas_copy arg = {
		.size = sizeof(arg),
		.flags = RW | IOMMU_IOAS_MAP_FIXED_IOVA,
		.dst_ioas_id = b,
		.src_ioas_id = a,
		.length = pages * PAGE,
		.src_iova = src,
		.dst_iova = dst,
	};

	return iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_COPY, &arg);
}

static int step_copy_of_three(void)
{
	return copy(17 * PAGE, 8, 64 * PAGE);
}

static int step_copy_inside(void)
{
	return copy(18 * PAGE, 1, 80 * PAGE);
}

static int step_copy_across(void)
{
	return copy(19 * PAGE, 3, 90 * PAGE);
}

static int step_allow(void)
{
	const struct iommu_iova_range ranges[] = {
		{PAGE, 1000 * PAGE - 1}, {2000 * PAGE, 3000 * PAGE - 1}};
	struct iommu_ioas_allow_iovas arg = {
		.size = sizeof(arg),
		.ioas_id = a,
		.num_iovas = 2,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_ALLOW_IOVAS, &arg);
}

static int device(int which)
{
	const struct iommufd_sim_device_desc desc = {.size = sizeof(desc)};

	devices[which] = iommufd_sim_device_open(sim, &desc);
	return devices[which] < 0 ? devices[which] : 0;
}

static int step_device_0(void)
{
	return device(0);
}

static int step_device_1(void)
{
	return device(1);
}

static int bind_device(int which)
{
	struct vfio_device_bind_iommufd arg = {.argsz = sizeof(arg), .iommufd = ctx};

	return iommufd_sim_ioctl(sim, devices[which], VFIO_DEVICE_BIND_IOMMUFD, &arg);
}

static int step_bind_0(void)
{
	return bind_device(0);
}

static int step_bind_1(void)
{
	return bind_device(1);
}

static int attach(int which, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg), .pt_id = pt};

	return iommufd_sim_ioctl(sim, devices[which], VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static int step_attach_0_to_b(void)
{
	return attach(0, b);
}

static int step_attach_1_to_b(void)
{
	return attach(1, b);
}

static int step_replace_0_by_a(void)
{
	return attach(0, a);
}

static int (*const steps[])(void) = {
	step_new,
	step_open,
	step_alloc_a,
	step_alloc_b,
	step_map_4,
	step_map_beside,
	step_map_more,
	step_map_user,
	step_allow,
	step_device_0,
	step_device_1,
	step_bind_0,
	step_bind_1,
	step_copy_of_three,
	step_attach_0_to_b,
	step_attach_1_to_b,
	step_copy_inside,
	step_copy_across,
	step_replace_0_by_a,
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))
#define FIRST_WITH_CONTEXT 2

static struct iommufd_sim_usage usage(void)
{
	struct iommufd_sim_usage now;

	assert_int_equal(iommufd_sim_usage(sim, ctx, &now), 0);
	return now;
}

/* Returns whether an allocation failed. */
static bool run_failing(int nth)
{
	bool failed = false;

	for (size_t i = 0; i < STEPS; i++) {
		struct iommufd_sim_usage before = {0}, after = {0};
		int r;

		if (i >= FIRST_WITH_CONTEXT)
			before = usage();
		countdown = failed ? 0 : nth;
		r = steps[i]();
		nth = countdown;
		countdown = 0;
		if (r == 0)
			continue;
		assert_int_equal(r, -ENOMEM);
		assert_false(failed);
		failed = true;
		if (i >= FIRST_WITH_CONTEXT) {
			after = usage();
			assert_memory_equal(&before, &after, sizeof(before));
		}
		assert_int_equal(steps[i](), 0);
	}
	return failed;
}

static void every_allocation_fails_once(void **state)
{
	struct iommufd_sim_usage reference = {0};
	bool failed = true;
	int nth = 0;

	(void)state;
	fd = memfd_create("test-no-memory", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)(16 * PAGE)), 0);
	for (; failed || nth == 0; nth++) {
		struct iommufd_sim_usage end;

		failed = run_failing(nth) || nth == 0;
		end = usage();
		if (nth == 0)
			reference = end;
		assert_memory_equal(&end, &reference, sizeof(end));
		iommufd_sim_free(sim);
		assert_true(nth < 500);
	}
	assert_true(nth > 40); /* else the wrapping does not work */
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
