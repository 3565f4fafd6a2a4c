/* SPDX-License-Identifier: MIT */
/*
 * Files mapped into this process, for kernels that can only map addresses (before Linux 6.13 there
 * is no IOAS_MAP_FILE).
 *
 * IOAS_MAP takes an address. The kernel pins the pages behind it when the IOAS gets its first
 * domain, that is perhaps much later, at an ATTACH, and it pins them by that address: so a window
 * must stay where it is for as long as any area of any IOAS was made from it. IOAS_COPY shares the
 * source's pages, by the same address, so a copy refers to the same window as its source.
 *
 *      area (ioas 1, iova 0x0000..0x0fff) ──┐
 *      area (ioas 2, iova 0x5000..0x5fff) ──┴──> window: an mmap of a piece of a file; 2 references
 *
 * The index follows what the ioctls said that they did. Where one failed half-way (UNMAP's ENOENT)
 * it may still hold areas that are gone: a later area at the same place shows that, and replaces
 * them. A window that is kept too long costs address space; one that goes too early would have the
 * kernel pin whatever is mapped there next.
 */
#ifndef IOMMUB_SESSION_FILE_WINDOWS_H
#define IOMMUB_SESSION_FILE_WINDOWS_H

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_window;
struct file_area;

struct file_windows {
	RB_HEAD(file_areas, file_area) areas; /* by IOAS, then IOVA; disjoint within one */
};

void file_windows_init(struct file_windows *windows);
/* Every area and every window. */
void file_windows_deinit(struct file_windows *windows);
bool file_windows_empty(const struct file_windows *windows);

/* Map [offset, offset+length) of a file; *ret_address is where `offset` is. One reference is the
 * caller's. */
int file_window_new(int fd, uint64_t offset, uint64_t length, bool writeable,
	struct file_window **ret, uint64_t *ret_address);
void file_window_unref(struct file_window *window);

/* [iova, iova+length) of this IOAS was made from a window. Cannot fail: without memory the window
 * simply stays. */
void file_windows_mapped(struct file_windows *windows, uint32_t ioas, uint64_t iova,
	uint64_t length, struct file_window *window);
void file_windows_copied(struct file_windows *windows, uint32_t dst_ioas, uint64_t dst_iova,
	uint32_t src_ioas, uint64_t src_iova, uint64_t length);
/* Areas that lie wholly in the range are gone; length UINT64_MAX from 0: all. */
void file_windows_unmapped(
	struct file_windows *windows, uint32_t ioas, uint64_t iova, uint64_t length);
/* An object was destroyed: if it was an IOAS, its areas went with it. */
void file_windows_destroyed(struct file_windows *windows, uint32_t id);

#endif
