/* SPDX-License-Identifier: MIT */
#include "policy/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include "policy/error.h"
#include "policy/policy.h"

/* ctype.h would ask the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

__attribute__((format(printf, 2, 3))) static int value_error(
	struct value_error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

#define EXPECTED_NUMBER "expected a number such as 42 or 0x2a"
#define EXPECTED_SIZE "expected bytes, or a number with KiB, MiB, GiB or TiB, such as 512MiB"

/* Digits up to where they end. 0, -ERANGE above 2^64-1, -EINVAL without any, -EDOM for a leading
 * zero. */
static int digits_read(const char *text, uint64_t *ret, const char **ret_end)
{
	unsigned int base = text[0] == '0' && text[1] == 'x' ? 16 : 10;
	const char *at = base == 16 ? text + 2 : text;
	const char *first = at;
	uint64_t value = 0;
	int digit;

	for (; (digit = hex_digit(*at)) >= 0 && (unsigned int)digit < base; at++)
		if (__builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, (unsigned int)digit, &value))
			return -ERANGE;
	if (at == first)
		return -EINVAL;
	if (base == 10 && first[0] == '0' && at > first + 1)
		return -EDOM;
	*ret = value;
	*ret_end = at;
	return 0;
}

static int digits_error(int r, const char *text, const char *expected, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];

	error_quote(text, quoted);
	if (r == -ERANGE)
		return value_error(error, "'%s' is above 2^64-1; %s", quoted, expected);
	if (r == -EDOM)
		return value_error(error, "'%s' begins with 0 (octal?); %s", quoted, expected);
	return value_error(error, "'%s'; %s", quoted, expected);
}

int value_number(const char *text, uint64_t *ret, struct value_error *error)
{
	uint64_t value = 0;
	const char *end = text;
	int r = digits_read(text, &value, &end);

	if (r == 0 && *end != '\0')
		r = -EINVAL;
	if (r < 0)
		return digits_error(r, text, EXPECTED_NUMBER, error);
	*ret = value;
	return 0;
}

static const struct {
	const char *suffix;
	unsigned int shift;
} units[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}};

/* "M", "mb", "MB", "mib": the unit that was probably meant, else NULL. */
static const char *unit_meant(const char *suffix)
{
	static const char *const tails[] = {"", "b", "B", "ib", "IB", "iB", "i", "Ib"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if ((suffix[0] & ~0x20) != units[i].suffix[0])
			continue;
		for (size_t j = 0; j < sizeof(tails) / sizeof(tails[0]); j++)
			if (strcmp(suffix + 1, tails[j]) == 0)
				return units[i].suffix;
	}
	return NULL;
}

int value_size(const char *text, uint64_t *ret, struct value_error *error)
{
	uint64_t value = 0;
	const char *end = text, *meant;
	char quoted[ERROR_QUOTE_MAX];
	int r = digits_read(text, &value, &end);

	if (r < 0)
		return digits_error(r, text, EXPECTED_SIZE, error);
	for (size_t i = 0; *end && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].suffix) != 0)
			continue;
		if (__builtin_mul_overflow(value, UINT64_C(1) << units[i].shift, &value))
			return digits_error(-ERANGE, text, EXPECTED_SIZE, error);
		end += strlen(end);
	}
	if (*end == '\0') {
		*ret = value;
		return 0;
	}
	meant = unit_meant(end);
	if (!meant)
		return digits_error(-EINVAL, text, EXPECTED_SIZE, error);
	return value_error(error, "'%s' has no binary unit; expected %.*s%s",
		error_quote(text, quoted), (int)(end - text > 24 ? 24 : end - text), text, meant);
}

const char *value_size_format(uint64_t bytes, char buffer[32])
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t unit = UINT64_C(1) << units[i].shift;

		if (bytes && bytes % unit == 0) {
			snprintf(buffer, 32, "%llu%s", (unsigned long long)(bytes / unit),
				units[i].suffix);
			return buffer;
		}
	}
	snprintf(buffer, 32, "%llu", (unsigned long long)bytes);
	return buffer;
}

int value_mode(const char *text, uint64_t *ret, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];
	uint64_t mode = 0;

	if (strlen(text) != 4 || text[0] != '0')
		goto refused;
	for (size_t i = 1; i < 4; i++) {
		if (text[i] < '0' || text[i] > '7')
			goto refused;
		mode = mode << 3 | (uint64_t)(text[i] - '0');
	}
	*ret = mode;
	return 0;

