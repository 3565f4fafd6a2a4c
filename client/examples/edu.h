/* SPDX-License-Identifier: MIT */
/*
 * QEMU's teaching device `edu`, as its driver sees it: a buffer of 4096 bytes inside the device, and an engine that copies between that buffer
 * and an IOVA.
 *
 * The device itself and the broker's model of it behave alike, but for time: a transfer takes 100 ms on QEMU and none on the model. A transfer that
 * touches the last byte of the buffer would abort QEMU, so none is longer than EDU_BLOCK_BYTES from the buffer's start. Bus addresses have
 * 28 bits.
 */
#ifndef EDU_H
#define EDU_H

#include <stdint.h>
#include <iommubroker/device.h>

#define EDU_BLOCK_BYTES 2048u
#define EDU_IOVA_LAST UINT64_C(0xfffffff)

struct edu {
	struct iommub_device *device;
	int eventfd; /* signalled by its MSI; -1: not set up */
};

/* Is it an edu that answers? Turns bus mastering and its MSI on. 0 or -errno with *why. */
int edu_start(struct edu *edu, struct iommub_device *device, const char **why);
void edu_stop(struct edu *edu);

enum edu_direction { EDU_FROM_MEMORY, EDU_TO_MEMORY };

/* Copy `bytes` between the start of the device's buffer and `iova`, and wait for the interrupt. 0, -ETIMEDOUT: no interrupt within 5 s; -errno. */
int edu_copy(struct edu *edu, enum edu_direction direction, uint64_t iova, uint32_t bytes);

#endif
