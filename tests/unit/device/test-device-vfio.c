/* SPDX-License-Identifier: MIT */
/*
 * The client's device helpers on a VFIO fd, as far as that can be told without a kernel that has
 * one: a memfd stands for the device, so that reads, writes and mappings are real, and ioctl() is
 * ours (the linker's --wrap) and checks what it is given.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>
#include <cmocka.h>
#include <iommubroker/device.h>
#include "tests/unit/device/rig.h"

#define BAR0_AT 8192u
#define CONFIG_AT 4096u
#define SHORT_AT 12288u /* a region that the file ends in */
#define FILE_BYTES 14336u

int __wrap_ioctl(int fd, unsigned long request, void *arg);

static struct {
	int fail; /* errno of the next ioctl */
	unsigned int calls, resets;
	bool no_pci;
	union {
		struct vfio_irq_set set;
		char bytes[sizeof(struct vfio_irq_set) + 4 * sizeof(int32_t)];
	} irq;
} kernel;

static void answer_region(struct vfio_region_info *info)
{
	assert_int_equal(info->argsz, sizeof(*info));
	if (info->index == VFIO_PCI_BAR0_REGION_INDEX) {
		info->size = 4096;
		info->offset = BAR0_AT;
		info->flags = 7;
	} else if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = 256;
		info->offset = CONFIG_AT;
		info->flags = 3;
	} else if (info->index == VFIO_PCI_ROM_REGION_INDEX) {
		info->size = 256;
		info->offset = CONFIG_AT;
		info->flags = 1;
	} else if (info->index == VFIO_PCI_BAR2_REGION_INDEX) {
		info->size = 4096;
		info->offset = SHORT_AT;
		info->flags = 3;
	}
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd;
	kernel.calls++;
	if (kernel.fail) {
		errno = kernel.fail;
		kernel.fail = 0;
		return -1;
	}
	switch (request) {
	case VFIO_DEVICE_GET_INFO: {
		struct vfio_device_info *info = arg;

		assert_int_equal(info->argsz, sizeof(*info));
		info->flags = kernel.no_pci ? 1 : 3;
		info->num_regions = 9;
		info->num_irqs = 5;
		return 0;
	}
	case VFIO_DEVICE_GET_REGION_INFO:
		answer_region(arg);
		return 0;
	case VFIO_DEVICE_GET_IRQ_INFO: {
		struct vfio_irq_info *info = arg;

		assert_int_equal(info->argsz, sizeof(*info));
		info->count = info->index + 1;
		info->flags = 9;
		return 0;
	}
	case VFIO_DEVICE_SET_IRQS: {
		const struct vfio_irq_set *set = arg;

		assert_true(set->argsz <= sizeof(kernel.irq));
		memcpy(&kernel.irq, arg, set->argsz);
		return 0;
	}
	case VFIO_DEVICE_RESET:
		kernel.resets++;
		return 0;
	default:
		fail_msg("unexpected ioctl %#lx", request);
		return -1;
	}
}

struct fixture {
	int file;
	struct iommub_device *device;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&kernel, 0, sizeof(kernel));
	f->file = memfd_create("device", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->file, FILE_BYTES), 0);
	assert_int_equal(iommub_device_from_fd(f->file, 0, &f->device), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	iommub_device_free(f->device);
	close(f->file);
	free(f);
	return 0;
}

static void test_infos(void **state)
{
	struct fixture *f = *state;
	struct iommub_device_summary summary;
	struct iommub_region region;
	struct iommub_irq irq;

	assert_int_equal(iommub_device_is_vfio_user(f->device), 0);
	assert_int_equal(iommub_device_get_summary(f->device, &summary), 0);
	assert_int_equal(summary.regions, 9);
	assert_int_equal(iommub_device_region(f->device, 0, &region), 0);
	assert_int_equal(region.bytes, 4096);
	assert_int_equal(region.flags, 7);
	assert_int_equal(iommub_device_irq(f->device, 2, &irq), 0);
	assert_int_equal(irq.count, 3);
	kernel.fail = EINVAL;
	assert_int_equal(iommub_device_region(f->device, 3, &region), -EINVAL);
	kernel.fail = ENODEV;
	assert_int_equal(iommub_device_irq(f->device, 0, &irq), -ENODEV);
}

