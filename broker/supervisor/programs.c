/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int own_dir(char *path, size_t bytes)
{
	ssize_t n = readlink("/proc/self/exe", path, bytes - 1);
	char *slash;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

static int program_open_in(const char *dir, const char *name)
{
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int fd, error = 0;

	if (dir_fd < 0)
		return -errno;
	fd = openat(dir_fd, name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		error = -errno;
	close(dir_fd);
	if (error)
		return error;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111)) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

static int program_open(const char *dir, const char *name)
{
	char beside[PATH_MAX];
	int fd;

	if (dir)
		return program_open_in(dir, name);
	if (own_dir(beside, sizeof(beside)) == 0) {
		fd = program_open_in(beside, name);
		if (fd >= 0)
			return fd;
	}
	return program_open_in(IOMMUB_LIBEXECDIR, name);
}

int programs_open(const char *dir, struct programs *ret, const char **ret_missing)
{
	int session_fd = program_open(dir, PROGRAM_SESSION);
	int helper_fd;

	if (session_fd < 0) {
		*ret_missing = PROGRAM_SESSION;
		return session_fd;
	}
	helper_fd = program_open(dir, PROGRAM_HELPER);
	if (helper_fd < 0) {
		*ret_missing = PROGRAM_HELPER;
		close(session_fd);
		return helper_fd;
	}
	*ret = (struct programs){.session_fd = session_fd, .helper_fd = helper_fd};
	return 0;
}

void programs_close(struct programs *programs)
{
	if (programs->session_fd >= 0)
		close(programs->session_fd);
	if (programs->helper_fd >= 0)
		close(programs->helper_fd);
	*programs = (struct programs){.session_fd = -1, .helper_fd = -1};
}
