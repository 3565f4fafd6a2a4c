/* SPDX-License-Identifier: MIT */
#include "policy/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *error_file_tail(const char *file, const char **dots)
{
	size_t length = strlen(file);

	*dots = length >= ERROR_FILE_MAX ? "..." : "";
	return length >= ERROR_FILE_MAX ? file + length - ERROR_FILE_MAX + 4 : file;
}

__attribute__((format(printf, 6, 0))) static int error_write(struct policy_error *error,
	const char *file, unsigned int line, unsigned int column, const char *key,
	const char *format, va_list arguments)
{
	const char *dots, *tail = error_file_tail(file, &dots);
	size_t used;

	if (!error)
		return -EINVAL;
	snprintf(error->text, sizeof(error->text), "%s%s:%u:%u: %s: ", dots, tail, line, column,
		key);
	used = strlen(error->text);
	vsnprintf(error->text + used, sizeof(error->text) - used, format, arguments);
	return -EINVAL;
}

int error_at(struct policy_error *error, const char *file, unsigned int line, unsigned int column,
	const char *key, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	error_write(error, file, line, column, key, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int error_node(struct policy_error *error, const char *file, const struct node *node,
	const char *key, const char *format, ...)
{
	const struct node *at = key ? node_head(node) : node;
	char path[DOCUMENT_PATH_MAX];
	va_list arguments;

	node_path(node, key, path, sizeof(path));
	va_start(arguments, format);
	error_write(error, file, at->line, at->column, path, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

const char *error_quote(const char *text, char buffer[ERROR_QUOTE_MAX])
{
	size_t n = 0;

	for (; text[n] && n + 4 < ERROR_QUOTE_MAX; n++)
		buffer[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	for (size_t dots = 0; text[n] && dots < 3; dots++)
		buffer[n + dots] = '.';
	buffer[text[n] ? n + 3 : n] = '\0';
	return buffer;
}
