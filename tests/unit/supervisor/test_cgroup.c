/* SPDX-License-Identifier: MIT */
/* What the kernel's memory.events says; the directories themselves are a matter of the VM case memory-max. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/supervisor/cgroup.h"

static int events_file(const char *text)
{
	int fd = memfd_create("memory.events", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static void kills_are_counted(void **state)
{
	int fd = events_file("low 0\nhigh 0\nmax 36\noom 9\noom_kill 3\noom_group_kill 7\n");

	(void)state;
	assert_int_equal(cgroup_oom_kills(fd), 3);
	/* The same fd tells again what is so now. */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "oom 1\noom_kill 4\n", 17, 0), 17);
	assert_int_equal(cgroup_oom_kills(fd), 4);
	close(fd);
}

static void what_cannot_be_told_is_none(void **state)
{
	int none = events_file("low 0\noom 5\noom_group_kill 7\n"), empty = events_file("");

	(void)state;
	assert_int_equal(cgroup_oom_kills(-1), 0);
	assert_int_equal(cgroup_oom_kills(none), 0);
	assert_int_equal(cgroup_oom_kills(empty), 0);
	close(none);
	close(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kills_are_counted),
		cmocka_unit_test(what_cannot_be_told_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
