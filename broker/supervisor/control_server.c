/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/control_server.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/device_server.h"
#include "broker/supervisor/supervisor.h"

#define PACKETS_PER_TURN 32u
#define DRAIN_PACKETS_MAX 64u

void control_answer(struct session_proc *session, union control_message *answer,
	enum control_type type, uint64_t serial, int fd)
{
	if (session->killed)
		return;
	if (control_send(session->control_fd, answer, type, serial, fd))
		session_kill(session, "did not take its answers");
}

void control_deny(struct session_proc *session, uint64_t serial, int error, const char *rule,
	const char *format, ...)
{
	union control_message answer;
	va_list args;

	memset(&answer, 0, sizeof(answer.denied));
	answer.denied.error = error;
	va_start(args, format);
	(void)vsnprintf(answer.denied.text, sizeof(answer.denied.text), format, args);
	va_end(args);
	if (rule)
		(void)snprintf(answer.denied.rule, sizeof(answer.denied.rule), "%s", rule);
	control_answer(session, &answer, CONTROL_DENIED, serial, -1);
}

/* ---- what a session may say ------------------------------------------------------------------------------------- */

static void on_ready(struct session_proc *session, const union control_message *message)
{
	static bool missed; /* a fact of this kernel: said once */

	if (message->ready.landlock_abi == 0 && !missed) {
		missed = true;
		audit_say(session->supervisor->audit, AUDIT_WARNING, "sandbox.no-landlock",
			"this kernel has no Landlock: sessions are held by uid and seccomp alone");
	}
	if (session->ready) {
		session_kill(session, "said READY twice");
		return;
	}
	session->ready = true;
	(void)event_del(session->on_deadline);
}

static void on_device_open(struct session_proc *session, const union control_message *message)
{
	device_open(session, message->device_open.name, message->header.serial);
}

static void on_device_release(struct session_proc *session, const union control_message *message)
{
	device_release(session, message->device_release.device);
}

static void on_device_list(struct session_proc *session, const union control_message *message)
{
	device_list(session, message->header.serial);
}

static void on_lend(struct session_proc *session, const union control_message *message)
{
	struct pool *pool = &session->supervisor->pool;
	union control_message answer;

	tenant_lend(session->tenant, pool, message->lend.bytes);
	memset(&answer, 0, sizeof(answer.lent));
	answer.lent.lent_bytes = session->tenant->lent_bytes;
	answer.lent.host_limit_bytes = pool->total_bytes;
	answer.lent.host_used_bytes = pool->lent_bytes;
	control_answer(session, &answer, CONTROL_LENT, message->header.serial, -1);
}

static void on_audit(struct session_proc *session, const union control_message *message)
{
	static const char *const events[] = {
		[AUDIT_DENIED] = "session.denied",
		[AUDIT_BAD_INPUT] = "session.bad-input",
		[AUDIT_DEVICE] = "session.device",
		[AUDIT_END] = "session.report",
		[AUDIT_BROKEN] = "session.broken",
	};
	const struct control_audit *audit = &message->audit;
	struct audit_record record;

	session_audit_begin(session, &record, events[audit->kind]);
	if (!session_audit_may(session, &record))
		return;
	if (audit->suppressed)
		audit_uint(&record, "not_sent", audit->suppressed);
	if (audit->error)
		audit_errno(&record, "error", audit->error);
	audit_text(&record, "text", audit->text, sizeof(audit->text));
	audit_emit(session->supervisor->audit,
		audit->kind == AUDIT_BROKEN ? AUDIT_ERROR : AUDIT_INFO, &record);
}

/* What a session may send is what control_check() lets through from its side; here is who hears it. */
static void dispatch(struct session_proc *session, const union control_message *message)
{
	static void (*const handlers[CONTROL_END])(
		struct session_proc *, const union control_message *) = {
		[CONTROL_READY] = on_ready,
		[CONTROL_DEVICE_OPEN] = on_device_open,
		[CONTROL_DEVICE_RELEASE] = on_device_release,
		[CONTROL_DEVICE_LIST] = on_device_list,
		[CONTROL_LEND] = on_lend,
		[CONTROL_AUDIT] = on_audit,
	};

	handlers[message->header.type](session, message);
}

/* ---- receiving -------------------------------------------------------------------------------------------------- */

static void audit_broken(struct session_proc *session, const char *why)
{
	struct audit_record record;

	session_audit_begin(session, &record, "session.broke-protocol");
	audit_string(&record, "why", why);
	audit_emit(session->supervisor->audit, AUDIT_WARNING, &record);
	session_kill(session, "broke the control protocol");
}

/* One packet. False: nothing more to be had from this session now. */
static bool receive(struct session_proc *session, union control_message *message)
{
	const char *why = NULL;
	size_t n_fds = 0;
	ssize_t bytes;

	/* Room for no fd at all: one that comes is dropped by the kernel and is an error. */
	bytes = seqpacket_recv(session->control_fd, message, sizeof(*message), NULL, 0, &n_fds);
	if (bytes == -EAGAIN)
		return false;
	if (bytes == 0)
		session_closed(session);
	else if (bytes == -ETOOMANYREFS || bytes == -ENOBUFS)
		audit_broken(session, "sent a file descriptor");
	else if (bytes == -EMSGSIZE)
		audit_broken(session, "wrong size for its type");
	else if (bytes < 0)
		session_kill(session, "its control socket failed");
	else if (control_check(message, (size_t)bytes, CONTROL_FROM_SESSION, &why))
		audit_broken(session, why);
	else
		return true;
	return false;
}

void control_readable(struct session_proc *session)
{
	union control_message message;

	for (unsigned int i = 0; i < PACKETS_PER_TURN && !session->killed; i++) {
		if (!receive(session, &message))
			return;
		dispatch(session, &message);
	}
}

void control_drain(struct session_proc *session)
{
	union control_message message;
	const char *why;
	size_t n_fds = 0;
	ssize_t bytes;

	for (unsigned int i = 0; i < DRAIN_PACKETS_MAX; i++) {
		bytes = seqpacket_recv(
			session->control_fd, &message, sizeof(message), NULL, 0, &n_fds);
		if (bytes <= 0 ||
			control_check(&message, (size_t)bytes, CONTROL_FROM_SESSION, &why))
			return;
		if (message.header.type == CONTROL_AUDIT)
			on_audit(session, &message);
	}
}
