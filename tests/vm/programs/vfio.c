/* SPDX-License-Identifier: MIT */
#include "tests/vm/programs/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "iommufd_uapi.h"

#define PCI_COMMAND_OFFSET 4
#define PCI_COMMAND_MEMORY_AND_MASTER 6u

void need(bool holds, const char *format, ...)
{
	va_list arguments;

	if (holds)
		return;
	va_start(arguments, format);
	printf("FAILED: ");
	(void)vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	fflush(stdout);
	_exit(1);
}

void need_to_show(bool holds, const char *what)
{
	if (holds)
		return;
	printf("nothing is shown: %s\n", what);
	fflush(stdout);
	_exit(2);
}

double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int vfio_open(const char *node)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/vfio/devices/%s", node);
	fd = open(path, O_RDWR | O_CLOEXEC);
	need(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

int vfio_bind(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};

	return ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0 ? -errno : 0;
}

int vfio_attach(int device, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg), .pt_id = pt_id};

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg) < 0 ? -errno : 0;
}

int vfio_attach_pasid(int device, uint32_t pt_id, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt_id,
		.pasid = pasid};

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg) < 0 ? -errno : 0;
}

static struct vfio_region_info region(int device, uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	need(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) == 0, "region %u: %s", index,
		strerror(errno));
	return info;
}

void vfio_bus_master(int device)
{
	off_t at = (off_t)region(device, VFIO_PCI_CONFIG_REGION_INDEX).offset + PCI_COMMAND_OFFSET;
	uint16_t command = 0;

	need(pread(device, &command, sizeof(command), at) == sizeof(command), "config space");
	command |= PCI_COMMAND_MEMORY_AND_MASTER;
	need(pwrite(device, &command, sizeof(command), at) == sizeof(command), "config space");
}

volatile uint32_t *vfio_bar0(int device, size_t *ret_bytes)
{
	struct vfio_region_info info = region(device, VFIO_PCI_BAR0_REGION_INDEX);
	void *bar = mmap(
		NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);

	need(bar != MAP_FAILED, "BAR 0: %s", strerror(errno));
	*ret_bytes = info.size;
	return bar;
}

int iommufd_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	need(fd >= 0, "/dev/iommu: %s", strerror(errno));
	return fd;
}

uint32_t ioas_new(int iommufd)
{
	struct iommu_ioas_alloc arg = {.size = sizeof(arg)};

	need(ioctl(iommufd, IOMMU_IOAS_ALLOC, &arg) == 0, "IOAS_ALLOC: %s", strerror(errno));
	return arg.out_ioas_id;
}

int ioas_map(int iommufd, uint32_t ioas, int memfd, uint64_t iova, uint64_t bytes)
{
	struct iommu_ioas_map_file arg = {.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.fd = memfd,
		.iova = iova,
		.length = bytes};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &arg) < 0 ? -errno : 0;
}

int memfd_new(uint64_t bytes)
{
	int fd = memfd_create("vm", MFD_CLOEXEC);

	need(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "memfd: %s", strerror(errno));
	return fd;
}

void edu_transfer(volatile uint32_t *bar0, uint64_t iova, uint32_t bytes, bool to_memory)
{
	edu_transfer_at(bar0, 0, iova, bytes, to_memory);
}

void edu_transfer_at(
	volatile uint32_t *bar0, uint32_t offset, uint64_t iova, uint32_t bytes, bool to_memory)
{
	volatile uint64_t *dma = (volatile uint64_t *)(bar0 + 0x80 / 4);

	dma[0] = to_memory ? EDU_BUFFER + offset : iova;
	dma[1] = to_memory ? iova : EDU_BUFFER + offset;
	dma[2] = bytes;
	dma[3] = to_memory ? 3 : 1;
	while (dma[3] & 1)
		(void)usleep(1000);
}
