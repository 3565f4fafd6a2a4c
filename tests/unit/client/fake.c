/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PACKET_BYTES 65536u
#define PACKET_FDS 64u

typedef Iommubroker__V1__ClientMessage ClientMessage;
typedef Iommubroker__V1__ServerMessage ServerMessage;
typedef Iommubroker__V1__Operation Operation;
typedef Iommubroker__V1__Result Result;

static void die(const char *what)
{
	perror(what);
	abort();
}

static void *thread_main(void *arg)
{
	struct fake *fake = arg;
	int fd = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return NULL; /* nobody came before fake_stop() */
	fake->fn(fd, fake->arg);
	(void)close(fd);
	return NULL;
}

void fake_start(struct fake *fake, fake_fn fn, void *arg)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*fake = (struct fake){.fn = fn, .arg = arg, .running = true};
	(void)snprintf(fake->directory, sizeof(fake->directory), "/tmp/iommub-test.XXXXXX");
	if (!mkdtemp(fake->directory))
		die("mkdtemp");
	(void)snprintf(fake->path, sizeof(fake->path), "%s/broker.sock", fake->directory);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->path);
	fake->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fake->listen_fd < 0 ||
		bind(fake->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fake->listen_fd, 4) < 0 ||
		pthread_create(&fake->thread, NULL, thread_main, fake) != 0)
		die("fake broker");
}

void fake_stop(struct fake *fake)
{
	if (!fake->running)
		return;
	(void)shutdown(fake->listen_fd, SHUT_RDWR); /* wakes an accept() that nobody came to */
	(void)pthread_join(fake->thread, NULL);
	(void)close(fake->listen_fd);
	(void)unlink(fake->path);
	(void)rmdir(fake->directory);
	fake->running = false;
}

int fake_connect(
	struct fake *fake, fake_fn fn, void *arg, uint32_t timeout_ms, struct iommub_conn **ret)
{
	struct iommub_connect_opts opts = {
		.size = sizeof(opts), .client_name = "test", .timeout_ms = timeout_ms};

	fake_start(fake, fn, arg);
	opts.path = fake->path;
	return iommub_connect(&opts, ret);
}

ClientMessage *fake_receive(int fd, int *fds, size_t *n_fds)
{
	static _Thread_local uint8_t bytes[PACKET_BYTES];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	} control;
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;
	size_t n = 0;

	if (length <= 0)
		return NULL;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < n; i++) {
		int received;

		memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (fds)
			fds[i] = received;
		else
			(void)close(received);
	}
	if (n_fds)
		*n_fds = n;
	return iommubroker__v1__client_message__unpack(NULL, (size_t)length, bytes);
}

void fake_free(ClientMessage *message)
{
	if (message)
		iommubroker__v1__client_message__free_unpacked(message, NULL);
}

bool fake_request(int fd, uint64_t *ret_id, int *ret_case)
{
	ClientMessage *message = fake_receive(fd, NULL, NULL);
	bool good = message && message->body_case == IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST;

	if (good) {
		*ret_id = message->request->id;
		if (ret_case)
			*ret_case =
				message->request->op_case == IOMMUBROKER__V1__REQUEST__OP_OPERATION
					? (int)message->request->operation->op_case
					: 0;
	}
	fake_free(message);
	return good;
}

void fake_send_bytes(int fd, const void *bytes, size_t length, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	(void)sendmsg(fd, &msg, MSG_NOSIGNAL);
}

void fake_send(int fd, const ServerMessage *message, const int *fds, size_t n_fds)
{
	static _Thread_local uint8_t bytes[PACKET_BYTES * 2];
	size_t length = iommubroker__v1__server_message__get_packed_size(message);

	if (length > sizeof(bytes))
		die("a message of the fake broker is too large");
	(void)iommubroker__v1__server_message__pack(message, bytes);
	fake_send_bytes(fd, bytes, length, fds, n_fds);
}

bool fake_welcome(int fd)
{
	ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Welcome welcome = IOMMUBROKER__V1__WELCOME__INIT;
	ClientMessage *hello = fake_receive(fd, NULL, NULL);

	if (!hello)
		return false;
	fake_free(hello);
	welcome.has_version = welcome.has_session = welcome.has_page_bytes = 1;
	welcome.version = 1;
	welcome.session = 42;
	welcome.page_bytes = 4096;
	welcome.tenant = (char *)"alpha";
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME;
	message.welcome = &welcome;
	fake_send(fd, &message, NULL, 0);
	return true;
}

void fake_answer_fds(int fd, uint64_t id, Result *result, const int *fds, size_t n_fds)
{
	ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Response response = IOMMUBROKER__V1__RESPONSE__INIT;

	response.has_id = 1;
	response.id = id;
	if (result) {
		response.kind_case = IOMMUBROKER__V1__RESPONSE__KIND_RESULT;
		response.result = result;
	}
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE;
	message.response = &response;
	fake_send(fd, &message, fds, n_fds);
}

void fake_answer(int fd, uint64_t id, Result *result)
{
	fake_answer_fds(fd, id, result, NULL, 0);
}

void fake_refuse(int fd, uint64_t id, const char *error)
{
	ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Response response = IOMMUBROKER__V1__RESPONSE__INIT;
	Iommubroker__V1__Status status = IOMMUBROKER__V1__STATUS__INIT;
	Iommubroker__V1__Limit limit = IOMMUBROKER__V1__LIMIT__INIT;

	limit.has_resource = limit.has_scope = limit.has_limit = limit.has_used = 1;
	limit.resource = IOMMUBROKER__V1__RESOURCE__RESOURCE_LOCKED_BYTES;
	limit.scope = IOMMUBROKER__V1__SCOPE__SCOPE_TENANT;
	limit.limit = 100;
	limit.used = 90;
	status.error = (char *)error;
	status.message = (char *)"the tenant's limit of locked memory";
	status.rule = (char *)"policy.yaml:7 tenants.alpha.limits";
	status.field = (char *)"length";
	status.limit = &limit;
	status.has_asked = 1;
	status.asked = 11;
	response.has_id = 1;
	response.id = id;
	response.status = &status;
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE;
	message.response = &response;
	fake_send(fd, &message, NULL, 0);
}

