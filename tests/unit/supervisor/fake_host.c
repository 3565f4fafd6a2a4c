/* SPDX-License-Identifier: MIT */
#include "tests/unit/supervisor/fake_host.h"

#include "tests/unit/common/check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fake_host_open(struct fake_host *host)
{
	(void)snprintf(host->root, sizeof(host->root), "/tmp/iommub-host-XXXXXX");
	assert_non_null(mkdtemp(host->root));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void fake_host_close(struct fake_host *host)
{
	assert_int_equal(nftw(host->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Where it is, with the directories above it. */
static void place(const struct fake_host *host, const char *path, char full[PATH_MAX])
{
	assert_in_range(snprintf(full, PATH_MAX, "%s%s", host->root, path), 1, PATH_MAX - 1);
	for (char *slash = full + strlen(host->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

void fake_file(const struct fake_host *host, const char *path, const char *text, mode_t mode)
{
	char full[PATH_MAX];
	int fd;

	place(host, path, full);
	(void)unlink(full);
	fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void fake_link(const struct fake_host *host, const char *path, const char *target)
{
	char full[PATH_MAX];

	place(host, path, full);
	(void)unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

void fake_remove(const struct fake_host *host, const char *path)
{
	char full[PATH_MAX];

	place(host, path, full);
	assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fake_attribute(
	const struct fake_host *host, const char *address, const char *name, const char *text)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);

	assert_true(n > 0 && (size_t)n < sizeof(path));
	fake_file(host, path, text, 0444);
}

void fake_device(const struct fake_host *host, const char *address, int group, int minor)
{
	char path[PATH_MAX], text[PATH_MAX];

	fake_attribute(host, address, "vendor", "0x8086\n");
	fake_attribute(host, address, "device", "0x10d3\n");
	fake_attribute(host, address, "class", "0x020000\n");
	(void)snprintf(path, sizeof(path), "vfio-dev/vfio%d/dev", minor);
	(void)snprintf(text, sizeof(text), "511:%d\n", minor);
	fake_attribute(host, address, path, text);
	(void)snprintf(
		path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s", group, address);
	fake_file(host, path, "", 0444);
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	(void)snprintf(text, sizeof(text), "../../../../kernel/iommu_groups/%d", group);
	fake_link(host, path, text);
}
