/* SPDX-License-Identifier: MIT */
/*
 * A session serves bytes of somebody who may be hostile, so it keeps nothing that it does not need
 * for that.
 *
 * The supervisor has already given it a uid of its tenant's own, resource limits and a cgroup. What
 * is done here is what a process can only do to itself after exec:
 *
 *   undumpable       a sibling session has the same uid: without this it could read our memory or
 *                    trace us
 *   no_new_privs     no exec gives anything back; also what lets an unprivileged process load the rest
 *   no capability    whoever started us
 *   Landlock         nothing allowed: should a path ever be reached in spite of seccomp, it cannot be
 *                    opened
 *   seccomp, twice   ours first: calls that name a process may name this one only. The supervisor
 *                    cannot know our pid when it compiles its filter. Then the supervisor's allow-list
 *                    (broker/common/filter.c), which allows no further seccomp(2). The kernel obeys
 *                    the strictest of all filters.
 *
 * SIGSYS has a handler that names the call. It only ever runs with a filter of debug mode: in
 * production the process is killed without asking it.
 */
#include "broker/session/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILTER_BYTES_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))

/* ---- a call by its name, for the handler of SIGSYS ---- */

static const char *const syscall_names[] = {
#define SYSCALL_NAME(name) [SYS_##name] = #name,
#include "syscall_names.inc"
#undef SYSCALL_NAME
};

static void stderr_put(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context)
{
	const unsigned int number = (unsigned int)info->si_syscall;
	char digits[12] = "";
	size_t at = sizeof(digits) - 1;
	const char *name = NULL;

	(void)signal_number;
	(void)context;
	if (number < sizeof(syscall_names) / sizeof(syscall_names[0]))
		name = syscall_names[number];
	for (unsigned int rest = number; at > 0 && (rest > 0 || at == sizeof(digits) - 1);
		rest /= 10)
		digits[--at] = (char)('0' + rest % 10);
	stderr_put("session: the filter forbids system call ");
	stderr_put(&digits[at]);
	stderr_put(" (");
	stderr_put(name ? name : "unknown");
	stderr_put(")\n");
	/* The signal is blocked while its handler runs, so that this forbidden call kills. */
	(void)syscall(SYS_getppid);
	_exit(128 + SIGSYS);
}

/* ---- what needs no ruleset ---- */

static int capabilities_drop(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int sandbox_begin(void)
{
	struct sigaction named = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (sigaction(SIGSYS, &named, NULL) < 0)
		return -errno;
	return capabilities_drop();
}

/* ---- Landlock ---- */

/* Of Linux 6.12; an older kernel takes as much of it as it knows. */
struct landlock_ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

#define LANDLOCK_CREATE_VERSION 1u
#define BITS(n) ((UINT64_C(1) << (n)) - 1)

/* All that this version of Landlock can forbid. */
static size_t landlock_everything(long abi, struct landlock_ruleset *ret)
{
	*ret = (struct landlock_ruleset){.handled_access_fs = BITS(13)};
	if (abi >= 2)
		ret->handled_access_fs = BITS(14); /* refer */
	if (abi >= 3)
		ret->handled_access_fs = BITS(15); /* truncate */
	if (abi >= 5)
		ret->handled_access_fs = BITS(16); /* ioctl on devices opened later */
	if (abi >= 4)
		ret->handled_access_net = BITS(2); /* bind, connect */
	if (abi >= 6)
		ret->scoped = BITS(2); /* abstract sockets, signals */
	if (abi >= 6)
		return sizeof(*ret);
	if (abi >= 4)
		return offsetof(struct landlock_ruleset, scoped);
	return offsetof(struct landlock_ruleset, handled_access_net);
}

int sandbox_landlock(uint32_t *ret_abi)
{
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_VERSION);
	struct landlock_ruleset ruleset;
	size_t bytes;
	long fd;

	if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
	if (abi <= 0) {
		*ret_abi = 0;
		return 0;
	}
	bytes = landlock_everything(abi, &ruleset);
	fd = syscall(SYS_landlock_create_ruleset, &ruleset, bytes, 0);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_landlock_restrict_self, (int)fd, 0) < 0) {
		int error = -errno;

		close((int)fd);
		return error;
	}
	close((int)fd);
	*ret_abi = (uint32_t)abi;
	return 0;
}

/* ---- seccomp ---- */

static int filter_load(const struct sock_filter *filter, size_t n)
{
	const struct sock_fprog program = {
		.len = (unsigned short)n, .filter = (struct sock_filter *)filter};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/* Low half of a 64-bit argument: a pid is an int, and so the kernel reads it. */
#define ARG_LOW(index)                                                                             \
	(uint32_t)(offsetof(struct seccomp_data, args) + (index) * sizeof(uint64_t) +              \
		   (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0))

/* Which architecture a number belongs to is the other filter's matter: it kills all but the native
 * one. */
static int filter_load_own_pid(void)
{
	const uint32_t pid = (uint32_t)getpid();
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG_LOW(0)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};

	return filter_load(filter, sizeof(filter) / sizeof(filter[0]));
}

int sandbox_seccomp(int filter_fd)
{
	static struct sock_filter filter[BPF_MAXINSNS];
	struct stat st;
	ssize_t bytes;
	int error;

	if (fstat(filter_fd, &st) < 0)
		return -errno;
	if (st.st_size == 0 || st.st_size > (off_t)FILTER_BYTES_MAX ||
		st.st_size % (off_t)sizeof(filter[0]) != 0)
		return -EPROTO;
	bytes = pread(filter_fd, filter, sizeof(filter), 0);
	if (bytes < 0)
		return -errno;
	if (bytes != st.st_size)
		return -EPROTO;
	error = filter_load_own_pid();
	return error < 0 ? error : filter_load(filter, (size_t)bytes / sizeof(filter[0]));
}
