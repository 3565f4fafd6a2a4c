/* SPDX-License-Identifier: MIT */
/*
 * The backend is an ioctl: one entry point, the kernel's own uAPI structs, an fd that names what
 * they are for.
 *
 *   kernel   ioctl(2) on the iommufd that the supervisor opened, and on VFIO device fds
 *   model    iommufd_sim_ioctl() on fds of the model that lives in this process
 *
 * A device arrives from the supervisor as an fd. On the kernel that is the VFIO device itself. On
 * the model it is a memfd with the device's state, and backend_device_open() makes of it an edu
 * behind a model fd and, for each time the client is given the device, a vfio-user socket that this
 * process serves.
 */
#ifndef IOMMUB_SESSION_BACKEND_H
#define IOMMUB_SESSION_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include "broker/common/control.h"

#define BACKEND_SHARES_MAX 8u /* vfio-user sockets of one device of the model at a time */

struct backend;
struct backend_device;
struct event_base;

/* No MAP_FILE: behave as a kernel before 6.13 (a mask for tests; on such a kernel it is found by
 * probing). */
int backend_new(enum control_backend kind, int iommufd, bool mask_map_file, struct event_base *base,
	struct backend **ret);
/* Ends every device and the context. NULL is fine. */
void backend_free(struct backend *backend);

/* A DMA of one of the model's devices went nowhere. (A real device's faults are in the kernel's
 * log.) */
typedef void (*backend_fault_fn)(void *arg, const char *device, uint64_t iova, bool write);
void backend_fault_handler_set(struct backend *backend, backend_fault_fn handler, void *arg);

/* As ioctl(2) on the iommufd context; 0 or -errno. */
int backend_ioctl(struct backend *backend, unsigned long cmd, void *arg);
/* Map [offset, offset+length) of a file: IOAS_MAP_FILE, or below Linux 6.13 the file mapped into
 * this process and IOAS_MAP. `flags` are IOMMU_IOAS_MAP_*. On success *iova_inout is where. 0 or
 * -errno. */
int backend_map_file(struct backend *backend, uint32_t ioas, int fd, uint64_t offset,
	uint64_t length, uint32_t flags, uint64_t *iova_inout);

/* Take over a granted fd (owned by the backend from here on, also on failure) and bind it: *ret_id
 * is the kernel's id of the DEVICE object. */
int backend_device_open(struct backend *backend, int fd, const struct control_device *facts,
	struct backend_device **ret, uint32_t *ret_id);
/* An fd to send to the client; the caller closes it after sending. The device's own, duplicated, or
 * on the model one end of a new vfio-user socket. *vfio_user says which. -EMFILE: too many sockets
 * on this device. */
int backend_device_share(struct backend *backend, struct backend_device *device, bool *vfio_user);
/* As ioctl(2) on the device: VFIO_DEVICE_ATTACH_IOMMUFD_PT, … */
int backend_device_ioctl(
	struct backend *backend, struct backend_device *device, unsigned long cmd, void *arg);
/* Detach, close what this process holds of it. A client's own fd of a VFIO device is not ours to
 * close. */
void backend_device_close(struct backend *backend, struct backend_device *device);

/* "model" or "kernel" */
const char *backend_name(const struct backend *backend);

#endif
