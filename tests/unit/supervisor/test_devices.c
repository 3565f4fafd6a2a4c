/* SPDX-License-Identifier: MIT */
/* Devices over the control socket: granted to one, refused to others in their words, reset before the next. */
#include "tests/unit/supervisor/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/supervisor/inventory.h"

static struct broker broker;

static int setup(void **state)
{
	(void)state;
	broker_start(&broker, policy_two_tenants, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(broker_stop(&broker), 0);
	broker_remove(&broker);
	return 0;
}

static void ask_open(int client, const char *name, uint64_t serial)
{
	union control_message message;

	memset(&message, 0, sizeof(message));
	snprintf(message.device_open.name, sizeof(message.device_open.name), "%s", name);
	session_asks(client, &message, CONTROL_DEVICE_OPEN, serial);
}

static int open_granted(int client, const char *name, uint32_t *ret_index)
{
	union control_message answer;
	int fd = -1;

	ask_open(client, name, 7);
	assert_int_equal(session_hears(client, &answer, &fd), CONTROL_GRANTED);
	assert_int_equal(answer.header.serial, 7);
	assert_int_equal(answer.granted.device.mine, 1);
	assert_int_equal(answer.granted.device.state, DEVICE_STATE_GRANTED);
	assert_true(fd >= 0);
	*ret_index = answer.granted.device.index;
	return fd;
}

static void open_denied(int client, const char *name, int error, const char *text, const char *rule)
{
	union control_message answer;

	ask_open(client, name, 8);
	assert_int_equal(session_hears(client, &answer, NULL), CONTROL_DENIED);
	assert_int_equal(answer.denied.error, error);
	assert_non_null(strstr(answer.denied.text, text));
	if (rule)
		assert_non_null(strstr(answer.denied.rule, rule));
	else
		assert_string_equal(answer.denied.rule, "");
}

static void list(int client, struct control_devices *ret)
{
	union control_message message;

	memset(&message, 0, sizeof(message));
	session_asks(client, &message, CONTROL_DEVICE_LIST, 9);
	assert_int_equal(session_hears(client, &message, NULL), CONTROL_DEVICES);
	*ret = message.devices;
}

static void a_granted_device_is_a_memfd_of_fixed_size(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock"), fd;
	struct stat st;
	uint32_t index;

	(void)state;
	fd = open_granted(alpha, "edu0", &index);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, MODEL_STATE_BYTES);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	close(alpha);
}

static void refusals_say_what_is_so_and_name_nobody(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int alpha2 = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	uint32_t index;

	(void)state;
	close(open_granted(alpha, "edu0", &index));
	open_denied(alpha, "edu0", EBUSY, "in use by this session", NULL);
	open_denied(alpha2, "edu0", EBUSY, "another session of this tenant", NULL);
	open_denied(beta, "edu0", EBUSY, "in use by another tenant", NULL);
	open_denied(beta, "0000:00:05.0", EBUSY, "in use by another tenant", NULL);
	open_denied(beta, "edu1", EPERM, "edu1 is not in your policy", "tenants.beta");
	open_denied(beta, "nonsense\n", EPERM, "is not in your policy", "tenants.beta");
	close(alpha);
	close(alpha2);
	close(beta);
}

static void the_list_shows_what_the_policy_lends_and_whose_it_is(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	struct control_devices devices;
	uint32_t index;

	(void)state;
	close(open_granted(alpha, "0000:00:05.0", &index));
	list(alpha, &devices);
	assert_int_equal(devices.count, 2);
	assert_string_equal(devices.devices[0].name, "edu0");
	assert_string_equal(devices.devices[0].address, "0000:00:05.0");
	assert_int_equal(devices.devices[0].mine, 1);
	assert_int_equal(devices.devices[1].state, DEVICE_STATE_FREE);
	list(beta, &devices);
	assert_int_equal(devices.count, 1);
	assert_int_equal(devices.devices[0].state, DEVICE_STATE_GRANTED);
	assert_int_equal(devices.devices[0].mine, 0);
	close(alpha);
	close(beta);
}

