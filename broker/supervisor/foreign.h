/* SPDX-License-Identifier: MIT */
/*
 * Sessions of a former supervisor. Whoever is killed leaves his sessions running: they serve their clients, map and unmap, and know
 * that nobody can be asked. We have neither their control sockets nor their iommufds, so they are shown, and that is all: what they
 * have of devices a probe finds to be held, and what they have locked counts in the kernel, under their tenant's uid.
 *
 * They are looked for once, at the start, by their uid (a range that is ours alone), the name under which they were started, and a
 * parent that is no broker: sessions of one that lives are its own. Each is watched until its end.
 */
#ifndef IOMMUB_SUPERVISOR_FOREIGN_H
#define IOMMUB_SUPERVISOR_FOREIGN_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/common/control.h"

#define FOREIGN_MAX 256u
#define FOREIGN_ID (UINT64_C(1) << 63) /* or-ed to the pid: what pages of the list go by */

struct foreign;
struct supervisor;

struct foreigners {
	LIST_HEAD(foreign_list, foreign) all;
	unsigned int count;
};

/* Before there is any session of ours. `proc` is "/proc", or a test's. */
void foreigners_find(struct supervisor *supervisor, const char *proc);
void foreigners_forget(struct supervisor *supervisor);

/* The one with the lowest id above `after`: true with *ret filled. */
bool foreigner_next(
	const struct supervisor *supervisor, uint64_t after, struct control_admin_session *ret);

#endif
