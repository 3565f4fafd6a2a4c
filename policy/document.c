/* SPDX-License-Identifier: MIT */
#include "policy/document.h"

#include <stdio.h>
#include <string.h>
#include "policy/error.h"

void document_free(struct document *document)
{
	arena_free(&document->arena);
	document->root = NULL;
}

const struct node *node_get(const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (const struct node *value = map->first; value; value = value->next)
		if (strcmp(value->key->text, key) == 0)
			return value;
	return NULL;
}

const struct node *node_head(const struct node *node)
{
	return node->key ? node->key : node;
}

const char *node_kind_name(const struct node *node)
{
	switch (node->kind) {
	case NODE_MAP:
		return "a map";
	case NODE_LIST:
		return "a list";
	case NODE_SCALAR:
		break;
	}
	return node->plain && node->text[0] == '\0' ? "nothing" : "text";
}

/* One step of a path, appended where the path ends now. */
static void path_append(const struct node *node, char *buffer, size_t bytes)
{
	const struct node *name = node->key ? node->key : node_get(node, "name");
	size_t used = strlen(buffer);
	char quoted[ERROR_QUOTE_MAX];

	if (name && name->kind == NODE_SCALAR && name->text[0])
		snprintf(buffer + used, bytes - used, "%s%s", used ? "." : "",
			error_quote(name->text, quoted));
	else
		snprintf(buffer + used, bytes - used, "[%u]", node->index);
}

void node_path(const struct node *node, const char *key, char *buffer, size_t bytes)
{
	const struct node *chain[DOCUMENT_DEPTH_MAX + 1];
	size_t depth = 0, used;

	buffer[0] = '\0';
	for (; node && node->parent && depth < DOCUMENT_DEPTH_MAX + 1; node = node->parent)
		chain[depth++] = node;
	while (depth > 0)
		path_append(chain[--depth], buffer, bytes);
	used = strlen(buffer);
	if (key)
		snprintf(buffer + used, bytes - used, "%s%s", used ? "." : "", key);
	else if (used == 0)
		snprintf(buffer, bytes, "policy");
}
