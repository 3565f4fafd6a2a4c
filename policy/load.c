/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "policy/error.h"
#include "policy/policy.h"

/* At most `bytes` bytes of a file. The count, or -errno. */
static ssize_t file_read(int fd, char *buffer, size_t bytes)
{
	size_t have = 0;

	while (have < bytes) {
		ssize_t n = read(fd, buffer + have, bytes - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* O_NONBLOCK: a policy's path may turn out to be a FIFO, and nobody is to wait for its writer. */
static int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		r = -errno;
	else if (S_ISDIR(status.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(status.st_mode))
		r = -EINVAL;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int policy_load(const char *path, struct policy **ret, struct policy_error *error)
{
	char *text = NULL;
	ssize_t bytes = -ENOMEM;
	int fd = file_open(path), r;

	if (fd < 0) {
		error_at(error, path, 1, 1, "policy", "cannot be read: %s",
			fd == -EINVAL ? "not a regular file" : strerror(-fd));
		return fd;
	}
	/* One byte more than allowed, so that a file which grows meanwhile is seen to be too large.
	 */
	text = malloc(POLICY_FILE_BYTES_MAX + 1);
	if (text)
		bytes = file_read(fd, text, POLICY_FILE_BYTES_MAX + 1);
	close(fd);
	if (bytes < 0) {
		error_at(error, path, 1, 1, "policy", "cannot be read: %s", strerror((int)-bytes));
		r = (int)bytes;
	} else {
		r = policy_parse(path, text, (size_t)bytes, ret, error);
	}
	free(text);
	return r;
}
