/* SPDX-License-Identifier: MIT */
/* The checks that the table of operations asks for; validate.h has their order. */
#include "broker/session/validate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/ops.h"

#define AT(type, body, offset) (*(type const *)((const char *)(body) + (offset)))

static uint64_t page_mask(void)
{
	static uint64_t mask;

	if (!mask)
		mask = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
	return mask;
}

bool text_is_clean(const char *text, size_t max)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length = strnlen(text, max + 1);

	if (length > max)
		return false;
	for (const unsigned char *end = at + length; at < end;) {
		unsigned int more = 0, value = *at++;
		unsigned int least = 0x80;

		if (value < 0x20 || value == 0x7f)
			return false;
		if (value < 0x80)
			continue;
		if (value >= 0xc2 && value < 0xe0)
			more = 1, value &= 0x1f;
		else if (value >= 0xe0 && value < 0xf0)
			more = 2, value &= 0x0f, least = 0x800;
		else if (value >= 0xf0 && value < 0xf5)
			more = 3, value &= 0x07, least = 0x10000;
		else
			return false;
		for (; more; more--) {
			if ((*at & 0xc0) != 0x80) /* the NUL at the end is none either */
				return false;
			value = value << 6 | (*at++ & 0x3f);
		}
		/* Overlong, a surrogate, beyond Unicode, or a C1 control character. */
		if (value < least || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff ||
			value < 0xa0)
			return false;
	}
	return true;
}

int message_check_known(struct call *call, const ProtobufCMessage *message, const char *where)
{
	if (!message->n_unknown_fields)
		return 0;
	call_error(call, E2BIG, where, "field number %u of %s is not known to this version",
		message->unknown_fields[0].tag, where);
	return -E2BIG;
}

/* A message and, through its descriptor, all messages inside it. */
static int check_known_deep(struct call *call, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	int r = message_check_known(call, message, descriptor->short_name);

	for (unsigned int i = 0; r == 0 && i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const ProtobufCMessage *const *inner;
		size_t n = 1;

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		/* A oneof shares its storage between cases: look only at the one that is set. */
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
			AT(uint32_t, message, field->quantifier_offset) != field->id)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			n = AT(size_t, message, field->quantifier_offset);
			inner = AT(const ProtobufCMessage *const *, message, field->offset);
		} else {
			inner = &AT(const ProtobufCMessage *, message, field->offset);
		}
		for (size_t k = 0; r == 0 && k < n; k++)
			r = inner[k] ? check_known_deep(call, inner[k]) : 0;
	}
	return r;
}

static int check_ranges(struct call *call, const struct field *field)
{
	size_t n = AT(size_t, call->body, field->present);
	PB(Range) *const *ranges = AT(PB(Range) *const *, call->body, field->value);

	if (n > RANGES_MAX)
		return call_error(
			call, EINVAL, field->name, "%zu ranges are more than %u", n, RANGES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!ranges[i]->has_start || !ranges[i]->has_last)
			return call_error(call, EINVAL, field->name, "%s[%zu] needs start and last",
				field->name, i);
		if (ranges[i]->start > ranges[i]->last)
			return call_error(call, EINVAL, field->name, "%s[%zu]: start is above last",
				field->name, i);
	}
	return 0;
}

static int check_text(struct call *call, const struct field *field)
{
	const char *text = AT(char *, call->body, field->value);
	size_t max = field->kind == FIELD_TAG ? TAG_BYTES_MAX : CONTROL_NAME_MAX - 1;

	if (!text) {
		if (field->required)
			return call_error(call, EINVAL, field->name, "%s is missing", field->name);
		return 0;
	}
	if (field->kind == FIELD_NAME && !*text)
		return call_error(call, EINVAL, field->name, "%s is empty", field->name);
	if (!text_is_clean(text, max))
		return call_error(call, EINVAL, field->name,
			"%s is not printable UTF-8 of at most %zu bytes", field->name, max);
	return 0;
}

