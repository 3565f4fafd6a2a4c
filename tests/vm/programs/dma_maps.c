/* SPDX-License-Identifier: MIT */
/*
 * What a mapping is, told by a real device: each step sends the device to an IOVA, and the memory shows whether bytes arrived.
 *
 *   vm-dma-maps SOCKET DEVICE      the tenant's policy has one window, 0x1000000 to 0x7ffffff
 *
 * The device's buffer is loaded with a stamp once. "Lands" means that one page held nothing but zeros, the device was told to write there,
 * and now exactly its first 2048 bytes are the stamp.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lab.h"

#define WINDOW_FIRST UINT64_C(0x1000000)
#define WINDOW_LAST UINT64_C(0x7ffffff)
#define STAMP_IOVA UINT64_C(0x1000000)
#define MEMORY_IOVA UINT64_C(0x2000000)
#define PAGES UINT64_C(16)

struct scene {
	struct iommub_conn *conn;
	struct lab_device device;
	struct lab_memory stamp, memory;
	iommub_id ioas;
};

/* Send the device to write at iova; does it land in that page? */
static void lands(struct scene *at, uint64_t iova, uint8_t *page, int expected, const char *what)
{
	uint8_t image[LAB_PAGE] = {0};
	int err, landed;

	memset(page, 0, LAB_PAGE);
	err = edu_copy(&at->device.edu, EDU_TO_MEMORY, iova, EDU_BLOCK_BYTES);
	if (err < 0 && (err != -ETIMEDOUT || expected))
		lab_fail("%s: the transfer: %s", what, strerrorname_np(-err));
	landed = memcmp(page, image, LAB_PAGE) != 0;
	if (landed)
		memcpy(image, at->stamp.bytes, EDU_BLOCK_BYTES);
	if (memcmp(page, image, LAB_PAGE) != 0)
		lab_fail("%s: something else landed", what);
	if (landed != expected)
		lab_fail("%s: bytes %s", what, landed ? "landed" : "did not land");
	lab_say("ok: %s: %s", what, landed ? "lands" : "not one byte moves");
}

static uint64_t map_somewhere(struct scene *at, iommub_id ioas)
{
	struct iommub_map map = {.size = sizeof(map),
		.ioas = ioas,
		.memory = at->memory.id,
		.bytes = LAB_PAGE,
		.flags = LAB_BOTH};

	lab_expect(at->conn, iommub_map(at->conn, &map), 0, NULL);
	return map.iova;
}

static void setup(struct scene *at, const char *socket, const char *device)
{
	at->conn = lab_connect(socket, 0);
	at->stamp = lab_memory(at->conn, LAB_PAGE);
	at->memory = lab_memory(at->conn, PAGES * LAB_PAGE);
	for (unsigned int i = 0; i < EDU_BLOCK_BYTES; i++)
		at->stamp.bytes[i] = (uint8_t)(i * 37 + 1);
	at->ioas = lab_ioas(at->conn);
	lab_expect(at->conn,
		lab_map_at(
			at->conn, at->ioas, at->stamp.id, 0, LAB_PAGE, STAMP_IOVA, IOMMUB_MAP_READ),
		0, NULL);
	lab_device_open(at->conn, device, &at->device);
	lab_attach(at->conn, &at->device, at->ioas);
	lab_device_start(&at->device);
	if (edu_copy(&at->device.edu, EDU_FROM_MEMORY, STAMP_IOVA, EDU_BLOCK_BYTES) < 0)
		lab_fail("load the device's buffer");
}

