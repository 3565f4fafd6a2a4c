/* SPDX-License-Identifier: MIT */
/*
 * Tasks that open a device's own node. An open alone changes nothing; a device becomes somebody's at BIND. The kernel
 * lets one file be bound at a time, and that file lives as long as anything refers to it: an fd in any process, a
 * mapping of a BAR, an SCM_RIGHTS message that nobody has read. So BIND to a context made for the question is how to
 * find out whether a device is still held (EINVAL; EBUSY where the holder came through a VFIO group); nothing else tells,
 * and nothing reports the end. Before BIND the kernel answers EINVAL to everything else, also to GET_INFO.
 *
 * BIND itself resets the device where it can, and so does the last close. That is as good as no promise: both hide a
 * failure. What counts is VFIO_DEVICE_RESET with its answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "broker/supervisor/helper/task.h"
#include "iommufd_uapi.h"

/* The node of the request below the directory /dev: the character device that sysfs told of, or nothing. */
static int node_open(const struct helper_work *work)
{
	const struct helper_request *request = work->request;
	char path[sizeof("vfio/devices/") + HELPER_NODE_MAX];
	struct stat st;
	int fd;

	if (!request->node[0] || request->node[0] == '.' || strchr(request->node, '/'))
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "vfio/devices/%s", request->node);
	fd = openat(work->fds[0], path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
		st.st_rdev != makedev(request->major, request->minor)) {
		close(fd);
		return -ENODEV;
	}
	return fd;
}

int helper_open(struct helper_work *work)
{
	int fd = node_open(work);

	if (fd < 0)
		return fd;
	work->result_fd = fd;
	return 0;
}

static uint32_t pasid_bits(int context, uint32_t device_id)
{
	struct iommu_hw_info info = {.size = sizeof(info), .dev_id = device_id};

	/* Before Linux 6.6 there is no such question, and no PASID. */
	return ioctl(context, IOMMU_GET_HW_INFO, &info) < 0 ? 0 : info.out_max_pasid_log2;
}

/* Bind to a context of its own; both fds stay open until the process ends. */
static int node_bind(struct helper_work *work, int *ret_device)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct helper_result *result = work->result;
	int device = node_open(work);

	if (device < 0)
		return device;
	bind.iommufd = openat(work->fds[0], "iommu", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (bind.iommufd < 0)
		return -errno;
	/* The token is of Linux 6.17; without it the struct is the one of 6.6. */
	bind.argsz = offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr);
	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0) {
		if (errno == EINVAL || errno == EBUSY)
			result->holder = HELPER_HOLDER_SOMEBODY;
		else if (errno == EAGAIN)
			result->holder = HELPER_HOLDER_AGAIN;
		return -errno;
	}
	result->holder = HELPER_HOLDER_NONE;
	if (ioctl(device, VFIO_DEVICE_GET_INFO, &info) < 0)
		return -errno;
	result->device_flags = info.flags;
	result->regions = info.num_regions;
	result->irqs = info.num_irqs;
	result->pasid_bits = pasid_bits(bind.iommufd, bind.out_devid);
	*ret_device = device;
	return 0;
}

int helper_probe(struct helper_work *work)
{
	int device = -1, error = node_bind(work, &device);

	/* That it is held is the answer, not a failure. */
	return work->result->holder == HELPER_HOLDER_SOMEBODY ||
			       work->result->holder == HELPER_HOLDER_AGAIN
		       ? 0
		       : error;
}

int helper_reset(struct helper_work *work)
{
	int device = -1, error = node_bind(work, &device);

	if (work->result->holder == HELPER_HOLDER_SOMEBODY)
		return -EBUSY;
	if (error)
		return error;
	if (!(work->result->device_flags & VFIO_DEVICE_FLAGS_RESET))
		return -EOPNOTSUPP;
	return ioctl(device, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
}
