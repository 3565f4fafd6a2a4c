/* SPDX-License-Identifier: MIT */
/*
 * A device handle: a duplicate of the device's fd, the transport that the fd's kind calls for, and
 * the regions seen so far. What does not depend on the transport is checked here, so that a program
 * meets the same errors on a VFIO fd and on a socket.
 */
#include "client/lib/device.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCI_COMMAND_OFFSET 4u
#define PCI_COMMAND_MASTER 0x4u

/* 1: a stream socket; 0: not a socket; -ENOTTY: another kind of socket. */
static int is_stream_socket(int fd)
{
	struct stat status;
	int domain = 0, type = 0;
	socklen_t bytes = sizeof(int);

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISSOCK(status.st_mode))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0)
		return -errno;
	return domain == AF_UNIX && type == SOCK_STREAM ? 1 : -ENOTTY;
}

int iommub_device_from_fd(int fd, uint32_t timeout_ms, struct iommub_device **ret)
{
	struct iommub_device *device;
	int r;

	if (timeout_ms > INT_MAX)
		return -EINVAL;
	r = is_stream_socket(fd);
	if (r < 0)
		return r;
	device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->vfio_user = r == 1;
	device->transport = device->vfio_user ? &device_vfio_user : &device_vfio;
	device->timeout_ms = timeout_ms ? timeout_ms : IOMMUB_DEVICE_TIMEOUT_MS_DEFAULT;
	device->owner = getpid();
	device->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	r = device->fd < 0 ? -errno : device->transport->open(device);
	if (r < 0) {
		iommub_device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

void iommub_device_free(struct iommub_device *device)
{
	if (!device)
		return;
	if (device->fd >= 0)
		close(device->fd);
	free(device);
}

int iommub_device_get_fd(const struct iommub_device *device)
{
	return device->fd;
}

int iommub_device_is_vfio_user(const struct iommub_device *device)
{
	return device->vfio_user;
}

int iommub_device_get_summary(struct iommub_device *device, struct iommub_device_summary *ret)
{
	return device->transport->summary(device, ret);
}

/* A region's size does not change while the device is open, so it is asked for once. */
static int find_region(struct iommub_device *device, uint32_t index, struct device_region *ret)
{
	int r;

	if (index < DEVICE_REGIONS_KEPT && device->regions[index].known) {
		*ret = device->regions[index];
		return 0;
	}
	r = device->transport->region(device, index, ret);
	if (r < 0)
		return r;
	ret->known = true;
	if (index < DEVICE_REGIONS_KEPT)
		device->regions[index] = *ret;
	return 0;
}

int iommub_device_region(struct iommub_device *device, uint32_t index, struct iommub_region *ret)
{
	struct device_region region;
	int r = find_region(device, index, &region);

	if (r < 0)
		return r;
	*ret = (struct iommub_region){index, region.flags, region.bytes};
	return 0;
}

/* The region, if [offset, offset + bytes) lies in it. */
static int find_range(struct iommub_device *device, uint32_t index, uint64_t offset, uint64_t bytes,
	struct device_region *ret)
{
	int r = find_region(device, index, ret);

	if (r < 0)
		return r;
	return offset > ret->bytes || bytes > ret->bytes - offset ? -EINVAL : 0;
}

int iommub_device_read(
	struct iommub_device *device, uint32_t region, uint64_t offset, void *buffer, size_t bytes)
{
	struct device_region found;
	int r = find_range(device, region, offset, bytes, &found);

	if (r < 0)
		return r;
	if (!(found.flags & IOMMUB_REGION_FLAG_READ))
		return bytes > 0 ? -EACCES : 0;
	return device->transport->read(device, region, &found, offset, buffer, bytes);
}

int iommub_device_write(struct iommub_device *device, uint32_t region, uint64_t offset,
	const void *buffer, size_t bytes)
{
	struct device_region found;
	int r = find_range(device, region, offset, bytes, &found);

	if (r < 0)
		return r;
	if (!(found.flags & IOMMUB_REGION_FLAG_WRITE))
		return bytes > 0 ? -EACCES : 0;
	return device->transport->write(device, region, &found, offset, buffer, bytes);
}

int iommub_device_read32(
	struct iommub_device *device, uint32_t region, uint64_t offset, uint32_t *ret)
{
	uint32_t value;
	int r = iommub_device_read(device, region, offset, &value, sizeof(value));

	if (r < 0)
		return r;
	*ret = le32toh(value);
	return 0;
}

int iommub_device_write32(
	struct iommub_device *device, uint32_t region, uint64_t offset, uint32_t value)
{
	value = htole32(value);
	return iommub_device_write(device, region, offset, &value, sizeof(value));
}

int iommub_device_mmap(struct iommub_device *device, uint32_t region, uint64_t offset, size_t bytes,
	int prot, void **ret)
{
	struct device_region found;
	void *address;
	int r;

	if (bytes == 0 || prot == 0 || (prot & ~(PROT_READ | PROT_WRITE)))
		return -EINVAL;
	r = find_range(device, region, offset, bytes, &found);
	if (r < 0)
		return r;
	if (!(found.flags & IOMMUB_REGION_FLAG_MMAP))
		return -EOPNOTSUPP;
	address = mmap(
		NULL, bytes, prot, MAP_SHARED, device->fd, (off_t)(found.file_offset + offset));
	if (address == MAP_FAILED)
		return -errno;
	*ret = address;
	return 0;
}

int iommub_device_irq(struct iommub_device *device, uint32_t index, struct iommub_irq *ret)
{
	return device->transport->irq(device, index, ret);
}

int iommub_device_irq_set(struct iommub_device *device, uint32_t index, uint32_t start,
	const int *eventfds, uint32_t n, enum iommub_irq_action action)
{
	const struct device_irq_set set = {action, index, start, n, eventfds};

	if ((unsigned int)action > IOMMUB_IRQ_UNMASK || n > DEVICE_IRQS_MAX)
		return -EINVAL;
	/* No vectors means the whole index, which only taking the eventfds away knows. */
	if (n == 0 && (action != IOMMUB_IRQ_EVENTFD || start != 0))
		return -EINVAL;
	if ((eventfds != NULL) != (action == IOMMUB_IRQ_EVENTFD && n > 0))
		return -EINVAL;
	for (uint32_t i = 0; eventfds && i < n; i++) {
		if (eventfds[i] < -1)
			return -EBADF;
	}
	return device->transport->irq_set(device, &set);
}

int iommub_device_reset(struct iommub_device *device)
{
	return device->transport->reset(device);
}

int iommub_device_set_bus_master(struct iommub_device *device, int on)
{
	struct iommub_device_summary summary;
	uint16_t command, wanted;
	int r = iommub_device_get_summary(device, &summary);

	if (r < 0)
		return r;
	if (!(summary.flags & IOMMUB_DEVICE_FLAG_PCI))
		return -EINVAL;
	r = iommub_device_read(
		device, IOMMUB_REGION_CONFIG, PCI_COMMAND_OFFSET, &command, sizeof(command));
	if (r < 0)
		return r;
	command = le16toh(command);
	wanted = (uint16_t)(on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER);
	command = htole16(wanted);
	r = iommub_device_write(
		device, IOMMUB_REGION_CONFIG, PCI_COMMAND_OFFSET, &command, sizeof(command));
	if (r < 0)
		return r;
	r = iommub_device_read(
		device, IOMMUB_REGION_CONFIG, PCI_COMMAND_OFFSET, &command, sizeof(command));
	if (r < 0)
		return r;
	return (le16toh(command) & PCI_COMMAND_MASTER) == (wanted & PCI_COMMAND_MASTER) ? 0 : -EIO;
}
