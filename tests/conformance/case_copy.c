/* SPDX-License-Identifier: MIT */
/* IOAS_COPY. */
#include "tests/conformance/conformance.h"

#include <errno.h>

static void copy_errors(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas();
	uint64_t dst = 64 * PAGE, max = UINT64_MAX;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, 4 * PAGE), 0);
	assert_int_equal(copy(b, a, R | 8, 16 * PAGE, PAGE, &dst), -EOPNOTSUPP);
	assert_int_equal(copy(b, a, R, 16 * PAGE, UINT64_MAX, &dst), -EOVERFLOW);
	assert_int_equal(copy(b, a, R, UINT64_MAX, PAGE, &dst), -EOVERFLOW);
	assert_int_equal(copy(b, a, R, 16 * PAGE, PAGE, &max), -EOVERFLOW);
	assert_int_equal(copy(b, a, FIXED, 16 * PAGE, PAGE, &dst), -EINVAL);
	assert_int_equal(copy(b, a, R, 16 * PAGE, 0, &dst), -EINVAL);
	assert_int_equal(copy(b, a, R, UINT64_MAX - PAGE, 2 * PAGE, &dst), -EOVERFLOW);
	assert_int_equal(copy(b, 99, R, 16 * PAGE, PAGE, &dst), -ENOENT);
	assert_int_equal(copy(99, a, R, 16 * PAGE, PAGE, &dst), -ENOENT);
	assert_int_equal(copy(b, a, R, 15 * PAGE, PAGE, &dst), -ENOENT);
	assert_int_equal(copy(b, a, R, 15 * PAGE, 2 * PAGE, &dst), -ENOENT);
	assert_int_equal(copy(b, a, R, 16 * PAGE, 5 * PAGE, &dst), -ENOENT);
	assert_usage(ctx, mappings, 1);
}

static void copy_whole(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = a, pt_b = b;
	uint64_t dst = 64 * PAGE, other = 0;
	int device = device_of(0, 0), second = device_of(0, 0);
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, 4 * PAGE), 0);
	assert_int_equal(copy(b, a, R | W | FIXED, 16 * PAGE, 4 * PAGE, &dst), 0);
	assert_int_equal(copy(b, a, R | FIXED, 16 * PAGE, 4 * PAGE, &dst), -EEXIST);
	assert_int_equal(copy(a, a, R, 16 * PAGE, 4 * PAGE, &other), 0);
	assert_int_equal(other, 4 * PAGE);
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(attach(second, &pt_b), 0);
	assert_usage(ctx, pinned_bytes, 4 * PAGE);
	/* The memory is the same, and lives with the last of its mappings. */
	assert_int_equal(target_dma_write(device, 17 * PAGE, 0x5a), 0);
	assert_int_equal(destroy(a), -EBUSY);
	assert_int_equal(unmap(a, 0, UINT64_MAX, NULL), 0);
	assert_usage(ctx, pinned_bytes, 4 * PAGE);
	assert_int_equal(target_dma_read(second, 65 * PAGE, &byte), 0);
	assert_int_equal(byte, 0x5a);
	assert_int_equal(unmap(b, 0, UINT64_MAX, NULL), 0);
	assert_usage(ctx, pinned_bytes, 0);
	assert_usage(ctx, files, 0);
}

static void copy_part(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = b;
	uint64_t dst = 64 * PAGE;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, 10 * PAGE), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, 3 * PAGE, &dst), 0);
	assert_usage(ctx, pinned_bytes, 3 * PAGE);
	dst = 80 * PAGE;
	assert_int_equal(copy(b, a, R | FIXED, 19 * PAGE, 4 * PAGE, &dst), 0);
	assert_usage(ctx, pinned_bytes, 6 * PAGE);
	assert_int_equal(unmap(b, 64 * PAGE, 3 * PAGE, NULL), 0);
	assert_usage(ctx, pinned_bytes, 4 * PAGE);
	pt = a;
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_usage(ctx, pinned_bytes, 10 * PAGE);
}

static void copy_many(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas();
	uint64_t dst = 64 * PAGE, unmapped;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, 2 * PAGE), 0);
	assert_int_equal(map_at(a, 18 * PAGE, PAGE), 0);
	assert_int_equal(map_at(a, 19 * PAGE, 3 * PAGE), 0);
	assert_int_equal(map_at(a, 23 * PAGE, PAGE), 0);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, 7 * PAGE, &dst), -ENOENT);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, 4 * PAGE, &dst), 0);
	assert_usage(ctx, mappings, 4 + 3);
	assert_int_equal(unmap(b, 65 * PAGE, PAGE, &unmapped), 0);
	assert_int_equal(unmap(b, 64 * PAGE, 4 * PAGE, &unmapped), 0);
	assert_int_equal(unmapped, 3 * PAGE);
}

static void copy_rights(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas();
	uint64_t iova = 16 * PAGE, dst = 64 * PAGE;

	(void)state;
	assert_int_equal(map_file(a, R | FIXED, memfd_of(PAGE), 0, PAGE, &iova), 0);
	assert_int_equal(copy(b, a, R | W, iova, PAGE, &dst), -EPERM);
	assert_int_equal(copy(b, a, R, iova, PAGE, &dst), 0);
	assert_usage(ctx, mappings, 2);
}

static void copy_of_nothing(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = b;
	uint64_t iova = 16 * PAGE, dst = 64 * PAGE;

	(void)state;
	assert_int_equal(map_file(a, R | FIXED, memfd_of(2 * PAGE), 0, 4 * PAGE, &iova), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, 2 * PAGE, &dst), -EINVAL);
	assert_usage(ctx, pinned_bytes, 0);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, PAGE, &dst), 0);
	assert_usage(ctx, pinned_bytes, PAGE);
}

static void copy_limit(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = b;
	uint64_t dst = 64 * PAGE;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, 2 * PAGE), 0);
	assert_int_equal(map_at(a, 18 * PAGE, 2 * PAGE), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	target_memlock(2 * PAGE);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, 3 * PAGE, &dst), -ENOMEM);
	assert_usage(ctx, pinned_bytes, 0);
	assert_usage(ctx, mappings, 2);
	assert_int_equal(copy(b, a, R | FIXED, 17 * PAGE, 2 * PAGE, &dst), 0);
	assert_usage(ctx, pinned_bytes, 2 * PAGE);
}

int run_copy_cases(void)
{
	const struct CMUnitTest cases[] = {
		CASE("COPY: EOPNOTSUPP, EOVERFLOW, EINVAL, ENOENT for what is not wholly mapped",
			copy_errors),
		CASE("A copy shares the memory, which is pinned once and lives with its last "
		     "mapping",
			copy_whole),
		CASE("A copy of a part pins that part", copy_part),
		CASE("A copy may span mappings that touch, and makes as many", copy_many),
		CASE("A copy of what was mapped read-only cannot be writable: EPERM", copy_rights),
		CASE("A copy of file pages that are not there is EINVAL, of those that are is fine",
			copy_of_nothing),
		CASE("A copy beyond the memlock limit is ENOMEM and changes nothing", copy_limit),
	};

	return cmocka_run_group_tests_name("IOAS_COPY", cases, NULL, NULL);
}
