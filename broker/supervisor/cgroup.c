/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

int cgroup_tenant_open(int dir_fd, const char *name, uint64_t memory_max_bytes, uint64_t pids_max)
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
	close(child_fd);
	return procs_fd;
}
