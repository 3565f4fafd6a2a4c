/* SPDX-License-Identifier: MIT */
/* Policies from files: what cannot be read, what is too large, and the examples. */
#include "tests/policy/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/policy-load-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* `text` and then `padding` bytes of a comment. */
static const char *write_file(const char *name, const char *text, size_t padding)
{
	const char *path = path_of(name);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	for (size_t i = 0; i < padding; i++)
		fputc('#', file);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void check_load(const char *path, int expected, const char *message)
{
	struct policy *policy = NULL;
	struct policy_error error = {""};
	char wanted[POLICY_ERROR_MAX];

	assert_int_equal(policy_load(path, &policy, &error), expected);
	snprintf(wanted, sizeof(wanted), "%s:%s", path, message);
	assert_string_equal(error.text, message[0] ? wanted : "");
	assert_true((policy != NULL) == (expected == 0));
	policy_free(policy);
	policy_free(NULL);
}

static void test_unreadable(void **state)
{
	(void)state;
	check_load(
		path_of("none"), -ENOENT, "1:1: policy: cannot be read: No such file or directory");
	check_load(directory, -EISDIR, "1:1: policy: cannot be read: Is a directory");
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	check_load(path_of("fifo"), -EINVAL, "1:1: policy: cannot be read: not a regular file");
	unlink(path_of("fifo"));
	check_load("/dev/zero", -EINVAL, "1:1: policy: cannot be read: not a regular file");
	if (geteuid() != 0) {
		assert_int_equal(chmod(write_file("closed", TENANT, 0), 0), 0);
		check_load(path_of("closed"), -EACCES,
			"1:1: policy: cannot be read: Permission denied");
		unlink(path_of("closed"));
	}
}

static void test_file_size(void **state)
{
	const size_t rest = POLICY_FILE_BYTES_MAX - strlen(TENANT);

	(void)state;
	check_load(write_file("most", TENANT, rest), 0, "");
	unlink(path_of("most"));
	check_load(write_file("more", TENANT, rest + 1), -EFBIG,
		"1:1: policy: more than 1048576 bytes; expected a smaller file");
	unlink(path_of("more"));
	check_load(write_file("empty", "", 0), -EINVAL,
		"1:1: policy: nothing; expected a map that begins with 'version: 1'");
	unlink(path_of("empty"));
}

/* Nothing of the file stays open, and the policy does not need it any more. */
static void test_no_fd_left(void **state)
{
	struct policy *policy = NULL;
	const char *path = write_file("one", TENANT, 0);
	int before = dup(0), after;

	(void)state;
	close(before);
	assert_int_equal(policy_load(path, &policy, NULL), 0);
	unlink(path);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_string_equal(policy->tenants[0].name, "alpha");
	assert_string_equal(policy->tenants[0].origin.file, path);
	policy_free(policy);
}

static void test_examples(void **state)
{
	static const char *const examples[] = {"lab", "container", "vmm"};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct policy_error error;
		struct policy *policy = NULL;
		char path[400];

		snprintf(path, sizeof(path), IOMMUB_SOURCE_DIR "/policy/examples/%s.yaml",
			examples[i]);
		if (policy_load(path, &policy, &error) < 0)
			fail_msg("%s", error.text);
		assert_true(policy->tenants_count >= 2);
		policy_free(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_file_size),
		cmocka_unit_test(test_no_fd_left),
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
