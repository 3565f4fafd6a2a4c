/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/supervisor/caps.h"

#define STAGING_FD 64 /* above every number that a child is to find */
#define PROGRAM_FD (SPAWN_FD_FIRST + (int)SPAWN_FDS_MAX)
#define EXIT_FIRST 100

enum step {
	STEP_SIGNALS,
	STEP_FDS,
	STEP_CGROUP,
	STEP_LIMITS,
	STEP_CAPABILITIES,
	STEP_UID,
	STEP_EXEC,
	STEP_END
};

const char *spawn_exit_text(int exit_code)
{
	static const char *const texts[STEP_END] = {
		[STEP_SIGNALS] = "could not reset its signals",
		[STEP_FDS] = "could not arrange its file descriptors",
		[STEP_CGROUP] = "could not join its cgroup",
		[STEP_LIMITS] = "could not set its resource limits",
		[STEP_CAPABILITIES] = "could not drop its capabilities",
		[STEP_UID] = "could not take its uid",
		[STEP_EXEC] = "could not be executed",
	};

	if (exit_code < EXIT_FIRST || exit_code >= EXIT_FIRST + STEP_END)
		return NULL;
	return texts[exit_code - EXIT_FIRST];
}

/* ---- the child, between fork and exec ------------------------------------------------------------------------ */

static int signals_reset(void)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		/* EINVAL: KILL, STOP, and those that libc keeps for itself. */
		if (sigaction(number, &by_default, NULL) < 0 && errno != EINVAL)
			return -errno;
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* First all out of the way, then each to its place: no target can then be a source that is still needed. */
static int fds_arrange(const struct spawn *spawn, int *ret_cgroup_fd)
{
	int staged[SPAWN_FDS_MAX], program, null_fd, cgroup = -1;
	const unsigned int end = SPAWN_FD_FIRST + (unsigned int)spawn->fds_count;

	for (size_t i = 0; i < spawn->fds_count; i++) {
		staged[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, STAGING_FD);
		if (staged[i] < 0)
			return -errno;
	}
	program = fcntl(spawn->program_fd, F_DUPFD_CLOEXEC, STAGING_FD);
	if (program < 0)
		return -errno;
	if (spawn->cgroup_procs_fd >= 0) {
		cgroup = fcntl(spawn->cgroup_procs_fd, F_DUPFD_CLOEXEC, STAGING_FD);
		if (cgroup < 0)
			return -errno;
	}
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return -errno;
	for (int fd = 0; fd < (spawn->keep_stderr ? 2 : 3); fd++)
		/* dup2() onto itself would leave CLOEXEC set. */
		if (null_fd == fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null_fd, fd) < 0)
			return -errno;
	for (size_t i = 0; i < spawn->fds_count; i++)
		if (dup2(staged[i], SPAWN_FD_FIRST + (int)i) < 0)
			return -errno;
	if (dup3(program, PROGRAM_FD, O_CLOEXEC) < 0)
		return -errno;
	if (end < (unsigned int)PROGRAM_FD && close_range(end, PROGRAM_FD - 1, 0) < 0)
		return -errno;
	if (cgroup >= 0 && dup3(cgroup, PROGRAM_FD + 1, O_CLOEXEC) < 0)
		return -errno;
	if (close_range(PROGRAM_FD + (cgroup >= 0 ? 2 : 1), ~0U, 0) < 0)
		return -errno;
	*ret_cgroup_fd = cgroup >= 0 ? PROGRAM_FD + 1 : -1;
	return 0;
}

/* A supervisor is spared when memory runs out, a session is not. To be spared less takes no right. */
static void oom_score_reset(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[8] = "";

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && text[0] == '-')
		(void)!pwrite(fd, "0", 1, 0);
	close(fd);
}

static int cgroup_join(int cgroup_fd)
{
	return cgroup_fd >= 0 && write(cgroup_fd, "0\n", 2) != 2 ? -errno : 0;
}

static int limit_set(int resource, uint64_t value)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return -errno;
	if (value < limit.rlim_max)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

