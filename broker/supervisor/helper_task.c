/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/helper_task.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/spawn.h"
#include "broker/supervisor/supervisor.h"

struct helper_task {
	TAILQ_ENTRY(helper_task) link;
	struct helper_tasks *tasks;
	struct helper_lane *lane;
	struct helper_request request;
	int fds[HELPER_TASK_FDS_MAX];
	size_t fds_count;
	unsigned int deadline_ms;
	helper_done done; /* NULL: has been told */
	void *arg;
	pid_t pid; /* 0: could not be started */
	int pidfd, result_fd;
	bool finish; /* has been told to end */
	struct event *on_death, *on_deadline;
	int error; /* why it could not be started */
};

static const char *const kinds[HELPER_KINDS] = {
	[HELPER_DEVICE_RESET] = "device-reset",
	[HELPER_OPEN] = "open",
	[HELPER_PROBE] = "probe",
	[HELPER_RESET] = "reset",
	[HELPER_SWEEP_DETACH] = "sweep-detach",
	[HELPER_SWEEP_UNMAP] = "sweep-unmap",
	[HELPER_SCRUB] = "scrub",
};

static void lane_next(struct helper_lane *lane);

const char *helper_kind_name(enum helper_kind kind)
{
	return (unsigned int)kind < HELPER_KINDS ? kinds[kind] : NULL;
}

static void lane_init(struct helper_lane *lane, unsigned int max)
{
	lane->max = max;
	lane->running_count = 0;
	TAILQ_INIT(&lane->running);
	TAILQ_INIT(&lane->queued);
}

void helper_tasks_init(struct helper_tasks *tasks, struct supervisor *supervisor)
{
	tasks->supervisor = supervisor;
	tasks->running_count = 0;
	lane_init(&tasks->work, HELPER_TASKS_MAX);
	lane_init(&tasks->detaches, HELPER_SWEEPS_MAX);
	lane_init(&tasks->unmaps, HELPER_SWEEPS_MAX);
}

static struct helper_lane *lane_of(struct helper_tasks *tasks, enum helper_kind kind)
{
	if (kind == HELPER_SWEEP_DETACH)
		return &tasks->detaches;
	return kind == HELPER_SWEEP_UNMAP ? &tasks->unmaps : &tasks->work;
}

static void task_free(struct helper_task *task)
{
	if (task->on_death)
		event_free(task->on_death);
	if (task->on_deadline)
		event_free(task->on_deadline);
	fds_close(task->fds, task->fds_count);
	fds_close(&task->pidfd, 1);
	fds_close(&task->result_fd, 1);
	free(task);
}

static void task_tell(struct helper_task *task, const struct helper_report *report)
{
	const char *name = helper_kind_name((enum helper_kind)task->request.kind);
	helper_done done = task->done;
	struct audit_record record;

	task->done = NULL;
	if (!done)
		return;
	if (report->error) {
		audit_begin(&record, "helper.failed");
		audit_string(&record, "task", name);
		audit_errno(&record, "error", report->error);
		audit_emit(task->tasks->supervisor->audit, AUDIT_WARNING, &record);
	}
	done(task->arg, report);
}

static void task_tell_error(struct helper_task *task, int error)
{
	const struct helper_report report = {.error = error, .fd = -1};

	task_tell(task, &report);
}

/* A helper that became another program has only its exit code to say. */
static int scrub_result(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED && info->si_status == 0)
		return 0;
	return -EIO;
}

