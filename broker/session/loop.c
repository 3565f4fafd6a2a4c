/* SPDX-License-Identifier: MIT */
/*
 * The event loop of a session.
 *
 *   READING   ── packet, answered ──────────> READING
 *   READING   ── the answer does not fit ───> SENDING   ── sent ─────────────────────> READING
 *   READING   ── the request waits ─────────> WAITING   ── the supervisor's answer ──> as a packet
 *   any       ── client gone, protocol broken, Hello overdue, SENDING for STALL_S ──> ENDED
 *
 * The client is read in READING only, so that a client that does not read its answers, or pours
 * requests while one waits, is held back by its own socket's buffer and costs us nothing. There is
 * one slot for what goes out, and it is empty whenever we read. Answers are therefore in order by
 * construction.
 *
 * While it does not read, a session would not see its client go. An epoll fd inside the loop
 * watches the client for nothing but what epoll always reports, HUP and ERR: libevent itself maps
 * an ERR to read and write readiness, which with neither of them awaited would be a busy loop. HUP
 * comes when the peer is closed; a client that only shuts its sending side down is still owed its
 * answers, and ends the session when the last packet has been read.
 *
 * The supervisor's end of the control socket may close at any time: a request that waited for it is
 * answered EAGAIN, and the loop goes on without it.
 */
#include "broker/session/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/session/supervisor_client.h"

#define PACKETS_PER_TURN 64 /* then devices and the supervisor get their turn */

struct loop {
	struct session *session;
	struct dispatcher *dispatcher;
	int client_fd;
	int hangup_fd; /* an epoll that watches client_fd for its end */
	enum loop_state state;
	int end_error;
	const char *end_reason;
	struct outgoing out; /* what is stuck, in SENDING */
	struct event *readable, *writable, *hangup, *control, *hello;
	uint8_t packet[MESSAGE_BYTES_MAX];
};

/* Nothing is awaited any more: what is still ready would keep the loop turning. */
static void loop_end(struct loop *loop, int error, const char *reason)
{
	struct event *events[] = {
		loop->readable, loop->writable, loop->hangup, loop->control, loop->hello};

	if (loop->state == LOOP_ENDED)
		return;
	loop->state = LOOP_ENDED;
	loop->end_error = error;
	loop->end_reason = reason;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		(void)event_del(events[i]);
	(void)event_base_loopbreak(loop->session->base);
}

static void out_done(struct loop *loop)
{
	fds_close(loop->out.fds, loop->out.n_fds);
	loop->out = (struct outgoing){.fds = {-1}};
}

/* Only what the state calls for is awaited. */
static void loop_enter(struct loop *loop, enum loop_state state)
{
	static const struct timeval stall = {.tv_sec = STALL_S};
	int error = 0;

	if (loop->state == LOOP_ENDED || loop->state == state)
		return;
	loop->state = state;
	error |=
		state == LOOP_READING ? event_add(loop->readable, NULL) : event_del(loop->readable);
	error |= state == LOOP_SENDING ? event_add(loop->writable, &stall)
				       : event_del(loop->writable);
	if (error)
		session_broken(loop->session, "libevent refuses an event of the client's socket");
}

/* Send what is in the slot: true if the slot is empty afterwards. */
static bool out_send(struct loop *loop)
{
	int error = seqpacket_send(
		loop->client_fd, loop->out.bytes, loop->out.length, loop->out.fds, loop->out.n_fds);

	if (error == -EAGAIN) {
		loop_enter(loop, LOOP_SENDING);
		return false;
	}
	out_done(loop);
	if (error == -EPIPE || error == -ECONNRESET)
		loop_end(loop, 0, "the client closed the connection");
	else if (error < 0)
		loop_end(loop, -error, "an answer could not be sent");
	return loop->state != LOOP_ENDED;
}

/* Events that the last request made due. True if the slot is empty afterwards. */
static bool events_send(struct loop *loop)
{
	while (dispatcher_next_event(loop->dispatcher, &loop->out)) {
		if (!out_send(loop))
			return false;
	}
	return true;
}

/* True: go on with the next packet. */
static bool result_handle(struct loop *loop, enum dispatch_result result)
{
	switch (result) {
	case DISPATCH_ANSWER:
		if (!out_send(loop) || !events_send(loop))
			return false;
		loop_enter(loop, LOOP_READING);
		return true;
	case DISPATCH_WAIT:
		loop_enter(loop, LOOP_WAITING);
		return false;
	case DISPATCH_END:
		if (loop->out.length > 0)
			(void)seqpacket_send(loop->client_fd, loop->out.bytes, loop->out.length,
				loop->out.fds, loop->out.n_fds);
		out_done(loop);
		loop_end(loop, EPROTO, "the client broke the protocol");
		return false;
	}
	session_broken(loop->session, "the dispatcher returned %d", (int)result);
}

static const char *packet_problem(int error)
{
	switch (error) {
	case EMSGSIZE:
		return "the client sent a packet above 64 KiB";
	case ETOOMANYREFS:
		return "the client sent more than 64 file descriptors in one packet";
	case ENOBUFS:
		return "file descriptors of the client's packet were lost (MSG_CTRUNC)";
	default:
		return "the client could not be read";
	}
}

