/* SPDX-License-Identifier: MIT */
/*
 * How the model's MAP and UNMAP hold up with many mappings. Not a test: it prints, and judges nothing.
 *
 * For each count: so many pages of one file are mapped at automatic IOVAs, then one more is mapped and unmapped again and
 * again, then all go one by one in a scattered order.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <malloc.h>
#include <sys/mman.h>
#include "include/iommufd_sim.h"
#include "include/iommufd_uapi.h"

#define PAGE UINT64_C(4096)
#define ROUNDS 20000

static struct iommufd_sim *sim;
static int ctx, fd;
static uint32_t ioas;

static double now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void require(int r, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "%s: %d\n", what, r);
	exit(1);
}

static uint64_t map_one(void)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.fd = fd,
		.length = PAGE,
	};

	require(iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_MAP_FILE, &arg), "map");
	return arg.iova;
}

static void unmap_one(uint64_t iova)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg), .ioas_id = ioas, .iova = iova, .length = PAGE};

	require(iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_UNMAP, &arg), "unmap");
}

static void bench(size_t count)
{
	uint64_t *iovas = malloc(count * sizeof(*iovas));
	double start, fill, pair, drain;
	size_t before = mallinfo2().uordblks, bytes;

	if (!iovas)
		exit(1);
	start = now_ns();
	for (size_t i = 0; i < count; i++)
		iovas[i] = map_one();
	fill = (now_ns() - start) / (double)count;
	bytes = mallinfo2().uordblks - before;
	start = now_ns();
	for (size_t i = 0; i < ROUNDS; i++)
		unmap_one(map_one());
	pair = (now_ns() - start) / ROUNDS;
	/* Scattered: a step that has no common factor with the count. */
	start = now_ns();
	for (size_t i = 0, at = 0; i < count; i++, at = (at + 7919) % count)
		unmap_one(iovas[at]);
	drain = (now_ns() - start) / (double)count;
	printf("%8zu mappings: map %6.0f ns, map+unmap of one more %6.0f ns, unmap %6.0f ns, %4zu "
	       "bytes each\n",
		count, fill, pair, drain, bytes / count);
	free(iovas);
}

static void run(const char *how)
{
	static const size_t counts[] = {1, 1000, 100000, 1000000};

	printf("%s\n", how);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		bench(counts[i]);
}

int main(void)
{
	const struct iommufd_sim_device_desc desc = {.size = sizeof(desc)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	int device;

	require(iommufd_sim_new(&sim), "new");
	ctx = iommufd_sim_open(sim);
	require(ctx, "open");
	fd = memfd_create("bench-sim", MFD_CLOEXEC);
	require(fd, "memfd");
	require(ftruncate(fd, (off_t)PAGE), "ftruncate");
	require(iommufd_sim_ioctl(sim, ctx, IOMMU_IOAS_ALLOC, &alloc), "alloc");
	ioas = alloc.out_ioas_id;
	run("no device attached");
	device = iommufd_sim_device_open(sim, &desc);
	require(device, "device");
	bind.iommufd = ctx;
	require(iommufd_sim_ioctl(sim, device, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");
	attach.pt_id = ioas;
	require(iommufd_sim_ioctl(sim, device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), "attach");
	run("a device attached");
	iommufd_sim_free(sim);
	(void)close(fd);
	return 0;
}
