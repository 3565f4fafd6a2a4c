/* SPDX-License-Identifier: MIT */
/* The vfio-user server: what a good client gets, and what a hostile one does not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/unit/device/rig.h"

static int setup(void **state)
{
	*state = rig_new();
	return 0;
}

static int setup_negotiated(void **state)
{
	*state = rig_new();
	rig_negotiate(*state);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* ---- VERSION ---- */

static void test_version(void **state)
{
	struct rig *rig = *state;
	const struct {
		struct vfio_user_version version;
		char text[20];
	} command = {{0, 77}, "{\"capabilities\":{}}"};
	struct {
		struct vfio_user_version version;
		char text[256];
	} reply;
	size_t bytes;

	assert_int_equal(
		rig_command(rig, VFIO_USER_VERSION, 0, &command, sizeof(command), NULL, 0), 0);
	assert_int_equal(rig_reply(rig, &reply, sizeof(reply), &bytes).error, 0);
	assert_int_equal(reply.version.major, 0);
	assert_int_equal(reply.version.minor, 1); /* never above ours */
	assert_true(bytes > sizeof(reply.version));
	assert_string_equal(
		reply.text, "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":65504}}");
	assert_int_equal(bytes, sizeof(reply.version) + strlen(reply.text) + 1);
	rig_negotiate(rig); /* again is fine */
}

static void test_version_refused(void **state)
{
	struct rig *rig = *state;
	const struct vfio_user_version major1 = {1, 0};
	const struct {
		struct vfio_user_version version;
		char text[2];
	} no_nul = {{0, 1}, {'{', '}'}};
	struct vfio_user_device_info info = {.argsz = sizeof(info)};

	assert_int_equal(
		rig_call(rig, VFIO_USER_VERSION, &major1, sizeof(major1), NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(
		rig_call(rig, VFIO_USER_VERSION, &no_nul, sizeof(no_nul), NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(rig_call(rig, VFIO_USER_VERSION, &major1, 3, NULL, 0, NULL, 0), -EINVAL);
	/* Refused is not negotiated. */
	assert_int_equal(
		rig_command(rig, VFIO_USER_DEVICE_GET_INFO, 0, &info, sizeof(info), NULL, 0),
		-EPROTO);
}

static void test_version_comes_first(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_command(rig, VFIO_USER_DEVICE_RESET, 0, NULL, 0, NULL, 0), -EPROTO);
}

/* ---- what a device says ---- */

static void test_infos(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_device_info info = {.argsz = sizeof(info)};
	struct vfio_user_region_info region = {.argsz = sizeof(region)};
	struct vfio_user_irq_info irq = {.argsz = sizeof(irq)};

	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), NULL, 0,
				 &info, sizeof(info)),
		0);
	assert_int_equal(info.argsz, sizeof(info));
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, VFIO_PCI_NUM_REGIONS);
	assert_int_equal(info.num_irqs, VFIO_PCI_NUM_IRQS);

	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS - 1; i++) {
		uint64_t bytes = i == 0 ? EDU_BAR0_BYTES : i == 7 ? EDU_CONFIG_BYTES : 0;

		region = (struct vfio_user_region_info){.argsz = sizeof(region), .index = i};
		assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_GET_REGION_INFO, &region,
					 sizeof(region), NULL, 0, &region, sizeof(region)),
			0);
		assert_int_equal(region.index, i);
		assert_int_equal(region.size, bytes);
		assert_int_equal(region.flags, bytes ? 3 : 0);
	}
	for (uint32_t i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		irq = (struct vfio_user_irq_info){.argsz = sizeof(irq), .index = i};
		assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq),
					 NULL, 0, &irq, sizeof(irq)),
			0);
		assert_int_equal(irq.count, i <= VFIO_PCI_MSI_IRQ_INDEX ? 1 : 0);
	}
}

static void test_infos_refused(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_device_info info = {.argsz = sizeof(info) - 1};
	struct vfio_user_region_info region = {
		.argsz = sizeof(region), .index = VFIO_PCI_NUM_REGIONS};
	struct vfio_user_irq_info irq = {.argsz = sizeof(irq), .index = VFIO_PCI_NUM_IRQS};

	assert_int_equal(
		rig_call(rig, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region),
				 NULL, 0, NULL, 0),
		-EINVAL);
	region.index = UINT32_MAX;
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region),
				 NULL, 0, NULL, 0),
		-EINVAL);
	region.index = VFIO_PCI_VGA_REGION_INDEX;
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region),
				 NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(
		rig_call(rig, VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0, NULL, 0),
		-EINVAL);
}

