/* SPDX-License-Identifier: MIT */
/*
 * A hostile client that is revoked while it does its worst.
 *
 *   vm-revoked SOCKET FLAG WHERE DEVICE...      prints "session N"; ends 3 s after its connection has.
 *                                                  Status 2: the MAP was over when force began, or no DMA had landed before, so that nothing is shown
 *
 *      mapper      (the main thread) asks for a MAP of a large file, again and again
 *      puncher     makes a hole of that file when the broker has allocated it, so that the kernel has to do that again inside the MAP;
 *                  says "inside a MAP" the first time
 *      attacher    attaches one device to every small id, past the broker, without a pause, with PASID 0 and without one;
 *                  one for each device
 *      ringer      rings the first device's doorbell: a transfer to the target takes it 100 ms
 *      watcher     looks at the target. Bytes in it: a transfer has landed, and they are wiped
 *
 * WHERE is "above": the target is memory of its own, mapped at IOVAs above the large MAP; or "inside": the target is the first
 * page of the large MAP itself, which the kernel maps first. More than one device keeps the page table alive that they are all
 * attached to, while one of them is detached.
 *
 * FLAG is how vm-witness says that force has begun. From then on, but for GRACE_MS between two emulated CPUs, the target must stay clean.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostile.h"

#define MIB (UINT64_C(1) << 20)
#define LARGE_IOVA MIB
#define LARGE_BYTES (230 * MIB)
#define TARGET_IOVA (250 * MIB)
#define TARGET_BYTES (64 * LAB_PAGE)
#define DEVICES_MAX 8u
#define IDS 16u
#define GRACE_MS 50u
#define AFTER_MS 3000u

/* Registers of edu, as 64-bit words and the status byte of its engine. */
#define EDU_DMA_SOURCE (0x80 / 8)
#define EDU_DMA_DESTINATION (0x88 / 8)
#define EDU_DMA_COUNT (0x90 / 8)
#define EDU_DMA_COMMAND (0x98 / 8)
#define EDU_BUFFER 0x40000u
#define EDU_RUN 1u
#define EDU_TO_MEMORY_BIT 2u

static struct {
	struct iommub_conn *conn;
	struct lab_device devices[DEVICES_MAX];
	unsigned int devices_count;
	struct lab_memory memory; /* mapped above the large MAP */
	uint8_t *target;
	uint64_t target_iova;
	int large_fd;
	volatile uint64_t *bar;
	_Atomic uint64_t *flag; /* [0] when force began, [1] when it was asked for */
	atomic_bool stop;
} at;

/* Counted before and after force began. */
static struct {
	_Atomic uint64_t attaches[2], attached[2], doorbells[2], landed[2];
	_Atomic uint64_t landed_in_grace, last_landed_ms, last_attached_ms;
} counted;

static unsigned int phase(void)
{
	return atomic_load(&at.flag[0]) != 0;
}

static void *attacher(void *arg)
{
	const struct lab_device *device = arg;
	unsigned int round = 0;
	int fd = iommub_device_get_fd(device->device);

	for (; !atomic_load(&at.stop); round++)
		for (uint32_t id = 1; id <= IDS; id++) {
			unsigned int when = phase();
			int result;

			atomic_fetch_add(&counted.attaches[when], 1);
			result = round % 2 ? hostile_attach(fd, id, NULL)
					   : hostile_attach_pasid(fd, id, 0);
			if (result < 0)
				continue;
			atomic_fetch_add(&counted.attached[when], 1);
			atomic_store(&counted.last_attached_ms, lab_now_ms());
		}
	return NULL;
}

static void *ringer(void *arg)
{
	(void)arg;
	while (!atomic_load(&at.stop)) {
		if (at.bar[EDU_DMA_COMMAND] & EDU_RUN) {
			(void)usleep(1000);
			continue;
		}
		at.bar[EDU_DMA_SOURCE] = EDU_BUFFER;
		at.bar[EDU_DMA_DESTINATION] = at.target_iova;
		at.bar[EDU_DMA_COUNT] = EDU_BLOCK_BYTES;
		at.bar[EDU_DMA_COMMAND] = EDU_RUN | EDU_TO_MEMORY_BIT;
		atomic_fetch_add(&counted.doorbells[phase()], 1);
	}
	return NULL;
}

