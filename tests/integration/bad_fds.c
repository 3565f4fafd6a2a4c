/* SPDX-License-Identifier: MIT */
/*
 * File descriptors that should not be there, or are not what they should be. Whatever comes is
 * closed: scene_check() counts.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define MEMFD_BYTES 8192u

static void register_expect(struct wire *wire, int fd, bool writeable, const char *error)
{
	struct ask ask;
	MemoryRegister *memory = ask_memory_register(&ask);

	SET(memory, writeable, writeable);
	wire_expect_error(wire_call(wire, &ask, &fd, 1), error, NULL);
}

static void wrong_number_of_fds(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	int fds[2] = {wire_memfd(MEMFD_BYTES, 0), wire_memfd(MEMFD_BYTES, 0)};

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ask_memory_register(&ask);
	wire_expect_error(wire_call(victim, &ask, NULL, 0), "EINVAL", "fd");
	wire_expect_error(wire_call(victim, &ask, fds, 2), "EINVAL", "fd");
	ask_info(&ask);
	wire_expect_error(wire_call(victim, &ask, fds, 1), "EINVAL", "fd");
	scene_serves(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fds[0]);
	close(fds[1]);
}

static void hundreds_of_fds(void **state)
{
	struct scene scene;
	struct wire *victim;
	struct ask ask;
	int fds[253];

	(void)state;
	for (size_t i = 0; i < 253; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	scene_open(&scene, NULL);
	/* 64 are a message with too many for this operation; 65 and more are no message. */
	victim = scene_victim(&scene);
	ask_info(&ask);
	wire_expect_error(wire_call(victim, &ask, fds, 64), "EINVAL", "fd");
	scene_serves(victim);
	scene_check(&scene, victim);
	for (size_t n = 65; n <= 253; n += 188) {
		Request request = IOMMUBROKER__V1__REQUEST__INIT;

		victim = scene_victim(&scene);
		request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
		request.operation = &ask.operation;
		assert_int_equal(wire_send_request(victim, &request, fds, n), 0);
		wire_expect_end(victim);
		scene_check(&scene, victim);
	}
	scene_close(&scene);
	for (size_t i = 0; i < 253; i++)
		close(fds[i]);
}

static void fds_with_hello(void **state)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;
	Hello hello = IOMMUBROKER__V1__HELLO__INIT;
	struct scene scene;
	struct wire *victim;
	int fd = wire_memfd(MEMFD_BYTES, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = wire_connect(scene.broker, "alpha.sock");
	SET(&hello, version_min, 1);
	SET(&hello, version_max, 1);
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	assert_int_equal(wire_send_message(victim, &message, &fd, 1), 0);
	wire_expect_end(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

/* Not memory that DMA may go to, each by an error of its own and never by a hang. */
static void wrong_kind_of_fd(void **state)
{
	char on_disk[] = "./iommub-test-file-XXXXXX", on_tmpfs[] = "/dev/shm/iommub-test-XXXXXX";
	int pipe_fds[2], socket_fds[2], fd;
	struct scene scene;
	struct wire *victim;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket_fds), 0);
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	register_expect(victim, pipe_fds[0], false, "EINVAL");
	register_expect(victim, pipe_fds[1], true, "EINVAL");
	register_expect(victim, socket_fds[0], true, "EINVAL");
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	register_expect(victim, fd, true, "EINVAL");
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	register_expect(victim, fd, false, "EINVAL");
	close(fd);
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	register_expect(victim, fd, false, "EINVAL");
	close(fd);
	fd = mkostemp(on_disk, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(on_disk);
	assert_int_equal(ftruncate(fd, MEMFD_BYTES), 0);
	register_expect(victim, fd, true, "EINVAL");
	close(fd);
	/* tmpfs: a kind of memory, but not where the policy does not say so: a denial */
	fd = mkostemp(on_tmpfs, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(on_tmpfs);
	assert_int_equal(ftruncate(fd, MEMFD_BYTES), 0);
	register_expect(victim, fd, true, "EPERM");
	assert_non_null(victim->message->response->status->rule);
	close(fd);
	/* O_PATH: names a file, gives no right to it */
	fd = open("/dev/shm", O_PATH | O_CLOEXEC);
	register_expect(victim, fd, false, "EINVAL");
	close(fd);
	fd = wire_memfd(0 + MEMFD_BYTES, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	register_expect(victim, fd, true, "EINVAL"); /* nothing in it */
	close(fd);
	scene_serves(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(socket_fds[0]);
	close(socket_fds[1]);
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* The kernel would let a device write into both: nobody but the broker can refuse. */
static void memory_that_is_not_writable(void **state)
{
	static const unsigned int seals[] = {F_SEAL_WRITE, F_SEAL_FUTURE_WRITE};
	struct scene scene;
	struct wire *victim;
	int fd = wire_memfd(MEMFD_BYTES, 0), read_only = reopen(fd, O_RDONLY);
	uint32_t ioas, memory;

	(void)state;
	assert_true(read_only >= 0);
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	register_expect(victim, read_only, true, "EACCES");
	/* For reading it will do; a writable map of it will not. */
	memory = wire_memory_register(victim, read_only, false);
	{
		struct ask ask;
		IoasMap *map = ask_ioas_map(&ask);

		SET(map, ioas, ioas);
		SET(map, memory, memory);
		SET(map, length, 4096);
		wire_expect_error(wire_call(victim, &ask, NULL, 0), "EACCES", "writ");
		SET(map, writeable, false);
		wire_expect_success(wire_call(victim, &ask, NULL, 0));
		/* The same by an fd of the message: no handle is made, so the fd itself is looked
		 * at. */
		map = ask_ioas_map(&ask);
		SET(map, ioas, ioas);
		SET(map, fd_index, 0);
		SET(map, length, 4096);
		wire_expect_error(wire_call(victim, &ask, &read_only, 1), "EACCES", "writ");
		SET(map, fd_index, 1);
		wire_expect_error(wire_call(victim, &ask, &fd, 1), "EINVAL", "fd");
	}
	close(read_only);
	close(fd);
	for (size_t i = 0; i < 2; i++) {
		fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(ftruncate(fd, MEMFD_BYTES), 0);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		register_expect(victim, fd, true, "EACCES");
		close(fd);
	}
	scene_serves(victim);
	scene_check(&scene, victim);
	scene_close(&scene);
}

/* While a handle or a mapping lives, the owner cannot seal it against the writes that it agreed to.
 */
static void memory_sealed_after_registration(void **state)
{
	struct scene scene;
	struct wire *victim;
	uint32_t ioas, memory;
	uint64_t iova;
	int fd = wire_memfd(MEMFD_BYTES, 0);

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, fd, true);
	errno = 0;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	iova = wire_map(victim, ioas, memory, 0, 4096);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	wire_unmap(victim, ioas, iova, 4096);
	{
		struct ask ask;
		MemoryUnregister *unregister = ask_memory_unregister(&ask);

		SET(unregister, memory, memory);
		wire_expect_success(wire_call(victim, &ask, NULL, 0));
	}
	/* It is the owner's again. */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	scene_check(&scene, victim);
	scene_close(&scene);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(wrong_number_of_fds, harness_teardown),
		cmocka_unit_test_teardown(hundreds_of_fds, harness_teardown),
		cmocka_unit_test_teardown(fds_with_hello, harness_teardown),
		cmocka_unit_test_teardown(wrong_kind_of_fd, harness_teardown),
		cmocka_unit_test_teardown(memory_that_is_not_writable, harness_teardown),
		cmocka_unit_test_teardown(memory_sealed_after_registration, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
