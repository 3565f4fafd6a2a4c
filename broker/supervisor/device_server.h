/* SPDX-License-Identifier: MIT */
/*
 * Devices on request: the acts that follow from lease.c's decisions while a session lives. What happens to a device
 * afterwards is in device_life.c.
 *
 * Between two owners a device of the model gets a new memory: the supervisor makes a fresh memfd, a helper fills it with
 * what a reset leaves, and only then is it the device's. Whoever still maps the old memory, a compromised session say,
 * maps nobody's device.
 *
 * A real device is opened by a helper, since that may take a while; the session gets the fd, and binds it to its context.
 * We keep a duplicate: with it we can detach the device, whoever holds it. It must not be bound to two contexts of which
 * one is another session's, so the whole group of a device is one session's at a time.
 *
 * An open that finds the device being reset waits for the end of it, one per session; then the first in line gets it
 * and the others are told that it is in use.
 */
#ifndef IOMMUB_SUPERVISOR_DEVICE_SERVER_H
#define IOMMUB_SUPERVISOR_DEVICE_SERVER_H

#include <stdint.h>

#define DEVICE_OPEN_MS 60000
#define DEVICE_DETACH_MS 600000 /* it may wait for a MAP of all that a tenant may pin */

struct device;
struct session_proc;
struct supervisor;

void device_open(struct session_proc *session, const char *name, uint64_t serial);
void device_release(struct session_proc *session, uint32_t index);
void device_list(struct session_proc *session, uint64_t serial);

/* A session has been reaped: it waits for nothing any more. */
void devices_session_gone(struct session_proc *session);

/* The state of a device is decided: whoever waited is answered, in order. */
void device_waiting_answer(struct device *device);

#endif
