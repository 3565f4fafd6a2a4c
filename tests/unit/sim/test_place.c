/* SPDX-License-Identifier: MIT */
/* Automatic placement against a search that tries every page. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <errno.h>
#include <cmocka.h>
#include "broker/sim/model.h"

#define PAGES 256u

static struct sim_ioas ioas;
static bool allowed[PAGES], any_allowed; /* what place.c was told */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void ioas_reset(void)
{
	struct sim_mapping *m;
	struct sim_reserved *reserved;

	while ((m = sim_iova_first(&ioas.map, 0, UINT64_MAX))) {
		sim_iova_remove(&ioas.map, m);
		free(m);
	}
	while ((reserved = TAILQ_FIRST(&ioas.reserved)))
		sim_place_unreserve(&ioas, reserved->owner);
	sim_allowed_clear(&ioas.allowed);
	memset(allowed, 0, sizeof(allowed));
	any_allowed = false;
}

static bool page_is_usable(uint64_t page)
{
	uint64_t at = page * SIM_PAGE_BYTES;
	const struct sim_reserved *reserved;

	TAILQ_FOREACH (reserved, &ioas.reserved, link) {
		if (reserved->start <= at && at <= reserved->last)
			return false;
	}
	return page >= 1 && !sim_iova_first(&ioas.map, at, at) && (!any_allowed || allowed[page]);
}

/* The lowest aligned place of usable pages; all are page-aligned here. UINT64_MAX: none. */
static uint64_t naive_place(uint64_t pages, uint64_t alignment_pages)
{
	for (uint64_t page = 0; page + pages <= PAGES; page += alignment_pages) {
		uint64_t n = 0;

		while (n < pages && page_is_usable(page + n))
			n++;
		if (n == pages)
			return page * SIM_PAGE_BYTES;
	}
	return UINT64_MAX;
}

static void fill_at_random(uint32_t *random)
{
	static const int reserved_owner[3];
	uint64_t at;

	for (at = 0; next_random(random) % 2 && at < PAGES; any_allowed = true) {
		uint64_t first = at + next_random(random) % 40,
			 end = first + 1 + next_random(random) % 60;

		if (end > PAGES)
			break;
		assert_int_equal(sim_allowed_add(&ioas.allowed, first * SIM_PAGE_BYTES,
					 end * SIM_PAGE_BYTES - 1),
			0);
		for (at = first; at < end; at++)
			allowed[at] = true;
	}
	for (int i = 0; i < 3; i++) {
		uint64_t start = next_random(random) % PAGES, count = 1 + next_random(random) % 20;

		(void)sim_place_reserve(&ioas, start * SIM_PAGE_BYTES,
			(start + count) * SIM_PAGE_BYTES - 1, &reserved_owner[i]);
	}
	/* Nothing behind what the reference looks at. */
	(void)sim_place_reserve(&ioas, PAGES * SIM_PAGE_BYTES, UINT64_MAX, &ioas);
}

static void random_places(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		uint32_t random = seed, placed = 0;

		ioas.alignment = SIM_PAGE_BYTES;
		fill_at_random(&random);
		for (int step = 0; step < 150; step++) {
			uint64_t pages = 1 + next_random(&random) % 9, alignment, want, got = 0;
			uint64_t address = (next_random(&random) % 64) * SIM_PAGE_BYTES;
			struct sim_mapping *m = sim_iova_first(&ioas.map,
				(next_random(&random) % PAGES) * SIM_PAGE_BYTES, UINT64_MAX);
			int r;

			if (m && next_random(&random) % 3 == 0) {
				sim_iova_remove(&ioas.map, m);
				free(m);
			}
			for (alignment = 1; alignment < pages; alignment *= 2)
				;
			while (address && alignment * SIM_PAGE_BYTES > (address & -address))
				alignment /= 2;
			want = naive_place(pages, alignment);
			r = sim_place_find(&ioas, address, pages * SIM_PAGE_BYTES, &got);
			assert_int_equal(r, want == UINT64_MAX ? -ENOSPC : 0);
			if (r < 0)
				continue;
			assert_int_equal(got, want);
			assert_int_equal(sim_place_check(&ioas, got, pages * SIM_PAGE_BYTES), 0);
			m = calloc(1, sizeof(*m));
			assert_non_null(m);
			m->start = got;
			m->last = got + pages * SIM_PAGE_BYTES - 1;
			sim_iova_insert(&ioas.map, m);
			placed++;
		}
		assert_true(placed > 0 || !RB_EMPTY(&ioas.allowed));
		ioas_reset();
	}
}

static void reserved_overlap(void **state)
{
	static const int a, b; /* owners are addresses */

	(void)state;
	assert_int_equal(sim_place_reserve(&ioas, 100, 200, &a), 0);
	assert_int_equal(sim_place_reserve(&ioas, 150, 300, &b), 0);
	assert_int_equal(sim_place_reserve(&ioas, 50, 400, &a), 0);
	assert_true(sim_place_is_reserved(&ioas, 400, 500));
	assert_false(sim_place_is_reserved(&ioas, 401, 500));
	assert_true(sim_place_is_reserved(&ioas, 0, 50));
	assert_false(sim_place_is_reserved(&ioas, 0, 49));
	sim_place_unreserve(&ioas, &a);
	assert_true(sim_place_is_reserved(&ioas, 300, 300));
	assert_false(sim_place_is_reserved(&ioas, 301, 301));
	assert_false(sim_place_is_reserved(&ioas, 0, 149));
	ioas_reset();
}

static int setup(void **state)
{
	(void)state;
	sim_iova_init(&ioas.map);
	TAILQ_INIT(&ioas.reserved);
	RB_INIT(&ioas.allowed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(random_places, setup),
		cmocka_unit_test_setup(reserved_overlap, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
