/* SPDX-License-Identifier: MIT */
/*
 * What both backends do alike: devices are bound and kept in a list, and a file is mapped by
 * IOAS_MAP_FILE or, where that is missing, through a window (file_windows.h). The fallback looks at
 * the ioctls as they pass, so that whoever unmaps or destroys need not know which of the two ways a
 * mapping was made.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/session/backend_impl.h"
#include "iommufd_uapi.h"

void backend_init(struct backend *backend, const struct backend_ops *ops, int context_fd)
{
	backend->ops = ops;
	backend->context_fd = context_fd;
	LIST_INIT(&backend->devices);
	file_windows_init(&backend->windows);
}

int backend_new(enum control_backend kind, int iommufd, bool mask_map_file, struct event_base *base,
	struct backend **ret)
{
	struct backend *backend = NULL;
	int error = kind == BACKEND_KERNEL
			    ? backend_kernel_new(iommufd, backend_kernel_ioctl, &backend)
			    : backend_sim_new(base, &backend);

	if (error < 0)
		return error;
	backend->no_map_file = mask_map_file;
	*ret = backend;
	return 0;
}

void backend_free(struct backend *backend)
{
	struct file_windows windows;

	if (!backend)
		return;
	while (!LIST_EMPTY(&backend->devices))
		backend_device_close(backend, LIST_FIRST(&backend->devices));
	windows = backend->windows;
	backend->ops->free(backend);
	file_windows_deinit(&windows); /* after the context that refers to these addresses */
}

const char *backend_name(const struct backend *backend)
{
	return backend->ops->name;
}

void backend_fault_handler_set(struct backend *backend, backend_fault_fn handler, void *arg)
{
	backend->fault_handler = handler;
	backend->fault_arg = arg;
}

void backend_fault(struct backend *backend, const char *device, uint64_t iova, bool write)
{
	if (backend->fault_handler)
		backend->fault_handler(backend->fault_arg, device, iova, write);
}

static int unmap_and_follow(struct backend *backend, struct iommu_ioas_unmap *unmap)
{
	const struct iommu_ioas_unmap asked = *unmap; /* length is overwritten */
	int error = backend->ops->context_ioctl(backend, IOMMU_IOAS_UNMAP, unmap);

	if (error == 0)
		file_windows_unmapped(&backend->windows, asked.ioas_id, asked.iova, asked.length);
	return error;
}

static int copy_and_follow(struct backend *backend, struct iommu_ioas_copy *copy)
{
	int error = backend->ops->context_ioctl(backend, IOMMU_IOAS_COPY, copy);

	if (error == 0)
		file_windows_copied(&backend->windows, copy->dst_ioas_id, copy->dst_iova,
			copy->src_ioas_id, copy->src_iova, copy->length);
	return error;
}

static int destroy_and_follow(struct backend *backend, struct iommu_destroy *destroy)
{
	int error = backend->ops->context_ioctl(backend, IOMMU_DESTROY, destroy);

	if (error == 0)
		file_windows_destroyed(&backend->windows, destroy->id);
	return error;
}

int backend_ioctl(struct backend *backend, unsigned long cmd, void *arg)
{
	if (!file_windows_empty(&backend->windows)) {
		switch (cmd) {
		case IOMMU_IOAS_UNMAP:
			return unmap_and_follow(backend, arg);
		case IOMMU_IOAS_COPY:
			return copy_and_follow(backend, arg);
		case IOMMU_DESTROY:
			return destroy_and_follow(backend, arg);
		default:
			break;
		}
	}
	return backend->ops->context_ioctl(backend, cmd, arg);
}

static int window_map(struct backend *backend, uint32_t ioas, int fd, uint64_t offset,
	uint64_t length, uint32_t flags, uint64_t *iova_inout)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
		.flags = flags,
		.ioas_id = ioas,
		.length = length,
		.iova = *iova_inout};
	struct file_window *window;
	uint64_t address;
	int error = file_window_new(
		fd, offset, length, flags & IOMMU_IOAS_MAP_WRITEABLE, &window, &address);

	if (error < 0)
		return error;
	map.user_va = address;
	error = backend->ops->context_ioctl(backend, IOMMU_IOAS_MAP, &map);
	if (error == 0) {
		file_windows_mapped(&backend->windows, ioas, map.iova, length, window);
		*iova_inout = map.iova;
	}
	file_window_unref(window);
	return error;
}

int backend_map_file(struct backend *backend, uint32_t ioas, int fd, uint64_t offset,
	uint64_t length, uint32_t flags, uint64_t *iova_inout)
{
	struct iommu_ioas_map_file map = {.size = sizeof(map),
		.flags = flags,
		.ioas_id = ioas,
		.fd = fd,
		.start = offset,
		.length = length,
		.iova = *iova_inout};
	int error;

	if (!backend->no_map_file) {
		error = backend->ops->context_ioctl(backend, IOMMU_IOAS_MAP_FILE, &map);
		if (error == 0)
			*iova_inout = map.iova;
		if (error != -ENOTTY)
			return error;
		backend->no_map_file = true; /* this kernel is older than 6.13 */
	}
	return window_map(backend, ioas, fd, offset, length, flags, iova_inout);
}

int backend_device_open(struct backend *backend, int fd, const struct control_device *facts,
	struct backend_device **ret, uint32_t *ret_id)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind), .iommufd = backend->context_fd};
	struct backend_device *device;
	int error = backend->ops->device_new(backend, fd, facts, &device);

	if (error < 0)
		return error;
	error = backend->ops->device_ioctl(backend, device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (error < 0) {
		backend->ops->device_free(backend, device);
		return error;
	}
	LIST_INSERT_HEAD(&backend->devices, device, link);
	*ret = device;
	*ret_id = bind.out_devid;
	return 0;
}

int backend_device_share(struct backend *backend, struct backend_device *device, bool *vfio_user)
{
	return backend->ops->device_share(backend, device, vfio_user);
}

int backend_device_ioctl(
	struct backend *backend, struct backend_device *device, unsigned long cmd, void *arg)
{
	return backend->ops->device_ioctl(backend, device, cmd, arg);
}

void backend_device_close(struct backend *backend, struct backend_device *device)
{
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};

	if (!device)
		return;
	/* Closing the last fd of a device would detach it; a client may hold another. EBUSY and the
	 * like cannot be helped here: whoever cuts this session off does it again, from outside. */
	(void)backend->ops->device_ioctl(backend, device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	LIST_REMOVE(device, link);
	backend->ops->device_free(backend, device);
}
