/* SPDX-License-Identifier: MIT */
/* Reading files below a root. Absolute links in a tree lead below its root, and nothing leads out of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/ctl/host.h"

int host_open(struct host *ret, const char *root, struct host_report *report)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = (struct host){.root_fd = fd, .report = report};
	return 0;
}

void host_close(struct host *host)
{
	close(host->root_fd);
	host->root_fd = -1;
}

static int path_open(const struct host *host, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned long long)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	long fd = syscall(SYS_openat2, host->root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int tree_read(const struct host *host, const char *path, char text[HOST_TEXT_MAX])
{
	int fd = path_open(host, path, O_RDONLY);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	do {
		n = read(fd, text + used, HOST_TEXT_MAX - 1 - used);
		if (n < 0) {
			n = -errno;
			close(fd);
			return (int)n;
		}
		used += (size_t)n;
	} while (n > 0 && used < HOST_TEXT_MAX - 1);
	close(fd);
	if (used > 0 && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
	return 0;
}

int tree_contains(const struct host *host, const char *path, const char *what)
{
	int fd = path_open(host, path, O_RDONLY), found = 0;
	size_t capacity = 0;
	char *line = NULL;
	FILE *file;

	if (fd < 0)
		return fd;
	file = fdopen(fd, "re");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (!found && getline(&line, &capacity, file) >= 0)
		found = strstr(line, what) != NULL;
	free(line);
	(void)fclose(file);
	return found;
}

int tree_stat(const struct host *host, const char *path, struct stat *ret)
{
	int fd = path_open(host, path, O_PATH), error = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, ret) < 0)
		error = -errno;
	close(fd);
	return error;
}

int tree_link(const struct host *host, const char *path, char *name, size_t bytes)
{
	int fd = path_open(host, path, O_PATH | O_NOFOLLOW);
	char target[HOST_TEXT_MAX];
	const char *last;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		n = errno == ENOENT ? -EINVAL : -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	target[n] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= bytes)
		return -ENAMETOOLONG;
	memcpy(name, last, strlen(last) + 1);
	return 0;
}

static int names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int tree_names(const struct host *host, const char *path, char ***ret, size_t *ret_n)
{
	int fd = path_open(host, path, O_RDONLY | O_DIRECTORY), error = 0;
	char **names = NULL;
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!error && (entry = readdir(dir))) {
		char **more;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		more = reallocarray(names, n + 1, sizeof(*names));
		if (more)
			names = more;
		if (!more || !(names[n] = strdup(entry->d_name)))
			error = -ENOMEM;
		else
			n++;
	}
	(void)closedir(dir);
	if (error) {
		tree_names_free(names, n);
		return error;
	}
	if (n)
		qsort(names, n, sizeof(*names), names_compare);
	*ret = names;
	*ret_n = n;
	return 0;
}

void tree_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

bool text_has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += length)
		if ((at == text || strchr(" \t\n", at[-1])) &&
			(!at[length] || strchr(" \t\n", at[length])))
			return true;
	return false;
}
