/* SPDX-License-Identifier: MIT */
/*
 * What of root's power the supervisor keeps once it has its sockets and locks: the table in caps.c. All else leaves the
 * permitted, effective and bounding sets, so that neither a bug here nor any child can have it again. CONTRIBUTING.md
 * carries the same list; a test compares both with /proc.
 */
#ifndef IOMMUB_SUPERVISOR_CAPS_H
#define IOMMUB_SUPERVISOR_CAPS_H

#include <stddef.h>
#include <stdint.h>

struct cap_kept {
	unsigned int capability; /* CAP_* */
	const char *name;
	const char *why;
};

const struct cap_kept *caps_kept(size_t *ret_n);

/* The kept ones as a mask, as /proc/PID/status prints it. */
uint64_t caps_mask(void);

/* Root only: keep those and no others. 0 or -errno. */
int caps_reduce(void);

/* In a child after fork: no capability at all in any set, the bounding set included where that is permitted. Safe for a
 * process that has none. 0 or -errno. */
int caps_drop_bounding(void);
int caps_drop_all(void);

#endif
