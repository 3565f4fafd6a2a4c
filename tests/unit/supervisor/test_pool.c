/* SPDX-License-Identifier: MIT */
/* The host's pool: what is lent never exceeds it, nor a tenant's limit; and all of it comes back. */
#include "tests/unit/common/check.h"

#include "broker/supervisor/pool.h"

static void a_chunk_at_a_time(void **state)
{
	struct pool pool = {.total_bytes = 100, .chunk_bytes = 10};
	uint64_t share = 0;

	(void)state;
	assert_int_equal(pool_lend(&pool, &share, UINT64_MAX, 1), 10);
	assert_int_equal(pool_lend(&pool, &share, UINT64_MAX, 10), 10);
	assert_int_equal(pool_lend(&pool, &share, UINT64_MAX, 11), 20);
	assert_int_equal(share, 40);
	assert_int_equal(pool.lent_bytes, 40);
}

static void the_last_byte_and_one_more(void **state)
{
	struct pool pool = {.total_bytes = 100, .chunk_bytes = 10};
	uint64_t a = 0, b = 0;

	(void)state;
	assert_int_equal(pool_lend(&pool, &a, UINT64_MAX, 91), 100);
	assert_int_equal(pool_lend(&pool, &b, UINT64_MAX, 1), 0);
	assert_int_equal(b, 0);
	pool_take_back(&pool, &a);
	assert_int_equal(pool_lend(&pool, &b, UINT64_MAX, 101), 0);
	assert_int_equal(pool_lend(&pool, &b, UINT64_MAX, 100), 100);
}

static void a_rest_below_a_chunk_is_lent_but_nothing_short_of_the_ask(void **state)
{
	struct pool pool = {.total_bytes = 15, .chunk_bytes = 10};
	uint64_t a = 0, b = 0;

	(void)state;
	assert_int_equal(pool_lend(&pool, &a, UINT64_MAX, 1), 10);
	assert_int_equal(pool_lend(&pool, &b, UINT64_MAX, 6), 0);
	assert_int_equal(pool_lend(&pool, &b, UINT64_MAX, 5), 5);
	assert_int_equal(pool.lent_bytes, 15);
}

static void a_tenants_limit_pair(void **state)
{
	struct pool pool = {.total_bytes = 1000, .chunk_bytes = 10};
	uint64_t share = 0;

	(void)state;
	assert_int_equal(pool_lend(&pool, &share, 25, 26), 0);
	assert_int_equal(pool_lend(&pool, &share, 25, 15), 20);
	assert_int_equal(pool_lend(&pool, &share, 25, 6), 0);
	assert_int_equal(pool_lend(&pool, &share, 25, 5), 5);
	assert_int_equal(pool_lend(&pool, &share, 25, 1), 0);
	/* A limit below what is lent already, as after a new policy. */
	assert_int_equal(pool_lend(&pool, &share, 24, 1), 0);
}

static void numbers_at_the_end_of_64_bits(void **state)
{
	struct pool pool = {.total_bytes = UINT64_MAX, .chunk_bytes = 1 << 20};
	uint64_t a = 0, b = 0;

	(void)state;
	assert_int_equal(pool_lend(&pool, &a, UINT64_MAX, 1), 1 << 20);
	assert_int_equal(pool_lend(&pool, &b, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(
		pool_lend(&pool, &b, UINT64_MAX, UINT64_MAX - (1 << 20)), UINT64_MAX - (1 << 20));
	assert_int_equal(pool.lent_bytes, UINT64_MAX);
	assert_int_equal(pool_lend(&pool, &a, UINT64_MAX, 1), 0);
	pool_take_back(&pool, &a);
	pool_take_back(&pool, &b);
	pool_take_back(&pool, &b);
	assert_int_equal(pool.lent_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chunk_at_a_time),
		cmocka_unit_test(the_last_byte_and_one_more),
		cmocka_unit_test(a_rest_below_a_chunk_is_lent_but_nothing_short_of_the_ask),
		cmocka_unit_test(a_tenants_limit_pair),
		cmocka_unit_test(numbers_at_the_end_of_64_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
