/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/uid_range.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/supervisor/programs.h"

const struct uid_sources uid_sources_host = {
	.passwd = "/etc/passwd",
	.subuid = "/etc/subuid",
	.proc = "/proc",
	.session_program = PROGRAM_SESSION,
	.supervisor_program = PROGRAM_SUPERVISOR,
};

#define UIDS_MAX 4096u /* how many uids of one range are kept track of: more than tenants */

/* Uids of the range that sessions of a former supervisor have. */
struct taken {
	bool uid[UIDS_MAX];
};

static bool range_has(const struct uid_range *range, uint64_t uid)
{
	return uid >= range->first && uid - range->first < range->count;
}

static int passwd_check(const struct uid_range *range, const char *path, char *error)
{
	FILE *file = fopen(path, "re");
	struct passwd *entry;
	int result = 0;

	if (!file) {
		if (errno == ENOENT)
			return 0;
		result = -errno;
		(void)snprintf(error, UID_RANGE_ERROR_MAX, "%s cannot be read", path);
		return result;
	}
	while (!result && (entry = fgetpwent(file)))
		if (range_has(range, entry->pw_uid)) {
			(void)snprintf(error, UID_RANGE_ERROR_MAX,
				"session uid %u is that of user '%.64s' in %s",
				(unsigned int)entry->pw_uid, entry->pw_name, path);
			result = -EADDRINUSE;
		}
	(void)fclose(file);
	return result;
}

/* Lines are NAME:FIRST:COUNT. */
static int subuid_check(const struct uid_range *range, const char *path, char *error)
{
	FILE *file = fopen(path, "re");
	unsigned long long first, count;
	char line[512], name[65];
	int result = 0;

	if (!file) {
		if (errno == ENOENT)
			return 0;
		result = -errno;
		(void)snprintf(error, UID_RANGE_ERROR_MAX, "%s cannot be read", path);
		return result;
	}
	while (!result && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%64[^:]:%llu:%llu", name, &first, &count) != 3 || count == 0)
			continue;
		if (first < range->first + range->count && range->first < first + count) {
			(void)snprintf(error, UID_RANGE_ERROR_MAX,
				"session uids %llu-%llu meet the range %llu-%llu of '%s' in %s",
				(unsigned long long)range->first,
				(unsigned long long)(range->first + range->count - 1), first,
				first + count - 1, name, path);
			result = -EADDRINUSE;
		}
	}
	(void)fclose(file);
	return result;
}

#define COMM_MAX 15u /* what the kernel keeps of a process' name */

/* Name and the four uids of a process. False: it is gone meanwhile. */
static bool process_status(
	const char *proc, const char *pid, char name[COMM_MAX + 1], unsigned int uids[4])
{
	char path[PATH_MAX], line[256];
	bool found = false;

	name[0] = '\0';
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s/status", proc, pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "Name: %15s", name);
		found = sscanf(line, "Uid: %u %u %u %u", &uids[0], &uids[1], &uids[2], &uids[3]) ==
			4;
	}
	(void)fclose(file);
	return found;
}

/* A program's name, or one that the kernel marked " (deleted)" after an upgrade. */
static bool name_is(const char *name, const char *program)
{
	size_t length = strlen(program);

	return strncmp(name, program, length) == 0 && (name[length] == '\0' || name[length] == ' ');
}

/* A session that runs, or one that is between the change of its uid and exec. Where /proc does not show the program
 * (another's undumpable process, without CAP_SYS_PTRACE), its name has to do: this is no defence against a process that
 * has the uid already, but against a mistake in the policy. */
static bool process_is_session(
	const struct uid_sources *sources, const char *pid, const char comm[COMM_MAX + 1])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s/exe", sources->proc, pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0 && errno == ENOENT) /* has ended, and is not yet reaped */
		return true;
	if (n < 0)
		return strncmp(comm, sources->session_program, COMM_MAX) == 0;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return slash && (name_is(slash + 1, sources->session_program) ||
				name_is(slash + 1, sources->supervisor_program));
}

static int process_check(const struct uid_range *range, const struct uid_sources *sources,
	const char *pid, struct taken *taken, char *error)
{
	char name[COMM_MAX + 1];
	unsigned int uids[4];

	if (!process_status(sources->proc, pid, name, uids))
		return 0;
	for (size_t i = 0; i < 4; i++) {
		if (!range_has(range, uids[i]))
			continue;
		if (!process_is_session(sources, pid, name)) {
			(void)snprintf(error, UID_RANGE_ERROR_MAX,
				"session uid %u is in use by process %.20s", uids[i], pid);
			return -EADDRINUSE;
		}
		if (uids[i] - range->first < UIDS_MAX)
			taken->uid[uids[i] - range->first] = true;
	}
	return 0;
}

static int processes_check(const struct uid_range *range, const struct uid_sources *sources,
	struct taken *taken, char *error)
{
	DIR *dir = opendir(sources->proc);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		result = -errno;
		(void)snprintf(error, UID_RANGE_ERROR_MAX, "%s cannot be read", sources->proc);
		return result;
	}
	while (!result && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			result = process_check(range, sources, entry->d_name, taken, error);
	closedir(dir);
	return result;
}

int uid_range_assign(const struct uid_range *range, const struct uid_sources *sources, size_t n,
	uid_t *ret_uids, char error[UID_RANGE_ERROR_MAX])
{
	struct taken *taken;
	size_t given = 0;
	int result;

	/* (uid_t)-1 means "unchanged" to the kernel, 0 is root. */
	if (range->first == 0 || range->first >= UINT32_MAX ||
		range->count > UINT32_MAX - range->first) {
		(void)snprintf(error, UID_RANGE_ERROR_MAX, "session uids must be 1 to 4294967294");
		return -ERANGE;
	}
	taken = calloc(1, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	result = passwd_check(range, sources->passwd, error);
	if (!result)
		result = subuid_check(range, sources->subuid, error);
	if (!result)
		result = processes_check(range, sources, taken, error);
	if (result)
		goto out;
	for (size_t i = 0; given < n && i < range->count && i < UIDS_MAX; i++)
		if (!taken->uid[i])
			ret_uids[given++] = (uid_t)(range->first + i);
	if (given < n) {
		(void)snprintf(error, UID_RANGE_ERROR_MAX,
			"%zu tenants need a session uid of their own, the range has %zu free", n,
			given);
		result = -ERANGE;
	}
out:
	free(taken);
	return result;
}
