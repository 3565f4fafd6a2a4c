/* SPDX-License-Identifier: MIT */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEPT_MAX 64

int ctx;

static struct {
	int files[KEPT_MAX], devices[KEPT_MAX];
	struct {
		void *memory;
		uint64_t bytes;
	} memories[KEPT_MAX];
	int n_files, n_devices, n_memories;
} kept;

int case_setup(void **state)
{
	(void)state;
	kept.n_files = kept.n_devices = kept.n_memories = 0;
	if (target_begin() < 0)
		return -1;
	ctx = conformance_open();
	return ctx < 0 ? -1 : 0;
}

/* Take down what the case left, and see that it is all. A case may have closed the context: then that was its subject. */
int case_teardown(void **state)
{
	struct iommu_destroy probe = {.size = sizeof(probe)};
	struct target_usage usage;

	(void)state;
	for (int i = 0; i < kept.n_devices; i++)
		(void)conformance_close(kept.devices[i]);
	if (conformance_ioctl(ctx, IOMMU_DESTROY, &probe) != -EBADF) {
		for (int round = 0; round < 4; round++) {
			for (uint32_t id = 1; id <= KEPT_MAX; id++)
				(void)destroy(id);
		}
		usage = target_has_usage() ? target_usage(ctx) : (struct target_usage){0};
		assert_int_equal(usage.objects, 0);
		assert_int_equal(usage.mappings, 0);
		assert_int_equal(usage.pinned_bytes, 0);
		assert_int_equal(usage.files, 0);
	}
	target_end();
	for (int i = 0; i < kept.n_files; i++)
		(void)close(kept.files[i]);
	for (int i = 0; i < kept.n_memories; i++)
		(void)munmap(kept.memories[i].memory, kept.memories[i].bytes);
	return 0;
}

uint32_t new_ioas(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	assert_int_equal(conformance_ioctl(ctx, IOMMU_IOAS_ALLOC, &alloc), 0);
	return alloc.out_ioas_id;
}

int destroy(uint32_t id)
{
	struct iommu_destroy arg = {.size = sizeof(arg), .id = id};

	return conformance_ioctl(ctx, IOMMU_DESTROY, &arg);
}

int memfd_of(uint64_t bytes)
{
	int fd = memfd_create("conformance", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0 && kept.n_files < KEPT_MAX);
	kept.files[kept.n_files++] = fd;
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

uint8_t *memory_of(uint64_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED && kept.n_memories < KEPT_MAX);
	kept.memories[kept.n_memories].memory = memory;
	kept.memories[kept.n_memories++].bytes = bytes;
	return memory;
}

int bind_to(int device, int context, uint32_t *ret_id)
{
	struct vfio_device_bind_iommufd arg = {.argsz = sizeof(arg), .iommufd = context};
	int r = conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg);

	if (r == 0 && ret_id)
		*ret_id = arg.out_devid;
	return r;
}

int device_of(uint32_t group, uint32_t address_bits)
{
	int device = conformance_device_open(group, address_bits);

	assert_true(device >= 0 && kept.n_devices < KEPT_MAX);
	kept.devices[kept.n_devices++] = device;
	assert_int_equal(bind_to(device, ctx, NULL), 0);
	return device;
}

int attach(int device, uint32_t *pt_id)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg), .pt_id = *pt_id};
	int r = conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);

	*pt_id = arg.pt_id;
	return r;
}

int detach(int device)
{
	struct vfio_device_detach_iommufd_pt arg = {.argsz = sizeof(arg)};

	return conformance_ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

int map_user(uint32_t ioas, uint32_t flags, const void *memory, uint64_t length, uint64_t *iova)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = length,
		.iova = *iova,
	};
	int r = conformance_ioctl(ctx, IOMMU_IOAS_MAP, &arg);

	*iova = arg.iova;
	return r;
}

int map_file(uint32_t ioas, uint32_t flags, int fd, uint64_t start, uint64_t length, uint64_t *iova)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = flags,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = *iova,
	};
	int r = conformance_ioctl(ctx, IOMMU_IOAS_MAP_FILE, &arg);

	*iova = arg.iova;
	return r;
}

int map_at(uint32_t ioas, uint64_t iova, uint64_t length)
{
	return map_file(ioas, R | W | FIXED, memfd_of(length), 0, length, &iova);
}

int copy(uint32_t to, uint32_t from, uint32_t flags, uint64_t src, uint64_t length, uint64_t *dst)
{
	struct iommu_ioas_copy arg = {
		.size = sizeof(arg),
		.flags = flags,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = length,
		.dst_iova = *dst,
		.src_iova = src,
	};
	int r = conformance_ioctl(ctx, IOMMU_IOAS_COPY, &arg);

	*dst = arg.dst_iova;
	return r;
}

int unmap(uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *ret_unmapped)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg), .ioas_id = ioas, .iova = iova, .length = length};
	int r = conformance_ioctl(ctx, IOMMU_IOAS_UNMAP, &arg);

	if (ret_unmapped)
		*ret_unmapped = arg.length;
	return r;
}

int allow(uint32_t ioas, const struct iommu_iova_range *ranges, uint32_t count)
{
	struct iommu_ioas_allow_iovas arg = {
		.size = sizeof(arg),
		.ioas_id = ioas,
		.num_iovas = count,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return conformance_ioctl(ctx, IOMMU_IOAS_ALLOW_IOVAS, &arg);
}
