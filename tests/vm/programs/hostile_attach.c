/* SPDX-License-Identifier: MIT */
#include "hostile.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "iommufd_uapi.h"

int hostile_attach(int device_fd, uint32_t id, uint32_t *ret_pt)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = offsetof(struct vfio_device_attach_iommufd_pt, pasid), .pt_id = id};

	if (ioctl(device_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg) < 0)
		return -errno;
	if (ret_pt)
		*ret_pt = arg.pt_id;
	return 0;
}

int hostile_attach_pasid(int device_fd, uint32_t id, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = id,
		.pasid = pasid};

	return ioctl(device_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg) < 0 ? -errno : 0;
}

int hostile_detach(int device_fd)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = offsetof(struct vfio_device_detach_iommufd_pt, pasid)};

	return ioctl(device_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg) < 0 ? -errno : 0;
}

int hostile_detach_pasid(int device_fd, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = pasid};

	return ioctl(device_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg) < 0 ? -errno : 0;
}

int hostile_bind(int device_fd, int iommufd)
{
	struct vfio_device_bind_iommufd arg = {
		.argsz = offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr),
		.iommufd = iommufd};

	return ioctl(device_fd, VFIO_DEVICE_BIND_IOMMUFD, &arg) < 0 ? -errno : 0;
}
