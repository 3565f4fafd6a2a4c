/* SPDX-License-Identifier: MIT */
/*
 * What the tests of this folder share: an edu on a flat bus, behind a vfio-user server, with the
 * client's end of the socket in the test's hands. The server runs when the test says so, or in a
 * thread of its own.
 */
#ifndef TESTS_UNIT_DEVICE_RIG_H
#define TESTS_UNIT_DEVICE_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/sim/edu.h"
#include "broker/sim/vfio_user_server.h"
#include "include/vfio_user.h"

#define RIG_MEMORY_BYTES 16384u
#define RIG_IOVA 0x100000u

struct rig {
	struct edu edu;
	struct edu_vfio device;
	uint8_t memory[RIG_MEMORY_BYTES]; /* what the device sees at RIG_IOVA */
	unsigned int faults;
	struct vfio_user_server *server;
	int client; /* the other end; -1 when the test closed it */
	unsigned int fds_before; /* open in this process before the rig was made */
	pthread_t thread;
	bool threaded;
	int thread_result;
};

unsigned int count_open_fds(void);

struct rig *rig_new(void);
/* Ends everything and asserts that no file descriptor is left over. */
void rig_free(struct rig *rig);

/* Serve in a thread until the client's end is closed; rig_join() gives what the server ended with.
 * */
void rig_serve(struct rig *rig);
int rig_join(struct rig *rig);

/* Send raw bytes with fds, as one sendmsg(). */
void rig_send(struct rig *rig, const void *bytes, size_t n, const int *fds, size_t n_fds);
/* A header, then the body; returns what the server's run returned. */
int rig_command(struct rig *rig, uint16_t command, uint32_t flags, const void *body, size_t n,
	const int *fds, size_t n_fds);
/* Receive the reply that waits, without blocking: its body and length. */
struct vfio_user_header rig_reply(struct rig *rig, void *body, size_t room, size_t *ret_bytes);
/* rig_command() with rig_reply(): 0 or the negative errno that was answered. */
int rig_call(struct rig *rig, uint16_t command, const void *body, size_t n, const int *fds,
	size_t n_fds, void *reply, size_t reply_bytes);
/* DEVICE_SET_IRQS: 0 or the negative errno that was answered. */
#define TRIGGER_EVENTFD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
int rig_irq_set(struct rig *rig, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, size_t n_fds);
/* Get the VERSION exchange over with. */
void rig_negotiate(struct rig *rig);

#endif