static void windows(struct scene *at)
{
	struct iommub_range ranges[8], narrow = {0x4000000, 0x40fffff};
	size_t n = 8;
	uint64_t align, iova;
	iommub_id ioas = lab_ioas(at->conn);
	char text[96];

	lab_expect(at->conn, iommub_ioas_ranges(at->conn, at->ioas, ranges, &n, &align), 0, NULL);
	if (n != 1 || ranges[0].start != WINDOW_FIRST || ranges[0].last != WINDOW_LAST)
		lab_fail("the ranges are not the window");
	lab_say("ok: the kernel's IOVA ranges are cut to the window 0x%llx-0x%llx",
		(unsigned long long)ranges[0].start, (unsigned long long)ranges[0].last);
	lab_expect(at->conn,
		lab_map_at(
			at->conn, at->ioas, at->memory.id, 0, LAB_PAGE, WINDOW_LAST + 1, LAB_BOTH),
		-EPERM, "a fixed map one page past the window");
	lab_expect(at->conn,
		lab_map_at(at->conn, at->ioas, at->memory.id, 0, 2 * LAB_PAGE,
			WINDOW_LAST + 1 - LAB_PAGE, LAB_BOTH),
		-EPERM, "a fixed map that begins in the window and ends past it");
	lab_expect(at->conn,
		lab_map_at(at->conn, at->ioas, at->memory.id, 0, LAB_PAGE,
			WINDOW_LAST + 1 - LAB_PAGE, LAB_BOTH),
		0, NULL);
	lands(at, WINDOW_LAST + 1 - LAB_PAGE, at->memory.bytes, 1,
		"a fixed map of the window's last page");
	lab_expect(at->conn,
		iommub_unmap(at->conn, at->ioas, WINDOW_LAST + 1 - LAB_PAGE, LAB_PAGE, NULL), 0,
		NULL);
	iova = map_somewhere(at, at->ioas);
	if (iova < WINDOW_FIRST || iova > WINDOW_LAST)
		lab_fail("an automatic IOVA, 0x%llx, is outside the window",
			(unsigned long long)iova);
	(void)snprintf(text, sizeof(text), "an automatic map, at 0x%llx", (unsigned long long)iova);
	lands(at, iova, at->memory.bytes, 1, text);
	lab_expect(at->conn, iommub_unmap(at->conn, at->ioas, iova, LAB_PAGE, NULL), 0, NULL);
	lab_expect(at->conn, iommub_ioas_allow(at->conn, ioas, &narrow, 1), 0, NULL);
	for (unsigned int i = 0; i < 4; i++) {
		iova = map_somewhere(at, ioas);
		if (iova < narrow.start || iova > narrow.last)
			lab_fail("0x%llx is outside what was allowed", (unsigned long long)iova);
	}
	lab_say("ok: automatic maps stay within the ranges that the client allowed");
	lab_expect(at->conn, iommub_destroy(at->conn, ioas), 0, NULL);
}

static void unmapping(struct scene *at)
{
	uint8_t *page = at->memory.bytes + 3 * LAB_PAGE;
	const uint64_t iova = MEMORY_IOVA + 3 * LAB_PAGE;

	lab_expect(at->conn,
		lab_map_at(
			at->conn, at->ioas, at->memory.id, 3 * LAB_PAGE, LAB_PAGE, iova, LAB_BOTH),
		0, NULL);
	lands(at, iova, page, 1, "mapped");
	lab_expect(at->conn, iommub_unmap(at->conn, at->ioas, iova, LAB_PAGE, NULL), 0, NULL);
	lands(at, iova, page, 0, "after unmap");
	lab_expect(at->conn,
		lab_map_at(
			at->conn, at->ioas, at->memory.id, 3 * LAB_PAGE, LAB_PAGE, iova, LAB_BOTH),
		0, NULL);
	lands(at, iova, page, 1, "mapped again");
}

static void two_spaces(struct scene *at)
{
	uint8_t *first = at->memory.bytes + 3 * LAB_PAGE, *second = at->memory.bytes + 4 * LAB_PAGE;
	const uint64_t iova = MEMORY_IOVA + 3 * LAB_PAGE, copied = MEMORY_IOVA + 0x100000;
	iommub_id other = lab_ioas(at->conn), empty = lab_ioas(at->conn);
	struct iommub_copy copy = {.size = sizeof(copy),
		.dst_ioas = other,
		.src_ioas = at->ioas,
		.bytes = LAB_PAGE,
		.dst_iova = copied,
		.src_iova = iova,
		.flags = LAB_BOTH | IOMMUB_MAP_FIXED};

	lab_expect(at->conn,
		lab_map_at(at->conn, other, at->memory.id, 4 * LAB_PAGE, LAB_PAGE, iova, LAB_BOTH),
		0, NULL);
	memset(first, 0, LAB_PAGE);
	lab_attach(at->conn, &at->device, other);
	lands(at, iova, second, 1, "the same IOVA in a second IOAS, which maps another page");
	for (unsigned int i = 0; i < LAB_PAGE; i++)
		if (first[i])
			lab_fail("the first IOAS' page was written too");
	lab_expect(at->conn, iommub_copy(at->conn, &copy), 0, NULL);
	lands(at, copied, first, 1, "a copy of the first IOAS' mapping in the second");
	lab_expect(at->conn, iommub_unmap(at->conn, at->ioas, iova, LAB_PAGE, NULL), 0, NULL);
	lands(at, copied, first, 1, "the copy, when the mapping that it was made of is gone");
	copy.src_iova = iova + LAB_PAGE;
	copy.dst_iova = copied + LAB_PAGE;
	lab_expect(at->conn, iommub_copy(at->conn, &copy), -ENOENT, "a copy of what is not mapped");
	lab_attach(at->conn, &at->device, empty);
	lands(at, iova, second, 0, "attached to an empty IOAS");
	lab_attach(at->conn, &at->device, other);
	lands(at, iova, second, 1, "attached back");
	lab_expect(at->conn, iommub_device_detach(at->conn, at->device.id, 0), 0, NULL);
	lands(at, iova, second, 0, "detached");
	lab_attach(at->conn, &at->device, at->ioas);
	lab_expect(at->conn, iommub_destroy(at->conn, other), 0, NULL);
	lab_expect(at->conn, iommub_destroy(at->conn, empty), 0, NULL);
}

