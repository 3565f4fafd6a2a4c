/* SPDX-License-Identifier: MIT */
/*
 * The vfio-user server's framing: halves, lies about sizes, fds where none belong, a client that
 * never reads.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/unit/device/rig.h"

static int setup_negotiated(void **state)
{
	*state = rig_new();
	rig_negotiate(*state);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static struct vfio_user_header header_of(uint16_t command, uint32_t bytes)
{
	return (struct vfio_user_header){.id = 0x1234, .command = command, .bytes = bytes};
}

/* ---- sizes and flags ---- */

static void test_unknown_command(void **state)
{
	struct rig *rig = *state;
	const uint16_t unknown[] = {0, 2, 3, 6, 11, 12, 14, 15, 16, 0xffff};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(rig_call(rig, unknown[i], NULL, 0, NULL, 0, NULL, 0), -EOPNOTSUPP);
}

static void test_body_sizes(void **state)
{
	struct rig *rig = *state;
	const struct {
		uint16_t command;
		uint16_t bytes;
	} rows[] = {{VFIO_USER_DEVICE_GET_INFO, 16}, {VFIO_USER_DEVICE_GET_REGION_INFO, 32},
		{VFIO_USER_DEVICE_GET_IRQ_INFO, 16}, {VFIO_USER_DEVICE_SET_IRQS, 20},
		{VFIO_USER_REGION_READ, 16}, {VFIO_USER_REGION_WRITE, 16},
		{VFIO_USER_DEVICE_RESET, 0}};
	const uint8_t zeroes[64] = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].bytes > 0)
			assert_int_equal(rig_call(rig, rows[i].command, zeroes, rows[i].bytes - 1,
						 NULL, 0, NULL, 0),
				-EINVAL);
		assert_int_equal(
			rig_call(rig, rows[i].command, zeroes, rows[i].bytes + 1, NULL, 0, NULL, 0),
			-EINVAL);
	}
}

static void test_half_a_message(void **state)
{
	struct rig *rig = *state;
	struct {
		struct vfio_user_header header;
		struct vfio_user_device_info info;
	} message = {header_of(VFIO_USER_DEVICE_GET_INFO, 32), {.argsz = 16}};
	struct vfio_user_device_info info;
	size_t bytes;

	/* Byte by byte: nothing happens until the last. */
	for (size_t i = 0; i < sizeof(message); i++) {
		char unused;

		assert_int_equal(recv(rig->client, &unused, 1, MSG_DONTWAIT), -1);
		rig_send(rig, (const char *)&message + i, 1, NULL, 0);
		assert_int_equal(vfio_user_server_run(rig->server), 0);
		assert_int_equal(vfio_user_server_events(rig->server), EPOLLIN);
	}
	assert_int_equal(rig_reply(rig, &info, sizeof(info), &bytes).error, 0);
	/* Half a one, and gone. */
	rig_send(rig, &message, 20, NULL, 0);
	assert_int_equal(vfio_user_server_run(rig->server), 0);
	close(rig->client);
	rig->client = -1;
	assert_int_equal(vfio_user_server_run(rig->server), -ECONNRESET);
}

static void test_two_messages_in_one_go(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_header two[2] = {
		header_of(VFIO_USER_DEVICE_RESET, 16), header_of(VFIO_USER_DEVICE_RESET, 16)};
	size_t bytes;

	rig_send(rig, two, sizeof(two), NULL, 0);
	assert_int_equal(vfio_user_server_run(rig->server), 0);
	rig_reply(rig, NULL, 0, &bytes);
	rig_reply(rig, NULL, 0, &bytes);
}

static void run_bad_header(struct rig *rig, struct vfio_user_header header, int expected)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	rig_send(rig, &header, sizeof(header), &fd, 1);
	assert_int_equal(vfio_user_server_run(rig->server), expected);
	close(fd);
}

static void test_size_below_header(void **state)
{
	run_bad_header(*state, header_of(VFIO_USER_DEVICE_RESET, 15), -EPROTO);
}

static void test_size_zero(void **state)
{
	run_bad_header(*state, header_of(VFIO_USER_DEVICE_RESET, 0), -EPROTO);
}

static void test_size_above_limit(void **state)
{
	run_bad_header(
		*state, header_of(VFIO_USER_REGION_WRITE, VFIO_USER_MESSAGE_MAX + 1), -EMSGSIZE);
}