static int limits_set(const struct spawn *spawn)
{
	int error = limit_set(RLIMIT_CORE, 0);

	if (!error && spawn->memlock_bytes != UINT64_MAX)
		error = limit_set(RLIMIT_MEMLOCK, spawn->memlock_bytes);
	if (!error)
		error = limit_set(RLIMIT_NOFILE, spawn->nofile);
	return error;
}

static int uid_take(const struct spawn *spawn)
{
	uid_t real, effective, saved;

	if (setgroups(0, NULL) < 0 || setresgid(spawn->uid, spawn->uid, spawn->uid) < 0 ||
		setresuid(spawn->uid, spawn->uid, spawn->uid) < 0)
		return -errno;
	if (getresuid(&real, &effective, &saved) < 0 || real != spawn->uid ||
		effective != spawn->uid || saved != spawn->uid)
		return -EPERM;
	return 0;
}

static int power_drop(const struct spawn *spawn)
{
	int error = caps_drop_bounding();

	/* An ordinary user has no capability and may not shrink the bounding set. */
	if (error && !(error == -EPERM && geteuid() != 0))
		return error;
	if (spawn->switch_uid && uid_take(spawn))
		return -ENOTRECOVERABLE;
	error = caps_drop_all();
	if (error)
		return error;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static void child_run(const struct spawn *spawn) __attribute__((noreturn));
static void child_run(const struct spawn *spawn)
{
	char *const argv[] = {(char *)spawn->name, (char *)spawn->argument, NULL};
	char *const environment[] = {NULL};
	int cgroup_fd = -1, error;

	(void)setsid();
	(void)umask(077);
	if (signals_reset() || chdir("/") < 0)
		_exit(EXIT_FIRST + STEP_SIGNALS);
	if (fds_arrange(spawn, &cgroup_fd))
		_exit(EXIT_FIRST + STEP_FDS);
	oom_score_reset();
	if (cgroup_join(cgroup_fd))
		_exit(EXIT_FIRST + STEP_CGROUP);
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	if (limits_set(spawn))
		_exit(EXIT_FIRST + STEP_LIMITS);
	error = power_drop(spawn);
	if (error)
		_exit(EXIT_FIRST + (error == -ENOTRECOVERABLE ? STEP_UID : STEP_CAPABILITIES));
	/* Only now: a limit of no processes, set earlier, would make the change of uid count against it. A sanitizer's
	 * leak check needs a thread. */
	if (!IOMMUB_SANITIZE && !spawn->may_fork && limit_set(RLIMIT_NPROC, 0))
		_exit(EXIT_FIRST + STEP_LIMITS);
	(void)execveat(PROGRAM_FD, "", argv, environment, AT_EMPTY_PATH);
	_exit(EXIT_FIRST + STEP_EXEC);
}

/* ---- the supervisor ------------------------------------------------------------------------------------------- */

int spawn(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd)
{
	sigset_t all, before;
	int pidfd, error = 0;
	pid_t pid;

	if (spawn->fds_count > SPAWN_FDS_MAX)
		return -EINVAL;
	/* Until the child has reset its handlers, a signal to it would run ours. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		child_run(spawn);
	if (pid < 0)
		error = -errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (error)
		return error;
	/* Our own child that nobody has reaped: the pid cannot be another's. */
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		error = -errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return error;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

static void limit_raise(int resource, rlim_t wish)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return;
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wish) {
		wish = limit.rlim_max;
	} else {
		struct rlimit raised = {.rlim_cur = limit.rlim_cur, .rlim_max = wish};

		if (setrlimit((__rlimit_resource_t)resource, &raised) < 0)
			wish = limit.rlim_max;
	}
	limit.rlim_max = wish;
	if (resource == RLIMIT_NOFILE)
		limit.rlim_cur = limit.rlim_max;
	(void)setrlimit((__rlimit_resource_t)resource, &limit);
}

void spawn_limits_raise(void)
{
	limit_raise(RLIMIT_MEMLOCK, RLIM_INFINITY);
	limit_raise(RLIMIT_NOFILE, 65536);
}
