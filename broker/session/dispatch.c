/* SPDX-License-Identifier: MIT */
/*
 * One packet in, at most one answer out.
 *
 *   packet -> unpack, into the arena for requests
 *          -> is it well-formed, is it legal now, is it permitted   (hello.c, validate.c, batch.c: no handler yet)
 *          -> do it                                                 (op_*.c)
 *          -> one answer, packed into one buffer of the size of the largest message; never malloc
 *
 * File descriptors that came with a packet are closed here when it has been dealt with, whatever happened, except those
 * that a handler took out of the array. A packet that is no message gets a last word and ends the session.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "broker/common/seqpacket.h"
#include "broker/session/arena.h"
#include "broker/session/batch.h"
#include "broker/session/call.h"
#include "broker/session/events.h"
#include "broker/session/graph.h"
#include "broker/session/hello.h"
#include "broker/session/ops.h"
#include "broker/session/status.h"
#include "broker/session/validate.h"

/* A batch of BATCH_MAX maps takes a third of it; what takes more is no request that anyone means. */
#define REQUEST_ARENA_BYTES (1u << 20)
/* BATCH_MAX results with what they point to, and full errors for as much as fits a message. */
#define ANSWER_ARENA_BYTES (1u << 20)

struct dispatcher {
	struct session *session;
	struct arena request;
	struct arena answer;
	struct quota quota;
	struct call waiting; /* while `waits` */
	uint64_t waiting_id;
	bool waits;
	uint8_t buffer[MESSAGE_BYTES_MAX];
};

