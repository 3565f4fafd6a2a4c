/* SPDX-License-Identifier: MIT */
/* Lines, JSON, the verdict; and that reading below a root does not lead out of it. */
#include "tests/unit/ctl/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *printed(void (*print)(const struct host_report *, FILE *))
{
	char *text = NULL;
	size_t bytes;
	FILE *file = open_memstream(&text, &bytes);

	assert_non_null(file);
	print(host.report, file);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void lines(void **state)
{
	char *text;

	(void)state;
	report_add(host.report, FINDING_OK, "a", NULL, "is %d", 1);
	report_add(host.report, FINDING_WARN, "b", "know it", "is so");
	assert_false(report_mend(host.report));
	report_add(host.report, FINDING_FIX, "c", "mend it", "is not");
	assert_true(report_mend(host.report));
	text = printed(report_print);
	assert_string_equal(text, "OK    a           is 1\n"
				  "WARN  b           is so: know it\n"
				  "FIX   c           is not: mend it\n");
	free(text);
}

static void json(void **state)
{
	char *text;

	(void)state;
	text = printed(report_print_json);
	assert_string_equal(text, "[\n]\n");
	free(text);
	report_add(host.report, FINDING_OK, "a", NULL, "say \"x\\y\"\n\x80");
	report_add(host.report, FINDING_FIX, "b", "do", "it");
	text = printed(report_print_json);
	assert_string_equal(text,
		"[\n"
		"  {\"level\": \"OK\", \"topic\": \"a\", \"text\": \"say "
		"\\\"x\\\\y\\\"\\u000a\\u0080\"},\n"
		"  {\"level\": \"FIX\", \"topic\": \"b\", \"text\": \"it\", \"do\": \"do\"}\n"
		"]\n");
	free(text);
}

static void links_stay_below_the_root(void **state)
{
	char text[HOST_TEXT_MAX], name[8];

	(void)state;
	link_make("a", "/proc/version");
	assert_int_equal(tree_read(&host, "a", text), -ENOENT);
	link_make("b", "../../../../../../../proc/version");
	assert_int_equal(tree_read(&host, "b", text), -ENOENT);
	file_make("proc/version", "ours\n");
	assert_int_equal(tree_read(&host, "a", text), 0);
	assert_string_equal(text, "ours");
	assert_int_equal(tree_link(&host, "b", name, sizeof(name)), 0);
	assert_string_equal(name, "version");
	/* A name that fits with its end, and not with one byte less. */
	assert_int_equal(tree_link(&host, "b", name, 7), -ENAMETOOLONG);
	assert_int_equal(tree_link(&host, "proc/version", name, sizeof(name)), -EINVAL);
}

static void words(void **state)
{
	(void)state;
	assert_true(text_has_word("cpu memory pids", "memory"));
	assert_true(text_has_word("memory", "memory"));
	assert_false(text_has_word("memoryx xmemory", "memory"));
	assert_true(text_has_word("memoryx memory", "memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(lines),
		TREE_TEST(json),
		TREE_TEST(links_stay_below_the_root),
		TREE_TEST(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