static void test_size_huge(void **state)
{
	run_bad_header(*state, header_of(VFIO_USER_REGION_WRITE, UINT32_MAX), -EMSGSIZE);
}

static void test_size_at_limit(void **state)
{
	struct rig *rig = *state;
	size_t bytes = VFIO_USER_MESSAGE_MAX - sizeof(struct vfio_user_header);
	uint8_t *body = calloc(1, bytes);
	const struct vfio_user_region_access access = {0x1000, 0, VFIO_USER_DATA_MAX};
	struct vfio_user_region_access reply;

	assert_non_null(body);
	memcpy(body, &access, sizeof(access));
	assert_int_equal(
		rig_call(rig, VFIO_USER_REGION_WRITE, body, bytes, NULL, 0, &reply, sizeof(reply)),
		0);
	free(body);
}

static void test_a_reply_is_no_command(void **state)
{
	struct vfio_user_header header = header_of(VFIO_USER_DEVICE_RESET, 16);

	header.flags = VFIO_USER_TYPE_REPLY;
	run_bad_header(*state, header, -EPROTO);
}

static void test_unknown_flags(void **state)
{
	struct rig *rig = *state;
	size_t bytes;

	assert_int_equal(
		rig_command(rig, VFIO_USER_DEVICE_RESET, VFIO_USER_FLAG_ERROR, NULL, 0, NULL, 0),
		0);
	assert_int_equal(rig_reply(rig, NULL, 0, &bytes).error, EINVAL);
	assert_int_equal(rig_command(rig, VFIO_USER_DEVICE_RESET, 0x80000000, NULL, 0, NULL, 0), 0);
	assert_int_equal(rig_reply(rig, NULL, 0, &bytes).error, EINVAL);
}

