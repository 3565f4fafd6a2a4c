/* SPDX-License-Identifier: MIT */
/* Session uids are nobody's: each source that can object, with ranges that touch and ranges that just do not. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/supervisor/uid_range.h"

static char dir[64], passwd_path[96], subuid_path[96], proc_path[96];
static struct uid_sources sources;

static void file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/iommub-uids-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(passwd_path, sizeof(passwd_path), "%s/passwd", dir);
	(void)snprintf(subuid_path, sizeof(subuid_path), "%s/subuid", dir);
	(void)snprintf(proc_path, sizeof(proc_path), "%s/proc", dir);
	assert_int_equal(mkdir(proc_path, 0755), 0);
	file_write(passwd_path, "root:x:0:0::/root:/bin/sh\nlow:x:999:999::/:/bin/sh\n"
				"high:x:1010:1010::/:/bin/sh\n");
	file_write(subuid_path, "# nothing\nlow:2000:100\n");
	sources = (struct uid_sources){
		passwd_path, subuid_path, proc_path, "iommu-broker-session", "iommu-brokerd"};
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void process_add(const char *pid, const char *uids, const char *exe)
{
	char path[128], text[128];

	(void)snprintf(path, sizeof(path), "%s/%s", proc_path, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/%s/status", proc_path, pid);
	(void)snprintf(text, sizeof(text), "Name:\tx\nUid:\t%s\n", uids);
	file_write(path, text);
	(void)snprintf(path, sizeof(path), "%s/%s/exe", proc_path, pid);
	assert_int_equal(symlink(exe, path), 0);
}

static int assign(uint64_t first, uint64_t count, size_t n, uid_t *uids)
{
	struct uid_range range = {first, count};
	char error[UID_RANGE_ERROR_MAX] = "";
	int result = uid_range_assign(&range, &sources, n, uids, error);

	assert_int_equal(result != 0, error[0] != '\0');
	return result;
}

static void each_tenant_gets_one_of_its_own(void **state)
{
	uid_t uids[10];

	(void)state;
	assert_int_equal(assign(1000, 10, 10, uids), 0);
	for (uid_t i = 0; i < 10; i++)
		assert_int_equal(uids[i], 1000 + i);
	assert_int_equal(assign(1000, 9, 10, uids), -ERANGE);
}

static void a_user_in_the_range_is_an_error(void **state)
{
	uid_t uids[1];

	(void)state;
	assert_int_equal(assign(999, 5, 1, uids), -EADDRINUSE);
	assert_int_equal(assign(1000, 10, 1, uids), 0);
	assert_int_equal(assign(1000, 11, 1, uids), -EADDRINUSE);
	assert_int_equal(assign(1011, 10, 1, uids), 0);
}

static void a_subuid_range_that_touches_is_an_error(void **state)
{
	uid_t uids[1];

	(void)state;
	assert_int_equal(assign(1900, 100, 1, uids), 0);
	assert_int_equal(assign(1900, 101, 1, uids), -EADDRINUSE);
	assert_int_equal(assign(2050, 1, 1, uids), -EADDRINUSE);
	assert_int_equal(assign(2099, 10, 1, uids), -EADDRINUSE);
	assert_int_equal(assign(2100, 10, 1, uids), 0);
	assert_int_equal(assign(1900, 1000, 1, uids), -EADDRINUSE);
}

static void a_stranger_in_the_range_is_an_error_by_any_of_its_uids(void **state)
{
	static const char *const uids_of[] = {
		"3000 1 1 1", "1 3000 1 1", "1 1 3000 1", "1 1 1 3000", "1 1 1 2999"};
	uid_t uids[1];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		char path[128];

		process_add("77", uids_of[i], "/usr/bin/stranger");
		assert_int_equal(assign(3000, 10, 1, uids), i < 4 ? -EADDRINUSE : 0);
		(void)snprintf(path, sizeof(path), "%s/77", proc_path);
		assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
}

static void the_uid_of_a_session_left_running_is_passed_over(void **state)
{
	uid_t uids[3];

	(void)state;
	process_add("77", "3001 3001 3001 3001", "/usr/libexec/iommu-broker-session");
	process_add("78", "3002 3002 3002 3002", "/usr/libexec/iommu-broker-session (deleted)");
	assert_int_equal(assign(3000, 5, 3, uids), 0);
	assert_int_equal(uids[0], 3000);
	assert_int_equal(uids[1], 3003);
	assert_int_equal(uids[2], 3004);
	assert_int_equal(assign(3000, 4, 3, uids), -ERANGE);
	process_add("80", "3003 3003 3003 3003", "/usr/sbin/iommu-brokerd");
	assert_int_equal(assign(3000, 5, 2, uids), 0);
	assert_int_equal(uids[1], 3004);
	process_add("79", "3003 3003 3003 3003", "/usr/libexec/iommu-broker-session-not");
	assert_int_equal(assign(3000, 5, 2, uids), -EADDRINUSE);
}

static void root_and_the_no_uid_are_no_session_uids(void **state)
{
	uid_t uids[1];

	(void)state;
	assert_int_equal(assign(0, 10, 1, uids), -ERANGE);
	assert_int_equal(assign(UINT32_MAX, 1, 1, uids), -ERANGE);
	assert_int_equal(assign(UINT32_MAX - 1, 2, 1, uids), -ERANGE);
	assert_int_equal(assign(UINT32_MAX - 1, 1, 1, uids), 0);
	assert_int_equal(assign(UINT64_MAX, UINT64_MAX, 1, uids), -ERANGE);
}

static void missing_files_object_to_nothing_and_a_missing_proc_does(void **state)
{
	uid_t uids[1];

	(void)state;
	sources.passwd = sources.subuid = "/nonexistent";
	assert_int_equal(assign(999, 1, 1, uids), 0);
	sources.proc = "/nonexistent";
	assert_int_equal(assign(999, 1, 1, uids), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_tenant_gets_one_of_its_own),
		TEST(a_user_in_the_range_is_an_error),
		TEST(a_subuid_range_that_touches_is_an_error),
		TEST(a_stranger_in_the_range_is_an_error_by_any_of_its_uids),
		TEST(the_uid_of_a_session_left_running_is_passed_over),
		TEST(root_and_the_no_uid_are_no_session_uids),
		TEST(missing_files_object_to_nothing_and_a_missing_proc_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
