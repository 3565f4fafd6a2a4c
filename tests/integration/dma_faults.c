/* SPDX-License-Identifier: MIT */
/*
 * DMA that must not land: at an IOVA that is not mapped, against the direction of a mapping, into
 * memory that its owner took away. No byte moves, the session lives, and what is mapped still
 * works.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"
#include "tests/harness/vfio_user_raw.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define BLOCK 1024u
#define IOVA UINT64_C(0x10000)

struct rig {
	struct wire *wire;
	uint32_t ioas, device;
	int device_fd, memfd;
	unsigned char *memory; /* four pages of memfd, the first two mapped at IOVA */
};

static void rig_open(struct rig *rig, struct scene *scene)
{
	uint32_t memory;

	rig->wire = scene_victim(scene);
	rig->memfd = wire_memfd(4 * PAGE, 0x11);
	rig->memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rig->memfd, 0);
	assert_ptr_not_equal(rig->memory, MAP_FAILED);
	rig->ioas = wire_ioas_alloc(rig->wire);
	memory = wire_memory_register(rig->wire, rig->memfd, true);
	wire_map_fixed(rig->wire, rig->ioas, memory, 0, 2 * PAGE, IOVA);
	rig->device = wire_device_open(rig->wire, "edu0", &rig->device_fd);
	wire_device_attach(rig->wire, rig->device, rig->ioas);
	raw_device_open(rig->device_fd);
	raw_edu_start(rig->device_fd);
}

static void rig_close(struct rig *rig, struct scene *scene)
{
	munmap(rig->memory, 4 * PAGE);
	close(rig->memfd);
	close(rig->device_fd);
	scene_check(scene, rig->wire);
}

/* Fill the device's buffer with `fill` by way of the mapped page. */
static void fill_buffer(struct rig *rig, unsigned char fill)
{
	memset(rig->memory, fill, BLOCK);
	raw_edu_dma(rig->device_fd, IOVA, 0, BLOCK, 0);
}

static bool is_filled(const unsigned char *bytes, size_t n, unsigned char fill)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != fill)
			return false;
	return true;
}

static void round_trip_with_interrupt(void **state)
{
	struct scene scene;
	struct rig rig;
	uint64_t count;
	int interrupt = eventfd(0, EFD_CLOEXEC);
	struct pollfd pollfd = {.fd = interrupt, .events = POLLIN};

	(void)state;
	scene_open(&scene, NULL);
	rig_open(&rig, &scene);
	assert_int_equal(raw_irq_eventfd(rig.device_fd, RAW_IRQ_MSI, interrupt), 0);
	fill_buffer(&rig, 0x77);
	memset(rig.memory, 0, PAGE);
	raw_edu_dma(rig.device_fd, IOVA + PAGE, 0, BLOCK, RAW_EDU_FROM_DEVICE | RAW_EDU_IRQ);
	assert_int_equal(poll(&pollfd, 1, 10000), 1);
	assert_int_equal(read(interrupt, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_true(is_filled(rig.memory + PAGE, BLOCK, 0x77));
	assert_true(is_filled(rig.memory + PAGE + BLOCK, PAGE - BLOCK, 0x11));
	assert_true(is_filled(rig.memory, PAGE, 0));
	rig_close(&rig, &scene);
	scene_close(&scene);
	close(interrupt);
}

static void dma_to_an_unmapped_iova(void **state)
{
	struct scene scene;
	struct rig rig;

	(void)state;
	scene_open(&scene, NULL);
	rig_open(&rig, &scene);
	fill_buffer(&rig, 0x22);
	memset(rig.memory, 0x11, PAGE);
	raw_edu_dma(rig.device_fd, IOVA + 2 * PAGE, 0, BLOCK,
		RAW_EDU_FROM_DEVICE); /* one past the mapping */
	raw_edu_dma(rig.device_fd, IOVA - PAGE, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	assert_true(is_filled(rig.memory, 4 * PAGE, 0x11));
	/* Unmapped, the same place faults; it did not before. */
	raw_edu_dma(rig.device_fd, IOVA, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	assert_true(is_filled(rig.memory, BLOCK, 0x22));
	wire_unmap(rig.wire, rig.ioas, IOVA, 2 * PAGE);
	memset(rig.memory, 0x11, PAGE);
	raw_edu_dma(rig.device_fd, IOVA, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	assert_true(is_filled(rig.memory, 4 * PAGE, 0x11));
	scene_serves(rig.wire);
	rig_close(&rig, &scene);
	scene_close(&scene);
}

static void dma_against_the_direction(void **state)
{
	struct scene scene;
	struct rig rig;
	struct ask ask;
	IoasMap *map;
	int read_only;

	(void)state;
	scene_open(&scene, NULL);
	rig_open(&rig, &scene);
	fill_buffer(&rig, 0x33);
	read_only = wire_memfd(PAGE, 0x44);
	map = ask_ioas_map(&ask);
	SET(map, ioas, rig.ioas);
	SET(map, fd_index, 0);
	SET(map, length, PAGE);
	SET(map, iova, 0x20000);
	SET(map, writeable, false);
	wire_expect_success(wire_call(rig.wire, &ask, &read_only, 1));
	raw_edu_dma(rig.device_fd, 0x20000, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	{
		unsigned char bytes[PAGE];

		assert_int_equal(pread(read_only, bytes, sizeof(bytes), 0), sizeof(bytes));
		assert_true(is_filled(bytes, sizeof(bytes), 0x44));
	}
	/* Reading it is allowed. */
	raw_edu_dma(rig.device_fd, 0x20000, 0, BLOCK, 0);
	raw_edu_dma(rig.device_fd, IOVA, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	assert_true(is_filled(rig.memory, BLOCK, 0x44));
	close(read_only);
	rig_close(&rig, &scene);
	scene_close(&scene);
}

/* The file under a mapping gets shorter: SIGBUS for whoever reads through it carelessly. */
static void dma_into_a_truncated_memfd(void **state)
{
	struct scene scene;
	struct rig rig;

	(void)state;
	scene_open(&scene, NULL);
	rig_open(&rig, &scene);
	fill_buffer(&rig, 0x55);
	assert_int_equal(ftruncate(rig.memfd, 0), 0);
	raw_edu_dma(rig.device_fd, IOVA, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	raw_edu_dma(rig.device_fd, IOVA + PAGE, 0, BLOCK, 0);
	scene_serves(rig.wire);
	wire_unmap(rig.wire, rig.ioas, IOVA, 2 * PAGE);
	assert_int_equal(ftruncate(rig.memfd, (off_t)(4 * PAGE)), 0);
	rig_close(&rig, &scene);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(round_trip_with_interrupt, harness_teardown),
		cmocka_unit_test_teardown(dma_to_an_unmapped_iova, harness_teardown),
		cmocka_unit_test_teardown(dma_against_the_direction, harness_teardown),
		cmocka_unit_test_teardown(dma_into_a_truncated_memfd, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
