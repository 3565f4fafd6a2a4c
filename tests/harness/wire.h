/* SPDX-License-Identifier: MIT */
/*
 * A client made of the wire alone: it can send any bytes and any fds, and knows nothing of
 * libiommubroker.
 *
 * The wire_* calls that can fail in a way that a test wants to see return it; everything else fails
 * the running test.
 */
#ifndef HARNESS_WIRE_H
#define HARNESS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/harness/ask.h"
#include "tests/harness/broker.h"

#define WIRE_FDS_MAX 64

struct wire {
	int fd;
	uint64_t next_id;
	ServerMessage *message; /* the last one received; NULL before and at the end */
	int fds[WIRE_FDS_MAX]; /* that came with it: the caller's to take (set to -1) before the
				  next call */
	size_t n_fds;
};

/* Connect; nothing is sent. As another user (only as root): SO_PEERCRED is what connect() saw. */
struct wire *wire_connect(const struct harness_broker *broker, const char *socket_path);
struct wire *wire_connect_as(
	const struct harness_broker *broker, const char *socket_path, uid_t uid, gid_t gid);
void wire_close(struct wire *wire); /* NULL is fine */

/* Hello, and the Welcome or its refusal; NULL when the session ended without one. */
const Welcome *wire_hello(struct wire *wire);
/* Connect and be welcome. */
struct wire *wire_open(const struct harness_broker *broker, const char *socket_path);

/* One packet as it is. 0 or -errno (-EAGAIN: the broker does not read). */
int wire_send(struct wire *wire, const void *bytes, size_t n, const int *fds, size_t n_fds);
/* Pack and send. */
int wire_send_message(
	struct wire *wire, const ClientMessage *message, const int *fds, size_t n_fds);
int wire_send_request(struct wire *wire, Request *request, const int *fds, size_t n_fds);
/* The next message, or NULL when the broker closed the connection. */
const ServerMessage *wire_receive(struct wire *wire);
/* Send an operation and take its Response; events on the way are dropped. Fails the test if the
 * session ends. */
const Response *wire_call(struct wire *wire, const struct ask *ask, const int *fds, size_t n_fds);
const Response *wire_call_request(
	struct wire *wire, Request *request, const int *fds, size_t n_fds);
/* The session ends without another Response. What it says last (a refused Welcome, an Event) is
 * dropped. */
void wire_expect_end(struct wire *wire);

/* The error of an answer, "" for success. */
const char *wire_error(const Response *response);
void wire_expect_success(const Response *response);
/* This errno by name; and `what` in the field name or the sentence (NULL: anything). */
void wire_expect_error(const Response *response, const char *error, const char *what);

/* ---- operations that are expected to succeed ---- */
uint32_t wire_ioas_alloc(struct wire *wire);
uint32_t wire_memory_register(struct wire *wire, int fd, bool writeable);
/* Map all of [offset, offset+length) where the broker likes; returns the IOVA. */
uint64_t wire_map(
	struct wire *wire, uint32_t ioas, uint32_t memory, uint64_t offset, uint64_t length);
void wire_map_fixed(struct wire *wire, uint32_t ioas, uint32_t memory, uint64_t offset,
	uint64_t length, uint64_t iova);
void wire_unmap(struct wire *wire, uint32_t ioas, uint64_t iova, uint64_t length);
void wire_destroy(struct wire *wire, uint32_t id);
/* The device's id; its fd is the caller's. */
uint32_t wire_device_open(struct wire *wire, const char *name, int *ret_fd);
void wire_device_attach(struct wire *wire, uint32_t device, uint32_t pt_id);
/* From INFO; UINT64_MAX if the broker does not list that pair. */
uint64_t wire_used(struct wire *wire, uint32_t scope, uint32_t resource);

/* A memfd of so many bytes, filled with `fill`. */
int wire_memfd(size_t bytes, unsigned char fill);

#endif
