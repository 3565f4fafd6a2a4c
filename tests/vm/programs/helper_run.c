/* SPDX-License-Identifier: MIT */
#include "tests/vm/programs/helper_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/spawn.h"
#include "tests/vm/programs/vfio.h"

static int program_fd = -1;

void helper_run_program(const char *path)
{
	program_fd = open(path, O_PATH | O_CLOEXEC);
	need(program_fd >= 0, "%s cannot be opened", path);
}

struct helper_child helper_begin(const char *name, enum helper_kind kind,
	const struct helper_request *request, const int *fds, size_t fds_count)
{
	int sockets[2], all[1 + HELPER_TASK_FDS_MAX];
	struct helper_request packet = *request;
	struct helper_child child;

	packet.magic = HELPER_MAGIC;
	packet.kind = (uint32_t)kind;
	packet.fds_count = (uint32_t)fds_count;
	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0,
		"socketpair");
	all[0] = sockets[1];
	for (size_t i = 0; i < fds_count; i++)
		all[1 + i] = fds[i];
	const struct spawn spawned = {.program_fd = program_fd,
		.name = "iommu-broker-helper",
		.argument = name,
		.fds = all,
		.fds_count = 1 + fds_count,
		.keep_stderr = true,
		.memlock_bytes = UINT64_MAX,
		.nofile = 64,
		.cgroup_procs_fd = -1};

	need(seqpacket_send(sockets[0], &packet, sizeof(packet), NULL, 0) == 0, "request");
	need(spawn(&spawned, &child.pid, &child.pidfd) == 0, "the helper cannot be started");
	close(sockets[1]);
	child.socket_fd = sockets[0];
	return child;
}

struct helper_result helper_end(struct helper_child *child, int *ret_fd)
{
	struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
	struct helper_result result = {.error = -1};
	siginfo_t info = {0};
	int fd = -1;
	size_t n_fds = 0;

	need(poll(&ended, 1, 120000) == 1, "the helper hangs");
	need(waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) == 0, "waitid");
	need(info.si_code == CLD_EXITED && info.si_status == 0, "the helper died (%d, %d)",
		info.si_code, info.si_status);
	need(seqpacket_recv(child->socket_fd, &result, sizeof(result), &fd, 1, &n_fds) ==
			sizeof(result),
		"the helper said nothing");
	close(child->socket_fd);
	close(child->pidfd);
	if (ret_fd)
		*ret_fd = n_fds ? fd : -1;
	else
		fds_close(&fd, n_fds);
	return result;
}

struct helper_result helper_on_device(
	const char *name, enum helper_kind kind, const struct pci_facts *device, int *ret_fd)
{
	struct helper_request request = {.major = device->major, .minor = device->minor};
	int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct helper_child child;

	(void)snprintf(request.node, sizeof(request.node), "%s", device->node);
	child = helper_begin(name, kind, &request, &dev, 1);
	close(dev);
	return helper_end(&child, ret_fd);
}

void helper_await_filter(const struct helper_child *child)
{
	char path[64], text[4096];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)child->pid);
	do {
		(void)sched_yield();
		fd = open(path, O_RDONLY | O_CLOEXEC);
		need(fd >= 0, "%s", path);
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		need(!strstr(text, "State:\tZ"), "the helper has died");
	} while (!strstr(text, "Seccomp:\t2"));
}
