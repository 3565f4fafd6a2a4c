/* SPDX-License-Identifier: MIT */
/*
 * How an object of each type ends. Both DESTROY, which takes any id, and the operations of one type come here; each
 * checks that nobody uses the object, asks the kernel, and only then changes anything.
 */
#ifndef IOMMUB_SESSION_OBJECTS_H
#define IOMMUB_SESSION_OBJECTS_H

#include "broker/session/graph.h"

/* -EBUSY with the error said while the object has users. */
int object_check_unused(struct call *call, const struct object *object);

int memory_destroy(struct call *call, struct memory *memory); /* op_memory.c */
int ioas_destroy(struct call *call, struct ioas *ioas); /* op_ioas.c */
int hwpt_destroy(struct call *call, struct hwpt *hwpt); /* op_device.c */
int device_destroy(struct call *call, struct device *device); /* op_device.c */

/* op_device.c: this session's record of an attachment goes, and with its last user a page table that the kernel made. */
void device_forget_attachment(struct session *session, struct device *device);
/* op_device.c: without asking or checking: what teardown does. */
void device_end(struct session *session, struct device *device);

/* op_ioas.c: limit automatic allocation to the tenant's windows, as far as devices leave them usable now. 0 or -errno. */
int ioas_steer(struct session *session, struct ioas *ioas);
/* op_ioas.c: take that limit off, so that it is in no device's way. 0 or -errno. */
int ioas_unsteer(struct session *session, struct ioas *ioas);

#endif
