/* SPDX-License-Identifier: MIT */
/*
 * A child process with nothing but what it was given: sessions and helpers are made here, and nowhere else.
 *
 *   file descriptors   0, 1, 2 are /dev/null; then the given ones, in order, from 3; nothing else survives exec
 *   power              no capability in any set, no_new_privs, and, if root, the tenant's uid and gid without groups
 *   limits             RLIMIT_MEMLOCK hard and soft (the kernel's own count of what the tenant pins), NOFILE, no core
 *                      dump, no further process; RLIMIT_FSIZE stays as it is, since fallocate() on a memfd honours it
 *   surroundings       a session and process group of its own, its tenant's cgroup, an empty environment, "/", all
 *                      signals at their defaults. No parent-death signal: sessions outlive the supervisor
 */
#ifndef IOMMUB_SUPERVISOR_SPAWN_H
#define IOMMUB_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWN_FD_FIRST 3
#define SPAWN_FDS_MAX 16u

struct spawn {
	int program_fd; /* O_PATH */
	const char *name; /* argv[0] */
	const char *argument; /* argv[1], or NULL */
	const int *fds; /* become 3, 4, … */
	size_t fds_count;
	bool keep_stderr; /* fd 2 stays ours */
	bool may_fork; /* it runs a program of the administrator's; all others have RLIMIT_NPROC 0 */
	bool switch_uid; /* root only */
	uid_t uid; /* and gid */
	uint64_t memlock_bytes; /* UINT64_MAX: as ours */
	uint64_t nofile; /* at most our own hard limit is given */
	int cgroup_procs_fd; /* -1: none */
};

/* 0 with the pid and a pidfd that the caller owns, or -errno. A child that fails before exec exits with a code that
 * spawn_exit_text() knows. */
int spawn(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd);

/* What a child could not do before exec; NULL for any other exit code. */
const char *spawn_exit_text(int exit_code);

/* Raise our own hard limits as far as we may, so that children can be given what the policy says. */
void spawn_limits_raise(void);

#endif