/* The broker allocates the file before it maps it. When that is done, all but the beginning is taken away again. */
static void *puncher(void *arg)
{
	bool said = false;

	(void)arg;
	while (!atomic_load(&at.stop)) {
		struct stat facts;

		if (fstat(at.large_fd, &facts) == 0 &&
			(uint64_t)facts.st_blocks * 512 >= LARGE_BYTES) {
			(void)fallocate(at.large_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)MIB, (off_t)(LARGE_BYTES - MIB));
			if (!said)
				lab_say("inside a MAP");
			said = true;
		}
		(void)usleep(500);
	}
	return NULL;
}

/* Any byte of the whole target. */
static int target_dirty(void)
{
	const uint64_t *words = (const uint64_t *)(const void *)at.target;
	uint64_t any = 0;

	for (uint64_t i = 0; i < TARGET_BYTES / sizeof(*words); i++)
		any |= ((const volatile uint64_t *)words)[i];
	return any != 0;
}

static void *watcher(void *arg)
{
	bool cleared = false;

	(void)arg;
	while (!atomic_load(&at.stop)) {
		uint64_t force = atomic_load(&at.flag[0]), now;

		if (force && !cleared && lab_now_ms() > force + GRACE_MS) {
			if (target_dirty())
				atomic_fetch_add(&counted.landed_in_grace, 1);
			memset(at.target, 0, TARGET_BYTES);
			cleared = true;
		}
		if (target_dirty()) {
			now = lab_now_ms();
			memset(at.target, 0, TARGET_BYTES);
			if (force && !cleared)
				atomic_fetch_add(&counted.landed_in_grace, 1);
			else
				atomic_fetch_add(&counted.landed[cleared], 1);
			atomic_store(&counted.last_landed_ms, now);
		}
		(void)usleep(500);
	}
	return NULL;
}

static void devices_open(char **names, unsigned int count, iommub_id ioas)
{
	void *bar;

	for (unsigned int i = 0; i < count; i++) {
		lab_device_open(at.conn, names[i], &at.devices[i]);
		lab_attach(at.conn, &at.devices[i], ioas);
		lab_device_start(&at.devices[i]);
		at.devices_count++;
	}
	memset(at.memory.bytes, 0x5a, TARGET_BYTES);
	if (edu_copy(&at.devices[0].edu, EDU_FROM_MEMORY, TARGET_IOVA, EDU_BLOCK_BYTES) < 0)
		lab_fail("load the device's buffer");
	memset(at.memory.bytes, 0, TARGET_BYTES);
	edu_stop(&at.devices[0].edu);
	if (iommub_device_mmap(at.devices[0].device, IOMMUB_REGION_BAR0, 0, LAB_PAGE,
		    PROT_READ | PROT_WRITE, &bar) < 0)
		lab_fail("map the device's registers");
	at.bar = bar;
}

