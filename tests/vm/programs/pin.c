/* SPDX-License-Identifier: MIT */
/*
 * Pin memory for a device, and say which of the two limits of section 6 said no.
 *
 *   vm-pin SOCKET DEVICE BYTES [BYTES]     connects, prints "session N", and waits for a line: time for root to change the session's
 *                                          RLIMIT_MEMLOCK. Then maps the first BYTES and attaches the device; then, with the device
 *                                          attached, maps the second. Prints what each answered, and holds all until its input ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"

static void report(struct iommub_conn *conn, const char *what, uint64_t bytes, int err)
{
	const struct iommub_error *error = iommub_last_error(conn);

	if (err == 0)
		lab_say("%s %llu bytes: accepted", what, (unsigned long long)bytes);
	else
		lab_say("%s %llu bytes: refused: %s: %s", what, (unsigned long long)bytes,
			strerrorname_np(-err), error->err == err ? error->message : "");
}

static int map(struct iommub_conn *conn, iommub_id ioas, uint64_t bytes, uint64_t iova)
{
	struct lab_memory memory = lab_memory(conn, bytes);
	int err = lab_map_at(conn, ioas, memory.id, 0, bytes, iova, LAB_BOTH);

	report(conn, "map", bytes, err);
	return err;
}

int main(int argc, char **argv)
{
	struct lab_device device;
	struct iommub_conn *conn;
	uint64_t first, second;
	iommub_id ioas;

	if (argc < 4)
		lab_fail("usage: vm-pin SOCKET DEVICE BYTES [BYTES]");
	first = strtoull(argv[3], NULL, 0);
	second = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;
	conn = lab_connect(argv[1], 0);
	lab_say("session %llu", (unsigned long long)lab_session(conn));
	lab_wait_line();
	lab_device_open(conn, argv[2], &device);
	ioas = lab_ioas(conn);
	if (map(conn, ioas, first, 0x1000000) == 0)
		report(conn, "attach with", first,
			iommub_device_attach(conn, device.id, ioas, 0, NULL));
	if (second)
		(void)map(conn, ioas, second, 0x8000000);
	lab_say("holding");
	lab_wait_line();
	return 0;
}
