/* SPDX-License-Identifier: MIT */
/*
 * What a session tells the supervisor's audit.
 *
 * A record is worth something because somebody may read it, so a client must not be able to bury
 * one under others: each kind has a budget of AUDIT_BURST records that refills by one every
 * AUDIT_REFILL_MS. What is above the budget, and what the supervisor does not drain, is not sent
 * but counted, and the next record that goes out carries the count. The last words of a session
 * (AUDIT_END, AUDIT_BROKEN) have no budget.
 *
 * Text may quote a client: what is not printable ASCII becomes '?', so that no record can pretend
 * to be two.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/session/audit.h"
#include "broker/session/session.h"

static struct {
	unsigned int spent[AUDIT_BROKEN + 1];
	int64_t refilled_ms[AUDIT_BROKEN + 1];
	uint64_t suppressed;
} audit_state; /* one session is one process */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool budget_take(enum audit_kind kind)
{
	int64_t now = now_ms();
	int64_t refill = (now - audit_state.refilled_ms[kind]) / AUDIT_REFILL_MS;

	if (kind == AUDIT_END || kind == AUDIT_BROKEN)
		return true;
	if (refill > 0) {
		audit_state.spent[kind] = (int64_t)audit_state.spent[kind] > refill
						  ? audit_state.spent[kind] - (unsigned int)refill
						  : 0;
		audit_state.refilled_ms[kind] = now;
	}
	if (audit_state.spent[kind] >= AUDIT_BURST)
		return false;
	audit_state.spent[kind]++;
	return true;
}

static void text_clean(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

static void audit_send(
	struct session *session, enum audit_kind kind, int error, const char *format, va_list args)
{
	union control_message message = {.audit = {.kind = (uint32_t)kind}};

	message.audit.error = error < 0 ? -error : error;
	message.audit.suppressed = audit_state.suppressed;
	(void)vsnprintf(message.audit.text, sizeof(message.audit.text), format, args);
	text_clean(message.audit.text);
	if (supervisor_tell(session->supervisor, &message, CONTROL_AUDIT) < 0)
		audit_state.suppressed++;
	else
		audit_state.suppressed = 0;
}

void session_audit(
	struct session *session, enum audit_kind kind, int error, const char *format, ...)
{
	va_list args;

	if (kind == AUDIT_DENIED)
		session->counts.denied++;
	if (kind == AUDIT_BAD_INPUT)
		session->counts.bad_input++;
	if (!budget_take(kind)) {
		audit_state.suppressed++;
		return;
	}
	va_start(args, format);
	audit_send(session, kind, error, format, args);
	va_end(args);
}

/* No stdio: a stream would lseek() and fstat(), which the filter forbids or we need not. */
static void stderr_say(const char *format, va_list args)
{
	char text[CONTROL_TEXT_MAX];
	int length = vsnprintf(text, sizeof(text) - 1, format, args);

	if (length < 0)
		return;
	if ((size_t)length > sizeof(text) - 2)
		length = (int)sizeof(text) - 2;
	text[length] = '\n';
	(void)!write(STDERR_FILENO, text, (size_t)length + 1);
}

void session_broken(struct session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	stderr_say(format, args);
	va_end(args);
	if (session && session->supervisor) {
		va_start(args, format);
		audit_send(session, AUDIT_BROKEN, 0, format, args);
		va_end(args);
	}
	_exit(SESSION_EXIT_BROKEN);
}
