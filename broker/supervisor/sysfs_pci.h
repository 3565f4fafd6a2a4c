/* SPDX-License-Identifier: MIT */
/*
 * What sysfs says of one PCI device that a VFIO driver has: nothing here is opened, bound or written, and every answer
 * may be old a moment later. Paths are below a root directory, so that tests have hosts of their own making.
 */
#ifndef IOMMUB_SUPERVISOR_SYSFS_PCI_H
#define IOMMUB_SUPERVISOR_SYSFS_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/supervisor/helper_protocol.h"

#define PCI_ADDRESS_MAX 16u /* "0000:00:05.0", with the NUL */
#define PCI_RESET_MAX 64u

struct pci_facts {
	char address[PCI_ADDRESS_MAX];
	uint16_t vendor, device;
	uint32_t class_code; /* 0xBBSSPP */
	bool has_group;
	uint32_t group; /* of the IOMMU: what cannot be told apart by it */
	uint32_t group_members; /* devices in it, this one too */
	char physfn[PCI_ADDRESS_MAX]; /* of a VF: its PF; else empty */
	char node[HELPER_NODE_MAX]; /* "vfio3", below /dev/vfio/devices */
	uint32_t major, minor; /* of that node */
	bool noiommu; /* nothing would translate its DMA */
	char reset_method
		[PCI_RESET_MAX]; /* "flr bus", in the order in which the kernel tries; empty: none */
};

/* Where the devices are, below a root ("/" or a test's). An fd or -errno. */
int pci_directory_open(const char *root);

/* -ENOENT: no such device, or no VFIO node; -EINVAL: sysfs says what it never should. */
int pci_facts_read(int directory_fd, const char *address, struct pci_facts *ret);

/* Each address in the directory, in no order. Stops at the first answer that is not 0, which it returns. */
int pci_walk(int directory_fd, int (*visit)(void *arg, const char *address), void *arg);

#endif
