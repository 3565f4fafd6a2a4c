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

static struct vfio_user_header header_of(uint16_t command, uint32_t bytes)
{
	return (struct vfio_user_header){.id = 0x1234, .command = command, .bytes = bytes};
}

/* ---- VERSION ----------------------------------------------------------------------------------
 * */

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

/* ---- what a device says -------------------------------------------------------------------------
 * */

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

/* ---- regions ------------------------------------------------------------------------------------
 * */

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
	uint8_t bytes[16];

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

/* ---- interrupts ---------------------------------------------------------------------------------
 * */

static int irq_set(struct rig *rig, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, size_t n_fds)
{
	const struct vfio_user_irq_set set = {sizeof(set), flags, index, start, count};

	return rig_call(rig, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, n_fds, NULL, 0);
}

#define TRIGGER_EVENTFD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
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
	uint16_t control;

	assert_int_equal(region_write(rig, 7, 4, &command, 2), 0);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	assert_int_equal(region_read(rig, 7, 0x42, &control, 2), 0);
	assert_int_equal(control & 1, 1);
	raise_irq(rig, 1);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 2); /* edges */
	assert_int_equal(irq_set(rig, TRIGGER_NONE, 1, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(irq_set(rig, MASK_NONE, 1, 0, 1, NULL, 0), -ENOTTY);
	/* No fds: this vector signals nothing, the index stays on. */
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, NULL, 0), 0);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 0);
	assert_int_equal(irq_set(rig, TRIGGER_NONE, 1, 0, 0, NULL, 0), 0);
	assert_int_equal(
		irq_set(rig, TRIGGER_NONE, 1, 0, 0, NULL, 0), -EINVAL); /* it is off already */
	assert_int_equal(region_read(rig, 7, 0x42, &control, 2), 0);
	assert_int_equal(control & 1, 0);
	close(fd);
}

static void test_intx(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 0, 0, 1, &fd, 1), 0);
	raise_irq(rig, 1);
	raise_irq(rig, 2);
	assert_int_equal(signals(fd), 1); /* masks itself */
	assert_int_equal(irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 1); /* the line is still up */
	acknowledge(rig, 3);
	assert_int_equal(irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 0);
	assert_int_equal(irq_set(rig, MASK_NONE, 0, 0, 1, NULL, 0), 0);
	raise_irq(rig, 1);
	assert_int_equal(signals(fd), 0);
	assert_int_equal(irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(signals(fd), 1);
	/* One index at a time. */
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), -EINVAL);
	assert_int_equal(irq_set(rig, TRIGGER_NONE, 0, 0, 0, NULL, 0), 0);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
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
		irq_set(rig, TRIGGER_EVENTFD, 5, 0, 1, &fd, 1), -EINVAL); /* no such index */
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 2, 0, 1, &fd, 1), -EINVAL); /* no MSI-X */
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 1, 1, &fd, 1), -EINVAL);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 2, two, 2), -EINVAL);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, UINT32_MAX, &fd, 1), -EINVAL);
	assert_int_equal(
		irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, two, 2), -EINVAL); /* one too many */
	assert_int_equal(irq_set(rig, TRIGGER_NONE, 1, 0, 1, &fd, 1), -EINVAL); /* takes none */
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 0, NULL, 0), 0); /* none of none */
	assert_int_equal(irq_set(rig, 0, 1, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(
		irq_set(rig, TRIGGER_EVENTFD | VFIO_IRQ_SET_DATA_NONE, 1, 0, 1, &fd, 1), -EINVAL);
	assert_int_equal(
		irq_set(rig, TRIGGER_EVENTFD | VFIO_IRQ_SET_ACTION_MASK, 1, 0, 1, &fd, 1), -EINVAL);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD | 0x40, 1, 0, 1, &fd, 1), -EINVAL);
	assert_int_equal(irq_set(rig, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 0,
				 1, &fd, 1),
		-ENOTTY);
	assert_int_equal(irq_set(rig, MASK_NONE, 0, 0, 0, NULL, 0), -EINVAL);
	assert_int_equal(irq_set(rig, UNMASK_NONE, 0, 0, 1, NULL, 0), -EINVAL); /* INTx is not on */
	assert_int_equal(irq_set(rig, TRIGGER_NONE, 0, 0, 1, NULL, 0), -EINVAL);
	/* One byte per vector, no more and no less. */
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
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
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &pipe_fds[1], 1), -EINVAL);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &rig->client, 1), -EINVAL);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &file, 1), -EINVAL);
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
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
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

	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	before = count_open_fds();
	for (int i = 0; i < 50; i++)
		assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, &fd, 1), 0);
	assert_int_equal(count_open_fds(), before);
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