static void test_access(void **state)
{
	struct fixture *f = *state;
	uint32_t value = 0xdeadbeef, back = 0;
	unsigned int calls;

	assert_int_equal(iommub_device_write32(f->device, 0, 0x10, value), 0);
	assert_int_equal(pread(f->file, &back, 4, BAR0_AT + 0x10), 4);
	assert_int_equal(back, value);
	calls = kernel.calls;
	assert_int_equal(iommub_device_read32(f->device, 0, 0x10, &back), 0);
	assert_int_equal(kernel.calls, calls); /* a register access is one system call */
	assert_int_equal(iommub_device_read32(f->device, 0, 4093, &back), -EINVAL);
	assert_int_equal(iommub_device_write32(f->device, 6, 0, 1), -EACCES);
	assert_int_equal(iommub_device_read32(f->device, 6, 0, &back), 0);
	/* The device ends before its region does. */
	assert_int_equal(iommub_device_read32(f->device, 2, 4092, &back), -EIO);
}

static void test_mmap(void **state)
{
	struct fixture *f = *state;
	uint32_t value = 77;
	void *address;

	assert_int_equal(iommub_device_write32(f->device, 0, 8, value), 0);
	assert_int_equal(
		iommub_device_mmap(f->device, 0, 0, 4096, PROT_READ | PROT_WRITE, &address), 0);
	assert_int_equal(((uint32_t *)address)[2], 77);
	assert_int_equal(munmap(address, 4096), 0);
	assert_int_equal(iommub_device_mmap(f->device, 0, 0, 4097, PROT_READ, &address), -EINVAL);
	assert_int_equal(iommub_device_mmap(f->device, 0, 1, 16, PROT_READ, &address), -EINVAL);
	assert_int_equal(
		iommub_device_mmap(f->device, 7, 0, 256, PROT_READ, &address), -EOPNOTSUPP);
}

static void test_irqs(void **state)
{
	struct fixture *f = *state;
	const int fds[3] = {10, -1, 12};
	int32_t given[3];

	assert_int_equal(iommub_device_irq_set(f->device, 2, 5, fds, 3, IOMMUB_IRQ_EVENTFD), 0);
	assert_int_equal(kernel.irq.set.argsz, sizeof(struct vfio_irq_set) + 12);
	assert_int_equal(
		kernel.irq.set.flags, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
	assert_int_equal(kernel.irq.set.index, 2);
	assert_int_equal(kernel.irq.set.start, 5);
	assert_int_equal(kernel.irq.set.count, 3);
	memcpy(given, kernel.irq.bytes + sizeof(struct vfio_irq_set), sizeof(given));
	assert_memory_equal(given, fds, sizeof(given));

	assert_int_equal(iommub_device_irq_set(f->device, 1, 0, NULL, 0, IOMMUB_IRQ_EVENTFD), 0);
	assert_int_equal(
		kernel.irq.set.flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
	assert_int_equal(kernel.irq.set.count, 0);
	assert_int_equal(kernel.irq.set.argsz, sizeof(struct vfio_irq_set));
	assert_int_equal(iommub_device_irq_set(f->device, 0, 0, NULL, 1, IOMMUB_IRQ_UNMASK), 0);
	assert_int_equal(kernel.irq.set.flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK);
	assert_int_equal(kernel.irq.set.count, 1);
	kernel.fail = EINVAL;
	assert_int_equal(iommub_device_irq_set(f->device, 0, 0, NULL, 1, IOMMUB_IRQ_MASK), -EINVAL);
}

static void test_reset_and_bus_master(void **state)
{
	struct fixture *f = *state;
	uint16_t command = 0x0402;

	assert_int_equal(iommub_device_reset(f->device), 0);
	assert_int_equal(kernel.resets, 1);
	kernel.fail = ENOTTY;
	assert_int_equal(iommub_device_reset(f->device), -ENOTTY);
	assert_int_equal(pwrite(f->file, &command, 2, CONFIG_AT + 4), 2);
	assert_int_equal(iommub_device_set_bus_master(f->device, 1), 0);
	assert_int_equal(pread(f->file, &command, 2, CONFIG_AT + 4), 2);
	assert_int_equal(command, 0x0406);
	assert_int_equal(iommub_device_set_bus_master(f->device, 0), 0);
	assert_int_equal(pread(f->file, &command, 2, CONFIG_AT + 4), 2);
	assert_int_equal(command, 0x0402);
	kernel.no_pci = true;
	assert_int_equal(iommub_device_set_bus_master(f->device, 1), -EINVAL);
}

/* Not bound yet: VFIO answers EINVAL to everything. */
static void test_open_fails(void **state)
{
	struct fixture *f = *state;
	struct iommub_device *device = NULL;
	unsigned int before = count_open_fds();

	kernel.fail = EINVAL;
	assert_int_equal(iommub_device_from_fd(f->file, 0, &device), -EINVAL);
	assert_null(device);
	assert_int_equal(count_open_fds(), before);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_infos),
		TEST(test_access),
		TEST(test_mmap),
		TEST(test_irqs),
		TEST(test_reset_and_bus_master),
		TEST(test_open_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
