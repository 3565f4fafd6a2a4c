/* SPDX-License-Identifier: MIT */
/*
 * Whoever opens one of these nodes is past the broker: /dev/iommu and /dev/vfio/vfio (which may be an iommufd in disguise,
 * and is for everybody by default) make contexts of their own, and whoever opens a device's or a group's node owns it. So
 * all belong to root alone. An access control list shows in the group's bits of the mode.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "client/ctl/host.h"

#define ADVICE                                                                                     \
	"install 60-iommu-broker.rules into /etc/udev/rules.d and run udevadm trigger; without "   \
	"udev: chown root:root and chmod 600"

/* 1: closed; 0: open to others, and reported. */
static size_t node_check(struct host *host, const char *path, const struct stat *st)
{
	if (st->st_uid == 0 && (st->st_mode & 0077) == 0)
		return 1;
	report_add(host->report, FINDING_FIX, "nodes", ADVICE,
		"/%s is open to others (mode %04o, owner %u, group %u)", path, st->st_mode & 07777,
		st->st_uid, st->st_gid);
	return 0;
}

static void single_check(struct host *host, const char *path)
{
	struct stat st;
	int error = tree_stat(host, path, &st);

	if (error == -ENOENT)
		report_add(host->report, FINDING_OK, "nodes", NULL, "/%s is not there", path);
	else if (error)
		report_add(host->report, FINDING_WARN, "nodes", "run this as root",
			"/%s was not seen: %s", path, strerrordesc_np(-error));
	else if (node_check(host, path, &st))
		report_add(host->report, FINDING_OK, "nodes", NULL, "/%s is root's alone", path);
}

static bool is_group(const char *name)
{
	return *name && strspn(name, "0123456789") == strlen(name);
}

static bool is_device(const char *name)
{
	return strncmp(name, "vfio", 4) == 0 && is_group(name + 4);
}

static void directory_check(
	struct host *host, const char *dir, const char *what, bool (*wanted)(const char *name))
{
	size_t n = 0, seen = 0, closed = 0;
	char **names = NULL;
	int error = tree_names(host, dir, &names, &n);
	char path[320];
	struct stat st;

	if (error && error != -ENOENT) {
		report_add(host->report, FINDING_WARN, "nodes", "run this as root",
			"/%s was not seen: %s", dir, strerrordesc_np(-error));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!wanted(names[i]))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (tree_stat(host, path, &st))
			continue; /* gone meanwhile */
		seen++;
		closed += node_check(host, path, &st);
	}
	if (closed == seen)
		report_add(host->report, FINDING_OK, "nodes", NULL,
			seen ? "%s (%zu): root's alone" : "%s: none there", what, seen);
	tree_names_free(names, n);
}

void host_check_nodes(struct host *host)
{
	single_check(host, "dev/iommu");
	single_check(host, "dev/vfio/vfio");
	directory_check(host, "dev/vfio", "/dev/vfio/GROUP", is_group);
	directory_check(host, "dev/vfio/devices", "/dev/vfio/devices/*", is_device);
}
