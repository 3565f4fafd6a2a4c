/* SPDX-License-Identifier: MIT */
/*
 * The states of a device, exhaustively: from every state, with every event, from every party. What must follow is
 * written down here once more, as a table, and compared with what the code does; then every reachable state is checked for
 * what must never be.
 */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <string.h>

#include "broker/supervisor/lease.h"

enum event { OPEN, CUT, NOT_HELD, STILL_HELD, RESET, NO_GOOD, NO_RESET, EVENTS };

/* Only their addresses matter. */
static const struct tenant *const alpha = (const struct tenant *)0x1000;
static const struct tenant *const beta = (const struct tenant *)0x2000;

/* What the owner (session 1 of alpha, reset required) does; 0: -EINVAL and nothing changes. OPEN never changes but FREE. */
static const enum device_state expected[DEVICE_STATE_QUARANTINED + 1][EVENTS] = {
	[DEVICE_STATE_FREE] = {[OPEN] = DEVICE_STATE_GRANTED},
	[DEVICE_STATE_GRANTED] = {[CUT] = DEVICE_STATE_CUT},
	[DEVICE_STATE_CUT] =
		{[NOT_HELD] = DEVICE_STATE_RESETTING, [STILL_HELD] = DEVICE_STATE_HELD},
	[DEVICE_STATE_HELD] =
		{[NOT_HELD] = DEVICE_STATE_RESETTING, [STILL_HELD] = DEVICE_STATE_HELD},
	[DEVICE_STATE_RESETTING] = {[RESET] = DEVICE_STATE_FREE,
		[NO_GOOD] = DEVICE_STATE_QUARANTINED,
		[NO_RESET] = DEVICE_STATE_QUARANTINED},
};

static int happen(struct lease *lease, enum event event, uint64_t session,
	const struct tenant *tenant, enum policy_reset reset)
{
	switch (event) {
	case OPEN:
		return lease_open(lease, session, tenant, reset, false) == LEASE_GRANTED ? 0
											 : -EINVAL;
	case CUT:
		return lease_cut(lease, session);
	case NOT_HELD:
		return lease_probed(lease, false);
	case STILL_HELD:
		return lease_probed(lease, true);
	case RESET:
		return lease_reset_done(lease, RESET_OK);
	case NO_GOOD:
		return lease_reset_done(lease, RESET_FAILED);
	case NO_RESET:
		return lease_reset_done(lease, RESET_IMPOSSIBLE);
	case EVENTS:
		break;
	}
	return -ENOSYS;
}

static struct lease lease_in(enum device_state state)
{
	return (struct lease){.state = state,
		.session = state == DEVICE_STATE_GRANTED ? 1 : 0,
		.tenant = state == DEVICE_STATE_FREE ? NULL : alpha,
		.reset = POLICY_RESET_REQUIRED};
}

static void every_event_in_every_state(void **state)
{
	(void)state;
	for (int from = DEVICE_STATE_FREE; from <= DEVICE_STATE_QUARANTINED; from++)
		for (int event = 0; event < EVENTS; event++) {
			struct lease before = lease_in((enum device_state)from), lease = before;
			enum device_state to = expected[from][event];
			int result =
				happen(&lease, (enum event)event, 1, alpha, POLICY_RESET_REQUIRED);

			assert_int_equal(result, to ? 0 : -EINVAL);
			if (to)
				assert_int_equal(lease.state, to);
			else
				assert_memory_equal(&lease, &before, sizeof(lease));
		}
}

/* All that can follow from a fresh lease in a number of steps, by two sessions of alpha and one of beta, under each policy
 * on resets. */
