/* SPDX-License-Identifier: MIT */
#include "policy/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "policy/error.h"
#include "policy/value.h"
#include "policy/words.h"

static void *at_offset(void *object, size_t offset)
{
	return (char *)object + offset;
}

static void number_store(void *object, const struct field *field, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	assert(field->size == sizeof(value) || field->size == sizeof(narrow));
	if (field->size == sizeof(value))
		memcpy(at_offset(object, field->offset), &value, sizeof(value));
	else
		memcpy(at_offset(object, field->offset), &narrow, sizeof(narrow));
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

/* --- maps
 * ------------------------------------------------------------------------------------------------------
 */

static const struct field *field_find(const struct shape *shape, const char *key)
{
	for (size_t i = 0; i < shape->count; i++)
		if (strcmp(shape->fields[i].key, key) == 0)
			return &shape->fields[i];
	return NULL;
}

static int unknown_key(
	const struct reader *reader, const struct node *value, const struct shape *shape)
{
	unsigned int best = words_distance_max(value->key->text) + 1;
	const char *nearest = NULL;
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < shape->count; i++) {
		unsigned int distance = words_distance(value->key->text, shape->fields[i].key);

		if (distance < best) {
			best = distance;
			nearest = shape->fields[i].key;
		}
		snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
			shape->fields[i].key);
		used = strlen(known);
	}
	if (nearest)
		return reader_error_head(reader, value, "%s has no such key; did you mean '%s'?",
			shape->what, nearest);
	return reader_error_head(
		reader, value, "%s has no such key; expected one of %s", shape->what, known);
}

/* What holds of a field that is not there. Maps that are not there have all their fields absent. */
static void field_absent(const struct field *field, void *object)
{
	const struct shape *shape = field->more;

	if (field->read == read_map)
		for (size_t i = 0; i < shape->count; i++)
			field_absent(&shape->fields[i], at_offset(object, field->offset));
	if (field->fallback)
		number_store(object, field, field->fallback);
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
	memcpy(at_offset(object, field->origin), &origin, sizeof(origin));
	return 0;
}

static int field_present(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	const bool given = true;

	if (field->has)
		memcpy(at_offset(object, field->has), &given, sizeof(given));
	if (field->origin) {
		struct policy_origin origin;
		int r = origin_make(reader, node, &origin);

		if (r < 0)
			return r;
		memcpy(at_offset(object, field->origin), &origin, sizeof(origin));
	}
	return field->read(reader, node, field, object);
}

int schema_read(const struct reader *reader, const struct node *node, const struct shape *shape,
	void *object)
{
	if (node->kind != NODE_MAP)
		return reader_error(
			reader, node, "%s; expected a map, %s", node_kind_name(node), shape->what);
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
	return schema_read(reader, node, field->more, at_offset(object, field->offset));
}

/* --- lists
 * -----------------------------------------------------------------------------------------------------
 */

static int list_check(
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
		int r = schema_read(reader, item, shape, at_offset(array, i++ * shape->bytes));

		if (r < 0)
			return r;
	}
	memcpy(at_offset(object, field->count), &i, sizeof(i));
	return 0;
}

int read_list(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	const struct shape *shape = field->more;
	int r = list_check(reader, node, field);
	void *array;

	if (r < 0)
		return r;
	array = arena_alloc(reader->arena, node->count, shape->bytes);
	if (!array)
		return -ENOMEM;
	memcpy(at_offset(object, field->offset), &array, sizeof(array));
	return list_fill(reader, node, field, object, array);
}

int read_list_inline(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	int r = list_check(reader, node, field);

	return r < 0 ? r : list_fill(reader, node, field, object, at_offset(object, field->offset));
}

/* --- scalars
 * ---------------------------------------------------------------------------------------------------
 */

static int scalar_check(const struct reader *reader, const struct node *node, const char *expected)
{
	if (node->kind != NODE_SCALAR || (node->plain && node->text[0] == '\0'))
		return reader_error(
			reader, node, "%s; expected %s", node_kind_name(node), expected);
	return 0;
}

