/* SPDX-License-Identifier: MIT */
/*
 * A connection to iommu-broker: one socket, one session, one iommufd context of which the broker is
 * the owner.
 *
 * The rules of the whole library:
 *  - A call returns 0 or a negative errno value, unless its description says otherwise. Outputs
 *    (`ret_…`, `ret`) are written on success only. After a failure iommub_last_error() explains
 *    it in words.
 *  - An iommub_id names an object of this session; 0 is no object. Ids mean nothing in another
 *    session.
 *  - File descriptors given to a call are borrowed unless its description says otherwise; those
 *    that a call returns are the caller's to close and have FD_CLOEXEC set.
 *  - Structures that begin with `size` are option structures: zero them, set size = sizeof(the
 *    structure), then what is wanted. They may grow; a caller compiled against a shorter one
 *    stays right. A longer one than this library knows is accepted while what it does not know
 *    is zero, else the call answers -E2BIG.
 *  - One thread at a time per connection. After fork() the connection belongs to the parent: in
 *    the child every call answers -ECHILD, and iommub_disconnect() frees the child's copy
 *    without ending the session.
 *  - No call takes longer than the connection's timeout; then it answers -ETIMEDOUT. The broker
 *    may still carry out a request that has left by then: iommub_list() tells. Its late answer
 *    is swallowed, file descriptors included.
 *  - Callbacks run in iommub_dispatch() and nowhere else.
 *  - The library makes no threads, touches no signals (nor raises SIGPIPE), never exits or
 *    aborts, and prints nothing; give it a function with iommub_set_log() to hear what it would
 *    say.
 *
 * Errors that any call which talks to the broker may return besides its own:
 *   - -ECHILD: the connection was made before fork(), in the parent
 *   - -ETIMEDOUT: no answer within the timeout
 *   - -ECONNRESET: the session ended (the broker closed the socket) during this call
 *   - -ENOTCONN: it had ended before
 *   - -EPROTO: the answer made no sense; if it could not be assigned to a request the
 *     connection is over
 *   - -EOPNOTSUPP, -E2BIG: the broker is older than this library and lacks the operation, or something in it
 *   - -EPERM: the policy does not permit the operation; iommub_last_error()->rule names the
 *     line
 *   - -EAGAIN: what is asked for needs the supervisor, which is restarting; try again
 *   - -ENOMEM: no memory here
 */
#ifndef IOMMUBROKER_CONN_H
#define IOMMUBROKER_CONN_H

#include <stddef.h>
#include <stdint.h>
#include <iommubroker/export.h>

IOMMUB_BEGIN_DECLS

#define IOMMUB_SOCKET_DEFAULT "/run/iommu-broker/broker.sock"
#define IOMMUB_SOCKET_ENV "IOMMU_BROKER_SOCKET"
#define IOMMUB_TIMEOUT_MS_DEFAULT 10000u
#define IOMMUB_PENDING_DEFAULT 4096u
#define IOMMUB_TAG_MAX 32u /* bytes of a tag, without the NUL */
#define IOMMUB_NAME_MAX 64u /* bytes of a tenant's, client's or device's name, without the NUL */

typedef uint32_t iommub_id;
struct iommub_conn;

/** enum iommub_resource - what the broker counts and limits. */
enum iommub_resource {
	IOMMUB_RESOURCE_LOCKED_BYTES = 1, /* memory that mappings pin, in bytes */
	IOMMUB_RESOURCE_IOAS = 2,
	IOMMUB_RESOURCE_MAPPINGS = 3,
	IOMMUB_RESOURCE_MEMORY_HANDLES = 4,
	IOMMUB_RESOURCE_DEVICES = 5,
	IOMMUB_RESOURCE_OBJECTS = 6,
	IOMMUB_RESOURCE_CONNECTIONS = 7
};

/** enum iommub_scope - whose limit it is. */
enum iommub_scope { IOMMUB_SCOPE_SESSION = 1, IOMMUB_SCOPE_TENANT = 2, IOMMUB_SCOPE_HOST = 3 };

/**
 * struct iommub_limit - one limit and what is used of it.
 * @resource: enum iommub_resource, or a number that this header does not know yet
 * @scope: enum iommub_scope
 * @limit: in bytes for LOCKED_BYTES, else a count; UINT64_MAX = none
 * @used: in the same unit
 */
