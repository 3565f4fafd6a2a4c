/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/device_server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker/common/memfd.h"
#include "broker/supervisor/control_server.h"
#include "broker/supervisor/supervisor.h"

static void audit_device(const struct device *device, const struct session_proc *session,
	const char *event, enum audit_level level, const char *why)
{
	struct audit_record record;

	if (session) {
		session_audit_begin(session, &record, event);
	} else {
		audit_begin(&record, event);
		if (device->lease.tenant)
			audit_string(&record, "tenant", device->lease.tenant->policy->name);
	}
	audit_string(&record, "device", device->name);
	audit_string(&record, "address", device->address);
	if (why)
		audit_string(&record, "why", why);
	audit_emit(device->supervisor->audit, level, &record);
}

/* A session may ask as often as it likes; the log has a budget for it. */
static void audit_refused(struct session_proc *session, const char *name, const char *why)
{
	struct audit_record record;

	session_audit_begin(session, &record, "device.refused");
	if (!session_audit_may(session, &record))
		return;
	audit_text(&record, "device", name, CONTROL_NAME_MAX);
	audit_string(&record, "why", why);
	audit_emit(session->supervisor->audit, AUDIT_NOTICE, &record);
}

/* ---- grant or refuse -------------------------------------------------------------------------------------------- */

static void grant(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	union control_message answer;

	session->devices++;
	session->tenant->devices++;
	memset(&answer, 0, sizeof(answer.granted));
	device_describe(device, entry, session->id, &answer.granted.device);
	control_answer(session, &answer, CONTROL_GRANTED, serial, device->fd);
	audit_device(device, session, "device.granted", AUDIT_NOTICE, NULL);
}

static void refuse(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial, const char *why)
{
	struct policy_device_facts facts = device_facts(device);

	audit_refused(session, device->name, why);
	control_deny(
		session, serial, EBUSY, NULL, "%s is %s", policy_device_name(entry, &facts), why);
}

static void wait_begin(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	session->waiting = device;
	session->waiting_entry = entry;
	session->waiting_serial = serial;
	TAILQ_INSERT_TAIL(&device->waiting, session, waiting_link);
}

static void wait_end(struct session_proc *session)
{
	TAILQ_REMOVE(&session->waiting->waiting, session, waiting_link);
	session->waiting = NULL;
}

/* The ledger counts devices too, but a session writes its ledger itself. */
static bool within_limits(struct session_proc *session, uint64_t serial)
{
	const struct policy_tenant *policy = session->tenant->policy;
	uint64_t of_session = policy->session.max[POLICY_DEVICES];
	uint64_t of_tenant = policy->tenant.max[POLICY_DEVICES];
	bool fits = session->devices < of_session && session->tenant->devices < of_tenant;
	char rule[CONTROL_RULE_MAX];

	if (fits)
		return true;
	policy_origin_format(&policy->origin_limits, rule, sizeof(rule));
	if (session->devices >= of_session)
		control_deny(session, serial, EDQUOT, rule,
			"this session has its %llu devices already",
			(unsigned long long)of_session);
	else
		control_deny(session, serial, EDQUOT, rule,
			"this tenant has its %llu devices already", (unsigned long long)of_tenant);
	return false;
}

static void open_now(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	enum lease_answer answer;

	if (!within_limits(session, serial))
		return;
	answer = lease_open(&device->lease, session->id, session->tenant, entry->reset);
	if (answer == LEASE_GRANTED)
		grant(device, session, entry, serial);
	else if (answer == LEASE_WAIT)
		wait_begin(device, session, entry, serial);
	else
		refuse(device, session, entry, serial, lease_answer_text(answer));
}

/* A device of that name is not there, or not for this tenant: the answer must not tell which, except for what the
 * tenant's own policy says anyway. */
static void open_unknown(struct session_proc *session, const char *name, uint64_t serial)
{
	const struct policy_tenant *policy = session->tenant->policy;
	char rule[CONTROL_RULE_MAX];

	audit_refused(session, name, "not in its policy, or not on this host");
	for (size_t i = 0; i < policy->devices_count; i++)
		if (strcmp(name, policy->devices[i].name) == 0 ||
			strcmp(name, policy->devices[i].address) == 0) {
			control_deny(session, serial, ENODEV, NULL,
				"%s is in your policy, but there is no such device on this host",
				name);
			return;
		}
	policy_origin_format(&policy->origin_devices, rule, sizeof(rule));
	control_deny(session, serial, EPERM, rule, "%s is not in your policy", name);
}

