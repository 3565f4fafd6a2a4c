/* SPDX-License-Identifier: MIT */
/*
 * A tenant at work beside others: DMA both ways through its own device, round after round, with every byte of its memory compared
 * after each, and a map and unmap. What another tenant does must not show here.
 *
 *   vm-victim SOCKET DEVICE      prints "working" after the first round, and how many there were when its input ends
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"

#define IOVA UINT64_C(0x1000000)
#define BYTES (UINT64_C(1) << 20)
#define SLOT_BYTES (UINT64_C(2) * EDU_BLOCK_BYTES) /* a block, and the place for its copy */
#define SLOTS (BYTES / SLOT_BYTES)

static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)((offset * 0x9e3779b97f4a7c15u) >> 56);
}

static void compare(const struct lab_memory *memory, const uint8_t *expected, uint64_t round)
{
	for (uint64_t i = 0; i < memory->size; i++)
		if (memory->bytes[i] != expected[i])
			lab_fail("the victim's byte %llu is 0x%02x, not 0x%02x, in round %llu",
				(unsigned long long)i, memory->bytes[i], expected[i],
				(unsigned long long)round);
}

static void one_round(struct iommub_conn *conn, iommub_id ioas, struct lab_device *device,
	struct lab_memory *memory, uint8_t *expected, uint64_t round)
{
	uint64_t source = round * 7919 % SLOTS * SLOT_BYTES;
	uint64_t target = source + EDU_BLOCK_BYTES;

	for (uint64_t i = 0; i < EDU_BLOCK_BYTES; i++)
		memory->bytes[source + i] = expected[source + i] = pattern(i + round);
	if (edu_copy(&device->edu, EDU_FROM_MEMORY, IOVA + source, EDU_BLOCK_BYTES) < 0 ||
		edu_copy(&device->edu, EDU_TO_MEMORY, IOVA + target, EDU_BLOCK_BYTES) < 0)
		lab_fail("the victim's transfer in round %llu", (unsigned long long)round);
	memcpy(expected + target, expected + source, EDU_BLOCK_BYTES);
	compare(memory, expected, round);
	lab_expect(conn, lab_map_at(conn, ioas, memory->id, 0, LAB_PAGE, IOVA + BYTES, LAB_BOTH), 0,
		NULL);
	lab_expect(conn, iommub_unmap(conn, ioas, IOVA + BYTES, LAB_PAGE, NULL), 0, NULL);
}

static int told_to_end(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) != 0;
}

int main(int argc, char **argv)
{
	struct lab_memory memory;
	struct lab_device device;
	struct iommub_conn *conn;
	uint64_t round = 0, worst_ms = 0;
	uint8_t *expected = malloc(BYTES);
	iommub_id ioas;

	if (argc != 3 || !expected)
		lab_fail("usage: vm-victim SOCKET DEVICE");
	conn = lab_connect(argv[1], 0);
	memory = lab_memory(conn, BYTES);
	for (uint64_t i = 0; i < BYTES; i++)
		memory.bytes[i] = expected[i] = pattern(i);
	ioas = lab_ioas(conn);
	lab_expect(conn, lab_map_at(conn, ioas, memory.id, 0, BYTES, IOVA, LAB_BOTH), 0, NULL);
	lab_device_open(conn, argv[2], &device);
	lab_attach(conn, &device, ioas);
	lab_device_start(&device);
	do {
		uint64_t begin = lab_now_ms(), took;

		one_round(conn, ioas, &device, &memory, expected, round);
		took = lab_now_ms() - begin;
		worst_ms = took > worst_ms ? took : worst_ms;
		if (round++ == 0)
			lab_say("working: session %llu, IOAS %u",
				(unsigned long long)lab_session(conn), ioas);
	} while (!told_to_end());
	lab_say("the victim: %llu rounds, slowest %llu ms, all of its %llu bytes are its own",
		(unsigned long long)round, (unsigned long long)worst_ms, (unsigned long long)BYTES);
	iommub_disconnect(conn);
	return 0;
}