struct iommub_limit {
	uint32_t resource;
	uint32_t scope;
	uint64_t limit;
	uint64_t used;
};

/**
 * struct iommub_error - why a call failed.
 * @err: what the call returned, a negative errno value; 0: no call has failed yet
 * @name: its name, "EDQUOT"; never NULL
 * @message: a sentence that names what was wrong; never NULL
 * @rule: the policy rule that said no, "FILE:LINE KEY"; NULL: none did
 * @field: the field of the request that was wrong; NULL: not that kind of error
 * @has_limit: whether @limit and @asked say something
 * @limit: the limit that said no, and what was used of it
 * @asked: how much was asked for
 *
 * Only the library makes these; they may grow at the end.
 */
struct iommub_error {
	int err;
	const char *name;
	const char *message;
	const char *rule;
	const char *field;
	int has_limit;
	struct iommub_limit limit;
	uint64_t asked;
};

/**
 * typedef iommub_log_fn - hears what the library would print.
 * @arg: as given to iommub_set_log()
 * @priority: of syslog(3): LOG_WARNING, LOG_ERR, …
 * @text: one line without a newline, valid during the call
 *
 * Runs inside whatever call had something to say, and may not call back into that connection.
 */
typedef void (*iommub_log_fn)(void *arg, int priority, const char *text);

/**
 * struct iommub_connect_opts - how to connect.
 * @size: sizeof(struct iommub_connect_opts)
 * @path: the broker's socket; NULL: what the environment variable IOMMU_BROKER_SOCKET says (not in
 * set-user-ID programs), else IOMMUB_SOCKET_DEFAULT
 * @client_name: for the administrator's listings; NULL: the program's name
 * @timeout_ms: of connecting and of every call; 0: IOMMUB_TIMEOUT_MS_DEFAULT
 * @pending_max: how many asynchronous operations may wait for their completion; 0:
 * IOMMUB_PENDING_DEFAULT
 * @log: see iommub_set_log(); NULL: silent
 * @log_arg: for @log
 */
struct iommub_connect_opts {
	size_t size;
	const char *path;
	const char *client_name;
	uint32_t timeout_ms;
	uint32_t pending_max;
	iommub_log_fn log;
	void *log_arg;
};

/**
 * iommub_connect() - connect and say hello.
 * @opts: NULL: all defaults
 * @ret: the connection; end it with iommub_disconnect()
 *
 * Return: 0, or
 *   - -ENOENT, -ECONNREFUSED, -EACCES: as connect(2): no broker there, or its socket is not for this user
 *   - -ENAMETOOLONG: the path does not fit a socket address
 *   - -EINVAL: an option is out of range: size is 0, client_name longer than IOMMUB_NAME_MAX
 *   - -E2BIG: @opts is longer than known and says something
 *   - -EPERM: the broker serves no such tenant
 *   - -EPROTONOSUPPORT: the broker speaks no version of the protocol that this library speaks
 *   or one that every call may return. There is no connection then to ask for the last error:
 *     a log function given in @opts hears the broker's sentence.
 */
IOMMUB_API int iommub_connect(const struct iommub_connect_opts *opts, struct iommub_conn **ret);

/**
 * iommub_adopt() - go on with a session on a socket that was surrendered, usually by the same
 * program before execve().
 * @fd: the socket; owned by the connection from success on, the caller's on failure. Gets
 * FD_CLOEXEC.
 * @opts: path and client_name are not used; NULL: all defaults
 * @ret: the connection
 *
 * All objects of the session are as they were: iommub_list() finds them by tag,
 * iommub_device_share() sends a device's fd again. The registry of addresses
 * (iommub_memory_set_va()) starts empty. Answers that the previous owner left unread are swallowed.
 *
 * Return: 0, or
 *   - -EBADF, -ENOTSOCK, -EINVAL: @fd is no connected SOCK_SEQPACKET Unix socket; an option is out of range
 *   - -E2BIG: @opts is longer than known and says something
 *   or one that every call may return.
 */
IOMMUB_API int iommub_adopt(
	int fd, const struct iommub_connect_opts *opts, struct iommub_conn **ret);

