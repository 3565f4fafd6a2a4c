/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_check(int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return -EPERM;
	return (st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX) ? -EPERM : 0;
}

int rundir_lock(const char *path)
{
	int dir_fd, lock_fd, error;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	error = directory_check(dir_fd);
	if (error) {
		close(dir_fd);
		return error;
	}
	lock_fd = openat(dir_fd, "iommu-brokerd.lock",
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (lock_fd < 0)
		error = -errno;
	close(dir_fd);
	if (error)
		return error;
	if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0) {
		error = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(lock_fd);
		return error;
	}
	return lock_fd;
}
