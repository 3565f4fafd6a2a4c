/* SPDX-License-Identifier: MIT */
/*
 * Whatever may take seconds runs in a child: iommu-broker-helper, one task per process, with the fds of that task and no
 * others. The supervisor learns the end from the pidfd, and the outcome from a struct of fixed size that it reads after
 * that (helper_protocol.h). A task that passes its deadline has failed at that moment; its process group is killed and
 * forgotten about once it can be reaped, which a process stuck in the kernel may put off.
 *
 * At most HELPER_TASKS_MAX run at a time; more wait, in order. The two sweeps are not among them, since force must not
 * wait for somebody's reset, and each has a lane of its own, HELPER_SWEEPS_MAX wide: a detach ends only after an unmap
 * has, so unmaps that waited behind detaches would wait for ever.
 */
#ifndef IOMMUB_SUPERVISOR_HELPER_TASK_H
#define IOMMUB_SUPERVISOR_HELPER_TASK_H

#include <sys/queue.h>
#include <stddef.h>

#include "broker/supervisor/helper_protocol.h"

#define HELPER_TASKS_MAX 8u
#define HELPER_SWEEPS_MAX 64u

struct helper_task;
struct supervisor;

struct helper_lane {
	TAILQ_HEAD(helper_list, helper_task) running, queued;
	unsigned int running_count, max;
};

struct helper_tasks {
	struct supervisor *supervisor;
	struct helper_lane work, detaches, unmaps;
	unsigned int running_count; /* of all */
};

struct helper_report {
	int error; /* 0, what the task reported, -ETIMEDOUT, or -EIO for a helper that died */
	int fd; /* HELPER_OPEN that succeeded: the caller's to close; else -1 */
	struct helper_result result; /* zeroed where the task reported nothing */
};

typedef void (*helper_done)(void *arg, const struct helper_report *report);

struct helper_job {
	enum helper_kind kind;
	const int *fds; /* duplicated */
	size_t fds_count;
	struct helper_request request; /* magic, kind and fds_count are filled in */
	unsigned int deadline_ms; /* from the start of its process */
	helper_done done;
	void *arg;
};

void helper_tasks_init(struct helper_tasks *tasks, struct supervisor *supervisor);

/* done() is called once, later, never from inside this call. 0 or -errno (then it is not called). *ret_task, where
 * somebody wants it, may be used until done() is called. */
int helper_task_run(
	struct helper_tasks *tasks, const struct helper_job *job, struct helper_task **ret_task);

/* Tell a HELPER_SWEEP_DETACH to do a last round and to end; also one that waits for its start. */
void helper_task_finish(struct helper_task *task);

/* The same for a task that needs nothing but fds. */
int helper_task_start(struct helper_tasks *tasks, enum helper_kind kind, const int *fds,
	size_t n_fds, unsigned int deadline_ms, helper_done done, void *arg);

/* Kill what runs, drop what waits; no done() is called any more. Sweeps go on: they are what an orderly end waits for. */
void helper_tasks_stop_work(struct helper_tasks *tasks);
/* The same, and the sweeps too. */
void helper_tasks_stop(struct helper_tasks *tasks);

const char *helper_kind_name(enum helper_kind kind);

#endif
