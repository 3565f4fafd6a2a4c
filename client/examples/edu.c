/* SPDX-License-Identifier: MIT */
#include "edu.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BAR IOMMUB_REGION_BAR0
#define REGISTER_IDENTIFICATION 0x00
#define REGISTER_LIVENESS 0x04
#define REGISTER_INTERRUPT_STATUS 0x24
#define REGISTER_INTERRUPT_ACKNOWLEDGE 0x64
#define REGISTER_DMA_SOURCE 0x80
#define REGISTER_DMA_DESTINATION 0x88
#define REGISTER_DMA_COUNT 0x90
#define REGISTER_DMA_COMMAND 0x98

#define IDENTIFICATION 0x010000edu
#define BUFFER_ADDRESS 0x40000u
#define COMMAND_RUN 1u
#define COMMAND_TO_MEMORY 2u
#define COMMAND_INTERRUPT 4u
#define INTERRUPT_TIMEOUT_MS 5000

static int alive(struct iommub_device *device, const char **why)
{
	uint32_t value = 0;
	int err = iommub_device_read32(device, BAR, REGISTER_IDENTIFICATION, &value);

	*why = "its registers cannot be read";
	if (err < 0)
		return err;
	*why = "it is no edu";
	if (value != IDENTIFICATION)
		return -ENODEV;
	err = iommub_device_write32(device, BAR, REGISTER_LIVENESS, 0x12345678);
	if (err == 0)
		err = iommub_device_read32(device, BAR, REGISTER_LIVENESS, &value);
	*why = "it does not answer";
	if (err < 0)
		return err;
	return value == ~0x12345678u ? 0 : -EIO;
}

int edu_start(struct edu *edu, struct iommub_device *device, const char **why)
{
	int err = alive(device, why);

	edu->device = device;
	edu->eventfd = -1;
	if (err < 0)
		return err;
	*why = "bus mastering cannot be turned on";
	err = iommub_device_set_bus_master(device, 1);
	if (err < 0)
		return err;
	*why = "its interrupt cannot be set up";
	edu->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (edu->eventfd < 0)
		return -errno;
	err = iommub_device_irq_set(
		device, IOMMUB_IRQ_MSI, 0, &edu->eventfd, 1, IOMMUB_IRQ_EVENTFD);
	if (err < 0)
		edu_stop(edu);
	return err;
}

void edu_stop(struct edu *edu)
{
	if (edu->eventfd >= 0)
		(void)close(edu->eventfd);
	edu->eventfd = -1;
}

/* Registers of the engine are 64 bits wide; QEMU takes them in one access. */
static int write64(struct iommub_device *device, uint64_t offset, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	return iommub_device_write(device, BAR, offset, bytes, sizeof(bytes));
}

static int interrupt_wait(struct edu *edu)
{
	struct pollfd entry = {.fd = edu->eventfd, .events = POLLIN};
	uint64_t count;
	uint32_t status;
	int n;

	do
		n = poll(&entry, 1, INTERRUPT_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	if (read(edu->eventfd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return -EIO;
	n = iommub_device_read32(edu->device, BAR, REGISTER_INTERRUPT_STATUS, &status);
	return n < 0 ? n
		     : iommub_device_write32(
			       edu->device, BAR, REGISTER_INTERRUPT_ACKNOWLEDGE, status);
}

int edu_copy(struct edu *edu, enum edu_direction direction, uint64_t iova, uint32_t bytes)
{
	uint64_t command = COMMAND_RUN | COMMAND_INTERRUPT;
	int err;

	if (bytes > EDU_BLOCK_BYTES || iova > EDU_IOVA_LAST - bytes)
		return -EINVAL;
	if (direction == EDU_TO_MEMORY)
		command |= COMMAND_TO_MEMORY;
	err = write64(edu->device, REGISTER_DMA_SOURCE,
		direction == EDU_TO_MEMORY ? BUFFER_ADDRESS : iova);
	if (err == 0)
		err = write64(edu->device, REGISTER_DMA_DESTINATION,
			direction == EDU_TO_MEMORY ? iova : BUFFER_ADDRESS);
	if (err == 0)
		err = write64(edu->device, REGISTER_DMA_COUNT, bytes);
	if (err == 0)
		err = write64(edu->device, REGISTER_DMA_COMMAND, command);
	return err < 0 ? err : interrupt_wait(edu);
}
