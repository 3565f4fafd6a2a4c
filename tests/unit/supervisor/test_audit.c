/* SPDX-License-Identifier: MIT */
/* A hostile text forges no line and no field; a reader that does not read stops nobody. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/supervisor/audit.h"

static void hostile_text_is_quoted_byte_by_byte(void **state)
{
	struct audit_record record;

	(void)state;
	audit_begin(&record, "event");
	audit_string(&record, "text", "a\nb\x1b[31m\"x\\ \x7f\xc3\xa9\t");
	audit_uint(&record, "n", UINT64_MAX);
	audit_errno(&record, "error", -EPERM);
	assert_string_equal(record.text,
		"event text=\"a\\x0ab\\x1b[31m\\\"x\\\\ \\x7f\\xc3\\xa9\\x09\" "
		"n=18446744073709551615 error=EPERM");
}

static void a_field_is_cut_at_its_limit(void **state)
{
	char text[AUDIT_FIELD_MAX + 10];
	struct audit_record record;

	(void)state;
	memset(text, 'x', sizeof(text));
	audit_begin(&record, "e");
	audit_text(&record, "t", text, sizeof(text)); /* does not end */
	assert_int_equal(record.length, strlen("e t=\"\"") + AUDIT_FIELD_MAX);
	audit_begin(&record, "e");
	audit_text(&record, "t", text, 3);
	assert_string_equal(record.text, "e t=\"xxx\"");
}

static void a_record_of_escapes_stays_in_its_line(void **state)
{
	char text[AUDIT_FIELD_MAX];
	struct audit_record record;

	(void)state;
	memset(text, '\n', sizeof(text));
	audit_begin(&record, "e");
	for (int i = 0; i < 10; i++)
		audit_text(&record, "t", text, sizeof(text));
	assert_int_equal(record.length, AUDIT_LINE_MAX - 1);
	assert_null(strchr(record.text, '\n'));
}

static size_t file_lines(const char *path, const char *needle)
{
	char line[AUDIT_LINE_MAX * 2];
	FILE *file = fopen(path, "re");
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, needle) != NULL;
	(void)fclose(file);
	return n;
}

static void lines_leave_at_the_end_of_the_turn(void **state)
{
	struct event_base *base = event_base_new();
	char path[] = "/tmp/iommub-audit-XXXXXX";
	struct audit *audit;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(audit_open(base, path, &audit), 0);
	for (int i = 0; i < 5; i++)
		audit_say(audit, AUDIT_NOTICE, "hello", "number %d", i);
	assert_int_equal(file_lines(path, "hello"), 0);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	assert_int_equal(file_lines(path, "hello text=\"number "), 5);
	audit_close(audit);
	event_base_free(base);
	unlink(path);
}

static void a_reader_that_does_not_read_loses_lines_and_is_told_how_many(void **state)
{
	struct event_base *base = event_base_new();
	const size_t lines = 4000; /* more than a pipe and the buffer hold */
	struct audit *audit;
	char buffer[4096], path[64];
	size_t written = 0, lost = 0;
	FILE *reader;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	assert_int_equal(audit_open(base, path, &audit), 0);
	close(ends[1]);
	for (size_t i = 0; i < lines; i++) {
		audit_say(audit, AUDIT_NOTICE, "flood", "some text to make it long enough");
		audit_flush(audit);
	}
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	reader = fdopen(ends[0], "r");
	for (int round = 0; round < 100; round++) {
		unsigned long long n;
		const char *found;

		while (fgets(buffer, sizeof(buffer), reader)) {
			written += strstr(buffer, " flood ") != NULL;
			found = strstr(buffer, "audit.lost lines=");
			if (found && sscanf(found, "audit.lost lines=%llu", &n) == 1)
				lost += n;
		}
		clearerr(reader);
		audit_flush(audit);
		if (round == 50)
			audit_say(audit, AUDIT_NOTICE, "again", "there is room");
	}
	assert_true(lost > 0);
	assert_int_equal(written + lost, lines);
	audit_close(audit);
	(void)fclose(reader);
	event_base_free(base);
}

