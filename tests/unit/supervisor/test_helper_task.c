/* SPDX-License-Identifier: MIT */
/* A helper's word counts only if it is whole and followed by a clean exit; a late one has failed at its deadline. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/supervisor/supervisor.h"

#define FOREVER_MS 600000u

static struct supervisor supervisor;
static int gate = -1, null_fd = -1;
static unsigned int told;
static int errors[HELPER_TASKS_MAX * 2];

/* The loop's own business in the real program. */
uint64_t supervisor_now_ms(void)
{
	return 1;
}

void supervisor_progress(struct supervisor *unused)
{
	(void)unused;
	if (supervisor.helpers.running_count == 0)
		(void)event_base_loopbreak(supervisor.base);
}

static void on_done(void *arg, const struct helper_report *report)
{
	assert_int_equal(report->fd, -1);
	errors[(size_t)(uintptr_t)arg] = report->error;
	told++;
}

static int setup(void **state)
{
	(void)state;
	(void)unlink(TEST_GATED_DIR "/gate");
	assert_int_equal(mkfifo(TEST_GATED_DIR "/gate", 0600), 0);
	/* Both ends: nobody's open waits for us, and no reader sees an end. */
	gate = open(TEST_GATED_DIR "/gate", O_RDWR | O_CLOEXEC);
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	memset(&supervisor, 0, sizeof(supervisor));
	supervisor.base = event_base_new();
	supervisor.programs.helper_fd =
		open(TEST_GATED_DIR "/iommu-broker-helper", O_PATH | O_CLOEXEC);
	assert_true(gate >= 0 && null_fd >= 0 && supervisor.programs.helper_fd >= 0);
	helper_tasks_init(&supervisor.helpers, &supervisor);
	told = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	event_base_free(supervisor.base);
	close(supervisor.programs.helper_fd);
	close(null_fd);
	close(gate);
	return unlink(TEST_GATED_DIR "/gate");
}

static void start(size_t number, unsigned int deadline_ms)
{
	assert_int_equal(helper_task_start(&supervisor.helpers, HELPER_DEVICE_RESET, &null_fd, 1,
				 deadline_ms, on_done, (void *)(uintptr_t)number),
		0);
}

static int outcome(char letter)
{
	assert_int_equal(write(gate, &letter, 1), 1);
	told = 0;
	start(0, FOREVER_MS);
	(void)event_base_dispatch(supervisor.base);
	assert_int_equal(told, 1);
	return errors[0];
}

static void only_a_whole_result_and_a_clean_exit_count(void **state)
{
	(void)state;
	assert_int_equal(outcome('g'), 0);
	assert_int_equal(outcome('e'), -EIO);
	assert_int_equal(outcome('s'), -EIO);
	assert_int_equal(outcome('x'), -EIO);
	assert_int_equal(outcome('m'), -EIO);
	assert_int_equal(outcome('k'), -EIO);
	assert_int_equal(outcome('p'), -EIO);
	assert_int_equal(outcome('d'), -EIO);
}

static void a_late_helper_has_failed_and_is_killed(void **state)
{
	(void)state;
	assert_int_equal(write(gate, "h", 1), 1);
	start(0, 1);
	(void)event_base_dispatch(supervisor.base);
	assert_int_equal(told, 1);
	assert_int_equal(errors[0], -ETIMEDOUT);
	assert_int_equal(supervisor.helpers.running_count, 0);
}

static void so_many_run_and_the_others_wait_in_order(void **state)
{
	static const char letters[HELPER_TASKS_MAX + 2] = {
		'g', 'g', 'g', 'g', 'g', 'g', 'g', 'g', 'g', 'g'};

	(void)state;
	for (size_t i = 0; i < HELPER_TASKS_MAX + 2; i++)
		start(i, FOREVER_MS);
	assert_int_equal(supervisor.helpers.running_count, HELPER_TASKS_MAX);
	assert_int_equal(told, 0);
	assert_int_equal(write(gate, letters, sizeof(letters)), sizeof(letters));
	(void)event_base_dispatch(supervisor.base);
	assert_int_equal(told, HELPER_TASKS_MAX + 2);
}

static void a_program_that_cannot_be_executed_fails_later_not_inside_the_call(void **state)
{
	(void)state;
	close(supervisor.programs.helper_fd);
	supervisor.programs.helper_fd = open("/dev/null", O_PATH | O_CLOEXEC);
	start(0, FOREVER_MS);
	assert_int_equal(told, 0);
	(void)event_base_dispatch(supervisor.base);
	assert_int_equal(told, 1);
	assert_int_equal(errors[0], -EIO);
}

