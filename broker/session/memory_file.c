/* SPDX-License-Identifier: MIT */
/* What is checked of a client's file, and why; memory_file.h has the model. */
#include "broker/session/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "broker/session/call.h"
#include "broker/session/session.h"

/* One fallocate() of a sparse file zeroes all that it is asked for before it looks at signals again. */
#define FILL_PIECE_BYTES (UINT64_C(64) << 20)

static int check_kind(struct call *call, int fd, const struct stat *st, uint64_t *ret_block_bytes)
{
	const struct control_setup *setup = call->session->setup;
	struct statfs fs;
	enum memory_kind kind;
	const char *name;

	if (!S_ISREG(st->st_mode))
		return call_error(call, EINVAL, "fd",
			"the file descriptor is a %s, not a file in memory",
			S_ISSOCK(st->st_mode)	? "socket"
			: S_ISFIFO(st->st_mode) ? "pipe"
			: S_ISDIR(st->st_mode)	? "directory"
						: "device or anonymous object");
	if (fstatfs(fd, &fs) < 0)
		return call_error(call, errno, "fd", "fstatfs: %s", strerror(errno));
	/* A memfd lies on the kernel's own tmpfs, which nobody mounts, so its device number tells it from a file in
	 * /dev/shm. F_GET_SEALS would not: it answers for both. */
	if ((unsigned long)fs.f_type == HUGETLBFS_MAGIC) {
		kind = MEMORY_KIND_HUGETLB;
		name = "hugetlb";
	} else if (st->st_dev == call->session->memfd_dev) {
		kind = MEMORY_KIND_MEMFD;
		name = "memfd";
	} else if ((unsigned long)fs.f_type == TMPFS_MAGIC) {
		kind = MEMORY_KIND_TMPFS;
		name = "tmpfs";
	} else {
		return call_error(call, EINVAL, "fd",
			"the file lies on a disk or another file system: only a memfd, or a file "
			"on hugetlbfs or "
			"tmpfs, can be memory for DMA");
	}
	if (!(setup->memory_kinds & kind))
		return call_denied(
			call, setup->rule_memory, "memory of the kind %s is not permitted", name);
	*ret_block_bytes = (uint64_t)fs.f_bsize;
	return 0;
}

/* The kernel pins pages for a device to write through an O_RDONLY fd and into a write-sealed memfd (both were seen), so
 * whoever only may read a file could have a device change it. */
static int check_access(struct call *call, int open_flags, bool writeable)
{
	if (open_flags & O_PATH)
		return call_error(call, EINVAL, "fd",
			"the file was opened with O_PATH, which permits nothing");
	if ((open_flags & O_ACCMODE) == O_WRONLY)
		return call_error(
			call, EINVAL, "fd", "the file is open for writing only: open it O_RDWR");
	if (!writeable)
		return 0;
	if ((open_flags & O_ACCMODE) != O_RDWR)
		return call_error(call, EACCES, "fd",
			"the file is open read-only, and DMA is to write to it: open it O_RDWR, or "
			"say "
			"writeable = false");
	return 0;
}

