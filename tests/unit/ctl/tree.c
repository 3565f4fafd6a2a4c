/* SPDX-License-Identifier: MIT */
#include "tests/unit/ctl/tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct host host;
static struct host_report report;
static char root[64];

int tree_setup(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/iommub-host-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(host_open(&host, root, &report), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int tree_teardown(void **state)
{
	(void)state;
	host_close(&host);
	report_free(&report);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void parents_make(const char *path)
{
	char part[256];

	(void)snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdirat(host.root_fd, part, 0755);
		*slash = '/';
	}
}

void file_make(const char *path, const char *text)
{
	int fd;

	parents_make(path);
	fd = openat(host.root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

void file_mode(const char *path, mode_t mode)
{
	assert_int_equal(fchmodat(host.root_fd, path, mode, 0), 0);
}

void link_make(const char *path, const char *target)
{
	parents_make(path);
	assert_int_equal(symlinkat(target, host.root_fd, path), 0);
}

void dir_make(const char *path)
{
	parents_make(path);
	assert_int_equal(mkdirat(host.root_fd, path, 0755), 0);
}

void path_remove(const char *path)
{
	assert_int_equal(unlinkat(host.root_fd, path, 0), 0);
}

void found_clear(void)
{
	report_free(&report);
}

void found_only(enum finding_level level, const char *part)
{
	if (report.count != 1)
		report_print(&report, stderr);
	assert_int_equal(report.count, 1);
	found_has(level, part);
}

void found_has(enum finding_level level, const char *part)
{
	bool found = false;

	for (size_t i = 0; i < report.count; i++)
		if (report.all[i].level == level && strstr(report.all[i].text, part)) {
			found = true;
			/* What is not well comes with what to do. */
			assert_int_equal(report.all[i].advice != NULL, level != FINDING_OK);
		}
	if (!found) {
		fprintf(stderr, "no finding %d \"%s\" among:\n", (int)level, part);
		report_print(&report, stderr);
	}
	assert_true(found);
}