static void walk(struct lease lease, unsigned int depth, unsigned int *visited)
{
	static const struct {
		uint64_t session;
		const struct tenant *const *tenant;
	} parties[] = {{1, &alpha}, {2, &alpha}, {3, &beta}};

	(*visited)++;
	assert_int_equal(lease.state == DEVICE_STATE_GRANTED, lease.session != 0);
	if (depth == 0)
		return;
	for (int event = 0; event < EVENTS; event++)
		for (size_t p = 0; p < 3; p++)
			for (int reset = POLICY_RESET_REQUIRED; reset <= POLICY_RESET_UNSAFE;
				reset++) {
				struct lease next = lease;
				const struct tenant *tenant = *parties[p].tenant;

				if (happen(&next, (enum event)event, parties[p].session, tenant,
					    (enum policy_reset)reset)) {
					assert_memory_equal(&next, &lease, sizeof(lease));
					continue;
				}
				/* Who asks for a reset gets no device that has none. */
				if (event == OPEN && reset == POLICY_RESET_REQUIRED)
					assert_false(lease.unresettable);
				/* Only its own session cuts a device. */
				if (event == CUT)
					assert_int_equal(lease.session, parties[p].session);
				/* From one tenant to another only over a reset, or `unsafe`. */
				if (event == OPEN && lease.tenant && lease.tenant != tenant) {
					assert_int_equal(lease.reset, POLICY_RESET_UNSAFE);
					assert_int_not_equal(reset, POLICY_RESET_REQUIRED);
				}
				walk(next, depth - 1, visited);
				if (event != OPEN)
					break; /* the reset mode is part of an open only */
			}
}

static void nothing_reachable_breaks_the_rules(void **state)
{
	unsigned int visited = 0;
	struct lease lease;

	(void)state;
	lease_init(&lease);
	assert_int_equal(lease.state, DEVICE_STATE_RESETTING);
	walk(lease, 8, &visited);
	assert_true(visited > 1000);
}

static void refusals_tell_the_asker_what_concerns_him(void **state)
{
	struct lease lease = lease_in(DEVICE_STATE_GRANTED);

	(void)state;
	assert_int_equal(
		lease_open(&lease, 1, alpha, POLICY_RESET_REQUIRED, false), LEASE_BUSY_YOURS);
	assert_int_equal(
		lease_open(&lease, 2, alpha, POLICY_RESET_REQUIRED, false), LEASE_BUSY_SIBLING);
	assert_int_equal(
		lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_BUSY_OTHER);
	lease = lease_in(DEVICE_STATE_CUT);
	assert_int_equal(lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_WAIT);
	lease = lease_in(DEVICE_STATE_RESETTING);
	assert_int_equal(lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_WAIT);
	lease = lease_in(DEVICE_STATE_HELD);
	assert_int_equal(lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_HELD);
	lease = lease_in(DEVICE_STATE_QUARANTINED);
	assert_int_equal(
		lease_open(&lease, 1, alpha, POLICY_RESET_REQUIRED, false), LEASE_QUARANTINED);
	for (int answer = 0; answer < LEASE_ANSWERS; answer++)
		assert_int_equal(lease_answer_text((enum lease_answer)answer) == NULL,
			answer == LEASE_GRANTED || answer == LEASE_WAIT);
}

static void without_a_reset_only_the_same_tenant_gets_it_again(void **state)
{
	struct lease lease = {.state = DEVICE_STATE_FREE};

	(void)state;
	assert_int_equal(lease_open(&lease, 1, alpha, POLICY_RESET_NONE, false), LEASE_GRANTED);
	assert_int_equal(lease_cut(&lease, 1), 0);
	assert_int_equal(lease_probed(&lease, false), 0);
	assert_int_equal(lease.state, DEVICE_STATE_FREE);
	assert_int_equal(
		lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_NOT_RESET);
	assert_int_equal(lease_open(&lease, 2, alpha, POLICY_RESET_UNSAFE, false), LEASE_GRANTED);
	assert_int_equal(lease_cut(&lease, 2), 0);
	assert_int_equal(lease_probed(&lease, true), 0);
	assert_int_equal(lease_probed(&lease, false), 0);
	/* Its former tenant did without a reset; the next one does not. */
	assert_int_equal(
		lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_NOT_RESET);
	assert_int_equal(lease_open(&lease, 3, beta, POLICY_RESET_UNSAFE, false), LEASE_GRANTED);
}

/* Found at the start by trying: then only entries that do not ask for a reset get it, and one that does not never meets
 * quarantine for the lack of one. */
