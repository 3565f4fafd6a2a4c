/* SPDX-License-Identifier: MIT */
/* Explicit batches: how much fits, what their results say, in each mode. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "fake.h"

static const struct iommub_map some_map = {
	.size = sizeof(some_map), .ioas = 7, .memory = 1, .bytes = 4096, .flags = IOMMUB_MAP_READ};

/* Answers a batch of five: the third failed. As each mode would. */
struct mode_scene {
	uint32_t mode;
	uint32_t mode_seen;
	size_t ops_seen;
};

static void mode_script(int fd, void *arg)
{
	struct mode_scene *scene = arg;
	Iommubroker__V1__ServerMessage message = IOMMUBROKER__V1__SERVER_MESSAGE__INIT;
	Iommubroker__V1__Response response = IOMMUBROKER__V1__RESPONSE__INIT;
	Iommubroker__V1__BatchResult batch = IOMMUBROKER__V1__BATCH_RESULT__INIT;
	Iommubroker__V1__OperationResult results[5], *pointers[5];
	Iommubroker__V1__Result result = IOMMUBROKER__V1__RESULT__INIT;
	Iommubroker__V1__IoasMapResult map = IOMMUBROKER__V1__IOAS_MAP_RESULT__INIT;
	Iommubroker__V1__Status status = IOMMUBROKER__V1__STATUS__INIT;
	Iommubroker__V1__ClientMessage *ask;

	if (!fake_welcome(fd) || !(ask = fake_receive(fd, NULL, NULL)))
		return;
	scene->mode_seen = (uint32_t)ask->request->batch->mode;
	scene->ops_seen = ask->request->batch->n_operations;
	map.has_iova = 1;
	map.iova = 0xabc000;
	result.op_case = IOMMUBROKER__V1__RESULT__OP_IOAS_MAP;
	result.ioas_map = &map;
	status.error = (char *)"EEXIST";
	status.message = (char *)"something is mapped there";
	for (size_t i = 0; i < 5; i++) {
		iommubroker__v1__operation_result__init(&results[i]);
		if (i == 2)
			results[i].status = &status;
		else
			results[i].result = &result;
		pointers[i] = &results[i];
	}
	/* as PROTOCOL.md says: one entry for each operation that was tried, none if all was undone */
	batch.n_results = scene->mode == IOMMUB_BATCH_CONTINUE ? 5
			  : scene->mode == IOMMUB_BATCH_STOP   ? 3
							       : 0;
	batch.results = pointers;
	batch.has_failed_at = 1;
	batch.failed_at = 2;
	response.has_id = 1;
	response.id = ask->request->id;
	response.kind_case = IOMMUBROKER__V1__RESPONSE__KIND_BATCH;
	response.batch = &batch;
	if (scene->mode == IOMMUB_BATCH_ATOMIC)
		response.status = &status;
	message.body_case = IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE;
	message.response = &response;
	fake_send(fd, &message, NULL, 0);
	fake_free(ask);
	fake_free(fake_receive(fd, NULL, NULL));
}

