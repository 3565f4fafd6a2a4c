/* SPDX-License-Identifier: MIT */
/*
 * The policy's program between two tenants: for what a reset leaves in a device, or where there is none.
 *
 * Which one is settled when the device is lent, and copied then: the program of the entry by which it was lent. Of a
 * device that somebody whom we do not know may have had, a tenant of a former supervisor say, it is the first in the
 * policy's order that fits the device: no such device is lent before it has been run either.
 *
 * It ends with 0 within DEVICE_SCRUB_MS, or has failed, and then the device is out of service. When it has ended, whatever it
 * left running is killed (helper_task.c): it may have the device open.
 */
#ifndef IOMMUB_SUPERVISOR_DEVICE_SCRUB_H
#define IOMMUB_SUPERVISOR_DEVICE_SCRUB_H

#include "broker/supervisor/helper_task.h"
#include "broker/supervisor/inventory.h"

#define DEVICE_SCRUB_MS 60000

/* Lent by this entry: remember its program, or that it has none. */
void device_scrub_take(struct device *device, const struct policy_device *entry);

/* Nobody knows whose it was: the policy's first program for it, and the lease told of it. */
void device_scrub_unknown(struct device *device);

/* 0, and done() comes with `device` later; or -errno. */
int device_scrub_start(struct device *device, helper_done done);

#endif
