/* SPDX-License-Identifier: MIT */
/*
 * iommu-brokerd, the supervisor: one thread, one loop, and everything it knows.
 *
 *      listen.c      accept -> peer.c who -> tenant.c whose -> session_table.c a slot, a fork -> spawn.c
 *                                                                  |
 *      control_server.c   fixed-size structs from a session, each checked, each answered at once or the session dies
 *                                                                  |
 *      device_server.c    inventory.c what there is, lease.c who has it;   pool.c   whose memory it is
 *      sweep.c            the end of a session's context;   device_life.c   what a device goes through between two owners
 *                                                                  |
 *      admin_server.c     the same for an administrator: what there is, and the end of a session by force
 *                                                                  |
 *      helper_task.c      whatever may take seconds is a child of its own, watched by pidfd
 *
 * Three rules make it boring to reason about. It never waits: every socket is non-blocking, a send that would block means
 * that the peer is broken, every child is watched by its pidfd. It reads no byte that a client wrote. And a session
 * gives up what it had in one place only (session_table.c, after it has been reaped), however it ended.
 */
#ifndef IOMMUB_SUPERVISOR_SUPERVISOR_H
#define IOMMUB_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "broker/supervisor/admin_server.h"
#include "broker/supervisor/audit.h"
#include "broker/supervisor/foreign.h"
#include "broker/supervisor/helper_task.h"
#include "broker/supervisor/inventory.h"
#include "broker/supervisor/listen.h"
#include "broker/supervisor/options.h"
#include "broker/supervisor/pool.h"
#include "broker/supervisor/programs.h"
#include "broker/supervisor/session_table.h"
#include "broker/supervisor/tenant.h"
#include "policy/policy.h"

struct event_base;

struct supervisor {
	struct options options;
	struct policy *policy;
	struct event_base *base;
	struct audit *audit;
	struct programs programs;
	int dev_fd; /* /dev, for helpers that open what lies below it; O_PATH */
	int filter_fd; /* the sessions' seccomp program */
	bool switch_uid; /* we are root */
	struct tenants tenants;
	struct pool pool;
	struct inventory inventory;
	struct helper_tasks helpers;
	struct session_table sessions;
	struct listeners listeners;
	struct admins admins;
	struct foreigners foreigners;
	struct audit_bucket refusals; /* connections refused: a line each, within a budget */
	bool serving; /* clients are accepted */
	bool stopping;
};

/* Milliseconds of a clock that only goes forward. */
uint64_t supervisor_now_ms(void);

static inline struct timeval timeval_of_ms(unsigned int ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

/* Look whether a phase has ended: the devices' first reset (then we are ready), or the shutdown. Called by whoever ends
 * something. */
void supervisor_progress(struct supervisor *supervisor);

#endif