struct busy {
	struct event_base *base;
	struct audit *audit;
	unsigned int turns;
};

static void on_busy_turn(evutil_socket_t fd, short events, void *arg)
{
	struct busy *busy = arg;

	(void)fd;
	(void)events;
	audit_say(busy->audit, AUDIT_INFO, "busy", "turn %u", busy->turns);
	if (++busy->turns == 50)
		(void)event_base_loopbreak(busy->base);
}

/* A flood of connections has something to tell in each turn: it must not put off what was told in the last one. */
static void lines_leave_although_every_turn_has_more(void **state)
{
	struct busy busy = {.base = event_base_new()};
	char path[] = "/tmp/iommub-audit-XXXXXX";
	struct event *always;
	int ends[2], fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(audit_open(busy.base, path, &busy.audit), 0);
	always = event_new(busy.base, ends[0], EV_READ | EV_PERSIST, on_busy_turn, &busy);
	assert_non_null(always);
	assert_int_equal(event_add(always, NULL), 0);
	(void)event_base_dispatch(busy.base);
	/* When a turn's timer runs is libevent's affair: a clock's tick may pass between. */
	assert_true(file_lines(path, "busy") > 0);
	event_free(always);
	audit_close(busy.audit);
	assert_int_equal(file_lines(path, "busy"), 50);
	event_base_free(busy.base);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(unlink(path), 0);
}

/* The buffer is for who does not read, not for a turn with much to tell. */
static void a_turn_with_more_than_the_buffer_loses_nothing(void **state)
{
	struct event_base *base = event_base_new();
	char path[] = "/tmp/iommub-audit-XXXXXX";
	const unsigned int n = AUDIT_BUFFER_BYTES / 16;
	struct audit *audit;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(audit_open(base, path, &audit), 0);
	for (unsigned int i = 0; i < n; i++)
		audit_say(audit, AUDIT_INFO, "much", "line %u", i);
	audit_close(audit);
	assert_int_equal(file_lines(path, "much"), n);
	assert_int_equal(file_lines(path, "audit.lost"), 0);
	event_base_free(base);
	assert_int_equal(unlink(path), 0);
}

static void a_session_writes_twenty_lines_then_five_a_second(void **state)
{
	struct audit_bucket bucket = {0};
	uint64_t suppressed = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(audit_bucket_take(&bucket, 1000, &suppressed), 0);
	assert_int_equal(audit_bucket_take(&bucket, 1000, &suppressed), -EAGAIN);
	assert_int_equal(audit_bucket_take(&bucket, 1199, &suppressed), -EAGAIN);
	assert_int_equal(audit_bucket_take(&bucket, 1200, &suppressed), 0);
	assert_int_equal(suppressed, 2);
	assert_int_equal(audit_bucket_take(&bucket, 1399, &suppressed), -EAGAIN);
	assert_int_equal(audit_bucket_take(&bucket, 1400, &suppressed), 0);
	assert_int_equal(suppressed, 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(audit_bucket_take(&bucket, 1000000, &suppressed), 0);
	assert_int_equal(audit_bucket_take(&bucket, 1000000, &suppressed), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_text_is_quoted_byte_by_byte),
		cmocka_unit_test(a_field_is_cut_at_its_limit),
		cmocka_unit_test(a_record_of_escapes_stays_in_its_line),
		cmocka_unit_test(lines_leave_at_the_end_of_the_turn),
		cmocka_unit_test(a_reader_that_does_not_read_loses_lines_and_is_told_how_many),
		cmocka_unit_test(lines_leave_although_every_turn_has_more),
		cmocka_unit_test(a_turn_with_more_than_the_buffer_loses_nothing),
		cmocka_unit_test(a_session_writes_twenty_lines_then_five_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
