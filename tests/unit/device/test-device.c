/* SPDX-License-Identifier: MIT */
/* The client's device helpers against our own vfio-user server, which runs in a thread. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <iommubroker/device.h>
#include "tests/unit/device/rig.h"

#define TIMEOUT_MS 60000u /* far away: these tests never wait for it */

struct fixture {
	struct rig *rig;
	struct iommub_device *device;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->rig = rig_new();
	rig_serve(f->rig);
	assert_int_equal(iommub_device_from_fd(f->rig->client, TIMEOUT_MS, &f->device), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	iommub_device_free(f->device);
	rig_free(f->rig);
	free(f);
	return 0;
}

static void test_what_it_is(void **state)
{
	struct fixture *f = *state;
	struct iommub_device_summary summary;
	struct iommub_region region;
	struct iommub_irq irq;

	assert_int_equal(iommub_device_is_vfio_user(f->device), 1);
	assert_int_not_equal(iommub_device_get_fd(f->device), f->rig->client);
	assert_int_equal(fcntl(iommub_device_get_fd(f->device), F_GETFD), FD_CLOEXEC);
	assert_int_equal(iommub_device_get_summary(f->device, &summary), 0);
	assert_int_equal(summary.flags, IOMMUB_DEVICE_FLAG_PCI | IOMMUB_DEVICE_FLAG_RESET);
	assert_int_equal(summary.regions, 9);
	assert_int_equal(summary.irqs, 5);
	assert_int_equal(iommub_device_region(f->device, IOMMUB_REGION_BAR0, &region), 0);
	assert_int_equal(region.bytes, EDU_BAR0_BYTES);
	assert_int_equal(region.flags, IOMMUB_REGION_FLAG_READ | IOMMUB_REGION_FLAG_WRITE);
	assert_int_equal(iommub_device_region(f->device, IOMMUB_REGION_BAR1, &region), 0);
	assert_int_equal(region.bytes, 0);
	assert_int_equal(iommub_device_region(f->device, 9, &region), -EINVAL);
	assert_int_equal(iommub_device_region(f->device, UINT32_MAX, &region), -EINVAL);
	assert_int_equal(iommub_device_irq(f->device, IOMMUB_IRQ_INTX, &irq), 0);
	assert_int_equal(irq.count, 1);
	assert_int_equal(irq.flags,
		IOMMUB_IRQ_FLAG_EVENTFD | IOMMUB_IRQ_FLAG_MASKABLE | IOMMUB_IRQ_FLAG_AUTOMASKED);
	assert_int_equal(iommub_device_irq(f->device, IOMMUB_IRQ_MSIX, &irq), 0);
	assert_int_equal(irq.count, 0);
	assert_int_equal(iommub_device_irq(f->device, 5, &irq), -EINVAL);
}

static void test_registers(void **state)
{
	struct fixture *f = *state;
	uint32_t value = 99;
	uint64_t wide = 0x1122334455667788, back = 0;

	assert_int_equal(iommub_device_read32(f->device, 0, EDU_REG_IDENTIFICATION, &value), 0);
	assert_int_equal(value, EDU_IDENTIFICATION);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_FACTORIAL, 6), 0);
	assert_int_equal(iommub_device_read32(f->device, 0, EDU_REG_FACTORIAL, &value), 0);
	assert_int_equal(value, 720);
	assert_int_equal(iommub_device_write(f->device, 0, EDU_REG_DMA_SOURCE, &wide, 8), 0);
	assert_int_equal(iommub_device_read(f->device, 0, EDU_REG_DMA_SOURCE, &back, 8), 0);
	assert_int_equal(back, wide);

	assert_int_equal(iommub_device_read32(f->device, 0, EDU_BAR0_BYTES - 4, &value), 0);
	value = 99;
	assert_int_equal(iommub_device_read32(f->device, 0, EDU_BAR0_BYTES - 3, &value), -EINVAL);
	assert_int_equal(iommub_device_read32(f->device, 0, UINT64_MAX, &value), -EINVAL);
	assert_int_equal(iommub_device_read32(f->device, 1, 0, &value), -EINVAL);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_BAR0_BYTES, 1), -EINVAL);
	assert_int_equal(value, 99); /* outputs on success only */
	assert_int_equal(iommub_device_read(f->device, 0, EDU_BAR0_BYTES, NULL, 0), 0);
	assert_int_equal(iommub_device_read(f->device, 0, EDU_BAR0_BYTES + 1, NULL, 0), -EINVAL);
}

