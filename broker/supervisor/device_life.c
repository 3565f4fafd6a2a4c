/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/device_life.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/common/memfd.h"
#include "broker/supervisor/device_scrub.h"
#include "broker/supervisor/device_server.h"
#include "broker/supervisor/group_turn.h"
#include "broker/supervisor/supervisor.h"

#define PROBE_TRIES 5u
#define RESET_TRIES 50u
#define RESET_AGAIN_MS 100u

static void probe_start(struct device *device);
static void reset_start(struct device *device);
static void scrub_start(struct device *device);

void audit_device(const struct device *device, const struct session_proc *session,
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

bool device_is_real(const struct device *device)
{
	return device->pci.node[0] != '\0';
}

void device_request_fill(const struct device *device, struct helper_request *request)
{
	memcpy(request->node, device->pci.node, sizeof(request->node));
	memcpy(request->address, device->address, sizeof(request->address));
	request->major = device->pci.major;
	request->minor = device->pci.minor;
}

void device_changed(struct device *device)
{
	device->since_ms = supervisor_now_ms();
	admin_device_changed(device);
}

/* ---- after the last reference ----------------------------------------------------------------------------------- */

/* Nobody refers to it, and the lease has said what follows. */
static void settle(struct device *device)
{
	if (device->counted)
		device->counted->devices--;
	device->counted = NULL;
	if (device->probe_timer)
		event_free(device->probe_timer);
	device->probe_timer = NULL;
	device->probe_tries = 0;
	device_changed(device);
	if (device->supervisor->stopping)
		return;
	if (device->lease.state != DEVICE_STATE_RESETTING) {
		device_waiting_answer(device);
	} else if (device->lease.reset == POLICY_RESET_REQUIRED) {
		reset_start(device);
	} else {
		device->reset_outcome = RESET_OK;
		scrub_start(device);
	}
	supervisor_progress(device->supervisor);
}

/* ---- probe ------------------------------------------------------------------------------------------------------ */

static void on_probe_timer(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	probe_start(arg);
}

static void probe_later(struct device *device)
{
	const struct timeval wait = timeval_of_ms(device->probe_wait_ms);

	if (!device->probe_timer)
		device->probe_timer = evtimer_new(device->supervisor->base, on_probe_timer, device);
	if (!device->probe_timer || event_add(device->probe_timer, &wait))
		audit_device(device, NULL, "device.lost", AUDIT_ERROR,
			"out of memory: it is not probed any more");
	device->probe_wait_ms = device->probe_wait_ms * 2 < PROBE_MOST_MS
					? device->probe_wait_ms * 2
					: PROBE_MOST_MS;
}

static void still_held(struct device *device, const char *why)
{
	const bool before = device->lease.state == DEVICE_STATE_HELD;

	(void)lease_probed(&device->lease, true);
	if (!before) {
		device_changed(device);
		audit_device(device, NULL, "device.held", AUDIT_WARNING, why);
		device_waiting_answer(device);
		supervisor_progress(device->supervisor);
	}
	probe_later(device);
}

static void probe_done(void *arg, const struct helper_report *report)
{
	struct device *device = arg;
	const bool held = device->lease.state == DEVICE_STATE_HELD;

	group_turn_end(device);
	if (device->supervisor->stopping)
		return;
	if ((!report->error && report->result.holder == HELPER_HOLDER_AGAIN) ||
		(report->error == -EPERM && !held && device->probe_tries++ < PROBE_TRIES)) {
		/* EPERM: its group is another context's at the moment. */
		probe_later(device);
	} else if (!report->error && report->result.holder == HELPER_HOLDER_NONE) {
		device->pasid_bits = report->result.pasid_bits;
		if (held)
			audit_device(device, NULL, "device.unheld", AUDIT_NOTICE, NULL);
		(void)lease_probed(&device->lease, false);
		settle(device);
	} else {
		still_held(device, report->error ? strerrordesc_np(-report->error)
						 : "somebody still refers to it");
	}
}

static void probe_first(struct device *device)
{
	device->probe_wait_ms = PROBE_FIRST_MS;
	device->probe_tries = 0;
	probe_start(device);
}

static void probe_start(struct device *device)
{
	struct helper_job job = {.kind = HELPER_PROBE,
		.fds = &device->supervisor->dev_fd,
		.fds_count = 1,
		.deadline_ms = DEVICE_PROBE_MS,
		.done = probe_done,
		.arg = device};

	if (!group_turn_take(device, probe_start))
		return;
	device_request_fill(device, &job.request);
	if (helper_task_run(&device->supervisor->helpers, &job, NULL)) {
		group_turn_end(device);
		probe_later(device);
	}
}

/* ---- scrub ------------------------------------------------------------------------------------------------------ */

static void clear_end(struct device *device, enum reset_outcome outcome, const char *why)
{
	(void)lease_reset_done(&device->lease, outcome);
	device_changed(device);
	if (device->lease.state == DEVICE_STATE_QUARANTINED)
		audit_device(device, NULL, "device.quarantined", AUDIT_ERROR, why);
	device_waiting_answer(device);
	supervisor_progress(device->supervisor);
}

static void scrub_done(void *arg, const struct helper_report *report)
{
	struct device *device = arg;
	char why[96];

	group_turn_end(device);
	if (report->error) {
		(void)snprintf(why, sizeof(why), "its scrub program: %s",
			report->error == -EIO ? "did not end with 0"
					      : strerrordesc_np(-report->error));
		clear_end(device, RESET_FAILED, why);
		return;
	}
	audit_device(device, NULL, "device.scrubbed", AUDIT_INFO, NULL);
	clear_end(device, device->reset_outcome, NULL);
}

static void scrub_start(struct device *device)
{
	struct helper_report failed = {.fd = -1};

	if (!group_turn_take(device, scrub_start))
		return;
	failed.error = device_scrub_start(device, scrub_done);
	if (failed.error)
		scrub_done(device, &failed);
}

/* ---- reset ------------------------------------------------------------------------------------------------------ */

static void reset_end(struct device *device, enum reset_outcome outcome, const char *why)
{
	const bool cleared = lease_is_cleared(&device->lease, outcome);

	if (cleared)
		audit_device(device, NULL,
			outcome == RESET_OK ? "device.reset" : "device.unresettable", AUDIT_INFO,
			outcome == RESET_OK ? NULL : why);
	if (cleared && device->lease.scrub) {
		device->reset_outcome = outcome;
		scrub_start(device);
	} else {
		clear_end(device, outcome, why);
	}
}

static void on_reset_timer(evutil_socket_t fd, short events, void *arg)
{
	struct device *device = arg;

	(void)fd;
	(void)events;
	event_free(device->probe_timer);
	device->probe_timer = NULL;
	if (!device->supervisor->stopping)
		reset_start(device);
}

/* Somebody has bound another device of its group at the moment: the group is one context's at a time. 0: it is tried
 * again. */
static int reset_later(struct device *device)
{
	const struct timeval wait = timeval_of_ms(RESET_AGAIN_MS);

	if (device->probe_tries >= RESET_TRIES || device->probe_timer)
		return -EPERM;
	device->probe_timer = evtimer_new(device->supervisor->base, on_reset_timer, device);
	if (!device->probe_timer || event_add(device->probe_timer, &wait))
		return -ENOMEM;
	device->probe_tries++;
	return 0;
}

static void reset_done(void *arg, const struct helper_report *report)
{
	const enum reset_outcome outcome = report->error == 0		  ? RESET_OK
					   : report->error == -EOPNOTSUPP ? RESET_IMPOSSIBLE
									  : RESET_FAILED;

	group_turn_end(arg);
	if (report->error == -EPERM && reset_later(arg) == 0)
		return;
	reset_end(arg, outcome,
		outcome == RESET_IMPOSSIBLE ? "it has no reset" : strerrordesc_np(-report->error));
}

static int real_reset_start(struct device *device)
{
	struct helper_job job = {.kind = HELPER_RESET,
		.fds = &device->supervisor->dev_fd,
		.fds_count = 1,
		.deadline_ms = DEVICE_RESET_MS,
		.done = reset_done,
		.arg = device};

	device_request_fill(device, &job.request);
	return helper_task_run(&device->supervisor->helpers, &job, NULL);
}

static void model_reset_done(void *arg, const struct helper_report *report)
{
	struct device *device = arg;

	if (!report->error) {
		if (device->fd >= 0)
			close(device->fd);
		device->fd = device->fresh_fd;
	} else if (device->fresh_fd >= 0) {
		close(device->fresh_fd);
	}
	device->fresh_fd = -1;
	reset_end(device, report->error ? RESET_FAILED : RESET_OK,
		report->error ? strerrordesc_np(-report->error) : NULL);
}

static int model_reset_start(struct device *device)
{
	device->fresh_fd = memfd_sized(device->name, MODEL_STATE_BYTES);
	if (device->fresh_fd < 0)
		return device->fresh_fd;
	return helper_task_start(&device->supervisor->helpers, HELPER_DEVICE_RESET,
		&device->fresh_fd, 1, DEVICE_RESET_MS, model_reset_done, device);
}

static void reset_start(struct device *device)
{
	const bool real = device_is_real(device);
	struct helper_report failed = {.fd = -1};

	if (real && !group_turn_take(device, reset_start))
		return;
	failed.error = real ? real_reset_start(device) : model_reset_start(device);
	if (!failed.error)
		return;
	if (real)
		reset_done(device, &failed);
	else
		model_reset_done(device, &failed);
}

/* ---- the start, and taking back --------------------------------------------------------------------------------- */

void devices_start(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->inventory.count; i++) {
		struct device *device = &supervisor->inventory.devices[i];

		if (device_is_real(device))
			continue;
		device_scrub_unknown(device);
		device_changed(device);
		reset_start(device);
	}
	devices_look(supervisor);
}

