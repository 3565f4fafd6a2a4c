/* SPDX-License-Identifier: MIT */
/*
 * The tasks of iommu-broker-helper: one row each, with the number of fds it is given, the system calls that it may make
 * besides those that every task needs to report and to end, and the ioctls. Anything else kills it, which the supervisor
 * takes for a failure. A program that the policy names (scrub) cannot be known so well: its row has no filter.
 */
#ifndef IOMMUB_SUPERVISOR_HELPER_TASK_TABLE_H
#define IOMMUB_SUPERVISOR_HELPER_TASK_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/supervisor/helper_protocol.h"

#define HELPER_CALLS_MAX 8u
#define HELPER_IOCTLS_MAX 6u

/* What a task works with, and what it leaves. */
struct helper_work {
	const struct helper_request *request;
	int fds[HELPER_TASK_FDS_MAX]; /* request->fds_count of them */
	struct helper_result *result; /* zeroed; `error` is what run() returns */
	int result_fd; /* sent with the result; -1: none */
};

struct helper_row {
	const char *name;
	enum helper_kind kind;
	unsigned int fds_min, fds_max;
	int calls[HELPER_CALLS_MAX]; /* SCMP_SYS(), ended by -1 */
	unsigned long ioctls[HELPER_IOCTLS_MAX]; /* ended by 0 */
	bool unfiltered;
	int (*run)(struct helper_work *work); /* 0 or -errno */
};

/* NULL: no such task. */
const struct helper_row *helper_row_find(const char *name);

/* Nothing but the row's calls from here on. 0 or -errno. */
int helper_filter_load(const struct helper_row *row);

int helper_device_reset(struct helper_work *work); /* task_device_reset.c */
int helper_open(struct helper_work *work); /* task_device.c, and the next two */
int helper_probe(struct helper_work *work);
int helper_reset(struct helper_work *work);
int helper_sweep_detach(struct helper_work *work); /* task_sweep_detach.c */
int helper_sweep_unmap(struct helper_work *work); /* task_sweep_unmap.c */
int helper_scrub(struct helper_work *work); /* task_scrub.c */

#endif
