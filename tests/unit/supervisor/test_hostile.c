/* SPDX-License-Identifier: MIT */
/* A session taken over: each way to break the control protocol ends that session, and a neighbour does not notice. */
#include "tests/unit/supervisor/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

static struct broker broker;
static int neighbour;

static int setup(void **state)
{
	(void)state;
	broker_start(&broker, policy_two_tenants, NULL);
	neighbour = session_begin(&broker, "t/beta/beta.sock");
	return 0;
}

static int teardown(void **state)
{
	union control_message message;

	(void)state;
	memset(&message, 0, sizeof(message));
	session_asks(neighbour, &message, CONTROL_DEVICE_LIST, 5);
	assert_int_equal(session_hears(neighbour, &message, NULL), CONTROL_DEVICES);
	assert_int_equal(message.header.serial, 5);
	close(neighbour);
	assert_int_equal(broker_stop(&broker), 0);
	broker_remove(&broker);
	return 0;
}

static void must_die_of(const void *bytes, size_t length)
{
	int alpha = session_begin(&broker, "alpha.sock");

	/* It may be killed before it can say that it has sent. */
	(void)session_sends(alpha, bytes, length);
	assert_ended(alpha);
	close(alpha);
}

static union control_message message_of(uint32_t type)
{
	union control_message message;

	memset(&message, 0, sizeof(message));
	message.header.version = CONTROL_VERSION;
	message.header.type = type;
	return message;
}

static void garbage(void **state)
{
	union control_message noise;

	(void)state;
	memset(&noise, 0xa5, sizeof(noise));
	must_die_of("x", 1);
	must_die_of(&noise, sizeof(noise.header));
	must_die_of(&noise, sizeof(noise));
	assert_logged(&broker, "session.broke-protocol");
}

static void every_type_of_the_other_direction(void **state)
{
	static const uint32_t types[] = {
		CONTROL_SETUP, CONTROL_GRANTED, CONTROL_DENIED, CONTROL_DEVICES, CONTROL_LENT};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		union control_message message = message_of(types[i]);

		must_die_of(&message, control_size(types[i]));
	}
}

/* What only a process that serves an administrator may say, and what only it is told. */
static void every_type_of_an_administrator(void **state)
{
	(void)state;
	for (uint32_t type = CONTROL_ADMIN_SESSIONS; type < CONTROL_END; type++) {
		union control_message message = message_of(type);

		message.admin_ask.number = 1;
		must_die_of(&message, control_size(type));
	}
	assert_logged(&broker, "a type that this side may not send");
}

static void every_type_with_a_byte_too_few_or_too_many(void **state)
{
	static const uint32_t types[] = {CONTROL_READY, CONTROL_DEVICE_OPEN, CONTROL_DEVICE_RELEASE,
		CONTROL_DEVICE_LIST, CONTROL_LEND, CONTROL_AUDIT};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		union control_message message = message_of(types[i]);

		must_die_of(&message, control_size(types[i]) - 1);
		must_die_of(&message, control_size(types[i]) + 1);
	}
}

static void larger_than_any_struct(void **state)
{
	static char bytes[sizeof(union control_message) + 1];

	(void)state;
	must_die_of(bytes, sizeof(bytes));
}

static void a_name_that_does_not_end(void **state)
{
	union control_message message = message_of(CONTROL_DEVICE_OPEN);

	(void)state;
	memset(message.device_open.name, 'x', sizeof(message.device_open.name));
	must_die_of(&message, control_size(CONTROL_DEVICE_OPEN));
}

static void ready_twice(void **state)
{
	union control_message message = message_of(CONTROL_READY);

	(void)state;
	must_die_of(&message, control_size(CONTROL_READY));
}

static void a_device_index_out_of_range(void **state)
{
	static const uint32_t indexes[] = {0, 1, 2, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		union control_message message = message_of(CONTROL_DEVICE_RELEASE);

		message.device_release.device = indexes[i];
		must_die_of(&message, control_size(CONTROL_DEVICE_RELEASE));
	}
}

static void a_file_descriptor(void **state)
{
	union control_message message = message_of(CONTROL_DEVICE_LIST);
	int alpha = session_begin(&broker, "alpha.sock");

	(void)state;
	(void)session_sends_fd(alpha, &message, control_size(CONTROL_DEVICE_LIST));
	assert_ended(alpha);
	close(alpha);
	assert_logged(&broker, "sent a file descriptor");
}

