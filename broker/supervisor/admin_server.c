/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/admin_server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/admin_list.h"
#include "broker/supervisor/device_life.h"
#include "broker/supervisor/spawn.h"
#include "broker/supervisor/supervisor.h"

#define PACKETS_PER_TURN 16u
#define ADMIN_NOFILE 16u

const struct policy_socket admin_socket = {.name = "admin", .path = "admin.sock", .mode = 0600};

struct admin {
	LIST_ENTRY(admin) link;
	struct supervisor *supervisor;
	pid_t pid;
	int pidfd, control_fd;
	struct event *on_death, *on_control;
	bool killed;
	uint64_t watched; /* the session whose revocation it asked for; 0: none */
	uint64_t serial; /* of that request */
	uint64_t since_ms;
};

static void admin_free(struct admin *admin)
{
	if (admin->on_death)
		event_free(admin->on_death);
	if (admin->on_control)
		event_free(admin->on_control);
	fds_close(&admin->pidfd, 1);
	fds_close(&admin->control_fd, 1);
	free(admin);
}

static void admin_kill(struct admin *admin)
{
	if (admin->killed)
		return;
	admin->killed = true;
	(void)event_del(admin->on_control);
	(void)pidfd_send_signal(admin->pidfd, SIGKILL, NULL, 0);
}

void admins_kill_all(struct supervisor *supervisor)
{
	struct admin *admin = LIST_FIRST(&supervisor->admins.all);

	for (; admin; admin = LIST_NEXT(admin, link))
		admin_kill(admin);
}

static void answer(struct admin *admin, union control_message *message, enum control_type type,
	uint64_t serial)
{
	if (!admin->killed && control_send(admin->control_fd, message, type, serial, -1))
		admin_kill(admin);
}

/* ---- revocation ------------------------------------------------------------------------------------------------- */

static void step_tell(struct admin *admin, struct control_admin_step *step)
{
	union control_message message;

	step->session = admin->watched;
	step->after_ms = (uint32_t)(supervisor_now_ms() - admin->since_ms);
	message.admin_step = *step;
	answer(admin, &message, CONTROL_ADMIN_STEP, admin->serial);
}

void admin_session_step(const struct session_proc *session, enum admin_step kind)
{
	struct admin *admin = LIST_FIRST(&session->supervisor->admins.all);

	for (; admin; admin = LIST_NEXT(admin, link)) {
		struct control_admin_step step = {.step = (uint32_t)kind};

		if (admin->watched != session->id)
			continue;
		if (kind == ADMIN_STEP_EMPTY)
			step.unmapped_bytes = session->sweep.unmapped_bytes;
		step_tell(admin, &step);
	}
}

/* Still on its way to somewhere? */
static bool device_pending(const struct device *device)
{
	return device->lease.state == DEVICE_STATE_CUT ||
	       device->lease.state == DEVICE_STATE_RESETTING ||
	       device->lease.state == DEVICE_STATE_GRANTED;
}

static void done_tell(struct admin *admin)
{
	const struct inventory *inventory = &admin->supervisor->inventory;
	struct control_admin_step step = {.step = ADMIN_STEP_DONE};

	if (session_find(admin->supervisor, admin->watched))
		return;
	for (size_t i = 0; i < inventory->count; i++) {
		const struct device *device = &inventory->devices[i];

		if (device->last_session != admin->watched)
			continue;
		if (device_pending(device))
			return;
		step.held += device->lease.state == DEVICE_STATE_HELD;
	}
	step_tell(admin, &step);
	admin->watched = 0;
}

void admin_session_gone(struct supervisor *supervisor, uint64_t session)
{
	struct admin *admin = LIST_FIRST(&supervisor->admins.all);

	for (; admin; admin = LIST_NEXT(admin, link))
		if (admin->watched == session)
			done_tell(admin);
}

void admin_device_changed(const struct device *device)
{
	struct admin *admin = LIST_FIRST(&device->supervisor->admins.all);

	for (; admin; admin = LIST_NEXT(admin, link)) {
		struct control_admin_step step = {
			.step = ADMIN_STEP_DEVICE, .state = (uint32_t)device->lease.state};

		if (!admin->watched || admin->watched != device->last_session)
			continue;
		(void)snprintf(step.device, sizeof(step.device), "%s", device->name);
		step_tell(admin, &step);
		done_tell(admin);
	}
}

