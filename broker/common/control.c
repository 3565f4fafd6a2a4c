/* SPDX-License-Identifier: MIT */
/*
 * One table says for each type who may send it, how large it is, and how its content is checked. A
 * packet is looked at in that order, so that no field is read before its struct is known to be
 * whole.
 */
#include "broker/common/control.h"

#include <errno.h>
#include <string.h>

#include "broker/common/seqpacket.h"

/* The structs cross a trust boundary byte by byte: no padding may carry what lay there before. */
_Static_assert(sizeof(struct control_header) == 16, "no padding");
_Static_assert(sizeof(struct control_device) == CONTROL_NAME_MAX + 16 + 16, "no padding");
_Static_assert(sizeof(struct control_setup) ==
		       16 + 8 + CONTROL_NAME_MAX + 8 + 8 + 16 +
			       CONTROL_WINDOWS_MAX * sizeof(struct control_range) +
			       4 * sizeof(((struct control_setup *)0)->rule_limits),
	"no padding");
_Static_assert(sizeof(struct control_denied) == 16 + 8 + CONTROL_TEXT_MAX + CONTROL_RULE_MAX, "");
_Static_assert(sizeof(struct control_devices) ==
		       16 + 8 + CONTROL_DEVICES_MAX * sizeof(struct control_device),
	"no padding");
_Static_assert(sizeof(struct control_audit) == 16 + 8 + 8 + CONTROL_TEXT_MAX, "no padding");
_Static_assert(
	sizeof(struct control_admin_session) == 8 + CONTROL_NAME_MAX + 24 + 32, "no padding");
_Static_assert(
	sizeof(struct control_admin_device) ==
		sizeof(struct control_device) + CONTROL_NAME_MAX + 24 + 16 + CONTROL_HOLDERS_MAX,
	"no padding");
_Static_assert(
	sizeof(struct control_admin_step) == 16 + 8 + 16 + 8 + CONTROL_NAME_MAX, "no padding");

static bool text_ends(const char *text, size_t bytes)
{
	return memchr(text, '\0', bytes) != NULL;
}

#define TEXT_ENDS(array) text_ends((array), sizeof(array))

static const char *check_setup(const union control_message *message)
{
	const struct control_setup *setup = &message->setup;

	if (!TEXT_ENDS(setup->tenant) || !TEXT_ENDS(setup->rule_operations) ||
		!TEXT_ENDS(setup->rule_windows) || !TEXT_ENDS(setup->rule_memory) ||
		!TEXT_ENDS(setup->rule_limits))
		return "a string does not end";
	if (setup->backend != BACKEND_MODEL && setup->backend != BACKEND_KERNEL)
		return "unknown backend";
	if (setup->windows_count < 1 || setup->windows_count > CONTROL_WINDOWS_MAX)
		return "windows_count out of range";
	for (uint32_t i = 0; i < setup->windows_count; i++) {
		if (setup->windows[i].start > setup->windows[i].last)
			return "a window ends before it starts";
		if (i > 0 && setup->windows[i].start <= setup->windows[i - 1].last)
			return "windows overlap or are not sorted";
	}
	return NULL;
}

static const char *check_ready(const union control_message *message)
{
	return message->ready.reserved ? "reserved is not zero" : NULL;
}

static const char *check_device_open(const union control_message *message)
{
	if (!TEXT_ENDS(message->device_open.name))
		return "the device's name does not end";
	if (message->device_open.name[0] == '\0')
		return "the device's name is empty";
	return NULL;
}

static const char *check_device_release(const union control_message *message)
{
	return message->device_release.reserved ? "reserved is not zero" : NULL;
}

static const char *check_lend(const union control_message *message)
{
	return message->lend.bytes == 0 ? "asks for no bytes" : NULL;
}

static const char *check_device(const struct control_device *device)
{
	if (!TEXT_ENDS(device->name) || !TEXT_ENDS(device->address))
		return "a device's name or address does not end";
	if (device->state < DEVICE_STATE_FREE || device->state > DEVICE_STATE_QUARANTINED)
		return "unknown state of a device";
	if (device->mine > 1)
		return "mine is neither 0 nor 1";
	return NULL;
}

static const char *check_granted(const union control_message *message)
{
	return check_device(&message->granted.device);
}

static const char *check_denied(const union control_message *message)
{
	const struct control_denied *denied = &message->denied;

	if (!TEXT_ENDS(denied->text) || !TEXT_ENDS(denied->rule))
		return "a string does not end";
	if (denied->error <= 0 || denied->error > 4095)
		return "no errno";
	return denied->reserved ? "reserved is not zero" : NULL;
}

static const char *check_devices(const union control_message *message)
{
	const struct control_devices *devices = &message->devices;

	if (devices->count > CONTROL_DEVICES_MAX)
		return "count out of range";
	if (devices->reserved)
		return "reserved is not zero";
	for (uint32_t i = 0; i < devices->count; i++) {
		const char *why = check_device(&devices->devices[i]);

		if (why)
			return why;
	}
	return NULL;
}

static const char *check_audit(const union control_message *message)
{
	const struct control_audit *audit = &message->audit;

	if (audit->kind < AUDIT_DENIED || audit->kind > AUDIT_BROKEN)
		return "unknown kind of audit record";
	if (audit->error < 0 || audit->error > 4095)
		return "no errno";
	return TEXT_ENDS(audit->text) ? NULL : "the text does not end";
}

