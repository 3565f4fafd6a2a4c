/* SPDX-License-Identifier: MIT */
/*
 * The control protocol's gate, walked: each type in each direction at each size around its own, and
 * each field that a hostile peer can get wrong.
 */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/control.h"
#include "broker/common/seqpacket.h"

static enum control_direction direction_of(uint32_t type)
{
	if (type >= CONTROL_ADMIN_SESSION_PAGE)
		return CONTROL_TO_ADMIN;
	if (type >= CONTROL_ADMIN_SESSIONS)
		return CONTROL_FROM_ADMIN;
	return type == CONTROL_SETUP || (type >= CONTROL_GRANTED && type <= CONTROL_LENT)
		       ? CONTROL_FROM_SUPERVISOR
		       : CONTROL_FROM_SESSION;
}

/* A packet of this type with nothing wrong. */
static void message_fill(union control_message *message, uint32_t type)
{
	memset(message, 0, sizeof(*message));
	message->header.version = CONTROL_VERSION;
	message->header.type = type;
	switch (type) {
	case CONTROL_SETUP:
		message->setup.backend = BACKEND_MODEL;
		message->setup.windows_count = 1;
		message->setup.windows[0].last = UINT64_MAX;
		break;
	case CONTROL_DEVICE_OPEN:
		strcpy(message->device_open.name, "edu0");
		break;
	case CONTROL_LEND:
		message->lend.bytes = 1;
		break;
	case CONTROL_GRANTED:
		message->granted.device.state = DEVICE_STATE_GRANTED;
		break;
	case CONTROL_ADMIN_STEP:
		message->admin_step.step = ADMIN_STEP_DONE;
		break;
	case CONTROL_DENIED:
	case CONTROL_ADMIN_DENIED:
		message->denied.error = EPERM;
		break;
	case CONTROL_AUDIT:
		message->audit.kind = AUDIT_END;
		break;
	default:
		break;
	}
}

static void each_type_passes_in_its_direction_and_size_only(void **state)
{
	union control_message message;
	const char *why;

	(void)state;
	for (uint32_t type = 1; type < CONTROL_END; type++) {
		enum control_direction right = direction_of(type);
		size_t bytes = control_size(type);

		assert_in_range(bytes, sizeof(struct control_header), sizeof(message));
		message_fill(&message, type);
		assert_int_equal(control_check(&message, bytes, right, &why), 0);
		for (int wrong = CONTROL_FROM_SUPERVISOR; wrong <= CONTROL_FROM_ADMIN; wrong++) {
			if (wrong == (int)right)
				continue;
			assert_int_equal(
				control_check(&message, bytes, (enum control_direction)wrong, &why),
				-EPROTO);
			assert_string_equal(why, "a type that this side may not send");
		}
		assert_int_equal(control_check(&message, bytes - 1, right, &why), -EPROTO);
		assert_int_equal(control_check(&message, bytes + 1, right, &why), -EPROTO);
		message.header.version++;
		assert_int_equal(control_check(&message, bytes, right, &why), -EPROTO);
		assert_string_equal(why, "another version of the control protocol");
	}
}

static void unknown_types_and_half_headers_are_broken(void **state)
{
	const uint32_t unknown[] = {0, CONTROL_END, CONTROL_END + 1, UINT32_MAX};
	union control_message message;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		message_fill(&message, unknown[i]);
		assert_int_equal(control_size(unknown[i]), 0);
		assert_int_equal(
			control_check(&message, sizeof(message.header), CONTROL_FROM_SESSION, &why),
			-EPROTO);
		assert_string_equal(why, "unknown type");
	}
	message_fill(&message, CONTROL_READY);
	assert_int_equal(control_check(&message, 15, CONTROL_FROM_SESSION, &why), -EPROTO);
	assert_string_equal(why, "shorter than a header");
	assert_int_equal(control_check(&message, 0, CONTROL_FROM_SESSION, &why), -EPROTO);
}

/* One broken field each: where, how many bytes, with which byte, and what the peer is told. */
struct broken {
	uint32_t type;
	size_t offset, bytes;
	uint8_t byte;
	const char *why;
};

#define FIELD(member)                                                                              \
	offsetof(union control_message, member), sizeof(((union control_message *)0)->member)

