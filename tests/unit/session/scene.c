/* SPDX-License-Identifier: MIT */
/* A session for tests; see scene.h. */
#include "tests/unit/session/scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

size_t fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int file_memfd(uint64_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static dev_t memfd_device(void)
{
	int fd = file_memfd(1);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st.st_dev;
}

static void setup_fill(struct control_setup *setup)
{
	*setup = (struct control_setup){
		.session = 7,
		.tenant = "alpha",
		.backend = BACKEND_MODEL,
		.operations = UINT64_MAX,
		.memory_kinds = MEMORY_KIND_MEMFD | MEMORY_KIND_HUGETLB,
		.windows_count = 1,
		.windows = {{.start = 0, .last = UINT64_MAX}},
		.rule_operations = "p.yaml:1 tenants.alpha.operations",
		.rule_windows = "p.yaml:2 tenants.alpha.iova_windows",
		.rule_memory = "p.yaml:3 tenants.alpha.memory",
		.rule_limits = "p.yaml:4 tenants.alpha.limits",
	};
}

int scene_begin_hello(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct limits limits = {0};

	assert_non_null(scene);
	scene->fds_before = fds_open();
	fake_reset();
	setup_fill(&scene->setup);
	for (int r = 1; r < RESOURCE_END; r++)
		limits.max[r] = UINT64_MAX;
	assert_int_equal(account_pages_open(&limits, &limits, &scene->pages), 0);
	scene->pages.limits->lent_bytes = UINT64_MAX / 4;
	fake.pages = &scene->pages;
	scene->session.setup = &scene->setup;
	scene->session.phase = PHASE_HELLO;
	scene->session.memfd_dev = memfd_device();
	assert_int_equal(account_attach(scene->pages.account_fd, scene->pages.limits_fd, 3,
				 &scene->session.account),
		0);
	assert_int_equal(dispatcher_new(&scene->session, &scene->dispatcher), 0);
	scene->fd = -1;
	*state = scene;
	return 0;
}

int scene_begin(void **state)
{
	scene_begin_hello(state);
	scene_hello(*state);
	return 0;
}

static void answer_drop(struct scene *scene)
{
	if (scene->message)
		iommubroker__v1__server_message__free_unpacked(scene->message, NULL);
	scene->message = NULL;
	if (scene->fd >= 0)
		close(scene->fd);
	scene->fd = -1;
}

uint64_t scene_used(const struct scene *scene, enum resource resource)
{
	return account_used(&scene->session.account, SCOPE_SESSION, resource);
}

int scene_end(void **state)
{
	struct scene *scene = *state;

	answer_drop(scene);
	dispatcher_free(scene->dispatcher);
	for (int r = 1; r < RESOURCE_END; r++) {
		assert_int_equal(scene_used(scene, (enum resource)r), 0);
		assert_int_equal(
			account_used(&scene->session.account, SCOPE_TENANT, (enum resource)r), 0);
	}
	account_detach(&scene->session.account);
	account_pages_close(&scene->pages);
	assert_int_equal(fds_open(), scene->fds_before);
	if (!fake.destroy_busy)
		assert_int_equal(fake_objects(), 0);
	assert_int_equal(fake_mappings(), 0);
	assert_int_equal(fake_audits(AUDIT_BROKEN), 0);
	free(scene);
	return 0;
}

static void answer_take(struct scene *scene, const struct outgoing *out)
{
	if (!out->bytes)
		return;
	assert_true(out->length <= MESSAGE_BYTES_MAX);
	scene->message = iommubroker__v1__server_message__unpack(NULL, out->length, out->bytes);
	assert_non_null(scene->message);
	if (out->n_fds)
		scene->fd = out->fds[0];
}

void scene_packet(
	struct scene *scene, const void *bytes, size_t length, const int *fds, size_t n_fds)
{
	struct outgoing out;
	int own[256];

	answer_drop(scene);
	for (size_t i = 0; i < n_fds; i++) {
		own[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		assert_true(own[i] >= 0);
	}
	scene->result = dispatcher_packet(scene->dispatcher, bytes, length, own, n_fds, &out);
	answer_take(scene, &out);
}

void scene_message(
	struct scene *scene, const PB(ClientMessage) * message, const int *fds, size_t n_fds)
{
	static uint8_t packet[MESSAGE_BYTES_MAX];
	size_t bytes = iommubroker__v1__client_message__get_packed_size(message);

	assert_true(bytes <= sizeof(packet));
	iommubroker__v1__client_message__pack(message, packet);
	scene_packet(scene, packet, bytes, fds, n_fds);
}

void scene_hello(struct scene *scene)
{
	PB(ClientMessage) message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	PB(Hello) hello = IOMMUBROKER__V1__HELLO__INIT;

	hello.has_version_min = hello.has_version_max = true;
	hello.version_min = hello.version_max = 1;
	hello.client_name = "unit test";
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	scene_message(scene, &message, NULL, 0);
}

static void request_send(struct scene *scene, PB(Request) * request, const int *fds, size_t n_fds)
{
	PB(ClientMessage) message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;

	request->has_id = true;
	request->id = ++scene->next_id;
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST;
	message.request = request;
	scene_message(scene, &message, fds, n_fds);
	if (scene->result != DISPATCH_ANSWER)
		return;
	if (!scene->message)
		abort(); /* an analyzer does not know what assert_non_null() does */
	assert_int_equal(scene->message->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE);
	assert_int_equal(scene->message->response->id, scene->next_id);
}

PB(Status) * scene_status(struct scene *scene)
{
	if (!scene->message)
		return NULL;
	if (scene->message->body_case == IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME)
		return scene->message->welcome->status;
	return scene->message->response->status;
}

void status_assert(
	struct scene *scene, const char *name, const char *field, const char *file, int line)
{
	const PB(Status) *status = scene_status(scene);
	const char *error = status ? status->error : "success";

	if (strcmp(error, name ? name : "success") == 0 &&
		(!field || (status && status->field && strcmp(status->field, field) == 0)))
		return;
	print_error("expected %s (%s), got %s (%s): %s\n", name ? name : "success",
		field ? field : "", error, status && status->field ? status->field : "",
		status ? status->message : "");
	_fail(file, line);
}

PB(Result) * scene_result(struct scene *scene)
{
	assert_int_equal(
		scene->message->response->kind_case, IOMMUBROKER__V1__RESPONSE__KIND_RESULT);
	return scene->message->response->result;
}

PB(Operation) operation_of(PB(Operation__OpCase) op, void *body)
{
	PB(Operation) operation = IOMMUBROKER__V1__OPERATION__INIT;

	operation.op_case = op;
	operation.info = body;
	return operation;
}

PB(Status) *
	scene_request(struct scene *scene, PB(Operation) * operation, const int *fds, size_t n_fds)
{
	PB(Request) request = IOMMUBROKER__V1__REQUEST__INIT;

	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = operation;
	request_send(scene, &request, fds, n_fds);
	return scene_status(scene);
}

PB(BatchResult) * scene_batch(struct scene *scene, PB(BatchMode) mode, PB(Operation) * operations,
			  size_t n, const int *fds, size_t n_fds)
{
	PB(Request) request = IOMMUBROKER__V1__REQUEST__INIT;
	PB(Batch) batch = IOMMUBROKER__V1__BATCH__INIT;
	PB(Operation) **list = calloc(n + 1, sizeof(void *));

	if (!list)
		abort();
	for (size_t i = 0; i < n; i++)
		list[i] = &operations[i];
	batch.has_mode = true;
	batch.mode = mode;
	batch.n_operations = n;
	batch.operations = list;
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_BATCH;
	request.batch = &batch;
	request_send(scene, &request, fds, n_fds);
	free(list);
	if (!scene->message)
		abort();
	assert_int_equal(
		scene->message->response->kind_case, IOMMUBROKER__V1__RESPONSE__KIND_BATCH);
	return scene->message->response->batch;
}

static PB(Status) * resume(struct scene *scene, const union control_message *answer, int fd)
{
	struct outgoing out;

	answer_drop(scene);
	scene->result = dispatcher_resume(scene->dispatcher, answer, fd, &out);
	answer_take(scene, &out);
	return scene_status(scene);
}

PB(Status) * scene_grant(struct scene *scene, uint32_t index, const char *name)
{
	union control_message answer = {.granted = {.header = {.type = CONTROL_GRANTED}}};

	answer.granted.device.index = index;
	snprintf(answer.granted.device.name, CONTROL_NAME_MAX, "%s", name);
	return resume(scene, &answer, file_memfd(4096));
}

PB(Status) * scene_deny(struct scene *scene, int error, const char *text, const char *rule)
{
	union control_message answer = {
		.denied = {.header = {.type = CONTROL_DENIED}, .error = error}};

	snprintf(answer.denied.text, CONTROL_TEXT_MAX, "%s", text);
	snprintf(answer.denied.rule, CONTROL_RULE_MAX, "%s", rule);
	return resume(scene, &answer, -1);
}
