/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void lab_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)printf("\n");
	(void)fflush(stdout);
}

void lab_fail(const char *format, ...)
{
	va_list args;

	(void)printf("FAILED: ");
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)printf("\n");
	(void)fflush(stdout);
	_exit(1);
}

uint64_t lab_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct iommub_conn *lab_connect(const char *socket, uint32_t timeout_ms)
{
	struct iommub_connect_opts opts = {.size = sizeof(opts),
		.path = socket,
		.client_name = "vm-case",
		.timeout_ms = timeout_ms};
	struct iommub_conn *conn;
	int err = iommub_connect(&opts, &conn);

	if (err < 0)
		lab_fail("connect: %s", strerrorname_np(-err));
	return conn;
}

uint64_t lab_session(struct iommub_conn *conn)
{
	const struct iommub_info *info;

	lab_expect(conn, iommub_get_info(conn, &info), 0, NULL);
	return info->session;
}

void lab_expect(struct iommub_conn *conn, int result, int expected, const char *what)
{
	const struct iommub_error *error = iommub_last_error(conn);
	const char *said = result < 0 && error->err == result ? error->message : "";
	const char *rule = result < 0 && error->err == result && error->rule ? error->rule : "";

	if (result != expected)
		lab_fail("%s: %s instead of %s %s", what ? what : "a step",
			result < 0 ? strerrorname_np(-result) : "it worked",
			expected < 0 ? strerrorname_np(-expected) : "success", said);
	if (what && expected < 0)
		lab_say("ok: %s: %s: %s%s%s", what, strerrorname_np(-expected), said,
			*rule ? " - the rule: " : "", rule);
	else if (what)
		lab_say("ok: %s", what);
}

iommub_id lab_ioas(struct iommub_conn *conn)
{
	iommub_id ioas;

	lab_expect(conn, iommub_ioas_alloc(conn, "case", &ioas), 0, NULL);
	return ioas;
}

struct lab_memory lab_memory(struct iommub_conn *conn, uint64_t size)
{
	struct iommub_memory_opts opts = {.size = sizeof(opts), .bytes = size, .tag = "case"};
	struct lab_memory memory = {.size = size};
	void *addr;

	lab_expect(conn, iommub_memory_create(conn, &opts, &memory.id, &memory.fd, &addr), 0, NULL);
	memory.bytes = addr;
	return memory;
}

int lab_map_at(struct iommub_conn *conn, iommub_id ioas, iommub_id memory, uint64_t offset,
	uint64_t bytes, uint64_t iova, uint32_t flags)
{
	struct iommub_map map = {.size = sizeof(map),
		.ioas = ioas,
		.memory = memory,
		.offset = offset,
		.bytes = bytes,
		.iova = iova,
		.flags = flags | IOMMUB_MAP_FIXED};

	return iommub_map(conn, &map);
}

void lab_attach(struct iommub_conn *conn, const struct lab_device *device, iommub_id pt)
{
	lab_expect(conn, iommub_device_attach(conn, device->id, pt, 0, NULL), 0, NULL);
}

void lab_device_open(struct iommub_conn *conn, const char *name, struct lab_device *ret)
{
	struct iommub_device_opts opts = {.size = sizeof(opts), .name = name, .tag = "case"};
	uint64_t end = lab_now_ms() + 30000;
	int fd, err;

	/* The first thing that happens to a device at the broker's start is a reset: it may be busy with that. */
	do
		err = iommub_device_open(conn, &opts, &ret->id, &fd);
	while ((err == -EBUSY || err == -EAGAIN) && lab_now_ms() < end && usleep(20000) == 0);
	lab_expect(conn, err, 0, NULL);
	err = iommub_device_from_fd(fd, 0, &ret->device);
	if (err < 0)
		lab_fail("use the device's fd: %s", strerrorname_np(-err));
	(void)close(fd);
}

void lab_device_start(struct lab_device *device)
{
	const char *why = NULL;
	int err = edu_start(&device->edu, device->device, &why);

	if (err < 0)
		lab_fail("the device: %s: %s", why, strerrorname_np(-err));
}

void lab_wait_line(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
		/* up to the end of the line */
	}
}
