/* SPDX-License-Identifier: MIT */
/* The audit's budget, its count of what was not sent, and text that cannot pretend. Time stands still here. */
#include "tests/harness/cmocka.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/session/audit.h"
#include "broker/session/supervisor_client.h"

static int64_t clock_ms = 1000000;

int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	(void)id;
	*ret = (struct timespec){.tv_sec = clock_ms / 1000, .tv_nsec = clock_ms % 1000 * 1000000};
	return 0;
}

static struct session session;
static int supervisor_fd;

static int setup(void **state)
{
	int fds[2];

	(void)state;
	clock_ms += INT64_C(3600000); /* every budget is full */
	session = (struct session){0};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	supervisor_fd = fds[1];
	return supervisor_client_new(&session, fds[0], 1000, &session.supervisor);
}

static int teardown(void **state)
{
	(void)state;
	close(supervisor_client_fd(session.supervisor));
	close(supervisor_fd);
	supervisor_client_free(session.supervisor);
	return 0;
}

/* The next record that the supervisor would see; false: none. */
static bool record_next(struct control_audit *ret)
{
	union control_message message;
	const char *why;
	size_t n_fds;
	ssize_t n = seqpacket_recv(supervisor_fd, &message, sizeof(message), NULL, 0, &n_fds);

	if (n <= 0)
		return false;
	assert_int_equal(control_check(&message, (size_t)n, CONTROL_FROM_SESSION, &why), 0);
	*ret = message.audit;
	return true;
}

static void record_is_what_was_said(void **state)
{
	struct control_audit record = {.kind = 0};

	(void)state;
	session_audit(&session, AUDIT_DENIED, -1, "device %s\nEND forged \x1b[2J", "edu0");
	assert_true(record_next(&record));
	assert_int_equal(record.kind, AUDIT_DENIED);
	assert_int_equal(record.error, 1);
	assert_string_equal(record.text, "device edu0?END forged ?[2J");
	assert_int_equal(session.counts.denied, 1);
}

static void long_text_ends(void **state)
{
	struct control_audit record = {.kind = 0};
	char text[2 * CONTROL_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	session_audit(&session, AUDIT_END, 0, "%s", text);
	assert_true(record_next(&record));
	assert_int_equal(strlen(record.text), CONTROL_TEXT_MAX - 1);
}

static void drain(unsigned int expected)
{
	struct control_audit record = {.kind = 0};
	unsigned int n = 0;

	while (record_next(&record))
		n++;
	assert_int_equal(n, expected);
}

static void budget_is_per_kind_and_refills(void **state)
{
	struct control_audit record = {.kind = 0};

	(void)state;
	for (unsigned int i = 0; i < AUDIT_BURST; i++)
		session_audit(&session, AUDIT_DEVICE, 14, "fault");
	drain(AUDIT_BURST); /* at the limit: yes */
	session_audit(&session, AUDIT_DEVICE, 14, "fault");
	drain(0); /* one more: no, but counted */
	session_audit(&session, AUDIT_DENIED, 1, "denied");
	assert_true(record_next(&record)); /* another kind has its own */
	assert_int_equal(record.suppressed, 1);
	clock_ms += AUDIT_REFILL_MS - 1;
	session_audit(&session, AUDIT_DEVICE, 14, "fault");
	drain(0);
	clock_ms += 1;
	session_audit(&session, AUDIT_DEVICE, 14, "fault");
	assert_true(record_next(&record));
	assert_int_equal(record.suppressed, 1);
	session_audit(&session, AUDIT_DEVICE, 14, "fault");
	drain(0);
	session_audit(&session, AUDIT_END, 0, "end"); /* last words need no budget */
	assert_true(record_next(&record));
	assert_int_equal(record.suppressed, 1);
}

/* A supervisor that does not drain: nothing blocks, and the count comes with the next record that fits. */
static void unsent_records_are_counted(void **state)
{
	struct control_audit record = {.kind = 0};
	unsigned int n = 0, sent = 0;

	(void)state;
	for (; n < 4096; n++)
		session_audit(&session, AUDIT_END, 0, "end");
	while (record_next(&record))
		sent++;
	assert_true(sent > 0 && sent < n);
	session_audit(&session, AUDIT_END, 0, "end");
	assert_true(record_next(&record));
	assert_int_equal(record.suppressed, n - sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(record_is_what_was_said, setup, teardown),
		cmocka_unit_test_setup_teardown(long_text_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(budget_is_per_kind_and_refills, setup, teardown),
		cmocka_unit_test_setup_teardown(unsent_records_are_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
