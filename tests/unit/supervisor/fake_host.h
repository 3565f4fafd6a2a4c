/* SPDX-License-Identifier: MIT */
/* A host of a test's own making: /sys and /dev below a new directory. Paths begin with a slash. */
#ifndef IOMMUB_TESTS_UNIT_SUPERVISOR_FAKE_HOST_H
#define IOMMUB_TESTS_UNIT_SUPERVISOR_FAKE_HOST_H

#include <sys/types.h>

struct fake_host {
	char root[64];
};

void fake_host_open(struct fake_host *host);
void fake_host_close(struct fake_host *host);

/* Directories above are made. An existing file is replaced. */
void fake_file(const struct fake_host *host, const char *path, const char *text, mode_t mode);
void fake_link(const struct fake_host *host, const char *path, const char *target);
void fake_remove(const struct fake_host *host, const char *path);

/* A PCI device 8086:10d3 of class 0x020000 in that group, which vfio-pci has as node vfioMINOR. */
void fake_device(const struct fake_host *host, const char *address, int group, int minor);
/* One attribute of it. */
void fake_attribute(
	const struct fake_host *host, const char *address, const char *name, const char *text);

#endif
