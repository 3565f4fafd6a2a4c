/* SPDX-License-Identifier: MIT */
/*
 * A session's side of the ledger.
 *
 * `total` is a cache of the sum over the slots. Three things make it wrong, and each leaves a mark
 * that the next holder of the lock sees before it decides anything:
 *
 *   a session died between writing its slot and the total      the robust mutex answers EOWNERDEAD
 *   the supervisor cleared the slot of a swept session         limits->generation != page->generation
 *   a session gave back while another held the lock            page->stale, set after the slot was lowered
 *
 * In every case the slots are right and the cure is to add them up again (56 loads). In every case
 * but the first the total was too high, never too low, so that no limit is exceeded meanwhile; in
 * the first nobody has looked yet.
 *
 * A slot is written by its own session (under the lock, except to lower it) and by the supervisor,
 * once that session is gone. Sums saturate: a sibling that writes nonsense into the page gets its
 * own tenant refused, nothing else.
 */
#include "broker/common/account_page.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t load(const uint64_t *where)
{
	return __atomic_load_n(where, __ATOMIC_RELAXED);
}

static void store(uint64_t *where, uint64_t value)
{
	__atomic_store_n(where, value, __ATOMIC_RELAXED);
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t sub_saturated(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t slots_sum(const struct account_page *page, unsigned int resource)
{
	uint64_t sum = 0;

	for (unsigned int slot = 0; slot < ACCOUNT_SLOTS; slot++)
		sum = add_saturated(sum, load(&page->slots[slot].used[resource]));
	return sum;
}

int account_attach(int account_fd, int limits_fd, unsigned int slot, struct account *ret)
{
	void *page, *limits;

	if (slot >= ACCOUNT_SLOTS)
		return -EINVAL;
	page = mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, account_fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	limits = mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ, MAP_SHARED, limits_fd, 0);
	if (limits == MAP_FAILED ||
		((const struct limits_page *)limits)->version != LIMITS_VERSION) {
		int error = limits == MAP_FAILED ? -errno : -EPROTO;

		if (limits != MAP_FAILED)
			(void)munmap(limits, ACCOUNT_PAGE_BYTES);
		(void)munmap(page, ACCOUNT_PAGE_BYTES);
		return error;
	}
	*ret = (struct account){.page = page, .limits = limits, .slot = slot};
	return 0;
}

void account_detach(struct account *account)
{
	if (!account || !account->page)
		return;
	(void)munmap(account->page, ACCOUNT_PAGE_BYTES);
	(void)munmap((void *)account->limits, ACCOUNT_PAGE_BYTES);
	*account = (struct account){0};
}

/* With the lock held: make `total` true again if one of the three marks says that it is not. */
static void totals_refresh(struct account *account, bool owner_died)
{
	struct account_page *page = account->page;
	uint64_t generation = __atomic_load_n(&account->limits->generation, __ATOMIC_ACQUIRE);
	bool stale = __atomic_exchange_n(&page->stale, 0, __ATOMIC_ACQUIRE) != 0;

	if (!owner_died && !stale && load(&page->generation) == generation)
		return;
	for (unsigned int i = 0; i < RESOURCE_END; i++)
		store(&page->total.used[i], slots_sum(page, i));
	store(&page->generation, generation);
}

/* wait_ms 0: try once. 0 with the lock held and the total true, or -EAGAIN. */
static int account_lock(struct account *account, unsigned int wait_ms)
{
	pthread_mutex_t *lock = &account->page->lock;
	int error = pthread_mutex_trylock(lock);

	if (error == EBUSY && wait_ms > 0) {
		struct timespec until;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += wait_ms / 1000;
		until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		error = pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until);
	}
	if (error && error != EOWNERDEAD)
		return -EAGAIN;
	if (error == EOWNERDEAD)
		(void)pthread_mutex_consistent(lock);
	totals_refresh(account, error == EOWNERDEAD);
	return 0;
}

