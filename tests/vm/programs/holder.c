/* SPDX-License-Identifier: MIT */
/*
 * A tenant that leaves something behind: it borrows a device, attaches it to an address space with one MiB mapped, and lets another
 * process of its own keep hold of the device.
 *
 *   vm-holder SOCKET DEVICE HOW [MAP-BYTES]
 *
 *      HOW   none       no accomplice                 registers   it has only a mapping of BAR 0
 *            fd         it has the device's fd        message     the fd lies in a message of a socket that it has, unread
 *
 * Prints "holding: accomplice PID", and waits. With MAP-BYTES it then maps so much of a sparse file, prints "mapping" before and
 * "mapped" after that, and waits.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab.h"

#define IOVA UINT64_C(0x8000000)
#define BYTES (UINT64_C(1) << 20)
#define LARGE_IOVA UINT64_C(0x10000000)
#define FD_KEPT 100

static void fd_hide(int fd, int *ret_sockets)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ret_sockets) < 0 ||
		sendmsg(ret_sockets[0], &message, 0) != 1)
		lab_fail("cannot hide the fd");
}

/* Everything but what it is to keep goes, or the broker would not see the client's end. */
static pid_t accomplice(const struct lab_device *device, const char *how)
{
	int fd = iommub_device_get_fd(device->device), sockets[2] = {-1, -1};
	struct iommub_region region;
	void *registers = NULL;
	pid_t pid;

	if (strcmp(how, "none") == 0)
		return 0;
	if (strcmp(how, "message") == 0)
		fd_hide(fd, sockets);
	if (strcmp(how, "registers") == 0 &&
		(iommub_device_region(device->device, 0, &region) < 0 ||
			iommub_device_mmap(device->device, 0, 0, (size_t)LAB_PAGE,
				PROT_READ | PROT_WRITE, &registers) < 0))
		lab_fail("cannot map the registers");
	pid = fork();
	if (pid < 0)
		lab_fail("fork");
	if (pid > 0) {
		if (sockets[0] >= 0) {
			close(sockets[0]);
			close(sockets[1]);
		}
		return pid;
	}
	if (strcmp(how, "fd") == 0)
		(void)dup2(fd, FD_KEPT);
	if (strcmp(how, "message") == 0) {
		(void)dup2(sockets[0], FD_KEPT);
		(void)dup2(sockets[1], FD_KEPT + 1);
	}
	(void)close_range(0, FD_KEPT - 1, 0);
	(void)close_range(FD_KEPT + 2, ~0U, 0);
	for (;;)
		(void)pause();
}

static void wait_forever(void) __attribute__((noreturn));
static void wait_forever(void)
{
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	struct iommub_conn *conn;
	struct lab_device device;
	struct lab_memory memory, large;
	struct iommub_device_opts opts = {.size = sizeof(opts)};
	iommub_id ioas;
	uint64_t bytes;
	pid_t pid;
	int fd;

	if (argc < 4)
		lab_fail("usage: vm-holder SOCKET DEVICE none|fd|registers|message [MAP-BYTES]");
	opts.name = argv[2];
	conn = lab_connect(argv[1], 60000);
	memory = lab_memory(conn, BYTES);
	ioas = lab_ioas(conn);
	lab_expect(conn, lab_map_at(conn, ioas, memory.id, 0, BYTES, IOVA, LAB_BOTH), 0, NULL);
	/* Once, without patience: a refusal is an answer here. */
	lab_expect(conn, iommub_device_open(conn, &opts, &device.id, &fd), 0, NULL);
	if (iommub_device_from_fd(fd, 0, &device.device) < 0)
		lab_fail("the fd is no device");
	close(fd);
	lab_attach(conn, &device, ioas);
	pid = accomplice(&device, argv[3]);
	lab_say("holding: accomplice %d, session %llu", (int)pid,
		(unsigned long long)lab_session(conn));
	if (argc < 5)
		wait_forever();
	bytes = strtoull(argv[4], NULL, 0);
	large = lab_memory(conn, bytes);
	lab_say("mapping");
	lab_expect(conn, lab_map_at(conn, ioas, large.id, 0, bytes, LARGE_IOVA, LAB_BOTH), 0, NULL);
	lab_say("mapped");
	wait_forever();
}
