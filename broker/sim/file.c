/* SPDX-License-Identifier: MIT */
/*
 * Files held mapped: one mapping of each, however often it is mapped into IOASes.
 *
 * The kernel takes any fd for IOAS_MAP_FILE and looks at it only when it pins. So does the model: what cannot be mapped
 * is held as a file without a mapping, which no device can reach and no page table can take.
 *
 * A file is known by its device and inode number. While it is mapped, its inode lives, and no other file can get that
 * number; a file that is not mapped is therefore known by nothing and never shared. When a file has grown since it was
 * mapped, or is named again by an fd that allows more, it is mapped anew: pages know files and offsets, never addresses.
 *
 * Where this differs from the kernel: a file that was opened read-only, or is write-sealed, can be mapped here for
 * reading only, so a device's write to it faults. The kernel lets it through.
 */
#include "broker/sim/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_compare(const struct sim_file *a, const struct sim_file *b)
{
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return (a->inode > b->inode) - (a->inode < b->inode);
}

RB_GENERATE_INTERNAL(sim_files, sim_file, node, file_compare, SIM_TREE_FUNCTION)

/* Map as much as the file has now, whole (huge) pages; what was mapped before stays if this fails. -ENOMEM: there is no
 * room for it. A file that cannot be mapped at all is no error here. */
static int file_map(struct sim_file *file, int fd, const struct stat *st)
{
	uint64_t unit = st->st_blksize > (blksize_t)SIM_PAGE_BYTES ? (uint64_t)st->st_blksize
								   : SIM_PAGE_BYTES;
	uint64_t bytes = ((uint64_t)st->st_size + unit - 1) / unit * unit;
	bool writable = true;
	void *map;

	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED && errno != ENOMEM) {
		writable = false;
		map = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	}
	if (map == MAP_FAILED)
		return errno == ENOMEM ? -ENOMEM : 0;
	if (file->map && file->writable && !writable) {
		/* This fd allows less than the one before: what devices may write to stays so, and grows. */
		(void)munmap(map, bytes);
		map = mremap(file->map, file->map_bytes, bytes, MREMAP_MAYMOVE);
		if (map == MAP_FAILED)
			return -ENOMEM;
		file->map = map;
		file->map_bytes = bytes;
		return 0;
	}
	if (file->map)
		(void)munmap(file->map, file->map_bytes);
	file->map = map;
	file->map_bytes = bytes;
	file->writable = writable;
	return 0;
}

int sim_file_get(struct sim_context *context, int fd, struct sim_file **ret)
{
	struct sim_file key = {0}, *file;
	struct stat st;
	bool mappable;
	int r;

	if (fstat(fd, &st) < 0)
		return -EBADF;
	mappable = S_ISREG(st.st_mode) && st.st_size > 0;
	key.device = st.st_dev;
	key.inode = st.st_ino;
	file = mappable ? RB_FIND(sim_files, &context->files, &key) : NULL;
	if (!file) {
		file = calloc(1, sizeof(*file));
		if (!file)
			return -ENOMEM;
		file->device = st.st_dev;
		file->inode = st.st_ino;
		/* Only shmem and hugetlbfs know seals, and only those two can be pinned. */
		file->pinnable = S_ISREG(st.st_mode) && fcntl(fd, F_GET_SEALS) >= 0;
		r = mappable ? file_map(file, fd, &st) : 0;
		if (r < 0) {
			free(file);
			return r;
		}
		if (file->map)
			(void)RB_INSERT(sim_files, &context->files, file);
		context->file_count++;
	} else if ((uint64_t)st.st_size > file->map_bytes ||
		   (!file->writable && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)) {
		r = file_map(file, fd, &st);
		if (r < 0)
			return r;
	}
	file->bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	file->refs++;
	*ret = file;
	return 0;
}

void sim_file_put(struct sim_context *context, struct sim_file *file)
{
	if (!file || --file->refs > 0)
		return;
	if (file->map) {
		(void)RB_REMOVE(sim_files, &context->files, file);
		(void)munmap(file->map, file->map_bytes);
	}
	context->file_count--;
	free(file);
}
