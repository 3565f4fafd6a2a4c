/* SPDX-License-Identifier: MIT */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 32768

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void wait_until(bool (*condition)(void *arg), void *arg, const char *what)
{
	static const struct timespec pause = {.tv_nsec = 2000000};
	int64_t end = now_ms() + PATIENCE_MS;

	while (!condition(arg)) {
		if (now_ms() > end)
			fail_msg("in %d ms never: %s", PATIENCE_MS, what);
		nanosleep(&pause, NULL);
	}
}

ssize_t proc_fd_count(pid_t pid)
{
	char path[64];
	struct stat st;
	ssize_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (stat(path, &st) < 0)
		return -1;
	if (st.st_size > 0)
		return (ssize_t)st.st_size;
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (isdigit((unsigned char)entry->d_name[0]))
			count++;
	closedir(dir);
	return pid == getpid() ? count - 1 : count; /* not the one that we look with */
}

void proc_fd_target(pid_t pid, int fd, char *buffer, size_t bytes)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, buffer, bytes - 1);
	buffer[n < 0 ? 0 : n] = '\0';
}

void proc_status(pid_t pid, const char *key, char *buffer, size_t bytes)
{
	char path[64], line[512];
	size_t length = strlen(key);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		fail_msg("there is no %s", path);
	buffer[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			line[strcspn(line, "\n")] = '\0';
			snprintf(buffer, bytes, "%s",
				line + length + 1 + strspn(line + length + 1, " \t"));
			break;
		}
	}
	fclose(file);
	if (buffer[0] == '\0')
		fail_msg("%s has no %s", path, key);
}

uint64_t proc_status_number(pid_t pid, const char *key, int base)
{
	char text[256];

	proc_status(pid, key, text, sizeof(text));
	return strtoull(text, NULL, base);
}

/* State and parent of a process, from /proc/PID/stat; the name in it may hold anything, so parse
 * behind its end. */
static bool stat_read(pid_t pid, char *ret_state, pid_t *ret_parent)
{
	char path[64], text[512];
	const char *end;
	int parent;
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	end = strrchr(text, ')');
	if (end == NULL || sscanf(end, ") %c %d", ret_state, &parent) != 2)
		return false;
	*ret_parent = parent;
	return true;
}

bool proc_alive(pid_t pid)
{
	char state;
	pid_t parent;

	return stat_read(pid, &state, &parent) && state != 'Z' && state != 'X';
}

void proc_name(pid_t pid, char *buffer, size_t bytes)
{
	char path[64], text[512];
	const char *name;
	size_t n;
	FILE *file;

	buffer[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	name = strrchr(text, '/');
	snprintf(buffer, bytes, "%s", name ? name + 1 : text);
}

size_t proc_descendants(pid_t *ret, size_t max)
{
	static struct {
		pid_t pid, parent;
		bool zombie, ours;
	} all[PROCESSES_MAX];
	size_t n_all = 0, n = 0;
	DIR *dir = opendir("/proc");

	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL && n_all < PROCESSES_MAX;) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		char state;

		if (pid > 0 && stat_read(pid, &state, &all[n_all].parent)) {
			all[n_all].pid = pid;
			all[n_all].zombie = state == 'Z' || state == 'X';
			all[n_all++].ours = false;
		}
	}
	closedir(dir);
	for (bool grew = true; grew;) {
		grew = false;
		for (size_t i = 0; i < n_all; i++) {
			bool ours = all[i].parent == getpid();

			for (size_t k = 0; k < n_all && !ours; k++)
				ours = all[k].ours && all[k].pid == all[i].parent;
			grew = grew || ours != all[i].ours;
			all[i].ours = ours;
		}
	}
	for (size_t i = 0; i < n_all && n < max; i++)
		if (all[i].ours && !all[i].zombie)
			ret[n++] = all[i].pid;
	return n;
}
