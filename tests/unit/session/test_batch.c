/* SPDX-License-Identifier: MIT */
/* Batches: their three modes, their fds, and answers that fit whatever happens. */
#include "tests/unit/session/scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/batch.h"
#include "broker/session/graph.h"
#include "include/iommufd_uapi.h"

#define STOP IOMMUBROKER__V1__BATCH_MODE__BATCH_STOP
#define CONTINUE IOMMUBROKER__V1__BATCH_MODE__BATCH_CONTINUE
#define ATOMIC IOMMUBROKER__V1__BATCH_MODE__BATCH_ATOMIC

/* Maps of one page each, at consecutive IOVAs from `iova` on. */
static void maps_fill(PB(IoasMap) * maps, PB(Operation) * operations, size_t n, uint32_t ioas,
	uint32_t memory, uint64_t iova)
{
	for (size_t i = 0; i < n; i++) {
		maps[i] = (PB(IoasMap))IOMMUBROKER__V1__IOAS_MAP__INIT;
		maps[i].has_ioas = maps[i].has_memory = maps[i].has_length = maps[i].has_iova =
			true;
		maps[i].ioas = ioas;
		maps[i].memory = memory;
		maps[i].length = PAGE;
		maps[i].iova = iova + i * PAGE;
		operations[i] = OP(IOAS_MAP, &maps[i]);
	}
}

struct three {
	uint32_t memory, ioas;
	PB(IoasMap) maps[3];
	PB(Operation) operations[3];
};

/* Three maps of which the second fails. */
static struct three three_new(struct scene *scene)
{
	struct three three;
	int fd = file_memfd(PAGE);

	three.memory = do_register(scene, fd);
	three.ioas = do_ioas(scene);
	maps_fill(three.maps, three.operations, 3, three.ioas, three.memory, 0x10000);
	three.maps[1].memory = MEMORY_ID_FLAG | 12345;
	close(fd);
	/* maps[] moved with the struct: point at the copies. */
	return three;
}

static void three_point(struct three *three)
{
	for (int i = 0; i < 3; i++)
		three->operations[i].ioas_map = &three->maps[i];
}

static void test_stop(void **state)
{
	struct three three = three_new(*state);
	PB(BatchResult) * result;

	three_point(&three);
	result = scene_batch(*state, STOP, three.operations, 3, NULL, 0);
	assert_null(scene_status(*state));
	assert_int_equal(result->n_results, 2);
	assert_int_equal(result->failed_at, 1);
	assert_null(result->results[0]->status);
	assert_int_equal(result->results[0]->result->ioas_map->iova, 0x10000);
	assert_string_equal(result->results[1]->status->error, "ENOENT");
	assert_string_equal(result->results[1]->status->field, "memory");
	assert_int_equal(fake_mappings(), 1);
}

static void test_continue(void **state)
{
	struct three three = three_new(*state);
	PB(BatchResult) * result;

	three_point(&three);
	result = scene_batch(*state, CONTINUE, three.operations, 3, NULL, 0);
	assert_int_equal(result->n_results, 3);
	assert_int_equal(result->failed_at, 1);
	assert_null(result->results[2]->status);
	assert_int_equal(fake_mappings(), 2);
}

static void test_atomic_undoes(void **state)
{
	struct scene *scene = *state;
	struct three three = three_new(scene);
	PB(IoasAlloc) alloc = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
	PB(MemoryRegister) reg = IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
	PB(IoasCopy) copy = IOMMUBROKER__V1__IOAS_COPY__INIT;
	PB(Operation) operations[5];
	PB(BatchResult) * result;
	int fd = file_memfd(PAGE);
	size_t fds = fds_open();
	uint64_t before[RESOURCE_END];

	three_point(&three);
	copy.has_dst_ioas = copy.has_src_ioas = copy.has_length = copy.has_src_iova = true;
	copy.dst_ioas = copy.src_ioas = three.ioas;
	copy.length = PAGE;
	copy.src_iova = 0x10000;
	operations[0] = three.operations[0];
	operations[1] = OP(IOAS_ALLOC, &alloc);
	operations[2] = OP(MEMORY_REGISTER, &reg);
	operations[3] = OP(IOAS_COPY, &copy);
	operations[4] = three.operations[1]; /* fails */
	for (int r = 1; r < RESOURCE_END; r++)
		before[r] = scene_used(scene, (enum resource)r);
	result = scene_batch(scene, ATOMIC, operations, 5, &fd, 1);
	assert_status(scene, "ENOENT", "memory");
	assert_int_equal(result->failed_at, 4);
	assert_int_equal(result->n_results, 0);
	for (int r = 1; r < RESOURCE_END; r++)
		assert_int_equal(scene_used(scene, (enum resource)r), before[r]);
	assert_int_equal(fake_mappings(), 0);
	assert_int_equal(fake_objects(), 1);
	assert_int_equal(graph_count(scene->session.graph), 2);
	assert_int_equal(fds_open(), fds);
	/* Without the failure all of it is there. */
	scene_batch(scene, ATOMIC, operations, 4, &fd, 1);
	assert_done(scene);
	assert_int_equal(fake_mappings(), 2);
	assert_int_equal(graph_count(scene->session.graph), 4);
	close(fd);
}

