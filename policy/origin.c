/* SPDX-License-Identifier: MIT */
/*
 * "FILE:LINE KEY", the rule in a denial. Its buffer is small and paths can be long, so of a path
 * that does not fit the end is shown: what the reader needs is the file's name, the line and the
 * key.
 */
#include <stdio.h>
#include <string.h>
#include "policy/policy.h"

void policy_origin_format(const struct policy_origin *origin, char *buffer, size_t bytes)
{
	const char *file = origin->file ? origin->file : "policy";
	const char *key = origin->key ? origin->key : "";
	char rest[POLICY_ERROR_MAX];
	size_t length = strlen(file), rest_length, room;

	if (bytes == 0)
		return;
	if (origin->line)
		snprintf(rest, sizeof(rest), ":%u %s", origin->line, key);
	else
		snprintf(rest, sizeof(rest), " %s (default)", key);
	rest_length = strlen(rest);
	room = bytes > rest_length ? bytes - rest_length - 1 : 0;
	if (length <= room)
		snprintf(buffer, bytes, "%s%s", file, rest);
	else if (room > 3)
		snprintf(buffer, bytes, "...%s%s", file + length - (room - 3), rest);
	else
		snprintf(buffer, bytes, "%s", rest);
}
