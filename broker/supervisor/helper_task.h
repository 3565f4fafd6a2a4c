/* SPDX-License-Identifier: MIT */
/*
 * Whatever may take seconds runs in a child: iommu-broker-helper, one task per process, with the fds of that task and no
 * others. The supervisor learns the end from the pidfd, and the outcome from a struct of fixed size that it reads after
 * that. At most HELPER_TASKS_MAX run at a time; more wait, in order. A task that passes its deadline has failed at that
 * moment; its process is killed and forgotten about once it can be reaped, which a process stuck in the kernel may
 * put off, so until then it keeps its place among the HELPER_TASKS_MAX.
 */
#ifndef IOMMUB_SUPERVISOR_HELPER_TASK_H
#define IOMMUB_SUPERVISOR_HELPER_TASK_H

#include <sys/queue.h>
#include <stddef.h>

#include "broker/supervisor/helper_protocol.h"

#define HELPER_TASKS_MAX 8u

struct helper_task;
struct supervisor;

struct helper_tasks {
	struct supervisor *supervisor;
	TAILQ_HEAD(helper_list, helper_task) running, queued;
	unsigned int running_count;
};

/* error: 0, what the task reported, -ETIMEDOUT, or -EIO for a helper that died. */
typedef void (*helper_done)(void *arg, int error);

void helper_tasks_init(struct helper_tasks *tasks, struct supervisor *supervisor);

/* fds are duplicated. done() is called once, later, never from inside this call. 0 or -errno (then it is not called). */
int helper_task_start(struct helper_tasks *tasks, enum helper_kind kind, const int *fds,
	size_t n_fds, unsigned int deadline_ms, helper_done done, void *arg);

/* Kill what runs, drop what waits; no done() is called any more. */
void helper_tasks_stop(struct helper_tasks *tasks);

const char *helper_kind_name(enum helper_kind kind);

#endif
