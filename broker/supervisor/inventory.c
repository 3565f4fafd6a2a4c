/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/inventory.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_SLOT_FIRST 5u /* where QEMU puts the first extra device; 31 slots a bus */

int inventory_open_model(unsigned int count, struct supervisor *supervisor, struct inventory *ret)
{
	struct device *devices = calloc(count ? count : 1, sizeof(*devices));

	if (!devices)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		struct device *device = &devices[i];
		unsigned int slot = MODEL_SLOT_FIRST + i;

		device->index = i;
		device->fd = device->fresh_fd = -1;
		device->vendor = MODEL_VENDOR;
		device->device = MODEL_DEVICE;
		device->supervisor = supervisor;
		device->present = true;
		(void)snprintf(device->name, sizeof(device->name), "edu%u", i);
		(void)snprintf(device->address, sizeof(device->address), "0000:%02x:%02x.0",
			(slot / 32) & 0xffu, slot % 32);
		lease_init(&device->lease);
		TAILQ_INIT(&device->waiting);
	}
	*ret = (struct inventory){
		.devices = devices, .count = count, .sysfs_fd = -1, .supervisor = supervisor};
	return 0;
}

void inventory_close(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->count; i++) {
		if (inventory->devices[i].fd >= 0)
			close(inventory->devices[i].fd);
		if (inventory->devices[i].fresh_fd >= 0)
			close(inventory->devices[i].fresh_fd);
		if (inventory->devices[i].probe_timer)
			event_free(inventory->devices[i].probe_timer);
		if (inventory->devices[i].turn_timer)
			event_free(inventory->devices[i].turn_timer);
	}
	/* A struct of zeros was never opened, and fd 0 is not its. */
	if (inventory->devices && inventory->sysfs_fd >= 0)
		close(inventory->sysfs_fd);
	free(inventory->devices);
	*inventory = (struct inventory){.sysfs_fd = -1};
}

struct policy_device_facts device_facts(const struct device *device)
{
	return (struct policy_device_facts){.name = device->name,
		.address = device->address,
		.vendor = device->vendor,
		.device = device->device};
}

struct device *inventory_find(const struct inventory *inventory, const struct policy_tenant *tenant,
	const char *name, const struct policy_device **ret_entry)
{
	for (size_t i = 0; i < inventory->count; i++) {
		struct device *device = &inventory->devices[i];
		struct policy_device_facts facts = device_facts(device);
		const struct policy_device *entry =
			device->present ? policy_match_device(tenant, &facts) : NULL;

		if (!entry || (strcmp(name, policy_device_name(entry, &facts)) != 0 &&
				      strcmp(name, device->address) != 0))
			continue;
		*ret_entry = entry;
		return device;
	}
	return NULL;
}

void device_describe(const struct device *device, const struct policy_device *entry,
	uint64_t session, struct control_device *ret)
{
	struct policy_device_facts facts = device_facts(device);

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%s", policy_device_name(entry, &facts));
	(void)snprintf(ret->address, sizeof(ret->address), "%s", device->address);
	ret->index = device->index;
	ret->vendor = device->vendor;
	ret->device = device->device;
	ret->state = (uint32_t)device->lease.state;
	ret->mine = device->lease.state == DEVICE_STATE_GRANTED && device->lease.session == session;
}
