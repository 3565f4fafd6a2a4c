/* SPDX-License-Identifier: MIT */
/* IOAS_ALLOC, IOAS_IOVA_RANGES, IOAS_ALLOW_IOVAS. */
#include "tests/conformance/conformance.h"

#include <errno.h>

#define MSI_START UINT64_C(0xfee00000)
#define MSI_LAST UINT64_C(0xfeefffff)

static int ranges(uint32_t ioas, struct iommu_iova_range *out, uint32_t room,
	struct iommu_ioas_iova_ranges *ret)
{
	*ret = (struct iommu_ioas_iova_ranges){
		.size = sizeof(*ret),
		.ioas_id = ioas,
		.num_iovas = room,
		.allowed_iovas = (uintptr_t)out,
	};
	return conformance_ioctl(ctx, IOMMU_IOAS_IOVA_RANGES, ret);
}

static void alloc_flags(void **state)
{
	struct iommu_ioas_alloc arg = {.size = sizeof(arg), .flags = 1};

	(void)state;
	assert_int_equal(conformance_ioctl(ctx, IOMMU_IOAS_ALLOC, &arg), -EOPNOTSUPP);
	assert_usage(ctx, objects, 0);
}

static void ranges_fresh(void **state)
{
	struct iommu_ioas_iova_ranges arg;
	struct iommu_iova_range out[4];

	(void)state;
	assert_int_equal(ranges(new_ioas(), out, 4, &arg), 0);
	assert_int_equal(arg.num_iovas, 1);
	assert_int_equal(arg.out_iova_alignment, 1);
	assert_int_equal(out[0].start, 0);
	assert_int_equal(out[0].last, UINT64_MAX);
}

static void ranges_attached(void **state)
{
	struct iommu_ioas_iova_ranges arg;
	uint32_t ioas = new_ioas(), pt = ioas;
	struct iommu_iova_range out[4];
	int device = device_of(0, 39);

	(void)state;
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(ranges(ioas, out, 4, &arg), 0);
	assert_int_equal(arg.num_iovas, 2);
	assert_int_equal(arg.out_iova_alignment, PAGE);
	assert_int_equal(out[0].start, 0);
	assert_int_equal(out[0].last, MSI_START - 1);
	assert_int_equal(out[1].start, MSI_LAST + 1);
	assert_int_equal(out[1].last, (UINT64_C(1) << 39) - 1);
	assert_int_equal(detach(device), 0);
	assert_int_equal(ranges(ioas, out, 4, &arg), 0);
	assert_int_equal(arg.num_iovas, 1);
	assert_int_equal(arg.out_iova_alignment, 1);
}

static void ranges_room(void **state)
{
	struct iommu_iova_range out[2] = {{7, 7}, {7, 7}};
	struct iommu_ioas_iova_ranges arg;
	uint32_t ioas = new_ioas(), pt = ioas;

	(void)state;
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_int_equal(ranges(ioas, out, 1, &arg), -EMSGSIZE);
	assert_int_equal(arg.num_iovas, 2);
	assert_int_equal(out[0].last, MSI_START - 1);
	assert_int_equal(out[1].start, 7);
	assert_int_equal(ranges(ioas, NULL, 0, &arg), -EMSGSIZE);
	assert_int_equal(arg.num_iovas, 2);
	assert_int_equal(ranges(ioas, out, 2, &arg), 0);
}

static void ranges_errors(void **state)
{
	struct iommu_ioas_iova_ranges arg = {.size = sizeof(arg), .__reserved = 1};
	uint32_t ioas = new_ioas();

	(void)state;
	assert_int_equal(conformance_ioctl(ctx, IOMMU_IOAS_IOVA_RANGES, &arg), -EOPNOTSUPP);
	assert_int_equal(ranges(ioas + 1, NULL, 0, &arg), -ENOENT);
	assert_int_equal(ranges(ioas, NULL, 1, &arg), -EFAULT);
}