/**
 * iommub_surrender() - leave a connection without ending its session.
 * @conn: gone on success
 * @ret_fd: the socket, now the caller's, with FD_CLOEXEC cleared so that it outlives execve().
 * Whoever holds it is this session's client: close it and the session ends.
 *
 * Return: 0, or
 *   - -EBUSY: asynchronous operations are not completed yet, or this is a callback; call
 *     iommub_dispatch() until iommub_pending() is 0
 *   - -ENOTCONN: the session has ended
 *   - -ECHILD
 */
IOMMUB_API int iommub_surrender(struct iommub_conn *conn, int *ret_fd);

/**
 * iommub_disconnect() - end the session and free the connection.
 * @conn: NULL is fine
 *
 * The broker takes down everything of this session: mappings, IOASes, devices. Asynchronous
 * operations that have not completed are dropped and their callbacks do not run. In a callback the
 * connection is freed when iommub_dispatch() is left.
 */
IOMMUB_API void iommub_disconnect(struct iommub_conn *conn);

/**
 * struct iommub_info - the session, and the limits that hold for it.
 * @version: of the protocol
 * @tenant: who the broker says we are
 * @client_name: as this session gave it; "" when the broker does not tell
 * @session: the session's number, as the administrator's listings show it
 * @message_bytes_max: of one message
 * @fds_max: file descriptors in one message
 * @batch_max: operations in one batch
 * @page_bytes: IOVAs, offsets and lengths are multiples of this
 * @features: @n_features words: "model" or "kernel", …
 * @limits: @n_limits limits, with what is used now
 *
 * Only the library makes these; they may grow at the end.
 */
struct iommub_info {
	uint32_t version;
	const char *tenant;
	const char *client_name;
	uint64_t session;
	uint32_t message_bytes_max;
	uint32_t fds_max;
	uint32_t batch_max;
	uint32_t page_bytes;
	const char *const *features;
	size_t n_features;
	const struct iommub_limit *limits;
	size_t n_limits;
};

/**
 * iommub_get_info() - ask who we are and what is used of our limits now.
 * @conn: the connection
 * @ret: valid until the next iommub_get_info() or the end of the connection
 *
 * Return: 0, or one that every call may return.
 */
IOMMUB_API int iommub_get_info(struct iommub_conn *conn, const struct iommub_info **ret);

/** enum iommub_object_type - what an id is the id of. */
enum iommub_object_type {
	IOMMUB_OBJECT_DEVICE = 1,
	IOMMUB_OBJECT_HWPT_PAGING = 2,
	IOMMUB_OBJECT_IOAS = 3,
	IOMMUB_OBJECT_MEMORY = 4
};

/**
 * struct iommub_object - one object of this session.
 * @id: its id
 * @type: enum iommub_object_type, or a number that this header does not know yet
 * @users: how many other objects and mappings refer to it; it can be destroyed at 0
 * @pt_id: DEVICE: what this session attached it to; 0: nothing
 * @bytes: MEMORY: size of the file; IOAS: bytes mapped; else 0
 * @tag: as given when it was made; "" for none
 * @device: DEVICE: its name; else ""
 */
struct iommub_object {
	iommub_id id;
	uint32_t type;
	uint32_t users;
	iommub_id pt_id;
	uint64_t bytes;
	char tag[IOMMUB_TAG_MAX + 1];
	char device[IOMMUB_NAME_MAX + 1];
};

/**
 * iommub_list() - this session's own objects, in the order of their ids.
 * @conn: the connection
 * @after: only ids above this one; 0: from the start
 * @ret: room for *@n_inout of them
 * @n_inout: in: that room, at least 1; out: how many were written. May be fewer than there is room
 * for: go on after the last id until 0 come.
 *
 * Return: 0, -EINVAL (no room given), or one that every call may return.
 */
IOMMUB_API int iommub_list(
	struct iommub_conn *conn, iommub_id after, struct iommub_object *ret, size_t *n_inout);

/**
 * iommub_destroy() - destroy an object.
 * @conn: the connection
 * @id: any object of this session. An IOAS goes with all its mappings; a memory handle is
 * unregistered; a device is closed.
 *
 * Return: 0, or
 *   - -ENOENT: no object has this id
 *   - -EBUSY: others refer to it: nothing has changed
 *   or one that every call may return.
 */
IOMMUB_API int iommub_destroy(struct iommub_conn *conn, iommub_id id);