static void test_atomic_refuses(void **state)
{
	struct scene *scene = *state;
	struct three three = three_new(scene);
	PB(IoasUnmap) unmap = IOMMUBROKER__V1__IOAS_UNMAP__INIT;
	PB(BatchResult) * result;

	three_point(&three);
	three.operations[1] = OP(IOAS_UNMAP, &unmap);
	result = scene_batch(scene, ATOMIC, three.operations, 3, NULL, 0);
	assert_status(scene, "EINVAL", "operations");
	assert_int_equal(result->failed_at, 1);
	assert_int_equal(fake_mappings(), 0);
}

static void test_not_in_a_batch(void **state)
{
	struct scene *scene = *state;
	struct three three = three_new(scene);
	PB(DeviceOpen) open = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
	PB(Info) info = IOMMUBROKER__V1__INFO__INIT;

	three_point(&three);
	open.name = "edu0";
	three.operations[2] = OP(DEVICE_OPEN, &open);
	assert_int_equal(scene_batch(scene, CONTINUE, three.operations, 3, NULL, 0)->failed_at, 2);
	assert_status(scene, "EINVAL", "operations");
	three.operations[2] = OP(INFO, &info);
	assert_int_equal(scene_batch(scene, CONTINUE, three.operations, 3, NULL, 0)->failed_at, 2);
	assert_status(scene, "EINVAL", "operations");
	assert_int_equal(fake_mappings(), 0);
}

static void test_mode(void **state)
{
	struct scene *scene = *state;
	struct three three = three_new(scene);

	three_point(&three);
	scene_batch(scene, 0, three.operations, 1, NULL, 0);
	assert_status(scene, "EINVAL", "mode");
	scene_batch(scene, ATOMIC + 1, three.operations, 1, NULL, 0);
	assert_status(scene, "EINVAL", "mode");
	scene_batch(scene, STOP, three.operations, 0, NULL, 0);
	assert_status(scene, "EINVAL", "operations");
}

static void test_fds(void **state)
{
	struct scene *scene = *state;
	PB(MemoryRegister) bodies[3];
	PB(Operation) operations[3];
	PB(BatchResult) * result;
	int fds[2] = {file_memfd(PAGE), file_memfd(2 * PAGE)};
	size_t before = fds_open();

	for (int i = 0; i < 3; i++) {
		bodies[i] = (PB(MemoryRegister))IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
		bodies[i].has_fd_index = true;
		bodies[i].fd_index = (uint32_t)(i & 1);
		operations[i] = OP(MEMORY_REGISTER, &bodies[i]);
	}
	/* Two name the same file; both get a handle of their own. */
	result = scene_batch(scene, STOP, operations, 3, fds, 2);
	assert_done(scene);
	assert_false(result->has_failed_at);
	assert_int_equal(result->results[1]->result->memory_register->bytes, 2 * PAGE);
	assert_int_equal(result->results[2]->result->memory_register->bytes, PAGE);
	assert_int_equal(fds_open(), before + 3);
	/* One that nobody names. */
	scene_batch(scene, STOP, operations, 1, fds, 2);
	assert_status(scene, "EINVAL", "fds");
	/* One that did not come. */
	result = scene_batch(scene, STOP, operations, 2, fds, 1);
	assert_int_equal(result->failed_at, 1);
	assert_string_equal(result->results[1]->status->field, "fd_index");
	assert_int_equal(fds_open(), before + 4);
	close(fds[0]);
	close(fds[1]);
}