static void read_only(struct scene *at)
{
	uint8_t *page = at->memory.bytes + 5 * LAB_PAGE;
	uint8_t *other = at->memory.bytes + 6 * LAB_PAGE;
	const uint64_t iova = MEMORY_IOVA + 5 * LAB_PAGE;

	lab_expect(at->conn,
		lab_map_at(at->conn, at->ioas, at->memory.id, 5 * LAB_PAGE, LAB_PAGE, iova,
			IOMMUB_MAP_READ),
		0, NULL);
	lab_expect(at->conn,
		lab_map_at(at->conn, at->ioas, at->memory.id, 6 * LAB_PAGE, LAB_PAGE,
			iova + LAB_PAGE, LAB_BOTH),
		0, NULL);
	lands(at, iova, page, 0, "a write to a map that may be read only");
	memset(page, 0x77, EDU_BLOCK_BYTES);
	memset(other, 0, LAB_PAGE);
	if (edu_copy(&at->device.edu, EDU_FROM_MEMORY, iova, EDU_BLOCK_BYTES) < 0 ||
		edu_copy(&at->device.edu, EDU_TO_MEMORY, iova + LAB_PAGE, EDU_BLOCK_BYTES) < 0 ||
		memcmp(page, other, EDU_BLOCK_BYTES) != 0)
		lab_fail("a read through it");
	lab_say("ok: and a read through it works");
	/* The stamp again. */
	if (edu_copy(&at->device.edu, EDU_FROM_MEMORY, STAMP_IOVA, EDU_BLOCK_BYTES) < 0)
		lab_fail("load the device's buffer");
	lab_expect(at->conn, iommub_unmap(at->conn, at->ioas, iova, 2 * LAB_PAGE, NULL), 0, NULL);
}

static int memfd_new(void)
{
	int fd = memfd_create("case", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)LAB_PAGE) < 0)
		lab_fail("memfd");
	return fd;
}

/* What the kernel would take, and we do not: a device that writes into memory that may not be written. */
static void forbidden_memory(struct scene *at)
{
	struct iommub_memory_opts may_read = {
		.size = sizeof(may_read), .flags = IOMMUB_MEMORY_READ_ONLY};
	const uint64_t iova = MEMORY_IOVA + 0x200000;
	int fd = memfd_new(), reader, sealed = memfd_new();
	char path[64];
	iommub_id id;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0 || fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		lab_fail("a read-only and a sealed memfd");
	lab_expect(at->conn, iommub_memory_register(at->conn, reader, NULL, &id), -EACCES,
		"a memfd opened O_RDONLY, for writing");
	lab_expect(at->conn, iommub_memory_register(at->conn, sealed, NULL, &id), -EACCES,
		"a write-sealed memfd, for writing");
	lab_expect(at->conn, iommub_memory_register(at->conn, sealed, &may_read, &id), 0,
		"the same for reading only");
	lab_expect(at->conn, lab_map_at(at->conn, at->ioas, id, 0, LAB_PAGE, iova, LAB_BOTH),
		-EACCES, "a writable map of it");
	lab_expect(at->conn, lab_map_at(at->conn, at->ioas, id, 0, LAB_PAGE, iova, IOMMUB_MAP_READ),
		0, "a map of it to read");
	(void)close(sealed);
	(void)close(reader);
	lab_expect(at->conn, iommub_memory_register(at->conn, fd, NULL, &id), 0, NULL);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 || errno != EBUSY)
		lab_fail("F_SEAL_WRITE after registration is not EBUSY");
	lab_expect(at->conn,
		lab_map_at(at->conn, at->ioas, id, 0, LAB_PAGE, iova + LAB_PAGE, LAB_BOTH), 0,
		NULL);
	(void)iommub_device_detach(at->conn, at->device.id, 0);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 || errno != EBUSY)
		lab_fail("F_SEAL_WRITE after the map is not EBUSY");
	lab_say("ok: F_SEAL_WRITE after registration, and after a map with no device attached: "
		"EBUSY");
	lab_attach(at->conn, &at->device, at->ioas);
	lab_expect(at->conn, iommub_unmap(at->conn, at->ioas, iova, 2 * LAB_PAGE, NULL), 0, NULL);
	lab_expect(at->conn, iommub_memory_unregister(at->conn, id), 0, NULL);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		lab_fail("F_SEAL_WRITE after the end of it all: %s", strerrorname_np(errno));
	lab_say("ok: and once it is unmapped and unregistered, it can be sealed");
	(void)close(fd);
}

int main(int argc, char **argv)
{
	struct scene at = {0};

	if (argc != 3)
		lab_fail("usage: vm-dma-maps SOCKET DEVICE");
	setup(&at, argv[1], argv[2]);
	windows(&at);
	unmapping(&at);
	two_spaces(&at);
	read_only(&at);
	forbidden_memory(&at);
	edu_stop(&at.device.edu);
	iommub_device_free(at.device.device);
	iommub_disconnect(at.conn);
	return 0;
}
