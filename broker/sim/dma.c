/* SPDX-License-Identifier: MIT */
/*
 * What a device does by itself.
 *
 * An IOVA is looked up in the page table of the device's group, and nowhere else. What is not mapped there, or not for
 * this direction, or whose memory its owner took away, is a fault: counted, with its IOVA, and the transfer ends there.
 * What was moved before the fault has been moved, as on a bus.
 */
#include "broker/sim/model.h"
#include "include/iommufd_uapi.h"

#include <errno.h>

/* Move at most `bytes` at `iova`, within one mapping. Returns how many; fewer than asked for: the rest is another
 * mapping's, or a fault. */
static size_t dma_piece(
	struct sim_ioas *ioas, uint64_t iova, uint8_t *buffer, size_t bytes, bool write)
{
	const struct sim_mapping *m = sim_iova_first(&ioas->map, iova, iova);
	uint64_t offset, room;
	uintptr_t address;

	if (!m || !(m->flags & (write ? IOMMU_IOAS_MAP_WRITEABLE : IOMMU_IOAS_MAP_READABLE)))
		return 0;
	offset = m->offset + (iova - m->start);
	room = m->last - iova; /* and one */
	if (bytes - 1 > room)
		bytes = (size_t)room + 1;
	if (!sim_pages_address(m->pages, offset, &address))
		return 0;
	if (m->pages->file) {
		room = m->pages->file->map_bytes - (m->pages->base + offset);
		if (bytes > room)
			bytes = (size_t)room;
	}
	return write ? sim_user_write(address, buffer, bytes)
		     : sim_user_read(buffer, address, bytes);
}

static int dma(
	struct iommufd_sim *sim, int fd, uint64_t iova, uint8_t *buffer, size_t bytes, bool write)
{
	const struct sim_fd *entry = sim_fd_find(sim, fd, SIM_FD_DEVICE);
	struct sim_device *device;
	size_t done = 0;

	if (!entry)
		return -EBADF;
	device = entry->device;
	while (done < bytes) {
		size_t moved = 0;

		if (device->context && device->group->hwpt && iova <= UINT64_MAX - done)
			moved = dma_piece(device->group->hwpt->ioas, iova + done, buffer + done,
				bytes - done, write);
		if (moved == 0) {
			device->faults.count++;
			device->faults.last_iova = iova + done;
			device->faults.last_write = write;
			return -EFAULT;
		}
		done += moved;
	}
	return 0;
}

int iommufd_sim_dma_read(
	struct iommufd_sim *sim, int device_fd, uint64_t iova, void *buffer, size_t bytes)
{
	return dma(sim, device_fd, iova, buffer, bytes, false);
}

int iommufd_sim_dma_write(
	struct iommufd_sim *sim, int device_fd, uint64_t iova, const void *buffer, size_t bytes)
{
	return dma(sim, device_fd, iova, (uint8_t *)(uintptr_t)buffer, bytes, true);
}

int iommufd_sim_device_faults(
	struct iommufd_sim *sim, int device_fd, struct iommufd_sim_faults *ret)
{
	const struct sim_fd *entry = sim_fd_find(sim, device_fd, SIM_FD_DEVICE);

	if (!entry)
		return -EBADF;
	*ret = entry->device->faults;
	return 0;
}
