/* SPDX-License-Identifier: MIT */
/* A session's talk with its supervisor, with the other end of the socket in the test's hand. */
#include "tests/harness/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/session/audit.h"
#include "broker/session/supervisor_client.h"

static struct session session;
static int control_fd, supervisor_fd;

static int setup(void **state)
{
	int fds[2];

	(void)state;
	session = (struct session){0};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	control_fd = fds[0];
	supervisor_fd = fds[1];
	/* A call that is not answered already never is: no test waits. */
	return supervisor_client_new(&session, control_fd, 0, &session.supervisor);
}

static int teardown(void **state)
{
	(void)state;
	supervisor_client_free(session.supervisor);
	close(control_fd);
	close(supervisor_fd);
	return 0;
}

/* What the session sent. */
static union control_message request_next(void)
{
	union control_message message;
	const char *why = "";
	size_t n_fds;
	ssize_t n = seqpacket_recv(supervisor_fd, &message, sizeof(message), NULL, 0, &n_fds);

	assert_true(n > 0);
	assert_int_equal(control_check(&message, (size_t)n, CONTROL_FROM_SESSION, &why), 0);
	return message;
}

static void answer(enum control_type type, uint64_t serial)
{
	union control_message message = {0};

	if (type == CONTROL_DENIED)
		message.denied.error = EPERM;
	assert_int_equal(control_send(supervisor_fd, &message, type, serial, -1), 0);
}

static void granted(uint64_t serial)
{
	union control_message message = {.granted = {.device = {.name = "edu0", .state = 1}}};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(control_send(supervisor_fd, &message, CONTROL_GRANTED, serial, fd), 0);
	close(fd);
}

static void call_returns_its_answer(void **state)
{
	union control_message request = {.lend = {.bytes = 4096}}, reply;

	(void)state;
	answer(CONTROL_LENT, 1); /* the supervisor is quick: serials start at 1 */
	assert_int_equal(supervisor_call(session.supervisor, &request, CONTROL_LEND, &reply), 0);
	assert_int_equal(reply.header.type, CONTROL_LENT);
	assert_int_equal(request_next().header.serial, 1);
}

static void late_answer_is_dropped(void **state)
{
	union control_message request = {0}, reply;
	int fd = -1;

	(void)state;
	assert_int_equal(supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply),
		-EAGAIN);
	assert_false(supervisor_gone(session.supervisor));
	answer(CONTROL_DEVICES, 1); /* of the call that gave up */
	answer(CONTROL_DEVICES, 2);
	assert_int_equal(
		supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply), 0);
	assert_int_equal(reply.header.serial, 2);
	/* Or it comes when nobody waits. */
	assert_int_equal(supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply),
		-EAGAIN);
	answer(CONTROL_DEVICES, 3);
	assert_int_equal(supervisor_receive(session.supervisor, &reply, &fd), 0);
}

static void sixteen_unanswered_calls_and_then_it_is_gone(void **state)
{
	union control_message request = {0}, reply;

	(void)state;
	for (int i = 0; i < 16; i++) {
		assert_int_equal(
			supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply),
			-EAGAIN);
		assert_false(supervisor_gone(session.supervisor));
	}
	assert_int_equal(supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply),
		-EAGAIN);
	assert_true(supervisor_gone(session.supervisor));
}

static void denied_call_is_eagain(void **state)
{
	union control_message request = {.lend = {.bytes = 1}}, reply;

	(void)state;
	answer(CONTROL_DENIED, 1);
	assert_int_equal(
		supervisor_call(session.supervisor, &request, CONTROL_LEND, &reply), -EAGAIN);
	assert_false(supervisor_gone(session.supervisor));
}

static void ask_is_answered_later(void **state)
{
	union control_message request = {.device_open = {.name = "edu0"}}, reply;
	int fd = -1;

	(void)state;
	assert_int_equal(supervisor_ask(session.supervisor, &request, CONTROL_DEVICE_OPEN), 0);
	assert_int_equal(supervisor_ask(session.supervisor, &request, CONTROL_DEVICE_OPEN), -EBUSY);
	assert_int_equal(
		supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply), -EBUSY);
	assert_int_equal(supervisor_receive(session.supervisor, &reply, &fd), 0); /* not yet */
	granted(request_next().header.serial);
	assert_int_equal(supervisor_receive(session.supervisor, &reply, &fd), 1);
	assert_int_equal(reply.header.type, CONTROL_GRANTED);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(supervisor_ask(session.supervisor, &request, CONTROL_DEVICE_OPEN), 0);
	answer(CONTROL_DENIED, 2);
	assert_int_equal(supervisor_receive(session.supervisor, &reply, &fd), 1);
	assert_int_equal(reply.denied.error, EPERM);
	assert_int_equal(fd, -1);
}

