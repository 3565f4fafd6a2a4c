/* SPDX-License-Identifier: MIT */
/* Memory that is made, registered, mapped by address; what of it is left after each failure. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fake.h"

static void test_create(void **state)
{
	struct iommub_memory_opts opts = {.size = sizeof(opts), .bytes = 8192, .tag = "test"};
	struct iommub_conn *conn;
	struct fake fake;
	size_t fds;
	iommub_id memory = 0;
	uint64_t iova = 0;
	void *addr = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	fds = count_fds();
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, &fd, &addr), 0);
	assert_true(memory == 0x80000001u);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), -1);
	memset(addr, 0x5a, 8192);
	/* by address: the whole, its last byte, and one byte beyond */
	assert_int_equal(iommub_map_va(conn, 7, addr, 8192, IOMMUB_MAP_READ, &iova), 0);
	assert_int_equal(iommub_map_va(conn, 7, (char *)addr + 8191, 1, IOMMUB_MAP_READ, &iova), 0);
	assert_int_equal(iommub_map_va(conn, 7, addr, 8193, IOMMUB_MAP_READ, &iova), -EFAULT);
	assert_int_equal(
		iommub_map_va(conn, 7, (char *)addr + 8192, 1, IOMMUB_MAP_READ, &iova), -EFAULT);
	assert_int_equal(iommub_map_va(conn, 7, addr, 0, IOMMUB_MAP_READ, &iova), -EINVAL);
	assert_int_equal(iommub_memory_unregister(conn, memory), 0);
	assert_int_equal(iommub_map_va(conn, 7, addr, 8192, IOMMUB_MAP_READ, &iova), -EFAULT);
	assert_int_equal(munmap(addr, 8192), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(count_fds(), fds);
	/* neither fd nor address wanted */
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, NULL, NULL), 0);
	assert_int_equal(count_fds(), fds);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void test_create_invalid(void **state)
{
	struct iommub_memory_opts opts = {.size = sizeof(opts)};
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id memory = 0;
	size_t fds;

	(void)state;
	assert_int_equal(fake_connect(&fake, fake_serve, NULL, 0, &conn), 0);
	fds = count_fds();
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, NULL, NULL), -EINVAL);
	opts.bytes = 4095;
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, NULL, NULL), -EINVAL);
	assert_string_equal(iommub_last_error(conn)->field, "bytes");
	opts.bytes = UINT64_C(1) << 63;
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, NULL, NULL), -EFBIG);
	opts.bytes = 4096;
	opts.flags = IOMMUB_MEMORY_HUGE_2M | IOMMUB_MEMORY_HUGE_1G;
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, NULL, NULL), -EINVAL);
	opts.flags = 1u << 4;
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, NULL, NULL), -EINVAL);
	assert_int_equal(iommub_memory_create(conn, NULL, &memory, NULL, NULL), -EINVAL);
	opts.flags = IOMMUB_MEMORY_HUGE_2M; /* says how the memory is made: nothing for register */
	assert_int_equal(iommub_memory_register(conn, 0, &opts, &memory), -EINVAL);
	assert_int_equal(iommub_memory_register(conn, -1, NULL, &memory), -EBADF);
	assert_int_equal(iommub_memory_register(conn, 100000, NULL, &memory), -EBADF);
	assert_int_equal(memory, 0);
	assert_int_equal(count_fds(), fds);
	/* a fd that does not exist harms that call only */
	assert_int_equal(iommub_ioas_alloc(conn, NULL, &memory), 0);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

static void refusing_script(int fd, void *arg)
{
	uint64_t id;

	(void)arg;
	if (fake_welcome(fd))
		while (fake_request(fd, &id, NULL))
			fake_refuse(fd, id, "EDQUOT");
}

static void test_create_refused(void **state)
{
	struct iommub_memory_opts opts = {.size = sizeof(opts), .bytes = 4096};
	struct iommub_conn *conn;
	struct fake fake;
	iommub_id memory = 0;
	size_t fds;
	void *addr = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(fake_connect(&fake, refusing_script, NULL, 0, &conn), 0);
	fds = count_fds();
	assert_int_equal(iommub_memory_create(conn, &opts, &memory, &fd, &addr), -EDQUOT);
	assert_int_equal(iommub_last_error(conn)->err, -EDQUOT);
	assert_int_equal(memory, 0);
	assert_int_equal(fd, -1);
	assert_null(addr);
	assert_int_equal(count_fds(), fds);
	iommub_disconnect(conn);
	fake_stop(&fake);
}