/* ---- regions ---- */

struct access_message {
	struct vfio_user_region_access access;
	uint8_t data[64];
};

static int region_read(struct rig *rig, uint32_t region, uint64_t offset, void *to, uint32_t count)
{
	const struct vfio_user_region_access access = {offset, region, count};
	struct access_message reply;
	int r = rig_call(rig, VFIO_USER_REGION_READ, &access, sizeof(access), NULL, 0, &reply,
		sizeof(access) + count);

	if (r == 0) {
		assert_memory_equal(&reply.access, &access, sizeof(access));
		memcpy(to, reply.data, count);
	}
	return r;
}

static int region_write(
	struct rig *rig, uint32_t region, uint64_t offset, const void *from, uint32_t count)
{
	struct access_message message = {.access = {offset, region, count}};
	struct vfio_user_region_access reply;

	memcpy(message.data, from, count);
	return rig_call(rig, VFIO_USER_REGION_WRITE, &message, sizeof(message.access) + count, NULL,
		0, &reply, sizeof(reply));
}

static void test_regions(void **state)
{
	struct rig *rig = *state;
	const uint32_t five = 5;
	uint32_t value = 0;
	uint8_t bytes[16] = {0};

	assert_int_equal(region_read(rig, 0, 0, &value, 4), 0);
	assert_int_equal(value, EDU_IDENTIFICATION);
	assert_int_equal(region_write(rig, 0, 8, &five, 4), 0);
	assert_int_equal(region_read(rig, 0, 8, &value, 4), 0);
	assert_int_equal(value, 120);
	assert_int_equal(region_read(rig, 7, 0, bytes, 16), 0); /* cut into words */
	assert_int_equal(bytes[0] | bytes[1] << 8, EDU_VENDOR);
	assert_int_equal(bytes[8], 0x10);
	assert_int_equal(region_read(rig, 7, 1, bytes, 3), 0); /* … and odd ends */
	assert_int_equal(bytes[0], EDU_VENDOR >> 8);
	assert_int_equal(region_read(rig, 0, 0, bytes, 0), 0);
}

