/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the VM cases share: a tenant's steps, of which each either does what the program needs or ends it with a
 * sentence and status 1. A step that the broker is meant to refuse is asked for by lab_expect().
 */
#ifndef IOMMUB_VM_LAB_H
#define IOMMUB_VM_LAB_H

#include <stddef.h>
#include <stdint.h>
#include <iommubroker/iommubroker.h>

#include "edu.h"

#define LAB_PAGE UINT64_C(4096)
#define LAB_BOTH ((uint32_t)(IOMMUB_MAP_READ | IOMMUB_MAP_WRITE))

struct lab_device {
	iommub_id id;
	struct iommub_device *device;
	struct edu edu;
};

struct lab_memory {
	iommub_id id;
	int fd;
	uint8_t *bytes;
	uint64_t size;
};

__attribute__((format(printf, 1, 2))) void lab_say(const char *format, ...);
__attribute__((format(printf, 1, 2), noreturn)) void lab_fail(const char *format, ...);

/* Milliseconds of CLOCK_MONOTONIC, which is one for the whole guest. */
uint64_t lab_now_ms(void);

struct iommub_conn *lab_connect(const char *socket, uint32_t timeout_ms);
uint64_t lab_session(struct iommub_conn *conn);

/* The result of a call is `expected` (0 or -errno); prints which, with what the broker said of a refusal. */
void lab_expect(struct iommub_conn *conn, int result, int expected, const char *what);

iommub_id lab_ioas(struct iommub_conn *conn);
struct lab_memory lab_memory(struct iommub_conn *conn, uint64_t size);
/* FIXED at iova. */
int lab_map_at(struct iommub_conn *conn, iommub_id ioas, iommub_id memory, uint64_t offset,
	uint64_t bytes, uint64_t iova, uint32_t flags);
void lab_attach(struct iommub_conn *conn, const struct lab_device *device, iommub_id pt);

/* Borrows it; lab_device_start() makes its registers answer. */
void lab_device_open(struct iommub_conn *conn, const char *name, struct lab_device *ret);
void lab_device_start(struct lab_device *device);

/* Wait for a line or the end of standard input. */
void lab_wait_line(void);

#endif