/* Longer than one message may be: cut into pieces, the second of which begins at the right place.
 * */
static void test_long_access(void **state)
{
	struct fixture *f = *state;
	size_t bytes = 3 * VFIO_USER_DATA_MAX + 4;
	uint8_t *buffer = calloc(1, bytes);
	uint32_t first;

	assert_non_null(buffer);
	assert_int_equal(iommub_device_read(f->device, 0, 0, buffer, bytes), 0);
	memcpy(&first, buffer, 4);
	assert_int_equal(first, UINT32_MAX); /* eight bytes at 0 are not a register */
	assert_int_equal(buffer[bytes - 1], 0xff);
	assert_int_equal(iommub_device_write(f->device, 0, 0x1000, buffer, bytes), 0);
	free(buffer);
}

static void test_mmap_is_not_to_be_had(void **state)
{
	struct fixture *f = *state;
	void *address = f;

	assert_int_equal(
		iommub_device_mmap(f->device, 0, 0, 4096, PROT_READ, &address), -EOPNOTSUPP);
	assert_int_equal(iommub_device_mmap(f->device, 0, 0, 0, PROT_READ, &address), -EINVAL);
	assert_int_equal(iommub_device_mmap(f->device, 0, 0, 4096, PROT_EXEC, &address), -EINVAL);
	assert_int_equal(
		iommub_device_mmap(f->device, 0, EDU_BAR0_BYTES, 4096, PROT_READ, &address),
		-EINVAL);
	assert_ptr_equal(address, f);
}

/* The main job in small: memory -> device -> memory, with an interrupt. */
static void test_dma_with_interrupt(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t count = 0;

	for (size_t i = 0; i < 2048; i++)
		f->rig->memory[i] = (uint8_t)(i * 13 + 5);
	assert_int_equal(iommub_device_set_bus_master(f->device, 1), 0);
	assert_int_equal(
		iommub_device_irq_set(f->device, IOMMUB_IRQ_MSI, 0, &fd, 1, IOMMUB_IRQ_EVENTFD), 0);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_DMA_SOURCE, RIG_IOVA), 0);
	assert_int_equal(
		iommub_device_write32(f->device, 0, EDU_REG_DMA_DESTINATION, EDU_BUFFER_ADDRESS),
		0);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_DMA_COUNT, 2048), 0);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_DMA_COMMAND, EDU_DMA_RUN), 0);
	assert_int_equal(
		iommub_device_write32(f->device, 0, EDU_REG_DMA_SOURCE, EDU_BUFFER_ADDRESS), 0);
	assert_int_equal(
		iommub_device_write32(f->device, 0, EDU_REG_DMA_DESTINATION, RIG_IOVA + 8192), 0);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_DMA_COMMAND,
				 EDU_DMA_RUN | EDU_DMA_TO_MEMORY | EDU_DMA_IRQ),
		0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_memory_equal(f->rig->memory + 8192, f->rig->memory, 2048);
	/* Nothing is mapped there: no byte moves, a fault is counted, the device goes on. */
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_DMA_DESTINATION, 0x1000), 0);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_DMA_COMMAND,
				 EDU_DMA_RUN | EDU_DMA_TO_MEMORY | EDU_DMA_IRQ),
		0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(f->rig->faults, 1);
	assert_int_equal(iommub_device_set_bus_master(f->device, 0), 0);
	assert_int_equal(
		iommub_device_irq_set(f->device, IOMMUB_IRQ_MSI, 0, NULL, 0, IOMMUB_IRQ_EVENTFD),
		0);
	close(fd);
}

