/* SPDX-License-Identifier: MIT */
/*
 * The client's side of vfio-user as far as an `edu` needs it, written apart from libiommubroker's:
 * two readings of one protocol seldom err alike. Failures fail the running test, except where a
 * call returns an error.
 */
#ifndef HARNESS_VFIO_USER_RAW_H
#define HARNESS_VFIO_USER_RAW_H

#include <stddef.h>
#include <stdint.h>

#define RAW_REGION_BAR0 0u
#define RAW_REGION_CONFIG 7u
#define RAW_IRQ_MSI 1u

/* What edu's DMA command takes. */
#define RAW_EDU_RUN 1u
#define RAW_EDU_FROM_DEVICE 2u /* device -> memory */
#define RAW_EDU_IRQ 4u
#define RAW_EDU_BUFFER 0x40000u

/* Agree on a version. */
void raw_device_open(int fd);
/* 0, or the positive errno of the server's reply. */
int raw_region_read(int fd, uint32_t region, uint64_t offset, void *buffer, uint32_t bytes);
int raw_region_write(int fd, uint32_t region, uint64_t offset, const void *buffer, uint32_t bytes);
int raw_reset(int fd);
int raw_irq_eventfd(int fd, uint32_t index, int eventfd);

/* edu: let it master the bus; move bytes between an IOVA and its buffer, waiting for the end of the
 * transfer. */
void raw_edu_start(int fd);
void raw_edu_dma(int fd, uint64_t iova, uint64_t buffer_offset, uint64_t bytes, uint32_t command);

#endif