static int number_check(const struct reader *reader, const struct node *node,
	const struct field *field, uint64_t value, bool size)
{
	char min[32], max[32], multiple[32], quoted[ERROR_QUOTE_MAX];

	if (value < field->min || value > field->max) {
		if (size)
			return reader_error(reader, node, "'%s' is out of range; expected %s to %s",
				error_quote(node->text, quoted), value_size_format(field->min, min),
				value_size_format(field->max, max));
		return reader_error(reader, node, "'%s' is out of range; expected %llu to %llu",
			error_quote(node->text, quoted), (unsigned long long)field->min,
			(unsigned long long)field->max);
	}
	if (field->multiple && value % field->multiple)
		return reader_error(reader, node, "'%s'; expected a multiple of %s",
			error_quote(node->text, quoted),
			value_size_format(field->multiple, multiple));
	return 0;
}

int read_number(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	struct value_error why;
	uint64_t value;
	int r = scalar_check(reader, node, "a number");

	if (r < 0)
		return r;
	if (!node->plain)
		return reader_error(reader, node, "text in quotes; expected a number without");
	if (value_number(node->text, &value, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	r = number_check(reader, node, field, value, false);
	if (r == 0)
		number_store(object, field, value);
	return r;
}

int read_size(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	struct value_error why;
	uint64_t value;
	int r = scalar_check(reader, node, "a size such as 512MiB");

	if (r < 0)
		return r;
	if (value_size(node->text, &value, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	r = number_check(reader, node, field, value, true);
	if (r == 0)
		number_store(object, field, value);
	return r;
}

int read_mode(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	struct value_error why;
	uint64_t value;
	int r = scalar_check(reader, node, "a file mode such as \"0660\"");

	if (r < 0)
		return r;
	if (value_mode(node->text, &value, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	number_store(object, field, value);
	return 0;
}

/* One word of a table. */
static int word_read(const struct reader *reader, const struct node *node,
	const struct words *words, uint64_t *ret)
{
	unsigned int best;
	const struct word *word, *nearest = NULL;
	char quoted[ERROR_QUOTE_MAX], known[256] = "";
	size_t used = 0;
	int r = scalar_check(reader, node, words->what);

	if (r < 0)
		return r;
	error_quote(node->text, quoted);
	word = words_find(words, node->text);
	if (word && word->refused)
		return reader_error(reader, node, "'%s' %s", quoted, word->refused);
	if (word) {
		*ret = word->value;
		return 0;
	}
	best = words_distance_max(node->text) + 1;
	for (size_t i = 0; i < words->count; i++) {
		unsigned int distance = words_distance(node->text, words->words[i].text);

		if (distance < best) {
			best = distance;
			nearest = &words->words[i];
		}
		if (words->words[i].refused)
			continue;
		snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "",
			words->words[i].text);
		used = strlen(known);
	}
	if (nearest)
		return reader_error(reader, node, "'%s' is not %s; did you mean '%s'?", quoted,
			words->what, nearest->text);
	return reader_error(
		reader, node, "'%s' is not %s; expected one of %s", quoted, words->what, known);
}

int read_choice(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	uint64_t value;
	int r = word_read(reader, node, field->more, &value);

	if (r == 0)
		number_store(object, field, value);
	return r;
}

int read_set(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	char quoted[ERROR_QUOTE_MAX];
	uint64_t set = 0, value;
	int r = list_check(reader, node, field);

	if (r < 0)
		return r;
	for (const struct node *item = node->first; item; item = item->next) {
		r = word_read(reader, item, field->more, &value);
		if (r < 0)
			return r;
		if (set & value)
			return reader_error(reader, item, "'%s' a second time; expected each once",
				error_quote(item->text, quoted));
		set |= value;
	}
	number_store(object, field, set);
	return 0;
}

static int text_store(const struct reader *reader, const struct node *node,
	const struct field *field, void *object, const char *expected,
	int (*check)(const char *, struct value_error *))
{
	struct value_error why;
	const char *copy;
	int r = scalar_check(reader, node, expected);

	if (r < 0)
		return r;
	if (check(node->text, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	if (field->size == POLICY_NAME_MAX) {
		memcpy(at_offset(object, field->offset), node->text, strlen(node->text) + 1);
		return 0;
	}
	copy = arena_copy(reader->arena, node->text, strlen(node->text));
	if (!copy)
		return -ENOMEM;
	memcpy(at_offset(object, field->offset), &copy, sizeof(copy));
	return 0;
}

int read_name(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	return text_store(reader, node, field, object, "a name", value_name_check);
}

int read_owner(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	return text_store(reader, node, field, object, "a user or group", value_owner_check);
}

int read_path(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	return text_store(reader, node, field, object, "a path", value_path_check);
}
