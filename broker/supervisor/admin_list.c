/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/admin_list.h"

#include <stdio.h>
#include <string.h>

#include "broker/supervisor/device_life.h"
#include "broker/supervisor/supervisor.h"

/* ---- sessions --------------------------------------------------------------------------------------------------- */

static const struct session_proc *session_next(const struct supervisor *supervisor, uint64_t after)
{
	const struct session_proc *next = NULL, *session = LIST_FIRST(&supervisor->sessions.all);

	for (; session; session = LIST_NEXT(session, link))
		if (session->id > after && (!next || session->id < next->id))
			next = session;
	return next;
}

static enum admin_session_state session_state(const struct session_proc *session)
{
	if (session->sweep.begun)
		return ADMIN_SESSION_ENDING;
	return session->ready ? ADMIN_SESSION_RUNNING : ADMIN_SESSION_STARTING;
}

static void session_fill(const struct session_proc *session, struct control_admin_session *ret)
{
	const struct account_pages *pages = &session->tenant->pages;

	*ret = (struct control_admin_session){.id = session->id,
		.state = session_state(session),
		.pid = (uint32_t)session->pid,
		.peer_pid = (uint32_t)session->peer.pid,
		.peer_uid = session->peer.uid,
		.peer_gid = session->peer.gid,
		.devices = session->devices,
		.age_ms = supervisor_now_ms() - session->since_ms,
		.locked_bytes = account_slot_used(pages, session->slot, RESOURCE_LOCKED_BYTES),
		.ioas = account_slot_used(pages, session->slot, RESOURCE_IOAS),
		.mappings = account_slot_used(pages, session->slot, RESOURCE_MAPPINGS)};
	(void)snprintf(ret->tenant, sizeof(ret->tenant), "%s", session->tenant->policy->name);
}

void admin_sessions_fill(
	const struct supervisor *supervisor, uint64_t after, struct control_admin_session_page *ret)
{
	const struct session_proc *session = session_next(supervisor, after);

	memset(ret, 0, sizeof(*ret));
	for (; session && ret->count < CONTROL_ADMIN_PAGE;
		session = session_next(supervisor, session->id))
		session_fill(session, &ret->sessions[ret->count++]);
	if (session) {
		ret->more = 1;
		return;
	}
	if (ret->count)
		after = ret->sessions[ret->count - 1].id;
	while (ret->count < CONTROL_ADMIN_PAGE &&
		foreigner_next(supervisor, after, &ret->sessions[ret->count]))
		after = ret->sessions[ret->count++].id;
	ret->more = ret->count == CONTROL_ADMIN_PAGE;
}

/* ---- devices ---------------------------------------------------------------------------------------------------- */

static void device_fill(const struct device *device, struct control_admin_device *ret)
{
	const struct lease *lease = &device->lease;
	struct control_device *facts = &ret->device;

	(void)snprintf(facts->name, sizeof(facts->name), "%s", device->name);
	(void)snprintf(facts->address, sizeof(facts->address), "%s", device->address);
	facts->index = device->index;
	facts->vendor = device->vendor;
	facts->device = device->device;
	facts->state = (uint32_t)lease->state;
	if (lease->tenant)
		(void)snprintf(ret->tenant, sizeof(ret->tenant), "%s", lease->tenant->policy->name);
	ret->session = lease->session;
	ret->age_ms = supervisor_now_ms() - device->since_ms;
	ret->group = device->pci.has_group ? (int64_t)device->pci.group : -1;
	if (lease->state == DEVICE_STATE_HELD && device->peer_pid > 0)
		(void)snprintf(ret->holders, sizeof(ret->holders),
			"lent to pid %d of uid %u, or who has it from there", (int)device->peer_pid,
			(unsigned int)device->peer_uid);
	if (device_is_real(device))
		(void)device_reset_kind(device, ret->reset, sizeof(ret->reset));
	if (ret->reset[0] == '\0')
		(void)snprintf(ret->reset, sizeof(ret->reset), "%s",
			device_is_real(device) ? "none" : "model");
}

void admin_devices_fill(
	const struct supervisor *supervisor, uint64_t first, struct control_admin_device_page *ret)
{
	const struct inventory *inventory = &supervisor->inventory;
	uint64_t i = first;

	memset(ret, 0, sizeof(*ret));
	for (; i < inventory->count && ret->count < CONTROL_ADMIN_PAGE; i++) {
		const struct device *device = &inventory->devices[i];

		/* One that has left is shown as long as somebody has it. */
		if (device->present || device->lease.session || device->counted)
			device_fill(device, &ret->devices[ret->count++]);
	}
	ret->more = i < inventory->count;
}
