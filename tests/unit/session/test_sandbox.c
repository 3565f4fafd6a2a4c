/* SPDX-License-Identifier: MIT */
/*
 * The sandbox, in forked children that have just closed it: what a session does lives, what it never does dies of
 * SIGSYS, and in debug mode says what it was.
 */
#include "tests/harness/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/filter.h"
#include "broker/session/sandbox.h"
#include "iommufd_uapi.h"

typedef void (*deed_fn)(void);

static void child_run(deed_fn deed, int filter_fd, int stderr_fd)
{
	const struct rlimit no_core = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (stderr_fd >= 0)
		(void)dup2(stderr_fd, STDERR_FILENO);
	if (sandbox_begin() < 0 || sandbox_seccomp(filter_fd) < 0)
		_exit(99);
	deed();
	_exit(0);
}

/* The wait status of a child that did this behind the filter. */
static int behind_filter(enum control_backend backend, bool debug, deed_fn deed, int stderr_fd)
{
	const struct session_filter_opts opts = {.backend = backend, .debug = debug};
	int filter_fd, status;
	pid_t pid;

	assert_int_equal(session_filter_compile(&opts, &filter_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_run(deed, filter_fd, stderr_fd);
	close(filter_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_lives(enum control_backend backend, deed_fn deed)
{
	int status = behind_filter(backend, false, deed, -1);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_dies(enum control_backend backend, deed_fn deed)
{
	int status = behind_filter(backend, false, deed, -1);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- what a session never does ---- */

static void deed_socket(void)
{
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void deed_socketpair_netlink(void)
{
	int fds[2];

	(void)socketpair(AF_NETLINK, SOCK_RAW, 0, fds);
}

static void deed_open(void)
{
	/* A sanitizer's report may open what Landlock lets it. */
	(void)syscall(IOMMUB_SANITIZE ? SYS_openat2 : SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
}

static void deed_openat2(void)
{
	(void)syscall(SYS_openat2, AT_FDCWD, "/dev/null", NULL, 0);
}

static void deed_execve(void)
{
	(void)execl("/bin/true", "true", NULL);
}

static void deed_fork(void)
{
	(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void deed_ptrace(void)
{
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void deed_kill(void)
{
	(void)kill(getppid(), 0);
}

static void deed_mmap_exec(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void deed_mprotect_exec(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	(void)mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void deed_stat_path(void)
{
	struct stat st;

	(void)fstatat(AT_FDCWD, "/etc/passwd", &st, 0);
}

static void deed_punch_hole(void)
{
	(void)fallocate(0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static void deed_add_seals(void)
{
	(void)fcntl(0, F_ADD_SEALS, F_SEAL_SEAL);
}

static void deed_ioctl_tty(void)
{
	(void)ioctl(0, TIOCSTI, NULL);
}

static void deed_ioctl_option(void)
{
	(void)ioctl(0, IOMMU_OPTION, NULL);
}

static void deed_ioctl_reset(void)
{
	(void)ioctl(0, VFIO_DEVICE_RESET, NULL);
}

static void deed_ioctl_map(void)
{
	(void)ioctl(0, IOMMU_IOAS_MAP_FILE, NULL);
}

static void deed_seccomp(void)
{
	(void)syscall(SYS_seccomp, 0, 0, NULL);
}

static void deed_prctl(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1);
}

static void deed_setuid(void)
{
	(void)syscall(SYS_setuid, 0);
}

static char vm_a[16] = "own memory", vm_b[16];

static void vm_read(pid_t pid)
{
	struct iovec from = {vm_a, sizeof(vm_a)}, to = {vm_b, sizeof(vm_b)};

	if (process_vm_readv(pid, &to, 1, &from, 1, 0) != (ssize_t)sizeof(vm_a))
		_exit(1);
}

static void vm_write(pid_t pid)
{
	struct iovec from = {vm_a, sizeof(vm_a)}, to = {vm_b, sizeof(vm_b)};

	if (process_vm_writev(pid, &from, 1, &to, 1, 0) != (ssize_t)sizeof(vm_a))
		_exit(1);
}

static void deed_vm_read_other(void)
{
	vm_read(1);
}

static void deed_vm_write_other(void)
{
	vm_write(1);
}

static void deed_tgkill_other(void)
{
	(void)syscall(SYS_tgkill, 1, 1, SIGABRT);
}

static void deed_tgkill_own_kill(void)
{
	(void)syscall(SYS_tgkill, getpid(), getpid(), SIGKILL);
}

static void forbidden_calls_die(void **state)
{
	static const deed_fn deeds[] = {deed_socket, deed_socketpair_netlink, deed_open,
		deed_openat2, deed_execve, deed_fork, deed_ptrace, deed_kill, deed_mmap_exec,
		deed_mprotect_exec, deed_stat_path, deed_punch_hole, deed_add_seals, deed_ioctl_tty,
		deed_ioctl_option, deed_ioctl_reset, deed_seccomp, deed_prctl, deed_setuid,
		deed_vm_read_other, deed_vm_write_other, deed_tgkill_other, deed_tgkill_own_kill};

	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		assert_dies(BACKEND_MODEL, deeds[i]);
		assert_dies(BACKEND_KERNEL, deeds[i]);
	}
}

static void model_makes_no_ioctl(void **state)
{
	(void)state;
	assert_dies(BACKEND_MODEL, deed_ioctl_map);
	assert_lives(BACKEND_KERNEL, deed_ioctl_map);
}

/* ---- what a session does all day ---- */

static void check(bool fine)
{
	if (!fine)
		_exit(1);
}

static void deed_talk(void)
{
	char buffer[8] = "hello";
	struct iovec from = {buffer, 5}, to = {buffer, sizeof(buffer)};
	struct msghdr out = {.msg_iov = &from, .msg_iovlen = 1},
		      in = {.msg_iov = &to, .msg_iovlen = 1};
	struct pollfd poll_fd = {.events = POLLIN};
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	check(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	check(sendmsg(fds[0], &out, MSG_NOSIGNAL) == 5);
	poll_fd.fd = fds[1];
	check(poll(&poll_fd, 1, 1000) == 1);
	check(recvmsg(fds[1], &in, 0) == 5);
	check(close(fds[0]) == 0 && close(fds[1]) == 0);
	check(eventfd(0, EFD_CLOEXEC) >= 0);
}

static void deed_memory(void)
{
	struct stat st;
	void *page =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *block = malloc(4 << 20), *larger;

	check(page != MAP_FAILED && block);
	memset(block, 1, 4 << 20);
	larger = realloc(block, 8 << 20);
	check(larger != NULL);
	free(larger);
	check(munmap(page, 1 << 20) == 0);
	check(fstat(STDERR_FILENO, &st) == 0);
	check(fcntl(STDERR_FILENO, F_GETFL) >= 0);
	vm_read(getpid());
	vm_write(getpid());
	check(memcmp(vm_b, "own memory", 10) == 0);
}

static void allowed_calls_live(void **state)
{
	(void)state;
	assert_lives(BACKEND_MODEL, deed_talk);
	assert_lives(BACKEND_KERNEL, deed_talk);
	assert_lives(BACKEND_MODEL, deed_memory);
	assert_lives(BACKEND_KERNEL, deed_memory);
}

static void abort_is_still_an_abort(void **state)
{
	int status = behind_filter(BACKEND_MODEL, false, abort, -1);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void debug_mode_names_the_call_and_dies(void **state)
{
	char text[256];
	char expected[64];
	int fds[2], status;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	status = behind_filter(BACKEND_MODEL, true, deed_socket, fds[1]);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	assert_true(n > 0);
	text[n] = '\0';
	(void)snprintf(expected, sizeof(expected), "system call %d (socket)", (int)SYS_socket);
	assert_non_null(strstr(text, expected));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- the table ---- */

static void every_rule_says_why(void **state)
{
	size_t n;
	const struct filter_rule *rules = session_filter_rules(&n);

	(void)state;
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(rules[i].call);
		assert_non_null(rules[i].why);
		assert_true(strlen(rules[i].why) > 3);
		assert_true(rules[i].when != 0);
		assert_true(rules[i].arg < 6);
		assert_int_equal(rules[i].value & ~rules[i].mask, 0);
		if (rules[i].number == SYS_ioctl)
			assert_true(!(rules[i].when & FILTER_MODEL) && rules[i].mask != 0);
	}
}

static void filter_cannot_be_changed(void **state)
{
	const struct session_filter_opts opts = {.backend = BACKEND_MODEL};
	int fd;

	(void)state;
	assert_int_equal(session_filter_compile(&opts, &fd), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void no_filter_is_an_error(void **state)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(sandbox_seccomp(fd), -EPROTO);
	assert_int_equal(ftruncate(fd, 7), 0);
	assert_int_equal(sandbox_seccomp(fd), -EPROTO);
	assert_int_equal(ftruncate(fd, INT64_C(8) * 4097), 0);
	assert_int_equal(sandbox_seccomp(fd), -EPROTO);
	assert_int_equal(prctl(PR_GET_SECCOMP), 0);
	close(fd);
}

/* ---- the rest of the sandbox ---- */

static void child_landlock(void)
{
	uint32_t abi = 0;

	if (sandbox_begin() < 0 || sandbox_landlock(&abi) < 0)
		_exit(99);
	if (abi == 0)
		_exit(77);
	check(open("/", O_RDONLY) < 0 && errno == EACCES);
	check(open("/tmp/x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EACCES);
	_exit(0);
}

static void landlock_opens_nothing(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		child_landlock();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void child_begin(void)
{
	char line[128];
	bool no_caps = false;
	FILE *file = fopen("/proc/self/status", "re");

	/* Opened before: an undumpable process may not open its own. */
	check(file != NULL && sandbox_begin() == 0);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "CapEff:", 7) == 0)
			no_caps = strtoull(line + 7, NULL, 16) == 0;
	}
	check(no_caps);
	check(prctl(PR_GET_DUMPABLE) == 0);
	check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	_exit(0);
}

static void begin_leaves_no_capability(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		child_begin();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_says_why),
		cmocka_unit_test(filter_cannot_be_changed),
		cmocka_unit_test(no_filter_is_an_error),
		cmocka_unit_test(allowed_calls_live),
		cmocka_unit_test(forbidden_calls_die),
		cmocka_unit_test(model_makes_no_ioctl),
		cmocka_unit_test(abort_is_still_an_abort),
		cmocka_unit_test(debug_mode_names_the_call_and_dies),
		cmocka_unit_test(landlock_opens_nothing),
		cmocka_unit_test(begin_leaves_no_capability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