static void test_no_reply(void **state)
{
	struct rig *rig = *state;
	char unused;

	assert_int_equal(
		rig_command(rig, VFIO_USER_DEVICE_RESET, VFIO_USER_FLAG_NO_REPLY, NULL, 0, NULL, 0),
		0);
	assert_int_equal(rig_command(rig, 77, VFIO_USER_FLAG_NO_REPLY, NULL, 0, NULL, 0), 0);
	assert_int_equal(recv(rig->client, &unused, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- file descriptors ---- */

static void test_fds_where_none_belong(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_device_info info = {.argsz = sizeof(info)};
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned int before = count_open_fds();

	assert_int_equal(
		rig_call(rig, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), &fd, 1, NULL, 0),
		-EINVAL);
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_RESET, NULL, 0, &fd, 1, NULL, 0), -EINVAL);
	assert_int_equal(rig_call(rig, 2, NULL, 0, &fd, 1, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(rig_call(rig, VFIO_USER_VERSION, &info, 4, &fd, 1, NULL, 0), -EINVAL);
	assert_int_equal(count_open_fds(), before);
	close(fd);
}

static void fill_fds(int *fds, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = fd;
}

/* As many as may come: the command says no, the connection lives. One more: it ends. */
static void test_fds_at_the_limit(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[VFIO_USER_FDS_MAX];
	unsigned int before = count_open_fds();

	fill_fds(fds, VFIO_USER_FDS_MAX, fd);
	assert_int_equal(
		rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, fds, VFIO_USER_FDS_MAX), -EINVAL);
	assert_int_equal(count_open_fds(), before);
	close(fd);
}

static void test_fds_above_the_limit(void **state)
{
	struct rig *rig = *state;
	const struct vfio_user_irq_set set = {sizeof(set), TRIGGER_EVENTFD, 1, 0, 1};
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[VFIO_USER_FDS_MAX + 1];

	fill_fds(fds, VFIO_USER_FDS_MAX + 1, fd);
	assert_int_equal(rig_command(rig, VFIO_USER_DEVICE_SET_IRQS, 0, &set, sizeof(set), fds,
				 VFIO_USER_FDS_MAX + 1),
		-EPROTO);
	close(fd);
}

/* The same, but spread over the bytes of one message. */
static void test_fds_drop_by_drop(void **state)
{
	struct rig *rig = *state;
	const struct vfio_user_header header = header_of(VFIO_USER_DEVICE_RESET, 16);
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned int before = count_open_fds();

	for (size_t i = 0; i < VFIO_USER_FDS_MAX; i++) {
		rig_send(rig, (const char *)&header + i, 1, &fd, 1);
		assert_int_equal(vfio_user_server_run(rig->server), 0);
		assert_int_equal(count_open_fds(), before + i + 1);
	}
	rig_send(rig, (const char *)&header + VFIO_USER_FDS_MAX, 1, &fd, 1);
	assert_int_equal(vfio_user_server_run(rig->server), -EPROTO);
	close(fd);
}

static void test_hundreds_of_fds(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[64];

	fill_fds(fds, 64, fd);
	rig_send(rig, "x", 1, fds, 64);
	assert_int_equal(vfio_user_server_run(rig->server), -EPROTO);
	close(fd);
}

/* ---- a client that never reads ---- */

static void test_client_that_never_reads(void **state)
{
	struct rig *rig = *state;
	const struct {
		struct vfio_user_header header;
		struct vfio_user_region_access access;
	} ask = {header_of(VFIO_USER_REGION_READ, 32), {0, 0, VFIO_USER_DATA_MAX}};
	size_t sent = 0;

	/* It asks until nobody takes its questions any more: the server's socket is full, and it
	 * reads no further. */
	for (;;) {
		ssize_t n = send(rig->client, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && vfio_user_server_events(rig->server) == EPOLLOUT)
			break;
		sent += n > 0 ? 1 : 0;
		assert_true(n == (ssize_t)sizeof(ask));
		assert_int_equal(vfio_user_server_run(rig->server), 0);
	}
	assert_int_equal(vfio_user_server_events(rig->server), EPOLLOUT);
	assert_int_equal(vfio_user_server_run(rig->server), 0);
	/* When it reads after all, every question gets its answer, whole and in order. */
	for (size_t i = 0; i < sent; i++) {
		uint8_t *reply = malloc(32 + VFIO_USER_DATA_MAX);
		size_t got = 0;

		assert_non_null(reply);
		while (got < 32 + VFIO_USER_DATA_MAX) {
			ssize_t n = recv(rig->client, reply + got, 32 + VFIO_USER_DATA_MAX - got,
				MSG_DONTWAIT);

			if (n > 0)
				got += (size_t)n;
			else
				assert_int_equal(vfio_user_server_run(rig->server), 0);
		}
		assert_int_equal(
			((struct vfio_user_header *)(void *)reply)->bytes, 32 + VFIO_USER_DATA_MAX);
		free(reply);
	}
	assert_int_equal(vfio_user_server_events(rig->server), EPOLLIN);
}

static void test_client_gone_while_a_reply_waits(void **state)
{
	struct rig *rig = *state;

	rig_send(rig, &(struct vfio_user_header){.command = VFIO_USER_DEVICE_RESET, .bytes = 16},
		16, NULL, 0);
	close(rig->client);
	rig->client = -1;
	assert_int_equal(vfio_user_server_run(rig->server), -ECONNRESET); /* and no SIGPIPE */
}

/* One call does a bounded amount of work, whatever lies in the socket. */
static void test_run_is_bounded(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_header header = header_of(VFIO_USER_DEVICE_RESET, 16);
	unsigned int runs = 0;
	char unused;

	header.flags = VFIO_USER_FLAG_NO_REPLY;
	for (int i = 0; i < 100; i++)
		rig_send(rig, &header, sizeof(header), NULL, 0);
	while (recv(vfio_user_server_fd(rig->server), &unused, 1, MSG_DONTWAIT | MSG_PEEK) == 1) {
		assert_int_equal(vfio_user_server_run(rig->server), 0);
		runs++;
	}
	assert_true(runs > 1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup_negotiated, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_unknown_command),
		TEST(test_body_sizes),
		TEST(test_half_a_message),
		TEST(test_two_messages_in_one_go),
		TEST(test_size_below_header),
		TEST(test_size_zero),
		TEST(test_size_above_limit),
		TEST(test_size_huge),
		TEST(test_size_at_limit),
		TEST(test_a_reply_is_no_command),
		TEST(test_unknown_flags),
		TEST(test_no_reply),
		TEST(test_fds_where_none_belong),
		TEST(test_fds_at_the_limit),
		TEST(test_fds_above_the_limit),
		TEST(test_fds_drop_by_drop),
		TEST(test_hundreds_of_fds),
		TEST(test_client_that_never_reads),
		TEST(test_client_gone_while_a_reply_waits),
		TEST(test_run_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
