/* SPDX-License-Identifier: MIT */
/*
 * A session is a process: one client connection, one iommufd context, one object graph.
 *
 *   main.c      fds as exec left them -> SETUP from the supervisor -> sandbox -> loop; nothing of the client is read
 *               before the sandbox is up
 *   loop.c      when to read, when not: one packet in, at most one answer out, in order; while an answer cannot be sent
 *               or a request waits for the supervisor, nothing is read
 *   ops.c       THE table of operations; validate.c checks all that the table says before a handler runs
 *   batch.c     many operations in one request
 *   op_*.c      the handlers, one concept each
 *   graph.c     the objects; teardown.c their end
 *   supervisor_client.c   what a session asks of the supervisor
 *
 * Two kinds of error. A client's: the handler fills a struct op_error and returns -errno; the session answers, audits,
 * goes on. Ours: session_broken() says so loudly and ends the process.
 */
#ifndef IOMMUB_SESSION_SESSION_H
#define IOMMUB_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "broker/common/account.h"
#include "broker/common/control.h"

#define MESSAGE_BYTES_MAX 65536u
#define MESSAGE_FDS_MAX 64u
#define BATCH_MAX 1024u
/* A socket that is full and of which nothing is read for so long has nobody at its other end. Its holder may be dead: a
 * client can send its end of a connection over that same connection, and as long as the packet lies unread in our queue,
 * the death of every process of the client closes nothing. */
#define STALL_S 600

struct backend;
struct graph;
struct quota;
struct supervisor_client;
struct event_base;

enum session_phase {
	PHASE_HELLO = 1, /* only Hello is legal */
	PHASE_READY = 2,
	PHASE_ENDING = 4
};

/* What AUDIT_END reports. */
struct session_counts {
	uint64_t packets; /* of the client */
	uint64_t denied;
	uint64_t bad_input;
	uint64_t dma_faults; /* of devices of the model */
};

struct session {
	const struct control_setup *setup;
	enum session_phase phase;
	struct account account;
	struct backend *backend;
	struct graph *graph;
	struct supervisor_client *supervisor;
	struct event_base *base;
	struct quota *quota; /* the dispatcher's: which quota events are due (events.h) */
	dev_t memfd_dev; /* st_dev of a memfd of our own: what tells a memfd from other shmem files */
	char client_name[65];
	struct session_counts counts;
};

/* ---- what the loop asks of the dispatcher (dispatch.c) ---------------------------------------------------------- */

/* A finished answer to send: bytes and fds, owned by the caller after the call. */
struct outgoing {
	uint8_t *bytes; /* points into the dispatcher's own buffer, valid until the next call */
	size_t length;
	int fds[1]; /* closed by the loop after sending, also if sending fails for good */
	size_t n_fds;
};

enum dispatch_result {
	DISPATCH_ANSWER, /* *out is to be sent */
	DISPATCH_WAIT, /* a request waits for the supervisor: read nothing; dispatcher_resume() comes with the answer */
	DISPATCH_END /* the client broke the protocol: send *out if it has bytes, then end the session */
};

struct dispatcher;
/* Makes session->graph and session->quota; the session's other fields must be set by then and outlive it. 0 or -ENOMEM. */
int dispatcher_new(struct session *session, struct dispatcher **ret);
/* Tears the graph down (the backend must still be there) and frees it. NULL is fine. */
void dispatcher_free(struct dispatcher *dispatcher);
/* One packet of the client. Owns the fds from here on: every one is closed or kept by an object when this returns. */
enum dispatch_result dispatcher_packet(struct dispatcher *dispatcher, const uint8_t *bytes,
	size_t length, int *fds, size_t n_fds, struct outgoing *out);
/* The supervisor's answer to the request that waits (granted_fd -1 or owned from here on). When the supervisor is gone the
 * loop makes up a DENIED with EAGAIN and that sentence. */
enum dispatch_result dispatcher_resume(struct dispatcher *dispatcher,
	const union control_message *answer, int granted_fd, struct outgoing *out);
/* An Event that became due while handling (quota nearly used): true if *out was filled. Call until false. */
bool dispatcher_next_event(struct dispatcher *dispatcher, struct outgoing *out);

/* ---- what handlers ask of the supervisor (supervisor_client.c) --------------------------------------------------- */

/* Is there no supervisor any more? Then what needs it answers EAGAIN "broker restarting". */
bool supervisor_gone(const struct supervisor_client *client);
/* Ask and wait, bounded (the supervisor never blocks): DEVICE_LIST, LEND. 0 with *answer, or -EAGAIN "broker
 * restarting" when it is gone or does not answer in time. */
int supervisor_call(struct supervisor_client *client, union control_message *request,
	enum control_type type, union control_message *answer);
/* Ask and go on: the answer comes to dispatcher_resume(). 0 or -EAGAIN. */
int supervisor_ask(
	struct supervisor_client *client, union control_message *request, enum control_type type);
/* Tell, no answer: DEVICE_RELEASE. 0 or -EAGAIN when the supervisor is gone. */
int supervisor_tell(
	struct supervisor_client *client, union control_message *message, enum control_type type);
/* Audit; never blocks, counts what could not be sent, and what a client provoked faster than a record
 * of its kind is worth (audit.c). */
void session_audit(struct session *session, enum audit_kind kind, int error, const char *format,
	...) __attribute__((format(printf, 4, 5)));
/* We are broken: audit, then _exit(). */
void session_broken(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