/* ---- a well-meaning broker ---- */

struct answer {
	Result result;
	union {
		Iommubroker__V1__IoasAllocResult alloc;
		Iommubroker__V1__IoasMapResult map;
		Iommubroker__V1__IoasUnmapResult unmap;
		Iommubroker__V1__IoasCopyResult copy;
		Iommubroker__V1__MemoryRegisterResult memory;
		Iommubroker__V1__InfoResult info;
		Iommubroker__V1__Empty empty;
	};
};

static void answer_init(struct answer *answer, const Operation *operation, uint64_t number)
{
	Result *result = &answer->result;

	iommubroker__v1__result__init(result);
	result->op_case =
		(Iommubroker__V1__Result__OpCase)operation->op_case; /* the same numbers */
	switch (operation->op_case) {
	case IOMMUBROKER__V1__OPERATION__OP_IOAS_ALLOC:
		iommubroker__v1__ioas_alloc_result__init(&answer->alloc);
		answer->alloc.has_ioas = 1;
		answer->alloc.ioas = 7;
		result->ioas_alloc = &answer->alloc;
		break;
	case IOMMUBROKER__V1__OPERATION__OP_IOAS_MAP:
		iommubroker__v1__ioas_map_result__init(&answer->map);
		answer->map.has_iova = 1;
		answer->map.iova =
			operation->ioas_map->has_iova ? operation->ioas_map->iova : number * 0x1000;
		result->ioas_map = &answer->map;
		break;
	case IOMMUBROKER__V1__OPERATION__OP_IOAS_UNMAP:
		iommubroker__v1__ioas_unmap_result__init(&answer->unmap);
		answer->unmap.has_length = 1;
		answer->unmap.length = operation->ioas_unmap->length;
		result->ioas_unmap = &answer->unmap;
		break;
	case IOMMUBROKER__V1__OPERATION__OP_IOAS_COPY:
		iommubroker__v1__ioas_copy_result__init(&answer->copy);
		answer->copy.has_iova = 1;
		answer->copy.iova = number * 0x1000;
		result->ioas_copy = &answer->copy;
		break;
	case IOMMUBROKER__V1__OPERATION__OP_MEMORY_REGISTER:
		iommubroker__v1__memory_register_result__init(&answer->memory);
		answer->memory.has_memory = 1;
		answer->memory.memory = 0x80000001u;
		result->memory_register = &answer->memory;
		break;
	case IOMMUBROKER__V1__OPERATION__OP_INFO:
		iommubroker__v1__info_result__init(&answer->info);
		answer->info.has_version = answer->info.has_session = answer->info.has_page_bytes =
			1;
		answer->info.version = 1;
		answer->info.session = 42;
		answer->info.page_bytes = 4096;
		answer->info.tenant = (char *)"alpha";
		result->info = &answer->info;
		break;
	default:
		iommubroker__v1__empty__init(&answer->empty);
		result->destroy =
			&answer->empty; /* all members of the union are pointers to Empty here */
	}
}

static void batch_answer(int fd, const Iommubroker__V1__Request *request, uint64_t *operations)
{
	ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Response response = IOMMUBROKER__V1__RESPONSE__INIT;
	Iommubroker__V1__BatchResult batch = IOMMUBROKER__V1__BATCH_RESULT__INIT;
	size_t n = request->batch->n_operations;
	Iommubroker__V1__OperationResult *results = calloc(n, sizeof(*results)),
					 **pointers = calloc(n, sizeof(void *));
	struct answer *answers = calloc(n, sizeof(*answers));

	for (size_t i = 0; i < n; i++) {
		iommubroker__v1__operation_result__init(&results[i]);
		answer_init(&answers[i], request->batch->operations[i], (*operations)++);
		results[i].result = &answers[i].result;
		pointers[i] = &results[i];
	}
	batch.n_results = n;
	batch.results = pointers;
	response.has_id = 1;
	response.id = request->id;
	response.kind_case = IOMMUBROKER__V1__RESPONSE__KIND_BATCH;
	response.batch = &batch;
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE;
	message.response = &response;
	fake_send(fd, &message, NULL, 0);
	free(answers);
	free(pointers);
	free(results);
}

bool fake_serve_one(int fd, uint64_t *operations)
{
	ClientMessage *message = fake_receive(fd, NULL, NULL);
	struct answer answer;

	if (!message || message->body_case != IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST) {
		fake_free(message);
		return false;
	}
	if (message->request->op_case == IOMMUBROKER__V1__REQUEST__OP_OPERATION) {
		answer_init(&answer, message->request->operation, (*operations)++);
		fake_answer(fd, message->request->id, &answer.result);
	} else {
		batch_answer(fd, message->request, operations);
	}
	fake_free(message);
	return true;
}

void fake_serve(int fd, void *arg)
{
	uint64_t operations = 0;

	(void)arg;
	if (!fake_welcome(fd))
		return;
	while (fake_serve_one(fd, &operations)) {
		/* until the client is gone */
	}
}

size_t count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	if (!directory)
		die("/proc/self/fd");
	while (readdir(directory))
		n++;
	(void)closedir(directory);
	return n;
}
