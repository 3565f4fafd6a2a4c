/* SPDX-License-Identifier: MIT */
/*
 * Inside the device helpers.
 *
 *   device.c             the calls: checks that are the same for both, then the transport
 *   device_vfio.c        transport: ioctls on a VFIO fd
 *   device_vfio_user.c   transport: what the vfio-user messages say
 *   device_wire.c        … and how each and its reply get over the socket before the deadline
 */
#ifndef IOMMUB_CLIENT_LIB_DEVICE_H
#define IOMMUB_CLIENT_LIB_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <iommubroker/device.h>

#define DEVICE_REGIONS_KEPT 16u /* region sizes that are asked for once */
#define DEVICE_IRQS_MAX 2048u /* vectors of one call: what MSI-X can have */

/* A region with what the transport needs to reach it. */
struct device_region {
	bool known;
	uint32_t flags;
	uint64_t bytes;
	uint64_t file_offset; /* VFIO: where it lies in the fd */
};

/* A call to iommub_device_irq_set() whose arguments fit together. */
struct device_irq_set {
	enum iommub_irq_action action;
	uint32_t index;
	uint32_t start;
	uint32_t n;
	const int *eventfds;
};

/* One of the two ways to reach a device. Ranges, directions and counts were checked. All return 0
 * or -errno. */
struct device_transport {
	int (*open)(struct iommub_device *device);
	int (*summary)(struct iommub_device *device, struct iommub_device_summary *ret);
	int (*region)(struct iommub_device *device, uint32_t index, struct device_region *ret);
	int (*irq)(struct iommub_device *device, uint32_t index, struct iommub_irq *ret);
	int (*read)(struct iommub_device *device, uint32_t index,
		const struct device_region *region, uint64_t offset, void *buffer, size_t bytes);
	int (*write)(struct iommub_device *device, uint32_t index,
		const struct device_region *region, uint64_t offset, const void *buffer,
		size_t bytes);
	int (*irq_set)(struct iommub_device *device, const struct device_irq_set *set);
	int (*reset)(struct iommub_device *device);
};
extern const struct device_transport device_vfio;
extern const struct device_transport device_vfio_user;

struct iommub_device {
	int fd; /* owned */
	bool vfio_user;
	const struct device_transport *transport;
	struct device_region regions[DEVICE_REGIONS_KEPT];

	/* vfio-user only */
	uint32_t timeout_ms;
	pid_t owner; /* who may use the connection */
	bool broken; /* the connection is out of step or gone */
	uint16_t next_id;
	uint32_t data_bytes_max; /* of one message */
	uint32_t fds_max; /* with one message */
};

/* One message and its reply. */
struct wire_call {
	uint16_t command;
	struct iovec body[2]; /* what is sent behind the header; lengths may be 0 */
	const int *fds; /* sent along; borrowed */
	size_t n_fds;
	struct iovec reply; /* the reply's fixed part: exactly so long */
	struct iovec data; /* what follows it: at most so long … */
	size_t *ret_data_bytes; /* … and how long it was; NULL: exactly that */
};

/* 0; a negative errno that the server answered; or one that says what became of the connection
 * (device.h lists them). */
int device_wire_call(struct iommub_device *device, const struct wire_call *call);

#endif
