/* SPDX-License-Identifier: MIT */
/* Files that want to hurt their reader: each bound in a pair, each refusal with its position. That
 * none takes long or much memory is what the bounds are for; the test's own timeout and the
 * sanitizer's limits are the judges. */
#include "tests/policy/support.h"

#include <errno.h>
#include <stdio.h>
#include "policy/document.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static char *repeat(const char *before, const char *piece, size_t count, const char *after)
{
	size_t room = strlen(before) + strlen(piece) * count + strlen(after) + 1;
	char *text = malloc(room), *at = text;

	assert_non_null(text);
	at = stpcpy(at, before);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, piece);
	stpcpy(at, after);
	return text;
}

static void parse_bytes(const char *text, size_t bytes, int expected, const char *message)
{
	char *copy = malloc(bytes + 1);
	struct policy_error error = {""};
	struct document document = {{NULL}, NULL, NULL};
	int r;

	assert_non_null(copy);
	memcpy(copy, text, bytes);
	copy[bytes] = 'X'; /* never read */
	r = document_parse("policy.yaml", copy, bytes, &document, &error);
	assert_string_equal(error.text, message);
	assert_int_equal(r, expected);
	document_free(&document);
	free(copy);
}

static void parse_owned(char *text, int expected, const char *message)
{
	parse_bytes(text, strlen(text), expected, message);
	free(text);
}

static void test_file_size(void **state)
{
	char *text = repeat("a: b\n", "#", POLICY_FILE_BYTES_MAX - 4, "");

	(void)state;
	parse_bytes(text, POLICY_FILE_BYTES_MAX, 0, "");
	parse_bytes(text, POLICY_FILE_BYTES_MAX + 1, -EFBIG,
		"policy.yaml:1:1: policy: more than 1048576 bytes; expected a smaller file");
	free(text);
}

static void test_depth(void **state)
{
	(void)state;
	/* The root map is one of them. */
	parse_owned(repeat("a: ", "[", 15, "]]]]]]]]]]]]]]]"), 0, "");
	parse_owned(repeat("a: ", "[", 16, "]]]]]]]]]]]]]]]]"), -EINVAL,
		"policy.yaml:1:19: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0]: more than 16 maps "
		"and lists in each "
		"other; expected fewer");
	parse_owned(repeat("a: ", "[", 1000000, ""), -EINVAL,
		"policy.yaml:1:19: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0]: more than 16 maps "
		"and lists in each "
		"other; expected fewer");
	parse_owned(repeat("", "{a: ", 250000, ""), -EINVAL,
		"policy.yaml:1:65: a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: more than 16 maps and lists in "
		"each other; "
		"expected fewer");
	parse_owned(repeat("a:\n ", "- ", 500000, ""), -EINVAL,
		"policy.yaml:2:32: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0]: more than 16 maps "
		"and lists in each "
		"other; expected fewer");
	parse_owned(repeat("", "? ", 500000, ""), -EINVAL,
		"policy.yaml:1:3: policy: a map as a key; expected a word");
	parse_owned(repeat("a: ", "\n[", 500000, ""), -EINVAL,
		"policy.yaml:3:1: a: could not find expected ':' while "
		"scanning a simple key of line 2; expected YAML");
}

static void test_nodes(void **state)
{
	(void)state;
	/* The root, the key and the list are three of them. */
	parse_owned(repeat("a: [", "b,", DOCUMENT_NODES_MAX - 3, "]"), 0, "");
	parse_owned(repeat("a: [", "b,", DOCUMENT_NODES_MAX - 2, "]"), -EINVAL,
		"policy.yaml:1:262143: a: more than 131072 values; expected a smaller policy");
	parse_owned(repeat("a: [", "b,", 500000, "]"), -EINVAL,
		"policy.yaml:1:262143: a: more than 131072 values; expected a smaller policy");
}

