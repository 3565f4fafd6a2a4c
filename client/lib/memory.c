/* SPDX-License-Identifier: MIT */
/* Memory handles, and the sealed memfd that is made for one. */
#include "client/lib/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <iommubroker/memory.h>
#include "client/lib/options.h"

#define HUGE_FLAGS ((uint32_t)(IOMMUB_MEMORY_HUGE | IOMMUB_MEMORY_HUGE_2M | IOMMUB_MEMORY_HUGE_1G))

static int opts_read(struct iommub_conn *conn, const struct iommub_memory_opts *opts,
	uint32_t flags_max, struct iommub_memory_opts *ret)
{
	int err = options_read(ret, sizeof(*ret), opts);

	if (err < 0)
		return conn_fail(conn, err, "size", "struct iommub_memory_opts: %s",
			err == -E2BIG ? "says something that this library is too old to know"
				      : "does not begin with its size");
	if (ret->flags & ~flags_max)
		return conn_fail(conn, -EINVAL, "flags", "flags 0x%x mean nothing here",
			(unsigned int)(ret->flags & ~flags_max));
	return 0;
}

static int register_fd(
	struct iommub_conn *conn, int fd, const struct iommub_memory_opts *opts, iommub_id *ret)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__MemoryRegister ask = IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
	const Result *result;
	int err;

	ask.has_writeable = 1;
	ask.writeable = (opts->flags & IOMMUB_MEMORY_READ_ONLY) == 0;
	ask.tag = (char *)opts->tag;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_MEMORY_REGISTER;
	operation.memory_register = &ask;
	err = call_simple(conn, &operation, fd, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_MEMORY_REGISTER ||
		result->memory_register->memory == 0)
		return call_malformed(conn, "MemoryRegister");
	*ret = result->memory_register->memory;
	return 0;
}

int iommub_memory_register(
	struct iommub_conn *conn, int fd, const struct iommub_memory_opts *opts, iommub_id *ret)
{
	struct iommub_memory_opts known;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!ret)
		return conn_fail(conn, -EINVAL, NULL, "nowhere to put the handle");
	if (fd < 0)
		return conn_fail(conn, -EBADF, NULL, "%d is no file descriptor", fd);
	err = opts_read(conn, opts, IOMMUB_MEMORY_READ_ONLY, &known);
	return err != 0 ? err : register_fd(conn, fd, &known, ret);
}

/* Bits of memfd_create() for the kind of pages that is asked for; UINT_MAX: more than one kind is. */
static unsigned int memfd_flags(uint32_t flags)
{
	switch (flags & HUGE_FLAGS) {
	case 0:
		return MFD_CLOEXEC | MFD_ALLOW_SEALING;
	case IOMMUB_MEMORY_HUGE:
		return MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB;
	case IOMMUB_MEMORY_HUGE_2M:
		return MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB;
	case IOMMUB_MEMORY_HUGE_1G:
		return MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_1GB;
	default:
		return ~0u;
	}
}

/* A sealed memfd of opts->bytes; the fd, or -errno with the last error set. */
static int memfd_new(struct iommub_conn *conn, const struct iommub_memory_opts *opts)
{
	unsigned int flags = memfd_flags(opts->flags);
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd, err;

	if (flags == ~0u)
		return conn_fail(conn, -EINVAL, "flags", "more than one size of huge pages");
	if (opts->bytes == 0 || opts->bytes % page_bytes != 0)
		return conn_fail(conn, -EINVAL, "bytes",
			"%llu bytes are no multiple of the page size",
			(unsigned long long)opts->bytes);
	if (opts->bytes > INT64_MAX)
		return conn_fail(conn, -EFBIG, "bytes", "no file is so large");
	fd = memfd_create(opts->tag ? opts->tag : "iommubroker", flags);
	if (fd < 0)
		return conn_fail(conn, -errno, NULL, "memfd_create: %s", strerrordesc_np(errno));
	/* hugetlbfs answers EINVAL for a size that is no multiple of its pages. */
	if (ftruncate(fd, (off_t)opts->bytes) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		err = -errno;
		(void)close(fd);
		return conn_fail(conn, err, "bytes", "a memfd of %llu bytes cannot be made: %s",
			(unsigned long long)opts->bytes, strerrordesc_np(-err));
	}
	return fd;
}

