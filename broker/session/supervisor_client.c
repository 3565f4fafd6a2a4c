/* SPDX-License-Identifier: MIT */
/*
 * What a session asks of the supervisor, over the control socket.
 *
 * Three ways to speak: tell (no answer), call (wait here, bounded: the supervisor never blocks, so
 * the answer to a small question is there in microseconds), ask (go on; a device may take seconds
 * to open). At most one ask is under way, because its client's next request is not read before it
 * is answered, and no call is made meanwhile.
 *
 * An answer is matched by the serial of its question. A call that gave up remembers its serial, so
 * that the answer that comes late is dropped and not mistaken. Anything else that nobody asked for
 * cannot come from a supervisor of this version: the session says so and ends, because a session
 * that no longer knows what it was promised must not go on.
 *
 * The end of the socket is not the end of the session: whoever restarts the supervisor must not
 * interrupt one mapping.
 */
#include "broker/session/supervisor_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "broker/common/seqpacket.h"

#define ABANDONED_MAX 16 /* so many calls in a row without an answer: nobody is there */

struct supervisor_client {
	struct session *session;
	int fd;
	int call_ms;
	bool gone;
	uint64_t last_serial;
	uint64_t asked; /* serial of the ask under way; 0: none */
	uint64_t abandoned[ABANDONED_MAX]; /* serials of calls that gave up; 0: free */
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until `fd` is readable (or at its end) or the time is up: 0 or -ETIMEDOUT. */
static int readable_wait(int fd, int64_t until_ms)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		int64_t left = until_ms - now_ms();
		int n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ETIMEDOUT;
	}
}

/* One packet: 0, -EAGAIN, -ECONNRESET at the end of the socket, or -EPROTO with *why. */
static int packet_receive(int fd, union control_message *ret, int *ret_fd, const char **why)
{
	int fds[1] = {-1};
	size_t n_fds = 0;
	ssize_t bytes = seqpacket_recv(fd, ret, sizeof(*ret), fds, 1, &n_fds);
	int error;

	if (bytes == 0)
		return -ECONNRESET;
	if (bytes == -EAGAIN || bytes == -ECONNRESET)
		return (int)bytes;
	if (bytes < 0) {
		*why = "a packet or its fds were cut off";
		return -EPROTO;
	}
	error = control_check(ret, (size_t)bytes, CONTROL_FROM_SUPERVISOR, why);
	if (error == 0 && (n_fds == 1) != (ret->header.type == CONTROL_GRANTED)) {
		*why = n_fds ? "an fd where none belongs" : "no fd where one belongs";
		error = -EPROTO;
	}
	if (error < 0) {
		fds_close(fds, n_fds);
		return error;
	}
	*ret_fd = fds[0];
	return 0;
}

int supervisor_setup_read(
	int control_fd, int timeout_ms, struct control_setup *ret, const char **why)
{
	union control_message message;
	int fd = -1;
	int error = readable_wait(control_fd, now_ms() + timeout_ms);

	if (error < 0)
		return error;
	error = packet_receive(control_fd, &message, &fd, why);
	if (error < 0)
		return error;
	if (message.header.type != CONTROL_SETUP) {
		fds_close(&fd, 1);
		*why = "the first packet is not SETUP";
		return -EPROTO;
	}
	*ret = message.setup;
	return 0;
}

int supervisor_client_new(
	struct session *session, int control_fd, int call_ms, struct supervisor_client **ret)
{
	struct supervisor_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->session = session;
	client->fd = control_fd;
	client->call_ms = call_ms;
	*ret = client;
	return 0;
}

void supervisor_client_free(struct supervisor_client *client)
{
	free(client);
}

int supervisor_client_fd(const struct supervisor_client *client)
{
	return client->fd;
}

bool supervisor_gone(const struct supervisor_client *client)
{
	return client->gone;
}

static int message_send(struct supervisor_client *client, union control_message *message,
	enum control_type type, uint64_t serial)
{
	int error;

	if (client->gone)
		return -EAGAIN;
	error = control_send(client->fd, message, type, serial, -1);
	if (error < 0 && error != -EAGAIN)
		client->gone = true;
	return error < 0 ? -EAGAIN : 0;
}

int supervisor_tell(
	struct supervisor_client *client, union control_message *message, enum control_type type)
{
	return message_send(client, message, type, 0);
}