/* One packet: true if it was handled and the next may be read. */
static bool packet_read(struct loop *loop)
{
	int fds[MESSAGE_FDS_MAX];
	size_t n_fds = 0;
	ssize_t bytes = seqpacket_recv(
		loop->client_fd, loop->packet, sizeof(loop->packet), fds, MESSAGE_FDS_MAX, &n_fds);
	enum dispatch_result result;

	if (bytes == -EAGAIN)
		return false;
	if (bytes == 0 || bytes == -ECONNRESET) {
		loop_end(loop, 0, "the client closed the connection");
		return false;
	}
	if (bytes < 0) {
		session_audit(loop->session, AUDIT_BAD_INPUT, (int)-bytes, "%s",
			packet_problem((int)-bytes));
		loop_end(loop, (int)-bytes, packet_problem((int)-bytes));
		return false;
	}
	loop->session->counts.packets++;
	result = dispatcher_packet(
		loop->dispatcher, loop->packet, (size_t)bytes, fds, n_fds, &loop->out);
	if (loop->session->phase != PHASE_HELLO)
		(void)event_del(loop->hello);
	return result_handle(loop, result);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < PACKETS_PER_TURN && loop->state == LOOP_READING; i++) {
		if (!packet_read(loop))
			return;
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	if (loop->state != LOOP_SENDING)
		return;
	if (out_send(loop)) {
		if (events_send(loop))
			loop_enter(loop, LOOP_READING);
	} else if (what & EV_TIMEOUT) {
		loop_end(loop, ETIMEDOUT, "the client left its answers unread");
	}
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_end(arg, 0, "the client closed the connection");
}

static void on_hello_overdue(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	if (loop->session->phase != PHASE_HELLO)
		return;
	session_audit(loop->session, AUDIT_BAD_INPUT, ETIMEDOUT, "no Hello within %u ms",
		loop->session->setup->hello_deadline_ms);
	loop_end(loop, ETIMEDOUT, "the client said no Hello within its deadline");
}

/* What waited for a supervisor that is gone. */
static void waiting_refuse(struct loop *loop)
{
	union control_message answer = {.denied = {.error = EAGAIN, .text = "broker restarting"}};

	answer.header.version = CONTROL_VERSION;
	answer.header.type = CONTROL_DENIED;
	(void)result_handle(loop, dispatcher_resume(loop->dispatcher, &answer, -1, &loop->out));
}

static void on_control(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	union control_message answer;
	int granted_fd = -1;
	int n = supervisor_receive(loop->session->supervisor, &answer, &granted_fd);

	(void)fd;
	(void)what;
	if (n < 0) {
		(void)event_del(loop->control);
		if (loop->state == LOOP_WAITING)
			waiting_refuse(loop);
		return;
	}
	if (n == 0)
		return;
	if (loop->state != LOOP_WAITING) {
		fds_close(&granted_fd, 1);
		session_broken(loop->session, "an answer of the supervisor, and no request waits");
	}
	(void)result_handle(
		loop, dispatcher_resume(loop->dispatcher, &answer, granted_fd, &loop->out));
}

static int hangup_watch(struct loop *loop)
{
	struct epoll_event watch = {.events = 0}; /* HUP and ERR are always reported */

	loop->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->hangup_fd < 0)
		return -errno;
	if (epoll_ctl(loop->hangup_fd, EPOLL_CTL_ADD, loop->client_fd, &watch) < 0)
		return -errno;
	return 0;
}

static int events_make(struct loop *loop)
{
	struct event_base *base = loop->session->base;
	const int control_fd = supervisor_client_fd(loop->session->supervisor);
	const uint32_t hello_ms = loop->session->setup->hello_deadline_ms;
	const struct timeval hello = {
		.tv_sec = hello_ms / 1000, .tv_usec = (suseconds_t)(hello_ms % 1000) * 1000};

	loop->readable = event_new(base, loop->client_fd, EV_READ | EV_PERSIST, on_readable, loop);
	loop->writable = event_new(base, loop->client_fd, EV_WRITE | EV_PERSIST, on_writable, loop);
	loop->hangup = event_new(base, loop->hangup_fd, EV_READ | EV_PERSIST, on_hangup, loop);
	loop->control = event_new(base, control_fd, EV_READ | EV_PERSIST, on_control, loop);
	loop->hello = evtimer_new(base, on_hello_overdue, loop);
	if (!loop->readable || !loop->writable || !loop->hangup || !loop->control || !loop->hello)
		return -ENOMEM;
	if (event_add(loop->hangup, NULL) < 0 || event_add(loop->control, NULL) < 0 ||
		event_add(loop->hello, &hello) < 0)
		return -EIO;
	return 0;
}

int loop_new(
	struct session *session, struct dispatcher *dispatcher, int client_fd, struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (!loop)
		return -ENOMEM;
	loop->session = session;
	loop->dispatcher = dispatcher;
	loop->client_fd = client_fd;
	loop->out = (struct outgoing){.fds = {-1}};
	error = hangup_watch(loop);
	if (error == 0)
		error = events_make(loop);
	if (error < 0) {
		loop_free(loop);
		return error;
	}
	loop_enter(loop, LOOP_READING);
	*ret = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	struct event *events[] = {
		loop->readable, loop->writable, loop->hangup, loop->control, loop->hello};

	out_done(loop);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i])
			event_free(events[i]);
	}
	if (loop->hangup_fd >= 0)
		close(loop->hangup_fd);
	free(loop);
}

int loop_run(struct loop *loop)
{
	while (loop->state != LOOP_ENDED) {
		if (event_base_dispatch(loop->session->base) < 0)
			return -EIO;
	}
	return 0;
}

enum loop_state loop_state(const struct loop *loop)
{
	return loop->state;
}

const char *loop_end_reason(const struct loop *loop, int *ret_error)
{
	*ret_error = loop->end_error;
	return loop->end_reason ? loop->end_reason : "";
}
