/* SPDX-License-Identifier: MIT */
/*
 * Memory that devices may reach. A client maps files, not addresses: it registers a memfd or a
 * hugepage file once, gets a memory handle, and maps ranges of it (map.h). The file is named by a
 * file descriptor, so what the client has mapped where is its own affair.
 *
 * For programs that think in addresses there is a registry: it remembers which addresses of this
 * process show which part of which handle, and iommub_map_va() looks there. It is this library's
 * own and the broker knows nothing of it. Ranges in it never overlap.
 */
#ifndef IOMMUBROKER_MEMORY_H
#define IOMMUBROKER_MEMORY_H

#include <iommubroker/conn.h>

IOMMUB_BEGIN_DECLS

/**
 * enum iommub_memory_flags - what kind of memory.
 * @IOMMUB_MEMORY_READ_ONLY: devices will only read it: the broker then needs no fd opened for
 * writing, and refuses mappings that devices may write to
 * @IOMMUB_MEMORY_HUGE: of the system's default huge page size (iommub_memory_create() only)
 * @IOMMUB_MEMORY_HUGE_2M: of 2 MiB pages (as above)
 * @IOMMUB_MEMORY_HUGE_1G: of 1 GiB pages (as above)
 */
enum iommub_memory_flags {
	IOMMUB_MEMORY_READ_ONLY = 1 << 0,
	IOMMUB_MEMORY_HUGE = 1 << 1,
	IOMMUB_MEMORY_HUGE_2M = 1 << 2,
	IOMMUB_MEMORY_HUGE_1G = 1 << 3
};

/**
 * struct iommub_memory_opts - memory to make or to register.
 * @size: sizeof(struct iommub_memory_opts)
 * @bytes: iommub_memory_create(): its size, a multiple of the page size, of the huge page size for
 * huge pages. Not used by iommub_memory_register().
 * @flags: enum iommub_memory_flags, or-ed
 * @tag: for iommub_list(), at most IOMMUB_TAG_MAX bytes; NULL: none
 */
struct iommub_memory_opts {
	size_t size;
	uint64_t bytes;
	uint32_t flags;
	const char *tag;
};

/**
 * iommub_memory_create() - make memory for DMA, ready to use.
 * @conn: the connection
 * @opts: how much, of what kind
 * @ret: the memory handle
 * @ret_fd: the memfd behind it, the caller's; NULL: not wanted (the broker keeps its own)
 * @ret_addr: where it is mapped in this process, shared, readable and writable; the caller's to
 * munmap(2), after iommub_memory_unregister(). It is in the registry of addresses. NULL: do not map
 * it.
 *
 * A memfd that is sealed: nobody can shrink or grow it, nor add a seal later. Its pages are
 * allocated when they are touched or mapped.
 *
 * Return: 0, or
 *   - -EINVAL: bytes is 0 or no multiple of the page size; more than one kind of huge pages; a
 *     flag that does not exist
 *   - -E2BIG: @opts is longer than known and says something
 *   - -EMFILE, -ENFILE, -ENODEV, -ENOMEM, -EOVERFLOW, -EFBIG: as memfd_create(2), ftruncate(2), mmap(2); -ENOMEM also: the system has not so
 *     many huge pages left
 *   - -EDQUOT: the limit of memory handles or objects; `limit` and `asked` say which
 *   or one that every call may return.
 */
IOMMUB_API int iommub_memory_create(struct iommub_conn *conn, const struct iommub_memory_opts *opts,
	iommub_id *ret, int *ret_fd, void **ret_addr);

/**
 * iommub_memory_register() - make a file known to the broker.
 * @conn: the connection
 * @fd: a memfd, or a file on hugetlbfs or tmpfs where the policy says so; borrowed: the broker gets
 * its own
 * @opts: NULL: all defaults
 * @ret: the memory handle
 *
 * While the handle or a mapping of it lives, the file cannot be sealed against writing (unless
 * READ_ONLY).
 *
 * Return: 0, or
 *   - -EBADF: @fd is not open
 *   - -EINVAL: @fd is no such file, or is empty; an option is out of range
 *   - -E2BIG: @opts is longer than known and says something
 *   - -EACCES: it was not opened for writing, or carries F_SEAL_WRITE or F_SEAL_FUTURE_WRITE,
 *     and READ_ONLY is not said
 *   - -EPERM: the policy does not permit this kind of file; `rule` says where
 *   - -EDQUOT: the limit of memory handles or objects; `limit` and `asked` say which
 *   or one that every call may return.
 */
IOMMUB_API int iommub_memory_register(
	struct iommub_conn *conn, int fd, const struct iommub_memory_opts *opts, iommub_id *ret);

/**
 * iommub_memory_set_va() - tell the registry at which addresses of this process a part of a handle
 * is mapped.
 * @conn: the connection
 * @memory: a memory handle
 * @addr: first byte; not NULL
 * @offset: of that byte in the file
 * @bytes: how many
 *
 * One handle may have many ranges. Says nothing to the broker.
 *
 * Return: 0, or
 *   - -EINVAL: @addr, @memory or @bytes is 0, or the range wraps around
 *   - -EEXIST: it overlaps one that is registered
 *   - -ENOMEM, -ECHILD
 */
IOMMUB_API int iommub_memory_set_va(
	struct iommub_conn *conn, iommub_id memory, void *addr, uint64_t offset, uint64_t bytes);

/**
 * iommub_memory_unset_va() - forget the range that begins at an address.
 * @conn: the connection
 * @addr: as given to iommub_memory_set_va()
 *
 * Return: 0, -ENOENT (no range begins there), -EINVAL, -ECHILD.
 */
IOMMUB_API int iommub_memory_unset_va(struct iommub_conn *conn, void *addr);

/**
 * iommub_memory_unregister() - give a memory handle back.
 * @conn: the connection
 * @memory: a memory handle
 *
 * Forgets its ranges in the registry too. Unmaps nothing in this process and closes no fd of it.
 *
 * Return: 0, -ENOENT (no such handle), -EBUSY (it is mapped in an IOAS; nothing has changed), or
 * one that every call may return.
 */
IOMMUB_API int iommub_memory_unregister(struct iommub_conn *conn, iommub_id memory);

IOMMUB_END_DECLS

#endif
