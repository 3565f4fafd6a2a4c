/* SPDX-License-Identifier: MIT */
/*
 * The event loop with a dispatcher that does as the first byte of a packet says. Every test drives the loop by turns of
 * libevent and looks at its state; none looks at a clock.
 */
#include "tests/harness/cmocka.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/session/loop.h"
#include "broker/session/supervisor_client.h"

/* ---- the dispatcher: 'a' answer, 'f' answer with an fd, 'w' ask the supervisor, 'e' end, 'h' Hello, 'v' answer and an
 *      event ---- */

static uint8_t answer_bytes[32768];
static struct session session;
static unsigned int packets_seen, fds_seen, events_due;
static int resumed_error;

static void answer_fill(struct outgoing *out, size_t length)
{
	out->bytes = answer_bytes;
	out->length = length;
	out->n_fds = 0;
}

enum dispatch_result dispatcher_packet(struct dispatcher *dispatcher, const uint8_t *bytes,
	size_t length, int *fds, size_t n_fds, struct outgoing *out)
{
	union control_message ask = {.device_open = {.name = "edu0"}};

	(void)dispatcher;
	(void)length;
	packets_seen++;
	fds_seen += (unsigned int)n_fds;
	fds_close(fds, n_fds);
	switch (bytes[0]) {
	case 'w':
		assert_int_equal(supervisor_ask(session.supervisor, &ask, CONTROL_DEVICE_OPEN), 0);
		return DISPATCH_WAIT;
	case 'e':
		answer_fill(out, 3);
		return DISPATCH_END;
	case 'f':
		answer_fill(out, 4);
		out->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		out->n_fds = 1;
		return DISPATCH_ANSWER;
	case 'v':
		events_due = 1;
		answer_fill(out, 1);
		return DISPATCH_ANSWER;
	case 'h':
		session.phase = PHASE_READY;
		answer_fill(out, 1);
		return DISPATCH_ANSWER;
	default:
		answer_fill(out, sizeof(answer_bytes));
		return DISPATCH_ANSWER;
	}
}

enum dispatch_result dispatcher_resume(struct dispatcher *dispatcher,
	const union control_message *answer, int granted_fd, struct outgoing *out)
{
	(void)dispatcher;
	resumed_error = answer->header.type == CONTROL_DENIED ? answer->denied.error : 0;
	fds_close(&granted_fd, 1);
	answer_fill(out, 5);
	return DISPATCH_ANSWER;
}

bool dispatcher_next_event(struct dispatcher *dispatcher, struct outgoing *out)
{
	(void)dispatcher;
	if (events_due == 0)
		return false;
	events_due--;
	answer_fill(out, 7);
	return true;
}

/* ---- the scene ---- */

static struct control_setup session_setup;
static struct loop *loop;
static int session_fd, client_fd, control_fd, supervisor_fd;

static void scene_open(uint32_t hello_ms)
{
	int client[2], control[2];

	packets_seen = fds_seen = events_due = 0;
	resumed_error = -1;
	session_setup.hello_deadline_ms = hello_ms;
	session = (struct session){.setup = &session_setup, .phase = PHASE_HELLO};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	session_fd = client[0];
	client_fd = client[1];
	control_fd = control[0];
	supervisor_fd = control[1];
	session.base = event_base_new();
	assert_non_null(session.base);
	assert_int_equal(supervisor_client_new(&session, control_fd, 0, &session.supervisor), 0);
	assert_int_equal(loop_new(&session, NULL, session_fd, &loop), 0);
}

static int setup(void **state)
{
	(void)state;
	scene_open(3600 * 1000);
	return 0;
}

static int teardown(void **state)
{
	int fds[] = {session_fd, client_fd, control_fd, supervisor_fd};

	(void)state;
	loop_free(loop);
	supervisor_client_free(session.supervisor);
	event_base_free(session.base);
	fds_close(fds, 4);
	return 0;
}

