/* SPDX-License-Identifier: MIT */
/*
 * A device behind a vfio-user server: each call is a message, or a few where one may not be long
 * enough.
 *
 * What a server answers is checked against what was asked (the index, the offset, the count): a
 * reply to something else is
 * -EPROTO. The server's own limits, two numbers in the JSON text of its VERSION, are looked for and
 * no more: see include/vfio_user.h.
 */
#include "client/lib/device.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "include/vfio_user.h"

#define CAPABILITIES "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":65504}}"
_Static_assert(VFIO_USER_DATA_MAX == 65504, "say so in CAPABILITIES");
#define VERSION_TEXT_MAX 4096u

/* The number that follows "key": in a text of `bytes` bytes, at most `max`; or `otherwise` if there
 * is none. */
static uint32_t number_after(
	const char *text, size_t bytes, const char *key, uint32_t otherwise, uint32_t max)
{
	const char *end = text + bytes;
	const char *at = memmem(text, bytes, key, strlen(key));
	uint64_t value = 0;

	if (!at)
		return otherwise < max ? otherwise : max;
	at += strlen(key);
	while (at < end && strchr(" \t\r\n", *at) && *at)
		at++;
	if (at == end || *at != ':')
		return otherwise < max ? otherwise : max;
	at++;
	while (at < end && strchr(" \t\r\n", *at) && *at)
		at++;
	if (at == end || *at < '0' || *at > '9')
		return otherwise < max ? otherwise : max;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value > max)
			value = max;
	}
	return (uint32_t)value;
}

static int broken(struct iommub_device *device)
{
	device->broken = true;
	return -EPROTO;
}

static int vfio_user_open(struct iommub_device *device)
{
	const struct vfio_user_version ours = {VFIO_USER_MAJOR, VFIO_USER_MINOR};
	struct vfio_user_version theirs;
	char text[VERSION_TEXT_MAX];
	size_t text_bytes = 0;
	struct wire_call call = {
		.command = VFIO_USER_VERSION,
		.body = {{(void *)&ours, sizeof(ours)},
			{(void *)CAPABILITIES, sizeof(CAPABILITIES)}},
		.reply = {&theirs, sizeof(theirs)},
		.data = {text, sizeof(text)},
		.ret_data_bytes = &text_bytes,
	};
	int r = device_wire_call(device, &call);

	if (r == -EINVAL)
		return -EPROTONOSUPPORT; /* how servers refuse a version */
	if (r < 0)
		return r;
	if (theirs.major != ours.major || theirs.minor > ours.minor)
		return -EPROTONOSUPPORT;
	device->fds_max = number_after(
		text, text_bytes, "\"max_msg_fds\"", VFIO_USER_DEFAULT_MSG_FDS, VFIO_USER_FDS_MAX);
	device->data_bytes_max = number_after(text, text_bytes, "\"max_data_xfer_size\"",
		VFIO_USER_DEFAULT_DATA_XFER_BYTES, VFIO_USER_DATA_MAX);
	/* Less than one register is no way to drive a device. */
	return device->data_bytes_max < sizeof(uint64_t) ? broken(device) : 0;
}

static int vfio_user_summary(struct iommub_device *device, struct iommub_device_summary *ret)
{
	struct vfio_user_device_info info = {.argsz = sizeof(info)};
	struct vfio_user_device_info answer;
	struct wire_call call = {
		.command = VFIO_USER_DEVICE_GET_INFO,
		.body = {{&info, sizeof(info)}},
		.reply = {&answer, sizeof(answer)},
	};
	int r = device_wire_call(device, &call);

	if (r < 0)
		return r;
	*ret = (struct iommub_device_summary){answer.flags, answer.num_regions, answer.num_irqs};
	return 0;
}

static int vfio_user_region(struct iommub_device *device, uint32_t index, struct device_region *ret)
{
	struct vfio_user_region_info info = {.argsz = sizeof(info), .index = index};
	struct vfio_user_region_info answer;
	struct wire_call call = {
		.command = VFIO_USER_DEVICE_GET_REGION_INFO,
		.body = {{&info, sizeof(info)}},
		.reply = {&answer, sizeof(answer)},
	};
	int r = device_wire_call(device, &call);

	if (r < 0)
		return r;
	if (answer.index != index)
		return broken(device);
	*ret = (struct device_region){
		.flags = answer.flags & ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP,
		.bytes = answer.size,
	};
	return 0;
}

static int vfio_user_irq(struct iommub_device *device, uint32_t index, struct iommub_irq *ret)
{
	struct vfio_user_irq_info info = {.argsz = sizeof(info), .index = index};
	struct vfio_user_irq_info answer;
	struct wire_call call = {
		.command = VFIO_USER_DEVICE_GET_IRQ_INFO,
		.body = {{&info, sizeof(info)}},
		.reply = {&answer, sizeof(answer)},
	};
	int r = device_wire_call(device, &call);

	if (r < 0)
		return r;
	if (answer.index != index)
		return broken(device);
	*ret = (struct iommub_irq){index, answer.flags, answer.count};
	return 0;
}

