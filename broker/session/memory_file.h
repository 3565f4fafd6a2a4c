/* SPDX-License-Identifier: MIT */
/*
 * A client's file as memory for DMA: what is checked of it, because the kernel does not, and what is held of it.
 *
 * Held: the file descriptor, for as long as its handle lives (a file that a map names directly is closed once it is
 * mapped), and, where devices may write to the file, one page of it mapped shared, for as long as the handle or any
 * mapping lives. That page is never touched. It is there because the kernel refuses F_SEAL_WRITE with EBUSY while such a
 * mapping exists: otherwise a client could seal a file that others trust never to change again, with DMA still on.
 */
#ifndef IOMMUB_SESSION_MEMORY_FILE_H
#define IOMMUB_SESSION_MEMORY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "broker/common/account.h"

struct call;
struct object;

struct memory_file {
	uint32_t references; /* the handle, and each struct pages */
	int fd; /* -1: closed, only its mappings live */
	bool writeable; /* a device may write to it */
	bool fallocates; /* opened so that fallocate() works */
	bool size_is_fixed; /* sealed: `bytes` cannot change */
	uint64_t bytes; /* size when it was looked at last */
	uint64_t block_bytes; /* of the file system: a page, or a hugepage */
	void *guard; /* the page that is held mapped, block_bytes long; NULL = not writeable */
	uint64_t filled_start, filled_end; /* a range that fallocate() has filled already */
	struct object *handle; /* the handle, whose users each struct pages counts; NULL = none */
};

/* Check an fd and make a struct memory_file with one reference of it. The fd becomes its own only on success. 0, or
 * -errno with the call's error said. */
int memory_file_new(struct call *call, int fd, bool writeable, struct memory_file **ret);
/* Give a reference back; with the last one the guard and the fd go. NULL is fine. */
void memory_file_unref(struct memory_file *file);

/* DMA is to write to this file: is it still unsealed? F_SEAL_FUTURE_WRITE, which no mapping keeps off, allows what is
 * mapped already and nothing new. -EACCES, naming `field`. */
int memory_file_check_seals(struct call *call, int fd, const char *field);
/* Does [offset, offset+length) lie in the file as it is now? */
int memory_file_check_range(
	struct call *call, struct memory_file *file, uint64_t offset, uint64_t length);
/* Have the file's owner pay for its pages before the kernel pins them. */
int memory_file_fill(struct call *call, struct memory_file *file, uint64_t offset, uint64_t length);

#endif
