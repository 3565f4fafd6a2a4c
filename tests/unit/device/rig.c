/* SPDX-License-Identifier: MIT */
#include "tests/unit/device/rig.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

unsigned int count_open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static int bus_check(struct rig *rig, uint64_t iova, size_t bytes)
{
	if (iova >= RIG_IOVA && iova + bytes <= RIG_IOVA + RIG_MEMORY_BYTES)
		return 0;
	rig->faults++;
	return -EFAULT;
}

static int bus_read(void *arg, uint64_t iova, void *buffer, size_t bytes)
{
	struct rig *rig = arg;
	int r = bus_check(rig, iova, bytes);

	if (r == 0)
		memcpy(buffer, rig->memory + (iova - RIG_IOVA), bytes);
	return r;
}

static int bus_write(void *arg, uint64_t iova, const void *buffer, size_t bytes)
{
	struct rig *rig = arg;
	int r = bus_check(rig, iova, bytes);

	if (r == 0)
		memcpy(rig->memory + (iova - RIG_IOVA), buffer, bytes);
	return r;
}

static void bus_interrupt(void *arg)
{
	struct rig *rig = arg;

	edu_vfio_interrupt(&rig->device);
}

static const struct edu_ops bus_ops = {bus_read, bus_write, bus_interrupt};

struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int ends[2];

	assert_non_null(rig);
	rig->fds_before = count_open_fds();
	rig->edu = (struct edu){aligned_alloc(4096, EDU_STATE_BYTES), &bus_ops, rig};
	assert_non_null(rig->edu.state);
	edu_state_init(rig->edu.state);
	edu_vfio_init(&rig->device, &rig->edu);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(
		vfio_user_server_new(ends[0], &edu_vfio_ops, &rig->device, &rig->server), 0);
	assert_int_equal(vfio_user_server_fd(rig->server), ends[0]);
	rig->client = ends[1];
	return rig;
}

void rig_free(struct rig *rig)
{
	if (rig->client >= 0)
		close(rig->client);
	if (rig->threaded)
		(void)rig_join(rig);
	vfio_user_server_free(rig->server);
	edu_vfio_deinit(&rig->device);
	assert_int_equal(count_open_fds(), rig->fds_before);
	free(rig->edu.state);
	free(rig);
}

static void *serve(void *arg)
{
	struct rig *rig = arg;
	int r;

	do {
		struct pollfd ready = {.fd = vfio_user_server_fd(rig->server)};

		ready.events = vfio_user_server_events(rig->server) == EPOLLOUT ? POLLOUT : POLLIN;
		(void)poll(&ready, 1, -1);
		r = vfio_user_server_run(rig->server);
	} while (r == 0);
	rig->thread_result = r;
	return NULL;
}

void rig_serve(struct rig *rig)
{
	assert_int_equal(pthread_create(&rig->thread, NULL, serve, rig), 0);
	rig->threaded = true;
}

int rig_join(struct rig *rig)
{
	assert_int_equal(pthread_join(rig->thread, NULL), 0);
	rig->threaded = false;
	return rig->thread_result;
}

void rig_send(struct rig *rig, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {(void *)bytes, n};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	assert_true(n_fds <= 64);
	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(rig->client, &message, MSG_NOSIGNAL | MSG_DONTWAIT), (ssize_t)n);
}

int rig_command(struct rig *rig, uint16_t command, uint32_t flags, const void *body, size_t n,
	const int *fds, size_t n_fds)
{
	union vfio_user_test_message {
		struct vfio_user_header header;
		uint8_t bytes[VFIO_USER_MESSAGE_MAX];
	} *message = calloc(1, sizeof(*message));

	assert_non_null(message);
	assert_true(n <= sizeof(*message) - sizeof(message->header));
	message->header = (struct vfio_user_header){
		.id = 0x1234,
		.command = command,
		.bytes = (uint32_t)(sizeof(message->header) + n),
		.flags = flags,
	};
	if (n > 0)
		memcpy(message->bytes + sizeof(message->header), body, n);
	rig_send(rig, message, message->header.bytes, fds, n_fds);
	free(message);
	return vfio_user_server_run(rig->server);
}

struct vfio_user_header rig_reply(struct rig *rig, void *body, size_t room, size_t *ret_bytes)
{
	struct vfio_user_header header;
	size_t bytes;

	assert_int_equal(recv(rig->client, &header, sizeof(header), MSG_DONTWAIT), sizeof(header));
	assert_int_equal(header.id, 0x1234);
	assert_int_equal(header.flags & VFIO_USER_TYPE_MASK, VFIO_USER_TYPE_REPLY);
	bytes = header.bytes - sizeof(header);
	assert_true(bytes <= room);
	if (bytes > 0)
		assert_int_equal(recv(rig->client, body, bytes, MSG_DONTWAIT | MSG_WAITALL), bytes);
	*ret_bytes = bytes;
	return header;
}

int rig_call(struct rig *rig, uint16_t command, const void *body, size_t n, const int *fds,
	size_t n_fds, void *reply, size_t reply_bytes)
{
	struct vfio_user_header header;
	size_t bytes;

	assert_int_equal(rig_command(rig, command, VFIO_USER_TYPE_COMMAND, body, n, fds, n_fds), 0);
	header = rig_reply(rig, reply, reply_bytes, &bytes);
	assert_int_equal(header.command, command);
	if (header.flags & VFIO_USER_FLAG_ERROR) {
		assert_int_equal(bytes, 0);
		assert_true(header.error > 0);
		return -(int)header.error;
	}
	assert_int_equal(header.error, 0);
	assert_int_equal(bytes, reply_bytes);
	return 0;
}

int rig_irq_set(struct rig *rig, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, size_t n_fds)
{
	const struct vfio_user_irq_set set = {sizeof(set), flags, index, start, count};

	return rig_call(rig, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, n_fds, NULL, 0);
}

void rig_negotiate(struct rig *rig)
{
	const struct vfio_user_version version = {VFIO_USER_MAJOR, VFIO_USER_MINOR};
	struct {
		struct vfio_user_version version;
		char text[256];
	} reply;
	size_t bytes;

	assert_int_equal(
		rig_command(rig, VFIO_USER_VERSION, 0, &version, sizeof(version), NULL, 0), 0);
	assert_int_equal(rig_reply(rig, &reply, sizeof(reply), &bytes).flags, VFIO_USER_TYPE_REPLY);
}