/* What reaches the broker when a caller maps by address. */
struct map_seen {
	Iommubroker__V1__IoasMap map;
	bool writeable;
	size_t n_fds;
};

static void map_script(int fd, void *arg)
{
	struct map_seen *seen = arg;
	Iommubroker__V1__ClientMessage *message;
	int fds[64];

	if (!fake_welcome(fd) || !(message = fake_receive(fd, fds, &seen->n_fds)))
		return;
	if (message->request->operation && message->request->operation->ioas_map)
		seen->map = *message->request->operation->ioas_map;
	for (size_t i = 0; i < seen->n_fds; i++)
		(void)close(fds[i]);
	fake_refuse(fd, message->request->id, "ENOSPC");
	fake_free(message);
	fake_free(fake_receive(fd, NULL, NULL));
}

static void test_va(void **state)
{
	struct map_seen seen = {0};
	struct iommub_conn *conn;
	struct fake fake;
	uint64_t iova = 0x7000;

	(void)state;
	assert_int_equal(fake_connect(&fake, map_script, &seen, 0, &conn), 0);
	assert_int_equal(iommub_memory_set_va(conn, 9, (void *)0x10000, 0x4000, 0x8000), 0);
	assert_int_equal(iommub_memory_set_va(conn, 9, (void *)0x17fff, 0, 1), -EEXIST);
	assert_int_equal(iommub_memory_set_va(conn, 10, (void *)0x18000, 0, 0x1000), 0);
	assert_int_equal(iommub_memory_set_va(conn, 9, NULL, 0, 1), -EINVAL);
	assert_int_equal(iommub_memory_set_va(conn, 0, (void *)0x1000, 0, 1), -EINVAL);
	assert_int_equal(iommub_memory_set_va(conn, 9, (void *)0x1000, 0, 0), -EINVAL);
	assert_int_equal(iommub_memory_unset_va(conn, (void *)0x10001), -ENOENT);
	assert_int_equal(iommub_memory_unset_va(conn, (void *)0x18000), 0);
	assert_int_equal(iommub_map_va(conn, 7, (void *)0x12000, 0x1000,
				 IOMMUB_MAP_WRITE | IOMMUB_MAP_FIXED, &iova),
		-ENOSPC);
	assert_int_equal(iova, 0x7000);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(seen.map.ioas, 7);
	assert_int_equal(seen.map.memory, 9);
	assert_false(seen.map.has_fd_index);
	assert_int_equal(seen.map.offset, 0x6000);
	assert_int_equal(seen.map.length, 0x1000);
	assert_true(seen.map.has_iova);
	assert_int_equal(seen.map.iova, 0x7000);
	assert_true(seen.map.has_readable && !seen.map.readable);
	assert_true(seen.map.has_writeable && seen.map.writeable);
}

static void test_map_fd(void **state)
{
	struct iommub_map map = {.size = sizeof(map),
		.ioas = 7,
		.memory = 3,
		.bytes = 4096,
		.iova = 5,
		.flags = IOMMUB_MAP_READ};
	struct map_seen seen = {0};
	struct iommub_conn *conn;
	struct fake fake;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fake_connect(&fake, map_script, &seen, 0, &conn), 0);
	assert_int_equal(iommub_map_fd(conn, -1, &map), -EBADF);
	assert_int_equal(iommub_map_fd(conn, fd, &map), -ENOSPC);
	assert_int_equal(map.iova, 5);
	iommub_disconnect(conn);
	fake_stop(&fake);
	assert_int_equal(close(fd), 0);
	assert_int_equal(seen.n_fds, 1);
	assert_false(seen.map.has_memory);
	assert_true(seen.map.has_fd_index);
	assert_int_equal(seen.map.fd_index, 0);
	assert_false(seen.map.has_iova); /* not FIXED: the broker chooses */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_create),
		cmocka_unit_test(test_create_invalid), cmocka_unit_test(test_create_refused),
		cmocka_unit_test(test_va), cmocka_unit_test(test_map_fd)};

	return cmocka_run_group_tests_name("client-memory", tests, NULL, NULL);
}