static void test_scalars(void **state)
{
	(void)state;
	parse_owned(repeat("a: ", "b", DOCUMENT_SCALAR_BYTES_MAX, "\n"), 0, "");
	parse_owned(repeat("a: ", "b", DOCUMENT_SCALAR_BYTES_MAX + 1, "\n"), -EINVAL,
		"policy.yaml:1:4: a: a text of 4097 bytes; expected at most 4096");
	parse_owned(repeat("a: ", "b", 1000000, "\n"), -EINVAL,
		"policy.yaml:1:4: a: a text of 1000000 bytes; expected at most 4096");
	parse_owned(repeat("a: |\n", " b\n", 300000, ""), -EINVAL,
		"policy.yaml:1:4: a: a text of 600000 bytes; expected at most 4096");
	parse_owned(repeat("a: \"", "\\U0001F600", 100000, "\"\n"), -EINVAL,
		"policy.yaml:1:4: a: a text of 400000 bytes; expected at most 4096");
	parse_owned(repeat("", "k", 1000, ": 1\n"), 0, "");
	parse_owned(repeat("", "k", 1025, ": 1\n"), -EINVAL,
		"policy.yaml:1:1: policy: text; expected a map that begins with 'version: 1'");
	parse_owned(repeat("a: '", "\n", 1000000, "'"), -EINVAL,
		"policy.yaml:1:4: a: a text of 999999 bytes; expected at most 4096");
}

static void test_keys(void **state)
{
	char text[4096] = "", *at = text;

	(void)state;
	for (unsigned int i = 0; i < DOCUMENT_KEYS_MAX; i++)
		at += sprintf(at, "k%u: 1\n", i);
	parse_bytes(text, strlen(text), 0, "");
	sprintf(at, "one: more\n");
	parse_bytes(text, strlen(text), -EINVAL,
		"policy.yaml:65:1: policy: more than 64 keys in one map; expected fewer");
}

static void test_refused_features(void **state)
{
	static const struct {
		const char *text, *key, *message;
	} rows[] = {
		{"a: ^&x b", "a",
			"a YAML anchor (&...); expected the value itself, in quotes if it starts "
			"with '&'"},
		{"a: ^&x [1]", "a",
			"a YAML anchor (&...); expected the value itself, in quotes if it starts "
			"with '&'"},
		{"^&x a: b", "policy",
			"a YAML anchor (&...); expected the value itself, in quotes if it starts "
			"with '&'"},
		{"a: 1\nb:\n  - ^*x", "b",
			"a YAML alias (*...); expected the value itself, in quotes if it starts "
			"with '*'"},
		{"a: 1\n^*x : 2", "policy",
			"a YAML alias (*...); expected the value itself, in quotes if it starts "
			"with '*'"},
		{"a: ^!!int 5", "a",
			"a YAML tag (!...); expected the value alone, in quotes if it starts with "
			"'!'"},
		{"a: ^! 5", "a",
			"a YAML tag (!...); expected the value alone, in quotes if it starts with "
			"'!'"},
		{"a: ^!x {b: 1}", "a",
			"a YAML tag (!...); expected the value alone, in quotes if it starts with "
			"'!'"},
		{"a: ^!<tag:yaml.org,2002:str> b", "a",
			"a YAML tag (!...); expected the value alone, in quotes if it starts with "
			"'!'"},
		{"a:\n  ^<<: {b: 1}", "a", "a YAML merge key (<<); expected the keys themselves"},
		{"a: 1\nb: 2\n^a: 3", "a", "the key 'a' a second time; the first is in line 1"},
		{"a: {b: 1, ^\"b\": 2}", "a.b",
			"the key 'b' a second time; the first is in line 1"},
		{"{^[a]: b}", "policy", "a list as a key; expected a word"},
		{"{^{a: c}: b}", "policy", "a map as a key; expected a word"},
		{"a: {^\"\": b}", "a", "an empty key; expected a word"},
		{"a: ^\"b\\0c\"", "a", "a NUL byte in a text; expected text without"},
		{"^\"a\\0\": b", "policy", "a NUL byte in a text; expected text without"},
		{"a: 1\n^---\nb: 2\n", "policy", "a second YAML document; expected one"},
		{"a: 1\n...\n^---\n", "policy", "a second YAML document; expected one"},
		{"^%YAML 1.1\n---\na: 1", "policy",
			"a YAML directive; expected a policy, which needs none"},
		{"a: 1\n^%TAG ! x\n", "policy",
			"a YAML directive; expected a policy, which needs none"},
		{"a: \"x\n^", "a",
			"found unexpected end of stream while scanning a quoted scalar of line 1; "
			"expected YAML"},
		{"a:\n^\t- b", "a",
			"found character that cannot start any token while scanning for the next "
			"token "
			"of line 2; expected YAML"},
		{"a: 1\n... ^x", "policy", "did not find expected <document start>; expected YAML"},
		{"a: ^@b", "a",
			"found character that cannot start any token while scanning for the next "
			"token of "
			"line 1; expected YAML"},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++)
		load_bad(rows[i].text, rows[i].key, rows[i].message);
}

