/* SPDX-License-Identifier: MIT */
/*
 * The seccomp filter of a session: which system calls may be made once the sandbox is up, and why.
 *
 * The supervisor compiles it, once, and gives each session the finished program as a sealed memfd
 * (SESSION_FD_FILTER). So a session neither links libseccomp nor can choose its own filter, and
 * reviewing what a session may do is reading one table (filter.c). What depends on the process
 * itself, a pid, is a second filter of a dozen instructions that the session puts on top
 * (broker/session/sandbox.c): process_vm_readv, process_vm_writev and tgkill only on oneself.
 *
 * Everything that is not in the table kills the process. In debug mode it raises SIGSYS instead,
 * whose handler in the session names the call on stderr and then dies.
 *
 * What a filter cannot do is look at what a pointer points to: newfstatat(fd, "", AT_EMPTY_PATH),
 * which is glibc's fstat, could as well name a path. A session taken over could thus learn sizes
 * and times of files that its uid may see, and no content: there is no open in the table.
 */
#ifndef IOMMUB_COMMON_FILTER_H
#define IOMMUB_COMMON_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/common/control.h"

struct session_filter_opts {
	enum control_backend backend; /* the model makes no ioctl at all */
	bool debug; /* a forbidden call is named before it kills */
};

/* Compile the filter into a new memfd (CLOEXEC, sealed): an array of struct sock_filter, at offset
 * 0. 0 or -errno. */
int session_filter_compile(const struct session_filter_opts *opts, int *ret_memfd);

/* ---- the table, for tests and for whoever wants to print it ---- */

enum filter_when {
	FILTER_MODEL = 1,
	FILTER_KERNEL = 2,
	FILTER_SANITIZER = 4, /* only in builds with AddressSanitizer, on either backend */
	FILTER_ALWAYS = FILTER_MODEL | FILTER_KERNEL
};

/* Allowed if (argument[arg] & mask) == value; a rule without a condition has mask 0. */
struct filter_rule {
	const char *call;
	const char *why;
	uint64_t mask;
	uint64_t value;
	int number;
	uint8_t arg;
	uint8_t when; /* enum filter_when, or-ed */
};

const struct filter_rule *session_filter_rules(size_t *ret_n);

#endif
