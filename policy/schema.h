/* SPDX-License-Identifier: MIT */
/*
 * A table says what a map of the language may hold; one walk reads it into a struct.
 *
 * A `shape` is one kind of map: its fields, one row each, and what must hold between them. A row
 * names the key, how its value is read (`read`), where it is stored (offset and size in the
 * struct), and what a value or its absence means. So the language is its tables (compile.c), and
 * unknown keys, missing keys, wrong types and values out of range are found in one place, with
 * their position, the same for all.
 */
#ifndef IOMMUB_POLICY_SCHEMA_H
#define IOMMUB_POLICY_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "policy/arena.h"
#include "policy/document.h"
#include "policy/policy.h"

struct reader {
	const char *file; /* in the arena: origins keep it */
	struct arena *arena; /* the policy's own */
	struct policy_error *error;
};

struct field;
/* 0, -EINVAL with the error filled, -ENOMEM. `object` is the struct that the row's offsets are in.
 */
typedef int field_read(const struct reader *reader, const struct node *node,
	const struct field *field, void *object);

struct field {
	const char *key;
	field_read *read;
	size_t offset, size; /* of the value */
	size_t has; /* offset of a bool that says it was given; 0 = none */
	size_t count; /* lists: offset of a size_t */
	size_t origin; /* offset of a struct policy_origin; 0 = none */
	bool required;
	uint64_t fallback; /* numbers, choices, sets: the value where nothing is said */
	uint64_t min, max; /* numbers: the value; lists: how many items */
	uint64_t multiple; /* numbers: of this; 0 = any */
	const void *more; /* what `read` needs: a struct words, or a struct shape */
};

struct shape {
	const char *what; /* "a tenant" */
	const struct field *fields;
	size_t count;
	size_t bytes; /* of the struct */
	/* What must hold between the fields, and defaults that follow from others; may be NULL. */
	int (*finish)(const struct reader *reader, const struct node *node, void *object);
};

/* Read a map into a zeroed object. */
int schema_read(const struct reader *reader, const struct node *node, const struct shape *shape,
	void *object);

/* The readers. What each stores: */
field_read read_number; /* an unsigned integer of `size` bytes; also from 0x… */
field_read read_size; /* the same from 512MiB */
field_read read_mode; /* the same from "0660" */
field_read read_choice; /* the same from one word of `more` */
field_read read_set; /* the same from a list of words of `more`, or-ed */
field_read read_name; /* const char *, or char[POLICY_NAME_MAX] by its size */
field_read read_owner; /* const char * */
field_read read_path; /* const char * */
field_read read_map; /* the struct at `offset`, of shape `more` */
field_read read_list; /* const T *: an allocated array of shape `more`, its length at `count` */
field_read read_list_inline; /* T[max] in place */

/* For readers: where a row's value goes; store a number there; is this a list of as many items
 * as the row allows? */
void *schema_at(void *object, size_t offset);
void schema_store_number(void *object, const struct field *field, uint64_t value);
int schema_check_list(
	const struct reader *reader, const struct node *node, const struct field *field);

int origin_make(const struct reader *reader, const struct node *node, struct policy_origin *ret);

/* A value that cannot be: at the value, with its path. */
#define reader_error(reader, node, ...)                                                            \
	error_node((reader)->error, (reader)->file, node, NULL, __VA_ARGS__)
/* The same at its key. */
#define reader_error_head(reader, node, ...)                                                       \
	error_node((reader)->error, (reader)->file, node_head(node), NULL, __VA_ARGS__)
/* A key that is not there: at the map that lacks it. */
#define reader_error_in(reader, map, key, ...)                                                     \
	error_node((reader)->error, (reader)->file, map, key, __VA_ARGS__)

#endif