int supervisor_ready(struct supervisor_client *client, uint32_t landlock_abi)
{
	union control_message message = {.ready = {.landlock_abi = landlock_abi}};

	return message_send(client, &message, CONTROL_READY, 0);
}

int supervisor_ask(
	struct supervisor_client *client, union control_message *request, enum control_type type)
{
	uint64_t serial = client->last_serial + 1;
	int error;

	if (client->asked)
		return -EBUSY;
	error = message_send(client, request, type, serial);
	if (error < 0)
		return error;
	client->last_serial = serial;
	client->asked = serial;
	return 0;
}

/* Was this the answer to a call that gave up? Then it is done with now. */
static bool abandoned_take(struct supervisor_client *client, uint64_t serial)
{
	for (size_t i = 0; i < ABANDONED_MAX; i++) {
		if (serial != 0 && client->abandoned[i] == serial) {
			client->abandoned[i] = 0;
			return true;
		}
	}
	return false;
}

static void abandoned_add(struct supervisor_client *client, uint64_t serial)
{
	for (size_t i = 0; i < ABANDONED_MAX; i++) {
		if (client->abandoned[i] == 0) {
			client->abandoned[i] = serial;
			return;
		}
	}
	client->gone = true;
}

/* One packet with the serial that is awaited: 0. Late ones are dropped: -EAGAIN. */
static int answer_receive(struct supervisor_client *client, uint64_t awaited,
	union control_message *answer, int *ret_fd)
{
	const char *why = "";
	int error = packet_receive(client->fd, answer, ret_fd, &why);

	if (error == -ECONNRESET)
		client->gone = true;
	if (error == -EPROTO)
		session_broken(client->session, "the supervisor sent no control packet: %s", why);
	if (error < 0)
		return error;
	if (awaited && answer->header.serial == awaited)
		return 0;
	fds_close(ret_fd, 1);
	if (!abandoned_take(client, answer->header.serial))
		session_broken(client->session,
			"the supervisor answered what nobody asked (type %u, serial %llu)",
			answer->header.type, (unsigned long long)answer->header.serial);
	return -EAGAIN;
}

/* DENIED answers everything; else each question has one kind of answer. */
static bool answer_fits(enum control_type type, uint32_t answer)
{
	switch (type) {
	case CONTROL_DEVICE_OPEN:
		return answer == CONTROL_GRANTED || answer == CONTROL_DENIED;
	case CONTROL_DEVICE_LIST:
		return answer == CONTROL_DEVICES || answer == CONTROL_DENIED;
	case CONTROL_LEND:
		return answer == CONTROL_LENT || answer == CONTROL_DENIED;
	default:
		return false;
	}
}

int supervisor_call(struct supervisor_client *client, union control_message *request,
	enum control_type type, union control_message *answer)
{
	const uint64_t serial = client->last_serial + 1;
	const int64_t until_ms = now_ms() + client->call_ms;
	union control_message received = {.header = {0}};
	int error, fd = -1;

	if (client->asked)
		return -EBUSY;
	error = message_send(client, request, type, serial);
	if (error < 0)
		return error;
	client->last_serial = serial;
	do {
		error = readable_wait(client->fd, until_ms);
		if (error == 0)
			error = answer_receive(client, serial, &received, &fd);
	} while (error == -EAGAIN);
	if (error < 0) {
		if (!client->gone)
			abandoned_add(client, serial);
		return -EAGAIN;
	}
	if (fd >= 0 || !answer_fits(type, received.header.type)) {
		fds_close(&fd, 1);
		session_broken(client->session, "the supervisor answered type %u with type %u",
			(unsigned int)type, received.header.type);
	}
	if (received.header.type == CONTROL_DENIED)
		return -EAGAIN;
	*answer = received;
	return 0;
}

int supervisor_receive(
	struct supervisor_client *client, union control_message *ret_answer, int *ret_fd)
{
	int error;

	if (client->gone)
		return -ECONNRESET;
	error = answer_receive(client, client->asked, ret_answer, ret_fd);
	if (error == -EAGAIN)
		return 0;
	if (error < 0) {
		client->gone = true;
		return -ECONNRESET;
	}
	if (!answer_fits(CONTROL_DEVICE_OPEN, ret_answer->header.type)) {
		fds_close(ret_fd, 1);
		session_broken(client->session, "the supervisor answered an ask with type %u",
			ret_answer->header.type);
	}
	client->asked = 0;
	return 1;
}
