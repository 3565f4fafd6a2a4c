/* SPDX-License-Identifier: MIT */
/*
 * Root's view of a revocation: runs the command that begins it, and says when force has begun.
 *
 *   vm-witness FLAG COMMAND...     FLAG is a file of one page that the hostile client has mapped, too
 *
 * Force has begun when the session has been killed and both sweeps of its context are at work: two helpers whose seccomp filter is in place,
 * which is the last thing before their first ioctl. Then the flag is raised: its first word becomes the time in milliseconds. The second word is
 * the time at which COMMAND was started. COMMAND's lines are printed with the time since then.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

#define PATIENCE_MS 120000

static size_t file_read(const char *pid, const char *name, char *text, size_t bytes)
{
	char path[300];
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, bytes - 1);
		(void)close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Which helpers are at work: bit 0 detaches, bit 1 unmaps. */
static unsigned int sweeps(void)
{
	DIR *entries = opendir("/proc");
	struct dirent *entry;
	unsigned int found = 0;

	while (entries && (entry = readdir(entries))) {
		char line[256], status[4096];
		size_t n, program;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		n = file_read(entry->d_name, "cmdline", line, sizeof(line));
		program = strnlen(line, n) + 1;
		if (!strstr(line, "iommu-broker-helper") || program >= n)
			continue;
		(void)file_read(entry->d_name, "status", status, sizeof(status));
		if (!strstr(status, "\nSeccomp:\t2\n"))
			continue;
		found |= strcmp(line + program, "sweep-detach") == 0 ? 1u : 0u;
		found |= strcmp(line + program, "sweep-unmap") == 0 ? 2u : 0u;
	}
	if (entries)
		(void)closedir(entries);
	return found;
}

static pid_t command_start(char **argv, int *ret_output)
{
	int output[2];
	pid_t pid;

	if (pipe2(output, O_CLOEXEC) < 0)
		lab_fail("pipe");
	pid = fork();
	if (pid == 0) {
		(void)dup2(output[1], STDOUT_FILENO);
		(void)dup2(output[1], STDERR_FILENO);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	(void)close(output[1]);
	*ret_output = output[0];
	return pid;
}

/* What the command has printed so far, each line with the time at which it was seen. false: it has ended. */
static int lines_print(int output, uint64_t begin)
{
	static char line[1024];
	static size_t length;
	struct pollfd readable = {.fd = output, .events = POLLIN};
	char byte;

	while (poll(&readable, 1, 0) > 0) {
		if (read(output, &byte, 1) != 1)
			return 0;
		if (byte != '\n' && length < sizeof(line) - 1) {
			line[length++] = byte;
			continue;
		}
		line[length] = '\0';
		length = 0;
		lab_say("%5llu ms  ctl: %s", (unsigned long long)(lab_now_ms() - begin), line);
	}
	return 1;
}

int main(int argc, char **argv)
{
	_Atomic uint64_t *flag;
	unsigned int seen = 0;
	int fd, output, status, open_still = 1;
	uint64_t begin;
	pid_t pid;

	if (argc < 3)
		lab_fail("usage: vm-witness FLAG COMMAND...");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	flag = mmap(NULL, LAB_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || flag == MAP_FAILED)
		lab_fail("%s", argv[1]);
	begin = lab_now_ms();
	atomic_store(&flag[1], begin);
	pid = command_start(argv + 2, &output);
	while (open_still && lab_now_ms() - begin < PATIENCE_MS) {
		if (seen != 3 && (seen |= sweeps()) == 3) {
			atomic_store(&flag[0], lab_now_ms());
			lab_say("%5llu ms  both sweeps are at work",
				(unsigned long long)(lab_now_ms() - begin));
		}
		open_still = lines_print(output, begin);
		(void)usleep(500);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		lab_fail("the command");
	lab_say("%5llu ms  ctl ended with status %d", (unsigned long long)(lab_now_ms() - begin),
		WEXITSTATUS(status));
	return seen == 3 ? 0 : 1;
}
