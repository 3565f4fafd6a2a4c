/* SPDX-License-Identifier: MIT */
/*
 * libiommubroker and a real broker understand each other: each call once with its plain answer, each kind of refusal in words, batches in their three
 * modes, gathered operations, events, adopting. And the two examples do what they say.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/broker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <iommubroker/iommubroker.h>

#define PAGE UINT64_C(4096)
#define BOTH ((uint32_t)(IOMMUB_MAP_READ | IOMMUB_MAP_WRITE))
#define GATHERED 130u

static struct iommub_conn *connect_as(const struct harness_broker *broker, const char *socket)
{
	struct iommub_connect_opts opts = {.size = sizeof(opts), .client_name = "library"};
	struct sockaddr_un address;
	struct iommub_conn *conn;

	harness_broker_address(broker, socket, &address);
	opts.path = address.sun_path;
	assert_int_equal(iommub_connect(&opts, &conn), 0);
	return conn;
}

/* An IOAS and `pages` pages of memory, not yet mapped; the address of the memory is its caller's. */
static struct iommub_map prepare(struct iommub_conn *conn, uint64_t pages, void **ret_addr)
{
	struct iommub_memory_opts opts = {
		.size = sizeof(opts), .bytes = pages * PAGE, .tag = "memory"};
	struct iommub_map map = {.size = sizeof(map), .bytes = PAGE, .flags = BOTH};

	assert_int_equal(iommub_memory_create(conn, &opts, &map.memory, NULL, ret_addr), 0);
	assert_int_equal(iommub_ioas_alloc(conn, "ioas", &map.ioas), 0);
	return map;
}

static uint64_t mapped_bytes(struct iommub_conn *conn, iommub_id ioas)
{
	struct iommub_object object;
	size_t n = 1;

	assert_int_equal(iommub_list(conn, ioas - 1, &object, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(object.id, ioas);
	return object.bytes;
}

static void test_calls(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);
	struct iommub_conn *conn = connect_as(broker, "alpha.sock");
	struct iommub_range ranges[4], window = {.start = 0x100000, .last = 0x1fffff};
	struct iommub_copy copy = {.size = sizeof(copy), .bytes = PAGE, .flags = IOMMUB_MAP_READ};
	const struct iommub_info *info;
	struct iommub_map map;
	size_t n = 4;
	uint64_t align = 0, iova = 0, bytes = 0;
	void *addr;

	(void)state;
	assert_int_equal(iommub_get_info(conn, &info), 0);
	assert_string_equal(info->tenant, "alpha");
	assert_string_equal(info->client_name, "library");
	assert_int_equal(info->page_bytes, PAGE);
	assert_true(info->n_limits > 0);
	map = prepare(conn, 4, &addr);
	assert_int_equal(iommub_ioas_ranges(conn, map.ioas, ranges, &n, &align), 0);
	assert_true(n >= 1 && align > 0);
	assert_int_equal(iommub_ioas_allow(conn, map.ioas, &window, 1), 0);
	assert_int_equal(iommub_map_va(conn, map.ioas, addr, PAGE, BOTH, &iova), 0);
	assert_in_range(iova, window.start, window.last);
	map.flags |= IOMMUB_MAP_FIXED;
	map.iova = 0x40000000;
	map.offset = PAGE;
	assert_int_equal(iommub_map(conn, &map), 0);
	assert_int_equal(iommub_map(conn, &map), -EEXIST);
	copy.src_ioas = map.ioas;
	copy.src_iova = map.iova;
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &copy.dst_ioas), 0);
	assert_int_equal(iommub_copy(conn, &copy), 0);
	assert_int_equal(iommub_unmap(conn, copy.dst_ioas, copy.dst_iova, PAGE, &bytes), 0);
	assert_int_equal(bytes, PAGE);
	assert_int_equal(iommub_destroy(conn, copy.dst_ioas), 0);
	assert_int_equal(mapped_bytes(conn, map.ioas), 2 * PAGE);
	assert_int_equal(iommub_memory_unregister(conn, map.memory), -EBUSY);
	assert_int_equal(iommub_unmap(conn, map.ioas, 0, UINT64_MAX, &bytes), 0);
	assert_int_equal(bytes, 2 * PAGE);
	assert_int_equal(iommub_destroy(conn, map.ioas), 0);
	assert_int_equal(iommub_destroy(conn, map.ioas), -ENOENT);
	assert_int_equal(iommub_memory_unregister(conn, map.memory), 0);
	assert_int_equal(munmap(addr, 4 * PAGE), 0);
	iommub_disconnect(conn);
	harness_broker_stop(broker);
}

