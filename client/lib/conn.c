/* SPDX-License-Identifier: MIT */
/*
 * How a connection begins and ends. It begins with Hello and Welcome on a new socket, or with Info on one that had its Hello in an earlier
 * life of this program. It ends with the session (disconnect), or without ending it (surrender).
 */
#include "client/lib/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>
#include "client/lib/options.h"

#define NS_PER_MS INT64_C(1000000)
#define LOG_LINE_MAX 512u

int conn_fail(struct iommub_conn *conn, int err, const char *field, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	(void)error_set_v(&conn->error, err, field, format, args);
	va_end(args);
	return err;
}

void conn_log(struct iommub_conn *conn, int priority, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list args;

	if (!conn->log)
		return;
	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	conn->log(conn->log_arg, priority, line);
}

int conn_check(const struct iommub_conn *conn)
{
	if (!conn)
		return -EINVAL;
	return conn->pid == getpid() ? 0 : -ECHILD;
}

int conn_enter(struct iommub_conn *conn)
{
	int err = conn_check(conn);

	if (err == -ECHILD)
		return conn_fail(conn, err, NULL, "this connection belongs to the parent process");
	if (err == 0 && (conn->broken || conn->doomed))
		return conn_fail(conn, -ENOTCONN, NULL, "the session has ended");
	return err;
}

int64_t conn_deadline(const struct iommub_conn *conn)
{
	return time_now_ns() + conn->timeout_ms * NS_PER_MS;
}

int conn_break(struct iommub_conn *conn, int err, const char *why)
{
	struct request *request, *next;

	conn->broken = err;
	(void)shutdown(conn->fd, SHUT_RDWR);
	conn_log(conn, err == -ECONNRESET ? LOG_INFO : LOG_ERR, "%s", why);
	(void)conn_fail(conn, err, NULL, "%s", why);
	for (request = TAILQ_FIRST(&conn->queue); request; request = next) {
		next = TAILQ_NEXT(request, link);
		if (request->state != REQUEST_DONE)
			request_fail(conn, request, err, why);
	}
	return err;
}

/* ---- beginning ---- */

static int opts_check(const struct iommub_connect_opts *opts, struct iommub_connect_opts *ret)
{
	int err = options_read(ret, sizeof(*ret), opts);

	if (err < 0)
		return err;
	if (ret->timeout_ms == 0)
		ret->timeout_ms = IOMMUB_TIMEOUT_MS_DEFAULT;
	if (ret->pending_max == 0)
		ret->pending_max = IOMMUB_PENDING_DEFAULT;
	if (!ret->client_name)
		ret->client_name = program_invocation_short_name;
	else if (strlen(ret->client_name) > IOMMUB_NAME_MAX)
		return -EINVAL;
	if (!ret->path)
		ret->path = secure_getenv(IOMMUB_SOCKET_ENV);
	if (!ret->path || ret->path[0] == '\0')
		ret->path = IOMMUB_SOCKET_DEFAULT;
	return 0;
}

static struct iommub_conn *conn_new(int fd, const struct iommub_connect_opts *opts)
{
	struct iommub_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->fd = fd;
	conn->pid = getpid();
	conn->timeout_ms = opts->timeout_ms;
	conn->pending_max = opts->pending_max;
	conn->log = opts->log;
	conn->log_arg = opts->log_arg;
	conn->packet.bytes = conn->rx;
	TAILQ_INIT(&conn->queue);
	arena_init(&conn->tx_arena);
	arena_init(&conn->rx_arena);
	error_init(&conn->error);
	transport_set_wait(fd, opts->timeout_ms);
	return conn;
}

static int hello_send(struct iommub_conn *conn, const char *client_name)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	Iommubroker__V1__Hello hello = IOMMUBROKER__V1__HELLO__INIT;
	char name[IOMMUB_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s", client_name);
	hello.has_version_min = hello.has_version_max = 1;
	hello.version_min = hello.version_max = PROTOCOL_VERSION;
	hello.client_name = name;
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	conn->tx_length = iommubroker__v1__client_message__pack(&message, conn->tx);
	return transport_send(conn->fd, conn->tx, conn->tx_length, NULL, 0);
}

static int welcome_wait(struct iommub_conn *conn, int64_t deadline_ns)
{
	const ServerMessage *message;
	int err;

	while ((err = transport_recv(conn->fd, false, &conn->packet)) == -EAGAIN) {
		err = transport_wait(conn->fd, POLLIN, deadline_ns);
		if (err < 0 && (err != -ETIMEDOUT || time_now_ns() >= deadline_ns))
			break;
	}
	if (err < 0)
		return conn_fail(conn, err, NULL, "no Welcome came: %s", strerrordesc_np(-err));
	packet_close_fds(&conn->packet);
	message = iommubroker__v1__server_message__unpack(
		&conn->rx_arena.allocator, conn->packet.length, conn->packet.bytes);
	if (!message || message->body_case != IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME)
		return conn_fail(conn, -EPROTO, NULL, "the broker's first message is no Welcome");
	err = error_from_status(&conn->error, message->welcome->status);
	return err < 0 ? err : info_from_welcome(conn, message->welcome);
}

