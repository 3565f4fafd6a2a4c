/* SPDX-License-Identifier: MIT */
/*
 * The administrator's program against a broker on the model: what it lists, what a revocation does and says, its exit codes; and
 * what a stranger to the protocol reaches on admin.sock.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char output[65536];

/* Its exit status, and what it said in `output`. */
static int ctl(const struct harness_broker *broker, const char *arguments)
{
	char program[256], command[1024];
	struct sockaddr_un address;
	FILE *pipe;
	size_t n;
	int status;

	harness_program("iommu-brokerctl", program, sizeof(program));
	harness_broker_address(broker, "admin.sock", &address);
	(void)snprintf(command, sizeof(command), "IOMMU_BROKER_ADMIN_SOCKET=%s %s %s 2>&1",
		address.sun_path, program, arguments);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("no \"%s\" in: %s", text, output);
}

static void a_revocation_tells_each_step_and_frees_all(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);
	struct wire *alpha = wire_open(broker, "alpha.sock");
	struct wire *beta = wire_open(broker, "beta.sock");
	int device_fd, memfd = wire_memfd(8192, 1);
	uint32_t ioas;

	(void)state;
	ioas = wire_ioas_alloc(alpha);
	(void)wire_map(alpha, ioas, wire_memory_register(alpha, memfd, true), 0, 8192);
	(void)wire_device_open(alpha, "edu0", &device_fd);
	assert_int_equal(ctl(broker, "ls --json"), 0);
	says("\"id\": 1, \"tenant\": \"alpha\", \"state\": \"running\"");
	says("\"devices\": 1, \"locked_bytes\": 8192, \"ioas\": 1, \"mappings\": 1");
	says("\"name\": \"edu0\", \"address\": \"0000:00:05.0\"");
	says("\"state\": \"granted\"");
	assert_int_equal(ctl(broker, "ls"), 0);
	says("SESSION");
	says("DEVICE");

	assert_int_equal(ctl(broker, "revoke --json 1"), 0);
	says("{\"step\": \"killed\", \"session\": 1");
	says("{\"step\": \"ended\", \"session\": 1");
	says("{\"step\": \"empty\", \"session\": 1");
	says("\"device\": \"edu0\", \"state\": \"cut\"");
	says("\"device\": \"edu0\", \"state\": \"free\"");
	says("\"devices_held\": 0}");
	wire_expect_end(alpha);
	close(device_fd);

	/* It is the next one's, and nobody else noticed. */
	(void)wire_device_open(beta, "edu0", &device_fd);
	close(device_fd);
	assert_int_equal(ctl(broker, "ls --json"), 0);
	assert_null(strstr(output, "\"id\": 1,"));
	says("\"id\": 2, \"tenant\": \"beta\"");
	wire_close(alpha);
	wire_close(beta);
	close(memfd);
	harness_broker_stop(broker);
}

static void exit_codes_are_what_scripts_rely_on(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);

	(void)state;
	assert_int_equal(ctl(broker, "ls"), 0);
	says("no sessions");
	assert_int_equal(ctl(broker, "revoke 4711"), 1);
	says("there is no session 4711");
	assert_int_equal(ctl(broker, "revoke 18446744073709551615"), 1);
	assert_int_equal(ctl(broker, "revoke 18446744073709551616"), 2);
	assert_int_equal(ctl(broker, "revoke -1"), 2);
	assert_int_equal(ctl(broker, "revoke"), 2);
	assert_int_equal(ctl(broker, "ls more"), 2);
	assert_int_equal(ctl(broker, "ls --socket /nonexistent"), 3);
	harness_broker_stop(broker);
}

/* Only a supervisor that is dead has left its sessions to whoever comes next. */
static void sessions_of_another_living_broker_are_its_own(void **state)
{
	struct harness_broker *first = harness_broker_start(harness_policy_sockets, NULL);
	struct wire *alpha = wire_open(first, "alpha.sock");
	struct harness_broker *second = harness_broker_start(harness_policy_sockets, NULL);

	(void)state;
	assert_int_equal(ctl(second, "ls"), 0);
	says("no sessions");
	harness_broker_stop(second);
	harness_broker_kill(first);
	second = harness_broker_start(harness_policy_sockets, NULL);
	assert_int_equal(ctl(second, "ls"), 0);
	says("foreign");
	wire_close(alpha);
	harness_broker_stop(second);
}

static void bytes_that_are_no_request_end_that_connection_only(void **state)
{
	struct harness_broker *broker = harness_broker_start(harness_policy_sockets, NULL);
	static const char *const packets[] = {"", "\xff\xff\xff\xff", "\x08\x01", "GET / HTTP/1.0"};
	char answer[256];

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct wire *admin = wire_connect(broker, "admin.sock");

		(void)wire_send(admin, packets[i], strlen(packets[i]), NULL, 0);
		(void)shutdown(admin->fd, SHUT_WR);
		/* An Error at most, and the end. */
		while (recv(admin->fd, answer, sizeof(answer), 0) > 0)
			;
		wire_close(admin);
		assert_int_equal(ctl(broker, "ls"), 0);
	}
	harness_broker_stop(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			a_revocation_tells_each_step_and_frees_all, harness_teardown),
		cmocka_unit_test_teardown(exit_codes_are_what_scripts_rely_on, harness_teardown),
		cmocka_unit_test_teardown(
			sessions_of_another_living_broker_are_its_own, harness_teardown),
		cmocka_unit_test_teardown(
			bytes_that_are_no_request_end_that_connection_only, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