/* What a dead helper left: its word counts only together with a clean exit. Only an open that succeeded brings an fd. */
static void task_report(
	const struct helper_task *task, const siginfo_t *info, struct helper_report *ret)
{
	const bool open = task->request.kind == HELPER_OPEN;
	struct helper_result result;
	size_t n_fds = 0;
	int fd = -1;
	ssize_t bytes =
		seqpacket_recv(task->result_fd, &result, sizeof(result), &fd, open ? 1 : 0, &n_fds);

	*ret = (struct helper_report){.error = -EIO, .fd = -1};
	if (bytes <= 0 && task->request.kind == HELPER_SCRUB)
		ret->error = scrub_result(info);
	if (bytes <= 0)
		return;
	if (info->si_code != CLD_EXITED || info->si_status != 0 || bytes != sizeof(result) ||
		result.magic != HELPER_MAGIC || result.kind != task->request.kind ||
		result.error > 0 || result.error < -4095 || result.holder > HELPER_HOLDER_AGAIN ||
		(n_fds == 1) != (open && result.error == 0)) {
		fds_close(&fd, n_fds);
		return;
	}
	*ret = (struct helper_report){
		.error = result.error, .fd = n_fds ? fd : -1, .result = result};
}

static void task_end(struct helper_task *task, const struct helper_report *report)
{
	struct helper_tasks *tasks = task->tasks;
	struct helper_lane *lane = task->lane;

	TAILQ_REMOVE(&lane->running, task, link);
	lane->running_count--;
	tasks->running_count--;
	if (!task->done)
		fds_close(&(int){report->fd}, 1); /* too late: nobody takes it */
	task_tell(task, report);
	task_free(task);
	lane_next(lane);
	supervisor_progress(tasks->supervisor);
}

static void on_death(evutil_socket_t fd, short events, void *arg)
{
	struct helper_task *task = arg;
	struct helper_report report;
	siginfo_t info = {0};

	(void)fd;
	(void)events;
	if (waitid(P_PIDFD, (id_t)task->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		info.si_pid == 0)
		return;
	/* What it left running may have the device open. Its number is its own until it is reaped. */
	if (task->request.kind == HELPER_SCRUB)
		(void)kill(-task->pid, SIGKILL);
	(void)waitid(P_PIDFD, (id_t)task->pidfd, &info, WEXITED | WNOHANG);
	task_report(task, &info, &report);
	task_end(task, &report);
}

/* Itself, and what a scrub program has started: a helper leads its own process group, soon after its start, and its
 * number cannot be another's before it is reaped. */
static void task_kill(const struct helper_task *task)
{
	if (task->pid <= 0)
		return;
	(void)kill(-task->pid, SIGKILL);
	(void)pidfd_send_signal(task->pidfd, SIGKILL, NULL, 0);
}

static void on_deadline(evutil_socket_t fd, short events, void *arg)
{
	struct helper_task *task = arg;

	(void)fd;
	(void)events;
	if (task->pid == 0) {
		const struct helper_report report = {.error = task->error, .fd = -1};

		task_end(task, &report);
		return;
	}
	task_kill(task);
	task_tell_error(task, -ETIMEDOUT);
}

static int task_spawn(struct helper_task *task)
{
	const struct supervisor *supervisor = task->tasks->supervisor;
	int sockets[2], fds[1 + HELPER_TASK_FDS_MAX], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return -errno;
	fds[0] = sockets[1];
	for (size_t i = 0; i < task->fds_count; i++)
		fds[1 + i] = task->fds[i];
	const struct spawn child = {
		.program_fd = supervisor->programs.helper_fd,
		.name = PROGRAM_HELPER,
		.argument = helper_kind_name((enum helper_kind)task->request.kind),
		.fds = fds,
		.fds_count = 1 + task->fds_count,
		.keep_stderr = supervisor->options.debug,
		.may_fork = task->request.kind == HELPER_SCRUB,
		.memlock_bytes = UINT64_MAX,
		.nofile = 64,
		.cgroup_procs_fd = -1,
	};

	error = seqpacket_send(sockets[0], &task->request, sizeof(task->request), NULL, 0);
	if (!error)
		error = spawn(&child, &task->pid, &task->pidfd);
	close(sockets[1]);
	if (error)
		close(sockets[0]);
	else
		task->result_fd = sockets[0];
	if (!error && task->finish)
		(void)shutdown(task->result_fd, SHUT_WR);
	return error;
}

/* The place in `running` is taken already. A start that fails is reported from the loop, as every other end is. */
static void task_run(struct helper_task *task)
{
	struct timeval deadline = timeval_of_ms(task->deadline_ms);
	const struct timeval now = {0, 0};

	task->error = task_spawn(task);
	fds_close(task->fds, task->fds_count);
	if (!task->error) {
		task->on_death = event_new(task->tasks->supervisor->base, task->pidfd,
			EV_READ | EV_PERSIST, on_death, task);
		if (task->on_death && event_add(task->on_death, NULL) == 0) {
			(void)event_add(task->on_deadline, &deadline);
			return;
		}
		(void)pidfd_send_signal(task->pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)task->pidfd, &(siginfo_t){0}, WEXITED);
		task->error = -ENOMEM;
	}
	task->pid = 0;
	(void)event_add(task->on_deadline, &now);
}

