/* SPDX-License-Identifier: MIT */
/* The ledger: every limit in pairs (at it yes, one past it no), and exact totals whatever dies or
 * races. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/account_page.h"

#define SESSION_MAX 100u
#define TENANT_MAX 150u
#define LENT_BYTES 120u

struct ledger {
	struct account_pages pages;
	struct account a, b; /* two sessions of one tenant */
};

static int setup(void **state)
{
	static struct ledger ledger;
	struct limits session, tenant;

	for (int i = 0; i < RESOURCE_END; i++) {
		session.max[i] = SESSION_MAX;
		tenant.max[i] = TENANT_MAX;
	}
	assert_int_equal(account_pages_open(&session, &tenant, &ledger.pages), 0);
	account_lent_set(&ledger.pages, LENT_BYTES);
	assert_int_equal(
		account_attach(ledger.pages.account_fd, ledger.pages.limits_fd, 0, &ledger.a), 0);
	assert_int_equal(account_attach(ledger.pages.account_fd, ledger.pages.limits_fd,
				 ACCOUNT_SLOTS - 1, &ledger.b),
		0);
	*state = &ledger;
	return 0;
}

static int teardown(void **state)
{
	struct ledger *ledger = *state;

	account_detach(&ledger->a);
	account_detach(&ledger->b);
	account_pages_close(&ledger->pages);
	return 0;
}

static uint64_t total_cached(const struct ledger *ledger, enum resource resource)
{
	return ledger->pages.account->total.used[resource];
}

static void session_limit_pair(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge full, more;

	for (int r = RESOURCE_LOCKED_BYTES; r < RESOURCE_END; r++) {
		enum resource resource = (enum resource)r;

		assert_int_equal(
			account_charge(&ledger->a, resource, SESSION_MAX + 1, &more, &denial),
			-EDQUOT);
		assert_int_equal(
			account_charge(&ledger->a, resource, SESSION_MAX, &full, &denial), 0);
		assert_int_equal(account_charge(&ledger->a, resource, 1, &more, &denial), -EDQUOT);
		assert_int_equal(denial.scope, SCOPE_SESSION);
		assert_int_equal(denial.resource, resource);
		assert_int_equal(denial.limit, SESSION_MAX);
		assert_int_equal(denial.used, SESSION_MAX);
		assert_int_equal(denial.asked, 1);
		assert_int_equal(more.amount, 0);
		account_release(&ledger->a, &full);
		assert_int_equal(full.amount, 0);
		assert_int_equal(total_cached(ledger, resource), 0);
	}
}

static void tenant_limit_pair(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge a, b, more;

	account_lent_set(&ledger->pages, UINT64_MAX);
	for (int r = RESOURCE_LOCKED_BYTES; r < RESOURCE_END; r++) {
		enum resource resource = (enum resource)r;
		const uint64_t rest = TENANT_MAX - SESSION_MAX;

		assert_int_equal(account_charge(&ledger->a, resource, SESSION_MAX, &a, &denial), 0);
		assert_int_equal(
			account_charge(&ledger->b, resource, rest + 1, &b, &denial), -EDQUOT);
		assert_int_equal(denial.scope, SCOPE_TENANT);
		assert_int_equal(denial.limit, TENANT_MAX);
		assert_int_equal(denial.used, SESSION_MAX);
		assert_int_equal(denial.asked, rest + 1);
		assert_int_equal(account_charge(&ledger->b, resource, rest, &b, &denial), 0);
		assert_int_equal(account_charge(&ledger->b, resource, 1, &more, &denial), -EDQUOT);
		assert_int_equal(account_used(&ledger->a, SCOPE_TENANT, resource), TENANT_MAX);
		account_release(&ledger->a, &a);
		account_release(&ledger->b, &b);
		assert_int_equal(account_used(&ledger->a, SCOPE_TENANT, resource), 0);
	}
}

