/* SPDX-License-Identifier: MIT */
/*
 * Who has a device: the states of one device and nothing else, no fds and no processes (device_server.c has those).
 *
 *              open                cut                 swept, nobody refers to it
 *      FREE ---------> GRANTED ---------> CUT ---------------------------------> RESETTING ---ok---> FREE
 *                                          |                                       ^    \--failed--> QUARANTINED
 *                                          |  swept, somebody still refers to it   |
 *                                          +-------------> HELD -------------------+
 *                                                                  unheld
 *
 *      FREE         nobody's; whoever the policy lets may open it
 *      GRANTED      one session's, and of no other, also not of the same tenant
 *      CUT          no DMA of it reaches memory any more, but the sweep has not ended
 *      HELD         the sweep has ended; an fd, a BAR mapping or an unread message still refers to the device
 *      RESETTING    nobody refers to it; a helper resets it. Opens wait here
 *      QUARANTINED  the reset failed; an administrator's business
 *
 * A device starts in RESETTING too: what a former owner left is not known. With `reset: none` or `unsafe` in the entry by
 * which it was lent there is nothing to reset: it is free at once, but after `none` only for the tenant that had it.
 *
 * An event that does not fit the state is -EINVAL and changes nothing: the caller has lost track, which is a bug.
 */
#ifndef IOMMUB_SUPERVISOR_LEASE_H
#define IOMMUB_SUPERVISOR_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/common/control.h"
#include "policy/policy.h"

struct tenant;

struct lease {
	enum device_state state;
	uint64_t session; /* GRANTED: whose; 0 = none */
	const struct tenant *tenant; /* whose it is or was last; NULL = nobody's since a reset */
	enum policy_reset reset; /* of the entry by which it was lent last */
};

enum lease_answer {
	LEASE_GRANTED, /* it is yours now */
	LEASE_WAIT, /* it is being reset: ask again when that has ended */
	LEASE_BUSY_YOURS, /* this session has it already */
	LEASE_BUSY_SIBLING, /* another session of the same tenant */
	LEASE_BUSY_OTHER, /* another tenant */
	LEASE_HELD,
	LEASE_QUARANTINED,
	LEASE_NOT_RESET, /* lent to another tenant before, and its policy says `reset: none` */
	LEASE_ANSWERS
};

void lease_init(struct lease *lease);
enum lease_answer lease_open(struct lease *lease, uint64_t session, const struct tenant *tenant,
	enum policy_reset reset);
/* GRANTED -> CUT, by its session only: -EINVAL for any other. */
int lease_cut(struct lease *lease, uint64_t session);
/* CUT -> HELD, or what follows a device that nobody holds. */
int lease_swept(struct lease *lease, bool held);
/* HELD -> what follows. */
int lease_unheld(struct lease *lease);
/* RESETTING -> FREE or QUARANTINED. */
int lease_reset_done(struct lease *lease, bool ok);

/* Why not, in words that name no other tenant. NULL for LEASE_GRANTED and LEASE_WAIT. */
const char *lease_answer_text(enum lease_answer answer);

#endif
