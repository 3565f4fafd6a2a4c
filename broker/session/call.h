/* SPDX-License-Identifier: MIT */
/*
 * One operation on its way through the session: what was asked, what came with it, what is to be answered.
 *
 * A handler gets a call whose request has passed everything that the table of operations says. It either does all of
 * it, sets a result and returns 0, or changes nothing, says why with one of the call_*() functions below, and returns
 * -errno; CALL_WAITS means that the answer comes later. Nothing that a handler takes from `arena` needs to be freed.
 */
#ifndef IOMMUB_SESSION_CALL_H
#define IOMMUB_SESSION_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/session/pb.h"
#include "broker/session/session.h"

#define CALL_WAITS                                                                                 \
	1 /* a handler's third answer: neither done nor failed, the supervisor has been asked */
#define ERROR_TEXT_MAX 240u

struct arena;
struct object;
struct operation;

/* A client's error: what becomes its Status. */
struct op_error {
	int error; /* positive errno; 0 = none, and nothing below is valid */
	const char *field; /* bad input: which field; NULL = none */
	const char *rule; /* a denial by policy; NULL = none */
	bool by_limit; /* a denial by limit: */
	struct account_denial denial;
	char text[ERROR_TEXT_MAX]; /* a sentence */
	char rule_buffer
		[CONTROL_RULE_MAX]; /* where `rule` points when it came from the supervisor */
};

struct call {
	struct session *session;
	struct arena *arena;
	const struct operation *operation;
	const void *body; /* the operation's own message, PB(IoasMap) and so on */
	int *fds; /* all of the message; a handler borrows them */
	size_t n_fds;
	int fd_slot; /* which of them this operation names, -1 = none */
	bool in_batch;
	PB(Result) result;
	int answer_fd; /* to send with the answer, owned by whoever sends it; -1 = none */
	struct object *pending; /* with CALL_WAITS: the object that is being made */
	struct op_error error;
};

/* Everything empty: no operation yet. */
void call_init(
	struct call *call, struct session *session, struct arena *arena, int *fds, size_t n_fds);

/* Fail with a sentence, and the field that was wrong or NULL. The value is -error. */
#define call_error(call, error, field, ...)                                                        \
	({                                                                                         \
		const int error_ = (error);                                                        \
		call_say(call, error_, field, __VA_ARGS__);                                        \
		-error_;                                                                           \
	})
void call_say(struct call *call, int error, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* EPERM by a rule of the policy. */
int call_denied(struct call *call, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* EDQUOT by a limit. */
int call_over_limit(struct call *call, const struct account_denial *denial);
/* What the kernel (or the model) answered, with what it was asked. `error` is -errno and is returned. */
int call_kernel_error(struct call *call, int error, const char *what);

/* Memory for a result; cannot fail (an answer that does not fit is a bug of ours). */
void *call_take(struct call *call, size_t bytes);
void *call_take_pointers(struct call *call, size_t n); /* a list of n pointers */
char *call_copy(struct call *call, const char *text);
/* The operation's result, a message of the type that belongs to it. */
void call_set_result(struct call *call, void *message);
/* The fd that the operation names, to keep: the message's own, or in a batch, where another operation may name it too,
 * a duplicate. -errno with the error said. */
int call_keep_fd(struct call *call);

#endif
