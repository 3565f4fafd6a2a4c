/* SPDX-License-Identifier: MIT */
/* The policy's program between two tenants, run by the real helper: what it is given, and which programs are refused. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/supervisor/supervisor.h"
#include "tests/unit/supervisor/fake_host.h"

static struct supervisor supervisor;
static struct fake_host host; /* a place for files */
static int error;
static uint32_t major = 511; /* of the node; 0: a device of the model */

uint64_t supervisor_now_ms(void)
{
	return 1;
}

void supervisor_progress(struct supervisor *unused)
{
	(void)unused;
	(void)event_base_loopbreak(supervisor.base);
}

static void on_done(void *arg, const struct helper_report *report)
{
	(void)arg;
	error = report->error;
}

static int setup(void **state)
{
	(void)state;
	fake_host_open(&host);
	memset(&supervisor, 0, sizeof(supervisor));
	supervisor.base = event_base_new();
	supervisor.programs.helper_fd = open(TEST_HELPER, O_PATH | O_CLOEXEC);
	assert_true(supervisor.programs.helper_fd >= 0);
	helper_tasks_init(&supervisor.helpers, &supervisor);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	event_base_free(supervisor.base);
	close(supervisor.programs.helper_fd);
	fake_host_close(&host);
	return 0;
}

/* A script below the host, with that mode; its path. */
static const char *script(const char *text, mode_t mode)
{
	static char path[128];

	fake_file(&host, "/scrub", text, mode);
	(void)snprintf(path, sizeof(path), "%s/scrub", host.root);
	return path;
}

static int scrub(const char *program, const char *argument)
{
	struct helper_job job = {.kind = HELPER_SCRUB, .deadline_ms = 600000, .done = on_done};
	size_t length = strlen(program) + 1;

	memcpy(job.request.arguments, program, length);
	memcpy(job.request.arguments + length, argument, strlen(argument));
	memcpy(job.request.address, "0000:05:00.0", sizeof("0000:05:00.0"));
	memcpy(job.request.node, "vfio3", sizeof("vfio3"));
	job.request.major = major;
	error = 1;
	assert_int_equal(helper_task_run(&supervisor.helpers, &job, NULL), 0);
	(void)event_base_dispatch(supervisor.base);
	return error;
}

static void it_is_given_the_device_and_a_clean_environment(void **state)
{
	char said[512] = "", path[128], expected[512];
	int fd;

	(void)state;
	assert_int_equal(setenv("SECRET", "of the broker", 1), 0);
	assert_int_equal(scrub(script("#!/bin/sh\necho "
				      "\"$*|$IOMMUB_ADDRESS|$IOMMUB_NODE|$PATH|${SECRET:-none}\" "
				      ">\"${0%/*}/said\"\n",
				       0755),
				 "--all"),
		0);
	(void)snprintf(path, sizeof(path), "%s/said", host.root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, said, sizeof(said) - 1) > 0);
	close(fd);
	(void)snprintf(expected, sizeof(expected),
		"--all 0000:05:00.0 /dev/vfio/devices/vfio3|0000:05:00.0|/dev/vfio/devices/vfio3|"
		"/usr/sbin:/usr/bin:/sbin:/bin|none\n");
	assert_string_equal(said, expected);
}

static void a_device_of_the_model_goes_by_its_name(void **state)
{
	const char *program =
		script("#!/bin/sh\n[ \"$*|$IOMMUB_NODE\" = 'x 0000:05:00.0 vfio3|vfio3' ]\n", 0755);

	(void)state;
	major = 0;
	assert_int_equal(scrub(program, "x"), 0);
	major = 511;
	assert_int_equal(scrub(program, "x"), -EIO);
}

/* Otherwise it could go on with a device that is somebody's by then. What it leaves holds the pipe's other end open. */
static void nothing_of_it_outlives_it(void **state)
{
	char path[128], byte;
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/pipe", host.root);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(scrub(script("#!/bin/sh\nexec 5>\"${0%/*}/pipe\"\necho x >&5\n"
				      "sleep 1000 &\nexit 0\n",
				       0755),
				 "x"),
		0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* waits for the end of it */
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void its_exit_code_is_the_answer(void **state)
{
	(void)state;
	assert_int_equal(scrub(script("#!/bin/sh\nexit 0\n", 0755), "x"), 0);
	assert_int_equal(scrub(script("#!/bin/sh\nexit 1\n", 0755), "x"), -EIO);
	assert_int_equal(scrub(script("#!/bin/sh\nkill -9 $$\n", 0755), "x"), -EIO);
}

static void programs_that_others_can_write_are_not_run(void **state)
{
	(void)state;
	assert_int_equal(scrub(script("#!/bin/sh\n", 0775), "x"), -EACCES);
	assert_int_equal(scrub(script("#!/bin/sh\n", 0757), "x"), -EACCES);
	assert_int_equal(scrub(script("#!/bin/sh\n", 0644), "x"), -EACCES);
	assert_int_equal(scrub("/dev/null", "x"), -EACCES);
	assert_int_equal(scrub("/nowhere", "x"), -ENOENT);
	assert_int_equal(scrub("scrub", "x"), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_given_the_device_and_a_clean_environment),
		TEST(a_device_of_the_model_goes_by_its_name),
		TEST(nothing_of_it_outlives_it),
		TEST(its_exit_code_is_the_answer),
		TEST(programs_that_others_can_write_are_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
