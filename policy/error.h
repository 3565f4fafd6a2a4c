/* SPDX-License-Identifier: MIT */
/* How every message about a policy is written: "FILE:LINE:COLUMN: KEY: what is wrong; what was
 * expected". */
#ifndef IOMMUB_POLICY_ERROR_H
#define IOMMUB_POLICY_ERROR_H

#include <stddef.h>
#include "policy/document.h"
#include "policy/policy.h"

#define ERROR_FILE_MAX                                                                             \
	160u /* of a longer path the end is shown: that is the part that tells files apart */
#define ERROR_QUOTE_MAX 64u

/* All return -EINVAL, so that `return error_at(…)` reads well. `error` may be NULL. */
__attribute__((format(printf, 6, 7))) int error_at(struct policy_error *error, const char *file,
	unsigned int line, unsigned int column, const char *key, const char *format, ...);

/* About a node; or about `key` (may be NULL) in it, at the node's head. */
__attribute__((format(printf, 5, 6))) int error_node(struct policy_error *error, const char *file,
	const struct node *node, const char *key, const char *format, ...);

/* Foreign text for a message: printable ASCII stays, all else is '?', what is long is cut. Returns
 * `buffer`. */
const char *error_quote(const char *text, char buffer[ERROR_QUOTE_MAX]);

#endif
