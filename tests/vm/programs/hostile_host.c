/* SPDX-License-Identifier: MIT */
#include "hostile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	hostile_refused(fd < 0 ? -errno : fd, "open %s", path);
	if (fd >= 0)
		(void)close(fd);
}

static void nodes_in(const char *dir)
{
	DIR *entries = opendir(dir);
	struct dirent *entry;
	char path[512];

	if (!entries)
		return;
	while ((entry = readdir(entries))) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_type == DT_CHR)
			node(path);
	}
	(void)closedir(entries);
}

static void socket_try(const char *run_dir, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir, name);
	hostile_refused(connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0,
		"connect to %s", address.sun_path);
	(void)close(fd);
}

static void process_file(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags | O_CLOEXEC);
	hostile_refused(fd < 0 ? -errno : fd, "open %s", path);
	if (fd >= 0)
		(void)close(fd);
}

static void process(pid_t pid, const char *what)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	long n;

	lab_say("         process %d is %s", pid, what);
	hostile_refused(kill(pid, SIGKILL) < 0 ? -errno : 0, "kill it");
	n = syscall(SYS_pidfd_getfd, pidfd, 8, 0);
	hostile_refused(n < 0 ? -errno : 0, "take its fd 8, which is an iommufd");
	hostile_refused(ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? -errno : 0, "trace it");
	process_file(pid, "mem", O_RDWR);
	process_file(pid, "fd", O_RDONLY | O_DIRECTORY);
	process_file(pid, "maps", O_RDONLY);
	if (pidfd >= 0)
		(void)close(pidfd);
}

static void processes(void)
{
	DIR *entries = opendir("/proc");
	struct dirent *entry;
	unsigned int found = 0;

	while (entries && (entry = readdir(entries))) {
		char path[300], text[256] = "";
		int fd;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "iommu-broker")) {
			process((pid_t)atoi(entry->d_name), text);
			found++;
		}
		(void)close(fd);
	}
	if (entries)
		(void)closedir(entries);
	if (found < 2)
		lab_fail("the broker's processes were not found: nothing would be shown");
}

void hostile_host(const char *run_dir)
{
	node("/dev/iommu");
	nodes_in("/dev/vfio");
	nodes_in("/dev/vfio/devices");
	node("/dev/mem");
	socket_try(run_dir, "admin.sock");
	processes();
}
