/* SPDX-License-Identifier: MIT */
/*
 * THE table of operations: one row says everything about an operation that can be checked without doing it, and
 * validate.c checks it, in one place, before any handler runs. proto/PROTOCOL.md has the same table for people; a test
 * compares the two.
 */
#ifndef IOMMUB_SESSION_OPS_H
#define IOMMUB_SESSION_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/session/call.h"

union control_message;

#define RANGES_MAX 64u /* of one IoasAllowIovas */
#define TAG_BYTES_MAX 32u

/* What a field's value must be. */
enum field_kind {
	FIELD_ANY,
	FIELD_PAGES, /* a multiple of the page size */
	FIELD_IOVA, /* the same; a span that wraps is EOVERFLOW, as the kernel says, and not EINVAL */
	FIELD_LENGTH, /* a multiple of the page size, and not 0 */
	FIELD_LENGTH_OR_ALL, /* the same, or 2^64-1 */
	FIELD_NOT_YET, /* 0: for a later version */
	FIELD_FD, /* the index of an fd of this message */
	FIELD_TAG, /* text of at most TAG_BYTES_MAX bytes */
	FIELD_NAME, /* text, 1 to CONTROL_NAME_MAX - 1 bytes */
	FIELD_RANGES, /* at most RANGES_MAX ranges, each with start <= last */
};

struct field {
	const char *name; /* NULL ends a row's list */
	enum field_kind kind;
	bool required;
	uint16_t present; /* offset of has_…, or of n_… for ranges; text is there when not NULL */
	uint16_t value;
	uint16_t
		span; /* offset of a length that starts at this value and must not wrap; 0 = none */
};

/* Whether the operation takes a file descriptor of its message. */
enum operation_fd {
	FD_NONE,
	FD_ONE,
	FD_UNLESS, /* one, unless another field says what is meant instead */
};

struct operation {
	const char *name; /* as in client.proto */
	const struct field *fields;
	int (*handler)(struct call *call); /* 0, -errno or CALL_WAITS */
	/* The rest of a handler that waited; granted_fd (or -1) is its own. */
	int (*resume)(struct call *call, const union control_message *answer, int granted_fd);
	/* Takes back what a call that succeeded did; 0 or -errno. NULL: not to be had in an atomic
	 * batch. */
	int (*undo)(struct call *call);
	unsigned int field; /* its number in Operation and Result, and its permission bit */
	unsigned int phases; /* enum session_phase, or-ed */
	unsigned int fds_given; /* that its answer carries */
	enum operation_fd fd;
	uint16_t fd_unless; /* FD_UNLESS: offset of that field's has_… */
	uint16_t fd_present, fd_value; /* offsets of has_fd_index and fd_index */
	bool waits; /* for the supervisor, with nothing else served meanwhile */
	bool batchable; /* gives no fd, does not wait, and its result is small */
};

#define OPERATIONS_END 18u

/* By field number; NULL for one that there is not. */
const struct operation *operation_get(unsigned int field);

int op_info(struct call *call);
int op_list(struct call *call);
int op_destroy(struct call *call);

int op_memory_register(struct call *call);
int op_memory_register_undo(struct call *call);
int op_memory_unregister(struct call *call);

int op_ioas_alloc(struct call *call);
int op_ioas_alloc_undo(struct call *call);
int op_ioas_iova_ranges(struct call *call);
int op_ioas_allow_iovas(struct call *call);

int op_ioas_map(struct call *call);
int op_ioas_map_undo(struct call *call);
int op_ioas_unmap(struct call *call);
int op_ioas_copy(struct call *call);
int op_ioas_copy_undo(struct call *call);

int op_device_list(struct call *call);
int op_device_open(struct call *call);
int op_device_open_resume(struct call *call, const union control_message *answer, int granted_fd);
int op_device_attach(struct call *call);
int op_device_detach(struct call *call);
int op_device_share(struct call *call);
int op_device_close(struct call *call);

#endif
