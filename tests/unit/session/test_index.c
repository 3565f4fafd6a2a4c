/* SPDX-License-Identifier: MIT */
/* The IOVA index against a reference that is too simple to be wrong: one flag per page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "broker/session/iova_index.h"

#define PAGES 256
#define STEPS 200000

static uint32_t seed = 1;

static uint32_t pick(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* owner[i]: the mapping that has page i. */
static struct mapping *owner[PAGES];

static void check_questions(struct iova_index *index, uint64_t start, uint64_t last)
{
	struct mapping *reaching = NULL, *cut = NULL;
	uint64_t expected = 0, count = 0;
	bool covered = true;

	for (uint64_t i = start; i < PAGES && !reaching; i++)
		reaching = owner[i];
	assert_ptr_equal(iova_index_reaching(index, start), reaching);
	for (uint64_t i = start; i <= last; i++) {
		covered = covered && owner[i];
		if (owner[i] && (i == start || owner[i] != owner[i - 1]))
			expected++;
	}
	assert_int_equal(iova_index_covers(index, start, last, &count), covered);
	if (covered)
		assert_int_equal(count, expected);
	if (owner[start] && owner[start]->start < start)
		cut = owner[start];
	else if (owner[last] && owner[last]->last > last)
		cut = owner[last];
	assert_ptr_equal(iova_index_cut_by(index, start, last), cut);
}

static void test_against_reference(void **state)
{
	struct iova_index index = RB_INITIALIZER(&index);

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		uint64_t start = pick(PAGES), last = start + pick(8);
		bool is_free = true;

		if (last >= PAGES)
			last = PAGES - 1;
		check_questions(&index, start, last);
		for (uint64_t i = start; i <= last; i++)
			is_free = is_free && !owner[i];
		if (pick(2)) {
			struct mapping *mapping = calloc(1, sizeof(*mapping));

			mapping->start = start;
			mapping->last = last;
			assert_int_equal(iova_index_insert(&index, mapping), is_free);
			for (uint64_t i = start; is_free && i <= last; i++)
				owner[i] = mapping;
			if (!is_free)
				free(mapping);
		} else if (owner[start]) {
			struct mapping *mapping = owner[start];

			iova_index_remove(&index, mapping);
			for (uint64_t i = mapping->start, end = mapping->last; i <= end; i++)
				owner[i] = NULL;
			free(mapping);
		}
	}
	for (struct mapping *mapping; (mapping = iova_index_reaching(&index, 0));) {
		iova_index_remove(&index, mapping);
		free(mapping);
	}
}

static void test_ends_of_the_space(void **state)
{
	struct iova_index index = RB_INITIALIZER(&index);
	struct mapping low = {.start = 0, .last = 4095};
	struct mapping high = {.start = UINT64_MAX - 4095, .last = UINT64_MAX};
	uint64_t count;

	(void)state;
	assert_true(iova_index_insert(&index, &high));
	assert_true(iova_index_insert(&index, &low));
	assert_ptr_equal(iova_index_reaching(&index, 0), &low);
	assert_ptr_equal(iova_index_reaching(&index, 4095), &low);
	assert_ptr_equal(iova_index_reaching(&index, 4096), &high);
	assert_ptr_equal(iova_index_reaching(&index, UINT64_MAX), &high);
	assert_ptr_equal(iova_index_next(&low), &high);
	assert_null(iova_index_next(&high));
	assert_true(iova_index_covers(&index, UINT64_MAX - 4095, UINT64_MAX, &count));
	assert_false(iova_index_covers(&index, 0, UINT64_MAX, &count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_ends_of_the_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
