/* SPDX-License-Identifier: MIT */
/*
 * QEMU's `edu` teaching device (1234:11e8), as the model's default device.
 *
 * The device's state (registers, its 4096-byte buffer, PCI configuration space) lies in a
 * page-multiple memory area that the caller gives, usually a memfd: the memfd is "the hardware". It
 * outlives the session that drives it, so a reset between two tenants is a real act with a real
 * effect, and without one the next tenant would read what the previous left, as on the real device.
 * The state of a device that another process wrote is hostile: every offset and count in it is read
 * once and checked at each use. (The caller sees to it that the area cannot shrink under the
 * mapping.)
 *
 * DMA and interrupts go through callbacks. A transfer completes within the register write that
 * starts it (on QEMU a timer takes 100 ms; clients poll the command's run bit or wait for the
 * interrupt and see no difference).
 *
 * BAR0:
 *   0x00 r   identification 0x010000ed         0x60 w   raise these bits of the interrupt status
 *   0x04 rw  liveness: reads back inverted     0x64 w   acknowledge (clear) them
 *   0x08 rw  factorial: write n, read n!       0x80 rw  DMA source
 *            modulo 2^32                       0x88 rw  DMA destination
 *   0x20 rw  status: 0x01 computing (never     0x90 rw  DMA count, bytes
 *            seen: it takes no time), 0x80     0x98 rw  DMA command: 0x1 run (reads 0 when done),
 *            interrupt after a factorial                0x2 device to memory, 0x4 interrupt
 *   0x24 r   interrupt status: 0x001 factorial, 0x100 DMA, others as raised
 * Below 0x80 only accesses of 4 bytes, from there 4 or 8, as on QEMU; all else reads as ones and
 * writes nothing.
 *
 * A transfer, device to memory or back, completes always: the run bit goes, the interrupt that was
 * asked for comes. It moves its bytes, or none and leaves the buffer as it was:
 *   - if bus mastering is off in the PCI command register (the callback is not called);
 *   - if [address, address + count) is not within the device's buffer at 0x40000 (refused, the
 *     callback is not called; QEMU aborts when a transfer touches the buffer's last byte, the model
 *     does not);
 *   - if the callback fails: a DMA fault. Like real hardware the device does not tell; the IOMMU's
 *     log does, which on the model is iommufd_sim_device_faults().
 * The bus address is masked to 28 bits, once, at its start.
 *
 * The interrupt: with MSI on, one message per raise, lost if bus mastering is off (it is a memory
 * write); else INTx, a level that stays while the interrupt status is not 0 (unless the command
 * register disables it).
 */
#ifndef IOMMUB_SIM_EDU_H
#define IOMMUB_SIM_EDU_H

#include <stdbool.h>
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

#define EDU_IDENTIFICATION 0x010000edu
enum edu_register {
	EDU_REG_IDENTIFICATION = 0x00,
	EDU_REG_LIVENESS = 0x04,
	EDU_REG_FACTORIAL = 0x08,
	EDU_REG_STATUS = 0x20,
	EDU_REG_IRQ_STATUS = 0x24,
	EDU_REG_IRQ_RAISE = 0x60,
	EDU_REG_IRQ_ACK = 0x64,
	EDU_REG_DMA_SOURCE = 0x80,
	EDU_REG_DMA_DESTINATION = 0x88,
	EDU_REG_DMA_COUNT = 0x90,
	EDU_REG_DMA_COMMAND = 0x98
};
#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ 0x80u
#define EDU_DMA_RUN 0x1u
#define EDU_DMA_TO_MEMORY 0x2u
#define EDU_DMA_IRQ 0x4u
#define EDU_IRQ_FACTORIAL 0x001u
#define EDU_IRQ_DMA 0x100u

struct edu_ops {
	int (*dma_read)(void *arg, uint64_t iova, void *buffer, size_t bytes); /* 0 or -EFAULT */
	int (*dma_write)(void *arg, uint64_t iova, const void *buffer, size_t bytes);
	void (*interrupt)(void *arg); /* an MSI, or INTx went up or is raised again */
};

struct edu {
	void *state; /* EDU_STATE_BYTES, mapped shared by the caller */
	const struct edu_ops *ops;
	void *arg;
};

/* What a power-on gives: registers at their defaults, buffer zero, bus mastering off. */
void edu_state_init(void *state);
/* The same on a device in use: what is promised between tenants. */
void edu_reset(struct edu *edu);
/* Registers and buffer as at power-on, the configuration space kept: what VFIO_DEVICE_RESET shows,
 * since the kernel saves and restores it around the reset. */
void edu_reset_function(struct edu *edu);

/* Register access in BAR0 (bytes 4 or 8 as on QEMU; others read as all ones and write nothing) and
 * configuration space (1, 2 or 4 bytes). -EINVAL outside the region; -EIO for BAR0 while memory
 * decoding is off in the PCI command register (as vfio-pci answers; it hands the device out with
 * decoding on). */
int edu_bar0_read(struct edu *edu, uint64_t offset, void *buffer, size_t bytes);
int edu_bar0_write(struct edu *edu, uint64_t offset, const void *buffer, size_t bytes);
int edu_config_read(struct edu *edu, uint64_t offset, void *buffer, size_t bytes);
int edu_config_write(struct edu *edu, uint64_t offset, const void *buffer, size_t bytes);

/* MSI on or off. Not by a write to the configuration space: there the bit is read-only, because
 * behind VFIO the host owns it and sets it when an eventfd is given to the MSI index. */
void edu_msi_enable(struct edu *edu, bool enable);
/* Whether the INTx line is up. */
bool edu_intx_level(const struct edu *edu);

#endif