static void run_mode(uint32_t mode, const int expected[5])
{
	struct mode_scene scene = {.mode = mode};
	struct iommub_batch *batch;
	struct iommub_conn *conn;
	struct fake fake;
	size_t failed_at = 99;
	uint64_t iova = 0;

	assert_int_equal(fake_connect(&fake, mode_script, &scene, 0, &conn), 0);
	assert_int_equal(iommub_batch_new(conn, mode, &batch), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(iommub_batch_add_map(batch, &some_map), 0);
	assert_int_equal(iommub_batch_result(batch, 0, NULL), -ENOENT); /* not yet */
	assert_int_equal(iommub_batch_run(batch, &failed_at), -EEXIST);
	assert_int_equal(failed_at, 2);
	assert_string_equal(iommub_last_error(conn)->message, "something is mapped there");
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(iommub_batch_result(batch, i, &iova), expected[i]);
	assert_int_equal(iommub_batch_result(batch, 5, NULL), -ENOENT);
	assert_int_equal(iova, expected[0] == 0 ? 0xabc000 : 0);
	assert_int_equal(iommub_batch_run(batch, NULL), -EBUSY);
	assert_int_equal(iommub_batch_add_map(batch, &some_map), -EBUSY);
	iommub_batch_free(batch);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(scene.mode_seen, mode);
	assert_int_equal(scene.ops_seen, 5);
}

static void test_modes(void **state)
{
	(void)state;
	run_mode(IOMMUB_BATCH_STOP, (const int[]){0, 0, -EEXIST, -ECANCELED, -ECANCELED});
	run_mode(IOMMUB_BATCH_CONTINUE, (const int[]){0, 0, -EEXIST, 0, 0});
	run_mode(IOMMUB_BATCH_ATOMIC,
		(const int[]){-ECANCELED, -ECANCELED, -EEXIST, -ECANCELED, -ECANCELED});
}

static void test_kinds(void **state)
{
	struct iommub_copy copy = {.size = sizeof(copy),
		.dst_ioas = 8,
		.src_ioas = 7,
		.bytes = 4096,
		.flags = IOMMUB_MAP_READ};
	struct iommub_map fixed = some_map;
	struct iommub_batch *batch;
	struct iommub_conn *conn;
	struct fake fake;
	uint64_t value = 1;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	assert_int_equal(iommub_batch_new(conn, 0, &batch), -EINVAL);
	assert_int_equal(iommub_batch_new(conn, 4, &batch), -EINVAL);
	assert_int_equal(iommub_batch_new(conn, IOMMUB_BATCH_STOP, &batch), 0);
	assert_int_equal(iommub_batch_run(batch, NULL), 0); /* empty */
	fixed.flags |= IOMMUB_MAP_FIXED;
	fixed.iova = 0x50000;
	assert_int_equal(iommub_batch_add_map(batch, &fixed), 0);
	assert_int_equal(iommub_batch_add_copy(batch, &copy), 0);
	assert_int_equal(iommub_batch_add_unmap(batch, 7, 0x50000, 8192), 0);
	assert_int_equal(iommub_batch_add_destroy(batch, 7), 0);
	assert_int_equal(iommub_batch_run(batch, NULL), 0);
	assert_int_equal(iommub_batch_result(batch, 0, &value), 0);
	assert_int_equal(value, 0x50000);
	assert_int_equal(iommub_batch_result(batch, 1, &value), 0);
	assert_int_equal(value, 0x1000);
	assert_int_equal(iommub_batch_result(batch, 2, &value), 0);
	assert_int_equal(value, 8192);
	assert_int_equal(iommub_batch_result(batch, 3, &value), 0);
	assert_int_equal(value, 0);
	iommub_batch_clear(batch);
	assert_int_equal(iommub_batch_result(batch, 0, NULL), -ENOENT);
	assert_int_equal(iommub_batch_add_map(batch, &some_map), 0);
	assert_int_equal(iommub_batch_run(batch, NULL), 0);
	iommub_batch_free(batch);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* The fullest batch that is accepted also leaves, and one operation more is not accepted. */
static void fill(bool largest_numbers, size_t n_at_least, size_t n_at_most)
{
	struct iommub_map map = some_map;
	struct iommub_batch *batch;
	struct iommub_conn *conn;
	struct fake fake;
	size_t n = 0;
	int err;

	if (largest_numbers) {
		map.ioas = map.memory = UINT32_MAX;
		map.offset = map.bytes = map.iova = UINT64_MAX;
		map.flags |= IOMMUB_MAP_FIXED;
	}
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	assert_int_equal(iommub_batch_new(conn, IOMMUB_BATCH_STOP, &batch), 0);
	while ((err = iommub_batch_add_map(batch, &map)) == 0)
		n++;
	assert_int_equal(err, -EMSGSIZE);
	assert_in_range(n, n_at_least, n_at_most);
	assert_int_equal(iommub_batch_run(batch, NULL), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(iommub_batch_result(batch, i, NULL), 0);
	iommub_batch_free(batch);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void test_full(void **state)
{
	(void)state;
	fill(false, 1024, 1024);
	fill(true, 900, 1024);
}

static void fds_script(int fd, void *arg)
{
	size_t *seen = arg;
	int fds[64];
	Iommubroker__V1__ClientMessage *message;

	if (!fake_welcome(fd) || !(message = fake_receive(fd, fds, seen)))
		return;
	for (size_t i = 0; i < *seen; i++) {
		if (message->request->batch->operations[i]->ioas_map->fd_index != i)
			*seen = 999;
		(void)close(fds[i]);
	}
	fake_refuse(fd, message->request->id, "EINVAL");
	fake_free(message);
	fake_free(fake_receive(fd, NULL, NULL));
}

static void test_fds(void **state)
{
	struct iommub_batch *batch;
	struct iommub_conn *conn;
	struct fake fake;
	size_t seen = 0, failed_at = 0;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fake_connect(&fake, fds_script, &seen, 0, &conn), 0);
	assert_int_equal(iommub_batch_new(conn, IOMMUB_BATCH_STOP, &batch), 0);
	assert_int_equal(iommub_batch_add_map_fd(batch, -1, &some_map), -EBADF);
	for (int i = 0; i < 64; i++)
		assert_int_equal(iommub_batch_add_map_fd(batch, fd, &some_map), 0);
	assert_int_equal(iommub_batch_add_map_fd(batch, fd, &some_map), -EMSGSIZE);
	assert_int_equal(iommub_batch_run(batch, &failed_at), -EINVAL);
	assert_true(failed_at == SIZE_MAX);
	assert_int_equal(iommub_batch_result(batch, 0, NULL), -ECANCELED);
	iommub_batch_free(batch);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(seen, 64);
	assert_int_equal(close(fd), 0); /* borrowed: still ours */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes),
		cmocka_unit_test(test_kinds), cmocka_unit_test(test_full),
		cmocka_unit_test(test_fds)};

	return cmocka_run_group_tests_name("client-batch", tests, NULL, NULL);
}
