/* SPDX-License-Identifier: MIT */
/* What holds for every ioctl: sizes, unknown numbers; and DESTROY. */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static const struct {
	unsigned long cmd;
	uint32_t min, size;
} known[] = {
	{IOMMU_DESTROY, 8, 8},
	{IOMMU_IOAS_ALLOC, 12, 12},
	{IOMMU_IOAS_ALLOW_IOVAS, 24, 24},
	{IOMMU_IOAS_COPY, 40, 40},
	{IOMMU_IOAS_IOVA_RANGES, 32, 32},
	{IOMMU_IOAS_MAP, 40, 40},
	{IOMMU_IOAS_MAP_FILE, 40, 40},
	{IOMMU_IOAS_UNMAP, 24, 24},
	{IOMMU_OPTION, 24, 24},
	{IOMMU_VFIO_IOAS, 12, 12},
	{IOMMU_HWPT_ALLOC, 24, 48},
	{IOMMU_GET_HW_INFO, 32, 40},
	{IOMMU_HWPT_SET_DIRTY_TRACKING, 16, 16},
	{IOMMU_HWPT_GET_DIRTY_BITMAP, 48, 48},
	{IOMMU_HWPT_INVALIDATE, 32, 32},
	{IOMMU_FAULT_QUEUE_ALLOC, 16, 16},
	{IOMMU_VIOMMU_ALLOC, 24, 40},
	{IOMMU_VDEVICE_ALLOC, 24, 24},
	{IOMMU_IOAS_CHANGE_PROCESS, 8, 8},
	{IOMMU_VEVENTQ_ALLOC, 28, 32},
	{IOMMU_HW_QUEUE_ALLOC, 40, 40},
	{IOMMU_IOAS_NOIOMMU_GET_PA, 40, 40},
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

struct longer {
	uint32_t size;
	uint8_t rest[252];
};

static void shorter(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		struct longer arg = {.size = known[i].min - 1};

		assert_int_equal(conformance_ioctl(ctx, known[i].cmd, &arg), -EINVAL);
		arg.size = 0;
		assert_int_equal(conformance_ioctl(ctx, known[i].cmd, &arg), -EINVAL);
	}
}

static void longer_not_zero(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		struct longer arg = {.size = known[i].size + 1};

		((uint8_t *)&arg)[known[i].size] = 1;
		assert_int_equal(conformance_ioctl(ctx, known[i].cmd, &arg), -E2BIG);
		arg.size = sizeof(arg);
		((uint8_t *)&arg)[known[i].size] = 0;
		arg.rest[sizeof(arg.rest) - 1] = 1;
		assert_int_equal(conformance_ioctl(ctx, known[i].cmd, &arg), -E2BIG);
	}
}

static void longer_zero(void **state)
{
	struct {
		struct iommu_ioas_alloc alloc;
		uint8_t zero[500];
	} arg = {.alloc = {.size = sizeof(arg)}};

	(void)state;
	assert_int_equal(conformance_ioctl(ctx, IOMMU_IOAS_ALLOC, &arg), 0);
	assert_int_equal(arg.alloc.out_ioas_id, 1);
}

static void tail_not_there(void **state)
{
	uint8_t *memory = memory_of(2 * PAGE);
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc) + 1};

	(void)state;
	assert_int_equal(mprotect(memory + PAGE, PAGE, PROT_NONE), 0);
	memcpy(memory + PAGE - sizeof(alloc), &alloc, sizeof(alloc));
	assert_int_equal(
		conformance_ioctl(ctx, IOMMU_IOAS_ALLOC, memory + PAGE - sizeof(alloc)), -EFAULT);
}

static void no_struct(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOWN; i++)
		assert_int_equal(conformance_ioctl(ctx, known[i].cmd, NULL), -EFAULT);
}

static void unknown(void **state)
{
	struct longer arg = {.size = sizeof(arg)};

	(void)state;
	assert_int_equal(conformance_ioctl(ctx, _IO(IOMMUFD_TYPE, 0x7f), &arg), -ENOTTY);
	assert_int_equal(conformance_ioctl(ctx, _IO(IOMMUFD_TYPE, 0x96), &arg), -ENOTTY);
	assert_int_equal(conformance_ioctl(ctx, _IO('x', IOMMUFD_CMD_DESTROY), &arg), -ENOTTY);
	assert_int_equal(conformance_ioctl(ctx, _IOR(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY, int), &arg),
		-ENOTTY);
}

static void ids(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= 20; id++)
		assert_int_equal(new_ioas(), id);
	assert_int_equal(destroy(7), 0);
	assert_int_equal(destroy(3), 0);
	assert_int_equal(new_ioas(), 3);
	assert_int_equal(new_ioas(), 7);
	assert_int_equal(new_ioas(), 21);
}

static void destroy_unknown(void **state)
{
	uint32_t ioas = new_ioas();

	(void)state;
	assert_int_equal(destroy(0), -ENOENT);
	assert_int_equal(destroy(ioas + 1), -ENOENT);
	assert_int_equal(destroy(UINT32_MAX), -ENOENT);
	assert_int_equal(destroy(ioas), 0);
	assert_int_equal(destroy(ioas), -ENOENT);
}

static void destroy_with_mappings(void **state)
{
	uint32_t ioas = new_ioas();

	(void)state;
	assert_int_equal(map_at(ioas, 16 * PAGE, PAGE), 0);
	assert_int_equal(map_at(ioas, 32 * PAGE, PAGE), 0);
	assert_usage(ctx, mappings, 2);
	assert_int_equal(destroy(ioas), 0);
	assert_usage(ctx, mappings, 0);
	assert_usage(ctx, files, 0);
}

static void destroy_in_use(void **state)
{
	uint32_t ioas = new_ioas(), hwpt = ioas;
	int device = device_of(0, 0);

	(void)state;
	assert_int_equal(attach(device, &hwpt), 0);
	assert_int_equal(destroy(ioas), -EBUSY);
	assert_int_equal(destroy(hwpt), -EBUSY);
	assert_int_equal(detach(device), 0);
	assert_int_equal(destroy(hwpt), -ENOENT);
	assert_int_equal(destroy(ioas), 0);
}

static void destroy_device(void **state)
{
	int device = conformance_device_open(0, 0);
	uint32_t id;

	(void)state;
	assert_int_equal(bind_to(device, ctx, &id), 0);
	assert_int_equal(destroy(id), -EBUSY);
	assert_int_equal(conformance_close(device), 0);
	assert_int_equal(destroy(id), -ENOENT);
}

int run_dispatch_cases(void)
{
	const struct CMUnitTest cases[] = {
		CASE("A struct shorter than its first version is EINVAL", shorter),
		CASE("A longer struct whose tail is not zero is E2BIG", longer_not_zero),
		CASE("A longer struct whose tail is zero is taken", longer_zero),
		CASE("A longer struct whose tail is not there is EFAULT", tail_not_there),
		CASE("No struct is EFAULT", no_struct),
		CASE("An unknown number, type or direction is ENOTTY", unknown),
		CASE("A new object gets the lowest free id", ids),
		CASE("DESTROY of an id that is not there is ENOENT", destroy_unknown),
		CASE("DESTROY of an IOAS unmaps all of it", destroy_with_mappings),
		CASE("DESTROY of an object with users is EBUSY", destroy_in_use),
		CASE("DESTROY of a DEVICE is EBUSY until its fd is closed", destroy_device),
	};

	return cmocka_run_group_tests_name("dispatch and DESTROY", cases, NULL, NULL);
}
