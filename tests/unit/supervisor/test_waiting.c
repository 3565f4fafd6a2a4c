/* SPDX-License-Identifier: MIT */
/*
 * Opens that meet a reset, with a helper that ends when the test says so: they wait in line, the first gets the device,
 * and one that dies while it waits leaves no trace.
 */
#include "tests/unit/supervisor/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

static struct broker broker;
static int gate;

static void let_helpers_end(const char *letters)
{
	assert_int_equal(write(gate, letters, strlen(letters)), (ssize_t)strlen(letters));
}

static int setup(void **state)
{
	(void)state;
	(void)unlink(TEST_GATED2_DIR "/gate");
	assert_int_equal(mkfifo(TEST_GATED2_DIR "/gate", 0600), 0);
	gate = open(TEST_GATED2_DIR "/gate", O_RDWR | O_CLOEXEC);
	assert_true(gate >= 0);
	let_helpers_end("gg"); /* the first reset of both devices */
	broker_start(&broker, policy_two_tenants, TEST_GATED2_DIR);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(broker_stop(&broker), 0);
	broker_remove(&broker);
	close(gate);
	return unlink(TEST_GATED2_DIR "/gate");
}

static void ask(int client, enum control_type type, uint32_t index, uint64_t serial)
{
	union control_message message;

	memset(&message, 0, sizeof(message));
	if (type == CONTROL_DEVICE_OPEN)
		strcpy(message.device_open.name, "edu0");
	else if (type == CONTROL_DEVICE_RELEASE)
		message.device_release.device = index;
	session_asks(client, &message, type, serial);
}

static int hears(int client, uint64_t serial, union control_message *answer)
{
	int fd = -1, type = session_hears(client, answer, &fd);

	if (fd >= 0)
		close(fd);
	assert_int_equal(answer->header.serial, serial);
	return type;
}

static uint32_t state_of_edu0(int client)
{
	union control_message answer;

	ask(client, CONTROL_DEVICE_LIST, 0, 99);
	assert_int_equal(hears(client, 99, &answer), CONTROL_DEVICES);
	return answer.devices.devices[0].state;
}

/* alpha has edu0 and gives it up; its reset is running. */
static int device_in_reset(void)
{
	int alpha = session_begin(&broker, "alpha.sock");
	union control_message answer;

	ask(alpha, CONTROL_DEVICE_OPEN, 0, 1);
	assert_int_equal(hears(alpha, 1, &answer), CONTROL_GRANTED);
	ask(alpha, CONTROL_DEVICE_RELEASE, answer.granted.device.index, 0);
	assert_int_equal(state_of_edu0(alpha), DEVICE_STATE_RESETTING);
	return alpha;
}

static void the_first_in_line_gets_it(void **state)
{
	int alpha = device_in_reset();
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message answer;

	(void)state;
	ask(beta, CONTROL_DEVICE_OPEN, 0, 11);
	/* A list is answered, so the open before it has been heard, and waits. */
	assert_int_equal(state_of_edu0(beta), DEVICE_STATE_RESETTING);
	ask(alpha, CONTROL_DEVICE_OPEN, 0, 12);
	assert_int_equal(state_of_edu0(alpha), DEVICE_STATE_RESETTING);
	let_helpers_end("g");
	assert_int_equal(hears(beta, 11, &answer), CONTROL_GRANTED);
	assert_int_equal(hears(alpha, 12, &answer), CONTROL_DENIED);
	assert_string_equal(answer.denied.text, "edu0 is in use by another tenant");
	close(alpha);
	close(beta);
}

static void one_open_of_a_session_waits_at_a_time(void **state)
{
	int alpha = device_in_reset();
	union control_message answer;

	(void)state;
	ask(alpha, CONTROL_DEVICE_OPEN, 0, 21);
	ask(alpha, CONTROL_DEVICE_OPEN, 0, 22);
	assert_int_equal(hears(alpha, 22, &answer), CONTROL_DENIED);
	assert_int_equal(answer.denied.error, EBUSY);
	let_helpers_end("g");
	assert_int_equal(hears(alpha, 21, &answer), CONTROL_GRANTED);
	close(alpha);
}

static void who_dies_while_waiting_is_passed_over(void **state)
{
	int alpha = device_in_reset();
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message answer;
	int pidfd = pidfd_open(session_pid(beta), 0), again;

	(void)state;
	ask(beta, CONTROL_DEVICE_OPEN, 0, 31);
	assert_int_equal(state_of_edu0(beta), DEVICE_STATE_RESETTING);
	ask(alpha, CONTROL_DEVICE_OPEN, 0, 32);
	close(beta);
	process_await_end(pidfd);
	close(pidfd);
	assert_logged(&broker, "session.end");
	/* Reaped: alpha is the first in line now. */
	let_helpers_end("g");
	assert_int_equal(hears(alpha, 32, &answer), CONTROL_GRANTED);
	again = session_begin(&broker, "t/beta/beta.sock");
	ask(again, CONTROL_DEVICE_OPEN, 0, 33);
	assert_int_equal(hears(again, 33, &answer), CONTROL_DENIED);
	close(again);
	close(alpha);
}

static void a_failed_reset_answers_all_who_waited(void **state)
{
	int alpha = device_in_reset();
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message answer;

	(void)state;
	ask(alpha, CONTROL_DEVICE_OPEN, 0, 41);
	ask(beta, CONTROL_DEVICE_OPEN, 0, 42);
	assert_int_equal(state_of_edu0(beta), DEVICE_STATE_RESETTING);
	let_helpers_end("e");
	assert_int_equal(hears(alpha, 41, &answer), CONTROL_DENIED);
	assert_string_equal(answer.denied.text,
		"edu0 is out of service: its reset or its scrub program failed");
	assert_int_equal(hears(beta, 42, &answer), CONTROL_DENIED);
	assert_int_equal(state_of_edu0(beta), DEVICE_STATE_QUARANTINED);
	close(alpha);
	close(beta);
}

static void an_end_in_the_middle_of_a_reset_leaves_nothing(void **state)
{
	int alpha = device_in_reset();

	(void)state;
	ask(alpha, CONTROL_DEVICE_OPEN, 0, 51);
	close(alpha);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_in_line_gets_it),
		TEST(one_open_of_a_session_waits_at_a_time),
		TEST(who_dies_while_waiting_is_passed_over),
		TEST(a_failed_reset_answers_all_who_waited),
		TEST(an_end_in_the_middle_of_a_reset_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
