/* SPDX-License-Identifier: MIT */
/*
 * The commands of vfio-user: a table of what each must look like, checked in one place before its
 * handler runs. A handler sees a body of the right size and no fds that it has no use for; indexes,
 * ranges and flags are its own to check, in VFIO's order and with VFIO's errno.
 */
#include "broker/sim/vfio_user_internal.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CAPABILITIES "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":65504}}"
_Static_assert(VFIO_USER_FDS_MAX == 8 && VFIO_USER_DATA_MAX == 65504, "say so in CAPABILITIES");

static const uint8_t *body_of(const struct vfio_user_server *server)
{
	return server->in.bytes + sizeof(struct vfio_user_header);
}

static size_t body_bytes_of(const struct vfio_user_server *server)
{
	return server->in.header.bytes - sizeof(struct vfio_user_header);
}

static uint8_t *reply_of(struct vfio_user_server *server)
{
	return server->out.bytes + sizeof(struct vfio_user_header);
}

/* May come again: who takes over the socket of a program that it replaced cannot know that there
 * was one. */
static int run_version(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	struct vfio_user_version version;
	size_t text_bytes = body_bytes_of(server) - sizeof(version);

	memcpy(&version, body_of(server), sizeof(version));
	if (text_bytes > 0 && body_of(server)[sizeof(version) + text_bytes - 1] != '\0')
		return -EINVAL;
	if (version.major != VFIO_USER_MAJOR)
		return -EINVAL;
	if (version.minor > VFIO_USER_MINOR)
		version.minor = VFIO_USER_MINOR;
	server->negotiated = true;
	memcpy(reply_of(server), &version, sizeof(version));
	memcpy(reply_of(server) + sizeof(version), CAPABILITIES, sizeof(CAPABILITIES));
	*ret_body_bytes = sizeof(version) + sizeof(CAPABILITIES);
	return 0;
}

static int run_device_info(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	struct vfio_user_device_info info;

	memcpy(&info, body_of(server), sizeof(info));
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct vfio_user_device_info){
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.num_regions = server->ops->regions,
		.num_irqs = server->ops->irqs,
	};
	memcpy(reply_of(server), &info, sizeof(info));
	*ret_body_bytes = sizeof(info);
	return 0;
}

static int run_region_info(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	struct vfio_user_region_info info;
	struct vfio_user_region region = {0};
	int r;

	memcpy(&info, body_of(server), sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= server->ops->regions)
		return -EINVAL;
	r = server->ops->region_info(server->device, info.index, &region);
	if (r < 0)
		return r;
	info = (struct vfio_user_region_info){
		.argsz = sizeof(info),
		.flags = region.flags,
		.index = info.index,
		.size = region.bytes,
	};
	memcpy(reply_of(server), &info, sizeof(info));
	*ret_body_bytes = sizeof(info);
	return 0;
}

static int run_irq_info(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	struct vfio_user_irq_info info;
	struct vfio_user_irq irq = {0};
	int r;

	memcpy(&info, body_of(server), sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= server->ops->irqs)
		return -EINVAL;
	r = server->ops->irq_info(server->device, info.index, &irq);
	if (r < 0)
		return r;
	info = (struct vfio_user_irq_info){
		.argsz = sizeof(info),
		.flags = irq.flags,
		.index = info.index,
		.count = irq.count,
	};
	memcpy(reply_of(server), &info, sizeof(info));
	*ret_body_bytes = sizeof(info);
	return 0;
}

/* The range of a REGION_READ or REGION_WRITE against the device's own word on the region. */
static int access_check(struct vfio_user_server *server,
	const struct vfio_user_region_access *access, uint32_t needed_flag)
{
	struct vfio_user_region region = {0};
	int r;

	if (access->region >= server->ops->regions || access->count > VFIO_USER_DATA_MAX)
		return -EINVAL;
	r = server->ops->region_info(server->device, access->region, &region);
	if (r < 0)
		return r;
	if (!(region.flags & needed_flag))
		return -EINVAL;
	if (access->offset > region.bytes || access->count > region.bytes - access->offset)
		return -EINVAL;
	return 0;
}

static int run_region_read(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	struct vfio_user_region_access access;
	int r;

	memcpy(&access, body_of(server), sizeof(access));
	r = access_check(server, &access, VFIO_REGION_INFO_FLAG_READ);
	if (r < 0)
		return r;
	r = server->ops->region_read(server->device, access.region, access.offset,
		reply_of(server) + sizeof(access), access.count);
	if (r < 0)
		return r;
	memcpy(reply_of(server), &access, sizeof(access));
	*ret_body_bytes = sizeof(access) + access.count;
	return 0;
}

static int run_region_write(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	struct vfio_user_region_access access;
	int r;

	memcpy(&access, body_of(server), sizeof(access));
	if (access.count != body_bytes_of(server) - sizeof(access))
		return -EINVAL;
	r = access_check(server, &access, VFIO_REGION_INFO_FLAG_WRITE);
	if (r < 0)
		return r;
	r = server->ops->region_write(server->device, access.region, access.offset,
		body_of(server) + sizeof(access), access.count);
	if (r < 0)
		return r;
	memcpy(reply_of(server), &access, sizeof(access));
	*ret_body_bytes = sizeof(access);
	return 0;
}