/* ---- framing ------------------------------------------------------------------------------------
 * */

static void test_unknown_command(void **state)
{
	struct rig *rig = *state;
	const uint16_t unknown[] = {0, 2, 3, 6, 11, 12, 14, 15, 16, 0xffff};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(rig_call(rig, unknown[i], NULL, 0, NULL, 0, NULL, 0), -EOPNOTSUPP);
}

static void test_body_sizes(void **state)
{
	struct rig *rig = *state;
	const struct {
		uint16_t command;
		uint32_t bytes;
		bool longer;
	} rows[] = {{VFIO_USER_DEVICE_GET_INFO, 16, false},
		{VFIO_USER_DEVICE_GET_REGION_INFO, 32, false},
		{VFIO_USER_DEVICE_GET_IRQ_INFO, 16, false}, {VFIO_USER_DEVICE_SET_IRQS, 20, true},
		{VFIO_USER_REGION_READ, 16, false}, {VFIO_USER_REGION_WRITE, 16, true},
		{VFIO_USER_DEVICE_RESET, 0, false}};
	const uint8_t zeroes[64] = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].bytes > 0)
			assert_int_equal(rig_call(rig, rows[i].command, zeroes, rows[i].bytes - 1,
						 NULL, 0, NULL, 0),
				-EINVAL);
		assert_int_equal(
			rig_call(rig, rows[i].command, zeroes, rows[i].bytes + 1, NULL, 0, NULL, 0),
			-EINVAL);
	}
}

static void test_half_a_message(void **state)
{
	struct rig *rig = *state;
	struct {
		struct vfio_user_header header;
		struct vfio_user_device_info info;
	} message = {header_of(VFIO_USER_DEVICE_GET_INFO, 32), {.argsz = 16}};
	struct vfio_user_device_info info;
	size_t bytes;

	/* Byte by byte: nothing happens until the last. */
	for (size_t i = 0; i < sizeof(message); i++) {
		char unused;

		assert_int_equal(recv(rig->client, &unused, 1, MSG_DONTWAIT), -1);
		rig_send(rig, (const char *)&message + i, 1, NULL, 0);
		assert_int_equal(vfio_user_server_run(rig->server), 0);
		assert_int_equal(vfio_user_server_events(rig->server), EPOLLIN);
	}
	assert_int_equal(rig_reply(rig, &info, sizeof(info), &bytes).error, 0);
	/* Half a one, and gone. */
	rig_send(rig, &message, 20, NULL, 0);
	assert_int_equal(vfio_user_server_run(rig->server), 0);
	close(rig->client);
	rig->client = -1;
	assert_int_equal(vfio_user_server_run(rig->server), -ECONNRESET);
}

static void test_two_messages_in_one_go(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_header two[2] = {
		header_of(VFIO_USER_DEVICE_RESET, 16), header_of(VFIO_USER_DEVICE_RESET, 16)};
	size_t bytes;

	rig_send(rig, two, sizeof(two), NULL, 0);
	assert_int_equal(vfio_user_server_run(rig->server), 0);
	rig_reply(rig, NULL, 0, &bytes);
	rig_reply(rig, NULL, 0, &bytes);
}

static void run_bad_header(struct rig *rig, struct vfio_user_header header, int expected)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	rig_send(rig, &header, sizeof(header), &fd, 1);
	assert_int_equal(vfio_user_server_run(rig->server), expected);
	close(fd);
}

static void test_size_below_header(void **state)
{
	run_bad_header(*state, header_of(VFIO_USER_DEVICE_RESET, 15), -EPROTO);
}

static void test_size_zero(void **state)
{
	run_bad_header(*state, header_of(VFIO_USER_DEVICE_RESET, 0), -EPROTO);
}

static void test_size_above_limit(void **state)
{
	run_bad_header(
		*state, header_of(VFIO_USER_REGION_WRITE, VFIO_USER_MESSAGE_MAX + 1), -EMSGSIZE);
}

static void test_size_huge(void **state)
{
	run_bad_header(*state, header_of(VFIO_USER_REGION_WRITE, UINT32_MAX), -EMSGSIZE);
}