static void lane_next(struct helper_lane *lane)
{
	struct helper_task *task;

	while ((task = TAILQ_FIRST(&lane->queued))) {
		if (lane->running_count >= lane->max)
			return;
		TAILQ_REMOVE(&lane->queued, task, link);
		TAILQ_INSERT_TAIL(&lane->running, task, link);
		lane->running_count++;
		task->tasks->running_count++;
		task_run(task);
	}
}

int helper_task_run(
	struct helper_tasks *tasks, const struct helper_job *job, struct helper_task **ret_task)
{
	struct helper_task *task;
	int error = 0;

	if (job->fds_count > HELPER_TASK_FDS_MAX || !helper_kind_name(job->kind))
		return -EINVAL;
	task = calloc(1, sizeof(*task));
	if (!task)
		return -ENOMEM;
	task->tasks = tasks;
	task->lane = lane_of(tasks, job->kind);
	task->request = job->request;
	task->request.magic = HELPER_MAGIC;
	task->request.kind = (uint32_t)job->kind;
	task->request.fds_count = (uint32_t)job->fds_count;
	task->deadline_ms = job->deadline_ms;
	task->done = job->done;
	task->arg = job->arg;
	task->pidfd = task->result_fd = -1;
	for (; task->fds_count < job->fds_count && !error; task->fds_count++) {
		task->fds[task->fds_count] = fcntl(job->fds[task->fds_count], F_DUPFD_CLOEXEC, 3);
		if (task->fds[task->fds_count] < 0)
			error = -errno;
	}
	task->on_deadline = evtimer_new(tasks->supervisor->base, on_deadline, task);
	if (!error && !task->on_deadline)
		error = -ENOMEM;
	if (error) {
		task_free(task);
		return error;
	}
	TAILQ_INSERT_TAIL(&task->lane->queued, task, link);
	if (ret_task)
		*ret_task = task;
	lane_next(task->lane);
	return 0;
}

int helper_task_start(struct helper_tasks *tasks, enum helper_kind kind, const int *fds,
	size_t n_fds, unsigned int deadline_ms, helper_done done, void *arg)
{
	const struct helper_job job = {.kind = kind,
		.fds = fds,
		.fds_count = n_fds,
		.deadline_ms = deadline_ms,
		.done = done,
		.arg = arg};

	return helper_task_run(tasks, &job, NULL);
}

void helper_task_finish(struct helper_task *task)
{
	task->finish = true;
	if (task->result_fd >= 0)
		(void)shutdown(task->result_fd, SHUT_WR);
}

static void lane_stop(struct helper_lane *lane)
{
	struct helper_task *task;

	while ((task = TAILQ_FIRST(&lane->queued))) {
		TAILQ_REMOVE(&lane->queued, task, link);
		task_free(task);
	}
	TAILQ_FOREACH (task, &lane->running, link) {
		task->done = NULL;
		task_kill(task);
	}
}

void helper_tasks_stop_work(struct helper_tasks *tasks)
{
	lane_stop(&tasks->work);
}

void helper_tasks_stop(struct helper_tasks *tasks)
{
	lane_stop(&tasks->work);
	lane_stop(&tasks->detaches);
	lane_stop(&tasks->unmaps);
}
