/* SPDX-License-Identifier: MIT */
/* What a hostile session can do with the two fds it is given, and what the supervisor does with
 * what it wrote. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/common/account_page.h"

static struct limits no_limits(void)
{
	struct limits limits;

	for (int i = 0; i < RESOURCE_END; i++)
		limits.max[i] = UINT64_MAX;
	return limits;
}

static int setup(void **state)
{
	static struct account_pages pages;
	struct limits limits = no_limits();

	assert_int_equal(account_pages_open(&limits, &limits, &pages), 0);
	*state = &pages;
	return 0;
}

static int teardown(void **state)
{
	account_pages_close(*state);
	return 0;
}

static int reopen(int fd, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static void the_limits_page_cannot_be_written_nor_mapped_for_writing(void **state)
{
	struct account_pages *pages = *state;
	void *page;
	int again;

	assert_int_equal(write(pages->limits_fd, "x", 1), -1);
	assert_ptr_equal(mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
				 pages->limits_fd, 0),
		MAP_FAILED);
	page = mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ, MAP_SHARED, pages->limits_fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE), -1);
	munmap(page, ACCOUNT_PAGE_BYTES);

	/* The file's mode would let it be opened for writing; the seal does not let it be written.
	 */
	again = reopen(pages->limits_fd, O_RDWR);
	if (again < 0)
		return;
	assert_int_equal(pwrite(again, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(
		mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0),
		MAP_FAILED);
	assert_int_equal(
		fallocate(again, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, ACCOUNT_PAGE_BYTES),
		-1);
	assert_int_equal(ftruncate(again, 0), -1);
	page = mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ, MAP_SHARED, again, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE), -1);
	munmap(page, ACCOUNT_PAGE_BYTES);
	close(again);
}

static void neither_page_changes_size_nor_seals(void **state)
{
	struct account_pages *pages = *state;
	int limits = reopen(pages->limits_fd, O_RDWR);
	int fds[] = {pages->account_fd, limits};

	assert_true(limits >= 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fds[i], 0), -1);
		assert_int_equal(ftruncate(fds[i], (off_t)ACCOUNT_PAGE_BYTES * 2), -1);
		assert_int_equal(fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE), -1);
		assert_int_equal(errno, EPERM);
	}
	close(limits);
}

static void the_supervisor_still_writes_what_sessions_read(void **state)
{
	struct account_pages *pages = *state;
	struct account account;

	assert_int_equal(account_attach(pages->account_fd, pages->limits_fd, 3, &account), 0);
	account_lent_set(pages, 4096);
	assert_int_equal(account_limit(&account, SCOPE_HOST, RESOURCE_LOCKED_BYTES), 4096);
	account_detach(&account);
	account_detach(&account);
}

/* The supervisor's three functions over a page of noise, with guard bytes after what it may touch.
 */
static void noise_in_the_account_page_moves_the_supervisor_nowhere(void **state)
{
	struct account_pages *pages = *state;
	uint8_t before[ACCOUNT_PAGE_BYTES];
	uint8_t *page = (uint8_t *)pages->account;
	const size_t slots = offsetof(struct account_page, slots);

	srand(20250101);
	for (unsigned int round = 0; round < 200; round++) {
		unsigned int slot = round % (ACCOUNT_SLOTS + 2);
		uint64_t generation = pages->limits->generation;

		for (size_t i = 0; i < ACCOUNT_PAGE_BYTES; i++)
			page[i] = (uint8_t)rand();
		memcpy(before, page, sizeof(before));
		for (unsigned int resource = 0; resource < RESOURCE_END + 2; resource++)
			(void)account_slot_used(pages, slot, (enum resource)resource);
		account_slot_clear(pages, slot);
		if (slot < ACCOUNT_SLOTS) {
			memset(before + slots + slot * sizeof(struct account_slot), 0,
				sizeof(struct account_slot));
			generation++;
		}
		assert_memory_equal(page, before, sizeof(before));
		assert_int_equal(pages->limits->generation, generation);
	}
}

static void a_page_of_another_version_is_not_attached(void **state)
{
	struct account_pages *pages = *state;
	struct account account;

	pages->limits->version++;
	assert_int_equal(account_attach(pages->account_fd, pages->limits_fd, 0, &account), -EPROTO);
	assert_int_equal(account_attach(-1, pages->limits_fd, 0, &account), -EBADF);
}

static void a_sibling_that_fills_the_sums_gets_refusals_not_wraps(void **state)
{
	struct account_pages *pages = *state;
	struct account_denial denial;
	struct account account;
	struct charge charge;

	assert_int_equal(account_attach(pages->account_fd, pages->limits_fd, 0, &account), 0);
	pages->account->slots[1].used[RESOURCE_IOAS] = UINT64_MAX;
	pages->account->slots[2].used[RESOURCE_IOAS] = UINT64_MAX;
	pages->account->stale = 1;
	assert_int_equal(account_used(&account, SCOPE_TENANT, RESOURCE_IOAS), UINT64_MAX);
	assert_int_equal(account_charge(&account, RESOURCE_IOAS, 1, &charge, &denial), -EDQUOT);
	account_detach(&account);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_limits_page_cannot_be_written_nor_mapped_for_writing),
		TEST(neither_page_changes_size_nor_seals),
		TEST(the_supervisor_still_writes_what_sessions_read),
		TEST(noise_in_the_account_page_moves_the_supervisor_nowhere),
		TEST(a_page_of_another_version_is_not_attached),
		TEST(a_sibling_that_fills_the_sums_gets_refusals_not_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
