/* SPDX-License-Identifier: MIT */
#include "tests/policy/support.h"

#include <errno.h>
#include <stdio.h>

/* Parsed from a heap copy without a NUL, so that a sanitizer sees a read past its end. */
static int parse_exact(
	const char *text, size_t bytes, struct policy **ret, struct policy_error *error)
{
	char *copy = malloc(bytes ? bytes : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, bytes);
	r = policy_parse("policy.yaml", copy, bytes, ret, error);
	free(copy);
	return r;
}

struct policy *load_good(const char *text)
{
	struct policy_error error = {""};
	struct policy *policy = NULL;

	if (parse_exact(text, strlen(text), &policy, &error) < 0)
		fail_msg("%s\nin:\n%s", error.text, text);
	assert_string_equal(error.text, "");
	return policy;
}

void load_bad(const char *text, const char *key, const char *message)
{
	struct policy *const untouched = (struct policy *)&untouched;
	const char *caret = strchr(text, '^');
	struct policy *policy = untouched;
	struct policy_error error = {""};
	char wanted[POLICY_ERROR_MAX + 100];
	size_t line = 1, column = 1, before;
	char *copy;
	int r;

	assert_non_null(caret);
	before = (size_t)(caret - text);
	for (size_t i = 0; i < before; i++) {
		line += text[i] == '\n';
		column = text[i] == '\n' ? 1 : column + ((text[i] & 0xc0) != 0x80);
	}
	assert_true(asprintf(&copy, "%.*s%s", (int)before, text, caret + 1) >= 0);
	r = parse_exact(copy, strlen(copy), &policy, &error);
	snprintf(wanted, sizeof(wanted), "policy.yaml:%zu:%zu: %s: %s", line, column, key, message);
	if (r == 0) {
		policy_free(policy);
		fail_msg("not refused, expected: %s\nin:\n%s", wanted, copy);
	}
	if (strcmp(error.text, wanted) != 0)
		fail_msg("got:      %s\nexpected: %s\nin:\n%s", error.text, wanted, copy);
	free(copy);
	assert_int_equal(r, -EINVAL);
	assert_ptr_equal(policy, untouched);
}

bool loads(const char *text)
{
	struct policy *policy = NULL;
	struct policy_error error;
	int r = parse_exact(text, strlen(text), &policy, &error);

	policy_free(policy);
	return r == 0;
}
