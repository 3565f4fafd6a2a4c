/* SPDX-License-Identifier: MIT */
/*
 * A supervisor that is killed interrupts nothing: its sessions go on mapping, say plainly what they
 * cannot do now, and the next supervisor serves new connections.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/scene.h"
#include "tests/harness/vfio_user_raw.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

static void sessions_outlive_the_supervisor(void **state)
{
	struct scene scene;
	struct ask ask;
	uint32_t ioas, memory, device;
	int memfd = wire_memfd(4 * PAGE, 0x5a), device_fd;

	(void)state;
	scene_open(&scene, NULL);
	ioas = wire_ioas_alloc(scene.witness);
	memory = wire_memory_register(scene.witness, memfd, true);
	wire_map_fixed(scene.witness, ioas, memory, 0, PAGE, 0x10000);
	device = wire_device_open(scene.witness, "edu0", &device_fd);
	wire_device_attach(scene.witness, device, ioas);
	raw_device_open(device_fd);
	raw_edu_start(device_fd);

	harness_broker_kill(scene.broker);

	/* What was mapped is mapped, DMA runs, new mappings come and go. */
	raw_edu_dma(device_fd, 0x10000, 0, 1024, 0);
	for (unsigned int i = 0; i < 10; i++)
		wire_unmap(scene.witness, ioas, wire_map(scene.witness, ioas, memory, PAGE, PAGE),
			PAGE);
	scene_serves_beta(&scene);
	/* What needs the supervisor says so. */
	ask_device_open(&ask)->name = (char *)"edu1";
	wire_expect_error(wire_call(scene.witness, &ask, NULL, 0), "EAGAIN", "broker restarting");
	ask_device_list(&ask);
	wire_expect_error(wire_call(scene.witness, &ask, NULL, 0), "EAGAIN", "broker restarting");
	scene_serves(scene.witness);
	assert_true(proc_alive(scene.sessions[0]));

	/* The next one listens on the same paths; the old sessions still run beside it. */
	harness_broker_restart(scene.broker);
	wire_close(scene_victim(&scene));
	wire_unmap(scene.witness, ioas, wire_map(scene.witness, ioas, memory, PAGE, PAGE), PAGE);
	raw_edu_dma(device_fd, 0x10000, 0, 1024, 0);
	scene_serves_beta(&scene);
	close(device_fd);
	close(memfd);
	scene_close(&scene);
}

static void stop_ends_with_status_zero(void **state)
{
	struct harness_broker *broker;

	(void)state;
	broker = harness_broker_start(harness_policy_sockets, NULL);
	harness_broker_stop(broker);
	broker = harness_broker_start(harness_policy_sockets, NULL);
	wire_close(wire_open(broker, "alpha.sock"));
	harness_broker_stop(broker);
	/* Also by the hang-up of the terminal that it was started from, with a session that goes on. */
	broker = harness_broker_start(harness_policy_sockets, NULL);
	struct wire *wire = wire_open(broker, "alpha.sock");
	harness_broker_stop_by(broker, SIGHUP);
	wire_close(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(stop_ends_with_status_zero, harness_teardown),
		cmocka_unit_test_teardown(sessions_outlive_the_supervisor, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
