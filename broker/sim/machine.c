/* SPDX-License-Identifier: MIT */
/*
 * The machine: which fd of this process is which context or device.
 *
 * The fds are real, so that nothing else in the process can have the same number, and so that an fd in an ioctl struct
 * means what it says; but they are eventfds that nobody signals. Only the number counts: a dup() of one is unknown here.
 */
#include "broker/sim/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int iommufd_sim_new(struct iommufd_sim **ret)
{
	struct iommufd_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return -ENOMEM;
	TAILQ_INIT(&sim->groups);
	sim->pinned_pages_max = UINT64_MAX;
	*ret = sim;
	return 0;
}

void iommufd_sim_free(struct iommufd_sim *sim)
{
	if (!sim)
		return;
	for (size_t fd = 0; fd < sim->fds_room; fd++) {
		if (sim->fds[fd].kind != SIM_FD_NONE)
			(void)iommufd_sim_close(sim, (int)fd);
	}
	free(sim->fds);
	free(sim);
}

struct sim_fd *sim_fd_find(struct iommufd_sim *sim, int fd, enum sim_fd_kind kind)
{
	if (fd < 0 || (size_t)fd >= sim->fds_room || sim->fds[fd].kind != kind)
		return NULL;
	return &sim->fds[fd];
}

/* A new placeholder, entered in the table. Returns the fd. */
static int fd_make(struct iommufd_sim *sim, struct sim_fd entry)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if ((size_t)fd >= sim->fds_room) {
		size_t room = (size_t)fd + 16;
		struct sim_fd *fds = reallocarray(sim->fds, room, sizeof(*fds));

		if (!fds) {
			(void)close(fd);
			return -ENOMEM;
		}
		memset(fds + sim->fds_room, 0, (room - sim->fds_room) * sizeof(*fds));
		sim->fds = fds;
		sim->fds_room = room;
	}
	sim->fds[fd] = entry;
	return fd;
}

int iommufd_sim_open(struct iommufd_sim *sim)
{
	struct sim_context *context = calloc(1, sizeof(*context));
	int fd;

	if (!context)
		return -ENOMEM;
	context->sim = sim;
	RB_INIT(&context->files);
	fd = fd_make(sim, (struct sim_fd){.kind = SIM_FD_CONTEXT, .context = context});
	if (fd < 0) {
		free(context);
		return fd;
	}
	context->open = true;
	return fd; /* NOLINT(clang-analyzer-unix.Malloc): the table of fds holds it */
}

int iommufd_sim_device_open(struct iommufd_sim *sim, const struct iommufd_sim_device_desc *desc)
{
	struct iommufd_sim_device_desc known;
	struct sim_device *device;
	int r = sim_struct_take(&known, sizeof(known), sizeof(known), desc, NULL);
	int fd;

	if (r < 0)
		return r;
	if (known.flags ||
		(known.address_bits && (known.address_bits < 16 || known.address_bits > 64)))
		return -EINVAL;
	r = sim_device_new(sim, &known, &device);
	if (r < 0)
		return r;
	fd = fd_make(sim, (struct sim_fd){.kind = SIM_FD_DEVICE, .device = device});
	if (fd < 0)
		sim_device_free(sim, device);
	return fd;
}

int iommufd_sim_close(struct iommufd_sim *sim, int fd)
{
	struct sim_fd *entry;

	if ((entry = sim_fd_find(sim, fd, SIM_FD_CONTEXT))) {
		entry->context->open = false;
		if (entry->context->bound_devices == 0)
			sim_context_free(entry->context);
	} else if ((entry = sim_fd_find(sim, fd, SIM_FD_DEVICE))) {
		sim_device_free(sim, entry->device);
	} else {
		return -EBADF;
	}
	entry->kind = SIM_FD_NONE;
	(void)close(fd);
	return 0;
}

int iommufd_sim_ioctl(struct iommufd_sim *sim, int fd, unsigned long cmd, void *arg)
{
	const struct sim_fd *entry;

	if ((entry = sim_fd_find(sim, fd, SIM_FD_CONTEXT)))
		return sim_context_ioctl(entry->context, cmd, arg);
	if ((entry = sim_fd_find(sim, fd, SIM_FD_DEVICE)))
		return sim_device_ioctl(sim, entry->device, cmd, arg);
	return -EBADF;
}

void iommufd_sim_set_memlock(struct iommufd_sim *sim, uint64_t bytes)
{
	sim->pinned_pages_max = bytes / SIM_PAGE_BYTES;
}

int iommufd_sim_usage(struct iommufd_sim *sim, int fd, struct iommufd_sim_usage *ret)
{
	const struct sim_context *context = NULL;
	const struct sim_fd *entry;

	if ((entry = sim_fd_find(sim, fd, SIM_FD_CONTEXT)))
		context = entry->context;
	else if ((entry = sim_fd_find(sim, fd, SIM_FD_DEVICE)))
		context = entry->device->context;
	if (!context)
		return -EBADF;
	*ret = (struct iommufd_sim_usage){
		.objects = context->object_count,
		.mappings = context->mapping_count,
		.pinned_bytes = context->pinned_pages * SIM_PAGE_BYTES,
		.files = context->file_count,
	};
	return 0;
}
