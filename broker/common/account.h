/* SPDX-License-Identifier: MIT */
/*
 * The ledger of one tenant: two pages of shared memory.
 *
 *   account page  (memfd, mapped writable by the sessions of this tenant only)
 *       a robust process-shared mutex, a cached total, and one slot per session with what that session has charged.
 *       A session writes its own slot under the mutex. If a session dies with the mutex held, the next one gets
 *       EOWNERDEAD and recomputes the total from the slots.
 *   limits page   (another memfd, writable by the supervisor, read-only for sessions: their fd is opened O_RDONLY)
 *       the limits per session and per tenant, what the host has lent this tenant, and a generation.
 *
 * The rule, for every resource R and a session s of tenant t:
 *
 *       slot[s].used[R] + ask  <=  limits.session[R]
 *       sum(slot[].used[R]) + ask  <=  limits.tenant[R]
 *       sum(slot[].used[LOCKED_BYTES]) + ask  <=  lent_bytes          (else: ask the supervisor to lend more)
 *
 * A charge is an object that remembers what it took and gives back exactly that.
 *
 * The supervisor NEVER locks the mutex and never follows anything in the account page: a robust mutex is linked into
 * its owner's robust list through pointers that lie in the page itself, so a hostile session could make the
 * supervisor write anywhere. It only stores zeroes into the slot of a session whose sweep has ended, and then bumps
 * `generation` in the limits page; whoever locks next and sees a new generation recomputes the total.
 * For the same reason a session trusts the page no further than its own tenant reaches, and waits for the mutex with
 * a bound (ACCOUNT_LOCK_MS), after which the charge fails with EAGAIN.
 */
#ifndef IOMMUB_COMMON_ACCOUNT_H
#define IOMMUB_COMMON_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include "broker/common/resource.h"

#define ACCOUNT_PAGE_BYTES 4096u
#define ACCOUNT_SLOTS 56u /* sessions of one tenant at a time: what fits into the page */
#define ACCOUNT_LOCK_MS 1000

struct account_page; /* account.c */

/* The limits page, as the supervisor writes it. 8-byte fields are read and written with atomic loads and stores. */
struct limits_page {
	uint64_t version;
	uint64_t generation; /* bumped when a slot was cleared */
	uint64_t lent_bytes; /* how much locked memory the host has lent this tenant so far */
	struct limits session;
	struct limits tenant;
};

/* --- the supervisor's side ---------------------------------------------------------------------------------- */

struct account_pages {
	int account_fd; /* to hand to sessions, O_RDWR */
	int limits_fd; /* to hand to sessions, O_RDONLY */
	struct account_page *account;
	struct limits_page *limits;
};

/* Make both pages of a tenant: sealed against shrinking and growing, the mutex initialised. 0 or -errno; on success
 * the caller owns *ret and ends it with account_pages_close(). */
int account_pages_open(
	const struct limits *session, const struct limits *tenant, struct account_pages *ret);
void account_pages_close(struct account_pages *pages);

/* Say what the host has lent this tenant. */
void account_lent_set(struct account_pages *pages, uint64_t lent_bytes);

/* Free the slot of a session that is gone and swept. Touches nothing but stores into that slot. */
void account_slot_clear(struct account_pages *pages, unsigned int slot);

/* What a slot says it uses. Written by the tenant itself: for listings, never for decisions. */
uint64_t account_slot_used(
	const struct account_pages *pages, unsigned int slot, enum resource resource);

/* --- a session's side --------------------------------------------------------------------------------------- */

struct account {
	struct account_page *page;
	const struct limits_page *limits;
	unsigned int slot;
};

/* Map both pages. Does not close the fds. 0 or -errno. */
int account_attach(int account_fd, int limits_fd, unsigned int slot, struct account *ret);
void account_detach(struct account *account);

/* What one successful charge took. amount 0 = holds nothing; {0} is a valid empty charge. */
struct charge {
	enum resource resource;
	uint64_t amount;
};

/* Why a charge was refused, ready for a client's Status. */
struct account_denial {
	enum resource resource;
	enum scope scope; /* SCOPE_HOST: more must be lent than the supervisor gave */
	uint64_t limit;
	uint64_t used;
	uint64_t asked;
};

/*
 * Take `amount` of a resource.
 * 0           charged, *ret holds it
 * -EDQUOT     a limit of the session or the tenant; *denial says which
 * -ENOBUFS    within the tenant's limits but above what the host has lent: denial->limit is lent_bytes. Ask the
 *             supervisor for more and try again, or report it as the host's limit.
 * -EAGAIN     the lock was not to be had in time
 * On failure *ret is empty and nothing changed.
 */
int account_charge(struct account *account, enum resource resource, uint64_t amount,
	struct charge *ret, struct account_denial *denial);

/* Give back what a charge took and empty it. An empty charge is fine. Never fails and never waits: if another holds the
 * lock, the slot is lowered without it (only this session writes it) and the total is left to be recomputed. */
void account_release(struct account *account, struct charge *charge);

/* Usage now, of this session or of the whole tenant (for SCOPE_HOST: the whole tenant's), and what limits it
 * (SCOPE_HOST: what the host has lent; UINT64_MAX for what is not lent). */
uint64_t account_used(const struct account *account, enum scope scope, enum resource resource);
uint64_t account_limit(const struct account *account, enum scope scope, enum resource resource);

#endif