void devices_look(struct supervisor *supervisor)
{
	struct inventory *inventory = &supervisor->inventory;
	const uint64_t start_ms = supervisor_now_ms();
	uint64_t end_ms;
	int error;

	if (start_ms < inventory->look_after_ms)
		return;
	error = inventory_refresh(inventory);
	end_ms = supervisor_now_ms();
	inventory->look_after_ms = end_ms + (end_ms - start_ms) * (LOOK_PARTS - 1);
	if (error)
		audit_say(supervisor->audit, AUDIT_WARNING, "inventory.incomplete", "%s",
			strerrordesc_np(-error));
	for (size_t i = 0; i < inventory->count; i++) {
		struct device *device = &inventory->devices[i];

		if (!device->arrived)
			continue;
		device->arrived = false;
		lease_init_unknown(&device->lease);
		device_scrub_unknown(device);
		device_changed(device);
		probe_first(device);
	}
}

bool devices_settled(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->inventory.count; i++) {
		enum device_state state = supervisor->inventory.devices[i].lease.state;

		if (state == DEVICE_STATE_RESETTING || state == DEVICE_STATE_CUT)
			return false;
	}
	return true;
}

void devices_stop(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->inventory.count; i++) {
		struct device *device = &supervisor->inventory.devices[i];

		device->open_runs = false;
		if (device->probe_timer)
			(void)event_del(device->probe_timer);
		if (device->turn_timer)
			(void)event_del(device->turn_timer);
	}
}

void device_cut(struct device *device, uint64_t session, uint64_t after_ms)
{
	struct audit_record record;

	if (lease_cut(&device->lease, session))
		return;
	device->last_session = session;
	device_changed(device);
	audit_begin(&record, "device.cut");
	audit_uint(&record, "session", session);
	audit_string(&record, "tenant", device->lease.tenant->policy->name);
	audit_string(&record, "device", device->name);
	audit_string(&record, "address", device->address);
	if (device_is_real(device))
		audit_uint(&record, "after_ms", after_ms);
	audit_emit(device->supervisor->audit, AUDIT_NOTICE, &record);
	if (device_is_real(device)) {
		if (device->supervisor->stopping)
			return;
		probe_first(device);
	} else {
		(void)lease_probed(&device->lease, /* held= */ false);
		settle(device);
	}
}