static void test_intx(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t count = 0;

	assert_int_equal(
		iommub_device_irq_set(f->device, IOMMUB_IRQ_INTX, 0, &fd, 1, IOMMUB_IRQ_EVENTFD),
		0);
	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_IRQ_RAISE, 1), 0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(
		iommub_device_irq_set(f->device, IOMMUB_IRQ_INTX, 0, NULL, 1, IOMMUB_IRQ_UNMASK),
		0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(
		iommub_device_irq_set(f->device, IOMMUB_IRQ_INTX, 0, NULL, 1, IOMMUB_IRQ_MASK), 0);
	assert_int_equal(
		iommub_device_irq_set(f->device, IOMMUB_IRQ_INTX, 0, NULL, 1, IOMMUB_IRQ_TRIGGER),
		0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	close(fd);
}

static void test_irq_refused(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC), none = -1, bad = -2, closed = 1000000;

	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, &fd, 2049, IOMMUB_IRQ_EVENTFD), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, NULL, 1, IOMMUB_IRQ_EVENTFD), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, &fd, 1, IOMMUB_IRQ_TRIGGER), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, NULL, 0, IOMMUB_IRQ_TRIGGER), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 1, NULL, 0, IOMMUB_IRQ_EVENTFD), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, &fd, 1, (enum iommub_irq_action)4), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 1, &fd, 1, IOMMUB_IRQ_EVENTFD), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 9, 0, &fd, 1, IOMMUB_IRQ_EVENTFD), -EINVAL);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, &bad, 1, IOMMUB_IRQ_EVENTFD), -EBADF);
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, &closed, 1, IOMMUB_IRQ_EVENTFD), -EBADF);
	assert_int_equal(iommub_device_irq_set(f->device, 1, 0, NULL, 1, IOMMUB_IRQ_MASK), -ENOTTY);
	/* None of it ended the connection. */
	assert_int_equal(iommub_device_irq_set(f->device, 1, 0, &none, 1, IOMMUB_IRQ_EVENTFD), 0);
	assert_int_equal(iommub_device_irq_set(f->device, 1, 0, &fd, 1, IOMMUB_IRQ_EVENTFD), 0);
	/* To VFIO, triggering no vector looks the same as disabling all of them. */
	assert_int_equal(
		iommub_device_irq_set(f->device, 1, 0, NULL, 0, IOMMUB_IRQ_TRIGGER), -EINVAL);
	assert_int_equal(iommub_device_irq_set(f->device, 1, 0, NULL, 1, IOMMUB_IRQ_TRIGGER), 0);
	close(fd);
}

static void test_reset(void **state)
{
	struct fixture *f = *state;
	uint32_t value = 1;

	assert_int_equal(iommub_device_write32(f->device, 0, EDU_REG_LIVENESS, 1), 0);
	assert_int_equal(iommub_device_reset(f->device), 0);
	assert_int_equal(iommub_device_read32(f->device, 0, EDU_REG_LIVENESS, &value), 0);
	assert_int_equal(value, 0);
}

/* A program that took over the socket of another knows nothing of the first VERSION. */
static void test_second_handle_on_one_connection(void **state)
{
	struct fixture *f = *state;
	struct iommub_device *again;
	uint32_t value;

	iommub_device_free(f->device);
	assert_int_equal(iommub_device_from_fd(f->rig->client, TIMEOUT_MS, &again), 0);
	f->device = again;
	assert_int_equal(iommub_device_read32(again, 0, 0, &value), 0);
	assert_int_equal(value, EDU_IDENTIFICATION);
}

static void test_fork(void **state)
{
	struct fixture *f = *state;
	uint32_t value;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(iommub_device_read32(f->device, 0, 0, &value) == -ECHILD ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(iommub_device_read32(f->device, 0, 0, &value), 0);
}

static void test_fds_that_are_no_device(void **state)
{
	struct iommub_device *device = (void *)state;
	int pair[2], file = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int before = count_open_fds();

	assert_int_equal(iommub_device_from_fd(-1, 0, &device), -EBADF);
	assert_int_equal(iommub_device_from_fd(1000000, 0, &device), -EBADF);
	assert_int_equal(iommub_device_from_fd(file, 0, &device), -ENOTTY);
	assert_int_equal(iommub_device_from_fd(file, UINT32_MAX, &device), -EINVAL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(iommub_device_from_fd(pair[0], 0, &device), -ENOTTY);
	close(pair[0]);
	close(pair[1]);
	assert_ptr_equal(device, state);
	assert_int_equal(count_open_fds(), before);
	iommub_device_free(NULL);
	close(file);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_it_is),
		TEST(test_registers),
		TEST(test_long_access),
		TEST(test_mmap_is_not_to_be_had),
		TEST(test_dma_with_interrupt),
		TEST(test_intx),
		TEST(test_irq_refused),
		TEST(test_reset),
		TEST(test_second_handle_on_one_connection),
		TEST(test_fork),
		cmocka_unit_test(test_fds_that_are_no_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
