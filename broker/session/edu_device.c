/* SPDX-License-Identifier: MIT */
#include "broker/session/edu_device.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/session/session.h"
#include "broker/sim/edu.h"
#include "broker/sim/vfio_user_server.h"
#include "iommufd_sim.h"

/* One vfio-user socket. */
struct edu_port {
	struct edu_device *device;
	struct vfio_user_server *server; /* NULL: this port is free */
	struct event *event;
	uint32_t awaited; /* EPOLLIN, EPOLLOUT: what `event` waits for */
};

struct edu_device {
	struct backend_device base;
	struct backend *backend;
	struct iommufd_sim *machine;
	struct event_base *events;
	char name[CONTROL_NAME_MAX];
	struct edu edu;
	struct edu_vfio vfio;
	struct edu_port ports[BACKEND_SHARES_MAX];
};

/* ---- what the edu does to the world ---- */

static int dma_done(struct edu_device *device, int error, bool write)
{
	struct iommufd_sim_faults faults = {0};

	if (error < 0) {
		(void)iommufd_sim_device_faults(device->machine, device->base.fd, &faults);
		backend_fault(device->backend, device->name, faults.last_iova, write);
	}
	return error;
}

static int device_dma_read(void *arg, uint64_t iova, void *buffer, size_t bytes)
{
	struct edu_device *device = arg;

	return dma_done(device,
		iommufd_sim_dma_read(device->machine, device->base.fd, iova, buffer, bytes), false);
}

static int device_dma_write(void *arg, uint64_t iova, const void *buffer, size_t bytes)
{
	struct edu_device *device = arg;

	return dma_done(device,
		iommufd_sim_dma_write(device->machine, device->base.fd, iova, buffer, bytes), true);
}

static void device_interrupt(void *arg)
{
	edu_vfio_interrupt(&((struct edu_device *)arg)->vfio);
}

static const struct edu_ops device_ops = {
	.dma_read = device_dma_read,
	.dma_write = device_dma_write,
	.interrupt = device_interrupt,
};

/* ---- ports ---- */

static void port_close(struct edu_port *port)
{
	if (port->event)
		event_free(port->event);
	vfio_user_server_free(port->server);
	*port = (struct edu_port){.device = port->device};
}

static void on_port(evutil_socket_t fd, short what, void *arg);

/* Wait for what the server wants now. 0 or -ENOMEM. */
static int port_await(struct edu_port *port)
{
	static const struct timeval stall = {.tv_sec = STALL_S};
	const uint32_t wanted = vfio_user_server_events(port->server);
	short what = EV_PERSIST;

	if (port->event && port->awaited == wanted)
		return 0;
	if (wanted & EPOLLIN)
		what |= EV_READ;
	if (wanted & EPOLLOUT)
		what |= EV_WRITE;
	if (port->event)
		event_free(port->event);
	port->event = event_new(
		port->device->events, vfio_user_server_fd(port->server), what, on_port, port);
	if (!port->event || event_add(port->event, wanted & EPOLLOUT ? &stall : NULL) < 0)
		return -ENOMEM;
	port->awaited = wanted;
	return 0;
}

static void on_port(evutil_socket_t fd, short what, void *arg)
{
	struct edu_port *port = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) || vfio_user_server_run(port->server) < 0 || port_await(port) < 0)
		port_close(port);
}

static int port_open(struct edu_port *port, int socket_fd)
{
	int error =
		vfio_user_server_new(socket_fd, &edu_vfio_ops, &port->device->vfio, &port->server);

	if (error < 0)
		return error;
	error = port_await(port);
	if (error < 0)
		port_close(port);
	return error;
}

int edu_device_share(struct backend_device *base)
{
	struct edu_device *device = (struct edu_device *)base;
	struct edu_port *port = NULL;
	int fds[2], error;

	for (size_t i = 0; i < BACKEND_SHARES_MAX && !port; i++) {
		if (!device->ports[i].server)
			port = &device->ports[i];
	}
	if (!port)
		return -EMFILE;
	/* The client's end blocks unless it says otherwise, as the fd of a VFIO device would. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		error = -errno;
		close(fds[0]);
		close(fds[1]);
		return error;
	}
	error = port_open(port, fds[0]);
	if (error < 0) {
		close(fds[1]);
		return error;
	}
	return fds[1];
}

/* ---- the device ---- */

/* Map the hardware. What could shrink would be a SIGBUS at the next register access. */
static int state_map(int state_fd, void **ret)
{
	const int seals = fcntl(state_fd, F_GET_SEALS);
	struct stat st;
	void *state;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EINVAL;
	if (fstat(state_fd, &st) < 0)
		return -errno;
	if (st.st_size < EDU_STATE_BYTES)
		return -EINVAL;
	state = mmap(NULL, EDU_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (state == MAP_FAILED)
		return -errno;
	*ret = state;
	return 0;
}

static int device_setup(struct edu_device *device, int state_fd)
{
	const struct iommufd_sim_device_desc desc = {.size = sizeof(desc)};
	void *state = NULL;
	int error = state_map(state_fd, &state);

	if (error < 0)
		return error;
	device->base.fd = iommufd_sim_device_open(device->machine, &desc);
	if (device->base.fd < 0) {
		(void)munmap(state, EDU_STATE_BYTES);
		return device->base.fd;
	}
	device->edu = (struct edu){.state = state, .ops = &device_ops, .arg = device};
	edu_vfio_init(&device->vfio, &device->edu);
	return 0;
}

int edu_device_new(struct backend *backend, struct iommufd_sim *machine, struct event_base *events,
	int state_fd, const struct control_device *facts, struct backend_device **ret)
{
	struct edu_device *device;
	int error;

	if (facts->vendor != EDU_VENDOR || facts->device != EDU_DEVICE) {
		close(state_fd);
		return -ENODEV;
	}
	device = calloc(1, sizeof(*device));
	if (!device) {
		close(state_fd);
		return -ENOMEM;
	}
	device->backend = backend;
	device->machine = machine;
	device->events = events;
	(void)snprintf(device->name, sizeof(device->name), "%s", facts->name);
	for (size_t i = 0; i < BACKEND_SHARES_MAX; i++)
		device->ports[i].device = device;
	error = device_setup(device, state_fd);
	close(state_fd);
	if (error < 0) {
		free(device);
		return error;
	}
	*ret = &device->base;
	return 0;
}

void edu_device_free(struct backend_device *base)
{
	struct edu_device *device = (struct edu_device *)base;

	if (!device)
		return;
	for (size_t i = 0; i < BACKEND_SHARES_MAX; i++) {
		if (device->ports[i].server)
			port_close(&device->ports[i]);
	}
	edu_vfio_deinit(&device->vfio);
	(void)iommufd_sim_close(device->machine, device->base.fd);
	(void)munmap(device->edu.state, EDU_STATE_BYTES);
	free(device);
}