static void allow_errors(void **state)
{
	struct iommu_ioas_allow_iovas arg = {.size = sizeof(arg), .__reserved = 1};
	const struct iommu_iova_range one = {PAGE, PAGE}, back = {2 * PAGE, PAGE};
	const struct iommu_iova_range twice[] = {{PAGE, 4 * PAGE}, {4 * PAGE, 5 * PAGE}};
	uint32_t ioas = new_ioas();

	(void)state;
	assert_int_equal(conformance_ioctl(ctx, IOMMU_IOAS_ALLOW_IOVAS, &arg), -EOPNOTSUPP);
	assert_int_equal(allow(ioas + 1, &one, 1), -ENOENT);
	assert_int_equal(allow(ioas, NULL, 1), -EFAULT);
	assert_int_equal(allow(ioas, &one, 1), -EINVAL);
	assert_int_equal(allow(ioas, &back, 1), -EINVAL);
	assert_int_equal(allow(ioas, twice, 2), -EINVAL);
}

static void allow_steers(void **state)
{
	const struct iommu_iova_range here = {512 * PAGE, 515 * PAGE - 1};
	uint8_t *memory = memory_of(4 * PAGE);
	uint32_t ioas = new_ioas();
	uint64_t iova = 0;

	(void)state;
	assert_int_equal(allow(ioas, &here, 1), 0);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(map_user(ioas, R, memory, PAGE, &iova), 0);
		assert_int_equal(iova, (512 + i) * PAGE);
	}
	assert_int_equal(map_user(ioas, R, memory, PAGE, &iova), -ENOSPC);
	iova = PAGE; /* a fixed one may lie outside */
	assert_int_equal(map_user(ioas, R | FIXED, memory, PAGE, &iova), 0);
	assert_int_equal(allow(ioas, NULL, 0), 0);
	assert_int_equal(map_user(ioas, R, memory, PAGE, &iova), 0);
}

static void allow_touching(void **state)
{
	const struct iommu_iova_range two[] = {{2 * PAGE, 3 * PAGE - 1}, {PAGE, 2 * PAGE - 1}};
	uint8_t *memory = memory_of(2 * PAGE);
	uint32_t ioas = new_ioas();
	uint64_t iova = 0;

	(void)state;
	assert_int_equal(allow(ioas, two, 2), 0);
	/* Two pages at an odd page number: alignment 4 KiB. */
	memory += ((uintptr_t)memory & PAGE) ? 0 : PAGE;
	assert_int_equal(map_user(ioas, R, memory, 2 * PAGE, &iova), 0);
	assert_int_equal(iova, PAGE);
}

static void allow_reserved(void **state)
{
	const struct iommu_iova_range ok = {PAGE, MSI_START - 1}, bad = {PAGE, MSI_START};
	uint32_t ioas = new_ioas(), pt = ioas;
	int device = device_of(0, 0);

	(void)state;
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(allow(ioas, &bad, 1), -EADDRINUSE);
	assert_int_equal(allow(ioas, &ok, 1), 0);
	assert_int_equal(detach(device), 0);
	assert_int_equal(allow(ioas, &bad, 1), 0);
	pt = ioas;
	assert_int_equal(attach(device, &pt), -EADDRINUSE);
	assert_int_equal(allow(ioas, NULL, 0), 0);
	assert_int_equal(attach(device, &pt), 0);
}

int run_ioas_cases(void)
{
	const struct CMUnitTest cases[] = {
		CASE("IOAS_ALLOC with a flag is EOPNOTSUPP", alloc_flags),
		CASE("A fresh IOAS is all 64 bits wide, without alignment", ranges_fresh),
		CASE("An attached device narrows the ranges, a detached one widens them",
			ranges_attached),
		CASE("IOVA_RANGES with too little room fills it, counts all, and is EMSGSIZE",
			ranges_room),
		CASE("IOVA_RANGES: EOPNOTSUPP, ENOENT, EFAULT", ranges_errors),
		CASE("ALLOW_IOVAS: EOPNOTSUPP, ENOENT, EFAULT, EINVAL for empty or overlapping "
		     "ranges",
			allow_errors),
		CASE("Automatic placement keeps to allowed ranges, then is ENOSPC", allow_steers),
		CASE("Allowed ranges that touch are one", allow_touching),
		CASE("Allowed ranges and a device's reserved ones exclude each other: EADDRINUSE",
			allow_reserved),
	};

	return cmocka_run_group_tests_name("IOAS", cases, NULL, NULL);
}
