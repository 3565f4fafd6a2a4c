/* SPDX-License-Identifier: MIT */
/*
 * One helper at a time in a group. A probe, a reset and a scrub program BIND their device to a context of their own, and the
 * kernel lets a whole IOMMU group into one context only: to another it says EPERM, which of a program would be a failure
 * like any other. So each of them takes its group's turn first, and gives it back when it has ended.
 */
#ifndef IOMMUB_SUPERVISOR_GROUP_TURN_H
#define IOMMUB_SUPERVISOR_GROUP_TURN_H

#include <stdbool.h>

struct device;

/* Is it this device's turn? If not, again() is called in a while, from the loop, to ask once more; never after
 * devices_stop(). It is also told yes where there is no memory to wait. */
bool group_turn_take(struct device *device, void (*again)(struct device *device));
void group_turn_end(struct device *device);

#endif
