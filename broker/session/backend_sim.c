/* SPDX-License-Identifier: MIT */
/*
 * The model: a machine of this session's own, with one context, as if /dev/iommu had just been
 * opened. Its devices come from the supervisor, one by one, as memfds that hold their state
 * (edu_device.c). The machine ends with the process, so that to cut a session on the model is to
 * kill it.
 */
#include <errno.h>
#include <stdlib.h>

#include "broker/session/backend_impl.h"
#include "broker/session/edu_device.h"
#include "iommufd_sim.h"

struct backend_sim {
	struct backend base;
	struct iommufd_sim *machine;
	struct event_base *events;
};

static struct backend_sim *sim_of(struct backend *backend)
{
	return (struct backend_sim *)backend;
}

static int sim_context_ioctl(struct backend *backend, unsigned long cmd, void *arg)
{
	return iommufd_sim_ioctl(sim_of(backend)->machine, backend->context_fd, cmd, arg);
}

static int sim_device_ioctl(
	struct backend *backend, struct backend_device *device, unsigned long cmd, void *arg)
{
	return iommufd_sim_ioctl(sim_of(backend)->machine, device->fd, cmd, arg);
}

static int sim_device_make(struct backend *backend, int fd, const struct control_device *facts,
	struct backend_device **ret)
{
	struct backend_sim *sim = sim_of(backend);

	return edu_device_new(backend, sim->machine, sim->events, fd, facts, ret);
}

static int sim_share(struct backend *backend, struct backend_device *device, bool *vfio_user)
{
	int fd = edu_device_share(device);

	(void)backend;
	if (fd >= 0)
		*vfio_user = true;
	return fd;
}

static void sim_device_end(struct backend *backend, struct backend_device *device)
{
	(void)backend;
	edu_device_free(device);
}

static void sim_free(struct backend *backend)
{
	iommufd_sim_free(sim_of(backend)->machine);
	free(backend);
}

static const struct backend_ops sim_ops = {
	.name = "model",
	.context_ioctl = sim_context_ioctl,
	.device_ioctl = sim_device_ioctl,
	.device_new = sim_device_make,
	.device_share = sim_share,
	.device_free = sim_device_end,
	.free = sim_free,
};

int backend_sim_new(struct event_base *base, struct backend **ret)
{
	struct backend_sim *sim = calloc(1, sizeof(*sim));
	int error, context_fd;

	if (!sim)
		return -ENOMEM;
	error = iommufd_sim_new(&sim->machine);
	if (error < 0) {
		free(sim);
		return error;
	}
	context_fd = iommufd_sim_open(sim->machine);
	if (context_fd < 0) {
		iommufd_sim_free(sim->machine);
		free(sim);
		return context_fd;
	}
	sim->events = base;
	backend_init(&sim->base, &sim_ops, context_fd);
	*ret = &sim->base;
	return 0;
}
