/* SPDX-License-Identifier: MIT */
/*
 * The vfio-user server, and the edu behind it, on arbitrary bytes.
 *
 * The input is a run of pieces: a control byte, a length byte, then so many bytes for the socket
 * (fewer if the input ends). Control bit 0: let the server run after this piece; bit 1: the client
 * reads what was answered; bit 2: an eventfd goes with the piece; bit 3: the piece is preceded by a
 * header that is right, so that mutations get past the framing; bit 4: the bytes go into the
 * device's state area instead, as a dead process may have left them.
 *
 * The corpus, one conversation a file: infos (and a reset), interrupts (INTx up to its end), dma
 * (both ways, with a state area that changes in between), never-reads.
 *
 * Whatever comes, the server answers or ends, no fd is left, and the device's DMA stays in 28 bits
 * and within its own buffer.
 */
#include <dirent.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "broker/sim/edu.h"
#include "broker/sim/vfio_user_server.h"
#include "include/vfio_user.h"

static _Alignas(4096) uint8_t area[EDU_STATE_BYTES];

static int bus_check(uint64_t iova, size_t bytes)
{
	fuzz_assert(iova <= EDU_DMA_MASK);
	fuzz_assert(bytes > 0 && bytes <= EDU_BUFFER_BYTES);
	return iova & 0x1000 ? -14 : 0;
}

static int bus_read(void *arg, uint64_t iova, void *buffer, size_t bytes)
{
	(void)arg;
	memset(buffer, 0x5a, bytes);
	return bus_check(iova, bytes);
}

static int bus_write(void *arg, uint64_t iova, const void *buffer, size_t bytes)
{
	volatile uint8_t sum = 0;

	(void)arg;
	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)buffer)[i]);
	return bus_check(iova, bytes);
}

static void bus_interrupt(void *arg)
{
	edu_vfio_interrupt(arg);
}

static const struct edu_ops bus_ops = {bus_read, bus_write, bus_interrupt};

static unsigned int open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int n = 0;

	fuzz_assert(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void send_piece(int to, const uint8_t *piece, size_t n, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {(void *)piece, n};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (n > 0)
		(void)!sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void read_all(int from)
{
	static uint8_t sink[VFIO_USER_MESSAGE_MAX];

	while (recv(from, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

/* 0 while the connection lives. */
static int one_piece(
	struct vfio_user_server *server, int client, uint8_t how, const uint8_t *piece, size_t n)
{
	int fd = how & 4 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	int r = 0;

	if (how & 16) {
		for (size_t i = 0; i < n; i++)
			area[(i * 4099 + how) % EDU_STATE_BYTES] = piece[i];
	} else {
		if (how & 8 && n > 0) {
			struct vfio_user_header header = {
				.command = piece[0],
				.bytes = (uint32_t)(sizeof(header) + n - 1),
			};

			send_piece(client, (const uint8_t *)&header, sizeof(header), -1);
			piece++;
			n--;
		}
		send_piece(client, piece, n, fd);
	}
	if (fd >= 0)
		close(fd);
	if (how & 1)
		r = vfio_user_server_run(server);
	if (how & 2)
		read_all(client);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct {
		struct vfio_user_header header;
		struct vfio_user_version version;
	} hello = {{.command = VFIO_USER_VERSION, .bytes = sizeof(hello)}, {0, 1}};
	unsigned int fds_before = open_fds();
	struct vfio_user_server *server;
	struct edu_vfio device;
	struct edu edu = {area, &bus_ops, &device};
	int ends[2];
	int r = 0;

	edu_state_init(area);
	edu_vfio_init(&device, &edu);
	fuzz_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	fuzz_assert(vfio_user_server_new(ends[0], &edu_vfio_ops, &device, &server) == 0);
	if (bytes > 0 && data[0] & 1) {
		send_piece(ends[1], (const uint8_t *)&hello, sizeof(hello), -1);
		r = vfio_user_server_run(server);
	}
	while (bytes >= 2 && r == 0) {
		size_t n = data[1] < bytes - 2 ? data[1] : bytes - 2;

		r = one_piece(server, ends[1], data[0], data + 2, n);
		data += 2 + n;
		bytes -= 2 + n;
	}
	fuzz_assert(r <= 0);
	vfio_user_server_free(server);
	edu_vfio_deinit(&device);
	close(ends[1]);
	fuzz_assert(open_fds() == fds_before);
	return 0;
}
