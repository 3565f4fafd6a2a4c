/* SPDX-License-Identifier: MIT */
/*
 * The kernel itself: one function around ioctl(2), and fds that are what they seem. Written to the
 * uAPI and not tried yet on a real iommufd; what the model cannot show is how long an ioctl takes,
 * which is why a session is a process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "broker/session/backend_impl.h"

struct backend_kernel {
	struct backend base;
	backend_ioctl_fn ioctl_fn;
};

int backend_kernel_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static int kernel_context_ioctl(struct backend *backend, unsigned long cmd, void *arg)
{
	return ((struct backend_kernel *)backend)->ioctl_fn(backend->context_fd, cmd, arg);
}

static int kernel_device_ioctl(
	struct backend *backend, struct backend_device *device, unsigned long cmd, void *arg)
{
	return ((struct backend_kernel *)backend)->ioctl_fn(device->fd, cmd, arg);
}

static int kernel_device_new(struct backend *backend, int fd, const struct control_device *facts,
	struct backend_device **ret)
{
	struct backend_device *device = calloc(1, sizeof(*device));

	(void)backend;
	(void)facts;
	if (!device) {
		close(fd);
		return -ENOMEM;
	}
	device->fd = fd;
	*ret = device;
	return 0;
}

/* The same file description: VFIO allows one open of a device, and it is bound. */
static int kernel_device_share(
	struct backend *backend, struct backend_device *device, bool *vfio_user)
{
	int fd = fcntl(device->fd, F_DUPFD_CLOEXEC, 0);

	(void)backend;
	if (fd < 0)
		return -errno;
	*vfio_user = false;
	return fd;
}

static void kernel_device_free(struct backend *backend, struct backend_device *device)
{
	(void)backend;
	close(device->fd);
	free(device);
}

static void kernel_free(struct backend *backend)
{
	close(backend->context_fd);
	free(backend);
}

static const struct backend_ops kernel_ops = {
	.name = "kernel",
	.context_ioctl = kernel_context_ioctl,
	.device_ioctl = kernel_device_ioctl,
	.device_new = kernel_device_new,
	.device_share = kernel_device_share,
	.device_free = kernel_device_free,
	.free = kernel_free,
};

int backend_kernel_new(int iommufd, backend_ioctl_fn ioctl_fn, struct backend **ret)
{
	struct backend_kernel *backend = calloc(1, sizeof(*backend));

	if (!backend)
		return -ENOMEM;
	backend->ioctl_fn = ioctl_fn;
	backend_init(&backend->base, &kernel_ops, iommufd);
	*ret = &backend->base;
	return 0;
}
