/* SPDX-License-Identifier: MIT */
/* Real VFIO devices and a real iommufd, by their ioctls; what a test needs of them. Every error ends the program. */
#ifndef IOMMUB_TESTS_VM_VFIO_H
#define IOMMUB_TESTS_VM_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EDU_BUFFER 0x40000u

/* Say it and end, unless it holds. */
void need(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What must hold for a try to show anything: else the process ends with status 2, which asks for another try. */
void need_to_show(bool holds, const char *what);
double now_ms(void);

int vfio_open(const char *node);
/* 0 or -errno. */
int vfio_bind(int device, int iommufd);
int vfio_attach(int device, uint32_t pt_id);
int vfio_attach_pasid(int device, uint32_t pt_id, uint32_t pasid);
void vfio_bus_master(int device);
/* BAR 0, for reading and writing. */
volatile uint32_t *vfio_bar0(int device, size_t *ret_bytes);

int iommufd_open(void);
uint32_t ioas_new(int iommufd);
int ioas_map(int iommufd, uint32_t ioas, int memfd, uint64_t iova, uint64_t bytes);
int memfd_new(uint64_t bytes);

/* Ring edu's doorbell and wait until it has done: `bytes` from or to its buffer's start. */
void edu_transfer(volatile uint32_t *bar0, uint64_t iova, uint32_t bytes, bool to_memory);
/* The same from or to `offset` in it. A transfer that touches its last byte, 4095, aborts QEMU. */
void edu_transfer_at(
	volatile uint32_t *bar0, uint32_t offset, uint64_t iova, uint32_t bytes, bool to_memory);

#endif