static void large_file(void)
{
	at.large_fd = memfd_create("large", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (at.large_fd < 0 || ftruncate(at.large_fd, (off_t)LARGE_BYTES) < 0)
		lab_fail("a large file");
}

static void target_choose(const char *where)
{
	at.target = at.memory.bytes;
	at.target_iova = TARGET_IOVA;
	if (strcmp(where, "inside") != 0)
		return;
	at.target = mmap(NULL, TARGET_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, at.large_fd, 0);
	at.target_iova = LARGE_IOVA;
	if (at.target == MAP_FAILED)
		lab_fail("the target");
}

static iommub_id setup(const char *socket, const char *flag)
{
	int fd = open(flag, O_RDWR | O_CLOEXEC);
	iommub_id ioas;

	at.flag = mmap(NULL, LAB_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || at.flag == MAP_FAILED)
		lab_fail("%s", flag);
	at.conn = lab_connect(socket, 120000);
	lab_say("session %llu", (unsigned long long)lab_session(at.conn));
	at.memory = lab_memory(at.conn, TARGET_BYTES);
	ioas = lab_ioas(at.conn);
	lab_expect(at.conn,
		lab_map_at(at.conn, ioas, at.memory.id, 0, TARGET_BYTES, TARGET_IOVA, LAB_BOTH), 0,
		NULL);
	return ioas;
}

/* MAP and UNMAP until the connection ends. How many were made; when the last was asked for. */
static unsigned int map_until_the_end(iommub_id ioas, iommub_id large, uint64_t *ret_asked_ms)
{
	unsigned int maps = 0;
	int err;

	do {
		*ret_asked_ms = lab_now_ms();
		err = lab_map_at(at.conn, ioas, large, 0, LARGE_BYTES, LARGE_IOVA, LAB_BOTH);
		if (err == 0) {
			maps++;
			err = iommub_unmap(at.conn, ioas, LARGE_IOVA, LARGE_BYTES, NULL);
		}
		/* Its own attacks get in its way: EBUSY, ENOMEM are no end. */
	} while (err != -ECONNRESET && err != -EPIPE && err != -ESHUTDOWN);
	return maps;
}

static void report(uint64_t asked_ms, uint64_t ended_ms, unsigned int maps)
{
	uint64_t revoke = atomic_load(&at.flag[1]), force = atomic_load(&at.flag[0]);

	lab_say("MAPs of %llu MiB done before: %u; the last was asked for %lld ms before the "
		"revocation, and was in flight for %lld ms after force began",
		(unsigned long long)(LARGE_BYTES / MIB), maps, (long long)(revoke - asked_ms),
		(long long)(ended_ms - force));
	lab_say("force began %llu ms after the revocation was asked for",
		(unsigned long long)(force - revoke));
	for (unsigned int i = 0; i < 2; i++)
		lab_say("%s force began: %llu attaches tried, %llu succeeded; %llu doorbells; %llu "
			"transfers landed",
			i ? "after" : "before", (unsigned long long)counted.attaches[i],
			(unsigned long long)counted.attached[i],
			(unsigned long long)counted.doorbells[i],
			(unsigned long long)counted.landed[i]);
	lab_say("within %u ms of it: %llu; the last transfer landed %lld ms, the last attach "
		"succeeded %lld ms after it began",
		GRACE_MS, (unsigned long long)counted.landed_in_grace,
		(long long)(counted.last_landed_ms - force),
		(long long)(counted.last_attached_ms - force));
	if (counted.landed[1])
		lab_fail("DMA landed after force began");
	if (ended_ms < force + GRACE_MS || counted.landed[0] == 0)
		_exit(2);
}

static unsigned int attacks_start(pthread_t *threads)
{
	void *(*const attacks[])(void *) = {watcher, ringer, puncher};
	unsigned int count = 0;

	for (; count < 3; count++)
		if (pthread_create(&threads[count], NULL, attacks[count], NULL) != 0)
			lab_fail("a thread");
	for (unsigned int i = 0; i < at.devices_count; i++, count++)
		if (pthread_create(&threads[count], NULL, attacher, &at.devices[i]) != 0)
			lab_fail("a thread");
	return count;
}

int main(int argc, char **argv)
{
	uint64_t asked_ms, ended_ms;
	pthread_t threads[3 + DEVICES_MAX];
	unsigned int maps, count_threads;
	iommub_id ioas, large;

	if (argc < 5 || argc > 4 + (int)DEVICES_MAX)
		lab_fail("usage: vm-revoked SOCKET FLAG above|inside DEVICE...");
	ioas = setup(argv[1], argv[2]);
	devices_open(argv + 4, (unsigned int)argc - 4, ioas);
	large_file();
	target_choose(argv[3]);
	lab_expect(at.conn, iommub_memory_register(at.conn, at.large_fd, NULL, &large), 0, NULL);
	count_threads = attacks_start(threads);
	maps = map_until_the_end(ioas, large, &asked_ms);
	ended_ms = lab_now_ms();
	(void)usleep(AFTER_MS * 1000);
	atomic_store(&at.stop, true);
	for (unsigned int i = 0; i < count_threads; i++)
		(void)pthread_join(threads[i], NULL);
	report(asked_ms, ended_ms, maps);
	return 0;
}
