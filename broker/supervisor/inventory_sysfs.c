/* SPDX-License-Identifier: MIT */
/*
 * Merging what sysfs lists into places that stay. Each look marks what it sees; what it did not see has gone. A place is
 * found by the device's address, since that is what policies and people name; a device whose node changed at the same
 * address was unbound and bound again, which is a departure and an arrival.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/supervisor/inventory.h"

int inventory_open_sysfs(const char *root, struct supervisor *supervisor, struct inventory *ret)
{
	struct inventory inventory = {.supervisor = supervisor};
	int error;

	inventory.sysfs_fd = pci_directory_open(root);
	if (inventory.sysfs_fd < 0)
		return inventory.sysfs_fd;
	/* Never moved, since sessions and helpers point into it; the kernel gives pages when they are touched. */
	inventory.devices = calloc(INVENTORY_DEVICES_MAX, sizeof(*inventory.devices));
	if (!inventory.devices) {
		close(inventory.sysfs_fd);
		return -ENOMEM;
	}
	error = inventory_refresh(&inventory);
	if (error && error != -ENOSPC) {
		inventory_close(&inventory);
		return error;
	}
	*ret = inventory;
	return 0;
}

/* Nobody would miss it. */
static bool place_is_free(const struct device *device)
{
	return !device->present && TAILQ_EMPTY(&device->waiting) && device->fd < 0 &&
	       (device->lease.state == DEVICE_STATE_FREE ||
		       device->lease.state == DEVICE_STATE_QUARANTINED);
}

static struct device *place_find(struct inventory *inventory, const char *address)
{
	struct device *free_place = NULL;

	for (size_t i = 0; i < inventory->count; i++) {
		struct device *device = &inventory->devices[i];

		if (strcmp(device->address, address) == 0)
			return device;
		if (!free_place && place_is_free(device))
			free_place = device;
	}
	if (inventory->count < INVENTORY_DEVICES_MAX)
		return &inventory->devices[inventory->count++];
	return free_place;
}

static void arrive(
	const struct inventory *inventory, struct device *device, const struct pci_facts *facts)
{
	const bool same = strcmp(device->address, facts->address) == 0;

	if (!same) {
		memset(device, 0, sizeof(*device));
		device->fd = device->fresh_fd = -1;
		device->supervisor = inventory->supervisor;
		TAILQ_INIT(&device->waiting);
	}
	/* Somebody's even now: the lease ends as every lease does, with a sweep and a reset. */
	if (!same || device->lease.state == DEVICE_STATE_FREE ||
		device->lease.state == DEVICE_STATE_QUARANTINED) {
		lease_init(&device->lease);
		device->arrived = true;
	}
	device->index = (uint32_t)(device - inventory->devices);
	(void)snprintf(device->name, sizeof(device->name), "%s", facts->address);
	(void)snprintf(device->address, sizeof(device->address), "%s", facts->address);
}

struct look {
	struct inventory *inventory;
	int error;
};

static int look_at(void *arg, const char *address)
{
	struct look *look = arg;
	struct pci_facts facts;
	struct device *device;

	if (pci_facts_read(look->inventory->sysfs_fd, address, &facts))
		return 0;
	device = place_find(look->inventory, facts.address);
	if (!device) {
		look->error = -ENOSPC;
		return 0;
	}
	if (!device->present || strcmp(device->pci.node, facts.node) != 0)
		arrive(look->inventory, device, &facts);
	device->pci = facts;
	device->vendor = facts.vendor;
	device->device = facts.device;
	device->present = true;
	return 0;
}

/* Before looking: what was not seen when it ends is gone. In a place of its own, so that `present` never says no of a
 * device that is there. */
static void forget_absent(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->count; i++) {
		struct device *device = &inventory->devices[i];
		struct pci_facts facts;

		if (device->present &&
			pci_facts_read(inventory->sysfs_fd, device->address, &facts) == -ENOENT)
			device->present = false;
	}
}

int inventory_refresh(struct inventory *inventory)
{
	struct look look = {.inventory = inventory};
	int error;

	if (inventory->sysfs_fd < 0)
		return 0;
	forget_absent(inventory);
	error = pci_walk(inventory->sysfs_fd, look_at, &look);
	return error ? error : look.error;
}

bool device_node_is_current(const struct inventory *inventory, const struct device *device)
{
	struct pci_facts facts;

	return pci_facts_read(inventory->sysfs_fd, device->address, &facts) == 0 &&
	       strcmp(facts.node, device->pci.node) == 0 && facts.major == device->pci.major &&
	       facts.minor == device->pci.minor;
}

const char *device_reset_kind(const struct device *device, char *buffer, size_t bytes)
{
	size_t length = strcspn(device->pci.reset_method, " ");

	if (length == 0 || length >= bytes)
		return "none";
	memcpy(buffer, device->pci.reset_method, length);
	buffer[length] = '\0';
	return buffer;
}
