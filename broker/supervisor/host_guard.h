/* SPDX-License-Identifier: MIT */
/*
 * What the broker refuses of a host, since there its promises would be empty, whatever the policy grants:
 *
 *      noiommu              nothing translates the device's DMA: it reaches all memory
 *      unsafe interrupts    a device can raise any interrupt of the host by a write
 *      open nodes           whoever can open /dev/iommu, /dev/vfio/vfio (which may be an iommufd too), a group's node or
 *                           a device's node needs no broker
 *
 * Looked at before anybody is served, and again, for one device, before each grant: modules get parameters and nodes get
 * modes while we run. `host.allow_…` in the policy lets each of them pass. Paths are below a root, so that tests have
 * hosts of their own making.
 */
#ifndef IOMMUB_SUPERVISOR_HOST_GUARD_H
#define IOMMUB_SUPERVISOR_HOST_GUARD_H

#include <stddef.h>

#include "broker/supervisor/sysfs_pci.h"
#include "policy/policy.h"

#define HOST_GUARD_MAX 512u

struct host_guard_error {
	char text[HOST_GUARD_MAX]; /* what is wrong with what, and what to do */
};

/* The whole host. 0; -EPERM with a sentence; -errno, also with a sentence, if it cannot be seen. */
int host_guard_start(
	const char *root, const struct policy_host *host, struct host_guard_error *error);

/* This device, now. The same. */
int host_guard_device(const char *root, const struct policy_host *host,
	const struct pci_facts *device, struct host_guard_error *error);

#endif