static void test_size_at_limit(void **state)
{
	struct rig *rig = *state;
	size_t bytes = VFIO_USER_MESSAGE_MAX - sizeof(struct vfio_user_header);
	uint8_t *body = calloc(1, bytes);
	const struct vfio_user_region_access access = {0x1000, 0, VFIO_USER_DATA_MAX};
	struct vfio_user_region_access reply;

	assert_non_null(body);
	memcpy(body, &access, sizeof(access));
	assert_int_equal(
		rig_call(rig, VFIO_USER_REGION_WRITE, body, bytes, NULL, 0, &reply, sizeof(reply)),
		0);
	free(body);
}

static void test_a_reply_is_no_command(void **state)
{
	struct vfio_user_header header = header_of(VFIO_USER_DEVICE_RESET, 16);

	header.flags = VFIO_USER_TYPE_REPLY;
	run_bad_header(*state, header, -EPROTO);
}

static void test_unknown_flags(void **state)
{
	struct rig *rig = *state;
	size_t bytes;

	assert_int_equal(
		rig_command(rig, VFIO_USER_DEVICE_RESET, VFIO_USER_FLAG_ERROR, NULL, 0, NULL, 0),
		0);
	assert_int_equal(rig_reply(rig, NULL, 0, &bytes).error, EINVAL);
	assert_int_equal(rig_command(rig, VFIO_USER_DEVICE_RESET, 0x80000000, NULL, 0, NULL, 0), 0);
	assert_int_equal(rig_reply(rig, NULL, 0, &bytes).error, EINVAL);
}

