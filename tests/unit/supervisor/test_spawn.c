/* SPDX-License-Identifier: MIT */
/* A child that cannot be made as it was meant is not made: it exits before exec, with a code that says which step. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/supervisor/spawn.h"

static struct spawn child_of(const char *program)
{
	struct spawn child = {.program_fd = open(program, O_PATH | O_CLOEXEC),
		.name = "child",
		.memlock_bytes = UINT64_MAX,
		.nofile = 64,
		.cgroup_procs_fd = -1};

	assert_true(child.program_fd >= 0);
	return child;
}

/* The exit code. */
static int run(const struct spawn *child)
{
	int pidfd, status;
	pid_t pid;

	assert_int_equal(spawn(child, &pid, &pidfd), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	close(pidfd);
	close(child->program_fd);
	return WEXITSTATUS(status);
}

static void what_works_ends_with_its_own_exit_code(void **state)
{
	struct spawn good = child_of("/bin/true"), bad = child_of("/bin/false");

	(void)state;
	assert_int_equal(run(&good), 0);
	assert_int_equal(run(&bad), 1);
	assert_null(spawn_exit_text(0));
	assert_null(spawn_exit_text(1));
	assert_null(spawn_exit_text(99));
	assert_null(spawn_exit_text(255));
}

static void what_cannot_be_executed_is_told_apart(void **state)
{
	struct spawn child = child_of("/dev/null");

	(void)state;
	assert_string_equal(spawn_exit_text(run(&child)), "could not be executed");
}

static void a_child_joins_its_cgroup_or_does_not_run(void **state)
{
	struct spawn child = child_of("/bin/true");
	char path[] = "/tmp/iommub-procs-XXXXXX", text[8] = "";
	int fd = mkstemp(path), closed;

	(void)state;
	assert_true(fd >= 0);
	child.cgroup_procs_fd = fd;
	assert_int_equal(run(&child), 0);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 2);
	assert_string_equal(text, "0\n");

	closed = open(path, O_RDONLY | O_CLOEXEC);
	child = child_of("/bin/true");
	child.cgroup_procs_fd = closed;
	assert_string_equal(spawn_exit_text(run(&child)), "could not join its cgroup");
	close(closed);
	close(fd);
	unlink(path);
}

static void an_fd_that_is_not_open_stops_it(void **state)
{
	struct spawn child = child_of("/bin/true");
	int fd = dup(child.program_fd);

	(void)state;
	close(fd);
	child.fds = &fd;
	child.fds_count = 1;
	assert_string_equal(spawn_exit_text(run(&child)), "could not arrange its file descriptors");
	child.fds_count = SPAWN_FDS_MAX + 1;
	assert_int_equal(spawn(&child, &(pid_t){0}, &(int){0}), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_works_ends_with_its_own_exit_code),
		cmocka_unit_test(what_cannot_be_executed_is_told_apart),
		cmocka_unit_test(a_child_joins_its_cgroup_or_does_not_run),
		cmocka_unit_test(an_fd_that_is_not_open_stops_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
