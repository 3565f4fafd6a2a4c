/* SPDX-License-Identifier: MIT */
/* IOAS_MAP and IOAS_MAP_FILE. */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void map_flags(void **state)
{
	uint8_t *memory = memory_of(PAGE);
	struct iommu_ioas_map arg = {.size = sizeof(arg), .flags = R, .__reserved = 1};
	uint32_t ioas = new_ioas();
	uint64_t iova = PAGE;
	int fd = memfd_of(PAGE);

	(void)state;
	assert_int_equal(conformance_ioctl(ctx, IOMMU_IOAS_MAP, &arg), -EOPNOTSUPP);
	assert_int_equal(map_user(ioas, R | 8, memory, PAGE, &iova), -EOPNOTSUPP);
	assert_int_equal(map_file(ioas, R | 8, fd, 0, PAGE, &iova), -EOPNOTSUPP);
	assert_int_equal(map_user(ioas, FIXED, memory, PAGE, &iova), -EINVAL);
	assert_int_equal(map_file(ioas, FIXED, fd, 0, PAGE, &iova), -EINVAL);
	assert_int_equal(map_user(ioas + 1, R, memory, PAGE, &iova), -ENOENT);
	assert_int_equal(map_file(ioas + 1, R, fd, 0, PAGE, &iova), -ENOENT);
	assert_int_equal(map_file(ioas, R, -1, 0, PAGE, &iova), -EBADF);
}

static void map_lengths(void **state)
{
	uint8_t *memory = memory_of(PAGE);
	uint32_t ioas = new_ioas(), pt = ioas;
	uint64_t iova = PAGE, max = UINT64_MAX;
	int fd = memfd_of(PAGE);

	(void)state;
	assert_int_equal(map_user(ioas, R, memory, 0, &iova), -EINVAL);
	assert_int_equal(map_file(ioas, R, fd, 0, 0, &iova), -EINVAL);
	assert_int_equal(map_user(ioas, R, memory, UINT64_MAX, &iova), -EOVERFLOW);
	assert_int_equal(map_user(ioas, R, memory, PAGE, &max), -EOVERFLOW);
	assert_int_equal(map_user(ioas, R, (void *)(uintptr_t)(UINT64_MAX - PAGE), 2 * PAGE, &iova),
		-EOVERFLOW);
	assert_int_equal(map_file(ioas, R, fd, UINT64_MAX - PAGE, 2 * PAGE + 1, &iova), -EOVERFLOW);
	assert_int_equal(map_user(ioas, R, NULL, UINT64_MAX - 1, &iova), -EINVAL);
	assert_int_equal(map_user(ioas, R, NULL, UINT64_MAX / 2, &iova), -EOVERFLOW);
	/* Without a page table any alignment is fine; with one it must be the page's. */
	assert_int_equal(map_user(ioas, R | FIXED, memory + 3, 5, &iova), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), -EADDRINUSE);
	assert_int_equal(unmap(ioas, PAGE, 5, NULL), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_int_equal(map_user(ioas, R | FIXED, memory + 3, 5, &iova), -EINVAL);
	assert_int_equal(map_user(ioas, R | FIXED, memory + 3, PAGE, &iova), -EINVAL);
	iova = PAGE + 1;
	assert_int_equal(map_user(ioas, R | FIXED, memory, PAGE, &iova), -EINVAL);
}