static void lent_pair_is_for_memory_only(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge a, b, c;

	assert_int_equal(account_charge(&ledger->a, RESOURCE_LOCKED_BYTES, 100, &a, &denial), 0);
	assert_int_equal(
		account_charge(&ledger->b, RESOURCE_LOCKED_BYTES, 21, &b, &denial), -ENOBUFS);
	assert_int_equal(denial.scope, SCOPE_HOST);
	assert_int_equal(denial.limit, LENT_BYTES);
	assert_int_equal(denial.used, 100);
	assert_int_equal(account_charge(&ledger->b, RESOURCE_LOCKED_BYTES, 20, &b, &denial), 0);
	assert_int_equal(
		account_charge(&ledger->b, RESOURCE_LOCKED_BYTES, 1, &c, &denial), -ENOBUFS);
	account_lent_set(&ledger->pages, LENT_BYTES + 1);
	assert_int_equal(account_charge(&ledger->b, RESOURCE_LOCKED_BYTES, 1, &c, &denial), 0);

	assert_int_equal(account_charge(&ledger->a, RESOURCE_OBJECTS, 100, &a, &denial), 0);
	assert_int_equal(account_charge(&ledger->b, RESOURCE_OBJECTS, 50, &b, &denial), 0);
	assert_int_equal(account_limit(&ledger->a, SCOPE_HOST, RESOURCE_OBJECTS), UINT64_MAX);
}

static void amounts_that_overflow_are_refused(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge one, huge;

	for (int i = 0; i < RESOURCE_END; i++) {
		ledger->pages.limits->session.max[i] = UINT64_MAX;
		ledger->pages.limits->tenant.max[i] = UINT64_MAX;
	}
	assert_int_equal(account_charge(&ledger->a, RESOURCE_MAPPINGS, 1, &one, &denial), 0);
	assert_int_equal(
		account_charge(&ledger->b, RESOURCE_MAPPINGS, UINT64_MAX, &huge, &denial), -EDQUOT);
	assert_int_equal(denial.scope, SCOPE_TENANT);
	assert_int_equal(
		account_charge(&ledger->b, RESOURCE_MAPPINGS, UINT64_MAX - 1, &huge, &denial), 0);
	account_release(&ledger->b, &huge);
	assert_int_equal(account_used(&ledger->a, SCOPE_TENANT, RESOURCE_MAPPINGS), 1);
}

static void nothing_and_no_resource(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge charge = {.resource = RESOURCE_IOAS, .amount = 7};

	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 0, &charge, &denial), 0);
	assert_int_equal(charge.amount, 0);
	account_release(&ledger->a, &charge);
	assert_int_equal(
		account_charge(&ledger->a, (enum resource)0, 1, &charge, &denial), -EINVAL);
	assert_int_equal(account_charge(&ledger->a, RESOURCE_END, 1, &charge, &denial), -EINVAL);
	assert_int_equal(
		account_charge(&ledger->a, (enum resource) - 1, 1, &charge, &denial), -EINVAL);
	assert_int_equal(account_used(&ledger->a, SCOPE_TENANT, RESOURCE_END), 0);
	assert_int_equal(account_limit(&ledger->a, SCOPE_TENANT, RESOURCE_END), 0);
}

static void slots_beyond_the_page_are_refused(void **state)
{
	struct ledger *ledger = *state;
	struct account account;

	assert_int_equal(account_attach(ledger->pages.account_fd, ledger->pages.limits_fd,
				 ACCOUNT_SLOTS, &account),
		-EINVAL);
}

/* A child that dies with the lock held, its slot written and the total not: the worst moment. */
static void a_session_killed_with_the_lock_leaves_the_truth(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge charge;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (pthread_mutex_lock(&ledger->b.page->lock))
			_exit(1);
		ledger->b.page->slots[ledger->b.slot].used[RESOURCE_IOAS] = 30;
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));

	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 100, &charge, &denial), 0);
	assert_int_equal(total_cached(ledger, RESOURCE_IOAS), 130);
	/* The lock is whole again: the next one gets it without ado. */
	assert_int_equal(account_charge(&ledger->b, RESOURCE_IOAS, 21, &charge, &denial), -EDQUOT);
	assert_int_equal(denial.used, 130);
}

static void a_release_while_the_owner_died_is_exact_too(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge charge;
	int status;
	pid_t child;

	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 10, &charge, &denial), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (pthread_mutex_lock(&ledger->b.page->lock))
			_exit(1);
		ledger->b.page->total.used[RESOURCE_IOAS] = 77; /* a half-done charge */
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	account_release(&ledger->a, &charge);
	assert_int_equal(total_cached(ledger, RESOURCE_IOAS), 0);
}

