/* SPDX-License-Identifier: MIT */
/*
 * The client's device helpers against a peer that is silent, slow, gone, or lies. The peer's
 * answers are in the socket before the call is made, so nothing here depends on time: a test that
 * waits, waits for a deadline of 1 ms.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <iommubroker/device.h>
#include "include/vfio_user.h"
#include "tests/unit/device/rig.h"

struct peer {
	int ends[2]; /* the client's, the peer's */
	unsigned int fds_before;
	uint16_t next_id;
	struct iommub_device *device;
};

static struct vfio_user_header reply_header(struct peer *peer, uint16_t command, size_t body_bytes)
{
	return (struct vfio_user_header){
		.id = peer->next_id++,
		.command = command,
		.bytes = (uint32_t)(sizeof(struct vfio_user_header) + body_bytes),
		.flags = VFIO_USER_TYPE_REPLY,
	};
}

static void put(struct peer *peer, const void *bytes, size_t n)
{
	assert_int_equal(send(peer->ends[1], bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)n);
}

static void put_version(
	struct peer *peer, uint16_t major, uint16_t minor, const char *text, size_t text_bytes)
{
	struct vfio_user_header header = reply_header(
		peer, VFIO_USER_VERSION, sizeof(struct vfio_user_version) + text_bytes);
	struct vfio_user_version version = {major, minor};

	put(peer, &header, sizeof(header));
	put(peer, &version, sizeof(version));
	if (text_bytes > 0)
		put(peer, text, text_bytes);
}

static int setup(void **state)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	assert_non_null(peer);
	peer->fds_before = count_open_fds();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peer->ends), 0);
	*state = peer;
	return 0;
}

static int teardown(void **state)
{
	struct peer *peer = *state;

	iommub_device_free(peer->device);
	for (int i = 0; i < 2; i++) {
		if (peer->ends[i] >= 0)
			close(peer->ends[i]);
	}
	assert_int_equal(count_open_fds(), peer->fds_before);
	free(peer);
	return 0;
}

static int from_fd(struct peer *peer)
{
	return iommub_device_from_fd(peer->ends[0], 1, &peer->device);
}

static void open_with(struct peer *peer, const char *text)
{
	put_version(peer, 0, 1, text, text ? strlen(text) + 1 : 0);
	assert_int_equal(from_fd(peer), 0);
	/* Take the VERSION that it sent out of the way. */
	char unused[256];

	assert_true(recv(peer->ends[1], unused, sizeof(unused), MSG_DONTWAIT) > 16);
}

/* What the client sends next, as the peer sees it. */
static struct vfio_user_header sent(struct peer *peer, void *body, size_t room)
{
	struct vfio_user_header header;

	assert_int_equal(
		recv(peer->ends[1], &header, sizeof(header), MSG_DONTWAIT), sizeof(header));
	assert_true(header.bytes - sizeof(header) <= room);
	assert_int_equal(recv(peer->ends[1], body, header.bytes - sizeof(header), MSG_DONTWAIT),
		header.bytes - sizeof(header));
	return header;
}

static void assert_over(struct peer *peer)
{
	assert_int_equal(iommub_device_reset(peer->device), -ENOTCONN);
}

/* ---- silence ---- */

static void test_silent_at_version(void **state)
{
	struct peer *peer = *state;

	assert_int_equal(from_fd(peer), -ETIMEDOUT);
	assert_null(peer->device);
}

static void test_silent_later(void **state)
{
	struct peer *peer = *state;

	open_with(peer, NULL);
	assert_int_equal(iommub_device_reset(peer->device), -ETIMEDOUT);
	assert_over(peer); /* a late answer must not be taken for the next one's */
}

static void test_silent_in_mid_header(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	put(peer, &header, 7);
	assert_int_equal(iommub_device_reset(peer->device), -ETIMEDOUT);
	assert_over(peer);
}

static void test_silent_in_mid_body(void **state)
{
	struct peer *peer = *state;
	struct iommub_device_summary summary;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header =
		reply_header(peer, VFIO_USER_DEVICE_GET_INFO, sizeof(struct vfio_user_device_info));
	put(peer, &header, sizeof(header));
	put(peer, "1234", 4);
	assert_int_equal(iommub_device_get_summary(peer->device, &summary), -ETIMEDOUT);
	assert_over(peer);
}