/* "a billion laughs" ends at its first anchor. */
static void test_alias_bomb(void **state)
{
	(void)state;
	load_bad("a: ^&a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
		 "[*b,*b,*b,*b,*b,*b,*b,*b]\n",
		"a",
		"a YAML anchor (&...); expected the value itself, in quotes if it starts with '&'");
	parse_owned(repeat("a: ", "&a ", 300000, "b"), -EINVAL,
		"policy.yaml:1:4: a: a YAML anchor (&...); expected the value itself, in quotes if "
		"it starts with '&'");
}

static void test_bytes(void **state)
{
	static const struct {
		const char *bytes, *what;
	} rows[] = {
		{"\x80", "not UTF-8"},
		{"\xff", "not UTF-8"},
		{"\xc0\x80", "not UTF-8"},
		{"\xc1\xbf", "not UTF-8"},
		{"\xc3", "not UTF-8"},
		{"\xe2\x28\xa1", "not UTF-8"},
		{"\xe0\x9f\xbf", "not UTF-8"},
		{"\xed\xa0\x80", "not UTF-8"},
		{"\xf0\x8f\xbf\xbf", "not UTF-8"},
		{"\xf4\x90\x80\x80", "not UTF-8"},
		{"\xf5\x80\x80\x80", "not UTF-8"},
		{"\xe2\x82", "not UTF-8"},
		{"\xf0\x9f\x98", "not UTF-8"},
		{"\x01", "a control character; expected text"},
		{"\x1b[2J", "a control character; expected text"},
		{"\x7f", "a control character; expected text"},
		{"\r.", "a carriage return without a line feed; expected LF or CRLF line ends"},
		{"\xc2\x85", "a Unicode line end (NEL) that no editor shows; expected LF or CRLF"},
		{"\xc2\x9b", "a control character; expected text"},
		{"\xe2\x80\xa8", "a Unicode line end that no editor shows; expected LF or CRLF"},
		{"\xe2\x80\xae",
			"a character that reorders the line on the screen; expected plain text"},
		{"\xe2\x81\xa6",
			"a character that reorders the line on the screen; expected plain text"},
		{"\xef\xbb\xbf", "a byte order mark; expected UTF-8 without one"},
		{"\xef\xbf\xbe", "not a character; expected text"},
	};

	static const char characters[] = "a: '\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
					 "\xf0\x90\x80\x80\xf4\x8f\xbf\xbd'\r\n";

	(void)state;
	/* In a comment behind two-byte characters: columns count characters. */
	for (size_t i = 0; i < N_OF(rows); i++) {
		char text[64];

		snprintf(text, sizeof(text), "a: b\n# \xc3\xa4\xc3\xa4 ^%s", rows[i].bytes);
		load_bad(text, "policy", rows[i].what);
	}
	parse_bytes("a: b\n#\0", 7, -EINVAL, "policy.yaml:2:2: policy: a NUL byte; expected text");
	parse_bytes("\0", 1, -EINVAL, "policy.yaml:1:1: policy: a NUL byte; expected text");
	parse_bytes("\xff\xfe"
		    "a\0",
		4, -EINVAL, "policy.yaml:1:1: policy: not UTF-8");
	parse_bytes("%\"\xa6", 3, -EINVAL,
		"policy.yaml:1:1: policy: a YAML directive; expected a policy, which needs none");
	parse_bytes(characters, strlen(characters), 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_size),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_refused_features),
		cmocka_unit_test(test_alias_bomb),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
