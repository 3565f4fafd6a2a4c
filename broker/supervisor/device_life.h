/* SPDX-License-Identifier: MIT */
/*
 * A device between two owners: from the moment that it is cut until it is free, or out of service.
 *
 *      cut ---> probe: does anybody refer to it? ---no---> reset, scrub ---> free
 *                 ^                      |yes                    \--> quarantined
 *                 +---- a while later ---+
 *
 * That a device is held nobody reports the end of: it is asked by a helper again and again, after PROBE_FIRST_MS, then
 * after twice the time before, up to PROBE_MOST_MS. A device of the model cannot be held: what somebody may still map is
 * its old memory, and a reset gives it a new one.
 *
 * A device counts against the tenant that had it until nobody refers to it.
 */
#ifndef IOMMUB_SUPERVISOR_DEVICE_LIFE_H
#define IOMMUB_SUPERVISOR_DEVICE_LIFE_H

#include "broker/supervisor/audit.h"
#include "broker/supervisor/helper_protocol.h"
#include "broker/supervisor/inventory.h"

#define DEVICE_RESET_MS 60000 /* what a reset may take before it counts as failed */
#define DEVICE_PROBE_MS 120000
#define LOOK_PARTS 5u
#define PROBE_FIRST_MS 20u
#define PROBE_MOST_MS 1000u

/* Begin with every device: of the model it is reset, a real one is probed first. */
void devices_start(struct supervisor *supervisor);

/* See what has come and gone since; before anything is lent or listed. Looking is not free on a host with many devices,
 * and a session may ask as often as it likes: so it takes at most one part in LOOK_PARTS of the loop's time. */
void devices_look(struct supervisor *supervisor);

/* Are all of them decided for the first time? */
bool devices_settled(const struct supervisor *supervisor);

/* Nothing of this goes on after helper_tasks_stop_work(). */
void devices_stop(struct supervisor *supervisor);

/* GRANTED to this session -> CUT, and on from there. Nothing if it is not that session's. Our duplicate of its fd is
 * closed, or with a helper that closes it last. */
void device_cut(struct device *device, uint64_t session, uint64_t after_ms);

/* A line of the audit about a device. */
void audit_device(const struct device *device, const struct session_proc *session,
	const char *event, enum audit_level level, const char *why);

/* Node and number for a helper that opens the device. */
void device_request_fill(const struct device *device, struct helper_request *request);

/* A device of the kernel's, not of the model? */
bool device_is_real(const struct device *device);

/* The lease has changed: its age begins. */
void device_changed(struct device *device);

#endif
