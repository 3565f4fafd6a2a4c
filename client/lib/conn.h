/* SPDX-License-Identifier: MIT */
/*
 * Inside a connection: one queue of requests.
 *
 *   GATHERING  (the last only) asynchronous operations are still being added
 *   READY      complete; leaves as soon as the socket takes it, after all before it
 *   SENT       waits for its answer; answers come in the order of the requests
 *   DONE       answered, or given up: asynchronous ones wait here for their callbacks
 *
 *   conn.c      begins and ends a connection        queue.c     sends, receives, matches answers with requests, gives up
 *   call.c      one blocking request                async.c     gathers operations, runs callbacks
 *   dispatch.c  the caller's event loop             event.c     what the broker tells unasked
 *
 * Ids of requests are given when they leave, one after the other, so an id also says its place. A request that is given up is simply no longer
 * in the queue; an answer whose id lies before the first that we wait for is such a request's, and is swallowed. An answer that skips one,
 * or comes twice, means that we no longer know what the broker means: the connection is over.
 *
 * The answer of a blocking request is not copied: nothing more is received until the caller has read it out of the arena.
 */
#ifndef IOMMUB_CLIENT_CONN_H
#define IOMMUB_CLIENT_CONN_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <iommubroker/batch.h>
#include "client/lib/arena.h"
#include "client/lib/error.h"
#include "client/lib/registry.h"
#include "client/lib/transport.h"
#include "client/lib/wire.h"

#define PROTOCOL_VERSION 1u
#define EVENTS_MAX 64u
#define INFO_FEATURES_MAX 32u
#define INFO_FEATURE_BYTES 64u
#define INFO_LIMITS_MAX 64u
/* Of a broker's offer: what 64 gathered operations need at most, with room. */
#define MESSAGE_BYTES_MIN 8192u

/* An asynchronous operation. */
struct async_op {
	struct operation operation;
	iommub_done_fn fn;
	void *arg;
	int err;
	uint64_t value; /* IOVA or bytes */
	struct error *error; /* the broker's words; NULL: none, or no memory for them */
};

/* A blocking request; on the stack of call.c. */
struct call {
	const Request *request; /* its id is filled when it leaves */
	const int *fds; /* borrowed */
	size_t n_fds;
	bool done;
	int err; /* why there is no response */
	const Response *response; /* in conn->rx_arena */
	int fd; /* the one that came with it, or -1; the caller's */
	bool fds_lost;
};

enum request_state { REQUEST_GATHERING, REQUEST_READY, REQUEST_SENT, REQUEST_DONE };

struct request {
	TAILQ_ENTRY(request) link;
	enum request_state state;
	uint64_t id; /* once SENT */
	int64_t deadline_ns;
	struct call *call; /* NULL: asynchronous */
	size_t n;
	size_t next; /* DONE: the first of ops whose callback has not begun */
	struct async_op ops[IOMMUB_GATHER_MAX];
};
TAILQ_HEAD(request_queue, request);

struct info {
	struct iommub_info view;
	char tenant[IOMMUB_NAME_MAX + 1];
	char client_name[IOMMUB_NAME_MAX + 1];
	char words[INFO_FEATURES_MAX][INFO_FEATURE_BYTES];
	const char *features[INFO_FEATURES_MAX];
	struct iommub_limit limits[INFO_LIMITS_MAX];
};

struct iommub_conn {
	int fd;
	pid_t pid;
	uint32_t timeout_ms;
	uint32_t pending_max;
	int broken; /* 0, or why the session is over for us: a negative errno */
	bool adopting; /* answers of the previous owner's requests may still come */
	bool dispatching;
	bool doomed; /* disconnected in a callback */
	bool send_failed; /* the broker is gone, what it said last may still be read */

	uint64_t last_id; /* of the last request that left */
	uint64_t answered_id; /* of the last that was answered */
	struct request_queue queue;
	size_t n_unsent; /* GATHERING and READY requests */
	size_t pending; /* asynchronous operations whose callback has not run */
	struct request *spare; /* so that gathering allocates nothing */

