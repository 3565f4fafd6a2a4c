/* SPDX-License-Identifier: MIT */
/* What only the running kernel itself can say. Nothing here changes anything, and nothing needs a right but one open(). */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/ctl/host.h"
#include "include/iommufd_uapi.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef LANDLOCK_CREATE_RULESET_VERSION
#define LANDLOCK_CREATE_RULESET_VERSION 1U
#endif

/* A command that the kernel does not know is ENOTTY; one that it knows fails otherwise, since nothing has this id. */
static int map_file_probe(void)
{
	struct iommu_ioas_map_file map = {.size = sizeof(map), .fd = -1};
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = ioctl(fd, IOMMU_IOAS_MAP_FILE, &map) < 0 && errno == ENOTTY ? 0 : 1;
	close(fd);
	return result;
}

static int seccomp_probe(void)
{
	unsigned int action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? 1 : 0;
}

static int pidfd_probe(void)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

static int peer_pidfd_probe(void)
{
	socklen_t length = sizeof(int);
	int pair[2], fd = -1, result;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	result = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0 ? 1 : 0;
	if (fd >= 0)
		close(fd);
	close(pair[0]);
	close(pair[1]);
	return result;
}

void host_probe(struct host_probes *ret)
{
	const long landlock =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	*ret = (struct host_probes){
		.map_file = map_file_probe(),
		.landlock = landlock > 0 ? (int)landlock : 0,
		.seccomp = seccomp_probe(),
		.pidfd = pidfd_probe(),
		.peer_pidfd = peer_pidfd_probe(),
	};
}
