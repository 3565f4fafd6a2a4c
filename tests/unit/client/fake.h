/* SPDX-License-Identifier: MIT */
/*
 * A broker that says what the test wants: a thread with a listening socket, which runs one function per connection.
 *
 * The function plays the broker with the calls below. It asserts nothing (cmocka's asserts belong to the test's thread): what it saw it writes down
 * in its own structure, and the test looks at that after fake_stop(), which waits for it. A receive of it ends when the client closes, so a
 * test that disconnects always ends.
 */
#ifndef TEST_CLIENT_FAKE_H
#define TEST_CLIENT_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <iommubroker/iommubroker.h>
#include "client.pb-c.h"

typedef void (*fake_fn)(int fd, void *arg);

struct fake {
	char directory[64];
	char path[96];
	int listen_fd;
	pthread_t thread;
	fake_fn fn;
	void *arg;
	bool running;
};

/* Listen in a new directory; the first connection is fn's. */
void fake_start(struct fake *fake, fake_fn fn, void *arg);
void fake_stop(struct fake *fake);

/* Start, and connect to it with a timeout of `timeout_ms` (0: default). */
int fake_connect(
	struct fake *fake, fake_fn fn, void *arg, uint32_t timeout_ms, struct iommub_conn **ret);

/* ---- what the broker's side says ---- */

/* The next packet; NULL when the client is gone. Its fds go to fds[0..*n_fds) (room for 64), or are closed if fds is NULL. */
Iommubroker__V1__ClientMessage *fake_receive(int fd, int *fds, size_t *n_fds);
void fake_free(Iommubroker__V1__ClientMessage *message);
/* The next request; its id and its operation's case (0 for a batch). False when the client is gone. */
bool fake_request(int fd, uint64_t *ret_id, int *ret_case);
/* Take Hello, answer with a plain Welcome. False when the client is gone. */
bool fake_welcome(int fd);

void fake_send(int fd, const Iommubroker__V1__ServerMessage *message, const int *fds, size_t n_fds);
void fake_send_bytes(int fd, const void *bytes, size_t length, const int *fds, size_t n_fds);
/* An answer: of success with this result (NULL: none), or of failure with this error's name. */
void fake_answer(int fd, uint64_t id, Iommubroker__V1__Result *result);
void fake_answer_fds(
	int fd, uint64_t id, Iommubroker__V1__Result *result, const int *fds, size_t n_fds);
void fake_refuse(int fd, uint64_t id, const char *error);
/* Answer what a well-meaning broker would: IoasAlloc -> 7, map -> IOVA 0x1000 × the operation's number, unmap -> its length, batches op by op, … False
 * when the client is gone. */
bool fake_serve_one(int fd, uint64_t *operations);
/* Welcome, then serve until the client is gone. */
void fake_serve(int fd, void *arg);

/* Open fds of this process: to compare before and after. */
size_t count_fds(void);

#endif