static void test_size(void **state)
{
	struct scene *scene = *state;
	static PB(IoasMap) maps[BATCH_MAX + 1];
	static PB(Operation) operations[BATCH_MAX + 1];
	int fd = file_memfd(PAGE);
	uint32_t memory = do_register(scene, fd), ioas = do_ioas(scene);

	maps_fill(maps, operations, BATCH_MAX + 1, ioas, memory, 0);
	scene_batch(scene, ATOMIC, operations, BATCH_MAX + 1, NULL, 0);
	assert_status(scene, "EINVAL", "operations");
	assert_int_equal(fake_mappings(), 0);
	scene_batch(scene, ATOMIC, operations, BATCH_MAX, NULL, 0);
	assert_done(scene);
	assert_int_equal(fake_mappings(), BATCH_MAX);
	/* All fail, each with the longest that there is to say: a limit, a rule, a sentence. */
	memset(scene->setup.rule_limits, 'r', sizeof(scene->setup.rule_limits) - 1);
	scene->pages.limits->session.max[RESOURCE_LOCKED_BYTES] = 1;
	for (size_t i = 0; i < BATCH_MAX; i++)
		maps[i].iova += 1u << 30;
	assert_int_equal(
		scene_batch(scene, CONTINUE, operations, BATCH_MAX, NULL, 0)->n_results, BATCH_MAX);
	assert_non_null(scene->message->response->batch->results[0]->status->rule);
	assert_string_equal(
		scene->message->response->batch->results[BATCH_MAX - 1]->status->error, "EDQUOT");
	/* The last of them fails and the others do not. */
	try_unmap(scene, ioas, 0, UINT64_MAX);
	assert_done(scene);
	scene->pages.limits->session.max[RESOURCE_LOCKED_BYTES] = (BATCH_MAX - 1) * PAGE;
	assert_int_equal(scene_batch(scene, CONTINUE, operations, BATCH_MAX, NULL, 0)->failed_at,
		BATCH_MAX - 1);
	assert_non_null(scene->message->response->batch->results[BATCH_MAX - 1]->status->rule);
	close(fd);
}

/* BATCH_RESULT_BYTES holds for every batchable operation's result at its largest, and for any errno. */
static void test_result_bytes(void **state)
{
	PB(OperationResult) operation_result = IOMMUBROKER__V1__OPERATION_RESULT__INIT;
	PB(OperationResult) * list[] = {&operation_result};
	PB(BatchResult) batch = IOMMUBROKER__V1__BATCH_RESULT__INIT;
	PB(Result) result = IOMMUBROKER__V1__RESULT__INIT;
	PB(Status) status = IOMMUBROKER__V1__STATUS__INIT;
	char name[64];

	(void)state;
	batch.n_results = 1;
	batch.results = list;
	for (int error = 1; error < 4096; error++) {
		if (!strerrorname_np(error))
			continue;
		snprintf(name, sizeof(name), "%s", strerrorname_np(error));
		status.error = name;
		operation_result.status = &status;
		assert_true(iommubroker__v1__batch_result__get_packed_size(&batch) <=
			    BATCH_RESULT_BYTES);
	}
	operation_result.status = NULL;
	operation_result.result = &result;
	for (unsigned int i = 0; i < PB_DESCRIPTOR(result).n_fields; i++) {
		const ProtobufCFieldDescriptor *row = &PB_DESCRIPTOR(result).fields[i];
		const ProtobufCMessageDescriptor *type = row->descriptor;
		ProtobufCMessage *message = calloc(1, type->sizeof_message);

		type->message_init(message);
		result.op_case = (PB(Result__OpCase))row->id;
		result.info = (void *)message;
		for (unsigned int k = 0; operation_get(row->id)->batchable && k < type->n_fields;
			k++) {
			const ProtobufCFieldDescriptor *field = &type->fields[k];

			assert_true(field->type == PROTOBUF_C_TYPE_UINT32 ||
				    field->type == PROTOBUF_C_TYPE_UINT64);
			memset((char *)message + field->offset, 0xff,
				field->type == PROTOBUF_C_TYPE_UINT32 ? 4 : 8);
			*(protobuf_c_boolean *)((char *)message + field->quantifier_offset) = true;
		}
		if (operation_get(row->id)->batchable)
			assert_true(iommubroker__v1__batch_result__get_packed_size(&batch) <=
				    BATCH_RESULT_BYTES);
		free(message);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
	const struct CMUnitTest tests[] = {
		TEST(test_stop),
		TEST(test_continue),
		TEST(test_atomic_undoes),
		TEST(test_atomic_refuses),
		TEST(test_not_in_a_batch),
		TEST(test_mode),
		TEST(test_fds),
		TEST(test_size),
		cmocka_unit_test(test_result_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
