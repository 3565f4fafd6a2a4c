/* SPDX-License-Identifier: MIT */
/* Who binds a device of a group, and who waits. */
#include "tests/unit/common/check.h"

#include <event2/event.h>
#include <string.h>

#include "broker/supervisor/group_turn.h"
#include "broker/supervisor/supervisor.h"

enum { FIRST, SECOND, OTHER_GROUP, NO_GROUP, NO_GROUP_EITHER, DEVICES };

static struct supervisor supervisor;
static struct device devices[DEVICES];
static unsigned int asked;

uint64_t supervisor_now_ms(void)
{
	return 1;
}

void supervisor_progress(struct supervisor *unused)
{
	(void)unused;
}

static void ask_again(struct device *device)
{
	asked++;
	(void)group_turn_take(device, ask_again);
}

/* The first of them is asked for again, and finds its group free; or again not, if the other one keeps it. */
static void let_timers_fire(void)
{
	(void)event_base_loop(supervisor.base, EVLOOP_ONCE);
}

static int setup(void **state)
{
	(void)state;
	memset(&supervisor, 0, sizeof(supervisor));
	memset(devices, 0, sizeof(devices));
	asked = 0;
	supervisor.base = event_base_new();
	supervisor.inventory = (struct inventory){.devices = devices, .count = DEVICES};
	for (size_t i = 0; i < DEVICES; i++)
		devices[i].supervisor = &supervisor;
	devices[FIRST].pci.has_group = devices[SECOND].pci.has_group = true;
	devices[OTHER_GROUP].pci.has_group = true;
	devices[OTHER_GROUP].pci.group = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < DEVICES; i++)
		if (devices[i].turn_timer)
			event_free(devices[i].turn_timer);
	event_base_free(supervisor.base);
	return 0;
}

static void one_at_a_time_in_a_group(void **state)
{
	(void)state;
	assert_true(group_turn_take(&devices[FIRST], ask_again));
	assert_false(group_turn_take(&devices[SECOND], ask_again));
	let_timers_fire();
	assert_int_equal(asked, 1);
	assert_false(devices[SECOND].has_turn);
	group_turn_end(&devices[FIRST]);
	let_timers_fire();
	assert_int_equal(asked, 2);
	assert_true(devices[SECOND].has_turn);
	assert_false(group_turn_take(&devices[FIRST], ask_again));
}

static void others_do_not_wait(void **state)
{
	(void)state;
	for (size_t i = 0; i < DEVICES; i++)
		assert_int_equal(group_turn_take(&devices[i], ask_again), i != SECOND);
	assert_true(group_turn_take(&devices[FIRST], ask_again)); /* its own turn */
}

static void at_the_end_nobody_is_asked(void **state)
{
	(void)state;
	assert_true(group_turn_take(&devices[FIRST], ask_again));
	assert_false(group_turn_take(&devices[SECOND], ask_again));
	supervisor.stopping = true;
	let_timers_fire();
	assert_int_equal(asked, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_at_a_time_in_a_group),
		TEST(others_do_not_wait),
		TEST(at_the_end_nobody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