static void test_refusals(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);
	struct iommub_conn *alpha = connect_as(broker, "alpha.sock"),
			   *beta = connect_as(broker, "beta.sock");
	struct iommub_device_opts device = {.size = sizeof(device), .name = "edu0"};
	const struct iommub_error *error = iommub_last_error(beta);
	struct iommub_device_info devices[4];
	struct iommub_map map = prepare(beta, 2048, NULL);
	iommub_id id, hwpt = 0;
	size_t n = 4;
	int fd, again;

	(void)state;
	assert_int_equal(iommub_device_open(alpha, &device, &id, &fd), 0);
	assert_int_equal(iommub_device_open(beta, &device, &map.memory, &again), -EBUSY);
	device.name = "edu1";
	assert_int_equal(iommub_device_open(beta, &device, &map.memory, &again), -EPERM);
	assert_non_null(error->rule);
	assert_non_null(strstr(error->rule, "tenants.beta"));
	map.bytes = 2048 * PAGE;
	assert_int_equal(iommub_map(beta, &map), -EDQUOT);
	assert_true(error->has_limit);
	assert_int_equal(error->limit.resource, IOMMUB_RESOURCE_LOCKED_BYTES);
	assert_int_equal(error->limit.limit, 4 << 20);
	assert_int_equal(error->asked, 2048 * PAGE);
	map.bytes = 1;
	assert_int_equal(iommub_map(beta, &map), -EINVAL);
	assert_string_equal(error->field, "length");
	map.bytes = PAGE;
	assert_int_equal(iommub_map(beta, &map), 0); /* and lives on */

	assert_int_equal(iommub_device_list(alpha, devices, &n), 0);
	assert_int_equal(n, 2);
	assert_true(devices[0].mine != devices[1].mine);
	assert_int_equal(iommub_device_share(alpha, id, &again), 0);
	assert_int_equal(close(again) | close(fd), 0);
	assert_int_equal(iommub_ioas_alloc(alpha, NULL, &map.ioas), 0);
	assert_int_equal(iommub_device_attach(alpha, id, map.ioas, 0, &hwpt), 0);
	assert_true(hwpt != 0);
	assert_int_equal(iommub_destroy(alpha, map.ioas), -EBUSY);
	assert_int_equal(iommub_device_detach(alpha, id, 0), 0);
	assert_int_equal(iommub_device_close(alpha, id), 0);
	iommub_disconnect(alpha);
	iommub_disconnect(beta);
	harness_broker_stop(broker);
}

/* Five maps of which the third is at the second's place. */
static void fill(struct iommub_batch *batch, struct iommub_map map)
{
	map.flags |= IOMMUB_MAP_FIXED;
	for (uint64_t i = 0; i < 5; i++) {
		map.iova = 0x100000 + (i == 2 ? 1 : i) * PAGE;
		assert_int_equal(iommub_batch_add_map(batch, &map), 0);
	}
}

static void test_batches(void **state)
{
	static const struct {
		uint32_t mode;
		uint64_t pages;
		int last;
	} rows[] = {{IOMMUB_BATCH_STOP, 2, -ECANCELED}, {IOMMUB_BATCH_CONTINUE, 4, 0},
		{IOMMUB_BATCH_ATOMIC, 0, -ECANCELED}};
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);
	struct iommub_conn *conn = connect_as(broker, "alpha.sock");
	struct iommub_map map = prepare(conn, 1, NULL);
	struct iommub_batch *batch;
	size_t failed_at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(iommub_batch_new(conn, rows[i].mode, &batch), 0);
		fill(batch, map);
		assert_int_equal(iommub_batch_run(batch, &failed_at), -EEXIST);
		assert_int_equal(failed_at, 2);
		assert_int_equal(iommub_batch_result(batch, 2, NULL), -EEXIST);
		assert_int_equal(iommub_batch_result(batch, 4, NULL), rows[i].last);
		assert_int_equal(mapped_bytes(conn, map.ioas), rows[i].pages * PAGE);
		iommub_batch_clear(batch);
		if (rows[i].pages > 0)
			assert_int_equal(iommub_unmap(conn, map.ioas, 0, UINT64_MAX, NULL), 0);
		iommub_batch_free(batch);
	}
	/* what cannot be undone is no part of an atomic batch */
	assert_int_equal(iommub_batch_new(conn, IOMMUB_BATCH_ATOMIC, &batch), 0);
	assert_int_equal(iommub_batch_add_map(batch, &map), 0);
	assert_int_equal(iommub_batch_add_destroy(batch, map.ioas), 0);
	assert_int_equal(iommub_batch_run(batch, &failed_at), -EINVAL);
	assert_int_equal(mapped_bytes(conn, map.ioas), 0);
	iommub_batch_free(batch);
	iommub_disconnect(conn);
	harness_broker_stop(broker);
}

