/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/helper_task.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
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
	enum helper_kind kind;
	int fds[HELPER_TASK_FDS_MAX];
	size_t fds_count;
	unsigned int deadline_ms;
	helper_done done; /* NULL: has been told */
	void *arg;
	pid_t pid; /* 0: could not be started */
	int pidfd, result_fd;
	struct event *on_death, *on_deadline;
	int error; /* why it could not be started */
};

static void tasks_next(struct helper_tasks *tasks);

const char *helper_kind_name(enum helper_kind kind)
{
	return kind == HELPER_DEVICE_RESET ? "device-reset" : NULL;
}

void helper_tasks_init(struct helper_tasks *tasks, struct supervisor *supervisor)
{
	tasks->supervisor = supervisor;
	tasks->running_count = 0;
	TAILQ_INIT(&tasks->running);
	TAILQ_INIT(&tasks->queued);
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

static void task_tell(struct helper_task *task, int error)
{
	helper_done done = task->done;
	struct audit_record record;

	task->done = NULL;
	if (!done)
		return;
	if (error) {
		audit_begin(&record, "helper.failed");
		audit_string(&record, "task", helper_kind_name(task->kind));
		audit_errno(&record, "error", error);
		audit_emit(task->tasks->supervisor->audit, AUDIT_WARNING, &record);
	}
	done(task->arg, error);
}

/* What a dead helper left: its word counts only together with a clean exit. */
static int task_result(const struct helper_task *task, const siginfo_t *info)
{
	struct helper_result result;
	size_t n_fds = 0;
	ssize_t bytes;

	if (info->si_code != CLD_EXITED || info->si_status != 0)
		return -EIO;
	bytes = seqpacket_recv(task->result_fd, &result, sizeof(result), NULL, 0, &n_fds);
	if (bytes != sizeof(result) || result.magic != HELPER_MAGIC ||
		result.kind != (uint32_t)task->kind || result.reserved || result.error > 0 ||
		result.error < -4095)
		return -EIO;
	return result.error;
}

static void task_end(struct helper_task *task, int error)
{
	struct helper_tasks *tasks = task->tasks;

	TAILQ_REMOVE(&tasks->running, task, link);
	tasks->running_count--;
	task_tell(task, error);
	task_free(task);
	tasks_next(tasks);
	supervisor_progress(tasks->supervisor);
}

static void on_death(evutil_socket_t fd, short events, void *arg)
{
	struct helper_task *task = arg;
	siginfo_t info = {0};

	(void)fd;
	(void)events;
	if (waitid(P_PIDFD, (id_t)task->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	task_end(task, task_result(task, &info));
}

static void on_deadline(evutil_socket_t fd, short events, void *arg)
{
	struct helper_task *task = arg;

	(void)fd;
	(void)events;
	if (task->pid == 0) {
		task_end(task, task->error);
		return;
	}
	(void)pidfd_send_signal(task->pidfd, SIGKILL, NULL, 0);
	task_tell(task, -ETIMEDOUT);
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
		.argument = helper_kind_name(task->kind),
		.fds = fds,
		.fds_count = 1 + task->fds_count,
		.keep_stderr = supervisor->options.debug,
		.memlock_bytes = UINT64_MAX,
		.nofile = 64,
		.cgroup_procs_fd = -1,
	};

	error = spawn(&child, &task->pid, &task->pidfd);
	close(sockets[1]);
	if (error)
		close(sockets[0]);
	else
		task->result_fd = sockets[0];
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

static void tasks_next(struct helper_tasks *tasks)
{
	struct helper_task *task;

	while (tasks->running_count < HELPER_TASKS_MAX && (task = TAILQ_FIRST(&tasks->queued))) {
		TAILQ_REMOVE(&tasks->queued, task, link);
		TAILQ_INSERT_TAIL(&tasks->running, task, link);
		tasks->running_count++;
		task_run(task);
	}
}

int helper_task_start(struct helper_tasks *tasks, enum helper_kind kind, const int *fds,
	size_t n_fds, unsigned int deadline_ms, helper_done done, void *arg)
{
	struct helper_task *task;
	int error = 0;

	if (n_fds > HELPER_TASK_FDS_MAX || !helper_kind_name(kind))
		return -EINVAL;
	task = calloc(1, sizeof(*task));
	if (!task)
		return -ENOMEM;
	task->tasks = tasks;
	task->kind = kind;
	task->deadline_ms = deadline_ms;
	task->done = done;
	task->arg = arg;
	task->pidfd = task->result_fd = -1;
	for (; task->fds_count < n_fds && !error; task->fds_count++) {
		task->fds[task->fds_count] = fcntl(fds[task->fds_count], F_DUPFD_CLOEXEC, 3);
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
	TAILQ_INSERT_TAIL(&tasks->queued, task, link);
	tasks_next(tasks);
	return 0;
}

void helper_tasks_stop(struct helper_tasks *tasks)
{
	struct helper_task *task;

	while ((task = TAILQ_FIRST(&tasks->queued))) {
		TAILQ_REMOVE(&tasks->queued, task, link);
		task_free(task);
	}
	TAILQ_FOREACH (task, &tasks->running, link) {
		task->done = NULL;
		if (task->pid)
			(void)pidfd_send_signal(task->pidfd, SIGKILL, NULL, 0);
	}
}
