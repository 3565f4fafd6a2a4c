/* SPDX-License-Identifier: MIT */
/*
 * A session that does what its client says, to the supervisor: the way for a test to be a hostile session.
 *
 * A packet from the client is one letter and its bytes:
 *     P          answer with our pid
 *     L          answer with our open fds, one line each: "NUMBER TARGET"
 *     S bytes    send the bytes to the supervisor          F bytes    the same with an fd
 *     R          receive one packet from the supervisor and pass it on, with its fd
 *     C          close the control socket                  X          exit
 *     G          fill the tenant's account page with 0xff, and try to cut it off
 * S, F, C and G answer with one byte: 0, or the errno.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/common/account_page.h"
#include "broker/common/control.h"
#include "broker/common/seqpacket.h"

static void wait_readable(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	if (poll(&readable, 1, -1) < 0)
		_exit(1);
}

static void answer(const void *bytes, size_t length, int fd)
{
	if (seqpacket_send(SESSION_FD_CLIENT, bytes, length, &fd, fd >= 0 ? 1 : 0))
		_exit(1);
}

static void list_fds(void)
{
	static char text[8192];
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (dir && (entry = readdir(dir))) {
		char path[300], target[256];
		ssize_t length;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s\n", entry->d_name, target);
	}
	answer(text, n, -1);
}

static void pass_on(void)
{
	static union control_message message;
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n;

	do {
		wait_readable(SESSION_FD_CONTROL);
		n = seqpacket_recv(SESSION_FD_CONTROL, &message, sizeof(message), &fd, 1, &n_fds);
	} while (n == -EAGAIN);
	if (n <= 0)
		_exit(2);
	answer(&message, (size_t)n, n_fds ? fd : -1);
	if (n_fds)
		close(fd);
}

/* A page that another process has mapped and that is no longer in the file is SIGBUS to it. */
static int account_spoil(void)
{
	void *page = mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		SESSION_FD_ACCOUNT, 0);

	if (page == MAP_FAILED)
		return errno;
	memset(page, 0xff, ACCOUNT_PAGE_BYTES);
	if (ftruncate(SESSION_FD_ACCOUNT, 0) == 0 || ftruncate(SESSION_FD_LIMITS, 0) == 0)
		return EEXIST;
	return 0;
}

static void obey(char letter, const void *bytes, size_t length)
{
	int pid = getpid(), null_fd = 0;
	unsigned char error = 0;

	switch (letter) {
	case 'P':
		answer(&pid, sizeof(pid), -1);
		return;
	case 'L':
		list_fds();
		return;
	case 'R':
		pass_on();
		return;
	case 'S':
	case 'F':
		error = (unsigned char)-seqpacket_send(
			SESSION_FD_CONTROL, bytes, length, &null_fd, letter == 'F' ? 1 : 0);
		break;
	case 'G':
		error = (unsigned char)account_spoil();
		break;
	case 'C':
		close(SESSION_FD_CONTROL);
		break;
	default:
		_exit(0);
	}
	answer(&error, 1, -1);
}

int main(void)
{
	static char packet[65536];

	for (;;) {
		size_t n_fds = 0;
		ssize_t n;

		wait_readable(SESSION_FD_CLIENT);
		n = seqpacket_recv(SESSION_FD_CLIENT, packet, sizeof(packet), NULL, 0, &n_fds);
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			_exit(0);
		obey(packet[0], packet + 1, (size_t)n - 1);
	}
}