static void a_held_lock_is_eagain_for_charges_and_no_wait_for_releases(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge held, charge;
	int ready[2], done[2], status;
	char byte;
	pid_t child;

	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 10, &held, &denial), 0);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(done[1]);
		if (pthread_mutex_lock(&ledger->b.page->lock) || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(done[0], &byte, 1); /* until the parent closes its end */
		pthread_mutex_unlock(&ledger->b.page->lock);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 1, &charge, &denial), -EAGAIN);
	assert_int_equal(charge.amount, 0);
	account_release(&ledger->a, &held);
	assert_int_equal(account_used(&ledger->a, SCOPE_SESSION, RESOURCE_IOAS), 0);
	assert_int_equal(total_cached(ledger, RESOURCE_IOAS), 10); /* stale, and marked so */
	close(done[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 1, &charge, &denial), 0);
	assert_int_equal(total_cached(ledger, RESOURCE_IOAS), 1);
	close(ready[0]);
	close(ready[1]);
	close(done[0]);
}

static void clearing_a_slot_frees_it_for_the_others(void **state)
{
	struct ledger *ledger = *state;
	struct account_denial denial;
	struct charge a, b, more;

	assert_int_equal(account_charge(&ledger->a, RESOURCE_IOAS, 90, &a, &denial), 0);
	assert_int_equal(account_charge(&ledger->b, RESOURCE_IOAS, 60, &b, &denial), 0);
	assert_int_equal(account_charge(&ledger->b, RESOURCE_IOAS, 1, &more, &denial), -EDQUOT);
	assert_int_equal(account_slot_used(&ledger->pages, 0, RESOURCE_IOAS), 90);
	account_slot_clear(&ledger->pages, 0);
	assert_int_equal(account_slot_used(&ledger->pages, 0, RESOURCE_IOAS), 0);
	assert_int_equal(account_charge(&ledger->b, RESOURCE_IOAS, 40, &more, &denial), 0);
	assert_int_equal(total_cached(ledger, RESOURCE_IOAS), 100);
}

/* Two processes, thousands of charges and releases, one supervisor that clears a third slot
 * meanwhile. */
static void concurrent_sessions_end_with_exact_totals(void **state)
{
	enum { ROUNDS = 20000 };
	struct ledger *ledger = *state;
	struct account *accounts[2] = {&ledger->a, &ledger->b};
	struct account_denial denial;
	struct charge charge;
	pid_t children[2];

	for (int c = 0; c < 2; c++) {
		children[c] = fork();
		assert_true(children[c] >= 0);
		if (children[c] > 0)
			continue;
		for (int i = 0; i < ROUNDS; i++) {
			if (account_charge(accounts[c], RESOURCE_MAPPINGS, 3, &charge, &denial))
				_exit(1);
			account_release(accounts[c], &charge);
		}
		_exit(account_charge(
			      accounts[c], RESOURCE_MAPPINGS, 5 + (unsigned int)c, &charge, &denial)
				? 1
				: 0);
	}
	for (int i = 0; i < ROUNDS; i++)
		account_slot_clear(&ledger->pages, 7);
	for (int c = 0; c < 2; c++) {
		int status;

		assert_int_equal(waitpid(children[c], &status, 0), children[c]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(account_charge(&ledger->a, RESOURCE_MAPPINGS, 1, &charge, &denial), 0);
	assert_int_equal(total_cached(ledger, RESOURCE_MAPPINGS), 12);
	assert_int_equal(account_used(&ledger->a, SCOPE_TENANT, RESOURCE_MAPPINGS), 12);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(session_limit_pair),
		TEST(tenant_limit_pair),
		TEST(lent_pair_is_for_memory_only),
		TEST(amounts_that_overflow_are_refused),
		TEST(nothing_and_no_resource),
		TEST(slots_beyond_the_page_are_refused),
		TEST(a_session_killed_with_the_lock_leaves_the_truth),
		TEST(a_release_while_the_owner_died_is_exact_too),
		TEST(a_held_lock_is_eagain_for_charges_and_no_wait_for_releases),
		TEST(clearing_a_slot_frees_it_for_the_others),
		TEST(concurrent_sessions_end_with_exact_totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