/* A released device is reset at once; the next open waits for that if need be, and never sees the old memory. */
static void a_release_and_a_kept_mapping_reach_no_successor(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message message;
	uint32_t index;
	char *old, *new;
	int fd;

	(void)state;
	fd = open_granted(alpha, "edu0", &index);
	old = mmap(NULL, MODEL_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(old, MAP_FAILED);
	close(fd);
	memset(old, 0x5a, MODEL_STATE_BYTES);

	memset(&message, 0, sizeof(message));
	message.device_release.device = index;
	session_asks(alpha, &message, CONTROL_DEVICE_RELEASE, 0);
	/* A list is answered after the release was heard. */
	list(alpha, &(struct control_devices){0});

	fd = open_granted(beta, "edu0", &index);
	new = mmap(NULL, MODEL_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(new, MAP_FAILED);
	close(fd);
	for (size_t i = 0; i + 4 <= MODEL_STATE_BYTES; i++)
		assert_false(memcmp(new + i, "ZZZZ", 4) == 0);
	memset(old, 0x11, MODEL_STATE_BYTES);
	for (size_t i = 0; i + 4 <= MODEL_STATE_BYTES; i++)
		assert_false(memcmp(new + i, "\x11\x11\x11\x11", 4) == 0);
	munmap(old, MODEL_STATE_BYTES);
	munmap(new, MODEL_STATE_BYTES);
	close(alpha);
	close(beta);
}

static void a_device_of_a_dead_session_goes_to_the_next_after_its_reset(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message answer;
	uint32_t index;
	int fd = -1, type;

	(void)state;
	close(open_granted(alpha, "edu0", &index));
	close(alpha); /* the fake session ends with its client */
	do {
		/* Until the supervisor has heard of the death the device is in use; from then on an open waits. */
		ask_open(beta, "edu0", 8);
		type = session_hears(beta, &answer, &fd);
	} while (type == CONTROL_DENIED && answer.denied.error == EBUSY);
	assert_int_equal(type, CONTROL_GRANTED);
	close(fd);
	assert_logged(&broker, "device.reset");
	close(beta);
}

static void limits_on_devices_are_the_supervisors_too(void **state)
{
	static const char policy[] = "version: 1\n"
				     "host: { locked_memory: 64MiB }\n"
				     "sockets: [ { name: main, path: alpha.sock } ]\n"
				     "tenants:\n"
				     "  - name: alpha\n"
				     "    match: { socket: main }\n"
				     "    devices: [ { name: edu0 }, { name: edu1 } ]\n"
				     "    limits: { locked_memory: 1MiB, devices: 1 }\n";
	struct broker own;
	uint32_t index;
	int a, b;

	(void)state;
	broker_start(&own, policy, NULL);
	a = session_begin(&own, "alpha.sock");
	b = session_begin(&own, "alpha.sock");
	close(open_granted(a, "edu0", &index));
	open_denied(a, "edu1", EDQUOT, "1 devices already", "tenants.alpha");
	open_denied(b, "edu1", EDQUOT, "this tenant has its 1 devices already", "tenants.alpha");
	close(a);
	close(b);
	assert_int_equal(broker_stop(&own), 0);
	broker_remove(&own);
}

static void a_helper_that_says_nothing_quarantines(void **state)
{
	struct broker own;
	int alpha;

	(void)state;
	broker_start(&own, policy_two_tenants, TEST_BROKEN_DIR);
	alpha = session_begin(&own, "alpha.sock");
	open_denied(alpha, "edu0", EBUSY, "its reset or its scrub program failed", NULL);
	assert_logged(&own, "device.quarantined");
	close(alpha);
	assert_int_equal(broker_stop(&own), 0);
	broker_remove(&own);
}

static void releasing_anothers_device_ends_the_liar_only(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message message;
	struct control_devices devices;
	uint32_t index;

	(void)state;
	close(open_granted(alpha, "edu0", &index));
	memset(&message, 0, sizeof(message));
	message.device_release.device = index;
	message.header = (struct control_header){CONTROL_VERSION, CONTROL_DEVICE_RELEASE, 0};
	/* It may be killed before it can say that it has sent. */
	(void)session_sends(beta, &message, control_size(CONTROL_DEVICE_RELEASE));
	assert_ended(beta);
	list(alpha, &devices);
	assert_int_equal(devices.devices[0].mine, 1);
	close(alpha);
	close(beta);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_granted_device_is_a_memfd_of_fixed_size),
		TEST(refusals_say_what_is_so_and_name_nobody),
		TEST(the_list_shows_what_the_policy_lends_and_whose_it_is),
		TEST(a_release_and_a_kept_mapping_reach_no_successor),
		TEST(a_device_of_a_dead_session_goes_to_the_next_after_its_reset),
		cmocka_unit_test(limits_on_devices_are_the_supervisors_too),
		cmocka_unit_test(a_helper_that_says_nothing_quarantines),
		TEST(releasing_anothers_device_ends_the_liar_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