static void turn(void)
{
	assert_true(event_base_loop(session.base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

/* Turns until nothing changes any more. */
static void settle(void)
{
	for (int i = 0; i < 8; i++)
		turn();
}

/* Nothing that is ready and unwanted may be awaited: the loop would turn for ever. */
static void assert_awaits(int events)
{
	assert_int_equal(event_base_get_num_events(session.base, EVENT_BASE_COUNT_ADDED), events);
}

static void say(const char *packet)
{
	assert_int_equal(seqpacket_send(client_fd, packet, strlen(packet), NULL, 0), 0);
}

static ssize_t hear(void)
{
	static uint8_t buffer[MESSAGE_BYTES_MAX];
	int fds[1];
	size_t n_fds = 0;
	ssize_t n = seqpacket_recv(client_fd, buffer, sizeof(buffer), fds, 1, &n_fds);

	if (n > 0)
		fds_close(fds, n_fds);
	return n;
}

static void assert_ended(int error)
{
	int end_error;

	assert_int_equal(loop_state(loop), LOOP_ENDED);
	assert_awaits(0);
	(void)loop_end_reason(loop, &end_error);
	assert_int_equal(end_error, error);
}

/* The record of the session that came to the audit, if one did. */
static bool audited(enum audit_kind kind)
{
	union control_message message;
	size_t n_fds;

	while (seqpacket_recv(supervisor_fd, &message, sizeof(message), NULL, 0, &n_fds) > 0) {
		if (message.header.type == CONTROL_AUDIT && message.audit.kind == kind)
			return true;
	}
	return false;
}

/* ---- tests ---- */

static void answers_come_in_order(void **state)
{
	(void)state;
	say("h");
	say("f");
	say("v");
	settle();
	assert_int_equal(hear(), 1);
	assert_int_equal(hear(), 4);
	assert_int_equal(hear(), 1);
	assert_int_equal(hear(), 7); /* the event, after the answer that made it due */
	assert_int_equal(hear(), -EAGAIN);
	assert_int_equal(loop_state(loop), LOOP_READING);
}

static void client_that_never_reads_is_not_read(void **state)
{
	unsigned int seen, sent = 0;

	(void)state;
	while (seqpacket_send(client_fd, "a", 1, NULL, 0) == 0) {
		sent++;
		turn();
		if (loop_state(loop) == LOOP_SENDING)
			break;
	}
	assert_int_equal(loop_state(loop), LOOP_SENDING);
	seen = packets_seen;
	for (int i = 0; i < 4; i++)
		say("a");
	settle();
	/* hangup, supervisor, Hello's deadline; and to write instead of to read, but not for ever */
	assert_awaits(5);
	assert_int_equal(packets_seen, seen); /* held back in its own socket */
	assert_int_equal(loop_state(loop), LOOP_SENDING);
	for (unsigned int heard = 0; heard < sent + 4;) { /* it reads: everything comes, in order */
		ssize_t n = hear();

		if (n == -EAGAIN) {
			settle();
			continue;
		}
		assert_int_equal(n, sizeof(answer_bytes));
		heard++;
	}
	settle();
	assert_int_equal(loop_state(loop), LOOP_READING);
	assert_int_equal(packets_seen, sent + 4);
}

static void hangup_is_seen_while_an_answer_is_stuck(void **state)
{
	(void)state;
	while (loop_state(loop) != LOOP_SENDING) {
		say("a");
		turn();
	}
	close(client_fd);
	client_fd = -1;
	settle();
	assert_ended(0);
}

/* The event that waits to write to the client; its time, when it is found. */
static int stall_find(const struct event_base *base, const struct event *event, void *ret)
{
	(void)base;
	if (event_get_fd(event) != session_fd || !event_pending(event, EV_WRITE, NULL))
		return 0;
	*(const struct event **)ret = event;
	return 1;
}

/* It sends its own end over the connection, leaves its answers unread and dies: no hangup will ever come, because the
 * last reference to its end lies in our queue. */
static void dead_client_in_our_own_queue_does_not_last(void **state)
{
	struct event *stuck = NULL;
	struct timeval due;

	(void)state;
	while (loop_state(loop) != LOOP_SENDING) {
		say("a");
		turn();
	}
	assert_int_equal(seqpacket_send(client_fd, "a", 1, &client_fd, 1), 0);
	close(client_fd);
	client_fd = -1;
	settle();
	assert_int_equal(loop_state(loop), LOOP_SENDING);
	assert_int_equal(event_base_foreach_event(session.base, stall_find, &stuck), 1);
	assert_true(event_pending(stuck, EV_TIMEOUT, &due));
	event_active(stuck, EV_TIMEOUT, 0);
	turn();
	assert_ended(ETIMEDOUT);
}

static void hangup_is_seen_while_a_request_waits(void **state)
{
	(void)state;
	say("w");
	say("a"); /* unread, so that closing is an error on our side as well */
	settle();
	assert_int_equal(loop_state(loop), LOOP_WAITING);
	assert_awaits(3);
	assert_int_equal(packets_seen, 1);
	close(client_fd);
	client_fd = -1;
	settle();
	assert_ended(0);
	assert_int_equal(packets_seen, 1);
}

static void half_closed_client_gets_its_answers(void **state)
{
	(void)state;
	say("h");
	say("f");
	assert_int_equal(shutdown(client_fd, SHUT_WR), 0);
	settle();
	assert_ended(0);
	assert_int_equal(hear(), 1);
	assert_int_equal(hear(), 4);
}

static void answer_of_the_supervisor_resumes(void **state)
{
	union control_message message = {.granted = {.device = {.name = "edu0", .state = 1}}};

	(void)state;
	say("w");
	say("h");
	settle();
	assert_int_equal(control_send(supervisor_fd, &message, CONTROL_GRANTED, 1, 0), 0);
	settle();
	assert_int_equal(resumed_error, 0);
	assert_int_equal(hear(), 5);
	assert_int_equal(hear(), 1); /* and the next packet is read */
	assert_int_equal(loop_state(loop), LOOP_READING);
}

static void supervisor_gone_refuses_what_waits_and_goes_on(void **state)
{
	(void)state;
	say("w");
	settle();
	close(supervisor_fd);
	supervisor_fd = -1;
	settle();
	assert_int_equal(resumed_error, EAGAIN);
	assert_int_equal(hear(), 5);
	say("h");
	settle();
	assert_int_equal(hear(), 1);
	assert_int_equal(loop_state(loop), LOOP_READING);
	assert_true(supervisor_gone(session.supervisor));
}

static void broken_protocol_ends_the_session_after_its_answer(void **state)
{
	(void)state;
	say("e");
	say("a");
	settle();
	assert_ended(EPROTO);
	assert_int_equal(hear(), 3);
	assert_int_equal(packets_seen, 1);
}

static void silence_ends_at_the_deadline(void **state)
{
	(void)state;
	(void)teardown(state);
	scene_open(1);
	assert_int_equal(loop_run(loop), 0); /* returns when the deadline's event came */
	assert_ended(ETIMEDOUT);
	assert_true(audited(AUDIT_BAD_INPUT));
}

static void hello_takes_the_deadline_away(void **state)
{
	(void)state;
	assert_awaits(4);
	say("h");
	settle();
	assert_awaits(3);
}

static void send_fds(size_t n)
{
	int fds[MESSAGE_FDS_MAX + 1];

	for (size_t i = 0; i < n; i++)
		fds[i] = STDIN_FILENO;
	assert_int_equal(seqpacket_send(client_fd, "h", 1, fds, n), 0);
	settle();
}

static void packet_of_64_fds_is_read_and_one_more_ends_it(void **state)
{
	(void)state;
	send_fds(MESSAGE_FDS_MAX);
	assert_int_equal(fds_seen, MESSAGE_FDS_MAX);
	assert_int_equal(loop_state(loop), LOOP_READING);
	send_fds(MESSAGE_FDS_MAX + 1);
	assert_ended(ETOOMANYREFS);
	assert_true(audited(AUDIT_BAD_INPUT));
}

static void packet_of_64_kib_is_read_and_one_byte_more_ends_it(void **state)
{
	static uint8_t packet[MESSAGE_BYTES_MAX + 1] = "h";

	(void)state;
	assert_int_equal(seqpacket_send(client_fd, packet, MESSAGE_BYTES_MAX, NULL, 0), 0);
	settle();
	assert_int_equal(loop_state(loop), LOOP_READING);
	assert_int_equal(packets_seen, 1);
	assert_int_equal(seqpacket_send(client_fd, packet, MESSAGE_BYTES_MAX + 1, NULL, 0), 0);
	settle();
	assert_ended(EMSGSIZE);
}

static unsigned int fds_open(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* An answer that is stuck with its fd when the session ends. */
static void stuck_fd_is_closed_at_the_end(void **state)
{
	unsigned int before;

	(void)state;
	while (seqpacket_send(session_fd, answer_bytes, sizeof(answer_bytes), NULL, 0) == 0)
		; /* the client's buffer is full */
	before = fds_open();
	say("f");
	settle();
	assert_int_equal(loop_state(loop), LOOP_SENDING);
	assert_int_equal(fds_open(), before + 1);
	loop_free(loop);
	loop = NULL;
	assert_int_equal(fds_open(), before - 1); /* the watch for hangup is gone as well */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_come_in_order),
		TEST(client_that_never_reads_is_not_read),
		TEST(hangup_is_seen_while_an_answer_is_stuck),
		TEST(dead_client_in_our_own_queue_does_not_last),
		TEST(hangup_is_seen_while_a_request_waits),
		TEST(half_closed_client_gets_its_answers),
		TEST(answer_of_the_supervisor_resumes),
		TEST(supervisor_gone_refuses_what_waits_and_goes_on),
		TEST(broken_protocol_ends_the_session_after_its_answer),
		TEST(silence_ends_at_the_deadline),
		TEST(hello_takes_the_deadline_away),
		TEST(packet_of_64_fds_is_read_and_one_more_ends_it),
		TEST(packet_of_64_kib_is_read_and_one_byte_more_ends_it),
		TEST(stuck_fd_is_closed_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
