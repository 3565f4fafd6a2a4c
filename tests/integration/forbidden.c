/* SPDX-License-Identifier: MIT */
/*
 * A session that does what its filter forbids: it dies of SIGSYS, the supervisor says so, and nobody else notices. The
 * broker runs the session program of tests/forbidden, which errs when a client's message bears certain words.
 */
#include "tests/harness/cmocka.h"
#include "tests/forbidden/forbidden_session.h"
#include "tests/harness/proc.h"
#include "tests/harness/scene.h"
#include "tests/harness/vfio_user_raw.h"

#include <unistd.h>

#define PAGE UINT64_C(4096)

struct hearing {
	const struct harness_broker *broker;
	const char *text;
};

static bool is_heard(void *arg)
{
	const struct hearing *hearing = arg;

	return harness_broker_said(hearing->broker, hearing->text);
}

static void say_the_words(struct wire *wire)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	struct ask ask;

	ask_ioas_alloc(&ask)->tag = (char *)FORBIDDEN_WORDS;
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = &ask.operation;
	assert_int_equal(wire_send_request(wire, &request, NULL, 0), 0);
}

/* It dies in the middle of everything: with memory mapped and a device attached, which beta then gets. */
static void kills_that_session_only(void **state)
{
	static const char *const arguments[] = {"--libexec-dir", FORBIDDEN_DIR, NULL};
	struct scene scene;
	struct hearing hearing = {.text = "signal=\"SYS\""};
	struct wire *victim;
	uint32_t ioas, memory;
	int memfd = wire_memfd(PAGE, 0), device_fd;

	(void)state;
	scene_open_with(&scene, NULL, arguments);
	victim = scene_victim(&scene);
	ioas = wire_ioas_alloc(victim);
	memory = wire_memory_register(victim, memfd, true);
	wire_map(victim, ioas, memory, 0, PAGE);
	wire_device_attach(victim, wire_device_open(victim, "edu0", &device_fd), ioas);
	say_the_words(victim);
	wire_expect_end(victim);
	close(device_fd);
	close(memfd);
	hearing.broker = scene.broker;
	wait_until(is_heard, &hearing, "the supervisor reports a session killed by SIGSYS");
	scene_serves(scene.witness);
	scene_check(&scene, victim);
	(void)wire_device_open(scene.beta, "edu0", &device_fd);
	raw_device_open(device_fd);
	close(device_fd);
	scene_close(&scene);
}

/* In debug mode the call is named before it kills. */
static void debug_mode_names_the_call(void **state)
{
	static const char *const arguments[] = {"--libexec-dir", FORBIDDEN_DIR, "--debug", NULL};
	struct scene scene;
	struct hearing hearing = {.text = "socket"};
	struct wire *victim;

	(void)state;
	scene_open_with(&scene, NULL, arguments);
	victim = scene_victim(&scene);
	say_the_words(victim);
	wire_expect_end(victim);
	hearing.broker = scene.broker;
	wait_until(is_heard, &hearing, "the session names the forbidden call");
	scene_check(&scene, victim);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(kills_that_session_only, harness_teardown),
		cmocka_unit_test_teardown(debug_mode_names_the_call, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