static const struct broken broken[] = {
	{CONTROL_SETUP, FIELD(setup.tenant), 'x', "a string does not end"},
	{CONTROL_SETUP, FIELD(setup.rule_operations), 'x', "a string does not end"},
	{CONTROL_SETUP, FIELD(setup.rule_windows), 'x', "a string does not end"},
	{CONTROL_SETUP, FIELD(setup.rule_memory), 'x', "a string does not end"},
	{CONTROL_SETUP, FIELD(setup.rule_limits), 'x', "a string does not end"},
	{CONTROL_SETUP, FIELD(setup.backend), 0, "unknown backend"},
	{CONTROL_SETUP, FIELD(setup.backend), 3, "unknown backend"},
	{CONTROL_SETUP, FIELD(setup.windows_count), 0, "windows_count out of range"},
	{CONTROL_SETUP, FIELD(setup.windows_count), 0xff, "windows_count out of range"},
	{CONTROL_SETUP, FIELD(setup.windows[0].last), 0, NULL},
	{CONTROL_DEVICE_OPEN, FIELD(device_open.name), 'x', "the device's name does not end"},
	{CONTROL_DEVICE_OPEN, FIELD(device_open.name), 0, "the device's name is empty"},
	{CONTROL_DEVICE_RELEASE, FIELD(device_release.reserved), 1, "reserved is not zero"},
	{CONTROL_LEND, FIELD(lend.bytes), 0, "asks for no bytes"},
	{CONTROL_GRANTED, FIELD(granted.device.name), 'x',
		"a device's name or address does not end"},
	{CONTROL_GRANTED, FIELD(granted.device.address), 'x',
		"a device's name or address does not end"},
	{CONTROL_GRANTED, FIELD(granted.device.state), 0, "unknown state of a device"},
	{CONTROL_GRANTED, FIELD(granted.device.state), 7, "unknown state of a device"},
	{CONTROL_GRANTED, FIELD(granted.device.mine), 2, "mine is neither 0 nor 1"},
	{CONTROL_DENIED, FIELD(denied.text), 'x', "a string does not end"},
	{CONTROL_DENIED, FIELD(denied.rule), 'x', "a string does not end"},
	{CONTROL_DENIED, FIELD(denied.error), 0, "no errno"},
	{CONTROL_DENIED, FIELD(denied.error), 0xff, "no errno"},
	{CONTROL_DENIED, FIELD(denied.reserved), 1, "reserved is not zero"},
	{CONTROL_DEVICES, FIELD(devices.count), 0xff, "count out of range"},
	{CONTROL_DEVICES, FIELD(devices.reserved), 1, "reserved is not zero"},
	{CONTROL_AUDIT, FIELD(audit.kind), 0, "unknown kind of audit record"},
	{CONTROL_AUDIT, FIELD(audit.kind), 6, "unknown kind of audit record"},
	{CONTROL_AUDIT, FIELD(audit.error), 0xff, "no errno"},
	{CONTROL_AUDIT, FIELD(audit.text), 'x', "the text does not end"},
	{CONTROL_ADMIN_SESSION_PAGE, FIELD(admin_sessions.count), 0xff, "count out of range"},
	{CONTROL_ADMIN_SESSION_PAGE, FIELD(admin_sessions.more), 2, "count out of range"},
	{CONTROL_ADMIN_DEVICE_PAGE, FIELD(admin_devices.count), 0xff, "count out of range"},
	{CONTROL_ADMIN_DEVICE_PAGE, FIELD(admin_devices.more), 2, "count out of range"},
	{CONTROL_ADMIN_STEP, FIELD(admin_step.step), 0, "unknown step"},
	{CONTROL_ADMIN_STEP, FIELD(admin_step.step), 6, "unknown step"},
	{CONTROL_ADMIN_STEP, FIELD(admin_step.state), 1, "unknown state of a device"},
	{CONTROL_ADMIN_STEP, FIELD(admin_step.device), 'x', "the device's name does not end"},
	{CONTROL_ADMIN_DENIED, FIELD(denied.error), 0, "no errno"},
};

static void each_broken_field_is_named(void **state)
{
	union control_message message;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		const struct broken *row = &broken[i];
		enum control_direction direction = direction_of(row->type);
		const char *why = "untouched";

		message_fill(&message, row->type);
		memset((uint8_t *)&message + row->offset, row->byte, row->bytes);
		assert_int_equal(control_check(&message, control_size(row->type), direction, &why),
			row->why ? -EPROTO : 0);
		assert_string_equal(why, row->why ? row->why : "untouched");
	}
}

static void strings_that_just_end_are_fine(void **state)
{
	union control_message message;
	const char *why;

	(void)state;
	message_fill(&message, CONTROL_DEVICE_OPEN);
	memset(message.device_open.name, 'x', CONTROL_NAME_MAX - 1);
	message.device_open.name[CONTROL_NAME_MAX - 1] = '\0';
	assert_int_equal(control_check(&message, control_size(CONTROL_DEVICE_OPEN),
				 CONTROL_FROM_SESSION, &why),
		0);
}