int memory_file_check_seals(struct call *call, int fd, const char *field)
{
	int seals = fcntl(fd, F_GET_SEALS); /* -1: not a file that can be sealed */

	if (seals < 0 || !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return 0;
	return call_error(call, EACCES, field,
		"the file is sealed against writing, and DMA is to write to it: say "
		"writeable = false");
}

/* First the guard, then the look at the seals: a seal that came before is seen, and F_SEAL_WRITE cannot come after. The
 * other way round a client could seal the file in between, because a mapping without PROT_WRITE is granted even then. */
static int guard_hold(struct call *call, struct memory_file *file, int fd)
{
	int r;

	/* PROT_NONE: on a file that is open for writing, a shared mapping counts as a writable one whatever its
	 * protection, and this one is not for use. MAP_NORESERVE: it must not take a hugepage. */
	file->guard = mmap(NULL, file->block_bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (file->guard == MAP_FAILED)
		return call_error(call, errno == EPERM ? EACCES : errno, "fd",
			"cannot hold the file mapped for writing: %s", strerror(errno));
	r = memory_file_check_seals(call, fd, "fd");
	if (r < 0)
		munmap(file->guard, file->block_bytes);
	return r;
}

int memory_file_new(struct call *call, int fd, bool writeable, struct memory_file **ret)
{
	int open_flags = fcntl(fd, F_GETFL);
	int seals = fcntl(fd, F_GET_SEALS);
	struct memory_file *file;
	uint64_t block_bytes = 0;
	struct stat st;
	int r;

	if (open_flags < 0 || fstat(fd, &st) < 0)
		return call_error(call, errno, "fd", "fstat: %s", strerror(errno));
	if (seals < 0)
		seals = 0;
	r = check_kind(call, fd, &st, &block_bytes);
	if (r == 0)
		r = check_access(call, open_flags, writeable);
	if (r < 0)
		return r;
	if (st.st_size <= 0)
		return call_error(call, EINVAL, "fd", "the file is empty: give it its size first");

	file = calloc(1, sizeof(*file));
	if (!file)
		return call_error(call, ENOMEM, NULL, "no memory for one more file");
	file->references = 1;
	file->writeable = writeable;
	file->fallocates = (open_flags & O_ACCMODE) == O_RDWR;
	file->size_is_fixed = (seals & F_SEAL_SHRINK) && (seals & F_SEAL_GROW);
	file->bytes = (uint64_t)st.st_size;
	file->block_bytes = block_bytes;
	r = writeable ? guard_hold(call, file, fd) : 0;
	if (r < 0) {
		free(file);
		return r;
	}
	file->fd = fd;
	*ret = file;
	return 0;
}

void memory_file_unref(struct memory_file *file)
{
	if (!file || --file->references)
		return;
	if (file->guard)
		munmap(file->guard, file->block_bytes);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

int memory_file_check_range(
	struct call *call, struct memory_file *file, uint64_t offset, uint64_t length)
{
	struct stat st;

	/* Files that can change their size are asked each time. One that shrinks after this look is the kernel's (or
	 * the model's) to survive; this is for an error that names what is wrong. */
	if (!file->size_is_fixed) {
		if (fstat(file->fd, &st) < 0)
			return call_error(call, errno, "memory", "fstat: %s", strerror(errno));
		file->bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	}
	if (length > file->bytes || offset > file->bytes - length)
		return call_error(call, EINVAL, offset >= file->bytes ? "offset" : "length",
			"offset %llu and length %llu leave the file, which has %llu bytes",
			(unsigned long long)offset, (unsigned long long)length,
			(unsigned long long)file->bytes);
	return 0;
}

static void note_filled(struct memory_file *file, uint64_t start, uint64_t end)
{
	if (start <= file->filled_end && end >= file->filled_start && file->filled_end) {
		if (start < file->filled_start)
			file->filled_start = start;
		if (end > file->filled_end)
			file->filled_end = end;
	} else if (end - start >= file->filled_end - file->filled_start) {
		file->filled_start = start;
		file->filled_end = end;
	}
}

/*
 * Why: pinning a hole allocates its pages inside one ioctl that no signal stops, before RLIMIT_MEMLOCK is looked at, and
 * charges them to whoever attaches a device; fallocate() allocates in pieces, killably, charged to this process' cgroup.
 * It is courtesy and speed, no bound: a client may punch holes at once. So one range that was filled is remembered and
 * not filled again, and a file that is open read-only, which fallocate() refuses, goes without.
 */
int memory_file_fill(struct call *call, struct memory_file *file, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;

	if (!file->fallocates || (offset >= file->filled_start && end <= file->filled_end))
		return 0;
	for (uint64_t at = offset; at < end;) {
		uint64_t piece = end - at < FILL_PIECE_BYTES ? end - at : FILL_PIECE_BYTES;

		if (fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)piece) < 0) {
			if (errno == EINTR)
				continue;
			return call_error(call, errno, NULL,
				"no memory behind %llu bytes at offset %llu of the file: %s",
				(unsigned long long)piece, (unsigned long long)at, strerror(errno));
		}
		at += piece;
	}
	note_filled(file, offset, end);
	return 0;
}
