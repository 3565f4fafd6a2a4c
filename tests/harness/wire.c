/* SPDX-License-Identifier: MIT */
#include "tests/harness/cmocka.h"
#include "tests/harness/wire.h"
#include "tests/harness/proc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_BYTES_MAX 65536
#define FDS_SENT_MAX 253

struct wire *wire_connect(const struct harness_broker *broker, const char *socket_path)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	struct sockaddr_un address;

	assert_non_null(wire);
	wire->next_id = 1;
	wire->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(wire->fd >= 0);
	harness_broker_address(broker, socket_path, &address);
	if (connect(wire->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fail_msg("%s: connect: %s", address.sun_path, strerror(errno));
	return wire;
}

struct wire *wire_connect_as(
	const struct harness_broker *broker, const char *socket_path, uid_t uid, gid_t gid)
{
	struct wire *wire;

	assert_int_equal(setegid(gid), 0);
	assert_int_equal(seteuid(uid), 0);
	wire = wire_connect(broker, socket_path);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	return wire;
}

static void forget_message(struct wire *wire)
{
	if (wire->message != NULL)
		iommubroker__v1__server_message__free_unpacked(wire->message, NULL);
	wire->message = NULL;
	for (size_t i = 0; i < wire->n_fds; i++)
		if (wire->fds[i] >= 0)
			close(wire->fds[i]);
	wire->n_fds = 0;
}

void wire_close(struct wire *wire)
{
	if (wire == NULL)
		return;
	forget_message(wire);
	close(wire->fd);
	free(wire);
}

int wire_send(struct wire *wire, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
	union {
		char buffer[CMSG_SPACE(sizeof(int) * FDS_SENT_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	assert_in_range(n_fds, 0, FDS_SENT_MAX);
	if (n_fds > 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buffer;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
	}
	sent = sendmsg(wire->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? -errno : 0;
}

int wire_send_message(struct wire *wire, const ClientMessage *message, const int *fds, size_t n_fds)
{
	size_t n = iommubroker__v1__client_message__get_packed_size(message);
	uint8_t *bytes = malloc(n + 1);
	int r;

	assert_non_null(bytes);
	iommubroker__v1__client_message__pack(message, bytes);
	r = wire_send(wire, bytes, n, fds, n_fds);
	free(bytes);
	return r;
}

int wire_send_request(struct wire *wire, Request *request, const int *fds, size_t n_fds)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;

	if (!request->has_id)
		SET(request, id, wire->next_id++);
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST;
	message.request = request;
	return wire_send_message(wire, &message, fds, n_fds);
}

static void take_fds(struct wire *wire, struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
		cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		wire->n_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert_in_range(wire->n_fds, 0, WIRE_FDS_MAX);
		memcpy(wire->fds, CMSG_DATA(cmsg), wire->n_fds * sizeof(int));
	}
}

const ServerMessage *wire_receive(struct wire *wire)
{
	static uint8_t packet[PACKET_BYTES_MAX];
	union {
		char buffer[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = packet, .iov_len = sizeof(packet)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer)};
	struct pollfd pollfd = {.fd = wire->fd, .events = POLLIN};
	ssize_t n;

	forget_message(wire);
	if (poll(&pollfd, 1, PATIENCE_MS) != 1)
		fail_msg("the broker did not answer in %d ms", PATIENCE_MS);
	n = recvmsg(wire->fd, &msg, MSG_CMSG_CLOEXEC);
	if (n <= 0) {
		/* ECONNRESET: it closed with requests of ours unread. */
		assert_true(n == 0 || errno == ECONNRESET);
		return NULL;
	}
	assert_int_equal(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
	take_fds(wire, &msg);
	wire->message = iommubroker__v1__server_message__unpack(NULL, (size_t)n, packet);
	assert_non_null(wire->message);
	return wire->message;
}

static bool is_event(const ServerMessage *message)
{
	return message != NULL && message->body_case == IOMMUBROKER__V1__SERVER_MESSAGE__BODY_EVENT;
}

const Response *wire_call_request(struct wire *wire, Request *request, const int *fds, size_t n_fds)
{
	const ServerMessage *message;

	assert_int_equal(wire_send_request(wire, request, fds, n_fds), 0);
	do {
		message = wire_receive(wire);
	} while (is_event(message));
	if (message == NULL)
		fail_msg("the session ended instead of answering");
	assert_int_equal(message->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE);
	assert_true(message->response->has_id && message->response->id == request->id);
	return message->response;
}

const Response *wire_call(struct wire *wire, const struct ask *ask, const int *fds, size_t n_fds)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;

	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = (Operation *)&ask->operation;
	return wire_call_request(wire, &request, fds, n_fds);
}

const Welcome *wire_hello(struct wire *wire)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	Hello hello = IOMMUBROKER__V1__HELLO__INIT;
	const ServerMessage *answer;

	SET(&hello, version_min, 1);
	SET(&hello, version_max, 1);
	hello.client_name = (char *)"test";
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	/* A broker that refuses a connection may have closed it before this is sent. */
	wire_send_message(wire, &message, NULL, 0);
	answer = wire_receive(wire);
	if (answer == NULL)
		return NULL;
	assert_int_equal(answer->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME);
	return answer->welcome;
}

struct wire *wire_open(const struct harness_broker *broker, const char *socket_path)
{
	struct wire *wire = wire_connect(broker, socket_path);
	const Welcome *welcome = wire_hello(wire);

	assert_non_null(welcome);
	if (welcome->status != NULL && welcome->status->error != NULL)
		fail_msg("not welcome: %s: %s", welcome->status->error,
			welcome->status->message ? welcome->status->message : "");
	return wire;
}

void wire_expect_end(struct wire *wire)
{
	const ServerMessage *message;

	while ((message = wire_receive(wire)) != NULL)
		if (message->body_case == IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE &&
			wire_error(message->response)[0] == '\0')
			fail_msg("the session answered a message that should have ended it");
}

const char *wire_error(const Response *response)
{
	if (response->status == NULL || response->status->error == NULL)
		return "";
	return response->status->error;
}

void wire_expect_success(const Response *response)
{
	if (wire_error(response)[0] != '\0')
		fail_msg("%s: %s", wire_error(response),
			response->status->message ? response->status->message : "(no sentence)");
}

void wire_expect_error(const Response *response, const char *error, const char *what)
{
	const char *message, *field;

	if (strcmp(wire_error(response), error) != 0)
		fail_msg("expected %s (%s), got \"%s\" (%s)", error, what ? what : "",
			wire_error(response),
			response->status && response->status->message ? response->status->message
								      : "");
	/* Every error is a sentence. */
	assert_non_null(response->status->message);
	message = response->status->message;
	field = response->status->field ? response->status->field : "";
	if (what != NULL && strstr(message, what) == NULL && strstr(field, what) == NULL)
		fail_msg("%s should name \"%s\", but says: %s (field \"%s\")", error, what, message,
			field);
}

uint32_t wire_ioas_alloc(struct wire *wire)
{
	struct ask ask;
	const Response *response;

	ask_ioas_alloc(&ask);
	response = wire_call(wire, &ask, NULL, 0);
	wire_expect_success(response);
	assert_true(response->result->ioas_alloc->has_ioas);
	return response->result->ioas_alloc->ioas;
}

uint32_t wire_memory_register(struct wire *wire, int fd, bool writeable)
{
	struct ask ask;
	const Response *response;
	MemoryRegister *memory = ask_memory_register(&ask);

	SET(memory, writeable, writeable);
	response = wire_call(wire, &ask, &fd, 1);
	wire_expect_success(response);
	assert_true(response->result->memory_register->has_memory);
	return response->result->memory_register->memory;
}

static IoasMap *fill_map(
	struct ask *ask, uint32_t ioas, uint32_t memory, uint64_t offset, uint64_t length)
{
	IoasMap *map = ask_ioas_map(ask);

	SET(map, ioas, ioas);
	SET(map, memory, memory);
	SET(map, offset, offset);
	SET(map, length, length);
	return map;
}

uint64_t wire_map(
	struct wire *wire, uint32_t ioas, uint32_t memory, uint64_t offset, uint64_t length)
{
	struct ask ask;
	const Response *response;

	fill_map(&ask, ioas, memory, offset, length);
	response = wire_call(wire, &ask, NULL, 0);
	wire_expect_success(response);
	assert_true(response->result->ioas_map->has_iova);
	return response->result->ioas_map->iova;
}

void wire_map_fixed(struct wire *wire, uint32_t ioas, uint32_t memory, uint64_t offset,
	uint64_t length, uint64_t iova)
{
	struct ask ask;
	IoasMap *map = fill_map(&ask, ioas, memory, offset, length);

	SET(map, iova, iova);
	wire_expect_success(wire_call(wire, &ask, NULL, 0));
}

void wire_unmap(struct wire *wire, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct ask ask;
	IoasUnmap *unmap = ask_ioas_unmap(&ask);

	SET(unmap, ioas, ioas);
	SET(unmap, iova, iova);
	SET(unmap, length, length);
	wire_expect_success(wire_call(wire, &ask, NULL, 0));
}

void wire_destroy(struct wire *wire, uint32_t id)
{
	struct ask ask;
	Destroy *destroy = ask_destroy(&ask);

	SET(destroy, id, id);
	wire_expect_success(wire_call(wire, &ask, NULL, 0));
}

uint32_t wire_device_open(struct wire *wire, const char *name, int *ret_fd)
{
	struct ask ask;
	const Response *response;
	DeviceOpen *open = ask_device_open(&ask);

	open->name = (char *)name;
	response = wire_call(wire, &ask, NULL, 0);
	wire_expect_success(response);
	assert_int_equal(wire->n_fds, 1);
	*ret_fd = wire->fds[0];
	wire->fds[0] = -1;
	assert_true(response->result->device_open->has_device);
	return response->result->device_open->device;
}

void wire_device_attach(struct wire *wire, uint32_t device, uint32_t pt_id)
{
	struct ask ask;
	DeviceAttach *attach = ask_device_attach(&ask);

	SET(attach, device, device);
	SET(attach, pt_id, pt_id);
	wire_expect_success(wire_call(wire, &ask, NULL, 0));
}

uint64_t wire_used(struct wire *wire, uint32_t scope, uint32_t resource)
{
	struct ask ask;
	const Response *response;

	ask_info(&ask);
	response = wire_call(wire, &ask, NULL, 0);
	wire_expect_success(response);
	for (size_t i = 0; i < response->result->info->n_limits; i++) {
		const Limit *limit = response->result->info->limits[i];

		if ((uint32_t)limit->scope == scope && (uint32_t)limit->resource == resource)
			return limit->used;
	}
	return UINT64_MAX;
}

int wire_memfd(size_t bytes, unsigned char fill)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *address;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(address, MAP_FAILED);
	memset(address, fill, bytes);
	munmap(address, bytes);
	return fd;
}