static void test_regions_refused(void **state)
{
	struct rig *rig = *state;
	struct access_message message = {.access = {0, 0, 4}};
	uint32_t value = 0;

	assert_int_equal(region_read(rig, 0, EDU_BAR0_BYTES - 4, &value, 4), 0);
	assert_int_equal(region_read(rig, 0, EDU_BAR0_BYTES - 3, &value, 4), -EINVAL);
	assert_int_equal(region_read(rig, 0, UINT64_MAX, &value, 4), -EINVAL);
	assert_int_equal(region_read(rig, 1, 0, &value, 4), -EINVAL);
	assert_int_equal(region_read(rig, 8, 0, &value, 4), -EINVAL);
	assert_int_equal(region_read(rig, 9, 0, &value, 4), -EINVAL);
	assert_int_equal(region_write(rig, 7, EDU_CONFIG_BYTES - 2, &value, 4), -EINVAL);
	/* The count and the bytes that came disagree. */
	assert_int_equal(rig_call(rig, VFIO_USER_REGION_WRITE, &message, sizeof(message.access) + 3,
				 NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(rig_call(rig, VFIO_USER_REGION_WRITE, &message, sizeof(message.access) + 5,
				 NULL, 0, NULL, 0),
		-EINVAL);
	message.access.count = UINT32_MAX;
	assert_int_equal(rig_call(rig, VFIO_USER_REGION_WRITE, &message, sizeof(message.access),
				 NULL, 0, NULL, 0),
		-EINVAL);
}

/* The most that a message can carry, and one more. */
static void test_data_limit(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_region_access access = {0, 0, VFIO_USER_DATA_MAX};
	size_t room = sizeof(access) + VFIO_USER_DATA_MAX;
	uint8_t *reply = malloc(room);

	assert_non_null(reply);
	assert_int_equal(
		rig_call(rig, VFIO_USER_REGION_READ, &access, sizeof(access), NULL, 0, reply, room),
		0);
	access.count++;
	assert_int_equal(
		rig_call(rig, VFIO_USER_REGION_READ, &access, sizeof(access), NULL, 0, NULL, 0),
		-EINVAL);
	free(reply);
}

/* ---- interrupts ---- */

#define TRIGGER_NONE (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)
#define MASK_NONE (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK)
#define UNMASK_NONE (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK)

/* How often it was signalled since the last look. */
static uint64_t signals(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

static void raise_irq(struct rig *rig, uint32_t bits)
{
	assert_int_equal(region_write(rig, 0, EDU_REG_IRQ_RAISE, &bits, 4), 0);
}

static void acknowledge(struct rig *rig, uint32_t bits)
{
	assert_int_equal(region_write(rig, 0, EDU_REG_IRQ_ACK, &bits, 4), 0);
}

static void test_msi(void **state)
{
	struct rig *rig = *state;
	const uint16_t command = 0x0006;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint16_t control = 0;

	assert_int_equal(region_write(rig, 7, 4, &command, 2), 0);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	assert_int_equal(region_read(rig, 7, 0x42, &control, 2), 0);
	assert_int_equal(control & 1, 1);
	raise_irq(rig, 1);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 2); /* edges */
	assert_int_equal(rig_irq_set(rig, TRIGGER_NONE, 1, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(rig_irq_set(rig, MASK_NONE, 1, 0, 1, NULL, 0), -ENOTTY);
	/* No fds: this vector signals nothing, the index stays on. */
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, NULL, 0), 0);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 0);
	assert_int_equal(rig_irq_set(rig, TRIGGER_NONE, 1, 0, 0, NULL, 0), 0);
	assert_int_equal(
		rig_irq_set(rig, TRIGGER_NONE, 1, 0, 0, NULL, 0), -EINVAL); /* it is off already */
	assert_int_equal(region_read(rig, 7, 0x42, &control, 2), 0);
	assert_int_equal(control & 1, 0);
	close(fd);
}

static void test_intx(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 0, 0, 1, &fd, 1), 0);
	raise_irq(rig, 1);
	raise_irq(rig, 2);
	assert_int_equal(signals(fd), 1); /* masks itself */
	assert_int_equal(rig_irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 1); /* the line is still up */
	acknowledge(rig, 3);
	assert_int_equal(rig_irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 0);
	assert_int_equal(rig_irq_set(rig, MASK_NONE, 0, 0, 1, NULL, 0), 0);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 0);
	assert_int_equal(rig_irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 1);
	/* One index at a time. */
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), -EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_NONE, 0, 0, 0, NULL, 0), 0);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	close(fd);
}

static void test_irq_refused(void **state)
{
	struct rig *rig = *state;
	struct {
		struct vfio_user_irq_set set;
		uint8_t wanted[2];
	} bools = {{sizeof(bools.set) + 1, VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, 1,
			   0, 1},
		{1, 1}};
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int two[2] = {fd, fd};

	assert_int_equal(
		rig_irq_set(rig, TRIGGER_EVENTFD, 5, 0, 1, &fd, 1), -EINVAL); /* no such index */
	assert_int_equal(
		rig_irq_set(rig, TRIGGER_EVENTFD, 2, 0, 1, &fd, 1), -EINVAL); /* no MSI-X */
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 1, 1, &fd, 1), -EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 2, two, 2), -EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, UINT32_MAX, &fd, 1), -EINVAL);
	assert_int_equal(
		rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, two, 2), -EINVAL); /* one too many */
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 0, NULL, 0), 0); /* none of none */
	assert_int_equal(rig_irq_set(rig, 0, 1, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(
		rig_irq_set(rig, TRIGGER_EVENTFD | VFIO_IRQ_SET_DATA_NONE, 1, 0, 1, &fd, 1),
		-EINVAL);
	assert_int_equal(
		rig_irq_set(rig, TRIGGER_EVENTFD | VFIO_IRQ_SET_ACTION_MASK, 1, 0, 1, &fd, 1),
		-EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD | 0x40, 1, 0, 1, &fd, 1), -EINVAL);
	assert_int_equal(rig_irq_set(rig, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0,
				 0, 1, &fd, 1),
		-ENOTTY);
	assert_int_equal(rig_irq_set(rig, MASK_NONE, 0, 0, 0, NULL, 0), -EINVAL);
	assert_int_equal(
		rig_irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), -EINVAL); /* INTx is not on */
	assert_int_equal(rig_irq_set(rig, TRIGGER_NONE, 0, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	assert_int_equal(rig_irq_set(rig, TRIGGER_NONE, 1, 0, 1, &fd, 1), -EINVAL); /* takes none */
	/* One byte per vector, no more and no less. */
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_SET_IRQS, &bools, sizeof(bools.set) + 1,
				 NULL, 0, NULL, 0),
		0);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_SET_IRQS, &bools, sizeof(bools.set) + 2,
				 NULL, 0, NULL, 0),
		-EINVAL);
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_SET_IRQS, &bools, sizeof(bools.set), NULL,
				 0, NULL, 0),
		-EINVAL);
	assert_int_equal(signals(fd), 0);
	close(fd);
}

