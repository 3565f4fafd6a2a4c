/* SPDX-License-Identifier: MIT */
/*
 * Devices on request: the acts that follow from lease.c's decisions.
 *
 * Between two owners a device of the model gets a new memory: the supervisor makes a fresh memfd, a helper fills it with
 * what a reset leaves, and only then is it the device's. Whoever still maps the old memory, a compromised session say,
 * maps nobody's device.
 *
 * An open that finds the device being reset waits for the end of it, one per session; then the first in line gets it
 * and the others are told that it is in use.
 */
#ifndef IOMMUB_SUPERVISOR_DEVICE_SERVER_H
#define IOMMUB_SUPERVISOR_DEVICE_SERVER_H

#include <stdint.h>

#define DEVICE_RESET_MS 60000 /* what a reset may take before it counts as failed */

struct session_proc;
struct supervisor;

/* Begin with every device being reset. */
void devices_start(struct supervisor *supervisor);

void device_open(struct session_proc *session, const char *name, uint64_t serial);
void device_release(struct session_proc *session, uint32_t index);
void device_list(struct session_proc *session, uint64_t serial);

/* A session has been reaped: what it had is taken back. */
void devices_session_gone(struct supervisor *supervisor, struct session_proc *session);

#endif
