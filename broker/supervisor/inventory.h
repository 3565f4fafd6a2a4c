/* SPDX-License-Identifier: MIT */
/*
 * The devices of this host. On the model: edu0, edu1, … at 0000:00:05.0 and up, each with a memfd that is the device's
 * own state, the hardware so to speak. Its content is the helper's business; here it is a number of bytes. On the kernel
 * backend nothing is listed yet.
 */
#ifndef IOMMUB_SUPERVISOR_INVENTORY_H
#define IOMMUB_SUPERVISOR_INVENTORY_H

#include <sys/queue.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/common/control.h"
#include "broker/supervisor/lease.h"
#include "policy/policy.h"

#define MODEL_STATE_BYTES 16384u /* EDU_STATE_BYTES; the helper refuses any other size */
#define MODEL_VENDOR 0x1234u
#define MODEL_DEVICE 0x11e8u

struct session_proc;
struct supervisor;

struct device {
	uint32_t index;
	char name[CONTROL_NAME_MAX];
	char address[16];
	uint16_t vendor, device;
	int group; /* IOMMU group; -1: none, a device of the model */
	char node[32]; /* "vfio3", below /dev/vfio/devices; empty: a device of the model */
	uint32_t node_major, node_minor;
	int fd; /* what a session is granted a duplicate of; -1: none yet */
	int fresh_fd; /* the state that a running reset is making; -1: none */
	struct lease lease;
	TAILQ_HEAD(waiting_list, session_proc)
	waiting; /* sessions whose open waits for the reset to end */
	struct supervisor *supervisor;
};

struct inventory {
	struct device *devices;
	size_t count;
};

int inventory_open_model(unsigned int count, struct supervisor *supervisor, struct inventory *ret);
void inventory_close(struct inventory *inventory);

struct policy_device_facts device_facts(const struct device *device);

/* The device that this tenant knows by this name or PCI address, with the policy's entry; NULL if there is none that the
 * policy lets it have. */
struct device *inventory_find(const struct inventory *inventory, const struct policy_tenant *tenant,
	const char *name, const struct policy_device **ret_entry);

/* Facts for a session: named as its tenant knows the device. */
void device_describe(const struct device *device, const struct policy_device *entry,
	uint64_t session, struct control_device *ret);

#endif
