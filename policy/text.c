/* SPDX-License-Identifier: MIT */
/*
 * The text as a person sees it must be the text as the parser sees it.
 *
 * A policy is reviewed on a screen and obeyed by a program. So before any YAML is parsed, the file
 * must be UTF-8 and hold nothing that the two would read differently: no NUL and no control
 * characters, none of the Unicode line ends that YAML 1.1 obeys and editors do not show (a comment
 * could end in the middle of its line), no characters that reorder a line on the screen, no byte
 * order mark.
 *
 * YAML's directives (%YAML, %TAG) are refused here too: nothing in a policy needs one, and the
 * parser looks at each %TAG against all before it, which in a file of 1 MiB is minutes.
 */
#include "policy/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

static const struct {
	uint32_t first, last;
	const char *what;
} text_refused[] = {
	{0x00, 0x00, "a NUL byte; expected text"},
	{0x01, 0x08, "a control character; expected text"},
	{0x0b, 0x0c, "a control character; expected text"},
	{0x0d, 0x0d, "a carriage return without a line feed; expected LF or CRLF line ends"},
	{0x0e, 0x1f, "a control character; expected text"},
	{0x7f, 0x84, "a control character; expected text"},
	{0x85, 0x85, "a Unicode line end (NEL) that no editor shows; expected LF or CRLF"},
	{0x86, 0x9f, "a control character; expected text"},
	{0x200e, 0x200f, "a character that reorders the line on the screen; expected plain text"},
	{0x2028, 0x2029, "a Unicode line end that no editor shows; expected LF or CRLF"},
	{0x202a, 0x202e, "a character that reorders the line on the screen; expected plain text"},
	{0x2066, 0x2069, "a character that reorders the line on the screen; expected plain text"},
	{0xfeff, 0xfeff, "a byte order mark; expected UTF-8 without one"},
	{0xfffe, 0xffff, "not a character; expected text"},
};

/* One character by RFC 3629: its length in bytes, or 0 for what is not UTF-8 (cut off, overlong, a
 * surrogate, above U+10FFFF). */
static size_t text_decode(const unsigned char *at, size_t left, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code = at[0];
	size_t bytes = code < 0x80 ? 1 : code < 0xc2 ? 0 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;

	if (bytes == 0 || bytes > left || code > 0xf4)
		return 0;
	if (bytes > 1)
		code &= 0x7fu >> bytes;
	for (size_t i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret = code;
	return bytes;
}

static const char *text_judge(uint32_t code, bool line_feed_follows)
{
	if (code == '\r' && line_feed_follows)
		return NULL;
	for (size_t i = 0; i < sizeof(text_refused) / sizeof(text_refused[0]); i++)
		if (code >= text_refused[i].first && code <= text_refused[i].last)
			return text_refused[i].what;
	return NULL;
}

int text_check(const char *text, size_t bytes, struct text_problem *problem)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned int line = 1, column = 1;
	uint32_t code = 0;

	for (size_t i = 0, length; i < bytes; i += length) {
		const char *what;

		length = text_decode(at + i, bytes - i, &code);
		if (length == 0)
			what = "not UTF-8";
		else if (code == '%' && column == 1)
			what = "a YAML directive; expected a policy, which needs none";
		else
			what = text_judge(code, i + 1 < bytes && at[i + 1] == '\n');
		if (what) {
			*problem = (struct text_problem){line, column, what};
			return -EINVAL;
		}
		column++;
		if (code == '\n') {
			line++;
			column = 1;
		}
	}
	return 0;
}
