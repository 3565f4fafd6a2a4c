/* SPDX-License-Identifier: MIT */
/*
 * Memory that may not be there.
 *
 * What a mapping names may go away under the model: its owner truncates the file, or unmaps the memory. A plain copy
 * would then be SIGBUS or SIGSEGV. process_vm_readv() and process_vm_writev() on this process itself answer EFAULT
 * instead, at about 1.5 us a call. Pieces never cross a page, so that the count they return names the page that failed.
 */
#include "broker/sim/model.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECES 64

typedef ssize_t copy_fn(pid_t, const struct iovec *, unsigned long, const struct iovec *,
	unsigned long, unsigned long);

static size_t user_copy(copy_fn *copy, uint8_t *local, uint64_t address, size_t bytes)
{
	size_t moved = 0;

	while (moved < bytes) {
		struct iovec here, there[PIECES];
		size_t total = 0, n = 0;
		ssize_t done;

		while (n < PIECES && moved + total < bytes) {
			uint64_t at = address + moved + total;
			size_t piece = (size_t)(SIM_PAGE_BYTES - at % SIM_PAGE_BYTES);

			if (piece > bytes - moved - total)
				piece = bytes - moved - total;
			there[n++] = (struct iovec){(void *)(uintptr_t)at, piece};
			total += piece;
		}
		here = (struct iovec){local + moved, total};
		done = copy(getpid(), &here, 1, there, n, 0);
		if (done > 0)
			moved += (size_t)done;
		if (done != (ssize_t)total)
			break;
	}
	return moved;
}

size_t sim_user_read(void *to, uint64_t address, size_t bytes)
{
	return user_copy(process_vm_readv, to, address, bytes);
}

size_t sim_user_write(uint64_t address, const void *from, size_t bytes)
{
	return user_copy(process_vm_writev, (uint8_t *)(uintptr_t)from, address, bytes);
}

int sim_user_probe(uint64_t address, uint64_t count)
{
	uint8_t sink[PIECES];

	while (count > 0) {
		/* cppcheck-suppress legacyUninitvar ; it is written to, never read */
		struct iovec here = {sink, 0}, there[PIECES];
		size_t n = 0;

		for (; n < PIECES && n < count; n++)
			there[n] = (struct iovec){
				(void *)(uintptr_t)(address + n * SIM_PAGE_BYTES), 1};
		here.iov_len = n;
		if (process_vm_readv(getpid(), &here, 1, there, n, 0) != (ssize_t)n)
			return -EFAULT;
		address += n * SIM_PAGE_BYTES;
		count -= n;
	}
	return 0;
}