static void after_a_stop_nobody_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < HELPER_TASKS_MAX + 2; i++)
		start(i, FOREVER_MS);
	helper_tasks_stop(&supervisor.helpers);
	(void)event_base_dispatch(supervisor.base);
	assert_int_equal(told, 0);
	assert_int_equal(supervisor.helpers.running_count, 0);
}

static void unknown_tasks_and_too_many_fds_are_refused(void **state)
{
	int fds[HELPER_TASK_FDS_MAX + 1] = {0};

	(void)state;
	assert_int_equal(
		helper_task_start(&supervisor.helpers, HELPER_KINDS, fds, 0, 1, on_done, NULL),
		-EINVAL);
	assert_int_equal(helper_task_start(&supervisor.helpers, HELPER_DEVICE_RESET, fds,
				 HELPER_TASK_FDS_MAX + 1, 1, on_done, NULL),
		-EINVAL);
}

/* Force must not wait for somebody's reset. */
static void a_sweep_does_not_wait_for_other_work(void **state)
{
	const struct helper_job job = {.kind = HELPER_SWEEP_UNMAP,
		.fds = &null_fd,
		.fds_count = 1,
		.deadline_ms = FOREVER_MS,
		.done = on_done};
	struct helper_task *task = NULL;

	(void)state;
	for (size_t i = 0; i < HELPER_TASKS_MAX + 1; i++)
		start(i, FOREVER_MS);
	assert_int_equal(helper_task_run(&supervisor.helpers, &job, &task), 0);
	assert_non_null(task);
	assert_int_equal(supervisor.helpers.running_count, HELPER_TASKS_MAX + 1);
	assert_int_equal(supervisor.helpers.unmaps.running_count, 1);
	helper_tasks_stop(&supervisor.helpers);
	(void)event_base_dispatch(supervisor.base);
}

static void only_so_many_sweeps_run(void **state)
{
	struct helper_job job = {.kind = HELPER_SWEEP_UNMAP,
		.fds = &null_fd,
		.fds_count = 1,
		.deadline_ms = FOREVER_MS,
		.done = on_done};

	(void)state;
	for (size_t i = 0; i < HELPER_SWEEPS_MAX; i++)
		assert_int_equal(helper_task_run(&supervisor.helpers, &job, NULL), 0);
	assert_int_equal(supervisor.helpers.running_count, HELPER_SWEEPS_MAX);
	assert_int_equal(helper_task_run(&supervisor.helpers, &job, NULL), 0);
	assert_int_equal(supervisor.helpers.running_count, HELPER_SWEEPS_MAX);
	helper_tasks_stop(&supervisor.helpers);
	(void)event_base_dispatch(supervisor.base);
}

/* Each of them runs until an unmap has ended: one that waited behind them would never begin. */
static void an_unmap_does_not_wait_for_detaches(void **state)
{
	struct helper_job job = {.kind = HELPER_SWEEP_DETACH,
		.fds = &null_fd,
		.fds_count = 1,
		.deadline_ms = FOREVER_MS,
		.done = on_done};

	(void)state;
	for (size_t i = 0; i < HELPER_SWEEPS_MAX + 1; i++)
		assert_int_equal(helper_task_run(&supervisor.helpers, &job, NULL), 0);
	assert_int_equal(supervisor.helpers.running_count, HELPER_SWEEPS_MAX);
	job.kind = HELPER_SWEEP_UNMAP;
	assert_int_equal(helper_task_run(&supervisor.helpers, &job, NULL), 0);
	assert_int_equal(supervisor.helpers.running_count, HELPER_SWEEPS_MAX + 1);
	helper_tasks_stop(&supervisor.helpers);
	(void)event_base_dispatch(supervisor.base);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_a_whole_result_and_a_clean_exit_count),
		TEST(a_late_helper_has_failed_and_is_killed),
		TEST(so_many_run_and_the_others_wait_in_order),
		TEST(a_program_that_cannot_be_executed_fails_later_not_inside_the_call),
		TEST(after_a_stop_nobody_is_told),
		TEST(a_sweep_does_not_wait_for_other_work),
		TEST(only_so_many_sweeps_run),
		TEST(an_unmap_does_not_wait_for_detaches),
		TEST(unknown_tasks_and_too_many_fds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