/* What could block us, or is a file that somebody serves, is no trigger. */
static void test_irq_wrong_kind_of_fd(void **state)
{
	struct rig *rig = *state;
	int pipe_fds[2];
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &pipe_fds[1], 1), -EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &rig->client, 1), -EINVAL);
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &file, 1), -EINVAL);
	assert_int_equal(rig->device.active, -1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(file);
}

/* A blocking eventfd that its owner filled up: the signal is lost, the server goes on. */
static void test_full_eventfd_does_not_block(void **state)
{
	struct rig *rig = *state;
	const uint16_t command = 0x0006;
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(region_write(rig, 7, 4, &command, 2), 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), full);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 1);
	close(fd);
}

static void test_replaced_eventfds_are_closed(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned int before;

	assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	before = count_open_fds();
	for (int i = 0; i < 50; i++)
		assert_int_equal(rig_irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	assert_int_equal(count_open_fds(), before);
	close(fd);
}

/* Two connections to one device, as after DEVICE_SHARE: one device, one set of interrupts; the end of
 * one is nothing to the other. */
static void test_shared_device(void **state)
{
	struct rig *rig = *state;
	struct rig other = {0};
	const uint32_t value = 0x1234;
	const uint16_t command = 0x0006;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint32_t back = 0;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(
		vfio_user_server_new(ends[0], &edu_vfio_ops, &rig->device, &other.server), 0);
	other.client = ends[1];
	rig_negotiate(&other);
	assert_int_equal(region_write(&other, 7, 4, &command, 2), 0);
	assert_int_equal(rig_irq_set(&other, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	assert_int_equal(region_write(&other, 0, EDU_REG_LIVENESS, &value, 4), 0);
	rig_send(&other, "half", 4, NULL, 0);
	assert_int_equal(vfio_user_server_run(other.server), 0);
	vfio_user_server_free(other.server);
	close(other.client);
	assert_int_equal(region_read(rig, 0, EDU_REG_LIVENESS, &back, 4), 0);
	assert_int_equal(back, ~value);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 1);
	close(fd);
}

static void test_reset(void **state)
{
	struct rig *rig = *state;
	const uint16_t command = 0x0006;
	uint32_t value = 7;

	assert_int_equal(region_write(rig, 7, 4, &command, 2), 0);
	assert_int_equal(region_write(rig, 0, EDU_REG_LIVENESS, &value, 4), 0);
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(region_read(rig, 0, EDU_REG_LIVENESS, &value, 4), 0);
	assert_int_equal(value, 0);
	assert_int_equal(region_read(rig, 7, 4, &value, 2), 0);
	assert_int_equal(value, 0x0006); /* as after VFIO_DEVICE_RESET */
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_RESET, "x", 1, NULL, 0, NULL, 0), -EINVAL);
}

int main(void)
{
#define FRESH(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup_negotiated, teardown)
	const struct CMUnitTest tests[] = {
		FRESH(test_version),
		FRESH(test_version_refused),
		FRESH(test_version_comes_first),
		TEST(test_infos),
		TEST(test_infos_refused),
		TEST(test_regions),
		TEST(test_regions_refused),
		TEST(test_data_limit),
		TEST(test_msi),
		TEST(test_intx),
		TEST(test_irq_refused),
		TEST(test_irq_wrong_kind_of_fd),
		TEST(test_full_eventfd_does_not_block),
		TEST(test_replaced_eventfds_are_closed),
		TEST(test_shared_device),
		TEST(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
