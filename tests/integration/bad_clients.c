/* SPDX-License-Identifier: MIT */
/*
 * Clients that misbehave in time: one that says nothing, one that never reads, one that leaves at
 * every point of a conversation.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"
#include "tests/harness/proc.h"
#include "tests/harness/vfio_user_raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

/* The deadline for Hello is the policy's; here it is short, so that the test is. */
static void client_that_says_nothing(void **state)
{
	static const char policy[] =
		"version: 1\n"
		"host: { session_uids: @session_uids@, locked_memory: 64MiB, hello_deadline_ms: "
		"1000 }\n"
		"sockets:\n"
		"  - { name: alpha, path: alpha.sock, mode: \"0666\" }\n"
		"  - { name: beta, path: beta.sock, mode: \"0666\" }\n"
		"tenants:\n"
		"  - { name: alpha, match: { socket: alpha }, limits: { locked_memory: 4MiB } }\n"
		"  - { name: beta, match: { socket: beta }, limits: { locked_memory: 4MiB } }\n";
	struct scene scene;
	struct wire *victim;

	(void)state;
	scene_open(&scene, policy);
	victim = wire_connect(scene.broker, "alpha.sock");
	wire_expect_end(victim);
	scene_check(&scene, victim);
	/* One that has said Hello may be silent as long as it likes: the witness was, all the time.
	 */
	scene_serves(scene.witness);
	scene_close(&scene);
}

static void client_that_leaves_at_once(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	for (unsigned int i = 0; i < 20; i++)
		wire_close(wire_connect(scene.broker, "alpha.sock"));
	scene_check(&scene, NULL);
	scene_close(&scene);
}

/* A client that only writes: when its answers do not fit any more, nothing more is read of it, so
 * what it can make the broker hold is bounded by two socket buffers. Then it reads, and every
 * answer comes, in order. */
static void client_that_never_reads(void **state)
{
	struct scene scene;
	struct wire *victim;
	uint64_t sent = 0, answered = 0;

	(void)state;
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	victim->next_id = 0;
	for (unsigned int stuck = 0; stuck < 50;) {
		Request request = IOMMUBROKER__V1__REQUEST__INIT;
		struct ask ask;
		int r;

		ask_info(&ask);
		request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
		request.operation = &ask.operation;
		SET(&request, id, sent);
		r = wire_send_request(victim, &request, NULL, 0);
		if (r == 0) {
			sent++;
			stuck = 0;
			assert_in_range(sent, 0, 1000000);
		} else {
			assert_int_equal(r, -EAGAIN);
			/* Others are served while it is stuck; each of these round trips gives it
			 * time to move. */
			scene_serves_beta(&scene);
			stuck++;
		}
	}
	assert_true(sent > 0);
	while (answered < sent) {
		const ServerMessage *message = wire_receive(victim);

		assert_non_null(message);
		if (message->body_case != IOMMUBROKER__V1__SERVER_MESSAGE__BODY_RESPONSE)
			continue;
		assert_int_equal(message->response->id, answered);
		answered++;
	}
	scene_serves(victim);
	scene_check(&scene, victim);
	/* The same, and it leaves without ever reading. */
	victim = scene_victim(&scene);
	for (int r = 0; r == 0;) {
		Request request = IOMMUBROKER__V1__REQUEST__INIT;
		struct ask ask;

		ask_info(&ask);
		request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
		request.operation = &ask.operation;
		r = wire_send_request(victim, &request, NULL, 0);
	}
	scene_check(&scene, victim);
	scene_close(&scene);
}

/* The conversation of client/examples/edu-dma.c, as numbered steps; walk() takes the first n of
 * them. */
enum { STEPS = 12 };

static void walk(struct scene *scene, unsigned int steps, bool wait_for_answers, bool kill_session)
{
	struct wire *wire = wire_connect(scene->broker, "alpha.sock");
	uint32_t ioas = 0, memory = 0, device = 0;
	int memfd = wire_memfd(4 * PAGE, 1), device_fd = -1;
	struct ask ask;

	for (unsigned int step = 0; step < steps; step++) {
		switch (step) {
		case 0:
			assert_non_null(wire_hello(wire));
			break;
		case 1:
			ioas = wire_ioas_alloc(wire);
			break;
		case 2:
			memory = wire_memory_register(wire, memfd, true);
			break;
		case 3:
			wire_map_fixed(wire, ioas, memory, 0, PAGE, 0x10000);
			break;
		case 4:
			wire_map(wire, ioas, memory, PAGE, 2 * PAGE);
			break;
		case 5:
			device = wire_device_open(wire, "edu0", &device_fd);
			break;
		case 6:
			wire_device_attach(wire, device, ioas);
			break;
		case 7:
			raw_device_open(device_fd);
			break;
		case 8:
			raw_edu_start(device_fd);
			break;
		case 9:
			raw_edu_dma(device_fd, 0x10000, 0, 1024, 0);
			break;
		case 10:
			wire_unmap(wire, ioas, 0x10000, PAGE);
			break;
		case 11:
			SET(ask_device_close(&ask), device, device);
			wire_expect_success(wire_call(wire, &ask, NULL, 0));
			break;
		default:
			fail();
		}
	}
	if (!wait_for_answers && steps > 0) {
		/* Leave with a request on its way whose answer nobody takes; one that carries an
		 * fd. */
		Request request = IOMMUBROKER__V1__REQUEST__INIT;

		ask_memory_register(&ask);
		request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
		request.operation = &ask.operation;
		assert_int_equal(wire_send_request(wire, &request, &memfd, 1), 0);
	}
	if (kill_session)
		assert_int_equal(kill(harness_session_new(scene->sessions, 2), SIGKILL), 0);
	close(memfd);
	if (device_fd >= 0)
		close(device_fd);
	scene_check(scene, wire);
}

static void client_that_leaves_at_every_point(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	for (unsigned int steps = 0; steps <= STEPS; steps++) {
		walk(&scene, steps, true, false);
		walk(&scene, steps, false, false);
	}
	scene_close(&scene);
}

/* A session that dies at every point, which is what a bug of ours would look like. */
static void session_that_dies_at_every_point(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	for (unsigned int steps = 1; steps <= STEPS; steps++)
		walk(&scene, steps, true, true);
	scene_close(&scene);
}

/* A client that is killed (nothing of its own runs any more). */
static void client_that_is_killed(void **state)
{
	struct scene scene;
	int ends[2];
	char byte;
	pid_t child;

	(void)state;
	scene_open(&scene, NULL);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct wire *wire = scene_victim(&scene);
		uint32_t ioas = wire_ioas_alloc(wire);
		uint32_t memory = wire_memory_register(wire, wire_memfd(PAGE, 0), true);
		int device_fd;

		wire_map(wire, ioas, memory, 0, PAGE);
		wire_device_attach(wire, wire_device_open(wire, "edu0", &device_fd), ioas);
		if (write(ends[1], "!", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	scene_check(&scene, NULL);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(client_that_says_nothing, harness_teardown),
		cmocka_unit_test_teardown(client_that_leaves_at_once, harness_teardown),
		cmocka_unit_test_teardown(client_that_never_reads, harness_teardown),
		cmocka_unit_test_teardown(client_that_leaves_at_every_point, harness_teardown),
		cmocka_unit_test_teardown(session_that_dies_at_every_point, harness_teardown),
		cmocka_unit_test_teardown(client_that_is_killed, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
