/* SPDX-License-Identifier: MIT */
/* From addresses to registered memory: edges of ranges, and of the address space. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "client/lib/registry.h"

static void test_overlap(void **state)
{
	struct registry registry = {0};

	(void)state;
	assert_int_equal(registry_add(&registry, 0x2000, 0x1000, 1, 0), 0);
	/* every way to overlap: same, inside, around, over the start, over the end, by one byte */
	assert_int_equal(registry_add(&registry, 0x2000, 0x1000, 2, 0), -EEXIST);
	assert_int_equal(registry_add(&registry, 0x2400, 0x100, 2, 0), -EEXIST);
	assert_int_equal(registry_add(&registry, 0x1000, 0x3000, 2, 0), -EEXIST);
	assert_int_equal(registry_add(&registry, 0x1000, 0x1001, 2, 0), -EEXIST);
	assert_int_equal(registry_add(&registry, 0x2fff, 0x1000, 2, 0), -EEXIST);
	/* adjacent on both sides is fine */
	assert_int_equal(registry_add(&registry, 0x1000, 0x1000, 3, 0), 0);
	assert_int_equal(registry_add(&registry, 0x3000, 0x1000, 4, 0), 0);
	registry_clear(&registry);
	assert_null(registry_find(&registry, 0x2000, 1));
}

static void test_find(void **state)
{
	struct registry registry = {0};
	const struct registry_range *range;

	(void)state;
	assert_null(registry_find(&registry, 0, 1));
	assert_int_equal(registry_add(&registry, 0x2000, 0x1000, 1, 0x500), 0);
	assert_int_equal(registry_add(&registry, 0x3000, 0x1000, 2, 0), 0);
	range = registry_find(&registry, 0x2000, 0x1000);
	assert_non_null(range);
	assert_int_equal(range->memory, 1);
	assert_int_equal(range->offset, 0x500);
	assert_non_null(registry_find(&registry, 0x2fff, 1));
	assert_null(registry_find(&registry, 0x1fff, 1));
	assert_null(registry_find(&registry, 0x4000, 1));
	/* a lookup does not span two ranges, nor leaves one by a byte */
	assert_null(registry_find(&registry, 0x2000, 0x1001));
	assert_null(registry_find(&registry, 0x1fff, 0x1001));
	assert_null(registry_find(&registry, 0x2000, 0));
	assert_null(registry_find(&registry, 0x2000, UINT64_MAX));
	registry_clear(&registry);
}

static void test_limits(void **state)
{
	struct registry registry = {0};

	(void)state;
	assert_int_equal(registry_add(&registry, 0x1000, 0, 1, 0), -EINVAL);
	/* the last byte there is, and one beyond */
	assert_int_equal(registry_add(&registry, UINT64_MAX, 1, 1, 0), 0);
	assert_int_equal(registry_add(&registry, UINT64_MAX - 1, 3, 1, 0), -EINVAL);
	assert_int_equal(registry_add(&registry, UINT64_MAX - 1, 2, 1, 0), -EEXIST);
	assert_int_equal(registry_add(&registry, 0, 1, 1, 0), 0);
	assert_non_null(registry_find(&registry, UINT64_MAX, 1));
	assert_null(registry_find(&registry, UINT64_MAX, 2));
	/* offsets must not wrap either */
	assert_int_equal(registry_add(&registry, 0x1000, 2, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(registry_add(&registry, 0x1000, 2, 1, UINT64_MAX - 1), 0);
	registry_clear(&registry);
	/* everything at once */
	assert_int_equal(registry_add(&registry, 0, UINT64_MAX, 1, 0), 0);
	assert_int_equal(registry_add(&registry, UINT64_MAX, 1, 1, 0), 0);
	registry_clear(&registry);
}

static void test_remove(void **state)
{
	struct registry registry = {0};

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(
			registry_add(&registry, i * 0x1000, 0x1000, (uint32_t)(i % 3), 0), 0);
	assert_int_equal(registry_remove(&registry, 0x1001), -ENOENT);
	assert_int_equal(registry_remove(&registry, 0x1000), 0);
	assert_int_equal(registry_remove(&registry, 0x1000), -ENOENT);
	registry_remove_memory(&registry, 0);
	for (uint64_t i = 0; i < 100; i++) {
		const struct registry_range *range = registry_find(&registry, i * 0x1000, 0x1000);

		assert_int_equal(range != NULL, i % 3 != 0 && i != 1);
	}
	registry_clear(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_find), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_remove)};

	return cmocka_run_group_tests_name("client-registry", tests, NULL, NULL);
}
