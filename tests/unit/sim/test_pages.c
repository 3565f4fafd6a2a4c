/* SPDX-License-Identifier: MIT */
/* What is pinned, against a count for each page; and what a file's mapping does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "broker/sim/model.h"

#define PAGES 64u

static struct iommufd_sim sim;
static struct sim_context context;

static int setup(void **state)
{
	(void)state;
	memset(&sim, 0, sizeof(sim));
	memset(&context, 0, sizeof(context));
	sim.pinned_pages_max = UINT64_MAX;
	context.sim = &sim;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(context.pinned_pages, 0);
	assert_int_equal(sim.pinned_pages, 0);
	assert_int_equal(context.file_count, 0);
	return 0;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static int memfd(uint64_t bytes)
{
	int fd = memfd_create("test-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static struct sim_pages *pages_of(int fd, uint64_t start, uint64_t bytes)
{
	struct sim_pages *pages;
	struct sim_file *file;

	assert_int_equal(sim_file_get(&context, fd, &file), 0);
	assert_int_equal(sim_pages_new(&context, file, start, bytes, true, &pages), 0);
	return pages;
}

static void random_pins(void **state)
{
	struct {
		uint64_t first, count;
	} held[200];
	int fd = memfd(PAGES * SIM_PAGE_BYTES);

	(void)state;
	for (uint32_t seed = 1; seed <= 30; seed++) {
		struct sim_pages *pages = pages_of(fd, 0, PAGES * SIM_PAGE_BYTES);
		uint32_t users[PAGES] = {0}, random = seed, n = 0;

		sim.pinned_pages_max = seed % 3 ? UINT64_MAX : PAGES / 2;
		for (int step = 0; step < 600; step++) {
			uint64_t first = next_random(&random) % PAGES;
			uint64_t count = 1 + next_random(&random) % (PAGES - first);
			uint64_t pinned = 0, fresh = 0;

			if (next_random(&random) % 8 == 0) {
				first = 0;
				count = PAGES;
			}
			if (n < 200 && next_random(&random) % 2) {
				int r = sim_pages_pin(&context, pages, first * SIM_PAGE_BYTES + 7,
					count * SIM_PAGE_BYTES - 7);

				for (uint64_t i = first; i < first + count; i++)
					fresh += users[i] == 0;
				assert_int_equal(r, context.pinned_pages + (r ? fresh : 0) >
								    sim.pinned_pages_max
							    ? -ENOMEM
							    : 0);
				for (uint64_t i = first; r == 0 && i < first + count; i++)
					users[i]++;
				if (r == 0) {
					held[n].first = first;
					held[n++].count = count;
				}
			} else if (n > 0) {
				uint32_t pick = next_random(&random) % n;

				sim_pages_unpin(&context, pages, held[pick].first * SIM_PAGE_BYTES,
					held[pick].count * SIM_PAGE_BYTES);
				for (uint64_t i = 0; i < held[pick].count; i++)
					users[held[pick].first + i]--;
				held[pick] = held[--n];
			}
			for (uint32_t i = 0; i < PAGES; i++)
				pinned += users[i] > 0;
			assert_int_equal(context.pinned_pages, pinned);
		}
		while (n-- > 0)
			sim_pages_unpin(&context, pages, held[n].first * SIM_PAGE_BYTES,
				held[n].count * SIM_PAGE_BYTES);
		assert_int_equal(pages->partly, 0);
		sim_pages_put(&context, pages);
	}
	(void)close(fd);
}

static void one_mapping_of_a_file(void **state)
{
	int fd = memfd(2 * SIM_PAGE_BYTES), other = memfd(SIM_PAGE_BYTES);
	struct sim_pages *a = pages_of(fd, 0, SIM_PAGE_BYTES),
			 *b = pages_of(fd, SIM_PAGE_BYTES, SIM_PAGE_BYTES);
	struct sim_pages *c = pages_of(other, 0, SIM_PAGE_BYTES);

	(void)state;
	assert_ptr_equal(a->file, b->file);
	assert_ptr_not_equal(a->file, c->file);
	assert_int_equal(context.file_count, 2);
	sim_pages_put(&context, a);
	assert_int_equal(context.file_count, 2);
	sim_pages_put(&context, b);
	assert_int_equal(context.file_count, 1);
	sim_pages_put(&context, c);
	(void)close(fd);
	(void)close(other);
}

static void a_file_that_grew(void **state)
{
	int fd = memfd(SIM_PAGE_BYTES);
	struct sim_pages *a = pages_of(fd, 0, SIM_PAGE_BYTES), *b;
	uintptr_t address;

	(void)state;
	assert_true(sim_pages_address(a, 0, &address));
	memset((void *)address, 0x77, SIM_PAGE_BYTES);
	assert_int_equal(ftruncate(fd, (off_t)(64 * SIM_PAGE_BYTES)), 0);
	b = pages_of(fd, 63 * SIM_PAGE_BYTES, SIM_PAGE_BYTES);
	assert_ptr_equal(a->file, b->file);
	assert_int_equal(sim_pages_pin(&context, b, 0, SIM_PAGE_BYTES), 0);
	assert_true(sim_pages_address(b, 0, &address));
	assert_true(sim_pages_address(a, 9, &address)); /* moved, and still the same memory */
	assert_int_equal(*(uint8_t *)address, 0x77);
	sim_pages_unpin(&context, b, 0, SIM_PAGE_BYTES);
	sim_pages_put(&context, a);
	sim_pages_put(&context, b);
	(void)close(fd);
}

