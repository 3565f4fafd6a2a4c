/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces (IOAS): what a device that is attached to one sees at which address (IOVA).
 *
 * A mapping shows a range of registered memory at a range of IOVAs. All lengths, offsets and IOVAs
 * are bytes and multiples of the page size that iommub_get_info() tells; `last` is inclusive.
 * Mappings of one IOAS never overlap, and are taken away whole.
 *
 * Each blocking call here is one round trip to the broker. Where there are many, batch.h does 64
 * for little more than the price of one.
 */
#ifndef IOMMUBROKER_MAP_H
#define IOMMUBROKER_MAP_H

#include <iommubroker/conn.h>

IOMMUB_BEGIN_DECLS

/**
 * iommub_ioas_alloc() - make an I/O address space.
 * @conn: the connection
 * @tag: for iommub_list(), at most IOMMUB_TAG_MAX bytes; NULL: none
 * @ret: its id; iommub_destroy() ends it
 *
 * Return: 0, -EINVAL (the tag is too long), -EDQUOT (the limit of IOASes or objects), or one that
 * every call may return.
 */
IOMMUB_API int iommub_ioas_alloc(struct iommub_conn *conn, const char *tag, iommub_id *ret);

/**
 * struct iommub_range - a range of IOVAs.
 * @start: first byte
 * @last: last byte, inclusive
 */
struct iommub_range {
	uint64_t start;
	uint64_t last;
};

/**
 * iommub_ioas_ranges() - which IOVAs can be mapped now.
 * @conn: the connection
 * @ioas: its id
 * @ret: room for *@n_inout ranges, sorted and disjoint; NULL when *@n_inout is 0
 * @n_inout: in: that room; out: how many there are, which may be more than were written
 * @ret_align: IOVAs must be multiples of this; NULL: not wanted
 *
 * The policy's windows are applied. Attaching a device may take ranges away.
 *
 * Return: 0, -ENOENT, or one that every call may return.
 */
IOMMUB_API int iommub_ioas_ranges(struct iommub_conn *conn, iommub_id ioas,
	struct iommub_range *ret, size_t *n_inout, uint64_t *ret_align);

/**
 * iommub_ioas_allow() - where the broker may choose IOVAs.
 * @conn: the connection
 * @ioas: its id
 * @ranges: @n ranges, disjoint; none: everywhere
 * @n: how many
 *
 * Steers only mappings without IOMMUB_MAP_FIXED; a device that reserves IOVAs within these ranges
 * then cannot be attached.
 *
 * Return: 0, or
 *   - -ENOENT: no such IOAS
 *   - -EINVAL: ranges that overlap or end before they start
 *   - -EADDRINUSE: part of a range is reserved by a device
 *   - -EMSGSIZE: more ranges than one message holds
 *   or one that every call may return.
 */
IOMMUB_API int iommub_ioas_allow(
	struct iommub_conn *conn, iommub_id ioas, const struct iommub_range *ranges, size_t n);

/**
 * enum iommub_map_flags - what a mapping allows.
 * @IOMMUB_MAP_READ: devices may read
 * @IOMMUB_MAP_WRITE: devices may write
 * @IOMMUB_MAP_FIXED: at the IOVA given; else the broker chooses one
 */
enum iommub_map_flags {
	IOMMUB_MAP_READ = 1 << 0,
	IOMMUB_MAP_WRITE = 1 << 1,
	IOMMUB_MAP_FIXED = 1 << 2
};

/**
 * struct iommub_map - one mapping to make.
 * @size: sizeof(struct iommub_map)
 * @ioas: where
 * @memory: a memory handle; not used by iommub_map_fd()
 * @offset: in the file
 * @bytes: how many
 * @iova: in, with IOMMUB_MAP_FIXED: where; out: where it is
 * @flags: enum iommub_map_flags, or-ed; READ, WRITE or both
 */
struct iommub_map {
	size_t size;
	iommub_id ioas;
	iommub_id memory;
	uint64_t offset;
	uint64_t bytes;
	uint64_t iova;
	uint32_t flags;
};

