/* SPDX-License-Identifier: MIT */
/* What every handler needs to answer; see call.h. */
#include "broker/session/call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "broker/session/arena.h"
#include "broker/session/ops.h"

void call_init(
	struct call *call, struct session *session, struct arena *arena, int *fds, size_t n_fds)
{
	call->session = session;
	call->arena = arena;
	call->operation = NULL;
	call->body = NULL;
	call->fds = fds;
	call->n_fds = n_fds;
	call->fd_slot = -1;
	call->in_batch = false;
	call->answer_fd = -1;
	call->pending = NULL;
	call->error.error = 0; /* not the buffers: this runs once per operation of a batch */
	PB_INIT(result)(&call->result);
}

static struct op_error *error_begin(struct call *call, int error)
{
	call->error.error = error;
	call->error.field = NULL;
	call->error.rule = NULL;
	call->error.by_limit = false;
	return &call->error;
}

void call_say(struct call *call, int error, const char *field, const char *format, ...)
{
	struct op_error *e = error_begin(call, error);
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	e->field = field;
}

int call_denied(struct call *call, const char *rule, const char *format, ...)
{
	struct op_error *e = error_begin(call, EPERM);
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	e->rule = rule && *rule ? rule : NULL;
	return -EPERM;
}

int call_over_limit(struct call *call, const struct account_denial *denial)
{
	static const char *const whose[] = {[SCOPE_SESSION] = "this session",
		[SCOPE_TENANT] = "the tenant",
		[SCOPE_HOST] = "the host"};
	const char *name = resource_name(denial->resource);

	call_error(call, EDQUOT, NULL, "limit of %s on %s: %llu, used %llu, asked for %llu more",
		whose[denial->scope], name ? name : "?", (unsigned long long)denial->limit,
		(unsigned long long)denial->used, (unsigned long long)denial->asked);
	call->error.by_limit = true;
	call->error.denial = *denial;
	if (denial->scope != SCOPE_HOST && call->session->setup->rule_limits[0])
		call->error.rule = call->session->setup->rule_limits;
	return -EDQUOT;
}

int call_kernel_error(struct call *call, int error, const char *what)
{
	return call_error(
		call, -error, NULL, "%s: the IOMMU layer answered %s", what, strerror(-error));
}

void *call_take(struct call *call, size_t bytes)
{
	void *pointer = arena_take(call->arena, bytes);

	if (!pointer)
		session_broken(call->session, "the arena for answers is used up");
	return pointer;
}

void *call_take_pointers(struct call *call, size_t n)
{
	return call_take(call, n * sizeof(void *));
}

char *call_copy(struct call *call, const char *text)
{
	size_t bytes = strlen(text) + 1;

	return memcpy(call_take(call, bytes), text, bytes);
}

void call_set_result(struct call *call, void *message)
{
	/* Result's cases have the numbers of Operation's, and all of them are pointers in one union. */
	call->result.op_case = (PB(Result__OpCase))call->operation->field;
	call->result.info = message;
}

int call_keep_fd(struct call *call)
{
	int fd = call->fds[call->fd_slot];

	if (!call->in_batch) {
		call->fds[call->fd_slot] = -1;
		return fd;
	}
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return call_error(
			call, errno, NULL, "cannot keep one more file: %s", strerror(errno));
	return fd;
}
