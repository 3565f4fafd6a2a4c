/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/device_server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker/supervisor/control_server.h"
#include "broker/supervisor/device_life.h"
#include "broker/supervisor/device_scrub.h"
#include "broker/supervisor/host_guard.h"
#include "broker/supervisor/share_guard.h"
#include "broker/supervisor/supervisor.h"

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

static void granted(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	union control_message answer;

	memset(&answer, 0, sizeof(answer.granted));
	device_describe(device, entry, session->id, &answer.granted.device);
	control_answer(session, &answer, CONTROL_GRANTED, serial, device->fd);
	audit_device(device, session, "device.granted", AUDIT_NOTICE, NULL);
}

/* It could not be opened: no owner has seen it, but what the kernel did meanwhile nobody knows. */
static void not_opened(struct device *device, int error)
{
	struct session_proc *session = device->opening;
	uint64_t serial = session ? session->waiting_serial : 0;

	if (session) {
		session->opening = NULL;
		device->opening = NULL;
		session->devices--;
		audit_refused(session, device->name, strerrordesc_np(-error));
		control_deny(session, serial, error == -ENOENT ? ENODEV : -error, NULL,
			"%s cannot be opened: %s", device->name, strerrordesc_np(-error));
	}
	device_cut(device, device->lease.session, 0);
}

static void on_opened(void *arg, const struct helper_report *report)
{
	struct device *device = arg;
	struct session_proc *session = device->opening;

	device->open_runs = false;
	if (report->error) {
		not_opened(device, report->error);
		return;
	}
	if (!session || session->killed ||
		!device_node_is_current(&device->supervisor->inventory, device)) {
		/* Opened and bound to nothing: the last close of such a file has nothing to do. */
		close(report->fd);
		not_opened(device, -ECANCELED);
		return;
	}
	session->opening = NULL;
	device->opening = NULL;
	device->fd = report->fd;
	granted(device, session, session->waiting_entry, session->waiting_serial);
}

static void grant(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	struct helper_job job = {.kind = HELPER_OPEN,
		.fds = &device->supervisor->dev_fd,
		.fds_count = 1,
		.deadline_ms = DEVICE_OPEN_MS,
		.done = on_opened,
		.arg = device};
	int error;

	device_scrub_take(device, entry);
	device->last_session = 0;
	device->peer_pid = session->peer.pid;
	device->peer_uid = session->peer.uid;
	device_changed(device);
	session->devices++;
	device->counted = session->tenant;
	device->counted->devices++;
	if (!device_is_real(device)) {
		granted(device, session, entry, serial);
		return;
	}
	session->waiting_entry = entry;
	session->waiting_serial = serial;
	session->opening = device;
	device->opening = session;
	device_request_fill(device, &job.request);
	error = helper_task_run(&device->supervisor->helpers, &job, NULL);
	if (error)
		not_opened(device, error);
	else
		device->open_runs = true;
}