/**
 * iommub_map() - map part of a memory handle.
 * @conn: the connection
 * @map: what and where; on success its iova says where it is
 *
 * Return: 0, or
 *   - -EINVAL: a length of 0, something no multiple of the page size, neither READ nor WRITE,
 *     an unknown flag; the range leaves the file
 *   - -EOVERFLOW: a range that wraps around
 *   - -E2BIG: @map is longer than known and says something
 *   - -ENOENT: no such IOAS or memory handle
 *   - -EACCES: WRITE, and the memory was registered READ_ONLY
 *   - -EEXIST: FIXED, and something is mapped there
 *   - -EADDRINUSE: FIXED, and a device reserves that range
 *   - -EPERM: FIXED, and it is outside the policy's windows; `rule` says where
 *   - -ENOSPC: no free range of this length
 *   - -EDQUOT: the limit of locked memory or of mappings; `limit` and `asked` say which
 *   - -ENOMEM: the broker's host has not the memory, or the kernel's own limit of locked memory
 *     said no
 *   or one that every call may return.
 */
IOMMUB_API int iommub_map(struct iommub_conn *conn, struct iommub_map *map);

/**
 * iommub_map_va() - map what is at an address of this process.
 * @conn: the connection
 * @ioas: where
 * @addr: first byte
 * @bytes: how many
 * @flags: as in struct iommub_map
 * @iova_inout: in, with IOMMUB_MAP_FIXED: where; out: where it is
 *
 * The addresses must lie within one range that iommub_memory_create() or iommub_memory_set_va() has
 * put into the registry.
 *
 * Return: 0, -EFAULT (they do not), or as iommub_map().
 */
IOMMUB_API int iommub_map_va(struct iommub_conn *conn, iommub_id ioas, const void *addr,
	uint64_t bytes, uint32_t flags, uint64_t *iova_inout);

/**
 * iommub_map_fd() - map part of a file without keeping a memory handle.
 * @conn: the connection
 * @fd: as of iommub_memory_register(); borrowed
 * @map: what and where (its memory is not used); on success its iova says where it is
 *
 * For those who have more segments than the broker gives handles.
 *
 * Return: as iommub_memory_register() and iommub_map().
 */
IOMMUB_API int iommub_map_fd(struct iommub_conn *conn, int fd, struct iommub_map *map);

/**
 * iommub_unmap() - take mappings away. When it returns, no device reaches them.
 * @conn: the connection
 * @ioas: its id
 * @iova: first byte
 * @bytes: every mapping in this range goes; one that it would cut is an error, and then none goes.
 * UINT64_MAX with @iova 0: everything
 * @ret_bytes: how many bytes were unmapped; NULL: not wanted
 *
 * Return: 0, or
 *   - -ENOENT: nothing is mapped there, or a mapping would be cut, or no such IOAS
 *   - -EINVAL: a length of 0
 *   - -EOVERFLOW: the range wraps around
 *   - -EBUSY: a request in flight uses them
 *   or one that every call may return.
 */
IOMMUB_API int iommub_unmap(struct iommub_conn *conn, iommub_id ioas, uint64_t iova, uint64_t bytes,
	uint64_t *ret_bytes);

/**
 * struct iommub_copy - a mapping to show in another IOAS too. The pages are shared and charged
 * once.
 * @size: sizeof(struct iommub_copy)
 * @dst_ioas: where
 * @src_ioas: whence; may be the same
 * @bytes: how many
 * @dst_iova: in, with IOMMUB_MAP_FIXED: where; out: where it is
 * @src_iova: first byte, within one mapping
 * @flags: enum iommub_map_flags, or-ed; READ, WRITE or both
 */
struct iommub_copy {
	size_t size;
	iommub_id dst_ioas;
	iommub_id src_ioas;
	uint64_t bytes;
	uint64_t dst_iova;
	uint64_t src_iova;
	uint32_t flags;
};

/**
 * iommub_copy() - map in one IOAS what is mapped in another.
 * @conn: the connection
 * @copy: what and where; on success its dst_iova says where it is
 *
 * Return: 0, -ENOENT (nothing, or not one whole range, is mapped at the source; no such IOAS),
 * -EPERM (WRITE, and the source may only be read), or as iommub_map().
 */
IOMMUB_API int iommub_copy(struct iommub_conn *conn, struct iommub_copy *copy);

IOMMUB_END_DECLS

#endif