/* A trigger is an eventfd. Whether it is one cannot be asked, but an fd without a file type is of
 * the kernel's own making (eventfd, timerfd, epoll, …): no pipe, no socket, no file of a file
 * system that its owner serves. */
static int trigger_check(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	return (status.st_mode & S_IFMT) == 0 ? 0 : -EINVAL;
}

static int set_eventfds(struct vfio_user_server *server, const struct vfio_user_irq_set *set)
{
	if (server->n_fds != 0 && server->n_fds != set->count)
		return -EINVAL;
	for (size_t i = 0; i < server->n_fds; i++) {
		int r = trigger_check(server->fds[i]);

		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		int fd = -1;
		int r;

		if (server->n_fds > 0) {
			fd = server->fds[i];
			server->fds[i] = -1;
		}
		r = server->ops->irq_set_eventfd(server->device, set->index, set->start + i, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_action(
	struct vfio_user_server *server, const struct vfio_user_irq_set *set, uint32_t vector)
{
	switch (set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_MASK:
		return server->ops->irq_mask(server->device, set->index, vector, true);
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return server->ops->irq_mask(server->device, set->index, vector, false);
	default:
		return server->ops->irq_trigger(server->device, set->index, vector);
	}
}

static bool one_bit(uint32_t bits)
{
	return bits != 0 && (bits & (bits - 1)) == 0;
}

/* Flags, index and range, in VFIO's order. */
static int irq_set_check(struct vfio_user_server *server, const struct vfio_user_irq_set *set)
{
	const uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	const uint32_t data = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	struct vfio_user_irq irq = {0};
	int r;

	if (set->argsz < sizeof(*set) || set->index >= server->ops->irqs || set->flags & ~known)
		return -EINVAL;
	r = server->ops->irq_info(server->device, set->index, &irq);
	if (r < 0)
		return r;
	if (set->start >= irq.count || set->count > irq.count - set->start)
		return -EINVAL;
	if (!one_bit(data) || !one_bit(set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return -EINVAL;
	if (body_bytes_of(server) - sizeof(*set) !=
		(data == VFIO_IRQ_SET_DATA_BOOL ? set->count : 0))
		return -EINVAL;
	if (server->n_fds != 0 && data != VFIO_IRQ_SET_DATA_EVENTFD)
		return -EINVAL;
	return 0;
}

static int run_set_irqs(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	const uint8_t *wanted = body_of(server) + sizeof(struct vfio_user_irq_set);
	struct vfio_user_irq_set set;
	uint32_t action, data;
	int r;

	*ret_body_bytes = 0;
	memcpy(&set, body_of(server), sizeof(set));
	r = irq_set_check(server, &set);
	if (r < 0)
		return r;
	action = set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		return action == VFIO_IRQ_SET_ACTION_TRIGGER ? set_eventfds(server, &set) : -ENOTTY;
	if (set.count == 0) {
		if (data != VFIO_IRQ_SET_DATA_NONE || action != VFIO_IRQ_SET_ACTION_TRIGGER)
			return -EINVAL;
		return server->ops->irq_disable(server->device, set.index);
	}
	for (uint32_t i = 0; i < set.count; i++) {
		if (data == VFIO_IRQ_SET_DATA_BOOL && !wanted[i])
			continue;
		r = apply_action(server, &set, set.start + i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run_reset(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	*ret_body_bytes = 0;
	return server->ops->reset(server->device);
}

static const struct command {
	uint16_t command; /* enum vfio_user_command */
	bool longer; /* the body may be longer than body_bytes */
	bool fds; /* file descriptors may come along */
	uint32_t body_bytes;
	int (*run)(struct vfio_user_server *server, size_t *ret_body_bytes);
} commands[] = {
	{VFIO_USER_VERSION, true, false, sizeof(struct vfio_user_version), run_version},
	{VFIO_USER_DEVICE_GET_INFO, false, false, sizeof(struct vfio_user_device_info),
		run_device_info},
	{VFIO_USER_DEVICE_GET_REGION_INFO, false, false, sizeof(struct vfio_user_region_info),
		run_region_info},
	{VFIO_USER_DEVICE_GET_IRQ_INFO, false, false, sizeof(struct vfio_user_irq_info),
		run_irq_info},
	{VFIO_USER_DEVICE_SET_IRQS, true, true, sizeof(struct vfio_user_irq_set), run_set_irqs},
	{VFIO_USER_REGION_READ, false, false, sizeof(struct vfio_user_region_access),
		run_region_read},
	{VFIO_USER_REGION_WRITE, true, false, sizeof(struct vfio_user_region_access),
		run_region_write},
	{VFIO_USER_DEVICE_RESET, false, false, 0, run_reset},
};

int vfio_user_command_run(struct vfio_user_server *server, size_t *ret_body_bytes)
{
	const struct vfio_user_header *header = &server->in.header;
	size_t body_bytes = body_bytes_of(server);

	if (header->flags & ~(VFIO_USER_TYPE_MASK | VFIO_USER_FLAG_NO_REPLY))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *command = &commands[i];

		if (command->command != header->command)
			continue;
		if (body_bytes < command->body_bytes ||
			(body_bytes > command->body_bytes && !command->longer))
			return -EINVAL;
		if (server->n_fds > 0 && !command->fds)
			return -EINVAL;
		return command->run(server, ret_body_bytes);
	}
	return -EOPNOTSUPP;
}