refused:
	return value_error(error,
		"'%s'; expected four octal digits that begin with 0, such as \"0660\"",
		error_quote(text, quoted));
}

int value_pci_id(
	const char *text, uint16_t *ret_vendor, uint16_t *ret_device, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];
	unsigned int parts[2] = {0, 0};

	if (strlen(text) != 9 || text[4] != ':')
		goto refused;
	for (size_t i = 0; i < 9; i++) {
		int digit = hex_digit(text[i]);

		if (i == 4)
			continue;
		if (digit < 0)
			goto refused;
		parts[i > 4] = parts[i > 4] << 4 | (unsigned int)digit;
	}
	*ret_vendor = (uint16_t)parts[0];
	*ret_device = (uint16_t)parts[1];
	return 0;

refused:
	return value_error(error, "'%s'; expected VENDOR:DEVICE in hex, such as \"1234:11e8\"",
		error_quote(text, quoted));
}

int value_name_check(const char *text, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];
	size_t n = 0;

	for (; text[n]; n++) {
		bool inner = text[n] == '.' || text[n] == '_' || text[n] == '-';

		if (!(text[n] >= 'a' && text[n] <= 'z') && !is_digit(text[n]) && !(inner && n > 0))
			break;
	}
	if (n == 0 || text[n] || n >= POLICY_NAME_MAX)
		return value_error(error,
			"'%s'; expected a name of 1 to %u of a-z 0-9 . _ - that begins with a "
			"letter or digit",
			error_quote(text, quoted), POLICY_NAME_MAX - 1);
	return 0;
}

int value_owner_check(const char *text, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];
	struct value_error ignored = {""};
	uint64_t number = 0;
	size_t n = 0;
	bool good;

	while (is_alpha(text[n]) || is_digit(text[n]) || text[n] == '_' ||
		(n > 0 && (text[n] == '.' || text[n] == '-')))
		n++;
	good = n > 0 && text[n] == '\0' && n <= 32;
	if (good && is_digit(text[0]))
		good = value_number(text, &number, &ignored) == 0 && number < UINT32_MAX;
	if (!good)
		return value_error(error,
			"'%s'; expected the name or the number of a user or group",
			error_quote(text, quoted));
	return 0;
}

static int path_text_check(const char *text, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];

	for (const char *at = text; *at; at++)
		if (*at <= 0x20 || *at >= 0x7f)
			return value_error(error,
				"'%s'; expected a path of printable ASCII without blanks",
				error_quote(text, quoted));
	return 0;
}

static int path_parts_check(const char *text, struct value_error *error)
{
	const char *part = text[0] == '/' ? text + 1 : text;
	char quoted[ERROR_QUOTE_MAX];

	for (;;) {
		size_t length = strcspn(part, "/");

		if (length == 0 || (length == 1 && part[0] == '.') ||
			(length == 2 && part[0] == '.' && part[1] == '.'))
			return value_error(error,
				"'%s'; expected a path without empty, '.' or '..' parts",
				error_quote(text, quoted));
		if (part[length] == '\0')
			return 0;
		part += length + 1;
	}
}

int value_path_check(const char *text, struct value_error *error)
{
	const size_t bytes_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	int r = path_text_check(text, error);

	if (r < 0)
		return r;
	if (strlen(text) > bytes_max)
		return value_error(error,
			"a path of %zu bytes; expected at most %zu, the longest of a Unix socket",
			strlen(text), bytes_max);
	return path_parts_check(text, error);
}

int value_program_check(const char *text, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];
	int r;

	if (text[0] != '/')
		return value_error(error, "'%s'; expected the absolute path of a program",
			error_quote(text, quoted));
	r = path_text_check(text, error);
	return r < 0 ? r : path_parts_check(text, error);
}

int value_argument_check(const char *text, struct value_error *error)
{
	char quoted[ERROR_QUOTE_MAX];
	const char *at = text;

	while (*at >= 0x20 && *at < 0x7f)
		at++;
	if (at == text || *at)
		return value_error(error, "'%s'; expected an argument of printable ASCII",
			error_quote(text, quoted));
	return 0;
}
