/* SPDX-License-Identifier: MIT */
/*
 * A real /dev/iommu as the target of the suite, with the devices whose nodes two environment variables list:
 *
 *      CONFORMANCE_NODES   each alone in its group      CONFORMANCE_GROUP   all of one group
 *
 * A kernel does not say what it has pinned, its devices have the address bits that they have, and no device here reads a
 * byte at an IOVA for us: a case that needs one of these is skipped at that point, after all that came before has held.
 */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned int used_alone, used_of_group;

int target_begin(void)
{
	used_alone = used_of_group = 0;
	return 0;
}

void target_end(void)
{
}

int conformance_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The nth word of a variable. */
static int node_open(const char *variable, unsigned int n)
{
	const char *words = getenv(variable);
	char path[64];
	int fd;

	if (!words)
		words = "";
	for (; n && *words; n--) {
		words += strcspn(words, " ");
		words += *words == ' ';
	}
	if (!*words)
		skip();
	(void)snprintf(
		path, sizeof(path), "/dev/vfio/devices/%.*s", (int)strcspn(words, " "), words);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int conformance_device_open(uint32_t group, uint32_t address_bits)
{
	if (address_bits)
		skip();
	/* A device that was closed may be opened again: two are enough for a case about a group. */
	return group ? node_open("CONFORMANCE_GROUP", used_of_group++ % 2)
		     : node_open("CONFORMANCE_NODES", used_alone++);
}

int conformance_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}

int conformance_ioctl(int fd, unsigned long cmd, void *arg)
{
	int result = ioctl(fd, cmd, arg);

	return result < 0 ? -errno : result;
}

int target_dma_read(int device, uint64_t iova, uint8_t *byte)
{
	(void)device;
	(void)iova;
	(void)byte;
	skip();
	return -EOPNOTSUPP;
}

int target_dma_write(int device, uint64_t iova, uint8_t byte)
{
	return target_dma_read(device, iova, &byte);
}

void target_memlock(uint64_t bytes)
{
	(void)bytes;
	skip();
}

bool target_has_usage(void)
{
	return false;
}

struct target_usage target_usage(int fd)
{
	(void)fd;
	return (struct target_usage){0};
}