static void asking_without_reading_the_answers(void **state)
{
	union control_message message = message_of(CONTROL_DEVICE_LIST);
	int alpha = session_begin(&broker, "alpha.sock");

	(void)state;
	/* The session itself would wait to send; EAGAIN only means that we are faster than the supervisor. */
	while (session_sends(alpha, &message, control_size(CONTROL_DEVICE_LIST)) != EPIPE)
		;
	assert_ended(alpha);
	close(alpha);
	assert_logged(&broker, "did not take its answers");
}

static void closing_the_control_socket_and_going_on(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int pidfd = pidfd_open(session_pid(alpha), 0);

	(void)state;
	session_close_control(alpha);
	process_await_end(pidfd);
	close(pidfd);
	close(alpha);
}

/* The supervisor stores into that page when a session ends, and shows to administrators what it says. */
static void an_account_full_of_garbage_is_the_tenants_own_affair(void **state)
{
	union control_message message = message_of(CONTROL_LEND);
	int alpha = session_begin(&broker, "alpha.sock");
	int sibling = session_begin(&broker, "alpha.sock");

	(void)state;
	assert_int_equal(session_spoils_account(alpha), 0);
	message.lend.bytes = 1;
	session_asks(alpha, &message, CONTROL_LEND, 1);
	assert_int_equal(session_hears(alpha, &message, NULL), CONTROL_LENT);
	assert_int_equal(message.lent.lent_bytes, 1 << 20);
	close(alpha);
	assert_logged(&broker, "session.end");
	/* A slot of that page, cleared; the sibling still has its own. */
	alpha = session_begin(&broker, "alpha.sock");
	message = message_of(CONTROL_LEND);
	message.lend.bytes = UINT64_MAX;
	session_asks(sibling, &message, CONTROL_LEND, 2);
	assert_int_equal(session_hears(sibling, &message, NULL), CONTROL_LENT);
	assert_int_equal(message.lent.lent_bytes, 1 << 20);
	close(alpha);
	close(sibling);
}

static void never_being_ready(void **state)
{
	int alpha = client_connect(&broker, "alpha.sock");

	(void)state;
	assert_true(session_pid(alpha) > 0);
	assert_ended(alpha);
	close(alpha);
	assert_logged(&broker, "was not ready in time");
}

static void audit_texts_are_escaped_and_few(void **state)
{
	union control_message message = message_of(CONTROL_AUDIT);
	int alpha = session_begin(&broker, "alpha.sock");

	(void)state;
	message.audit.kind = AUDIT_DENIED;
	strcpy(message.audit.text, "first\nsession.end forged=1");
	assert_int_equal(session_sends(alpha, &message, control_size(CONTROL_AUDIT)), 0);
	for (int i = 0; i < 60; i++) {
		(void)snprintf(message.audit.text, sizeof(message.audit.text), "line-%d-end", i);
		assert_int_equal(session_sends(alpha, &message, control_size(CONTROL_AUDIT)), 0);
	}
	/* Answered after all of them were heard; then the log is written by the end of the broker. */
	message = message_of(CONTROL_DEVICE_LIST);
	session_asks(alpha, &message, CONTROL_DEVICE_LIST, 1);
	assert_int_equal(session_hears(alpha, &message, NULL), CONTROL_DEVICES);
	close(alpha);
	session_asks(neighbour, &message, CONTROL_DEVICE_LIST, 1);
	assert_int_equal(session_hears(neighbour, &message, NULL), CONTROL_DEVICES);
	assert_logged(&broker, "first\\x0asession.end forged=1");
	assert_logged(&broker, "line-0-end");
	assert_false(broker_logged(&broker, "line-59-end"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(garbage),
		TEST(every_type_of_the_other_direction),
		TEST(every_type_of_an_administrator),
		TEST(every_type_with_a_byte_too_few_or_too_many),
		TEST(larger_than_any_struct),
		TEST(a_name_that_does_not_end),
		TEST(ready_twice),
		TEST(a_device_index_out_of_range),
		TEST(a_file_descriptor),
		TEST(asking_without_reading_the_answers),
		TEST(closing_the_control_socket_and_going_on),
		TEST(an_account_full_of_garbage_is_the_tenants_own_affair),
		TEST(never_being_ready),
		TEST(audit_texts_are_escaped_and_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