static void a_file_that_shrank(void **state)
{
	int fd = memfd(4 * SIM_PAGE_BYTES);
	struct sim_pages *a = pages_of(fd, 0, 4 * SIM_PAGE_BYTES);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(3 * SIM_PAGE_BYTES)), 0);
	assert_int_equal(sim_pages_pin(&context, a, 0, 4 * SIM_PAGE_BYTES), -EINVAL);
	assert_int_equal(sim_pages_pin(&context, a, 0, 3 * SIM_PAGE_BYTES), 0);
	sim_pages_unpin(&context, a, 0, 3 * SIM_PAGE_BYTES);
	sim_pages_put(&context, a);
	(void)close(fd);
}

static void an_empty_file_is_nobodys(void **state)
{
	int fd = memfd(0);
	struct sim_pages *a = pages_of(fd, 0, SIM_PAGE_BYTES), *b;
	uintptr_t address;

	(void)state;
	assert_false(sim_pages_address(a, 0, &address));
	assert_int_equal(sim_pages_pin(&context, a, 0, SIM_PAGE_BYTES), -EINVAL);
	assert_int_equal(ftruncate(fd, (off_t)SIM_PAGE_BYTES), 0);
	b = pages_of(fd, 0, SIM_PAGE_BYTES);
	assert_ptr_not_equal(a->file, b->file);
	assert_true(sim_pages_address(b, 0, &address));
	sim_pages_put(&context, a);
	sim_pages_put(&context, b);
	(void)close(fd);
}

static void read_only_then_writable(void **state)
{
	char path[64];
	int fd = memfd(SIM_PAGE_BYTES), ro;
	struct sim_pages *a, *b;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	a = pages_of(ro, 0, SIM_PAGE_BYTES);
	assert_false(a->file->writable);
	b = pages_of(fd, 0, SIM_PAGE_BYTES);
	assert_ptr_equal(a->file, b->file);
	assert_true(a->file->writable);
	sim_pages_put(&context, a);
	/* An fd that allows less takes nothing away, and lets the mapping grow. */
	assert_int_equal(ftruncate(fd, (off_t)(9 * SIM_PAGE_BYTES)), 0);
	a = pages_of(ro, 8 * SIM_PAGE_BYTES, SIM_PAGE_BYTES);
	assert_ptr_equal(a->file, b->file);
	assert_true(a->file->writable);
	assert_int_equal(sim_pages_pin(&context, a, 0, SIM_PAGE_BYTES), 0);
	sim_pages_unpin(&context, a, 0, SIM_PAGE_BYTES);
	sim_pages_put(&context, a);
	sim_pages_put(&context, b);
	(void)close(ro);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_pins, setup, teardown),
		cmocka_unit_test_setup_teardown(one_mapping_of_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_grew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_shrank, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_file_is_nobodys, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only_then_writable, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