/* Map the whole memfd and enter it into the registry. */
static int memory_show(
	struct iommub_conn *conn, int fd, uint64_t bytes, iommub_id memory, void **ret)
{
	void *addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int err;

	if (addr == MAP_FAILED)
		return conn_fail(conn, -errno, NULL, "mmap: %s", strerrordesc_np(errno));
	err = registry_add(&conn->registry, (uintptr_t)addr, bytes, memory, 0);
	if (err < 0) {
		(void)munmap(addr, bytes);
		return conn_fail(conn, err, NULL,
			"the registry still has a range at %p, where this memory was mapped", addr);
	}
	*ret = addr;
	return 0;
}

int iommub_memory_create(struct iommub_conn *conn, const struct iommub_memory_opts *opts,
	iommub_id *ret, int *ret_fd, void **ret_addr)
{
	struct iommub_memory_opts known;
	struct error first;
	iommub_id memory = 0;
	void *addr = NULL;
	int fd, err;

	err = conn_enter(conn);
	if (err < 0)
		return err;
	if (!ret || !opts)
		return conn_fail(conn, -EINVAL, NULL, "no options, or nowhere to put the handle");
	err = opts_read(conn, opts, IOMMUB_MEMORY_READ_ONLY | HUGE_FLAGS, &known);
	if (err != 0)
		return err;
	fd = memfd_new(conn, &known);
	if (fd < 0)
		return fd;
	err = register_fd(conn, fd, &known, &memory);
	if (err == 0 && ret_addr)
		err = memory_show(conn, fd, known.bytes, memory, &addr);
	if (err < 0) {
		(void)close(fd);
		if (memory != 0) {
			error_copy(&first, &conn->error);
			(void)iommub_memory_unregister(conn, memory);
			error_copy(&conn->error, &first);
		}
		return err;
	}
	*ret = memory;
	if (ret_addr)
		*ret_addr = addr;
	if (ret_fd)
		*ret_fd = fd;
	else
		(void)close(fd);
	return 0;
}

int iommub_memory_set_va(
	struct iommub_conn *conn, iommub_id memory, void *addr, uint64_t offset, uint64_t bytes)
{
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!addr || memory == 0)
		return conn_fail(
			conn, -EINVAL, addr ? "memory" : "addr", "there is no such memory");
	err = registry_add(&conn->registry, (uintptr_t)addr, bytes, memory, offset);
	switch (err) {
	case 0:
		return 0;
	case -EEXIST:
		return conn_fail(conn, err, "addr", "%p overlaps a range that is registered", addr);
	default:
		return conn_fail(conn, err, "bytes",
			"a range of %llu bytes at %p cannot be registered: %s",
			(unsigned long long)bytes, addr, strerrordesc_np(-err));
	}
}

int iommub_memory_unset_va(struct iommub_conn *conn, void *addr)
{
	int err = conn_enter(conn);

	if (err == 0 && registry_remove(&conn->registry, (uintptr_t)addr) < 0)
		err = conn_fail(conn, -ENOENT, "addr", "no range begins at %p", addr);
	return err;
}

int iommub_memory_unregister(struct iommub_conn *conn, iommub_id memory)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__MemoryUnregister ask = IOMMUBROKER__V1__MEMORY_UNREGISTER__INIT;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	ask.has_memory = 1;
	ask.memory = memory;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_MEMORY_UNREGISTER;
	operation.memory_unregister = &ask;
	err = call_simple(conn, &operation, -1, NULL);
	if (err == 0)
		registry_remove_memory(&conn->registry, memory);
	return err;
}
