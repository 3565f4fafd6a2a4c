/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/host_guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(struct host_guard_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(struct host_guard_error *error, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

/* A module's parameter that is a bool. A module that is not there has none. */
static bool parameter_is_set(const char *root, const char *module, const char *parameter)
{
	char path[PATH_MAX], letter = 'N';
	int fd;

	(void)snprintf(
		path, sizeof(path), "%s/sys/module/%s/parameters/%s", root, module, parameter);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &letter, 1) != 1)
		letter = 'N';
	close(fd);
	return letter == 'Y' || letter == 'y' || letter == '1';
}

static int check_interrupts(
	const char *root, const struct policy_host *host, struct host_guard_error *error)
{
	static const char *const modules[] = {"iommufd", "vfio_iommu_type1"};

	if (host->allow_unsafe_interrupts)
		return 0;
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (parameter_is_set(root, modules[i], "allow_unsafe_interrupts"))
			return refuse(error, -EPERM,
				"%s.allow_unsafe_interrupts is set: a device could raise any "
				"interrupt of this host. "
				"Take it off the kernel's command line and out of /etc/modprobe.d, "
				"and write N to "
				"/sys/module/%s/parameters/allow_unsafe_interrupts; or say "
				"host.allow_unsafe_interrupts: yes in the policy",
				modules[i], modules[i]);
	return 0;
}

/* lstat(): a link's own mode is open to all, and nothing here should be a link. */
static int check_node(const struct policy_host *host, const char *root, const char *path,
	struct host_guard_error *error)
{
	const char *shown = path + strlen(root);
	struct stat st;

	if (host->allow_open_nodes)
		return 0;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : refuse(error, -errno, "%s cannot be looked at: %s", shown,
						 strerrordesc_np(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return refuse(error, -EPERM,
			"%s belongs to uid %u, who could reach devices without the broker. Run "
			"chown root:root %s and mend the udev rule that gave it away; or say "
			"host.allow_open_nodes: yes in the policy",
			shown, st.st_uid, shown);
	if (st.st_mode & 077)
		return refuse(error, -EPERM,
			"%s has mode %04o, so others could reach devices without the broker. Run "
			"chmod 0600 %s and install the broker's udev rules; or say "
			"host.allow_open_nodes: yes in the policy",
			shown, st.st_mode & 07777, shown);
	return 0;
}

static int refuse_noiommu(const char *what, struct host_guard_error *error)
{
	return refuse(error, -EPERM,
		"%s is without an IOMMU: its DMA would reach all memory of this host. Switch the "
		"IOMMU on (firmware; intel_iommu=on) and write N to "
		"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode, then bind the device "
		"anew; or say host.allow_noiommu: yes in the policy",
		what);
}

static int check_path(const char *root, const struct policy_host *host, const char *directory,
	const char *name, struct host_guard_error *error)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s/%s", root, directory, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return refuse(error, -ENAMETOOLONG, "%s/%s: name too long", directory, name);
	if (!host->allow_noiommu && strncmp(name, "noiommu-", strlen("noiommu-")) == 0)
		return refuse_noiommu(path + strlen(root), error);
	return check_node(host, root, path, error);
}

/* Every node of a directory; a directory that is not there has none. */
static int check_directory(const char *root, const struct policy_host *host, const char *directory,
	struct host_guard_error *error)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int result = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s%s", root, directory);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0
				       : refuse(error, -errno, "%s cannot be looked at: %s",
						 directory, strerrordesc_np(errno));
	while (!result && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "devices") != 0)
			result = check_path(root, host, directory, entry->d_name, error);
	closedir(dir);
	return result;
}

int host_guard_start(
	const char *root, const struct policy_host *host, struct host_guard_error *error)
{
	int result;

	if (strcmp(root, "/") == 0)
		root = "";
	result = check_interrupts(root, host, error);
	if (!result)
		result = check_path(root, host, "/dev", "iommu", error);
	if (!result)
		result = check_directory(root, host, "/dev/vfio", error);
	if (!result)
		result = check_directory(root, host, "/dev/vfio/devices", error);
	return result;
}

int host_guard_device(const char *root, const struct policy_host *host,
	const struct pci_facts *device, struct host_guard_error *error)
{
	char group[16];
	int result;

	if (strcmp(root, "/") == 0)
		root = "";
	if (device->noiommu && !host->allow_noiommu)
		return refuse_noiommu(device->address, error);
	result = check_interrupts(root, host, error);
	if (!result)
		result = check_path(root, host, "/dev", "iommu", error);
	if (!result)
		result = check_path(root, host, "/dev/vfio", "vfio", error);
	if (!result)
		result = check_path(root, host, "/dev/vfio/devices", device->node, error);
	if (!result && device->has_group) {
		(void)snprintf(group, sizeof(group), "%u", device->group);
		result = check_path(root, host, "/dev/vfio", group, error);
	}
	return result;
}