int dispatcher_new(struct session *session, struct dispatcher **ret)
{
	struct dispatcher *dispatcher = calloc(1, sizeof(*dispatcher));

	if (!dispatcher)
		return -ENOMEM;
	if (arena_init(&dispatcher->request, REQUEST_ARENA_BYTES) < 0 ||
		arena_init(&dispatcher->answer, ANSWER_ARENA_BYTES) < 0 ||
		graph_new(&session->graph) < 0) {
		arena_deinit(&dispatcher->answer);
		arena_deinit(&dispatcher->request);
		free(dispatcher);
		return -ENOMEM;
	}
	dispatcher->session = session;
	session->quota = &dispatcher->quota;
	*ret = dispatcher;
	return 0;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
	struct session *session;

	if (!dispatcher)
		return;
	session = dispatcher->session;
	if (dispatcher->waits)
		object_abort(session, dispatcher->waiting.pending);
	graph_teardown(session);
	graph_free(session->graph);
	session->graph = NULL;
	session->quota = NULL;
	arena_deinit(&dispatcher->answer);
	arena_deinit(&dispatcher->request);
	free(dispatcher);
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void out_clear(struct outgoing *out)
{
	out->bytes = NULL;
	out->length = 0;
	out->n_fds = 0;
	out->fds[0] = -1;
}

static void out_message(
	struct dispatcher *dispatcher, PB(ServerMessage) * message, struct outgoing *out)
{
	size_t bytes = protobuf_c_message_get_packed_size(&message->base);

	if (bytes > sizeof(dispatcher->buffer))
		session_broken(dispatcher->session, "an answer of %zu bytes does not fit a message",
			bytes);
	out->length = protobuf_c_message_pack(&message->base, dispatcher->buffer);
	out->bytes = dispatcher->buffer;
}

static void out_response(
	struct dispatcher *dispatcher, PB(Response) * response, int fd, struct outgoing *out)
{
	PB(ServerMessage) message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;

	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE;
	message.response = response;
	out_message(dispatcher, &message, out);
	if (fd >= 0) {
		out->fds[0] = fd;
		out->n_fds = 1;
	}
}

/* The end of a call that is done or has failed: its Response. */
static enum dispatch_result call_answer(struct dispatcher *dispatcher, struct call *call, int r,
	bool has_id, uint64_t id, struct outgoing *out)
{
	static PB(Empty) empty = IOMMUBROKER__V1__EMPTY__INIT;
	PB(Response) response = IOMMUBROKER__V1__RESPONSE__INIT;

	response.has_id = has_id;
	response.id = id;
	if (r < 0) {
		status_audit(call);
		response.status = status_build(call, false);
	} else {
		if (call->result.op_case == IOMMUBROKER__V1__RESULT__OP__NOT_SET)
			call_set_result(call, &empty);
		response.kind_case = IOMMUBROKER__V1__RESPONSE__KIND_RESULT;
		response.result = &call->result;
	}
	out_response(dispatcher, &response, r < 0 ? -1 : call->answer_fd, out);
	return DISPATCH_ANSWER;
}

/* The client broke the protocol: a last word, and the session ends. */
static enum dispatch_result protocol_end(struct dispatcher *dispatcher, struct call *call,
	bool has_id, uint64_t id, struct outgoing *out)
{
	PB(ServerMessage) message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	PB(Welcome) welcome = IOMMUBROKER__V1__WELCOME__INIT;

	if (dispatcher->session->phase == PHASE_HELLO && !has_id) {
		status_audit(call);
		welcome.status = status_build(call, false);
		message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME;
		message.welcome = &welcome;
		out_message(dispatcher, &message, out);
	} else {
		call_answer(dispatcher, call, -call->error.error, has_id, id, out);
	}
	dispatcher->session->phase = PHASE_ENDING;
	return DISPATCH_END;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static enum dispatch_result on_hello(struct dispatcher *dispatcher, struct call *call,
	const PB(Hello) * hello, struct outgoing *out)
{
	PB(ServerMessage) message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;

	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME;
	message.welcome = hello_answer(call, hello);
	out_message(dispatcher, &message, out);
	if (!call->error.error)
		return DISPATCH_ANSWER;
	status_audit(call);
	dispatcher->session->phase = PHASE_ENDING;
	return DISPATCH_END;
}

static enum dispatch_result on_batch(struct dispatcher *dispatcher, struct call *call,
	const PB(Request) * request, struct outgoing *out)
{
	PB(Response) response = IOMMUBROKER__V1__RESPONSE__INIT;
	PB(BatchResult) result = IOMMUBROKER__V1__BATCH_RESULT__INIT;

	response.has_id = true;
	response.id = request->id;
	if (batch_run(call, request->batch, &result) < 0) {
		status_audit(call);
		response.status = status_build(call, false);
	}
	response.kind_case = IOMMUBROKER__V1__RESPONSE__KIND_BATCH;
	response.batch = &result;
	out_response(dispatcher, &response, -1, out);
	return DISPATCH_ANSWER;
}

static enum dispatch_result on_operation(struct dispatcher *dispatcher, struct call *call,
	const PB(Request) * request, struct outgoing *out)
{
	int r = operation_validate(call, request->operation);

	if (r == 0)
		r = call->operation->handler(call);
	if (r != CALL_WAITS)
		return call_answer(dispatcher, call, r, true, request->id, out);
	/* Nothing of the packet is needed any more: an operation that waits takes no fds, and keeps what it needs. */
	dispatcher->waiting = *call;
	dispatcher->waiting.fds = NULL;
	dispatcher->waiting.n_fds = 0;
	dispatcher->waiting.body = NULL;
	dispatcher->waiting_id = request->id;
	dispatcher->waits = true;
	return DISPATCH_WAIT;
}

static enum dispatch_result on_request(struct dispatcher *dispatcher, struct call *call,
	const PB(Request) * request, struct outgoing *out)
{
	int r;

	if (dispatcher->session->phase != PHASE_READY) {
		call_error(call, EPROTO, "request", "a request came before Hello");
		return protocol_end(dispatcher, call, true, request->id, out);
	}
	r = message_check_known(call, &request->base, "Request");
	if (r == 0 && !request->has_id)
		r = call_error(call, EINVAL, "id", "the request has no id");
	if (r == 0 && request->op_case == IOMMUBROKER__V1__REQUEST__OP__NOT_SET)
		r = call_error(call, EINVAL, "operation",
			"the request names neither an operation nor a batch");
	if (r < 0)
		return call_answer(dispatcher, call, r, request->has_id, request->id, out);
	if (request->op_case == IOMMUBROKER__V1__REQUEST__OP_BATCH)
		return on_batch(dispatcher, call, request, out);
	return on_operation(dispatcher, call, request, out);
}

/* A packet as a message, or NULL with the call's error said. */
static PB(ClientMessage) * unpack(struct dispatcher *dispatcher, struct call *call,
				   const uint8_t *bytes, size_t length)
{
	PB(ClientMessage) *message = NULL;

	if (length > 0 && length <= MESSAGE_BYTES_MAX && call->n_fds <= MESSAGE_FDS_MAX)
		message = iommubroker__v1__client_message__unpack(
			&dispatcher->request.allocator, length, bytes);
	if (!message)
		call_error(call, EBADMSG, NULL,
			"%zu bytes with %zu file descriptors are no ClientMessage", length,
			call->n_fds);
	else if (message->body_case == IOMMUBROKER__V1__CLIENT_MESSAGE__BODY__NOT_SET)
		call_error(call, EBADMSG, NULL, "the message is neither a Hello nor a Request");
	else if (message_check_known(call, &message->base, "ClientMessage") == 0)
		return message;
	return NULL;
}

enum dispatch_result dispatcher_packet(struct dispatcher *dispatcher, const uint8_t *bytes,
	size_t length, int *fds, size_t n_fds, struct outgoing *out)
{
	PB(ClientMessage) * message;
	enum dispatch_result result;
	struct call call;

	out_clear(out);
	if (dispatcher->waits)
		session_broken(dispatcher->session, "a packet was read while a request waits");
	arena_reset(&dispatcher->request);
	arena_reset(&dispatcher->answer);
	call_init(&call, dispatcher->session, &dispatcher->answer, fds, n_fds);
	message = unpack(dispatcher, &call, bytes, length);
	if (dispatcher->session->phase == PHASE_ENDING)
		result = DISPATCH_END;
	else if (!message)
		result = protocol_end(dispatcher, &call, false, 0, out);
	else if (message->body_case == IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO)
		result = on_hello(dispatcher, &call, message->hello, out);
	else
		result = on_request(dispatcher, &call, message->request, out);
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] >= 0)
			fds_close(&fds[i], 1);
	quota_look(&dispatcher->quota, &dispatcher->session->account);
	return result;
}

