/* SPDX-License-Identifier: MIT */
/*
 * A device behind a VFIO fd: each call is the ioctl of its name; regions lie in the fd, each at an
 * offset that the kernel tells.
 */
#include "client/lib/device.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vfio.h>

static int vfio_summary(struct iommub_device *device, struct iommub_device_summary *ret)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};

	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		return -errno;
	*ret = (struct iommub_device_summary){info.flags, info.num_regions, info.num_irqs};
	return 0;
}

/* Whether it is a VFIO device at all, and bound: only then does it answer. */
static int vfio_open(struct iommub_device *device)
{
	struct iommub_device_summary unused;

	return vfio_summary(device, &unused);
}

static int vfio_region(struct iommub_device *device, uint32_t index, struct device_region *ret)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		return -errno;
	*ret = (struct device_region){
		.flags = info.flags,
		.bytes = info.size,
		.file_offset = info.offset,
	};
	return 0;
}

static int vfio_irq(struct iommub_device *device, uint32_t index, struct iommub_irq *ret)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};

	if (ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return -errno;
	*ret = (struct iommub_irq){index, info.flags, info.count};
	return 0;
}

static int vfio_read(struct iommub_device *device, uint32_t index,
	const struct device_region *region, uint64_t offset, void *buffer, size_t bytes)
{
	char *to = buffer;

	(void)index;
	while (bytes > 0) {
		ssize_t n = pread(device->fd, to, bytes, (off_t)(region->file_offset + offset));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		offset += (uint64_t)n;
		to += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int vfio_write(struct iommub_device *device, uint32_t index,
	const struct device_region *region, uint64_t offset, const void *buffer, size_t bytes)
{
	const char *from = buffer;

	(void)index;
	while (bytes > 0) {
		ssize_t n = pwrite(device->fd, from, bytes, (off_t)(region->file_offset + offset));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		offset += (uint64_t)n;
		from += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int vfio_irq_set(struct iommub_device *device, const struct device_irq_set *set)
{
	/* The kernel's struct ends in the array of fds. */
	union {
		struct vfio_irq_set set;
		char bytes[sizeof(struct vfio_irq_set) + DEVICE_IRQS_MAX * sizeof(int32_t)];
	} arg;

	arg.set = (struct vfio_irq_set){
		.argsz = sizeof(arg.set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = set->index,
		.start = set->start,
		.count = set->n,
	};
	if (set->action == IOMMUB_IRQ_MASK)
		arg.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
	else if (set->action == IOMMUB_IRQ_UNMASK)
		arg.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
	else if (set->action == IOMMUB_IRQ_EVENTFD && set->n > 0) {
		arg.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
		arg.set.argsz += set->n * (uint32_t)sizeof(int32_t);
		memcpy(arg.bytes + sizeof(arg.set), set->eventfds, set->n * sizeof(int32_t));
	}
	return ioctl(device->fd, VFIO_DEVICE_SET_IRQS, &arg) < 0 ? -errno : 0;
}

static int vfio_reset(struct iommub_device *device)
{
	return ioctl(device->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
}

const struct device_transport device_vfio = {
	.open = vfio_open,
	.summary = vfio_summary,
	.region = vfio_region,
	.irq = vfio_irq,
	.read = vfio_read,
	.write = vfio_write,
	.irq_set = vfio_irq_set,
	.reset = vfio_reset,
};