struct seen {
	unsigned int done, failed, events;
	uint64_t iova[GATHERED];
};

static void on_done(struct iommub_conn *conn, int err, const struct iommub_error *error,
	uint64_t value, void *arg)
{
	struct seen *seen = arg;

	(void)conn;
	(void)error;
	seen->failed += err != 0;
	if (seen->done < GATHERED)
		seen->iova[seen->done] = value;
	seen->done++;
}

static void on_event(struct iommub_conn *conn, const struct iommub_event *event, void *arg)
{
	struct seen *seen = arg;

	(void)conn;
	if (event->type == IOMMUB_EVENT_QUOTA &&
		event->limit.resource == IOMMUB_RESOURCE_LOCKED_BYTES)
		seen->events++;
}

static void test_gathered(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);
	struct iommub_conn *conn = connect_as(broker, "beta.sock");
	struct iommub_map map = prepare(conn, 1000, NULL);
	struct seen seen = {0};

	(void)state;
	for (unsigned int i = 0; i < GATHERED; i++)
		assert_int_equal(iommub_map_async(conn, &map, on_done, &seen), 0);
	while (iommub_pending(conn) > 0)
		assert_true(iommub_dispatch(conn, -1) > 0);
	assert_int_equal(seen.done, GATHERED);
	assert_int_equal(seen.failed, 0);
	assert_int_equal(mapped_bytes(conn, map.ioas), GATHERED * PAGE);
	for (unsigned int i = 0; i < GATHERED; i++)
		assert_int_equal(
			iommub_unmap_async(conn, map.ioas, seen.iova[i], PAGE, on_done, &seen), 0);
	/* a blocking call comes after all of them */
	assert_int_equal(mapped_bytes(conn, map.ioas), 0);
	assert_int_equal(iommub_dispatch(conn, 0), GATHERED);
	assert_int_equal(seen.failed, 0);

	/* 1000 of 1024 pages: above 90 % of beta's locked memory */
	iommub_set_event_handler(conn, on_event, &seen);
	map.bytes = 1000 * PAGE;
	assert_int_equal(iommub_map(conn, &map), 0);
	while (seen.events == 0)
		assert_true(iommub_dispatch(conn, -1) > 0);
	iommub_disconnect(conn);
	harness_broker_stop(broker);
}

static void run_example(
	const struct harness_broker *broker, const char *name, const char *const *more)
{
	char program[256];
	const char *argv[12] = {program, "--socket"};
	struct sockaddr_un address;
	int status;
	pid_t pid;

	harness_program(name, program, sizeof(program));
	harness_broker_address(broker, "alpha.sock", &address);
	argv[2] = address.sun_path;
	for (size_t i = 0; more[i]; i++)
		argv[3 + i] = more[i];
	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execv(program, (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_examples(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);

	(void)state;
	run_example(broker, "exec-adopt", (const char *const[]){NULL});
	run_example(broker, "edu-dma", (const char *const[]){"--expect-clean", "--fault", NULL});
	assert_true(harness_broker_said(broker, "DMA fault"));
	run_example(broker, "edu-dma",
		(const char *const[]){"--wait", "--expect-clean", "--bytes", "65536", NULL});
	harness_broker_stop(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_calls, harness_teardown),
		cmocka_unit_test_teardown(test_refusals, harness_teardown),
		cmocka_unit_test_teardown(test_batches, harness_teardown),
		cmocka_unit_test_teardown(test_gathered, harness_teardown),
		cmocka_unit_test_teardown(test_examples, harness_teardown)};

	return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}
