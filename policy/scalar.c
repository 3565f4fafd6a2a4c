/* SPDX-License-Identifier: MIT */
/* The readers of single values, and of lists of words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "policy/error.h"
#include "policy/schema.h"
#include "policy/value.h"
#include "policy/words.h"

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
	struct value_error why = {""};
	uint64_t value = 0;
	int r = scalar_check(reader, node, "a number");

	if (r < 0)
		return r;
	if (!node->plain)
		return reader_error(reader, node, "text in quotes; expected a number without");
	if (value_number(node->text, &value, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	r = number_check(reader, node, field, value, false);
	if (r == 0)
		schema_store_number(object, field, value);
	return r;
}

int read_size(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	struct value_error why = {""};
	uint64_t value = 0;
	int r = scalar_check(reader, node, "a size such as 512MiB");

	if (r < 0)
		return r;
	if (value_size(node->text, &value, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	r = number_check(reader, node, field, value, true);
	if (r == 0)
		schema_store_number(object, field, value);
	return r;
}

int read_mode(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	struct value_error why = {""};
	uint64_t value = 0;
	int r = scalar_check(reader, node, "a file mode such as \"0660\"");

	if (r < 0)
		return r;
	if (value_mode(node->text, &value, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	schema_store_number(object, field, value);
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
	uint64_t value = 0;
	int r = word_read(reader, node, field->more, &value);

	if (r == 0)
		schema_store_number(object, field, value);
	return r;
}

int read_set(const struct reader *reader, const struct node *node, const struct field *field,
	void *object)
{
	char quoted[ERROR_QUOTE_MAX];
	uint64_t set = 0, value = 0;
	int r = schema_check_list(reader, node, field);

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
	schema_store_number(object, field, set);
	return 0;
}

static int text_store(const struct reader *reader, const struct node *node,
	const struct field *field, void *object, const char *expected,
	int (*check)(const char *, struct value_error *))
{
	struct value_error why = {""};
	const char *copy;
	int r = scalar_check(reader, node, expected);

	if (r < 0)
		return r;
	if (check(node->text, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	if (field->size == POLICY_NAME_MAX) {
		memcpy(schema_at(object, field->offset), node->text, strlen(node->text) + 1);
		return 0;
	}
	copy = arena_copy(reader->arena, node->text, strlen(node->text));
	if (!copy)
		return -ENOMEM;
	memcpy(schema_at(object, field->offset), &copy, sizeof(copy));
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
