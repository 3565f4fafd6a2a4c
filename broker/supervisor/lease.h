/* SPDX-License-Identifier: MIT */
/*
 * Who has a device: the states of one device and nothing else, no fds and no processes (device_server.c and device_life.c
 * have those).
 *
 *              open                cut           nobody refers to it
 *      FREE ---------> GRANTED ---------> CUT ----------------------> RESETTING ---ok---> FREE
 *                                          |                              ^    \--failed--> QUARANTINED
 *                                          |  somebody refers to it       |
 *                                          +-------> HELD ----------------+
 *                                                          nobody does any more
 *
 *      FREE         nobody's; whoever the policy lets may open it
 *      GRANTED      one session's, and of no other, also not of the same tenant; also while that session is being swept
 *      CUT          no mapping of its session is left, so no DMA of it reaches memory; who refers to it is being asked
 *      HELD         an fd, a BAR mapping or an unread message still refers to the device
 *      RESETTING    nobody refers to it; helpers reset and scrub it. Opens wait here
 *      QUARANTINED  the reset or the scrubbing failed; an administrator's business
 *
 * A device starts in RESETTING too: what a former owner left is not known; and one of the kernel's in CUT, since a session
 * of a former supervisor may still have it. With `reset: none` or `unsafe` in the entry by which it was lent there is
 * nothing to reset: it is free at once (`unsafe` with `scrub` after that program), but after `none` only for the tenant that had it,
 * and after `unsafe` for no other tenant whose own entry asks for a reset: both entries have a say.
 *
 * That a device has no reset at all shows when one is tried. If nobody was lent it before, it is then FREE for entries that do not
 * ask for a reset; an entry that does has been refused ever since, so that no owner stands before a reset that cannot be.
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
	bool scrub; /* the same: a program is run before it is anybody else's */
	bool unresettable; /* a reset was tried, and there is none */
};

enum reset_outcome { RESET_OK, RESET_FAILED, RESET_IMPOSSIBLE };

enum lease_answer {
	LEASE_GRANTED, /* it is yours now */
	LEASE_WAIT, /* it is being reset: ask again when that has ended */
	LEASE_BUSY_YOURS, /* this session has it already */
	LEASE_BUSY_SIBLING, /* another session of the same tenant */
	LEASE_BUSY_OTHER, /* another tenant */
	LEASE_HELD,
	LEASE_QUARANTINED,
	LEASE_UNRESETTABLE, /* the entry asks for a reset, and the device has none */
	LEASE_NOT_RESET, /* another tenant's before and not reset since: its entry said `none`, or this one asks for a reset */
	LEASE_ANSWERS
};

void lease_init(struct lease *lease);
/* The same for a device that somebody whom we do not know may have: it starts in CUT. */
void lease_init_unknown(struct lease *lease);
enum lease_answer lease_open(struct lease *lease, uint64_t session, const struct tenant *tenant,
	enum policy_reset reset, bool scrub);
/* GRANTED -> CUT, by its session only: -EINVAL for any other. */
int lease_cut(struct lease *lease, uint64_t session);
/* CUT -> HELD or what follows; HELD -> the same. */
int lease_probed(struct lease *lease, bool held);
/* In RESETTING: is a reset that ended so good enough, so that only the program may follow? */
bool lease_is_cleared(const struct lease *lease, enum reset_outcome outcome);
/* RESETTING -> FREE or QUARANTINED. Where the program followed it is the reset's outcome if the program ended well, else
 * RESET_FAILED; where there was nothing but the program, RESET_OK is its success. */
int lease_reset_done(struct lease *lease, enum reset_outcome outcome);

/* Why not, in words that name no other tenant. NULL for LEASE_GRANTED and LEASE_WAIT. */
const char *lease_answer_text(enum lease_answer answer);

#endif
