/* SPDX-License-Identifier: MIT */
/*
 * A message is a header of 16 bytes and a body; a reply bears the command's id. The socket is a
 * stream, so both are read to their length.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/vfio_user_raw.h"
#include "tests/harness/proc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CMD_VERSION = 1,
	CMD_SET_IRQS = 8,
	CMD_REGION_READ = 9,
	CMD_REGION_WRITE = 10,
	CMD_RESET = 13
};
enum { FLAG_TYPE = 0xf, FLAG_REPLY = 1, FLAG_ERROR = 1 << 5 };
enum { BODY_BYTES_MAX = 8192 };

struct header {
	uint16_t id;
	uint16_t command;
	uint32_t bytes;
	uint32_t flags;
	uint32_t error;
};

struct region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

static void read_all(int fd, void *buffer, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&pollfd, 1, PATIENCE_MS) != 1)
			fail_msg("the device did not answer in %d ms", PATIENCE_MS);
		n = recv(fd, (char *)buffer + done, bytes - done, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			fail_msg("the device's socket ended");
		done += (size_t)n;
	}
}

static void write_all(
	int fd, const struct header *header, const void *body, size_t bytes, int passed_fd)
{
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	uint8_t packet[sizeof(*header) + BODY_BYTES_MAX];
	struct iovec iov = {.iov_base = packet, .iov_len = sizeof(*header) + bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	assert_in_range(bytes, 0, BODY_BYTES_MAX);
	memcpy(packet, header, sizeof(*header));
	if (bytes > 0)
		memcpy(packet + sizeof(*header), body, bytes);
	if (passed_fd >= 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buffer;
		msg.msg_controllen = sizeof(control.buffer);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
	}
	/* A message of ours is far smaller than a socket buffer: it goes whole or there is nobody.
	 */
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

/* One command and its reply: 0 with `reply_bytes` of the body in `reply` (a longer body is cut), or
 * a positive errno. */
static int command(int fd, uint16_t cmd, const void *body, size_t bytes, int passed_fd, void *reply,
	size_t reply_bytes)
{
	static uint16_t next_id;
	static uint8_t answer[BODY_BYTES_MAX];
	struct header header = {
		.id = ++next_id, .command = cmd, .bytes = (uint32_t)(sizeof(header) + bytes)};
	size_t n;

	write_all(fd, &header, body, bytes, passed_fd);
	read_all(fd, &header, sizeof(header));
	assert_int_equal(header.id, next_id);
	assert_int_equal(header.command, cmd);
	assert_int_equal(header.flags & FLAG_TYPE, FLAG_REPLY);
	assert_in_range(header.bytes, sizeof(header), sizeof(header) + BODY_BYTES_MAX);
	n = header.bytes - sizeof(header);
	read_all(fd, answer, n);
	if (header.flags & FLAG_ERROR) {
		assert_int_not_equal(header.error, 0);
		return (int)header.error;
	}
	assert_true(n >= reply_bytes);
	if (reply_bytes > 0)
		memcpy(reply, answer, reply_bytes);
	return 0;
}

void raw_device_open(int fd)
{
	static const char capabilities[] = "{\"capabilities\":{}}";
	struct {
		uint16_t major, minor;
		char json[sizeof(capabilities)];
	} version = {.major = 0, .minor = 1};
	struct {
		uint16_t major, minor;
	} agreed = {0};

	memcpy(version.json, capabilities, sizeof(capabilities));
	assert_int_equal(
		command(fd, CMD_VERSION, &version, sizeof(version), -1, &agreed, sizeof(agreed)),
		0);
	assert_int_equal(agreed.major, 0);
}

int raw_region_read(int fd, uint32_t region, uint64_t offset, void *buffer, uint32_t bytes)
{
	struct region_access access = {.offset = offset, .region = region, .count = bytes};
	uint8_t reply[sizeof(access) + BODY_BYTES_MAX / 2];
	int r;

	assert_in_range(bytes, 1, BODY_BYTES_MAX / 2);
	r = command(
		fd, CMD_REGION_READ, &access, sizeof(access), -1, reply, sizeof(access) + bytes);
	if (r == 0)
		memcpy(buffer, reply + sizeof(access), bytes);
	return r;
}

int raw_region_write(int fd, uint32_t region, uint64_t offset, const void *buffer, uint32_t bytes)
{
	struct region_access access = {.offset = offset, .region = region, .count = bytes};
	uint8_t body[sizeof(access) + BODY_BYTES_MAX / 2];

	assert_in_range(bytes, 1, BODY_BYTES_MAX / 2);
	memcpy(body, &access, sizeof(access));
	memcpy(body + sizeof(access), buffer, bytes);
	return command(fd, CMD_REGION_WRITE, body, sizeof(access) + bytes, -1, NULL, 0);
}

int raw_reset(int fd)
{
	return command(fd, CMD_RESET, NULL, 0, -1, NULL, 0);
}

int raw_irq_eventfd(int fd, uint32_t index, int eventfd)
{
	/* data eventfd, action trigger: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER */
	struct {
		uint32_t argsz, flags, index, start, count;
	} set = {.argsz = sizeof(set), .flags = 1u << 2 | 1u << 5, .index = index, .count = 1};

	return command(fd, CMD_SET_IRQS, &set, sizeof(set), eventfd, NULL, 0);
}

void raw_edu_start(int fd)
{
	uint16_t pci_command = 0;

	assert_int_equal(
		raw_region_read(fd, RAW_REGION_CONFIG, 4, &pci_command, sizeof(pci_command)), 0);
	pci_command |= 0x6; /* memory space, bus master */
	assert_int_equal(
		raw_region_write(fd, RAW_REGION_CONFIG, 4, &pci_command, sizeof(pci_command)), 0);
}

void raw_edu_dma(int fd, uint64_t iova, uint64_t buffer_offset, uint64_t bytes, uint32_t cmd)
{
	uint64_t buffer = RAW_EDU_BUFFER + buffer_offset, run = cmd | RAW_EDU_RUN;
	uint64_t from = cmd & RAW_EDU_FROM_DEVICE ? buffer : iova;
	uint64_t to = cmd & RAW_EDU_FROM_DEVICE ? iova : buffer;

	assert_int_equal(raw_region_write(fd, RAW_REGION_BAR0, 0x80, &from, 8), 0);
	assert_int_equal(raw_region_write(fd, RAW_REGION_BAR0, 0x88, &to, 8), 0);
	assert_int_equal(raw_region_write(fd, RAW_REGION_BAR0, 0x90, &bytes, 8), 0);
	assert_int_equal(raw_region_write(fd, RAW_REGION_BAR0, 0x98, &run, 8), 0);
	while (run & RAW_EDU_RUN)
		assert_int_equal(raw_region_read(fd, RAW_REGION_BAR0, 0x98, &run, 8), 0);
}
