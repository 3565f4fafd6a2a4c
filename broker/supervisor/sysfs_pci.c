/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/sysfs_pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pci_directory_open(const char *root)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", root);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* An attribute's text, without its newline; -EINVAL if it does not fit. */
static int text_read(int dir_fd, const char *path, char *text, size_t bytes)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int error;

	if (fd < 0)
		return -errno;
	n = read(fd, text, bytes);
	error = n < 0 ? -errno : 0;
	close(fd);
	if (error)
		return error;
	if ((size_t)n == bytes)
		return -EINVAL;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static int number_read(int dir_fd, const char *path, int base, uint64_t max, uint64_t *ret)
{
	char text[32], *end;
	int error = text_read(dir_fd, path, text, sizeof(text));

	if (error)
		return error;
	errno = 0;
	*ret = strtoull(text, &end, base);
	return errno || end == text || *end || *ret > max ? -EINVAL : 0;
}

/* The last component of where a link leads. */
static int link_read(int dir_fd, const char *path, char *name, size_t bytes)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, path, target, sizeof(target) - 1);
	const char *slash;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	slash = strrchr(target, '/');
	n = snprintf(name, bytes, "%s", slash ? slash + 1 : target);
	return n <= 0 || (size_t)n >= bytes ? -EINVAL : 0;
}

/* How many names a directory has, and the last of them. */
static int names_read(int dir_fd, const char *path, char *name, size_t bytes, uint32_t *ret_n)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	*ret_n = 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		++*ret_n;
		if (name && (size_t)snprintf(name, bytes, "%s", entry->d_name) >= bytes)
			error = -EINVAL;
	}
	closedir(dir);
	return error;
}

static int node_read(int dir_fd, struct pci_facts *facts)
{
	char path[sizeof("vfio-dev//dev") + HELPER_NODE_MAX], text[32];
	uint32_t n = 0;
	int error = names_read(dir_fd, "vfio-dev", facts->node, sizeof(facts->node), &n);

	if (error)
		return error;
	if (n == 0)
		return -ENOENT;
	(void)snprintf(path, sizeof(path), "vfio-dev/%s/dev", facts->node);
	error = text_read(dir_fd, path, text, sizeof(text));
	if (error)
		return error;
	if (n != 1 || sscanf(text, "%u:%u", &facts->major, &facts->minor) != 2)
		return -EINVAL;
	facts->noiommu = strncmp(facts->node, "noiommu-", strlen("noiommu-")) == 0;
	return 0;
}

/* A device without a group has no IOMMU: that is one more way to say noiommu. */
static int group_read(int dir_fd, struct pci_facts *facts)
{
	char text[32], *end;
	int error = link_read(dir_fd, "iommu_group", text, sizeof(text));

	if (error) {
		facts->noiommu = facts->noiommu || error == -ENOENT;
		return error == -ENOENT ? 0 : error;
	}
	errno = 0;
	facts->group = (uint32_t)strtoul(text, &end, 10);
	if (errno || end == text || *end)
		return -EINVAL;
	facts->has_group = true;
	if (text_read(dir_fd, "iommu_group/name", text, sizeof(text)) == 0 &&
		strcmp(text, "vfio-noiommu") == 0)
		facts->noiommu = true;
	return names_read(dir_fd, "iommu_group/devices", NULL, 0, &facts->group_members);
}

static int facts_read(int dir_fd, struct pci_facts *facts)
{
	uint64_t vendor, device, class_code;
	int error = node_read(dir_fd, facts);

	if (!error)
		error = group_read(dir_fd, facts);
	if (!error)
		error = number_read(dir_fd, "vendor", 16, UINT16_MAX, &vendor);
	if (!error)
		error = number_read(dir_fd, "device", 16, UINT16_MAX, &device);
	if (!error)
		error = number_read(dir_fd, "class", 16, 0xffffff, &class_code);
	if (error)
		return error;
	facts->vendor = (uint16_t)vendor;
	facts->device = (uint16_t)device;
	facts->class_code = (uint32_t)class_code;
	error = link_read(dir_fd, "physfn", facts->physfn, sizeof(facts->physfn));
	if (error == -ENOENT)
		error = 0;
	/* The file is not there for a device without any reset. */
	if (!error &&
		text_read(dir_fd, "reset_method", facts->reset_method, sizeof(facts->reset_method)))
		facts->reset_method[0] = '\0';
	return error;
}

int pci_facts_read(int directory_fd, const char *address, struct pci_facts *ret)
{
	struct pci_facts facts = {0};
	int n = snprintf(facts.address, sizeof(facts.address), "%s", address);
	int fd, error;

	if (n <= 0 || (size_t)n >= sizeof(facts.address) || strchr(address, '/'))
		return -EINVAL;
	fd = openat(directory_fd, address, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = facts_read(fd, &facts);
	close(fd);
	if (error)
		return error;
	*ret = facts;
	return 0;
}

int pci_walk(int directory_fd, int (*visit)(void *arg, const char *address), void *arg)
{
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!result && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			result = visit(arg, entry->d_name);
	closedir(dir);
	return result;
}
