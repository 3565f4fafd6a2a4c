/* SPDX-License-Identifier: MIT */
/*
 * QEMU's `edu` teaching device (1234:11e8), as the model's default device.
 *
 * The device's state (registers, its 4096-byte buffer, PCI configuration space) lies in a page-multiple memory area that
 * the caller gives, usually a memfd: the memfd is "the hardware". It outlives the session that drives it, so a reset
 * between two tenants is a real act with a real effect, and without one the next tenant would read what the previous
 * left, as on the real device. The state of a device that another process wrote is hostile: every offset and count in it
 * is checked at each use.
 *
 * DMA and interrupts go through callbacks. A transfer completes within the register write that starts it (on QEMU a
 * timer takes 100 ms; clients poll the command's run bit or wait for the interrupt and see no difference).
 */
#ifndef IOMMUB_SIM_EDU_H
#define IOMMUB_SIM_EDU_H

#include <stddef.h>
#include <stdint.h>

#define EDU_VENDOR 0x1234u
#define EDU_DEVICE 0x11e8u
#define EDU_STATE_BYTES 16384u /* size of the state area */
#define EDU_BAR0_BYTES (1u << 20)
#define EDU_CONFIG_BYTES 256u
#define EDU_BUFFER_ADDRESS 0x40000u /* where the buffer lies in the device's own address space */
#define EDU_BUFFER_BYTES 4096u
#define EDU_DMA_MASK ((UINT64_C(1) << 28) - 1)

struct edu_ops {
	int (*dma_read)(void *arg, uint64_t iova, void *buffer, size_t bytes); /* 0 or -EFAULT */
	int (*dma_write)(void *arg, uint64_t iova, const void *buffer, size_t bytes);
	void (*interrupt)(void *arg); /* MSI edge (or INTx raise): signal the eventfd, if there is one */
};

struct edu {
	void *state; /* EDU_STATE_BYTES, mapped shared by the caller */
	const struct edu_ops *ops;
	void *arg;
};

/* What a power-on gives: registers at their defaults, buffer zero, bus mastering off. */
void edu_state_init(void *state);
/* A function-level reset: the same as power-on, which is what is promised between tenants. */
void edu_reset(struct edu *edu);

/* Register access in BAR0 (bytes 4 or 8 as on QEMU; others read as all ones and write nothing) and configuration space
 * (1, 2 or 4 bytes). -EINVAL outside the region. */
int edu_bar0_read(struct edu *edu, uint64_t offset, void *buffer, size_t bytes);
int edu_bar0_write(struct edu *edu, uint64_t offset, const void *buffer, size_t bytes);
int edu_config_read(struct edu *edu, uint64_t offset, void *buffer, size_t bytes);
int edu_config_write(struct edu *edu, uint64_t offset, const void *buffer, size_t bytes);

#endif
