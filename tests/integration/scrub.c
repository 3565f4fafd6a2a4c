/* SPDX-License-Identifier: MIT */
/*
 * The policy's program between two tenants, from the policy file to what the next tenant gets: it is run before the first
 * tenant and after each, whatever the policy says of resets; and a device whose program fails is nobody's any more.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN "--all it 0000:00:05.0 edu0\n" /* what the program says of a run */

static const char program_text[] = "#!/bin/sh\n"
				   "here=${0%/*}\n"
				   "echo \"$*\" >>\"$here/said\"\n"
				   "[ ! -e \"$here/fail\" ]\n";

static char directory[] = "/tmp/iommub-scrub.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void file_write(const char *name, const char *text, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_said(const char *expected)
{
	char said[512] = "";
	int fd = open(path_of("said"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && read(fd, said, sizeof(said) - 1) >= 0);
	close(fd);
	assert_string_equal(said, expected);
}

static struct harness_broker *broker_start(const char *reset)
{
	char policy[1536];

	(void)snprintf(policy, sizeof(policy),
		"version: 1\n"
		"host: { locked_memory: 64MiB, session_uids: @session_uids@ }\n"
		"sockets:\n"
		"  - { name: alpha, path: alpha.sock, mode: \"0666\" }\n"
		"  - { name: beta, path: beta.sock, mode: \"0666\" }\n"
		"tenants:\n"
		"  - name: alpha\n"
		"    match: { socket: alpha }\n"
		"    devices: [ { name: edu1 }, { name: edu0, reset: %s, scrub: [%s, --all, it] } "
		"]\n"
		"    limits: { locked_memory: 32MiB }\n"
		"  - name: beta\n"
		"    match: { socket: beta }\n"
		"    devices: [ { name: edu0, reset: unsafe } ]\n"
		"    limits: { locked_memory: 4MiB }\n",
		reset, path_of("program"));
	return harness_broker_start(policy, NULL);
}

struct wanted {
	struct wire *wire;
	Iommubroker__V1__DeviceState state;
};

static bool edu0_is(void *arg)
{
	const struct wanted *wanted = arg;
	const Response *response;
	struct ask ask;

	ask_device_list(&ask);
	response = wire_call(wanted->wire, &ask, NULL, 0);
	wire_expect_success(response);
	for (size_t i = 0; i < response->result->device_list->n_devices; i++)
		if (strcmp(response->result->device_list->devices[i]->name, "edu0") == 0)
			return response->result->device_list->devices[i]->state == wanted->state;
	return false;
}

static void edu0_becomes(struct wire *wire, Iommubroker__V1__DeviceState state)
{
	wait_until(edu0_is, &(struct wanted){wire, state}, "edu0's state");
}

#define FREE IOMMUBROKER__V1__DEVICE_STATE__DEVICE_FREE
#define QUARANTINED IOMMUBROKER__V1__DEVICE_STATE__DEVICE_QUARANTINED

static void use_edu0(struct wire *wire)
{
	int device_fd;

	(void)wire_device_open(wire, "edu0", &device_fd);
	close(device_fd);
	wire_close(wire);
}

static void runs_after_each_tenant(const char *reset)
{
	struct harness_broker *broker = broker_start(reset);
	struct wire *beta = wire_open(broker, "beta.sock"), *last;

	edu0_becomes(beta, FREE);
	assert_said(RUN); /* whose it was is not known at the start */
	use_edu0(wire_open(broker, "alpha.sock"));
	edu0_becomes(beta, FREE);
	assert_said(RUN RUN);
	/* By an entry without a program there is none. */
	use_edu0(beta);
	last = wire_open(broker, "beta.sock");
	edu0_becomes(last, FREE);
	assert_said(RUN RUN);
	assert_true(harness_broker_said(broker, "device.scrubbed"));
	assert_false(harness_broker_said(broker, "device.quarantined"));
	wire_close(last);
	harness_broker_stop(broker);
}

static void it_runs_after_a_reset(void **state)
{
	(void)state;
	runs_after_each_tenant("required");
}

static void it_runs_where_there_is_no_reset(void **state)
{
	(void)state;
	runs_after_each_tenant("unsafe");
}

static void refused(struct wire *wire)
{
	struct ask ask;

	edu0_becomes(wire, QUARANTINED);
	ask_device_open(&ask)->name = (char *)"edu0";
	wire_expect_error(wire_call(wire, &ask, NULL, 0), "EBUSY", "out of service");
}

static void a_device_that_is_not_scrubbed_is_lent_to_nobody(void **state)
{
	struct harness_broker *broker = broker_start("unsafe");
	struct wire *beta = wire_open(broker, "beta.sock"),
		    *alpha = wire_open(broker, "alpha.sock");
	int device_fd;

	(void)state;
	(void)wire_device_open(alpha, "edu0", &device_fd);
	file_write("fail", "", 0600);
	close(device_fd);
	wire_close(alpha);
	refused(beta);
	assert_said(RUN RUN);
	alpha = wire_open(broker, "alpha.sock");
	refused(alpha);
	(void)wire_device_open(alpha, "edu1", &device_fd); /* another device is not concerned */
	close(device_fd);
	assert_true(harness_broker_said(broker, "device.quarantined"));
	assert_true(harness_broker_said(broker, "its scrub program"));
	wire_close(alpha);
	wire_close(beta);
	harness_broker_stop(broker);
}

static void nor_at_the_start(void **state)
{
	struct harness_broker *broker;
	struct wire *beta;

	(void)state;
	file_write("fail", "", 0600);
	broker = broker_start("required");
	beta = wire_open(broker, "beta.sock");
	refused(beta);
	assert_said(RUN);
	wire_close(beta);
	harness_broker_stop(broker);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/iommub-scrub.XXXXXX");
	assert_non_null(mkdtemp(directory));
	file_write("program", program_text, 0755);
	return 0;
}

static int teardown(void **state)
{
	(void)unlink(path_of("program"));
	(void)unlink(path_of("said"));
	(void)unlink(path_of("fail"));
	(void)rmdir(directory);
	return harness_teardown(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_runs_after_a_reset),
		TEST(it_runs_where_there_is_no_reset),
		TEST(a_device_that_is_not_scrubbed_is_lent_to_nobody),
		TEST(nor_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
