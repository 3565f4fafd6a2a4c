/* SPDX-License-Identifier: MIT */
/*
 * The tasks of iommu-broker-helper: one row each, with the number of fds it is given and the system calls that it may
 * make, besides those that every task needs to report and to end. Anything else kills it, which the supervisor takes
 * for a failure.
 */
#ifndef IOMMUB_SUPERVISOR_HELPER_TASK_TABLE_H
#define IOMMUB_SUPERVISOR_HELPER_TASK_TABLE_H

#include <stddef.h>

#include "broker/supervisor/helper_protocol.h"

#define HELPER_CALLS_MAX 8u

struct helper_row {
	const char *name;
	enum helper_kind kind;
	size_t fds_count;
	int calls[HELPER_CALLS_MAX]; /* SCMP_SYS(), ended by -1 */
	int (*run)(const int *fds); /* 0 or -errno */
};

/* NULL: no such task. */
const struct helper_row *helper_row_find(const char *name);

/* Nothing but the row's calls from here on. 0 or -errno. */
int helper_filter_load(const struct helper_row *row);

/* task_device_reset.c */
int helper_device_reset(const int *fds);

#endif
