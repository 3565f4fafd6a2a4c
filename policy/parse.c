/* SPDX-License-Identifier: MIT */
/*
 * Text -> document, by libyaml's events.
 *
 * A policy file may come from somebody who wants to hurt its reader, so every bound is checked
 * while events arrive, before anything is built of them, and the first thing that is wrong ends it:
 *
 *   what                                  refused because
 *   more than POLICY_FILE_BYTES_MAX       bounds all else
 *   text.c's refusals                     the eye and the parser would differ
 *   depth, nodes, keys, scalar bytes      memory and time (the parser itself is quadratic in depth)
 *   anchors, aliases, merge keys          one line could mean a million; what holds is not seen
 *   tags                                  a value's type is its key's, never its own claim
 *   a key twice, a key that is no word    one of them would be silently ignored
 *   a second document                     the same
 *
 * libyaml, not libfyaml: libfyaml 0.7.12 never returns from the three bytes 25 22 a6, and its 0.7
 * has a known use after free; both were mended after Debian 12. libyaml's events give line and
 * column of every node, and its scanner reads at most about a thousand characters ahead of the
 * event it returns, so the depth check comes in time.
 */
#include <errno.h>
#include <string.h>
#include <yaml.h>
#include "policy/document.h"
#include "policy/error.h"
#include "policy/text.h"

struct parse {
	yaml_parser_t yaml;
	struct document document;
	struct policy_error *error;
	struct node *open; /* the innermost map or list that has not ended */
	struct node *key; /* in a map: the key that waits for its value */
	size_t depth, nodes;
	unsigned int documents;
};

/* What is wrong is at `mark`, in whatever is open there. */
#define parse_error(parse, mark, ...)                                                              \
	error_at((parse)->error, (parse)->document.file, (unsigned int)(mark).line + 1,            \
		(unsigned int)(mark).column + 1, parse_path(parse, (char[DOCUMENT_PATH_MAX]){0}),  \
		__VA_ARGS__)

static const char *parse_path(const struct parse *parse, char path[DOCUMENT_PATH_MAX])
{
	char quoted[ERROR_QUOTE_MAX];

	if (!parse->open)
		return "policy";
	node_path(parse->open, parse->key ? error_quote(parse->key->text, quoted) : NULL, path,
		DOCUMENT_PATH_MAX);
	return path;
}