static void test_no_reply(void **state)
{
	struct rig *rig = *state;
	char unused;

	assert_int_equal(
		rig_command(rig, VFIO_USER_DEVICE_RESET, VFIO_USER_FLAG_NO_REPLY, NULL, 0, NULL, 0),
		0);
	assert_int_equal(rig_command(rig, 77, VFIO_USER_FLAG_NO_REPLY, NULL, 0, NULL, 0), 0);
	assert_int_equal(recv(rig->client, &unused, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- file descriptors ---------------------------------------------------------------------------
 * */

static void test_fds_where_none_belong(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_device_info info = {.argsz = sizeof(info)};
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned int before = count_open_fds();

	assert_int_equal(
		rig_call(rig, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), &fd, 1, NULL, 0),
		-EINVAL);
	assert_int_equal(rig_call(rig, VFIO_USER_DEVICE_RESET, NULL, 0, &fd, 1, NULL, 0), -EINVAL);
	assert_int_equal(rig_call(rig, 2, NULL, 0, &fd, 1, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(rig_call(rig, VFIO_USER_VERSION, &info, 4, &fd, 1, NULL, 0), -EINVAL);
	assert_int_equal(count_open_fds(), before);
	close(fd);
}

static void fill_fds(int *fds, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = fd;
}

/* As many as may come: the command says no, the connection lives. One more: it ends. */
static void test_fds_at_the_limit(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[VFIO_USER_FDS_MAX];
	unsigned int before = count_open_fds();

	fill_fds(fds, VFIO_USER_FDS_MAX, fd);
	assert_int_equal(irq_set(rig, TRIGGER_EVENTFD, 1, 0, 1, fds, VFIO_USER_FDS_MAX), -EINVAL);
	assert_int_equal(count_open_fds(), before);
	close(fd);
}

static void test_fds_above_the_limit(void **state)
{
	struct rig *rig = *state;
	const struct vfio_user_irq_set set = {sizeof(set), TRIGGER_EVENTFD, 1, 0, 1};
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[VFIO_USER_FDS_MAX + 1];

	fill_fds(fds, VFIO_USER_FDS_MAX + 1, fd);
	assert_int_equal(rig_command(rig, VFIO_USER_DEVICE_SET_IRQS, 0, &set, sizeof(set), fds,
				 VFIO_USER_FDS_MAX + 1),
		-EPROTO);
	close(fd);
}

/* The same, but spread over the bytes of one message. */
static void test_fds_drop_by_drop(void **state)
{
	struct rig *rig = *state;
	const struct vfio_user_header header = header_of(VFIO_USER_DEVICE_RESET, 16);
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned int before = count_open_fds();

	for (size_t i = 0; i < VFIO_USER_FDS_MAX; i++) {
		rig_send(rig, (const char *)&header + i, 1, &fd, 1);
		assert_int_equal(vfio_user_server_run(rig->server), 0);
		assert_int_equal(count_open_fds(), before + i + 1);
	}
	rig_send(rig, (const char *)&header + VFIO_USER_FDS_MAX, 1, &fd, 1);
	assert_int_equal(vfio_user_server_run(rig->server), -EPROTO);
	close(fd);
}

static void test_hundreds_of_fds(void **state)
{
	struct rig *rig = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	int fds[64];

	fill_fds(fds, 64, fd);
	rig_send(rig, "x", 1, fds, 64);
	assert_int_equal(vfio_user_server_run(rig->server), -EPROTO);
	close(fd);
}

/* ---- a client that never reads ------------------------------------------------------------------
 * */

static void test_client_that_never_reads(void **state)
{
	struct rig *rig = *state;
	const struct {
		struct vfio_user_header header;
		struct vfio_user_region_access access;
	} ask = {header_of(VFIO_USER_REGION_READ, 32), {0, 0, VFIO_USER_DATA_MAX}};
	size_t sent = 0;

	/* It asks until nobody takes its questions any more: the server's socket is full, and it
	 * reads no further. */
	for (;;) {
		ssize_t n = send(rig->client, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && vfio_user_server_events(rig->server) == EPOLLOUT)
			break;
		sent += n > 0 ? 1 : 0;
		assert_true(n == (ssize_t)sizeof(ask));
		assert_int_equal(vfio_user_server_run(rig->server), 0);
	}
	assert_int_equal(vfio_user_server_events(rig->server), EPOLLOUT);
	assert_int_equal(vfio_user_server_run(rig->server), 0);
	/* When it reads after all, every question gets its answer, whole and in order. */
	for (size_t i = 0; i < sent; i++) {
		uint8_t *reply = malloc(32 + VFIO_USER_DATA_MAX);
		size_t got = 0;

		assert_non_null(reply);
		while (got < 32 + VFIO_USER_DATA_MAX) {
			ssize_t n = recv(rig->client, reply + got, 32 + VFIO_USER_DATA_MAX - got,
				MSG_DONTWAIT);

			if (n > 0)
				got += (size_t)n;
			else
				assert_int_equal(vfio_user_server_run(rig->server), 0);
		}
		assert_int_equal(
			((struct vfio_user_header *)(void *)reply)->bytes, 32 + VFIO_USER_DATA_MAX);
		free(reply);
	}
	assert_int_equal(vfio_user_server_events(rig->server), EPOLLIN);
}

static void test_client_gone_while_a_reply_waits(void **state)
{
	struct rig *rig = *state;

	rig_send(rig, &(struct vfio_user_header){.command = VFIO_USER_DEVICE_RESET, .bytes = 16},
		16, NULL, 0);
	close(rig->client);
	rig->client = -1;
	assert_int_equal(vfio_user_server_run(rig->server), -ECONNRESET); /* and no SIGPIPE */
}

/* One call does a bounded amount of work, whatever lies in the socket. */
static void test_run_is_bounded(void **state)
{
	struct rig *rig = *state;
	struct vfio_user_header header = header_of(VFIO_USER_DEVICE_RESET, 16);
	unsigned int runs = 0;
	char unused;

	header.flags = VFIO_USER_FLAG_NO_REPLY;
	for (int i = 0; i < 100; i++)
		rig_send(rig, &header, sizeof(header), NULL, 0);
	while (recv(vfio_user_server_fd(rig->server), &unused, 1, MSG_DONTWAIT | MSG_PEEK) == 1) {
		assert_int_equal(vfio_user_server_run(rig->server), 0);
		runs++;
	}
	assert_true(runs > 1);
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
		TEST(test_reset),
		TEST(test_unknown_command),
		TEST(test_body_sizes),
		TEST(test_half_a_message),
		TEST(test_two_messages_in_one_go),
		TEST(test_size_below_header),
		TEST(test_size_zero),
		TEST(test_size_above_limit),
		TEST(test_size_huge),
		TEST(test_size_at_limit),
		TEST(test_a_reply_is_no_command),
		TEST(test_unknown_flags),
		TEST(test_no_reply),
		TEST(test_fds_where_none_belong),
		TEST(test_fds_at_the_limit),
		TEST(test_fds_above_the_limit),
		TEST(test_fds_drop_by_drop),
		TEST(test_hundreds_of_fds),
		TEST(test_client_that_never_reads),
		TEST(test_client_gone_while_a_reply_waits),
		TEST(test_run_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
