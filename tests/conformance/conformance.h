/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: the promises of /dev/iommu, one case each, whose names are sentences.
 *
 * A case speaks to whatever is under test only by the seam below; target_model.c is the model, target_kernel.c a
 * real /dev/iommu (which cannot tell all, so that cases that ask for more are skipped there). Each case starts with a
 * fresh context and no devices, and leaves what it likes: the fixture takes it down and sees that nothing is left.
 */
#ifndef IOMMUB_CONFORMANCE_H
#define IOMMUB_CONFORMANCE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "include/iommufd_uapi.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)

#define CASE(sentence, function)                                                                   \
	{                                                                                          \
		(sentence), (function), case_setup, case_teardown, NULL                            \
	}

/* ---- The seam ---- */

struct target_usage {
	uint64_t objects, mappings, pinned_bytes, files;
};

int target_begin(void);
void target_end(void);
/* As open(2), close(2), ioctl(2), but answer -errno. */
int conformance_open(void);
int conformance_device_open(uint32_t group, uint32_t address_bits);
int conformance_close(int fd);
int conformance_ioctl(int fd, unsigned long cmd, void *arg);
/* One byte of DMA by the device: 0 or -EFAULT. */
int target_dma_read(int device, uint64_t iova, uint8_t *byte);
int target_dma_write(int device, uint64_t iova, uint8_t byte);
/* At most so many bytes pinned from here on. */
void target_memlock(uint64_t bytes);
/* Does the target tell what it holds? If not, target_usage() is not to be called. */
bool target_has_usage(void);
struct target_usage target_usage(int fd);

#define assert_usage(fd, field, expected)                                                          \
	do {                                                                                       \
		if (target_has_usage())                                                            \
			assert_int_equal(target_usage(fd).field, expected);                        \
	} while (0)

/* ---- The fixture ---- */

extern int ctx; /* the fresh context of the case */
int case_setup(void **state);
int case_teardown(void **state);

#define R IOMMU_IOAS_MAP_READABLE
#define W IOMMU_IOAS_MAP_WRITEABLE
#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA

uint32_t new_ioas(void);
int destroy(uint32_t id);
int memfd_of(uint64_t bytes); /* closed by the fixture */
uint8_t *memory_of(uint64_t bytes); /* likewise unmapped */
int device_of(
	uint32_t group, uint32_t address_bits); /* opened and bound to ctx; closed by the fixture */
int bind_to(int device, int context, uint32_t *ret_id);
int attach(int device, uint32_t *pt_id);
int detach(int device);
/* *iova is in and out. */
int map_user(uint32_t ioas, uint32_t flags, const void *memory, uint64_t length, uint64_t *iova);
int map_file(
	uint32_t ioas, uint32_t flags, int fd, uint64_t start, uint64_t length, uint64_t *iova);
int map_at(uint32_t ioas, uint64_t iova, uint64_t length); /* R|W, fixed, of a fresh memfd */
int copy(uint32_t to, uint32_t from, uint32_t flags, uint64_t src, uint64_t length, uint64_t *dst);
int unmap(uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *ret_unmapped);
int allow(uint32_t ioas, const struct iommu_iova_range *ranges, uint32_t count);

/* ---- The groups of cases ---- */

int run_dispatch_cases(void);
int run_ioas_cases(void);
int run_map_cases(void);
int run_copy_cases(void);
int run_unmap_cases(void);
int run_device_cases(void);

#endif
