/* SPDX-License-Identifier: MIT */
/*
 * A document: what a policy file says, before anybody asks whether it makes sense.
 *
 * A tree of maps, lists and scalars. Every node knows where it stands (line, column) and its
 * parent, so that it can say its own path for an error. In a map the children are the values, each
 * with its key.
 *
 *   tenants:                       MAP "" ── LIST key=tenants ── MAP ── SCALAR key=name "alpha"
 *     - name: alpha                                                └── SCALAR key=uid  "1001"
 *       uid: 1001
 */
#ifndef IOMMUB_POLICY_DOCUMENT_H
#define IOMMUB_POLICY_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include "policy/arena.h"
#include "policy/policy.h"

/* Bounds of what is read at all, far above what a policy needs and far below what would hurt. */
#define DOCUMENT_DEPTH_MAX 16u /* maps and lists in each other; the language needs 5 */
#define DOCUMENT_NODES_MAX 131072u
#define DOCUMENT_KEYS_MAX 64u /* keys of one map; the language needs 12 */
#define DOCUMENT_SCALAR_BYTES_MAX 4096u
#define DOCUMENT_PATH_MAX 200u

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	bool plain; /* SCALAR: written without quotes */
	unsigned int line, column; /* from 1; columns count characters */
	unsigned int index; /* among its siblings */
	size_t count; /* LIST, MAP: children */
	const char *text; /* SCALAR */
	const struct node
		*key; /* in a MAP: the SCALAR that names this one (a key is named by itself) */
	struct node *parent, *first, *last, *next;
};

struct document {
	struct arena arena;
	const char *file; /* borrowed */
	struct node *root; /* a MAP */
};

/* Text -> document. 0, or -errno with *error filled and nothing to free. */
int document_parse(const char *file, const char *text, size_t bytes, struct document *ret,
	struct policy_error *error);
void document_free(struct document *document);

/* The value of a key in a map, or NULL. */
const struct node *node_get(const struct node *map, const char *key);
/* Where a reader looks for it: its key if it has one, else itself. */
const struct node *node_head(const struct node *node);
/* "a map", "a list", "nothing", "text" for messages. */
const char *node_kind_name(const struct node *node);

/* The path of a node, or of the key `key` (may be NULL) in it: "tenants.alpha.limits.ioas". A
 * list's item goes by its `name`, or by its index when it has none: "tenants[2]". */
void node_path(const struct node *node, const char *key, char *buffer, size_t bytes);

#endif
