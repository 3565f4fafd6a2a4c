/* SPDX-License-Identifier: MIT */
/*
 * Between the supervisor and a helper: argv[1] names the task, fd 3 takes one struct helper_result, fds 4… are what the
 * task works on. A task that did not write its result, or did not exit with 0 after it, has failed.
 */
#ifndef IOMMUB_SUPERVISOR_HELPER_PROTOCOL_H
#define IOMMUB_SUPERVISOR_HELPER_PROTOCOL_H

#include <stdint.h>

#define HELPER_FD_RESULT 3
#define HELPER_FD_TASK 4
#define HELPER_TASK_FDS_MAX 4u
#define HELPER_MAGIC 0x68656c70u

enum helper_kind {
	HELPER_DEVICE_RESET = 1, /* fd 4: the state memfd of a device of the model */
	HELPER_KINDS
};

struct helper_result {
	uint32_t magic;
	uint32_t kind; /* enum helper_kind */
	int32_t error; /* 0 or a negative errno */
	uint32_t reserved;
};

#endif
