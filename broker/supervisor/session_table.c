/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/session_table.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/control.h"
#include "broker/common/seqpacket.h"
#include "broker/supervisor/cgroup.h"
#include "broker/supervisor/control_server.h"
#include "broker/supervisor/device_life.h"
#include "broker/supervisor/device_server.h"
#include "broker/supervisor/spawn.h"
#include "broker/supervisor/supervisor.h"

#define NOFILE_BASE 512u /* sockets, devices, fds of one message, libc's own */
#define NOFILE_MAX 65536u

void session_audit_begin(
	const struct session_proc *session, struct audit_record *record, const char *event)
{
	audit_begin(record, event);
	audit_uint(record, "session", session->id);
	audit_string(record, "tenant", session->tenant->policy->name);
}

bool session_audit_may(struct session_proc *session, struct audit_record *record)
{
	uint64_t suppressed;

	if (audit_bucket_take(&session->bucket, supervisor_now_ms(), &suppressed))
		return false;
	if (suppressed)
		audit_uint(record, "suppressed", suppressed);
	return true;
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void session_free(struct session_proc *session)
{
	if (session->on_death)
		event_free(session->on_death);
	if (session->on_control)
		event_free(session->on_control);
	if (session->on_deadline)
		event_free(session->on_deadline);
	if (session->pidfd >= 0)
		close(session->pidfd);
	fds_close(&session->control_fd, 1);
	fds_close(&session->iommu_fd, 1);
	free(session);
}

/* The kernel killed one more process in its tenant's cgroup than the audit has told of. */
static bool over_memory_max(const struct session_proc *session)
{
	struct tenant *tenant = session->tenant;

	if (cgroup_oom_kills(tenant->cgroup_events_fd) <= tenant->oom_kills)
		return false;
	tenant->oom_kills++;
	return true;
}

static void audit_end(const struct session_proc *session, const siginfo_t *info)
{
	enum audit_level level = AUDIT_INFO;
	struct audit_record record;
	const char *step = NULL;

	session_audit_begin(session, &record, "session.end");
	audit_uint(&record, "pid", (uint64_t)session->pid);
	if (info->si_code == CLD_EXITED) {
		audit_uint(&record, "exit", (uint64_t)info->si_status);
		step = spawn_exit_text(info->si_status);
		if (info->si_status != 0)
			level = AUDIT_WARNING;
	} else {
		const char *signal_name = sigabbrev_np(info->si_status);

		audit_string(&record, "signal", signal_name ? signal_name : "?");
		level = AUDIT_WARNING;
		if (info->si_status == SIGSYS)
			step = "called what its filter forbids";
		else if (info->si_status == SIGKILL && over_memory_max(session))
			step = "its tenant is over memory.max";
	}
	if (step)
		audit_string(&record, "why", step);
	if (session->killed)
		audit_string(&record, "killed", session->killed);
	audit_emit(session->supervisor->audit, level, &record);
}

void session_swept(struct session_proc *session)
{
	struct supervisor *supervisor = session->supervisor;
	const uint64_t id = session->id;

	for (size_t i = 0; i < supervisor->inventory.count; i++) {
		struct device *device = &supervisor->inventory.devices[i];

		/* A helper that opens or closes it has its end still to come. */
		if (!device->open_runs && !device->releasing)
			device_cut(device, session->id, session->sweep.empty_after_ms);
	}
	LIST_REMOVE(session, link);
	supervisor->sessions.count--;
	tenant_slot_free(session->tenant, session->slot, &supervisor->pool);
	session_free(session);
	admin_session_gone(supervisor, id);
	listeners_resume(supervisor);
	supervisor_progress(supervisor);
}

struct session_proc *session_find(struct supervisor *supervisor, uint64_t id)
{
	struct session_proc *session = LIST_FIRST(&supervisor->sessions.all);

	while (session && session->id != id)
		session = LIST_NEXT(session, link);
	return session;
}

/* There is no such process any more: it takes part in nothing. */
static void session_reaped(struct session_proc *session)
{
	(void)event_del(session->on_death);
	(void)event_del(session->on_control);
	(void)event_del(session->on_deadline);
	fds_close(&session->pidfd, 1);
	devices_session_gone(session);
	admin_session_step(session, ADMIN_STEP_ENDED);
	sweep_reaped(session);
}

static void on_death(evutil_socket_t fd, short events, void *arg)
{
	struct session_proc *session = arg;
	siginfo_t info = {0};

	(void)fd;
	(void)events;
	if (waitid(P_PIDFD, (id_t)session->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	/* What it said last is still there to be read. */
	control_drain(session);
	session->ended_in_order =
		!session->killed && info.si_code == CLD_EXITED && info.si_status == 0;
	audit_end(session, &info);
	session_reaped(session);
}

void session_kill(struct session_proc *session, const char *why)
{
	if (session->killed || session->sweep.reaped)
		return;
	session->killed = why;
	(void)event_del(session->on_control);
	(void)pidfd_send_signal(session->pidfd, SIGKILL, NULL, 0);
	sweep_begin(session);
}

void sessions_kill_all(struct supervisor *supervisor, const char *why)
{
	struct session_proc *session = LIST_FIRST(&supervisor->sessions.all);

	for (; session; session = LIST_NEXT(session, link))
		session_kill(session, why);
}

/* ---- the start -------------------------------------------------------------------------------------------------- */

static void on_deadline(evutil_socket_t fd, short events, void *arg)
{
	struct session_proc *session = arg;

	(void)fd;
	(void)events;
	if (session->closed)
		session_kill(session, "closed its control socket and went on");
	else if (!session->ready)
		session_kill(session, "was not ready in time");
}

void session_closed(struct session_proc *session)
{
	const struct timeval grace = timeval_of_ms(SESSION_CLOSED_MS);

	session->closed = true;
	(void)event_del(session->on_control);
	(void)event_add(session->on_deadline, &grace);
}

static void on_control(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	control_readable(arg);
}

static void setup_fill(const struct session_proc *session, struct control_setup *setup)
{
	const struct policy_tenant *policy = session->tenant->policy;
	const struct supervisor *supervisor = session->supervisor;

	memset(setup, 0, sizeof(*setup));
	setup->session = session->id;
	strncpy(setup->tenant, policy->name, sizeof(setup->tenant) - 1);
	setup->slot = session->slot;
	setup->backend = (uint32_t)supervisor->options.backend;
	setup->operations = policy->operations;
	setup->memory_kinds = policy->memory_kinds;
	setup->map_mask_bits = supervisor->options.mask_map_file ? 1 : 0;
	setup->hello_deadline_ms = supervisor->policy->host.hello_deadline_ms > UINT32_MAX
					   ? UINT32_MAX
					   : (uint32_t)supervisor->policy->host.hello_deadline_ms;
	setup->windows_count = (uint32_t)policy->windows_count;
	for (size_t i = 0; i < policy->windows_count; i++)
		setup->windows[i] = (struct control_range){
			.start = policy->windows[i].start, .last = policy->windows[i].last};
	policy_origin_format(&policy->origin_operations, setup->rule_operations, CONTROL_RULE_MAX);
	policy_origin_format(&policy->origin_windows, setup->rule_windows, CONTROL_RULE_MAX);
	policy_origin_format(&policy->origin_memory, setup->rule_memory, CONTROL_RULE_MAX);
	policy_origin_format(&policy->origin_limits, setup->rule_limits, CONTROL_RULE_MAX);
}

static uint64_t nofile_for(const struct policy_tenant *policy)
{
	uint64_t handles = policy->session.max[POLICY_MEMORY_HANDLES];
	uint64_t devices = policy->session.max[POLICY_DEVICES];

	if (handles > NOFILE_MAX || devices > NOFILE_MAX / 64)
		return NOFILE_MAX;
	handles += NOFILE_BASE + devices * 64;
	return handles < NOFILE_MAX ? handles : NOFILE_MAX;
}

/* Fork, with what enum session_fd lists; iommu_fd is -1 on the model. */
static int process_start(
	struct session_proc *session, int client_fd, int control_child_fd, int iommu_fd)
{
	const struct supervisor *supervisor = session->supervisor;
	const struct tenant *tenant = session->tenant;
	const int fds[] = {client_fd, control_child_fd, tenant->pages.account_fd,
		tenant->pages.limits_fd, supervisor->filter_fd, iommu_fd};
	const struct spawn child = {
		.program_fd = supervisor->programs.session_fd,
		.name = PROGRAM_SESSION,
		.fds = fds,
		.fds_count = sizeof(fds) / sizeof(fds[0]) - (iommu_fd < 0 ? 1 : 0),
		.keep_stderr = supervisor->options.debug,
		.switch_uid = supervisor->switch_uid,
		.uid = tenant->uid,
		.memlock_bytes = tenant->policy->tenant.max[POLICY_LOCKED_MEMORY],
		.nofile = nofile_for(tenant->policy),
		.cgroup_procs_fd = tenant->cgroup_procs_fd,
	};

	_Static_assert(SESSION_FD_CLIENT == SPAWN_FD_FIRST && SESSION_FD_CONTROL == 4 &&
			       SESSION_FD_ACCOUNT == 5 && SESSION_FD_LIMITS == 6 &&
			       SESSION_FD_FILTER == 7 && SESSION_FD_IOMMU == 8,
		"fds[] is in the order of enum session_fd");
	return spawn(&child, &session->pid, &session->pidfd);
}

static int events_start(struct session_proc *session)
{
	const struct timeval deadline = timeval_of_ms(SESSION_READY_MS);
	struct event_base *base = session->supervisor->base;

	session->on_death =
		event_new(base, session->pidfd, EV_READ | EV_PERSIST, on_death, session);
	session->on_control =
		event_new(base, session->control_fd, EV_READ | EV_PERSIST, on_control, session);
	session->on_deadline = evtimer_new(base, on_deadline, session);
	if (!session->on_death || !session->on_control || !session->on_deadline ||
		event_add(session->on_death, NULL) || event_add(session->on_control, NULL) ||
		event_add(session->on_deadline, &deadline))
		return -ENOMEM;
	return 0;
}

static void audit_start(const struct session_proc *session)
{
	struct audit_record record;

	session_audit_begin(session, &record, "session.start");
	audit_uint(&record, "pid", (uint64_t)session->pid);
	audit_uint(&record, "peer_pid", (uint64_t)session->peer.pid);
	audit_uint(&record, "peer_uid", session->peer.uid);
	audit_uint(&record, "peer_gid", session->peer.gid);
	if (session->peer.cgroup[0])
		audit_string(&record, "peer_cgroup", session->peer.cgroup);
	if (session->peer.label[0])
		audit_string(&record, "peer_label", session->peer.label);
	audit_emit(session->supervisor->audit, AUDIT_INFO, &record);
}

static int session_run(struct session_proc *session, int client_fd)
{
	union control_message setup;
	int sockets[2], error;

	if (session->supervisor->options.backend == BACKEND_KERNEL) {
		/* A context of its own, made by an open that waits for nothing. */
		session->iommu_fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		if (session->iommu_fd < 0)
			return -errno;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return -errno;
	session->control_fd = sockets[0];
	setup_fill(session, &setup.setup);
	error = control_send(session->control_fd, &setup, CONTROL_SETUP, 0, -1);
	if (!error)
		error = process_start(session, client_fd, sockets[1], session->iommu_fd);
	close(sockets[1]);
	if (error)
		return error;
	error = events_start(session);
	if (error) {
		(void)pidfd_send_signal(session->pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)session->pidfd, &(siginfo_t){0}, WEXITED);
	}
	return error;
}

int session_start(struct supervisor *supervisor, struct tenant *tenant, const struct peer *peer,
	int client_fd)
{
	struct session_proc *session = calloc(1, sizeof(*session));
	int error;

	if (!session)
		return -ENOMEM;
	session->supervisor = supervisor;
	session->tenant = tenant;
	session->peer = *peer;
	session->pidfd = session->control_fd = session->iommu_fd = -1;
	session->since_ms = supervisor_now_ms();
	error = tenant_slot_take(tenant, &session->slot);
	if (error) {
		free(session);
		return error;
	}
	session->id = ++supervisor->sessions.last_id;
	error = session_run(session, client_fd);
	if (error) {
		tenant_slot_free(tenant, session->slot, &supervisor->pool);
		session_free(session);
		return error;
	}
	LIST_INSERT_HEAD(&supervisor->sessions.all, session, link);
	supervisor->sessions.count++;
	audit_start(session);
	return 0;
}