static const char *check_admin_sessions(const union control_message *message)
{
	const struct control_admin_session_page *page = &message->admin_sessions;

	if (page->count > CONTROL_ADMIN_PAGE || page->more > 1)
		return "count out of range";
	for (uint32_t i = 0; i < page->count; i++) {
		if (!TEXT_ENDS(page->sessions[i].tenant))
			return "a tenant's name does not end";
		if (page->sessions[i].state < ADMIN_SESSION_STARTING ||
			page->sessions[i].state > ADMIN_SESSION_FOREIGN)
			return "unknown state of a session";
	}
	return NULL;
}

static const char *check_admin_devices(const union control_message *message)
{
	const struct control_admin_device_page *page = &message->admin_devices;

	if (page->count > CONTROL_ADMIN_PAGE || page->more > 1)
		return "count out of range";
	for (uint32_t i = 0; i < page->count; i++) {
		const struct control_admin_device *device = &page->devices[i];
		const char *why = check_device(&device->device);

		if (why)
			return why;
		if (!TEXT_ENDS(device->tenant) || !TEXT_ENDS(device->reset) ||
			!TEXT_ENDS(device->holders))
			return "a string does not end";
	}
	return NULL;
}

static const char *check_admin_step(const union control_message *message)
{
	const struct control_admin_step *step = &message->admin_step;

	if (step->step < ADMIN_STEP_KILLED || step->step > ADMIN_STEP_DONE)
		return "unknown step";
	if (!TEXT_ENDS(step->device))
		return "the device's name does not end";
	if ((step->step == ADMIN_STEP_DEVICE) != (step->state != 0) ||
		step->state > DEVICE_STATE_QUARANTINED)
		return "unknown state of a device";
	return NULL;
}

struct control_row {
	size_t bytes;
	enum control_direction direction;
	const char *(*check)(const union control_message *message); /* NULL: nothing to check */
};

static const struct control_row control_rows[CONTROL_END] = {
	[CONTROL_SETUP] = {sizeof(struct control_setup), CONTROL_FROM_SUPERVISOR, check_setup},
	[CONTROL_READY] = {sizeof(struct control_ready), CONTROL_FROM_SESSION, check_ready},
	[CONTROL_DEVICE_OPEN] = {sizeof(struct control_device_open), CONTROL_FROM_SESSION,
		check_device_open},
	[CONTROL_DEVICE_RELEASE] = {sizeof(struct control_device_release), CONTROL_FROM_SESSION,
		check_device_release},
	[CONTROL_DEVICE_LIST] = {sizeof(struct control_device_list), CONTROL_FROM_SESSION, NULL},
	[CONTROL_LEND] = {sizeof(struct control_lend), CONTROL_FROM_SESSION, check_lend},
	[CONTROL_GRANTED] = {sizeof(struct control_granted), CONTROL_FROM_SUPERVISOR,
		check_granted},
	[CONTROL_DENIED] = {sizeof(struct control_denied), CONTROL_FROM_SUPERVISOR, check_denied},
	[CONTROL_DEVICES] = {sizeof(struct control_devices), CONTROL_FROM_SUPERVISOR,
		check_devices},
	[CONTROL_LENT] = {sizeof(struct control_lent), CONTROL_FROM_SUPERVISOR, NULL},
	[CONTROL_AUDIT] = {sizeof(struct control_audit), CONTROL_FROM_SESSION, check_audit},
	[CONTROL_ADMIN_SESSIONS] = {sizeof(struct control_admin_ask), CONTROL_FROM_ADMIN, NULL},
	[CONTROL_ADMIN_DEVICES] = {sizeof(struct control_admin_ask), CONTROL_FROM_ADMIN, NULL},
	[CONTROL_ADMIN_REVOKE] = {sizeof(struct control_admin_ask), CONTROL_FROM_ADMIN, NULL},
	[CONTROL_ADMIN_SESSION_PAGE] = {sizeof(struct control_admin_session_page), CONTROL_TO_ADMIN,
		check_admin_sessions},
	[CONTROL_ADMIN_DEVICE_PAGE] = {sizeof(struct control_admin_device_page), CONTROL_TO_ADMIN,
		check_admin_devices},
	[CONTROL_ADMIN_STEP] = {sizeof(struct control_admin_step), CONTROL_TO_ADMIN,
		check_admin_step},
	[CONTROL_ADMIN_DENIED] = {sizeof(struct control_denied), CONTROL_TO_ADMIN, check_denied},
};

size_t control_size(uint32_t type)
{
	return type < CONTROL_END ? control_rows[type].bytes : 0;
}

static const char *control_problem(
	const union control_message *message, size_t bytes, enum control_direction direction)
{
	const struct control_row *row;

	if (bytes < sizeof(message->header))
		return "shorter than a header";
	if (message->header.version != CONTROL_VERSION)
		return "another version of the control protocol";
	if (control_size(message->header.type) == 0)
		return "unknown type";
	row = &control_rows[message->header.type];
	if (row->direction != direction)
		return "a type that this side may not send";
	if (row->bytes != bytes)
		return "wrong size for its type";
	return row->check ? row->check(message) : NULL;
}

int control_check(const union control_message *message, size_t bytes,
	enum control_direction direction, const char **why)
{
	const char *problem = control_problem(message, bytes, direction);

	if (!problem)
		return 0;
	*why = problem;
	return -EPROTO;
}

int control_send(int socket_fd, union control_message *message, enum control_type type,
	uint64_t serial, int fd)
{
	size_t bytes = control_size(type);

	if (bytes == 0)
		return -EINVAL;
	message->header = (struct control_header){
		.version = CONTROL_VERSION, .type = (uint32_t)type, .serial = serial};
	return seqpacket_send(socket_fd, message, bytes, &fd, fd >= 0 ? 1 : 0);
}