static void refuse(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial, enum lease_answer answer)
{
	struct policy_device_facts facts = device_facts(device);
	const char *why = lease_answer_text(answer);
	char rule[CONTROL_RULE_MAX];

	audit_refused(session, device->name, why);
	policy_origin_format(&entry->origin, rule, sizeof(rule));
	/* Waiting helps against everything but a rule. */
	if (answer == LEASE_UNRESETTABLE)
		control_deny(session, serial, EPERM, rule, "%s is %s",
			policy_device_name(entry, &facts), why);
	else
		control_deny(session, serial, EBUSY, NULL, "%s is %s",
			policy_device_name(entry, &facts), why);
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

/* What the host, and who has what, say against it at this moment. */
static bool guards_pass(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	struct supervisor *supervisor = session->supervisor;
	struct policy_device_facts facts = device_facts(device);
	char text[SHARE_TEXT_MAX];
	struct host_guard_error error;

	if (device_is_real(device) &&
		host_guard_device("/", &supervisor->policy->host, &device->pci, &error)) {
		audit_refused(session, device->name, error.text);
		control_deny(session, serial, EPERM, NULL,
			"%s: this host is not in a state to lend it",
			policy_device_name(entry, &facts));
		return false;
	}
	if (share_conflict(&supervisor->inventory, device, session->id, session->tenant, text)) {
		audit_refused(session, device->name, text);
		control_deny(session, serial, EBUSY, NULL, "%s: %s",
			policy_device_name(entry, &facts), text);
		return false;
	}
	return true;
}

static void open_now(struct device *device, struct session_proc *session,
	const struct policy_device *entry, uint64_t serial)
{
	enum lease_answer answer;

	if (!within_limits(session, serial) || !guards_pass(device, session, entry, serial))
		return;
	answer = lease_open(
		&device->lease, session->id, session->tenant, entry->reset, entry->scrub_count > 0);
	if (answer == LEASE_GRANTED)
		grant(device, session, entry, serial);
	else if (answer == LEASE_WAIT)
		wait_begin(device, session, entry, serial);
	else
		refuse(device, session, entry, serial, answer);
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

	if (session->waiting || session->opening) {
		control_deny(session, serial, EBUSY, NULL, "this session waits for another device");
		return;
	}
	devices_look(session->supervisor);
	device = inventory_find(
		&session->supervisor->inventory, session->tenant->policy, name, &entry);
	if (device)
		open_now(device, session, entry, serial);
	else
		open_unknown(session, name, serial);
}

void device_waiting_answer(struct device *device)
{
	struct session_proc *session;

	while ((session = TAILQ_FIRST(&device->waiting)) &&
		device->lease.state != DEVICE_STATE_RESETTING &&
		device->lease.state != DEVICE_STATE_CUT) {
		wait_end(session);
		if (session->killed)
			continue; /* dead, if not yet reaped: it must not take it from who comes next */
		open_now(device, session, session->waiting_entry, session->waiting_serial);
	}
}

/* ---- given up --------------------------------------------------------------------------------------------------- */

/* Its session says so, but a client may hold it, and attach it to what that session has: until it closes it, it is held,
 * and the session's end is the end of that. */
static void on_detached(void *arg, const struct helper_report *report)
{
	struct device *device = arg;

	device->releasing = false;
	device_cut(device, device->lease.session, report->result.elapsed_ms);
}

static void release_real(struct device *device)
{
	struct helper_job job = {.kind = HELPER_SWEEP_DETACH,
		.fds = &device->fd,
		.fds_count = 1,
		.request = {.pasid_bits = device->pasid_bits},
		.deadline_ms = DEVICE_DETACH_MS,
		.done = on_detached,
		.arg = device};
	struct helper_task *task;
	int error = helper_task_run(&device->supervisor->helpers, &job, &task);

	device->releasing = true;
	/* The helper has a duplicate, and closes it last. */
	close(device->fd);
	device->fd = -1;
	if (error)
		on_detached(device, &(struct helper_report){.error = error, .fd = -1});
	else
		helper_task_finish(task);
}

void device_release(struct session_proc *session, uint32_t index)
{
	struct inventory *inventory = &session->supervisor->inventory;
	struct device *device = index < inventory->count ? &inventory->devices[index] : NULL;

	if (!device || device->lease.state != DEVICE_STATE_GRANTED ||
		device->lease.session != session->id || device->releasing || device->opening) {
		session_kill(session, "released a device that it does not have");
		return;
	}
	session->devices--;
	if (device_is_real(device))
		release_real(device);
	else
		device_cut(device, session->id, 0);
}

void devices_session_gone(struct session_proc *session)
{
	if (session->waiting)
		wait_end(session);
	if (session->opening)
		session->opening->opening = NULL;
	session->opening = NULL;
}

void device_list(struct session_proc *session, uint64_t serial)
{
	const struct inventory *inventory = &session->supervisor->inventory;
	union control_message answer;
	struct control_devices *devices = &answer.devices;

	devices_look(session->supervisor);
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