static void account_unlock(struct account *account)
{
	(void)pthread_mutex_unlock(&account->page->lock);
}

static bool fits(uint64_t used, uint64_t amount, uint64_t limit)
{
	uint64_t sum;

	return !__builtin_add_overflow(used, amount, &sum) && sum <= limit;
}

/* With the lock held. 0, -EDQUOT or -ENOBUFS with *denial. */
static int charge_permitted(const struct account *account, enum resource resource, uint64_t amount,
	struct account_denial *denial)
{
	uint64_t mine = load(&account->page->slots[account->slot].used[resource]);
	uint64_t total = load(&account->page->total.used[resource]);
	struct account_denial no = {.resource = resource, .asked = amount, .used = total};

	no.limit = account_limit(account, SCOPE_SESSION, resource);
	if (!fits(mine, amount, no.limit)) {
		no.scope = SCOPE_SESSION;
		no.used = mine;
		*denial = no;
		return -EDQUOT;
	}
	no.limit = account_limit(account, SCOPE_TENANT, resource);
	if (!fits(total, amount, no.limit)) {
		no.scope = SCOPE_TENANT;
		*denial = no;
		return -EDQUOT;
	}
	no.limit = account_limit(account, SCOPE_HOST, resource);
	if (!fits(total, amount, no.limit)) {
		no.scope = SCOPE_HOST;
		*denial = no;
		return -ENOBUFS;
	}
	return 0;
}

int account_charge(struct account *account, enum resource resource, uint64_t amount,
	struct charge *ret, struct account_denial *denial)
{
	uint64_t *mine, *total;
	int error;

	*ret = (struct charge){0};
	if ((unsigned int)resource < RESOURCE_LOCKED_BYTES || resource >= RESOURCE_END)
		return -EINVAL;
	if (amount == 0)
		return 0;
	error = account_lock(account, ACCOUNT_LOCK_MS);
	if (error)
		return error;
	error = charge_permitted(account, resource, amount, denial);
	if (!error) {
		mine = &account->page->slots[account->slot].used[resource];
		total = &account->page->total.used[resource];
		/* The slot first: whoever dies in between leaves the truth in the slots. */
		store(mine, load(mine) + amount);
		store(total, load(total) + amount);
		*ret = (struct charge){.resource = resource, .amount = amount};
	}
	account_unlock(account);
	return error;
}

void account_release(struct account *account, struct charge *charge)
{
	struct account_page *page = account->page;
	uint64_t *mine = &page->slots[account->slot].used[charge->resource];
	uint64_t *total = &page->total.used[charge->resource];
	uint64_t amount = charge->amount;
	bool locked;

	if (amount == 0)
		return;
	locked = account_lock(account, 0) == 0;
	store(mine, sub_saturated(load(mine), amount));
	if (locked) {
		store(total, sub_saturated(load(total), amount));
		account_unlock(account);
	} else {
		__atomic_store_n(&page->stale, 1, __ATOMIC_RELEASE);
	}
	*charge = (struct charge){0};
}

uint64_t account_used(const struct account *account, enum scope scope, enum resource resource)
{
	if ((unsigned int)resource >= RESOURCE_END)
		return 0;
	if (scope == SCOPE_SESSION)
		return load(&account->page->slots[account->slot].used[resource]);
	return slots_sum(account->page, resource);
}

uint64_t account_limit(const struct account *account, enum scope scope, enum resource resource)
{
	if ((unsigned int)resource >= RESOURCE_END)
		return 0;
	switch (scope) {
	case SCOPE_SESSION:
		return load(&account->limits->session.max[resource]);
	case SCOPE_TENANT:
		return load(&account->limits->tenant.max[resource]);
	case SCOPE_HOST:
		/* Only memory is lent in shares. */
		return resource == RESOURCE_LOCKED_BYTES
			       ? __atomic_load_n(&account->limits->lent_bytes, __ATOMIC_ACQUIRE)
			       : UINT64_MAX;
	}
	return 0;
}
