/* SPDX-License-Identifier: MIT */
/*
 * A device of the model in a session: an edu whose state is the supervisor's memfd, behind an fd of
 * the model, driven by clients over vfio-user sockets.
 *
 *      memfd: the hardware, which outlives the session
 *        │ mapped
 *      edu ──DMA──> iommufd_sim_dma_*() on the model's fd ──> the page table that the session built
 *        │  └─────> interrupt: the client's eventfd             └─> or a fault
 *        │ registers
 *      vfio-user servers, at most BACKEND_SHARES_MAX, in the session's event loop
 *        │ a socket pair each
 *      the client
 *
 * All sockets of a device drive the same registers, as duplicates of a VFIO fd do. A client that
 * breaks the vfio-user protocol or closes loses its socket, and the device stays.
 */
#ifndef IOMMUB_SESSION_EDU_DEVICE_H
#define IOMMUB_SESSION_EDU_DEVICE_H

#include "broker/session/backend_impl.h"

struct iommufd_sim;
struct event_base;

/* `state_fd` is owned, also on failure. -EINVAL: not a memfd of EDU_STATE_BYTES that cannot shrink;
 * -ENODEV: not an edu; -errno. */
int edu_device_new(struct backend *backend, struct iommufd_sim *machine, struct event_base *events,
	int state_fd, const struct control_device *facts, struct backend_device **ret);
void edu_device_free(struct backend_device *device);

/* A new socket to drive it by, the caller's; -EMFILE: BACKEND_SHARES_MAX are open. */
int edu_device_share(struct backend_device *device);

#endif