/* What the parser itself says, with where the thing that it was reading began. */
static int parse_syntax_error(struct parse *parse)
{
	const yaml_parser_t *yaml = &parse->yaml;
	const char *problem = yaml->problem ? yaml->problem : "not YAML";

	if (yaml->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (!yaml->context)
		return parse_error(parse, yaml->problem_mark, "%s; expected YAML", problem);
	return parse_error(parse, yaml->problem_mark, "%s %s of line %zu; expected YAML", problem,
		yaml->context, yaml->context_mark.line + 1);
}

/* Everything that a node must not be, whatever its kind. */
static int parse_node_check(struct parse *parse, const yaml_mark_t *mark, const yaml_char_t *anchor,
	const yaml_char_t *tag)
{
	if (anchor)
		return parse_error(parse, *mark,
			"a YAML anchor (&...); expected the value itself, in quotes if it starts "
			"with '&'");
	if (tag)
		return parse_error(parse, *mark,
			"a YAML tag (!...); expected the value alone, in quotes if it starts with "
			"'!'");
	if (parse->nodes == DOCUMENT_NODES_MAX)
		return parse_error(parse, *mark, "more than %u values; expected a smaller policy",
			DOCUMENT_NODES_MAX);
	return 0;
}

static int parse_node_make(
	struct parse *parse, enum node_kind kind, const yaml_mark_t *mark, struct node **ret)
{
	struct node *node = arena_alloc(&parse->document.arena, 1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->kind = kind;
	node->line = (unsigned int)mark->line + 1;
	node->column = (unsigned int)mark->column + 1;
	node->text = "";
	parse->nodes++;
	*ret = node;
	return 0;
}

/* Put a finished scalar, or a map or list that begins, where it belongs. */
static int parse_node_place(struct parse *parse, struct node *node, const yaml_mark_t *mark)
{
	struct node *in = parse->open;

	if (!in) {
		if (node->kind != NODE_MAP)
			return parse_error(parse, *mark,
				"%s; expected a map that begins with 'version: 1'",
				node_kind_name(node));
		parse->document.root = node;
		return 0;
	}
	node->parent = in;
	node->key = parse->key;
	node->index = (unsigned int)in->count++;
	parse->key = NULL;
	if (in->last)
		in->last->next = node;
	else
		in->first = node;
	in->last = node;
	return 0;
}

static int parse_key(struct parse *parse, struct node *node, const yaml_mark_t *mark)
{
	const struct node *same;
	char quoted[ERROR_QUOTE_MAX];

	if (node->text[0] == '\0')
		return parse_error(parse, *mark, "an empty key; expected a word");
	if (node->plain && strcmp(node->text, "<<") == 0)
		return parse_error(
			parse, *mark, "a YAML merge key (<<); expected the keys themselves");
	if (parse->open->count == DOCUMENT_KEYS_MAX)
		return parse_error(parse, *mark, "more than %u keys in one map; expected fewer",
			DOCUMENT_KEYS_MAX);
	same = node_get(parse->open, node->text);
	node->parent = parse->open;
	node->key = node;
	parse->key = node;
	if (same)
		return parse_error(parse, *mark,
			"the key '%s' a second time; the first is in line %u",
			error_quote(node->text, quoted), same->key->line);
	return 0;
}

static bool parse_expects_key(const struct parse *parse)
{
	return parse->open && parse->open->kind == NODE_MAP && !parse->key;
}

static int parse_scalar(struct parse *parse, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t bytes = event->data.scalar.length;
	const yaml_mark_t *mark = &event->start_mark;
	struct node *node;
	int r = parse_node_check(parse, mark, event->data.scalar.anchor, event->data.scalar.tag);

	if (r < 0)
		return r;
	if (bytes > DOCUMENT_SCALAR_BYTES_MAX)
		return parse_error(parse, *mark, "a text of %zu bytes; expected at most %u", bytes,
			DOCUMENT_SCALAR_BYTES_MAX);
	if (memchr(text, '\0', bytes))
		return parse_error(parse, *mark, "a NUL byte in a text; expected text without");
	r = parse_node_make(parse, NODE_SCALAR, mark, &node);
	if (r < 0)
		return r;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = arena_copy(&parse->document.arena, text, bytes);
	if (!node->text)
		return -ENOMEM;
	return parse_expects_key(parse) ? parse_key(parse, node, mark)
					: parse_node_place(parse, node, mark);
}

static int parse_begin(struct parse *parse, enum node_kind kind, const yaml_mark_t *mark,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct node *node;
	int r = parse_node_check(parse, mark, anchor, tag);

	if (r < 0)
		return r;
	if (parse_expects_key(parse))
		return parse_error(parse, *mark, "a %s as a key; expected a word",
			kind == NODE_MAP ? "map" : "list");
	if (parse->depth == DOCUMENT_DEPTH_MAX)
		return parse_error(parse, *mark,
			"more than %u maps and lists in each other; expected fewer",
			DOCUMENT_DEPTH_MAX);
	r = parse_node_make(parse, kind, mark, &node);
	if (r == 0)
		r = parse_node_place(parse, node, mark);
	if (r < 0)
		return r;
	parse->open = node;
	parse->depth++;
	return 0;
}

static void parse_end(struct parse *parse)
{
	parse->open = parse->open->parent;
	parse->depth--;
}

static int parse_event(struct parse *parse, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (parse->documents++)
			return parse_error(parse, *mark, "a second YAML document; expected one");
		return 0;
	case YAML_ALIAS_EVENT:
		return parse_error(parse, *mark,
			"a YAML alias (*...); expected the value itself, in quotes if it starts "
			"with '*'");
	case YAML_SCALAR_EVENT:
		return parse_scalar(parse, event);
	case YAML_SEQUENCE_START_EVENT:
		return parse_begin(parse, NODE_LIST, mark, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return parse_begin(parse, NODE_MAP, mark, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		parse_end(parse);
		return 0;
	default:
		return 0;
	}
}

static int parse_events(struct parse *parse)
{
	bool ended = false;

	while (!ended) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(&parse->yaml, &event))
			return parse_syntax_error(parse);
		ended = event.type == YAML_STREAM_END_EVENT;
		r = parse_event(parse, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	if (!parse->document.root)
		return error_at(parse->error, parse->document.file, 1, 1, "policy",
			"nothing; expected a map that begins with 'version: 1'");
	return 0;
}

int document_parse(const char *file, const char *text, size_t bytes, struct document *ret,
	struct policy_error *error)
{
	struct parse parse = {.document.file = file, .error = error};
	struct text_problem problem;
	int r;

	if (bytes > POLICY_FILE_BYTES_MAX) {
		error_at(error, file, 1, 1, "policy", "more than %u bytes; expected a smaller file",
			POLICY_FILE_BYTES_MAX);
		return -EFBIG;
	}
	if (text_check(text, bytes, &problem) < 0)
		return error_at(
			error, file, problem.line, problem.column, "policy", "%s", problem.what);
	if (!yaml_parser_initialize(&parse.yaml))
		return -ENOMEM;
	yaml_parser_set_encoding(&parse.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parse.yaml, (const unsigned char *)text, bytes);
	r = parse_events(&parse);
	yaml_parser_delete(&parse.yaml);
	if (r < 0) {
		document_free(&parse.document);
		return r;
	}
	*ret = parse.document;
	return 0;
}
