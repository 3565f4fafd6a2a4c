/* SPDX-License-Identifier: MIT */
/* The n-th allocation of ours fails, for every n: always -ENOMEM and a message, nothing leaked
 * (the sanitizer looks). */
#include "tests/policy/support.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The linker sends the policy's calls here (--wrap). libyaml's own are not ours to fail. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

static size_t until_failure = SIZE_MAX;

static bool fails_now(void)
{
	return until_failure != SIZE_MAX && until_failure-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
	return fails_now() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return fails_now() ? NULL : __real_calloc(count, bytes);
}

/* Large enough that the arena grows at many places; its names shift where. Written to a file. */
static void write_policy(const char *path, size_t shift)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fprintf(file, "%s", HEAD "tenants:\n");
	for (unsigned int i = 0; i < 60; i++)
		fprintf(file,
			"- name: t%u%.*s\n  match: {socket: main}\n  limits: {locked_memory: 0}\n  "
			"devices: "
			"[{name: a}, {address: '*:*.*'}]\n",
			i, (int)shift, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw");
	assert_int_equal(fclose(file), 0);
}

/* How many allocations a load makes; each was failed once. */
static size_t fail_each(const char *path)
{
	for (size_t n = 0;; n++) {
		struct policy_error error = {""};
		struct policy *policy = NULL;
		int r;

		until_failure = n;
		r = policy_load(path, &policy, &error);
		until_failure = SIZE_MAX;
		if (r == 0) {
			policy_free(policy);
			return n;
		}
		assert_int_equal(r, -ENOMEM);
		assert_null(policy);
		assert_non_null(strstr(error.text, ":1:1: policy: "));
	}
}

static void test_every_allocation(void **state)
{
	char path[] = "/tmp/policy-memory-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t shift = 0; shift < 48; shift += 3) {
		write_policy(path, shift);
		assert_true(fail_each(path) >= 8);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