	struct arena tx_arena;
	size_t tx_length; /* the first READY request, encoded in tx; 0: not yet */
	uint8_t tx[TRANSPORT_BYTES_MAX];
	struct arena rx_arena;
	struct packet packet;
	uint8_t rx[TRANSPORT_BYTES_MAX];

	struct registry registry;
	struct info info;
	struct error error; /* the last */
	iommub_log_fn log;
	void *log_arg;
	iommub_event_fn event_fn;
	void *event_arg;
	struct iommub_event events[EVENTS_MAX]; /* a ring */
	size_t events_first, n_events;
};

/* ---- conn.c ---- */

/* May this process use it: 0, -EINVAL (NULL), -ECHILD. */
int conn_check(const struct iommub_conn *conn);
/* The same, and is its session alive: also -ENOTCONN. Sets the last error. */
int conn_enter(struct iommub_conn *conn);
/* Set the last error; returns err. */
int conn_fail(struct iommub_conn *conn, int err, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void conn_log(struct iommub_conn *conn, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The session is over: shut the socket, fail every request with err. Returns err. Once. */
int conn_break(struct iommub_conn *conn, int err, const char *why);
int64_t conn_deadline(const struct iommub_conn *conn);
void conn_free(struct iommub_conn *conn);

/* ---- queue.c ---- */

/* A new request at the end of the queue, GATHERING or READY. NULL: no memory. */
struct request *queue_add(struct iommub_conn *conn, enum request_state state);
/* Take a request out of the queue and free it with the errors of its operations. */
void queue_drop(struct iommub_conn *conn, struct request *request);
/* Nothing more is added to the gathering request. */
void queue_seal(struct iommub_conn *conn);
/* Send what the socket takes. 0: all; -EAGAIN: it is full. A broken socket shows when receiving. */
int queue_send(struct iommub_conn *conn);
/* Receive one packet and do what it says. 0; -EAGAIN: nothing there; or what broke the connection. */
int queue_receive(struct iommub_conn *conn, bool wait);
/* Give up asynchronous requests whose deadline has passed. */
void queue_expire(struct iommub_conn *conn);
/* Complete a request without an answer. */
void request_fail(struct iommub_conn *conn, struct request *request, int err, const char *why);
/* The next deadline of an unanswered request, INT64_MAX: none. */
int64_t queue_deadline(const struct iommub_conn *conn);

/* ---- call.c ---- */

/* Send a request and wait for its answer: 0 (call->response says what the broker said), or why there is none. A
 * response's own failure is the caller's to look at. The last error is set. */
int call_run(struct iommub_conn *conn, struct call *call);
/* One operation: 0 with *ret_result (valid until the next receive), or the negative errno of the broker or our own, with the last error
 * set. `ret_fd` NULL: a fd that comes is closed; else the one that came or -1. */
int call_operation(struct iommub_conn *conn, Operation *operation, const int *fds, size_t n_fds,
	const Result **ret_result, int *ret_fd, bool *ret_fds_lost);
/* The same for operations that take at most one fd (-1: none) and give none. */
int call_simple(struct iommub_conn *conn, Operation *operation, int fd, const Result **ret_result);
/* The answer lacks what it must have. Sets the last error; -EPROTO. */
int call_malformed(struct iommub_conn *conn, const char *operation);

/* ---- async.c, event.c, info.c ---- */

/* Run the callbacks of the requests at the head that are DONE; their number. */
int async_run(struct iommub_conn *conn);
bool async_due(const struct iommub_conn *conn);
void event_receive(struct iommub_conn *conn, const Iommubroker__V1__Event *event);
int event_run(struct iommub_conn *conn);
int info_from_welcome(struct iommub_conn *conn, const Iommubroker__V1__Welcome *welcome);
int info_update(struct iommub_conn *conn); /* asks the broker */

#endif
