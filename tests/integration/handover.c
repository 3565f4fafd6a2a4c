/* SPDX-License-Identifier: MIT */
/*
 * A device goes from one tenant to the next: by CLOSE, by the end of the connection, by the death
 * of the session. Each time it was reset, and the next tenant finds no byte of the previous one in
 * the device's buffer.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/scene.h"
#include "tests/harness/vfio_user_raw.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define BUFFER_BYTES 2048u

enum way { BY_CLOSE, BY_DISCONNECT, BY_DEATH, BY_CLOSE_WITH_FD_KEPT };

/* Attach a memory of one page at 0x10000 and run one DMA over the whole lower half of the device's
 * buffer. */
static void use_device(
	struct wire *wire, uint32_t device, int device_fd, int memfd, uint32_t command)
{
	uint32_t ioas = wire_ioas_alloc(wire), memory = wire_memory_register(wire, memfd, true);

	wire_map_fixed(wire, ioas, memory, 0, PAGE, 0x10000);
	wire_device_attach(wire, device, ioas);
	raw_device_open(device_fd);
	raw_edu_start(device_fd);
	raw_edu_dma(device_fd, 0x10000, 0, BUFFER_BYTES, command);
}

static bool device_is_free(void *arg)
{
	struct ask ask;
	struct wire *wire = arg;
	const Response *response;

	ask_device_list(&ask);
	response = wire_call(wire, &ask, NULL, 0);
	wire_expect_success(response);
	for (size_t i = 0; i < response->result->device_list->n_devices; i++)
		if (strcmp(response->result->device_list->devices[i]->name, "edu0") == 0)
			return response->result->device_list->devices[i]->state ==
			       IOMMUBROKER__V1__DEVICE_STATE__DEVICE_FREE;
	return false;
}

static void device_goes_to_beta(enum way way)
{
	struct scene scene;
	struct wire *alpha;
	struct ask ask;
	uint32_t device;
	int secret = wire_memfd(PAGE, 0xa5), found = wire_memfd(PAGE, 0xff), device_fd;
	unsigned char bytes[BUFFER_BYTES];
	static const unsigned char zeroes[BUFFER_BYTES];

	scene_open(&scene, NULL);
	alpha = scene_victim(&scene);
	device = wire_device_open(alpha, "edu0", &device_fd);
	use_device(alpha, device, device_fd, secret, 0);
	if (way == BY_CLOSE || way == BY_CLOSE_WITH_FD_KEPT) {
		if (way == BY_CLOSE)
			close(device_fd);
		SET(ask_device_close(&ask), device, device);
		wire_expect_success(wire_call(alpha, &ask, NULL, 0));
	} else if (way == BY_DISCONNECT) {
		close(device_fd);
		wire_close(alpha);
		alpha = NULL;
	} else {
		assert_int_equal(kill(harness_session_new(scene.sessions, 2), SIGKILL), 0);
	}
	wait_until(device_is_free, scene.beta, "the device is free for beta");
	if (way == BY_CLOSE_WITH_FD_KEPT || way == BY_DEATH) {
		/* On the model the fd is a socket whose other end is gone: it reaches nothing any
		 * more. */
		char byte = 0;

		assert_true(send(device_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
		close(device_fd);
	}
	device = wire_device_open(scene.beta, "edu0", &device_fd);
	use_device(scene.beta, device, device_fd, found, RAW_EDU_FROM_DEVICE);
	assert_int_equal(pread(found, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_memory_equal(bytes, zeroes, sizeof(bytes));
	/* What lies behind was not written. */
	assert_int_equal(pread(found, bytes, sizeof(bytes), BUFFER_BYTES), sizeof(bytes));
	assert_int_equal(bytes[0], 0xff);
	close(device_fd);
	close(secret);
	close(found);
	wire_close(alpha);
	harness_sessions_await(2);
	scene_close(&scene);
}

static void after_close(void **state)
{
	(void)state;
	device_goes_to_beta(BY_CLOSE);
}

static void after_close_with_its_fd_kept(void **state)
{
	(void)state;
	device_goes_to_beta(BY_CLOSE_WITH_FD_KEPT);
}

static void after_the_end_of_the_connection(void **state)
{
	(void)state;
	device_goes_to_beta(BY_DISCONNECT);
}

static void after_the_death_of_the_session(void **state)
{
	(void)state;
	device_goes_to_beta(BY_DEATH);
}

/* SHARE gives the same device once more, to the same session. */
static void share_gives_a_second_fd(void **state)
{
	struct scene scene;
	struct wire *alpha;
	struct ask ask;
	uint32_t device, identification;
	int device_fd, again;

	(void)state;
	scene_open(&scene, NULL);
	alpha = scene_victim(&scene);
	device = wire_device_open(alpha, "edu0", &device_fd);
	SET(ask_device_share(&ask), device, device);
	wire_expect_success(wire_call(alpha, &ask, NULL, 0));
	assert_int_equal(alpha->n_fds, 1);
	again = alpha->fds[0];
	alpha->fds[0] = -1;
	close(device_fd);
	raw_device_open(again);
	assert_int_equal(raw_region_read(again, RAW_REGION_BAR0, 0, &identification, 4), 0);
	assert_int_equal(identification, 0x010000ed);
	close(again);
	scene_check(&scene, alpha);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(after_close, harness_teardown),
		cmocka_unit_test_teardown(after_close_with_its_fd_kept, harness_teardown),
		cmocka_unit_test_teardown(after_the_end_of_the_connection, harness_teardown),
		cmocka_unit_test_teardown(after_the_death_of_the_session, harness_teardown),
		cmocka_unit_test_teardown(share_gives_a_second_fd, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