/* One REGION_READ or REGION_WRITE. */
static int access_once(struct iommub_device *device, uint16_t command, uint32_t index,
	uint64_t offset, struct iovec out, struct iovec in, uint32_t count)
{
	struct vfio_user_region_access access = {.offset = offset, .region = index, .count = count};
	struct vfio_user_region_access answer;
	struct wire_call call = {
		.command = command,
		.body = {{&access, sizeof(access)}, out},
		.reply = {&answer, sizeof(answer)},
		.data = in,
	};
	int r = device_wire_call(device, &call);

	if (r < 0)
		return r;
	if (answer.offset != offset || answer.region != index || answer.count != count)
		return broken(device);
	return 0;
}

static uint32_t piece(const struct iommub_device *device, size_t bytes)
{
	return bytes < device->data_bytes_max ? (uint32_t)bytes : device->data_bytes_max / 8 * 8;
}

static int vfio_user_read(struct iommub_device *device, uint32_t index,
	const struct device_region *region, uint64_t offset, void *buffer, size_t bytes)
{
	char *to = buffer;

	(void)region;
	while (bytes > 0) {
		uint32_t n = piece(device, bytes);
		int r = access_once(device, VFIO_USER_REGION_READ, index, offset,
			(struct iovec){NULL, 0}, (struct iovec){to, n}, n);

		if (r < 0)
			return r;
		offset += n;
		to += n;
		bytes -= n;
	}
	return 0;
}

static int vfio_user_write(struct iommub_device *device, uint32_t index,
	const struct device_region *region, uint64_t offset, const void *buffer, size_t bytes)
{
	const char *from = buffer;

	(void)region;
	while (bytes > 0) {
		uint32_t n = piece(device, bytes);
		int r = access_once(device, VFIO_USER_REGION_WRITE, index, offset,
			(struct iovec){(void *)from, n}, (struct iovec){NULL, 0}, n);

		if (r < 0)
			return r;
		offset += n;
		from += n;
		bytes -= n;
	}
	return 0;
}

static int irq_message(struct iommub_device *device, uint32_t flags, uint32_t index, uint32_t start,
	uint32_t count, const int *fds, size_t n_fds)
{
	struct vfio_user_irq_set set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	struct wire_call call = {
		.command = VFIO_USER_DEVICE_SET_IRQS,
		.body = {{&set, sizeof(set)}},
		.fds = fds,
		.n_fds = n_fds,
	};

	return device_wire_call(device, &call);
}

/* VFIO takes an array in which -1 means none; vfio-user takes as many fds as vectors, or none for
 * none. So an array is cut into runs of the one and the other. */
static int set_eventfds(struct iommub_device *device, const struct device_irq_set *set)
{
	const uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

	for (uint32_t done = 0; done < set->n;) {
		const int *fds = set->eventfds + done;
		const bool none = fds[0] < 0;
		const uint32_t most = none ? UINT32_MAX : device->fds_max;
		uint32_t count = 1;
		int r;

		if (most == 0)
			return -EOPNOTSUPP; /* the server says that it takes no fds */
		while (count < most && done + count < set->n && (fds[count] < 0) == none)
			count++;
		r = irq_message(device, flags, set->index, set->start + done, count,
			none ? NULL : fds, none ? 0 : count);
		if (r < 0)
			return r;
		done += count;
	}
	return 0;
}

static int vfio_user_irq_set(struct iommub_device *device, const struct device_irq_set *set)
{
	uint32_t action = VFIO_IRQ_SET_ACTION_TRIGGER;

	if (set->action == IOMMUB_IRQ_EVENTFD && set->n > 0)
		return set_eventfds(device, set);
	if (set->action == IOMMUB_IRQ_MASK)
		action = VFIO_IRQ_SET_ACTION_MASK;
	else if (set->action == IOMMUB_IRQ_UNMASK)
		action = VFIO_IRQ_SET_ACTION_UNMASK;
	return irq_message(
		device, VFIO_IRQ_SET_DATA_NONE | action, set->index, set->start, set->n, NULL, 0);
}

static int vfio_user_reset(struct iommub_device *device)
{
	struct wire_call call = {.command = VFIO_USER_DEVICE_RESET};

	return device_wire_call(device, &call);
}

const struct device_transport device_vfio_user = {
	.open = vfio_user_open,
	.summary = vfio_user_summary,
	.region = vfio_user_region,
	.irq = vfio_user_irq,
	.read = vfio_user_read,
	.write = vfio_user_write,
	.irq_set = vfio_user_irq_set,
	.reset = vfio_user_reset,
};
