/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_write(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int error = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		error = -errno;
	close(fd);
	return error;
}

int cgroup_open(const char *dir, int *ret_partial)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret_partial = file_write(fd, "cgroup.subtree_control", "+memory") != 0;
	*ret_partial |= file_write(fd, "cgroup.subtree_control", "+pids") != 0;
	return fd;
}

static int limit_write(int dir_fd, const char *name, uint64_t value)
{
	char text[24];

	if (value == UINT64_MAX)
		return 0;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return file_write(dir_fd, name, text);
}

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define CGROUP_OURSELVES "/supervisor"

/* The path in the line "0::PATH" of a process' cgroup file. 0 or -errno. */
static int own_path_read(char *path, size_t bytes)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 8];
	int error = -ENOENT;

	if (!file)
		return -errno;
	while (error == -ENOENT && fgets(line, sizeof(line), file)) {
		size_t n = strcspn(line, "\n");

		if (strncmp(line, "0::/", 4) != 0)
			continue;
		/* A path that was cut would be another one. */
		error = line[n] == '\n' && n - 3 < bytes ? 0 : -ENAMETOOLONG;
		line[n] = '\0';
		if (!error)
			memcpy(path, line + 3, n - 3 + 1);
	}
	(void)fclose(file);
	return error;
}

static int ourselves_move(const char *dir)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

	if (dir_fd < 0)
		return -errno;
	if (mkdirat(dir_fd, &CGROUP_OURSELVES[1], 0755) < 0 && errno != EEXIST)
		error = -errno;
	if (!error)
		error = file_write(dir_fd, "." CGROUP_OURSELVES "/cgroup.procs", "0");
	close(dir_fd);
	return error;
}

int cgroup_own(char *ret_dir, size_t bytes)
{
	const size_t suffix = sizeof(CGROUP_OURSELVES) - 1;
	char path[PATH_MAX];
	int error = own_path_read(path, sizeof(path));
	bool there;
	size_t n;

	if (error)
		return error;
	n = strlen(path);
	if (n == 1)
		return -EPERM;
	there = n > suffix && strcmp(path + n - suffix, CGROUP_OURSELVES) == 0;
	if (there)
		path[n - suffix] = '\0';
	if (snprintf(ret_dir, bytes, CGROUP_MOUNT "%s", path) >= (int)bytes)
		return -ENAMETOOLONG;
	return there ? 0 : ourselves_move(ret_dir);
}

int cgroup_tenant_open(int dir_fd, const char *name, uint64_t memory_max_bytes, uint64_t pids_max,
	int *ret_events_fd)
{
	char child[80];
	int child_fd, procs_fd, error;

	(void)snprintf(child, sizeof(child), "tenant-%s", name);
	if (mkdirat(dir_fd, child, 0755) < 0 && errno != EEXIST)
		return -errno;
	child_fd = openat(dir_fd, child, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (child_fd < 0)
		return -errno;
	error = limit_write(child_fd, "memory.max", memory_max_bytes);
	if (!error)
		error = limit_write(child_fd, "pids.max", pids_max);
	procs_fd = error ? error : openat(child_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (!error && procs_fd < 0)
		procs_fd = -errno;
	if (procs_fd >= 0)
		*ret_events_fd = openat(child_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	close(child_fd);
	return procs_fd;
}

uint64_t cgroup_oom_kills(int events_fd)
{
	static const char key[] = "\noom_kill ";
	char text[512];
	ssize_t n = events_fd < 0 ? -1 : pread(events_fd, text, sizeof(text) - 1, 0);
	const char *line;

	if (n < 0)
		return 0;
	text[n] = '\0';
	line = strstr(text, key);
	return line ? strtoull(line + sizeof(key) - 1, NULL, 10) : 0;
}