static void map_fixed(void **state)
{
	uint64_t end = UINT64_MAX - PAGE + 1;
	uint8_t *memory = memory_of(PAGE);
	uint32_t ioas = new_ioas();

	(void)state;
	assert_int_equal(map_at(ioas, 4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(map_at(ioas, 4 * PAGE, PAGE), -EEXIST);
	assert_int_equal(map_at(ioas, 7 * PAGE, 4 * PAGE), -EEXIST);
	assert_int_equal(map_at(ioas, PAGE, 8 * PAGE), -EEXIST);
	assert_int_equal(map_at(ioas, 8 * PAGE, PAGE), 0);
	assert_int_equal(map_at(ioas, 3 * PAGE, PAGE), 0);
	assert_int_equal(map_user(ioas, R | FIXED, memory, PAGE, &end), 0);
	end += PAGE / 2;
	assert_int_equal(map_user(ioas, R | FIXED, memory, PAGE, &end), -EOVERFLOW);
	assert_usage(ctx, mappings, 4);
}

static void map_reserved(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	uint64_t top = UINT64_C(1) << 48;

	(void)state;
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_int_equal(map_at(ioas, 0xfedff000, PAGE), 0);
	assert_int_equal(map_at(ioas, 0xfedfe000, 3 * PAGE), -EINVAL);
	assert_int_equal(map_at(ioas, 0xfee00000, PAGE), -EINVAL);
	assert_int_equal(map_at(ioas, 0xfeeff000, PAGE), -EINVAL);
	assert_int_equal(map_at(ioas, 0xfef00000, PAGE), 0);
	assert_int_equal(map_at(ioas, top - PAGE, PAGE), 0);
	assert_int_equal(map_at(ioas, top, PAGE), -EINVAL);
}

static void map_automatic(void **state)
{
	int fd = memfd_of(4 * MIB);
	uint32_t ioas = new_ioas();
	uint64_t iova = 0;

	(void)state;
	/* Never at zero; aligned as the length and the memory allow, up to 2 MiB; lowest first. */
	assert_int_equal(map_file(ioas, R, fd, 0, PAGE, &iova), 0);
	assert_int_equal(iova, PAGE);
	assert_int_equal(map_file(ioas, R, fd, 0, 3 * PAGE, &iova), 0);
	assert_int_equal(iova, 4 * PAGE);
	assert_int_equal(map_file(ioas, R, fd, 0, 4 * MIB, &iova), 0);
	assert_int_equal(iova, 2 * MIB);
	assert_int_equal(map_file(ioas, R, fd, PAGE, 2 * PAGE, &iova), 0);
	assert_int_equal(iova, 2 * PAGE);
	assert_int_equal(map_file(ioas, R, fd, 16 * PAGE, MIB, &iova), 0);
	assert_int_equal(iova, 16 * PAGE);
	/* The offset into the page is kept. */
	assert_int_equal(map_file(ioas, R, fd, 0x800, 0x800, &iova), 0);
	assert_int_equal(iova % PAGE, 0x800);
}

/* [0, end) mapped, of 16 MiB of memory: where the target is real, so is what a mapping pins. */
static void fill(uint32_t ioas, uint64_t end)
{
	assert_int_equal(map_at(ioas, 0, 16 * MIB), 0);
	for (uint64_t at = 16 * MIB; at < end; at += 16 * MIB) {
		uint64_t length = end - at < 16 * MIB ? end - at : 16 * MIB, dst = at;

		assert_int_equal(copy(ioas, ioas, R | FIXED, 0, length, &dst), 0);
	}
}

static void map_around_reserved(void **state)
{
	const struct iommu_iova_range here = {0xfed00000, 0xff200000 - 1};
	uint32_t ioas = new_ioas(), pt = ioas;
	int fd = memfd_of(4 * MIB);
	uint64_t iova = 0;

	(void)state;
	assert_int_equal(allow(ioas, &here, 1), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), -EADDRINUSE);
	assert_int_equal(allow(ioas, NULL, 0), 0);
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	fill(ioas, 0xfed00000);
	assert_int_equal(map_file(ioas, R, fd, 0, MIB, &iova), 0);
	assert_int_equal(iova, 0xfed00000);
	assert_int_equal(map_file(ioas, R, fd, 0, MIB, &iova), 0);
	assert_int_equal(iova, 0xfef00000);
}

static void map_full(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	uint64_t iova = 0;

	(void)state;
	assert_int_equal(attach(device_of(0, 16), &pt), 0);
	assert_int_equal(map_file(ioas, R, memfd_of(16 * PAGE), 0, 16 * PAGE, &iova), -ENOSPC);
	assert_int_equal(map_file(ioas, R, memfd_of(15 * PAGE), PAGE, 14 * PAGE, &iova), 0);
	assert_int_equal(map_file(ioas, R, memfd_of(PAGE), 0, PAGE, &iova), 0);
	assert_int_equal(map_file(ioas, R, memfd_of(PAGE), 0, PAGE, &iova), -ENOSPC);
}

static void pinned_lazily(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	int device = device_of(0, 0);

	(void)state;
	assert_int_equal(map_at(ioas, 16 * PAGE, 3 * PAGE), 0);
	assert_usage(ctx, pinned_bytes, 0);
	assert_int_equal(attach(device, &pt), 0);
	assert_usage(ctx, pinned_bytes, 3 * PAGE);
	assert_int_equal(map_at(ioas, 32 * PAGE, PAGE), 0);
	assert_usage(ctx, pinned_bytes, 4 * PAGE);
	assert_int_equal(unmap(ioas, 16 * PAGE, 3 * PAGE, NULL), 0);
	assert_usage(ctx, pinned_bytes, PAGE);
	assert_int_equal(detach(device), 0);
	assert_usage(ctx, pinned_bytes, 0);
}

static void pinned_twice(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	uint64_t iova = 0;
	int fd = memfd_of(PAGE);

	(void)state;
	assert_int_equal(attach(device_of(0, 0), &pt), 0);
	assert_int_equal(map_file(ioas, R, fd, 0, PAGE, &iova), 0);
	assert_int_equal(map_file(ioas, R, fd, 0, PAGE, &iova), 0);
	assert_usage(ctx, pinned_bytes, 2 * PAGE);
	assert_usage(ctx, files, 1);
}

static void memlock(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	int device = device_of(0, 0);

	(void)state;
	target_memlock(4 * PAGE);
	assert_int_equal(map_at(ioas, 16 * PAGE, 5 * PAGE), 0);
	assert_int_equal(attach(device, &pt), -ENOMEM);
	assert_usage(ctx, pinned_bytes, 0);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(map_at(ioas, 16 * PAGE, 4 * PAGE), 0);
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(map_at(ioas, 32 * PAGE, PAGE), -ENOMEM);
	assert_usage(ctx, mappings, 1);
	assert_usage(ctx, pinned_bytes, 4 * PAGE);
}

static void memory_not_there(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	uint8_t *memory = memory_of(3 * PAGE);
	int device = device_of(0, 0), pipes[2];
	uint64_t iova = 16 * PAGE;

	(void)state;
	assert_int_equal(mprotect(memory + PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(map_user(ioas, R | FIXED, memory, 3 * PAGE, &iova), 0);
	assert_int_equal(attach(device, &pt), -EFAULT);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(map_file(ioas, R | FIXED, memfd_of(PAGE), 0, 2 * PAGE, &iova), 0);
	assert_int_equal(attach(device, &pt), -EINVAL);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(map_file(ioas, R | FIXED, pipes[0], 0, PAGE, &iova), 0);
	assert_int_equal(attach(device, &pt), -EINVAL);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(map_user(ioas, R | FIXED, memory, 3 * PAGE, &iova), -EFAULT);
	assert_int_equal(map_file(ioas, R | FIXED, memfd_of(PAGE), PAGE, PAGE, &iova), -EINVAL);
	assert_int_equal(map_file(ioas, R | FIXED, pipes[0], 0, PAGE, &iova), -EINVAL);
	assert_usage(ctx, mappings, 0);
	assert_usage(ctx, files, 0);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

int run_map_cases(void)
{
	const struct CMUnitTest cases[] = {
		CASE("MAP: EOPNOTSUPP, EINVAL without a direction, ENOENT, EBADF", map_flags),
		CASE("MAP: lengths that are zero, overflow, or are not aligned", map_lengths),
		CASE("MAP at a fixed IOVA that is mapped is EEXIST, beside it is fine", map_fixed),
		CASE("MAP at a fixed IOVA that is reserved is EINVAL", map_reserved),
		CASE("MAP without a fixed IOVA takes the lowest place as aligned as the memory",
			map_automatic),
		CASE("MAP without a fixed IOVA goes around reserved ranges", map_around_reserved),
		CASE("MAP without a fixed IOVA is ENOSPC when nothing is free", map_full),
		CASE("Memory is pinned when a page table needs it, and no longer", pinned_lazily),
		CASE("Memory that is mapped twice is pinned twice", pinned_twice),
		CASE("MAP and ATTACH beyond the memlock limit are ENOMEM and change nothing",
			memlock),
		CASE("Memory that is not there is EFAULT, a file that cannot be pinned EINVAL",
			memory_not_there),
	};

	return cmocka_run_group_tests_name("IOAS_MAP, IOAS_MAP_FILE", cases, NULL, NULL);
}
