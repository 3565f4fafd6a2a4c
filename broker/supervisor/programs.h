/* SPDX-License-Identifier: MIT */
/*
 * The two programs that the supervisor runs, opened once at start. They are executed by fd: so an upgrade on disk does
 * not mix versions, and a build tree in a home directory works although the session's uid cannot walk to it.
 */
#ifndef IOMMUB_SUPERVISOR_PROGRAMS_H
#define IOMMUB_SUPERVISOR_PROGRAMS_H

#include <stddef.h>

#define PROGRAM_SUPERVISOR "iommu-brokerd"
#define PROGRAM_SESSION "iommu-broker-session"
#define PROGRAM_HELPER "iommu-broker-helper"

struct programs {
	int session_fd; /* O_PATH */
	int helper_fd;
};

/* Look in `dir`; if NULL beside this program, then where they were installed. 0 or -errno with the name of the program
 * that was not found in *ret_missing. */
int programs_open(const char *dir, struct programs *ret, const char **ret_missing);
void programs_close(struct programs *programs);

#endif
