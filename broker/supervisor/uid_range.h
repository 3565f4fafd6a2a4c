/* SPDX-License-Identifier: MIT */
/*
 * The uids that sessions run as. Each tenant has one of its own out of the policy's range, because the kernel adds up
 * locked memory by uid, and because two processes of one uid may signal each other.
 *
 * So a uid of the range must be nobody's: the range meets no line of passwd, no range of subuid, and a uid that any
 * process has now is not given away: that process is a stranger (an error), or a session that a former supervisor
 * left running (its uid is passed over, so that nobody else comes to share it).
 */
#ifndef IOMMUB_SUPERVISOR_UID_RANGE_H
#define IOMMUB_SUPERVISOR_UID_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UID_RANGE_ERROR_MAX 256u

struct uid_range {
	uint64_t first, count;
};

/* Where to look; tests have their own. */
struct uid_sources {
	const char *passwd; /* "/etc/passwd" */
	const char *subuid; /* "/etc/subuid" */
	const char *proc; /* "/proc" */
	const char *session_program; /* basename of a session's /proc/PID/exe … */
	const char *supervisor_program; /* … and before its exec */
};
extern const struct uid_sources uid_sources_host;

/* Give out `n` uids of the range. 0, or -EADDRINUSE (somebody's), -ERANGE (too few), -errno, with a sentence in error. */
int uid_range_assign(const struct uid_range *range, const struct uid_sources *sources, size_t n,
	uid_t *ret_uids, char error[UID_RANGE_ERROR_MAX]);

#endif