void device_open(struct session_proc *session, const char *name, uint64_t serial)
{
	const struct policy_device *entry;
	struct device *device;

	if (session->waiting) {
		control_deny(session, serial, EBUSY, NULL,
			"this session waits for another device to be reset");
		return;
	}
	device = inventory_find(
		&session->supervisor->inventory, session->tenant->policy, name, &entry);
	if (device)
		open_now(device, session, entry, serial);
	else
		open_unknown(session, name, serial);
}

/* ---- reset ------------------------------------------------------------------------------------------------------ */

/* The state of the device is decided: whoever waited is answered, in order. */
static void waiting_answer(struct device *device)
{
	struct session_proc *session;

	while ((session = TAILQ_FIRST(&device->waiting)) &&
		device->lease.state != DEVICE_STATE_RESETTING) {
		wait_end(session);
		open_now(device, session, session->waiting_entry, session->waiting_serial);
	}
}

static void reset_done(void *arg, const struct helper_report *report)
{
	struct device *device = arg;
	int error = report->error;

	if (!error) {
		if (device->fd >= 0)
			close(device->fd);
		device->fd = device->fresh_fd;
	} else if (device->fresh_fd >= 0) {
		close(device->fresh_fd);
	}
	device->fresh_fd = -1;
	if (error)
		audit_device(
			device, NULL, "device.quarantined", AUDIT_ERROR, strerrordesc_np(-error));
	else
		audit_device(device, NULL, "device.reset", AUDIT_INFO, NULL);
	(void)lease_reset_done(&device->lease, error == 0);
	waiting_answer(device);
	supervisor_progress(device->supervisor);
}

static void reset_start(struct device *device)
{
	int error;

	device->fresh_fd = memfd_sized(device->name, MODEL_STATE_BYTES);
	error = device->fresh_fd < 0 ? device->fresh_fd : 0;
	if (!error)
		error = helper_task_start(&device->supervisor->helpers, HELPER_DEVICE_RESET,
			&device->fresh_fd, 1, DEVICE_RESET_MS, reset_done, device);
	if (error)
		reset_done(device, &(struct helper_report){.error = error, .fd = -1});
}

void devices_start(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->inventory.count; i++)
		reset_start(&supervisor->inventory.devices[i]);
}

/* ---- taking back ------------------------------------------------------------------------------------------------ */

/* On the model a device is cut when its session is dead or has given it up, and nobody can hold it: what is held is the
 * old memory. */
static void take_back(struct device *device, struct session_proc *session)
{
	if (lease_cut(&device->lease, session->id))
		return;
	session->devices--;
	session->tenant->devices--;
	audit_device(device, session, "device.cut", AUDIT_NOTICE, NULL);
	(void)lease_swept(&device->lease, /* held= */ false);
	if (device->supervisor->stopping)
		return;
	if (device->lease.state == DEVICE_STATE_RESETTING)
		reset_start(device);
	else
		waiting_answer(device);
}

void device_release(struct session_proc *session, uint32_t index)
{
	struct inventory *inventory = &session->supervisor->inventory;
	struct device *device = index < inventory->count ? &inventory->devices[index] : NULL;

	if (!device || device->lease.state != DEVICE_STATE_GRANTED ||
		device->lease.session != session->id) {
		session_kill(session, "released a device that it does not have");
		return;
	}
	take_back(device, session);
}

void devices_session_gone(struct supervisor *supervisor, struct session_proc *session)
{
	if (session->waiting)
		wait_end(session);
	for (size_t i = 0; i < supervisor->inventory.count; i++)
		take_back(&supervisor->inventory.devices[i], session);
}

void device_list(struct session_proc *session, uint64_t serial)
{
	const struct inventory *inventory = &session->supervisor->inventory;
	union control_message answer;
	struct control_devices *devices = &answer.devices;

	memset(&answer, 0, sizeof(*devices));
	for (size_t i = 0; i < inventory->count && devices->count < CONTROL_DEVICES_MAX; i++) {
		const struct device *device = &inventory->devices[i];
		struct policy_device_facts facts = device_facts(device);
		const struct policy_device *entry =
			policy_match_device(session->tenant->policy, &facts);

		if (entry && device->present)
			device_describe(
				device, entry, session->id, &devices->devices[devices->count++]);
	}
	control_answer(session, &answer, CONTROL_DEVICES, serial, -1);
}