static void windows_are_sorted_and_disjoint(void **state)
{
	const size_t bytes = control_size(CONTROL_SETUP);
	union control_message message;
	const char *why;

	(void)state;
	message_fill(&message, CONTROL_SETUP);
	message.setup.windows_count = CONTROL_WINDOWS_MAX;
	for (uint64_t i = 0; i < CONTROL_WINDOWS_MAX; i++)
		message.setup.windows[i] = (struct control_range){i * 2, i * 2 + 1};
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), 0);
	message.setup.windows[1].start--;
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), -EPROTO);
	assert_string_equal(why, "windows overlap or are not sorted");
	message.setup.windows[1] = (struct control_range){3, 2};
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), -EPROTO);
	assert_string_equal(why, "a window ends before it starts");
	message_fill(&message, CONTROL_SETUP);
	message.setup.windows_count = CONTROL_WINDOWS_MAX + 1;
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), -EPROTO);
}

static void the_last_device_of_a_full_list_is_checked(void **state)
{
	const size_t bytes = control_size(CONTROL_DEVICES);
	union control_message message;
	const char *why;

	(void)state;
	message_fill(&message, CONTROL_DEVICES);
	message.devices.count = CONTROL_DEVICES_MAX;
	for (uint32_t i = 0; i < CONTROL_DEVICES_MAX; i++)
		message.devices.devices[i].state = DEVICE_STATE_FREE;
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), 0);
	message.devices.devices[CONTROL_DEVICES_MAX - 1].state = 0;
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), -EPROTO);
	message.devices.count = CONTROL_DEVICES_MAX - 1;
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), 0);
	message.devices.count = CONTROL_DEVICES_MAX + 1;
	assert_int_equal(control_check(&message, bytes, CONTROL_FROM_SUPERVISOR, &why), -EPROTO);
}

/* What stands in the last place of a full page is looked at. */
static void the_last_of_a_full_admin_page_is_checked(void **state)
{
	union control_message message;
	const char *why;
	size_t bytes = control_size(CONTROL_ADMIN_SESSION_PAGE);

	(void)state;
	message_fill(&message, CONTROL_ADMIN_SESSION_PAGE);
	message.admin_sessions.count = CONTROL_ADMIN_PAGE;
	for (uint32_t i = 0; i < CONTROL_ADMIN_PAGE; i++)
		message.admin_sessions.sessions[i].state = ADMIN_SESSION_RUNNING;
	assert_int_equal(control_check(&message, bytes, CONTROL_TO_ADMIN, &why), 0);
	message.admin_sessions.sessions[CONTROL_ADMIN_PAGE - 1].state = ADMIN_SESSION_FOREIGN + 1;
	assert_int_equal(control_check(&message, bytes, CONTROL_TO_ADMIN, &why), -EPROTO);

	bytes = control_size(CONTROL_ADMIN_DEVICE_PAGE);
	message_fill(&message, CONTROL_ADMIN_DEVICE_PAGE);
	message.admin_devices.count = CONTROL_ADMIN_PAGE;
	for (uint32_t i = 0; i < CONTROL_ADMIN_PAGE; i++)
		message.admin_devices.devices[i].device.state = DEVICE_STATE_HELD;
	assert_int_equal(control_check(&message, bytes, CONTROL_TO_ADMIN, &why), 0);
	memset(message.admin_devices.devices[CONTROL_ADMIN_PAGE - 1].holders, 'x',
		CONTROL_HOLDERS_MAX);
	assert_int_equal(control_check(&message, bytes, CONTROL_TO_ADMIN, &why), -EPROTO);
}

static void a_sent_message_passes_the_check_with_its_fd(void **state)
{
	union control_message message, got;
	const char *why;
	int sockets[2], fd = -1;
	size_t n = 0;
	ssize_t bytes;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	message_fill(&message, CONTROL_GRANTED);
	assert_int_equal(control_send(sockets[0], &message, CONTROL_GRANTED, 42, sockets[0]), 0);
	bytes = seqpacket_recv(sockets[1], &got, sizeof(got), &fd, 1, &n);
	assert_int_equal(bytes, control_size(CONTROL_GRANTED));
	assert_int_equal(n, 1);
	assert_int_equal(control_check(&got, (size_t)bytes, CONTROL_FROM_SUPERVISOR, &why), 0);
	assert_int_equal(got.header.serial, 42);
	close(fd);
	assert_int_equal(control_send(sockets[0], &message, CONTROL_END, 0, -1), -EINVAL);
	close(sockets[0]);
	close(sockets[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_passes_in_its_direction_and_size_only),
		cmocka_unit_test(unknown_types_and_half_headers_are_broken),
		cmocka_unit_test(each_broken_field_is_named),
		cmocka_unit_test(strings_that_just_end_are_fine),
		cmocka_unit_test(windows_are_sorted_and_disjoint),
		cmocka_unit_test(the_last_device_of_a_full_list_is_checked),
		cmocka_unit_test(the_last_of_a_full_admin_page_is_checked),
		cmocka_unit_test(a_sent_message_passes_the_check_with_its_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
