/* SPDX-License-Identifier: MIT */
/* IOAS_UNMAP. */
#include "tests/conformance/conformance.h"

#include <errno.h>

static void unmap_errors(void **state)
{
	uint32_t ioas = new_ioas();

	(void)state;
	assert_int_equal(map_at(ioas, 16 * PAGE, PAGE), 0);
	assert_int_equal(unmap(ioas + 1, 0, UINT64_MAX, NULL), -ENOENT);
	assert_int_equal(unmap(ioas, 16 * PAGE, 0, NULL), -EINVAL);
	assert_int_equal(unmap(ioas, PAGE, UINT64_MAX, NULL), -EOVERFLOW);
	assert_int_equal(unmap(ioas, UINT64_MAX, PAGE, NULL), -EOVERFLOW);
	assert_int_equal(unmap(ioas, UINT64_MAX - 1, PAGE, NULL), -EOVERFLOW);
	assert_int_equal(unmap(ioas, 17 * PAGE, PAGE, NULL), -ENOENT);
	assert_usage(ctx, mappings, 1);
}

static void unmap_ranges(void **state)
{
	uint32_t ioas = new_ioas();
	uint64_t unmapped;

	(void)state;
	assert_int_equal(map_at(ioas, 16 * PAGE, PAGE), 0);
	assert_int_equal(map_at(ioas, 20 * PAGE, 2 * PAGE), 0);
	assert_int_equal(map_at(ioas, 30 * PAGE, 4 * PAGE), 0);
	assert_int_equal(unmap(ioas, 10 * PAGE, 15 * PAGE, &unmapped), 0);
	assert_int_equal(unmapped, 3 * PAGE);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, &unmapped), 0);
	assert_int_equal(unmapped, 4 * PAGE);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, &unmapped), 0);
	assert_int_equal(unmapped, 0);
}

static void unmap_cut(void **state)
{
	uint32_t ioas = new_ioas();
	uint64_t unmapped;

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(map_at(ioas, (16 + 4 * i) * PAGE, 4 * PAGE), 0);
	assert_int_equal(unmap(ioas, 17 * PAGE, 3 * PAGE, NULL), -ENOENT);
	assert_int_equal(unmap(ioas, 17 * PAGE, 7 * PAGE, NULL), -ENOENT);
	assert_usage(ctx, mappings, 4);
	/* The third is cut; the first two are gone all the same, and the length is not written. */
	assert_int_equal(unmap(ioas, 16 * PAGE, 10 * PAGE, &unmapped), -ENOENT);
	assert_int_equal(unmapped, 10 * PAGE);
	assert_usage(ctx, mappings, 2);
	assert_int_equal(map_at(ioas, 16 * PAGE, 8 * PAGE), 0);
}

static void unmap_place(void **state)
{
	uint32_t ioas = new_ioas();
	int fd = memfd_of(PAGE);
	uint64_t iova = 0;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(map_file(ioas, R, fd, 0, PAGE, &iova), 0);
	assert_int_equal(unmap(ioas, 3 * PAGE, PAGE, NULL), 0);
	assert_int_equal(map_file(ioas, R, fd, 0, PAGE, &iova), 0);
	assert_int_equal(iova, 3 * PAGE);
	assert_int_equal(map_file(ioas, R, fd, 0, PAGE, &iova), 0);
	assert_int_equal(iova, 6 * PAGE);
}

int run_unmap_cases(void)
{
	const struct CMUnitTest cases[] = {
		CASE("UNMAP: ENOENT, EINVAL, EOVERFLOW", unmap_errors),
		CASE("UNMAP takes all mappings in a range and tells how many bytes; all of nothing "
		     "is fine",
			unmap_ranges),
		CASE("UNMAP stops at a mapping that it would cut: ENOENT, with earlier ones gone",
			unmap_cut),
		CASE("What was unmapped is the next place to map", unmap_place),
	};

	return cmocka_run_group_tests_name("IOAS_UNMAP", cases, NULL, NULL);
}