/* uint64 fields are those that have a page or a span rule; all others are 32 bits wide. */
static int check_pages(struct call *call, const struct field *field)
{
	uint64_t value = AT(uint64_t, call->body, field->value);
	bool is_length = field->kind == FIELD_LENGTH || field->kind == FIELD_LENGTH_OR_ALL;
	uint64_t length;

	if (field->kind == FIELD_LENGTH_OR_ALL && value == UINT64_MAX)
		return 0;
	if (value & page_mask())
		return call_error(call, EINVAL, field->name,
			"%s 0x%llx is not a multiple of the page size, %llu", field->name,
			(unsigned long long)value, (unsigned long long)page_mask() + 1);
	if (is_length && value == 0)
		return call_error(call, EINVAL, field->name, "%s is 0", field->name);
	if (!field->span)
		return 0;
	length = AT(uint64_t, call->body, field->span);
	if (length - 1 > UINT64_MAX - value)
		return call_error(call, field->kind == FIELD_IOVA ? EOVERFLOW : EINVAL, field->name,
			"%s 0x%llx with length 0x%llx goes beyond 2^64", field->name,
			(unsigned long long)value, (unsigned long long)length);
	return 0;
}

static int check_field(struct call *call, const struct field *field)
{
	if (field->kind == FIELD_TAG || field->kind == FIELD_NAME)
		return check_text(call, field);
	if (field->kind == FIELD_RANGES)
		return check_ranges(call, field);
	if (!AT(protobuf_c_boolean, call->body, field->present)) {
		if (field->required)
			return call_error(call, EINVAL, field->name, "%s is missing", field->name);
		return 0;
	}
	switch (field->kind) {
	case FIELD_NOT_YET:
		if (AT(uint32_t, call->body, field->value) != 0)
			return call_error(call, EINVAL, field->name, "%s must be 0 in this version",
				field->name);
		return 0;
	case FIELD_PAGES:
	case FIELD_IOVA:
	case FIELD_LENGTH:
	case FIELD_LENGTH_OR_ALL:
		return check_pages(call, field);
	default:
		return 0; /* FIELD_ANY; FIELD_FD is checked with the fds */
	}
}

int operation_fd_slot(const struct operation *operation, const void *body)
{
	if (operation->fd == FD_NONE)
		return -1;
	if (operation->fd == FD_UNLESS && AT(protobuf_c_boolean, body, operation->fd_unless))
		return -1;
	if (!AT(protobuf_c_boolean, body, operation->fd_present))
		return 0;
	/* Beyond what an int holds is beyond any message. */
	uint32_t index = AT(uint32_t, body, operation->fd_value);
	return index <= MESSAGE_FDS_MAX ? (int)index : (int)MESSAGE_FDS_MAX;
}

static int check_fds(struct call *call)
{
	const struct operation *operation = call->operation;
	size_t takes;

	call->fd_slot = operation_fd_slot(operation, call->body);
	takes = call->fd_slot >= 0;
	if (!call->in_batch && call->n_fds != takes)
		return call_error(call, EINVAL, "fds",
			"%s takes %zu file descriptors here, %zu came", operation->name, takes,
			call->n_fds);
	if (operation->fd != FD_NONE && !takes &&
		AT(protobuf_c_boolean, call->body, operation->fd_present))
		return call_error(
			call, EINVAL, "fd_index", "fd_index is given, but no file is to be used");
	if (takes && (size_t)call->fd_slot >= call->n_fds)
		return call_error(call, EINVAL, "fd_index",
			"there is no file descriptor of that index: %zu came", call->n_fds);
	return 0;
}

int operation_validate(struct call *call, const PB(Operation) * message)
{
	const struct control_setup *setup = call->session->setup;
	const struct operation *operation = operation_get(message->op_case);
	int r;

	if (!operation) {
		if (message->base.n_unknown_fields)
			return call_error(call, EOPNOTSUPP, "operation",
				"operation %u is not known", message->base.unknown_fields[0].tag);
		return call_error(call, EOPNOTSUPP, "operation", "the request names no operation");
	}
	call->operation = operation;
	call->body = message->info; /* all cases are pointers in one union */
	if (!(operation->phases & call->session->phase))
		return call_error(
			call, EPROTO, "operation", "%s is not legal now", operation->name);
	if (!(setup->operations & (UINT64_C(1) << operation->field)))
		return call_denied(call, setup->rule_operations, "operation %s is not permitted",
			operation->name);
	r = message_check_known(call, &message->base, "Operation");
	if (r == 0)
		r = check_known_deep(call, call->body);
	if (r == 0)
		r = check_fds(call);
	for (const struct field *field = operation->fields; r == 0 && field->name; field++)
		r = check_field(call, field);
	return r;
}