/* It reads nothing either: the client's own send finds no room. */
static void test_peer_that_never_reads(void **state)
{
	struct peer *peer = *state;
	const int little = 1;
	char junk[4096] = {0};

	open_with(peer, NULL);
	assert_int_equal(
		setsockopt(peer->ends[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	while (send(peer->ends[0], junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(iommub_device_reset(peer->device), -ETIMEDOUT);
	assert_over(peer);
}

static void test_peer_gone(void **state)
{
	struct peer *peer = *state;

	open_with(peer, NULL);
	close(peer->ends[1]);
	peer->ends[1] = -1;
	assert_int_equal(iommub_device_reset(peer->device), -ECONNRESET); /* and no SIGPIPE */
	assert_over(peer);
}

static void test_peer_gone_after_half_an_answer(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	put(peer, &header, 7);
	assert_int_equal(shutdown(peer->ends[1], SHUT_WR), 0);
	assert_int_equal(iommub_device_reset(peer->device), -ECONNRESET);
	assert_over(peer);
}

/* ---- lies ---- */

static void assert_protocol_error(struct peer *peer, struct vfio_user_header header)
{
	put(peer, &header, sizeof(header));
	assert_int_equal(iommub_device_reset(peer->device), -EPROTO);
	assert_over(peer);
}

static void test_answer_to_something_else(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	header.id++;
	assert_protocol_error(peer, header);
}

static void test_answer_of_another_command(void **state)
{
	struct peer *peer = *state;

	open_with(peer, NULL);
	assert_protocol_error(peer, reply_header(peer, VFIO_USER_DEVICE_GET_INFO, 0));
}

static void test_command_for_an_answer(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	header.flags = VFIO_USER_TYPE_COMMAND;
	assert_protocol_error(peer, header);
}

static void test_answer_too_long(void **state)
{
	struct peer *peer = *state;

	open_with(peer, NULL);
	assert_protocol_error(peer, reply_header(peer, VFIO_USER_DEVICE_RESET, 1));
}

static void test_answer_shorter_than_its_header(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	header.bytes = 15;
	assert_protocol_error(peer, header);
}

static void test_huge_answer(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	header.bytes = UINT32_MAX;
	assert_protocol_error(peer, header);
}

static void test_error_with_a_body(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header;

	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 4);
	header.flags |= VFIO_USER_FLAG_ERROR;
	assert_protocol_error(peer, header);
}

static void test_errors_are_answers(void **state)
{
	struct peer *peer = *state;
	const struct {
		uint32_t error;
		int expected;
	} rows[] = {{EBUSY, -EBUSY}, {1, -EPERM}, {0, -EIO}, {4095, -4095}, {4096, -EIO},
		{UINT32_MAX, -EIO}};

	open_with(peer, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vfio_user_header header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);

		header.flags |= VFIO_USER_FLAG_ERROR;
		header.error = rows[i].error;
		put(peer, &header, sizeof(header));
		assert_int_equal(iommub_device_reset(peer->device), rows[i].expected);
	}
}

static void test_region_of_another_index(void **state)
{
	struct peer *peer = *state;
	struct {
		struct vfio_user_header header;
		struct vfio_user_region_info info;
	} answer;
	struct iommub_region region;

	open_with(peer, NULL);
	answer.header = reply_header(peer, VFIO_USER_DEVICE_GET_REGION_INFO, sizeof(answer.info));
	answer.info = (struct vfio_user_region_info){.argsz = 32, .index = 1, .size = 4096};
	put(peer, &answer, sizeof(answer));
	assert_int_equal(iommub_device_region(peer->device, 0, &region), -EPROTO);
	assert_over(peer);
}

/* fds in an answer, for which there is no use: closed (the teardown counts). */
static void test_answer_with_fds(void **state)
{
	struct peer *peer = *state;
	struct rig as_rig = {.client = peer->ends[1]};
	struct vfio_user_header header;
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[12];

	for (size_t i = 0; i < 12; i++)
		fds[i] = fd;
	open_with(peer, NULL);
	header = reply_header(peer, VFIO_USER_DEVICE_RESET, 0);
	rig_send(&as_rig, &header, sizeof(header), fds, 12);
	assert_int_equal(iommub_device_reset(peer->device), 0);
	close(fd);
}

/* ---- VERSION ---- */

static void test_other_major(void **state)
{
	struct peer *peer = *state;

	put_version(peer, 1, 0, NULL, 0);
	assert_int_equal(from_fd(peer), -EPROTONOSUPPORT);
}

static void test_minor_above_ours(void **state)
{
	struct peer *peer = *state;

	put_version(peer, 0, 2, NULL, 0);
	assert_int_equal(from_fd(peer), -EPROTONOSUPPORT);
}

static void test_version_refused(void **state)
{
	struct peer *peer = *state;
	struct vfio_user_header header = reply_header(peer, VFIO_USER_VERSION, 0);

	header.flags |= VFIO_USER_FLAG_ERROR;
	header.error = EINVAL;
	put(peer, &header, sizeof(header));
	assert_int_equal(from_fd(peer), -EPROTONOSUPPORT);
}

static void test_no_room_for_a_register(void **state)
{
	struct peer *peer = *state;
	static const char text[] = "{\"capabilities\":{\"max_data_xfer_size\":7}}";

	put_version(peer, 0, 1, text, sizeof(text));
	assert_int_equal(from_fd(peer), -EPROTO);
}

/* How long the pieces are in which the client reads 24 bytes. */
static uint32_t first_piece(struct peer *peer, const char *text)
{
	struct {
		struct vfio_user_header header;
		struct vfio_user_region_info info;
	} answer;
	struct vfio_user_region_info ask;
	struct vfio_user_region_access access;
	uint8_t buffer[24];

	open_with(peer, text);
	answer.header = reply_header(peer, VFIO_USER_DEVICE_GET_REGION_INFO, sizeof(answer.info));
	answer.info = (struct vfio_user_region_info){.argsz = 32, .flags = 3, .size = 4096};
	put(peer, &answer, sizeof(answer));
	assert_int_equal(
		iommub_device_read(peer->device, 0, 0, buffer, sizeof(buffer)), -ETIMEDOUT);
	(void)sent(peer, &ask, sizeof(ask));
	(void)sent(peer, &access, sizeof(access));
	return access.count;
}

static void test_limit_of_the_server(void **state)
{
	assert_int_equal(
		first_piece(*state, "{\"capabilities\": {\"max_data_xfer_size\" : 16}}"), 16);
}

static void test_limit_in_whole_registers(void **state)
{
	assert_int_equal(first_piece(*state, "{\"capabilities\":{\"max_data_xfer_size\":23}}"), 16);
}

/* 2^64 + 16 */
static void test_limit_absurdly_large(void **state)
{
	assert_int_equal(
		first_piece(
			*state, "{\"capabilities\":{\"max_data_xfer_size\":18446744073709551632}}"),
		24);
}

static void test_limit_that_is_no_number(void **state)
{
	assert_int_equal(first_piece(*state, "{\"max_data_xfer_size\":\"1\"}"), 24);
}

static void test_limit_cut_off(void **state)
{
	assert_int_equal(first_piece(*state, "{\"max_data_xfer_size\""), 24);
}

/* A text that fills the room that there is for it, without a NUL; and one byte more. */
static void test_longest_version_text(void **state)
{
	struct peer *peer = *state;
	char *text = malloc(4096);

	assert_non_null(text);
	memset(text, '9', 4096);
	put_version(peer, 0, 0, text, 4096);
	assert_int_equal(from_fd(peer), 0);
	free(text);
}

static void test_version_text_too_long(void **state)
{
	struct peer *peer = *state;
	char *text = calloc(1, 4097);

	assert_non_null(text);
	put_version(peer, 0, 0, text, 4097);
	assert_int_equal(from_fd(peer), -EPROTO);
	free(text);
}

/* Eventfds go in as many messages as the server's limit asks for, and -1 in messages without fds.
 * */
static void test_eventfds_in_runs(void **state)
{
	struct peer *peer = *state;
	const struct {
		uint32_t start, count;
	} expected[] = {{4, 2}, {6, 1}, {7, 2}, {9, 1}};
	int fd = eventfd(0, EFD_CLOEXEC);
	const int fds[] = {fd, fd, fd, -1, -1, fd};

	open_with(peer, "{\"capabilities\":{\"max_msg_fds\":2}}");
	for (int i = 0; i < 4; i++) {
		struct vfio_user_header header = reply_header(peer, VFIO_USER_DEVICE_SET_IRQS, 0);

		put(peer, &header, sizeof(header));
	}
	assert_int_equal(
		iommub_device_irq_set(peer->device, IOMMUB_IRQ_MSIX, 4, fds, 6, IOMMUB_IRQ_EVENTFD),
		0);
	for (int i = 0; i < 4; i++) {
		struct vfio_user_irq_set set;

		assert_int_equal(sent(peer, &set, sizeof(set)).command, VFIO_USER_DEVICE_SET_IRQS);
		assert_int_equal(
			set.flags, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
		assert_int_equal(set.start, expected[i].start);
		assert_int_equal(set.count, expected[i].count);
	}
	close(fd);
}

static void test_server_that_takes_no_fds(void **state)
{
	struct peer *peer = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	open_with(peer, "{\"capabilities\":{\"max_msg_fds\":0}}");
	assert_int_equal(
		iommub_device_irq_set(peer->device, 1, 0, &fd, 1, IOMMUB_IRQ_EVENTFD), -EOPNOTSUPP);
	close(fd);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_silent_at_version),
		TEST(test_silent_later),
		TEST(test_silent_in_mid_header),
		TEST(test_silent_in_mid_body),
		TEST(test_peer_that_never_reads),
		TEST(test_peer_gone),
		TEST(test_peer_gone_after_half_an_answer),
		TEST(test_answer_to_something_else),
		TEST(test_answer_of_another_command),
		TEST(test_command_for_an_answer),
		TEST(test_answer_too_long),
		TEST(test_answer_shorter_than_its_header),
		TEST(test_huge_answer),
		TEST(test_error_with_a_body),
		TEST(test_errors_are_answers),
		TEST(test_region_of_another_index),
		TEST(test_answer_with_fds),
		TEST(test_other_major),
		TEST(test_minor_above_ours),
		TEST(test_version_refused),
		TEST(test_no_room_for_a_register),
		TEST(test_limit_of_the_server),
		TEST(test_limit_in_whole_registers),
		TEST(test_limit_absurdly_large),
		TEST(test_limit_that_is_no_number),
		TEST(test_limit_cut_off),
		TEST(test_longest_version_text),
		TEST(test_version_text_too_long),
		TEST(test_eventfds_in_runs),
		TEST(test_server_that_takes_no_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