static void a_device_without_a_reset_is_lent_to_those_who_ask_for_none(void **state)
{
	struct lease lease;

	(void)state;
	lease_init_unknown(&lease);
	assert_int_equal(lease.state, DEVICE_STATE_CUT);
	assert_int_equal(lease_probed(&lease, true), 0);
	assert_int_equal(lease_open(&lease, 1, alpha, POLICY_RESET_UNSAFE, false), LEASE_HELD);
	assert_int_equal(lease_probed(&lease, false), 0);
	assert_int_equal(lease_reset_done(&lease, RESET_IMPOSSIBLE), 0);
	assert_int_equal(lease.state, DEVICE_STATE_FREE);
	assert_int_equal(
		lease_open(&lease, 1, alpha, POLICY_RESET_REQUIRED, false), LEASE_UNRESETTABLE);
	assert_int_equal(lease_open(&lease, 1, alpha, POLICY_RESET_NONE, false), LEASE_GRANTED);
	assert_int_equal(lease_cut(&lease, 1), 0);
	assert_int_equal(lease_probed(&lease, false), 0);
	assert_int_equal(lease.state, DEVICE_STATE_FREE);
	assert_int_equal(lease_open(&lease, 3, beta, POLICY_RESET_NONE, false), LEASE_NOT_RESET);
	assert_int_equal(
		lease_open(&lease, 2, alpha, POLICY_RESET_REQUIRED, false), LEASE_UNRESETTABLE);
	assert_int_equal(lease_open(&lease, 2, alpha, POLICY_RESET_UNSAFE, false), LEASE_GRANTED);
}

/* What is not cleared is not scrubbed either; nobody's device without a reset is. */
static void scrubbing_comes_after_a_reset_that_was_good_enough(void **state)
{
	struct lease lease = lease_in(DEVICE_STATE_RESETTING);

	(void)state;
	lease.scrub = true;
	assert_true(lease_is_cleared(&lease, RESET_OK));
	assert_false(lease_is_cleared(&lease, RESET_FAILED));
	assert_false(lease_is_cleared(&lease, RESET_IMPOSSIBLE));
	lease_init_unknown(&lease);
	assert_int_equal(lease_probed(&lease, false), 0);
	lease.scrub = true;
	assert_true(lease_is_cleared(&lease, RESET_IMPOSSIBLE));
	assert_false(lease_is_cleared(&lease, RESET_FAILED));
	/* The program failed. */
	assert_int_equal(lease_reset_done(&lease, RESET_FAILED), 0);
	assert_int_equal(lease.state, DEVICE_STATE_QUARANTINED);
}

/* The program is run before the next tenant, which after `none` there is not; it makes no reset out of a device. */
static void scrubbing_comes_between_two_tenants(void **state)
{
	struct lease lease = {.state = DEVICE_STATE_FREE, .unresettable = true};

	(void)state;
	assert_int_equal(lease_open(&lease, 1, alpha, POLICY_RESET_UNSAFE, true), LEASE_GRANTED);
	assert_int_equal(lease_cut(&lease, 1), 0);
	assert_int_equal(lease_probed(&lease, false), 0);
	assert_int_equal(lease.state, DEVICE_STATE_RESETTING);
	assert_int_equal(lease_reset_done(&lease, RESET_OK), 0);
	assert_int_equal(
		lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_UNRESETTABLE);
	lease.unresettable = false; /* one that could be reset, and was not */
	assert_int_equal(
		lease_open(&lease, 3, beta, POLICY_RESET_REQUIRED, false), LEASE_NOT_RESET);
	assert_int_equal(lease_open(&lease, 3, beta, POLICY_RESET_NONE, true), LEASE_GRANTED);
	assert_int_equal(lease_cut(&lease, 3), 0);
	assert_int_equal(lease_probed(&lease, false), 0);
	assert_int_equal(lease.state, DEVICE_STATE_FREE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state),
		cmocka_unit_test(nothing_reachable_breaks_the_rules),
		cmocka_unit_test(refusals_tell_the_asker_what_concerns_him),
		cmocka_unit_test(without_a_reset_only_the_same_tenant_gets_it_again),
		cmocka_unit_test(a_device_without_a_reset_is_lent_to_those_who_ask_for_none),
		cmocka_unit_test(scrubbing_comes_after_a_reset_that_was_good_enough),
		cmocka_unit_test(scrubbing_comes_between_two_tenants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
