/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Kernels differ in how they say that a peer is gone; all of them mean it. */
static int peer_pidfd(int socket_fd, pid_t pid)
{
	socklen_t length = sizeof(int);
	int fd = -1;

	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0)
		return fd;
	if (errno != ENOPROTOOPT)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ESRCH;
	if (pid <= 0)
		return -ESRCH;
	fd = pidfd_open(pid, 0);
	if (fd >= 0)
		return fd;
	return errno == EINVAL ? -ESRCH : -errno;
}

/* A pidfd becomes readable when its process has ended. */
static bool alive(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	return poll(&ended, 1, 0) == 0;
}

static void label_read(int socket_fd, char *label, size_t bytes)
{
	socklen_t length = (socklen_t)bytes - 1;

	label[0] = '\0';
	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERSEC, label, &length) == 0)
		label[length] = '\0';
	else
		label[0] = '\0';
}

static void cgroup_read(pid_t pid, char *cgroup, size_t bytes)
{
	char path[64], text[4096];
	const char *line;
	size_t n;
	ssize_t got;
	int fd;

	cgroup[0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return;
	text[got] = '\0';
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return;
	line = strchr(line, '/');
	n = line ? strcspn(line, "\n") : 0;
	/* A path that is cut could be taken for another: rather none. */
	if (n == 0 || n >= bytes)
		return;
	memcpy(cgroup, line, n);
	cgroup[n] = '\0';
}

int peer_identify(int socket_fd, struct peer *ret)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);
	struct peer peer = {0};
	bool lives;
	int pidfd;

	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
		return -errno;
	pidfd = peer_pidfd(socket_fd, cred.pid);
	if (pidfd < 0)
		return pidfd;
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	peer.pid = cred.pid;
	lives = alive(pidfd);
	if (lives) {
		label_read(socket_fd, peer.label, sizeof(peer.label));
		cgroup_read(cred.pid, peer.cgroup, sizeof(peer.cgroup));
		lives = alive(pidfd);
	}
	close(pidfd);
	if (!lives)
		return -ESRCH;
	*ret = peer;
	return 0;
}