static void on_revoke(struct admin *admin, const union control_message *message)
{
	struct session_proc *session = session_find(admin->supervisor, message->admin_ask.number);
	struct audit_record record;
	union control_message no;

	if (!session || admin->watched) {
		memset(&no, 0, sizeof(no.denied));
		no.denied.error = session ? EBUSY : ESRCH;
		(void)snprintf(no.denied.text, sizeof(no.denied.text),
			session ? "a revocation is under way on this connection"
				: "there is no session %llu that this broker controls",
			(unsigned long long)message->admin_ask.number);
		answer(admin, &no, CONTROL_ADMIN_DENIED, message->header.serial);
		return;
	}
	session_audit_begin(session, &record, "session.revoke");
	audit_emit(admin->supervisor->audit, AUDIT_NOTICE, &record);
	admin->watched = session->id;
	admin->serial = message->header.serial;
	admin->since_ms = supervisor_now_ms();
	session_kill(session, "revoked");
	admin_session_step(session, ADMIN_STEP_KILLED);
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

static void on_sessions(struct admin *admin, const union control_message *message)
{
	union control_message page;

	admin_sessions_fill(admin->supervisor, message->admin_ask.number, &page.admin_sessions);
	answer(admin, &page, CONTROL_ADMIN_SESSION_PAGE, message->header.serial);
}

static void on_devices(struct admin *admin, const union control_message *message)
{
	union control_message page;

	devices_look(admin->supervisor);
	admin_devices_fill(admin->supervisor, message->admin_ask.number, &page.admin_devices);
	answer(admin, &page, CONTROL_ADMIN_DEVICE_PAGE, message->header.serial);
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

static void on_control(evutil_socket_t fd, short events, void *arg)
{
	static void (*const handlers[CONTROL_END])(
		struct admin *, const union control_message *) = {
		[CONTROL_ADMIN_SESSIONS] = on_sessions,
		[CONTROL_ADMIN_DEVICES] = on_devices,
		[CONTROL_ADMIN_REVOKE] = on_revoke,
	};
	struct admin *admin = arg;
	union control_message message;
	const char *why;

	(void)events;
	for (unsigned int i = 0; i < PACKETS_PER_TURN && !admin->killed; i++) {
		size_t n_fds = 0;
		ssize_t bytes = seqpacket_recv(fd, &message, sizeof(message), NULL, 0, &n_fds);

		if (bytes == -EAGAIN)
			return;
		if (bytes <= 0 ||
			control_check(&message, (size_t)bytes, CONTROL_FROM_ADMIN, &why)) {
			admin_kill(admin);
			return;
		}
		handlers[message.header.type](admin, &message);
	}
}

static void on_death(evutil_socket_t fd, short events, void *arg)
{
	struct admin *admin = arg;
	struct supervisor *supervisor = admin->supervisor;
	siginfo_t info = {0};

	(void)fd;
	(void)events;
	if (waitid(P_PIDFD, (id_t)admin->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	LIST_REMOVE(admin, link);
	supervisor->admins.count--;
	admin_free(admin);
	supervisor_progress(supervisor);
}

static int admin_spawn(struct admin *admin, int client_fd)
{
	const struct supervisor *supervisor = admin->supervisor;
	int sockets[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return -errno;
	const int fds[] = {client_fd, sockets[1], supervisor->filter_fd};
	const struct spawn child = {
		.program_fd = supervisor->programs.session_fd,
		.name = PROGRAM_SESSION,
		.argument = ADMIN_ROLE,
		.fds = fds,
		.fds_count = ADMIN_FD_END - ADMIN_FD_CLIENT,
		.keep_stderr = supervisor->options.debug,
		.switch_uid = supervisor->switch_uid,
		.uid = supervisor->admins.uid,
		.nofile = ADMIN_NOFILE,
		.cgroup_procs_fd = -1,
	};

	_Static_assert(
		ADMIN_FD_CLIENT == SPAWN_FD_FIRST && ADMIN_FD_CONTROL == 4 && ADMIN_FD_FILTER == 5,
		"fds[] is in the order of enum admin_fd");
	admin->control_fd = sockets[0];
	error = spawn(&child, &admin->pid, &admin->pidfd);
	close(sockets[1]);
	return error;
}

static int admin_start(struct supervisor *supervisor, int client_fd)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	int error;

	if (!admin)
		return -ENOMEM;
	admin->supervisor = supervisor;
	admin->pidfd = admin->control_fd = -1;
	error = admin_spawn(admin, client_fd);
	if (error) {
		admin_free(admin);
		return error;
	}
	admin->on_death =
		event_new(supervisor->base, admin->pidfd, EV_READ | EV_PERSIST, on_death, admin);
	admin->on_control = event_new(
		supervisor->base, admin->control_fd, EV_READ | EV_PERSIST, on_control, admin);
	if (!admin->on_death || !admin->on_control || event_add(admin->on_death, NULL) ||
		event_add(admin->on_control, NULL)) {
		(void)pidfd_send_signal(admin->pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)admin->pidfd, &(siginfo_t){0}, WEXITED);
		admin_free(admin);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&supervisor->admins.all, admin, link);
	supervisor->admins.count++;
	return 0;
}

void admin_admit(struct supervisor *supervisor, int client_fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t length = sizeof(peer);
	struct audit_record record;
	const char *why = NULL;
	uint64_t suppressed;

	if (getsockopt(client_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
		(peer.uid != 0 && peer.uid != geteuid()))
		why = "neither root nor the user who runs this broker";
	else if (supervisor->admins.count >= ADMINS_MAX)
		why = "too many at a time";
	else if (admin_start(supervisor, client_fd))
		why = "no process can be started";
	if (why && audit_bucket_take(&supervisor->refusals, supervisor_now_ms(), &suppressed))
		return;
	audit_begin(&record, why ? "admin.refused" : "admin.connected");
	audit_uint(&record, "peer_pid", (uint64_t)peer.pid);
	audit_uint(&record, "peer_uid", peer.uid);
	if (why)
		audit_string(&record, "why", why);
	audit_emit(supervisor->audit, why ? AUDIT_WARNING : AUDIT_INFO, &record);
}