/* ---- what comes later ------------------------------------------------------------------------------------------- */

enum dispatch_result dispatcher_resume(struct dispatcher *dispatcher,
	const union control_message *answer, int granted_fd, struct outgoing *out)
{
	struct call *call = &dispatcher->waiting;
	int r;

	out_clear(out);
	if (!dispatcher->waits)
		session_broken(
			dispatcher->session, "an answer of the supervisor, and no request waits");
	arena_reset(&dispatcher->answer);
	dispatcher->waits = false;
	r = call->operation->resume(call, answer, granted_fd);
	quota_look(&dispatcher->quota, &dispatcher->session->account);
	return call_answer(dispatcher, call, r, true, dispatcher->waiting_id, out);
}

bool dispatcher_next_event(struct dispatcher *dispatcher, struct outgoing *out)
{
	PB(ServerMessage) message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	PB(Event) event = IOMMUBROKER__V1__EVENT__INIT;
	PB(QuotaEvent) quota = IOMMUBROKER__V1__QUOTA_EVENT__INIT;
	const struct account *account = &dispatcher->session->account;
	enum resource resource;
	enum scope scope;
	struct call call;

	out_clear(out);
	if (!quota_next(&dispatcher->quota, &scope, &resource))
		return false;
	arena_reset(&dispatcher->answer);
	call_init(&call, dispatcher->session, &dispatcher->answer, NULL, 0);
	quota.limit = limit_build(&call, resource, scope, account_limit(account, scope, resource),
		account_used(account, scope, resource));
	event.event_case = IOMMUBROKER__V1__EVENT__EVENT_QUOTA;
	event.quota = &quota;
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_EVENT;
	message.event = &event;
	out_message(dispatcher, &message, out);
	return true;
}
