/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/sweep.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/supervisor.h"

#define DETACH_FAILURES_MAX 3u

static void unmap_start(struct session_proc *session);

static void audit_failed(struct session_proc *session, const char *task, int error)
{
	struct audit_record record;

	session_audit_begin(session, &record, "sweep.failed");
	audit_string(&record, "task", task);
	audit_errno(&record, "error", error);
	audit_emit(session->supervisor->audit, AUDIT_ERROR, &record);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void sweep_end(struct session_proc *session)
{
	struct sweep *sweep = &session->sweep;

	if (sweep->retry)
		event_free(sweep->retry);
	sweep->retry = NULL;
	fds_close(&session->iommu_fd, 1);
	session_swept(session);
}

/* ---- detach ----------------------------------------------------------------------------------------------------- */

static void on_detached(void *arg, const struct helper_report *report);

static int chunk_start(struct sweep_chunk *chunk)
{
	struct session_proc *session = chunk->session;
	struct helper_job job = {.kind = HELPER_SWEEP_DETACH,
		.fds_count = chunk->count,
		.deadline_ms = SWEEP_MS,
		.done = on_detached,
		.arg = chunk};
	int fds[HELPER_TASK_FDS_MAX], error;

	for (unsigned int i = 0; i < chunk->count; i++) {
		const struct device *device = session->sweep.devices[chunk->first + i];

		fds[i] = device->fd;
		if (device->pasid_bits > job.request.pasid_bits)
			job.request.pasid_bits = device->pasid_bits;
	}
	job.fds = fds;
	error = helper_task_run(&session->supervisor->helpers, &job, &chunk->task);
	if (error)
		chunk->task = NULL;
	else
		session->sweep.chunks_running++;
	return error;
}

static void on_detached(void *arg, const struct helper_report *report)
{
	struct sweep_chunk *chunk = arg;
	struct session_proc *session = chunk->session;
	struct sweep *sweep = &session->sweep;

	chunk->task = NULL;
	sweep->chunks_running--;
	if (sweep->empty) {
		if (sweep->chunks_running == 0)
			sweep_end(session);
		return;
	}
	/* It was not told to end. */
	audit_failed(session, "sweep-detach", report->error ? report->error : -EIO);
	if (chunk->failures++ < DETACH_FAILURES_MAX)
		(void)chunk_start(chunk);
}

static void devices_collect(struct session_proc *session)
{
	struct inventory *inventory = &session->supervisor->inventory;
	struct sweep *sweep = &session->sweep;

	for (size_t i = 0; i < inventory->count; i++) {
		struct device *device = &inventory->devices[i];

		if (device->lease.state == DEVICE_STATE_GRANTED &&
			device->lease.session == session->id && device->fd >= 0 &&
			sweep->devices_count < CONTROL_DEVICES_MAX)
			sweep->devices[sweep->devices_count++] = device;
	}
	for (unsigned int first = 0; first < sweep->devices_count; first += HELPER_TASK_FDS_MAX) {
		struct sweep_chunk *chunk = &sweep->chunks[sweep->chunks_count++];
		unsigned int left = sweep->devices_count - first;

		*chunk = (struct sweep_chunk){.session = session,
			.first = first,
			.count = left < HELPER_TASK_FDS_MAX ? left : HELPER_TASK_FDS_MAX};
	}
}

/* ---- unmap ------------------------------------------------------------------------------------------------------ */

/* Nothing is mapped any more, and nothing can be. */
static void context_empty(struct session_proc *session)
{
	struct sweep *sweep = &session->sweep;
	struct audit_record record;

	sweep->empty = true;
	sweep->empty_after_ms = (uint32_t)(supervisor_now_ms() - sweep->begun_ms);
	session_audit_begin(session, &record, "session.swept");
	audit_uint(&record, "after_ms", sweep->empty_after_ms);
	audit_uint(&record, "ioas", sweep->ioas);
	audit_uint(&record, "unmapped_bytes", sweep->unmapped_bytes);
	audit_uint(&record, "devices", sweep->devices_count);
	audit_emit(session->supervisor->audit, AUDIT_INFO, &record);
	admin_session_step(session, ADMIN_STEP_EMPTY);
	/* First a helper that has each device, then ours is not the last close. */
	for (unsigned int i = 0; i < sweep->chunks_count; i++)
		if (!sweep->chunks[i].task)
			(void)chunk_start(&sweep->chunks[i]);
	for (unsigned int i = 0; i < sweep->devices_count; i++)
		fds_close(&sweep->devices[i]->fd, 1);
	for (unsigned int i = 0; i < sweep->chunks_count; i++)
		if (sweep->chunks[i].task)
			helper_task_finish(sweep->chunks[i].task);
	if (sweep->chunks_running == 0)
		sweep_end(session);
}

static void on_retry(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	unmap_start(arg);
}

static void unmap_later(struct session_proc *session, int error)
{
	const struct timeval wait = timeval_of_ms(SWEEP_RETRY_MS);
	struct sweep *sweep = &session->sweep;

	audit_failed(session, "sweep-unmap", error);
	sweep->unmapping = true; /* it is under way, if slowly */
	if (!sweep->retry)
		sweep->retry = evtimer_new(session->supervisor->base, on_retry, session);
	if (!sweep->retry || event_add(sweep->retry, &wait))
		audit_failed(session, "sweep-unmap is given up", -ENOMEM);
}

static void on_unmapped(void *arg, const struct helper_report *report)
{
	struct session_proc *session = arg;
	struct sweep *sweep = &session->sweep;

	sweep->unmapping = false;
	sweep->ioas += report->result.ioas;
	sweep->unmapped_bytes += report->result.unmapped_bytes;
	if (report->error)
		unmap_later(session, report->error);
	else if (sweep->reaped && sweep->after_reap)
		context_empty(session);
	else if (sweep->reaped)
		unmap_start(session);
}

static uint32_t ids_of(const struct session_proc *session)
{
	uint64_t ids = 2 * session->tenant->policy->session.max[POLICY_OBJECTS];

	if (ids < SWEEP_IDS_LEAST)
		ids = SWEEP_IDS_LEAST;
	if (!session->ended_in_order && ids < SWEEP_IDS_BROKEN)
		ids = SWEEP_IDS_BROKEN;
	return ids < HELPER_IDS_MAX ? (uint32_t)ids : HELPER_IDS_MAX;
}

static void unmap_start(struct session_proc *session)
{
	struct sweep *sweep = &session->sweep;
	const struct helper_job job = {.kind = HELPER_SWEEP_UNMAP,
		.fds = &session->iommu_fd,
		.fds_count = 1,
		.request = {.ids = ids_of(session)},
		.deadline_ms = SWEEP_MS,
		.done = on_unmapped,
		.arg = session};
	int error = helper_task_run(&session->supervisor->helpers, &job, NULL);

	sweep->unmapping = true;
	sweep->after_reap = sweep->reaped;
	if (error)
		unmap_later(session, error);
}

/* ---- the start -------------------------------------------------------------------------------------------------- */

void sweep_begin(struct session_proc *session)
{
	struct sweep *sweep = &session->sweep;

	if (sweep->begun)
		return;
	sweep->begun = true;
	sweep->begun_ms = supervisor_now_ms();
	if (session->iommu_fd < 0)
		return;
	devices_collect(session);
	for (unsigned int i = 0; i < sweep->chunks_count; i++)
		(void)chunk_start(&sweep->chunks[i]);
	unmap_start(session);
}

void sweep_reaped(struct session_proc *session)
{
	struct sweep *sweep = &session->sweep;

	sweep->reaped = true;
	sweep_begin(session);
	if (session->iommu_fd < 0) {
		/* On the model what was mapped was mapped in that process. */
		sweep->empty_after_ms = (uint32_t)(supervisor_now_ms() - sweep->begun_ms);
		admin_session_step(session, ADMIN_STEP_EMPTY);
		sweep_end(session);
		return;
	}
	if (!sweep->unmapping)
		unmap_start(session);
}
