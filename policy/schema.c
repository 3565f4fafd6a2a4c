/* SPDX-License-Identifier: MIT */
#include "policy/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "policy/error.h"
#include "policy/words.h"

void *schema_at(void *object, size_t offset)
{
	return (char *)object + offset;
}

void schema_store_number(void *object, const struct field *field, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	assert(field->size == sizeof(value) || field->size == sizeof(narrow));
	if (field->size == sizeof(value))
		memcpy(schema_at(object, field->offset), &value, sizeof(value));
	else
		memcpy(schema_at(object, field->offset), &narrow, sizeof(narrow));
}

int origin_make(const struct reader *reader, const struct node *node, struct policy_origin *ret)
{
	char path[DOCUMENT_PATH_MAX];

	node_path(node, NULL, path, sizeof(path));
	ret->key = arena_copy(reader->arena, path, strlen(path));
	if (!ret->key)
		return -ENOMEM;
	ret->file = reader->file;
	ret->line = node_head(node)->line;
	return 0;
}

/* --- maps --- */

static const struct field *field_find(const struct shape *shape, const char *key)
{
	for (size_t i = 0; i < shape->count; i++)
		if (strcmp(shape->fields[i].key, key) == 0)
			return &shape->fields[i];
	return NULL;
}

#define KEYS_TEXT_MAX 256u

/* "name, path, mode" */
static const char *shape_keys(const struct shape *shape, char text[KEYS_TEXT_MAX])
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < shape->count && used + 1 < KEYS_TEXT_MAX; i++) {
		snprintf(text + used, KEYS_TEXT_MAX - used, "%s%s", i ? ", " : "",
			shape->fields[i].key);
		used = strlen(text);
	}
	return text;
}

static int unknown_key(
	const struct reader *reader, const struct node *value, const struct shape *shape)
{
	unsigned int best = words_distance_max(value->key->text) + 1;
	const char *nearest = NULL;
	char known[KEYS_TEXT_MAX];

	for (size_t i = 0; i < shape->count; i++) {
		unsigned int distance = words_distance(value->key->text, shape->fields[i].key);

		if (distance < best) {
			best = distance;
			nearest = shape->fields[i].key;
		}
	}
	if (nearest)
		return reader_error_head(reader, value, "%s has no such key; did you mean '%s'?",
			shape->what, nearest);
	return reader_error_head(reader, value, "%s has no such key; expected one of %s",
		shape->what, shape_keys(shape, known));
}

/* What holds of a field that is not there. Maps that are not there have all their fields absent. */
static void field_absent(const struct field *field, void *object)
{
	const struct shape *shape = field->more;

	if (field->read == read_map)
		for (size_t i = 0; i < shape->count; i++)
			field_absent(&shape->fields[i], schema_at(object, field->offset));
	if (field->fallback)
		schema_store_number(object, field, field->fallback);
}

/* A default has an origin too: the key that says nothing, at line 0. */
static int field_default(const struct reader *reader, const struct node *map,
	const struct field *field, void *object)
{
	struct policy_origin origin = {.file = reader->file};
	char path[DOCUMENT_PATH_MAX];

	field_absent(field, object);
	if (!field->origin)
		return 0;
	node_path(map, field->key, path, sizeof(path));
	origin.key = arena_copy(reader->arena, path, strlen(path));
	if (!origin.key)
		return -ENOMEM;
	memcpy(schema_at(object, field->origin), &origin, sizeof(origin));
	return 0;
}

static int field_present(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	const bool given = true;

	if (field->has)
		memcpy(schema_at(object, field->has), &given, sizeof(given));
	if (field->origin) {
		struct policy_origin origin;
		int r = origin_make(reader, node, &origin);

		if (r < 0)
			return r;
		memcpy(schema_at(object, field->origin), &origin, sizeof(origin));
	}
	return field->read(reader, node, field, object);
}

int schema_read(const struct reader *reader, const struct node *node, const struct shape *shape,
	void *object)
{
	char known[KEYS_TEXT_MAX];

	if (node->kind != NODE_MAP)
		return reader_error(reader, node, "%s; expected a map of %s", node_kind_name(node),
			shape_keys(shape, known));
	for (const struct node *value = node->first; value; value = value->next)
		if (!field_find(shape, value->key->text))
			return unknown_key(reader, value, shape);
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *field = &shape->fields[i];
		const struct node *value = node_get(node, field->key);
		int r = 0;

		if (value)
			r = field_present(reader, value, field, object);
		else if (field->required)
			r = reader_error_in(
				reader, node, field->key, "missing; %s must have it", shape->what);
		else
			r = field_default(reader, node, field, object);
		if (r < 0)
			return r;
	}
	return shape->finish ? shape->finish(reader, node, object) : 0;
}

int read_map(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	return schema_read(reader, node, field->more, schema_at(object, field->offset));
}

/* --- lists --- */

int schema_check_list(
	const struct reader *reader, const struct node *node, const struct field *field)
{
	if (node->kind != NODE_LIST)
		return reader_error(reader, node, "%s; expected a list", node_kind_name(node));
	if (node->count < field->min)
		return reader_error(reader, node, "an empty list; expected at least one%s",
			field->required ? "" : ", or no such key");
	if (node->count > field->max)
		return reader_error(reader, node, "a list of %zu; expected at most %llu",
			node->count, (unsigned long long)field->max);
	return 0;
}

static int list_fill(const struct reader *reader, const struct node *node,
	const struct field *field, void *object, void *array)
{
	const struct shape *shape = field->more;
	size_t i = 0;

	for (const struct node *item = node->first; item; item = item->next) {
		int r = schema_read(reader, item, shape, schema_at(array, i++ * shape->bytes));

		if (r < 0)
			return r;
	}
	memcpy(schema_at(object, field->count), &i, sizeof(i));
	return 0;
}

int read_list(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	const struct shape *shape = field->more;
	int r = schema_check_list(reader, node, field);
	void *array;

	if (r < 0)
		return r;
	array = arena_alloc(reader->arena, node->count, shape->bytes);
	if (!array)
		return -ENOMEM;
	memcpy(schema_at(object, field->offset), &array, sizeof(array));
	return list_fill(reader, node, field, object, array);
}

int read_list_inline(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	int r = schema_check_list(reader, node, field);

	return r < 0 ? r : list_fill(reader, node, field, object, schema_at(object, field->offset));
}
