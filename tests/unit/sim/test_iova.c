/* SPDX-License-Identifier: MIT */
/* The IOVA tree against an array of pages: random operations from fixed seeds, every answer compared. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "broker/sim/iova.h"

#define SPACE 512u /* IOVAs that the reference knows: it keeps one owner for each */
#define STEPS 4000

static struct sim_mapping *owner[SPACE];
static struct sim_iova_map map;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct sim_mapping *naive_first(uint32_t start, uint32_t last)
{
	for (uint32_t i = start; i <= last; i++) {
		if (owner[i])
			return owner[i];
	}
	return NULL;
}

/* The first run of free IOVAs that is long enough, counted whole, and has some in [start, last]. */
static bool naive_hole(
	uint32_t start, uint32_t last, uint32_t length, uint32_t *ret_start, uint32_t *ret_last)
{
	for (uint32_t i = 0; i < SPACE;) {
		uint32_t end = i;

		while (end < SPACE && !owner[end])
			end++;
		/* A run that reaches the end of the reference goes on to the end of the space. */
		if (end > i && (end - i >= length || end == SPACE) && end > start && i <= last) {
			*ret_start = i > start ? i : start;
			*ret_last = end - 1 < last && end < SPACE ? end - 1 : last;
			return true;
		}
		i = end + 1;
	}
	return false;
}

static void tree_check(void)
{
	uint64_t before = 0; /* first IOVA behind the mapping before */
	struct sim_mapping *m = sim_iova_first(&map, 0, UINT64_MAX);

	for (; m; m = sim_iova_next(m)) {
		const struct sim_mapping *left = RB_LEFT(m, node), *right = RB_RIGHT(m, node);
		uint64_t widest = m->gap;

		assert_true(m->start >= before && m->last >= m->start);
		assert_int_equal(m->gap, m->start - before);
		if (left && left->gap_max > widest)
			widest = left->gap_max;
		if (right && right->gap_max > widest)
			widest = right->gap_max;
		assert_int_equal(m->gap_max, widest);
		before = m->last + 1;
	}
}

static void add(uint32_t start, uint32_t last)
{
	struct sim_mapping *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->start = start;
	m->last = last;
	sim_iova_insert(&map, m);
	for (uint32_t i = start; i <= last; i++)
		owner[i] = m;
}

static void take(struct sim_mapping *m)
{
	sim_iova_remove(&map, m);
	for (uint64_t i = m->start; i <= m->last; i++)
		owner[i] = NULL;
	free(m);
}

static void compare_queries(uint32_t *seed)
{
	uint32_t start = next_random(seed) % SPACE,
		 last = start + next_random(seed) % (SPACE - start);
	uint32_t length = 1 + next_random(seed) % 40, want_start = 0, want_last = 0;
	uint64_t got_start, got_last;
	bool want, got;

	assert_ptr_equal(sim_iova_first(&map, start, last), naive_first(start, last));
	want = naive_hole(start, last, length, &want_start, &want_last);
	got = sim_iova_hole(&map, start, last, length, &got_start, &got_last);
	assert_int_equal(got, want);
	if (want) {
		assert_int_equal(got_start, want_start);
		assert_int_equal(got_last, want_last);
	}
}

static void random_operations(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 8; seed++) {
		uint32_t random = seed, i;

		sim_iova_init(&map);
		for (int step = 0; step < STEPS; step++) {
			uint32_t start = next_random(&random) % SPACE;
			uint32_t last = start + next_random(&random) % 12;
			struct sim_mapping *m;

			if (last >= SPACE)
				last = SPACE - 1;
			m = naive_first(start, last);
			if (!m)
				add(start, last);
			else if (next_random(&random) % 2)
				take(m);
			tree_check();
			compare_queries(&random);
		}
		for (i = 0; i < SPACE; i++) {
			if (owner[i])
				take(owner[i]);
		}
		assert_null(sim_iova_first(&map, 0, UINT64_MAX));
	}
}

static void the_very_ends(void **state)
{
	struct sim_mapping low = {.start = 0, .last = 0},
			   high = {.start = UINT64_MAX, .last = UINT64_MAX};
	uint64_t start, last;

	(void)state;
	sim_iova_init(&map);
	assert_true(sim_iova_hole(&map, 0, UINT64_MAX, UINT64_MAX, &start, &last));
	assert_true(start == 0 && last == UINT64_MAX);
	sim_iova_insert(&map, &high);
	sim_iova_insert(&map, &low);
	assert_true(sim_iova_hole(&map, 0, UINT64_MAX, UINT64_MAX - 1, &start, &last));
	assert_true(start == 1 && last == UINT64_MAX - 1);
	assert_false(sim_iova_hole(&map, 0, UINT64_MAX, UINT64_MAX, &start, &last));
	assert_ptr_equal(sim_iova_first(&map, 1, UINT64_MAX), &high);
	assert_null(sim_iova_first(&map, 1, UINT64_MAX - 1));
	sim_iova_remove(&map, &low);
	assert_int_equal(high.gap, UINT64_MAX);
}

static void size_of_a_mapping(void **state)
{
	(void)state;
	assert_true(sizeof(struct sim_mapping) <= 88); /* what fits a 96-byte chunk of malloc */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations),
		cmocka_unit_test(the_very_ends),
		cmocka_unit_test(size_of_a_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
