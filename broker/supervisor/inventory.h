/* SPDX-License-Identifier: MIT */
/*
 * The devices of this host. On the model: edu0, edu1, … at 0000:00:05.0 and up, each with a memfd that is the device's
 * own state, the hardware so to speak. Its content is the helper's business; here it is a number of bytes.
 *
 * On the kernel backend: the PCI devices that a VFIO driver has, as sysfs lists them at the moment of the last
 * inventory_refresh(); whoever lists or lends refreshes before. Devices come and go, their places stay: an index and a
 * pointer mean the same device until nobody has it, nobody waits for it and it has left the host. What went and came
 * back has its old place, and a lease that begins anew: it may have been anywhere.
 */
#ifndef IOMMUB_SUPERVISOR_INVENTORY_H
#define IOMMUB_SUPERVISOR_INVENTORY_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/common/control.h"
#include "broker/supervisor/helper_protocol.h"
#include "broker/supervisor/lease.h"
#include "broker/supervisor/sysfs_pci.h"
#include "policy/policy.h"

#define MODEL_STATE_BYTES 16384u /* EDU_STATE_BYTES; the helper refuses any other size */
#define MODEL_VENDOR 0x1234u
#define MODEL_DEVICE 0x11e8u

#define INVENTORY_DEVICES_MAX 1024u /* of the kernel backend; more than that are not lent */

struct event;
struct session_proc;
struct supervisor;
struct tenant;

struct device {
	uint32_t index;
	char name[CONTROL_NAME_MAX];
	char address[16];
	uint16_t vendor, device;
	int fd; /* what a session is granted a duplicate of; -1: none yet */
	int fresh_fd; /* the state that a running reset is making; -1: none */
	bool present; /* on the host, bound to a VFIO driver; on the model always */
	bool arrived; /* is new, or came back: its lease has just begun. For whoever starts its first reset to clear */
	struct pci_facts pci; /* kernel backend only */
	struct lease lease;
	uint64_t since_ms; /* in the lease's state */
	struct tenant *
		counted; /* whose limit it counts against: from the grant until nobody refers to it */
	struct session_proc *opening; /* waits for the helper that opens it */
	bool open_runs; /* that helper */
	bool releasing; /* given up by a session that goes on */
	uint64_t
		last_session; /* whose it was when it was cut, until it is lent again; 0: nobody's */
	pid_t peer_pid; /* who connected to the session that had it last */
	uid_t peer_uid;
	char scrub[HELPER_ARGUMENTS_BYTES]; /* the program that follows, as a helper takes it */
	enum reset_outcome reset_outcome; /* while that runs: of the reset before it */
	uint32_t pasid_bits; /* as the last probe found */
	struct event *probe_timer;
	unsigned int probe_wait_ms, probe_tries;
	bool has_turn; /* group_turn.h */
	struct event *turn_timer;
	void (*turn_again)(struct device *device);
	TAILQ_HEAD(waiting_list, session_proc)
	waiting; /* sessions whose open waits for the reset to end */
	struct supervisor *supervisor;
};

struct inventory {
	struct device *devices;
	size_t count;
	int sysfs_fd; /* kernel backend; -1 on the model */
	uint64_t look_after_ms; /* devices_look() before that time sees what it saw last */
	struct supervisor *supervisor;
};

int inventory_open_model(unsigned int count, struct supervisor *supervisor, struct inventory *ret);
/* The PCI devices below root ("/" or a test's) that a VFIO driver has. 0 or -errno. */
int inventory_open_sysfs(const char *root, struct supervisor *supervisor, struct inventory *ret);
/* Look again. A device that sysfs describes in a way that cannot be is as one that is not there. On the model nothing
 * happens. 0; -ENOSPC if there were more than INVENTORY_DEVICES_MAX (the others are there), or -errno. */
int inventory_refresh(struct inventory *inventory);
/* Is the device's node still what the inventory says? To be asked after an open has succeeded: the open file keeps the
 * node's number from being given to another device. */
bool device_node_is_current(const struct inventory *inventory, const struct device *device);
/* Of pci.reset_method: what the kernel tries first ("flr", "pm", "bus", …); "none". */
const char *device_reset_kind(const struct device *device, char *buffer, size_t bytes);

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