/**
 * iommub_last_error() - explain the last failure.
 * @conn: the connection
 *
 * Of the last call on this connection that failed (a call that succeeds changes nothing).
 *
 * Return: never NULL; valid until the next call on this connection fails or the connection ends.
 */
IOMMUB_API const struct iommub_error *iommub_last_error(const struct iommub_conn *conn);

/**
 * iommub_set_log() - hear what the library would print.
 * @conn: the connection; NULL does nothing
 * @log: NULL: silent, as at the start
 * @arg: for @log
 */
IOMMUB_API void iommub_set_log(struct iommub_conn *conn, iommub_log_fn log, void *arg);

/* ---- for the caller's own event loop
 * ------------------------------------------------------------------------------- */

/** enum iommub_event_type - what the broker tells unasked. */
enum iommub_event_type { IOMMUB_EVENT_QUOTA = 1 };

/**
 * struct iommub_event - something that happened.
 * @type: enum iommub_event_type; events that this library does not know are not delivered
 * @limit: QUOTA: usage went above 90 % of this limit (told once, until it was below 80 %)
 *
 * Only the library makes these; they may grow at the end.
 */
struct iommub_event {
	uint32_t type;
	struct iommub_limit limit;
};

typedef void (*iommub_event_fn)(
	struct iommub_conn *conn, const struct iommub_event *event, void *arg);

/**
 * iommub_set_event_handler() - whom to tell of events.
 * @conn: the connection; NULL does nothing
 * @fn: runs in iommub_dispatch(); NULL: events are dropped
 * @arg: for @fn
 *
 * Events that come during other calls wait for the next iommub_dispatch(); of more than 64 the
 * oldest are dropped.
 */
IOMMUB_API void iommub_set_event_handler(struct iommub_conn *conn, iommub_event_fn fn, void *arg);

/**
 * iommub_get_fd() - what to poll.
 * @conn: the connection
 *
 * Return: the socket, which stays the connection's; or -EINVAL (@conn is NULL), -ECHILD.
 */
IOMMUB_API int iommub_get_fd(const struct iommub_conn *conn);

/**
 * iommub_get_events() - what to poll it for now.
 * @conn: the connection
 *
 * Return: POLLIN, or POLLIN | POLLOUT while something waits to be sent; or -EINVAL (@conn is NULL),
 * -ECHILD. Ask before each poll.
 */
IOMMUB_API int iommub_get_events(const struct iommub_conn *conn);

/**
 * iommub_get_timeout_ms() - how long to poll at most before the next iommub_dispatch().
 * @conn: the connection
 *
 * Return: 0 when callbacks are due or gathered operations have not left yet; else milliseconds to
 * the next deadline of an asynchronous operation; -1 when there is none: exactly what poll(2)
 * takes. -1 also when @conn is NULL or another process's.
 */
IOMMUB_API int iommub_get_timeout_ms(const struct iommub_conn *conn);

/**
 * iommub_dispatch() - send what waits, read what came, run the callbacks that are due.
 * @conn: the connection
 * @timeout_ms: if no callback is due, wait so long for one; 0: do not wait; -1: for as long as the
 * deadlines of asynchronous operations allow, without a bound of its own if there are none
 *
 * When the session has ended, all asynchronous operations complete with -ECONNRESET first, then
 * this answers -ENOTCONN. In a callback every call is allowed but this one; after
 * iommub_disconnect() in one, no further callback runs.
 *
 * Return: how many callbacks ran, 0: none within the timeout; or
 *   - -EDEADLK: called from a callback
 *   - -ENOTCONN, -EPROTO, -ECHILD
 */
IOMMUB_API int iommub_dispatch(struct iommub_conn *conn, int timeout_ms);

/**
 * iommub_flush() - send gathered operations now, as far as the socket takes them without waiting.
 * @conn: the connection
 *
 * Return: 0: nothing is left to send; -EAGAIN: the socket is full, go on when it polls for POLLOUT;
 * or -ENOTCONN, -ECHILD.
 */
IOMMUB_API int iommub_flush(struct iommub_conn *conn);

/**
 * iommub_pending() - asynchronous operations whose callback has not run yet.
 * @conn: the connection; NULL has none
 *
 * Return: their number.
 */
IOMMUB_API size_t iommub_pending(const struct iommub_conn *conn);

IOMMUB_END_DECLS

#endif