static void end_of_the_socket_is_gone(void **state)
{
	union control_message request = {.device_open = {.name = "edu0"}}, reply;
	int fd = -1;

	(void)state;
	close(supervisor_fd);
	supervisor_fd = -1;
	assert_int_equal(supervisor_receive(session.supervisor, &reply, &fd), -ECONNRESET);
	assert_true(supervisor_gone(session.supervisor));
	assert_int_equal(supervisor_call(session.supervisor, &request, CONTROL_DEVICE_LIST, &reply),
		-EAGAIN);
	assert_int_equal(
		supervisor_ask(session.supervisor, &request, CONTROL_DEVICE_OPEN), -EAGAIN);
	assert_int_equal(
		supervisor_tell(session.supervisor, &request, CONTROL_DEVICE_RELEASE), -EAGAIN);
}

/* A session that was asked nothing by nobody says so and ends: in a child, whose last words go to the supervisor. */
static void assert_breaks(const char *words)
{
	union control_message reply;
	int fd = -1, status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		(void)supervisor_receive(session.supervisor, &reply, &fd);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SESSION_EXIT_BROKEN);
	reply = request_next();
	assert_int_equal(reply.header.type, CONTROL_AUDIT);
	assert_int_equal(reply.audit.kind, AUDIT_BROKEN);
	assert_non_null(strstr(reply.audit.text, words));
}

static void unasked_answer_breaks(void **state)
{
	(void)state;
	answer(CONTROL_LENT, 7);
	assert_breaks("nobody asked");
}

static void unasked_device_breaks_and_leaks_no_fd(void **state)
{
	(void)state;
	granted(7);
	assert_breaks("nobody asked");
}

static void garbage_breaks(void **state)
{
	(void)state;
	assert_int_equal(seqpacket_send(supervisor_fd, "garbage", 7, NULL, 0), 0);
	assert_breaks("shorter than a header");
}

static void wrong_kind_of_answer_breaks(void **state)
{
	union control_message request = {.device_open = {.name = "edu0"}};

	(void)state;
	assert_int_equal(supervisor_ask(session.supervisor, &request, CONTROL_DEVICE_OPEN), 0);
	(void)request_next();
	answer(CONTROL_LENT, 1);
	assert_breaks("with type");
}

static void grant_without_its_fd_breaks(void **state)
{
	union control_message message = {.granted = {.device = {.name = "edu0", .state = 1}}};

	(void)state;
	assert_int_equal(control_send(supervisor_fd, &message, CONTROL_GRANTED, 1, -1), 0);
	assert_breaks("no fd");
}

static void fd_where_none_belongs_breaks(void **state)
{
	union control_message message = {0};

	(void)state;
	assert_int_equal(control_send(supervisor_fd, &message, CONTROL_LENT, 1, STDIN_FILENO), 0);
	assert_breaks("an fd where none belongs");
}

static void setup_is_awaited(void **state)
{
	union control_message message = {.setup = {.session = 9,
						 .tenant = "alpha",
						 .backend = BACKEND_MODEL,
						 .windows_count = 1,
						 .windows = {{0, UINT64_MAX}}}};
	struct control_setup got;
	const char *why = "";

	(void)state;
	assert_int_equal(supervisor_setup_read(control_fd, 0, &got, &why), -ETIMEDOUT);
	assert_int_equal(control_send(supervisor_fd, &message, CONTROL_SETUP, 0, -1), 0);
	assert_int_equal(supervisor_setup_read(control_fd, 1000, &got, &why), 0);
	assert_int_equal(got.session, 9);
	answer(CONTROL_LENT, 0);
	assert_int_equal(supervisor_setup_read(control_fd, 1000, &got, &why), -EPROTO);
	assert_string_equal(why, "the first packet is not SETUP");
	close(supervisor_fd);
	supervisor_fd = -1;
	assert_int_equal(supervisor_setup_read(control_fd, 1000, &got, &why), -ECONNRESET);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(call_returns_its_answer),
		TEST(late_answer_is_dropped),
		TEST(sixteen_unanswered_calls_and_then_it_is_gone),
		TEST(denied_call_is_eagain),
		TEST(ask_is_answered_later),
		TEST(end_of_the_socket_is_gone),
		TEST(unasked_answer_breaks),
		TEST(unasked_device_breaks_and_leaks_no_fd),
		TEST(garbage_breaks),
		TEST(wrong_kind_of_answer_breaks),
		TEST(grant_without_its_fd_breaks),
		TEST(fd_where_none_belongs_breaks),
		TEST(setup_is_awaited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