int iommub_connect(const struct iommub_connect_opts *opts, struct iommub_conn **ret)
{
	struct iommub_connect_opts known;
	struct iommub_conn *conn;
	int64_t deadline_ns;
	int fd, err;

	err = ret ? opts_check(opts, &known) : -EINVAL;
	if (err < 0)
		return err;
	deadline_ns = time_now_ns() + known.timeout_ms * NS_PER_MS;
	fd = transport_connect(known.path, deadline_ns);
	if (fd < 0)
		return fd;
	conn = conn_new(fd, &known);
	if (!conn) {
		(void)close(fd);
		return -ENOMEM;
	}
	err = hello_send(conn, known.client_name);
	if (err == 0 || err == -EPIPE) /* whoever closed may have said why */
		err = welcome_wait(conn, deadline_ns);
	conn->tx_length = 0;
	if (err < 0) {
		conn_log(conn, LOG_ERR, "%s: %s", known.path, conn->error.view.message);
		iommub_disconnect(conn);
		return err;
	}
	*ret = conn;
	return 0;
}

int iommub_adopt(int fd, const struct iommub_connect_opts *opts, struct iommub_conn **ret)
{
	struct iommub_connect_opts known;
	struct iommub_conn *conn;
	int flags, err;

	err = ret ? opts_check(opts, &known) : -EINVAL;
	if (err == 0)
		err = transport_check(fd);
	if (err < 0)
		return err;
	flags = fcntl(fd, F_GETFD);
	conn = conn_new(fd, &known);
	if (!conn)
		return -ENOMEM;
	/* Far from the ids of any earlier owner, so that an answer to one of his requests is seen as such. */
	if (getrandom(&conn->last_id, sizeof(conn->last_id), GRND_NONBLOCK) < 0)
		conn->last_id = (uint64_t)time_now_ns();
	conn->last_id >>= 1;
	conn->answered_id = conn->last_id;
	conn->info.view.message_bytes_max = MESSAGE_BYTES_MIN;
	(void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	conn->adopting = true;
	err = info_update(conn);
	conn->adopting = false;
	if (err < 0) {
		conn_log(conn, LOG_ERR, "%s", conn->error.view.message);
		(void)fcntl(fd, F_SETFD, flags);
		conn->fd = -1; /* still the caller's */
		conn_free(conn);
		return err;
	}
	*ret = conn;
	return 0;
}

/* ---- ending ---- */

void conn_free(struct iommub_conn *conn)
{
	struct request *request;

	while ((request = TAILQ_FIRST(&conn->queue)))
		queue_drop(conn, request);
	free(conn->spare);
	registry_clear(&conn->registry);
	arena_deinit(&conn->tx_arena);
	arena_deinit(&conn->rx_arena);
	if (conn->fd >= 0)
		(void)close(conn->fd);
	free(conn);
}

void iommub_disconnect(struct iommub_conn *conn)
{
	if (!conn)
		return;
	if (conn->pid == getpid()) {
		/* A child may hold a copy of the fd: closing ours alone would not end the session. */
		(void)shutdown(conn->fd, SHUT_RDWR);
		if (conn->dispatching) {
			conn->doomed = true;
			return;
		}
	}
	conn_free(conn);
}

int iommub_surrender(struct iommub_conn *conn, int *ret_fd)
{
	int err = conn_enter(conn), flags;

	if (err < 0)
		return err;
	if (!ret_fd)
		return conn_fail(conn, -EINVAL, NULL, "nowhere to put the socket");
	if (conn->pending > 0 || conn->dispatching)
		return conn_fail(conn, -EBUSY, NULL,
			"%zu asynchronous operations are not completed", conn->pending);
	flags = fcntl(conn->fd, F_GETFD);
	if (flags < 0 || fcntl(conn->fd, F_SETFD, flags & ~FD_CLOEXEC) < 0)
		return conn_fail(
			conn, -errno, NULL, "the socket cannot be made to outlive execve()");
	*ret_fd = conn->fd;
	conn->fd = -1;
	conn_free(conn);
	return 0;
}

const struct iommub_error *iommub_last_error(const struct iommub_conn *conn)
{
	static const struct iommub_error no_connection = {
		.err = -EINVAL, .name = "EINVAL", .message = "there is no connection"};

	return conn ? &conn->error.view : &no_connection;
}

void iommub_set_log(struct iommub_conn *conn, iommub_log_fn log, void *arg)
{
	if (!conn)
		return;
	conn->log = log;
	conn->log_arg = arg;
}
