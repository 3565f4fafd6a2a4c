/* SPDX-License-Identifier: MIT */
/* What the two backends share: only backend*.c and edu_device.c include this. */
#ifndef IOMMUB_SESSION_BACKEND_IMPL_H
#define IOMMUB_SESSION_BACKEND_IMPL_H

#include <bsd/sys/queue.h>
#include "broker/session/backend.h"
#include "broker/session/file_windows.h"

/* One device, as the first member of what the backend makes of it. */
struct backend_device {
	LIST_ENTRY(backend_device) link;
	int fd; /* VFIO's, or the model's */
};

struct backend_ops {
	const char *name;
	int (*context_ioctl)(struct backend *backend, unsigned long cmd, void *arg);
	int (*device_ioctl)(struct backend *backend, struct backend_device *device,
		unsigned long cmd, void *arg);
	/* Make a device of the fd (owned, also on failure); its fd is set, it is not bound. */
	int (*device_new)(struct backend *backend, int fd, const struct control_device *facts,
		struct backend_device **ret);
	int (*device_share)(
		struct backend *backend, struct backend_device *device, bool *vfio_user);
	void (*device_free)(struct backend *backend, struct backend_device *device);
	void (*free)(struct backend *backend);
};

struct backend {
	const struct backend_ops *ops;
	int context_fd; /* what devices are bound to */
	bool no_map_file;
	struct file_windows windows; /* empty where MAP_FILE works */
	LIST_HEAD(backend_devices, backend_device) devices;
	backend_fault_fn fault_handler;
	void *fault_arg;
};

/* Both start from zeroed memory; backend_new() has set up the rest when they return to it.
 * `ioctl_fn` is ioctl(2), or a test's. */
typedef int (*backend_ioctl_fn)(int fd, unsigned long cmd, void *arg); /* 0 or -errno */
int backend_kernel_new(int iommufd, backend_ioctl_fn ioctl_fn, struct backend **ret);
int backend_sim_new(struct event_base *base, struct backend **ret);
int backend_kernel_ioctl(int fd, unsigned long cmd, void *arg);
void backend_init(struct backend *backend, const struct backend_ops *ops, int context_fd);

void backend_fault(struct backend *backend, const char *device, uint64_t iova, bool write);

#endif
