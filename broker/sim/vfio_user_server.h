/* SPDX-License-Identifier: MIT */
/*
 * The server's end of one vfio-user connection: a SOCK_STREAM socket on which a client drives one
 * device.
 *
 * Hostile input throughout: a header is checked before its body is awaited, sizes are bounded
 * (VFIO_USER_MESSAGE_MAX), fds are counted and closed on every error, a client that does not read
 * its replies is read no further. A broken client loses this connection and nothing else.
 *
 * Of the system it uses recvmsg, sendmsg, close and, on an fd that a client offers as a trigger,
 * fstat; edu_vfio.c poll and write on such an fd.
 */
#ifndef IOMMUB_SIM_VFIO_USER_SERVER_H
#define IOMMUB_SIM_VFIO_USER_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* A device as vfio-user shows it; `struct edu` behind it in edu_vfio.c. All return 0 or -errno. */
struct vfio_user_region {
	uint64_t bytes; /* 0: there is no such region */
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
};
struct vfio_user_irq {
	uint32_t count; /* 0: there is no such index */
	uint32_t flags; /* VFIO_IRQ_INFO_* */
};
struct vfio_user_device_ops {
	int (*region_info)(void *device, uint32_t index, struct vfio_user_region *ret);
	/* [offset, offset + bytes) is within the region. */
	int (*region_read)(
		void *device, uint32_t index, uint64_t offset, void *buffer, uint32_t bytes);
	int (*region_write)(
		void *device, uint32_t index, uint64_t offset, const void *buffer, uint32_t bytes);
	int (*irq_info)(void *device, uint32_t index, struct vfio_user_irq *ret);
	/* `vector` is below the count of `index` in all of these. */
	/* Take `fd` (an anonymous-inode file such as an eventfd, owned by the device from here on,
	 * also on failure; -1 = take away) as the trigger of a vector; the first call makes the
	 * index the active one. */
	int (*irq_set_eventfd)(void *device, uint32_t index, uint32_t vector, int fd);
	int (*irq_trigger)(void *device, uint32_t index, uint32_t vector);
	int (*irq_mask)(void *device, uint32_t index, uint32_t vector,
		bool masked); /* -ENOTTY: not maskable */
	int (*irq_disable)(void *device, uint32_t index); /* all vectors */
	int (*reset)(void *device);
	uint32_t regions, irqs; /* how many indexes */
};

struct vfio_user_server;

/* Serve `socket_fd` (non-blocking, owned by the server from here on, also on failure). 0 or -errno.
 * */
int vfio_user_server_new(int socket_fd, const struct vfio_user_device_ops *ops, void *device,
	struct vfio_user_server **ret);
void vfio_user_server_free(struct vfio_user_server *server);

int vfio_user_server_fd(const struct vfio_user_server *server);
/* What to wait for now: EPOLLIN while it may read, EPOLLOUT while a reply is stuck. */
uint32_t vfio_user_server_events(const struct vfio_user_server *server);
/* Do what can be done without blocking, at most a bounded number of messages. 0: go on; -errno: the
 * connection is over (-ECONNRESET: the client closed; -EPROTO and others: it broke the protocol),
 * free it. */
int vfio_user_server_run(struct vfio_user_server *server);

/* edu_vfio.c: an edu as a vfio-user device. One per device: several servers may share it, as
 * several holders of one VFIO fd share its interrupts. */
struct edu;
struct edu_vfio {
	struct edu *edu;
	int irq_fd; /* MSI vector 0, or -1; owned */
	int intx_fd; /* or -1; owned */
	int active; /* the index that is on, VFIO_PCI_INTX_… or _MSI_IRQ_INDEX; -1: neither */
	bool intx_masked; /* by itself after each INTx, or by the client */
};
extern const struct vfio_user_device_ops edu_vfio_ops;
void edu_vfio_init(struct edu_vfio *device, struct edu *edu);
/* Closes the eventfds, MSI off. What the last close of a VFIO fd does: call it when the last server
 * of the device is gone, and edu_vfio_init() again before the next one. */
void edu_vfio_deinit(struct edu_vfio *device);
/* The edu_ops.interrupt callback for an edu whose arg is struct edu_vfio is the caller's to wire.
 * Never blocks on an eventfd that its owner has filled up. */
void edu_vfio_interrupt(struct edu_vfio *device);

#endif
