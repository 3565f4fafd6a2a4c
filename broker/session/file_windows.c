/* SPDX-License-Identifier: MIT */
#include "broker/session/file_windows.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

struct file_window {
	void *address;
	size_t bytes;
	unsigned int references;
};

struct file_area {
	RB_ENTRY(file_area) node;
	uint32_t ioas;
	uint64_t iova;
	uint64_t last;
	struct file_window *window;
};

static int area_compare(const struct file_area *a, const struct file_area *b)
{
	if (a->ioas != b->ioas)
		return a->ioas < b->ioas ? -1 : 1;
	if (a->iova != b->iova)
		return a->iova < b->iova ? -1 : 1;
	return 0;
}

/* libbsd leaves the attribute of RB_GENERATE_STATIC undefined on Linux. */
RB_GENERATE_INTERNAL(file_areas, file_area, node, area_compare, __attribute__((unused)) static)

void file_windows_init(struct file_windows *windows)
{
	RB_INIT(&windows->areas);
}

bool file_windows_empty(const struct file_windows *windows)
{
	return RB_EMPTY(&windows->areas);
}

static void area_drop(struct file_windows *windows, struct file_area *area)
{
	RB_REMOVE(file_areas, &windows->areas, area);
	file_window_unref(area->window);
	free(area);
}

void file_windows_deinit(struct file_windows *windows)
{
	struct file_area *area, *next;

	RB_FOREACH_SAFE (area, file_areas, &windows->areas, next)
		area_drop(windows, area);
}

/* hugetlbfs maps whole huge pages only, at their multiples. */
static uint64_t file_block_bytes(int fd)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != HUGETLBFS_MAGIC || (uint64_t)fs.f_bsize < page)
		return page;
	return (uint64_t)fs.f_bsize;
}

int file_window_new(int fd, uint64_t offset, uint64_t length, bool writeable,
	struct file_window **ret, uint64_t *ret_address)
{
	const uint64_t block = file_block_bytes(fd);
	const uint64_t start = offset - offset % block;
	const int protection = PROT_READ | (writeable ? PROT_WRITE : 0);
	struct file_window *window;
	uint64_t end;

	if (length == 0 || __builtin_add_overflow(offset, length, &end) ||
		__builtin_add_overflow(end, block - 1, &end) || end > INT64_MAX)
		return -EOVERFLOW;
	end -= end % block;
	window = calloc(1, sizeof(*window));
	if (!window)
		return -ENOMEM;
	window->bytes = end - start;
	window->references = 1;
	window->address = mmap(NULL, window->bytes, protection, MAP_SHARED, fd, (off_t)start);
	if (window->address == MAP_FAILED) {
		int error = -errno;

		free(window);
		return error;
	}
	*ret = window;
	*ret_address = (uint64_t)(uintptr_t)window->address + (offset - start);
	return 0;
}

void file_window_unref(struct file_window *window)
{
	if (!window || --window->references > 0)
		return;
	(void)munmap(window->address, window->bytes);
	free(window);
}

/* The first area of this IOAS that ends at or after `iova`. */
static struct file_area *area_first(struct file_windows *windows, uint32_t ioas, uint64_t iova)
{
	struct file_area key = {.ioas = ioas, .iova = iova};
	struct file_area *area = RB_NFIND(file_areas, &windows->areas, &key);
	struct file_area *before = area ? RB_PREV(file_areas, &windows->areas, area)
					: RB_MAX(file_areas, &windows->areas);

	if (before && before->ioas == ioas && before->last >= iova)
		return before;
	return area && area->ioas == ioas ? area : NULL;
}

static struct file_area *area_next(struct file_area *area)
{
	struct file_area *next = RB_NEXT(file_areas, &windows->areas, area);

	return next && next->ioas == area->ioas ? next : NULL;
}

/* The kernel has just put something here, so whatever the index says is stale. */
static void stale_drop(struct file_windows *windows, uint32_t ioas, uint64_t iova, uint64_t last)
{
	struct file_area *area;

	while ((area = area_first(windows, ioas, iova)) && area->iova <= last)
		area_drop(windows, area);
}

static void area_add(struct file_windows *windows, uint32_t ioas, uint64_t iova, uint64_t last,
	struct file_window *window)
{
	struct file_area *area = calloc(1, sizeof(*area));

	window->references++;
	if (!area)
		return; /* the reference stays: the window lives as long as the session */
	*area = (struct file_area){.ioas = ioas, .iova = iova, .last = last, .window = window};
	RB_INSERT(file_areas, &windows->areas, area);
} // NOLINT(clang-analyzer-unix.Malloc): the tree holds it

void file_windows_mapped(struct file_windows *windows, uint32_t ioas, uint64_t iova,
	uint64_t length, struct file_window *window)
{
	stale_drop(windows, ioas, iova, iova + length - 1);
	area_add(windows, ioas, iova, iova + length - 1, window);
}

void file_windows_copied(struct file_windows *windows, uint32_t dst_ioas, uint64_t dst_iova,
	uint32_t src_ioas, uint64_t src_iova, uint64_t length)
{
	const uint64_t src_last = src_iova + length - 1;
	struct file_area *area;

	stale_drop(windows, dst_ioas, dst_iova, dst_iova + length - 1);
	for (area = area_first(windows, src_ioas, src_iova); area && area->iova <= src_last;
		area = area_next(area)) {
		const uint64_t from = area->iova > src_iova ? area->iova : src_iova;
		const uint64_t to = area->last < src_last ? area->last : src_last;

		area_add(windows, dst_ioas, dst_iova + (from - src_iova),
			dst_iova + (to - src_iova), area->window);
	}
}

void file_windows_unmapped(
	struct file_windows *windows, uint32_t ioas, uint64_t iova, uint64_t length)
{
	uint64_t last;
	struct file_area *area, *next;

	if (length == 0)
		return;
	if (length == UINT64_MAX || __builtin_add_overflow(iova, length - 1, &last))
		last = UINT64_MAX;
	for (area = area_first(windows, ioas, iova); area && area->iova <= last; area = next) {
		next = area_next(area);
		if (area->iova >= iova && area->last <= last)
			area_drop(windows, area);
	}
}

void file_windows_destroyed(struct file_windows *windows, uint32_t id)
{
	file_windows_unmapped(windows, id, 0, UINT64_MAX);
}
