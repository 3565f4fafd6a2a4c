/* SPDX-License-Identifier: MIT */
/*
 * The socket: packets with file descriptors, and waiting with a deadline.
 *
 * The socket itself is blocking (a socket that is passed over execve() shares its flags with whoever has it); that a call does not
 * block is said call by call. Received fds are CLOEXEC, and are the caller's only together with a return value >= 0.
 */
#ifndef IOMMUB_CLIENT_TRANSPORT_H
#define IOMMUB_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TRANSPORT_BYTES_MAX 65536u
#define TRANSPORT_FDS_MAX                                                                          \
	253u /* what the kernel lets one packet carry: so that none is lost for want of room */
#define TRANSPORT_SEND_FDS_MAX 64u

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t time_now_ns(void);

/* Connect to a socket's path before the deadline. The fd, or -errno (-ETIMEDOUT, -ENAMETOOLONG, connect(2)'s). */
int transport_connect(const char *path, int64_t deadline_ns);
/* Is this a connected SOCK_SEQPACKET Unix socket? 0, -EBADF, -ENOTSOCK, -EINVAL. */
int transport_check(int fd);
/* How long a receive with `wait` waits before it answers -EAGAIN. */
void transport_set_wait(int fd, uint32_t timeout_ms);

/* Send one packet; fds are borrowed. Never waits, never SIGPIPE. 0 or -errno (-EAGAIN: full). */
int transport_send(int fd, const void *bytes, size_t length, const int *fds, size_t n_fds);

struct packet {
	uint8_t *bytes; /* TRANSPORT_BYTES_MAX of them */
	size_t length;
	int fds[TRANSPORT_FDS_MAX];
	size_t n_fds;
	bool fds_lost; /* the kernel could not give us all of them: our fd table is full */
};

/* Receive one packet. 0; -EAGAIN: nothing there; -ECONNRESET: the end; -EMSGSIZE: larger than any may be; -errno. */
int transport_recv(int fd, bool wait, struct packet *packet);
/* Close what is left in packet->fds. */
void packet_close_fds(struct packet *packet);

/* Wait until `events` or the deadline (INT64_MAX: for ever). 0, -ETIMEDOUT, -errno. Interrupted by a signal: 0. */
int transport_wait(int fd, short events, int64_t deadline_ns);

#endif
