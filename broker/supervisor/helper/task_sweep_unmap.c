/* SPDX-License-Identifier: MIT */
/*
 * The other half of force: every mapping of every IOAS of a context, then every object that can go.
 *
 * The session is dead, so no IOAS is made any more. But a MAP that the session had begun may go on for seconds and
 * ignores its death; until it ends, UNMAP of that IOAS takes what lies below it and answers EBUSY. And a client that still holds a
 * device attaches it again and again, which holds an IOAS back from DESTROY (the detaching half deals with that). So
 * both are repeated until they have answered 0: first UNMAP for all, since that is when no DMA reaches memory, then
 * DESTROY.
 *
 * Nobody lists the ids of a context, but they are given out lowest first: all up to a bound are asked. Asking costs
 * 0.4 µs an id, so it goes in slices with the busy ones asked again after each. UNMAP tells what an id is: 0 or EBUSY is
 * an IOAS, ENOENT is none. Every page table refers to its IOAS, so when no IOAS is left, no page table is: what remains
 * are devices, and queues for faults and events, each as long as an fd of its own lives.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#include "broker/supervisor/helper/task.h"
#include "iommufd_uapi.h"

#define SLICE 1024u
#define PAGE UINT64_C(4096)
#define DESTROY_ROUNDS 100000u
#define DENSE                                                                                      \
	4096u /* where an honest session has all its ids; dealt with before the others are looked at */

/* Sets of ids; a helper has one context and one life. */
struct id_set {
	uint64_t words[HELPER_IDS_MAX / 64 + 1];
	uint32_t count;
};
static struct id_set ioases, busy, left;

static void id_add(struct id_set *set, uint32_t id)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	if (!(set->words[id / 64] & bit)) {
		set->words[id / 64] |= bit;
		set->count++;
	}
}

static void id_remove(struct id_set *set, uint32_t id)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	if (set->words[id / 64] & bit) {
		set->words[id / 64] &= ~bit;
		set->count--;
	}
}

static bool id_in(const struct id_set *set, uint32_t id)
{
	return set->words[id / 64] >> (id % 64) & 1;
}

/* Ask each id of the set; the asking may remove it. */
static void ids_walk(struct id_set *set, struct helper_work *work,
	void (*ask)(struct helper_work *work, uint32_t id))
{
	for (uint32_t word = 0; set->count && word < sizeof(set->words) / sizeof(set->words[0]);
		word++)
		for (uint64_t bits = set->words[word]; bits; bits &= bits - 1)
			ask(work, word * 64 + (uint32_t)__builtin_ctzll(bits));
}

/* From iova to the last. 0 or -errno. */
static int unmap_from(struct helper_work *work, uint32_t id, uint64_t iova)
{
	struct iommu_ioas_unmap arg = {.size = sizeof(arg),
		.ioas_id = id,
		.iova = iova,
		.length = iova ? -iova : UINT64_MAX};

	if (ioctl(work->fds[0], IOMMU_IOAS_UNMAP, &arg) < 0)
		return -errno;
	work->result->unmapped_bytes += arg.length;
	return 0;
}

/*
 * UNMAP goes upwards and stops at what a MAP is busy with, so what is mapped above that would stay for as long as the MAP takes.
 * It answers EBUSY to every range that begins in or below the busy one, and to none that begins above: the lowest of these
 * is found by halving, and asking for it takes all that is there. One process maps, one call at a time: there is one busy range.
 */
static void unmap_above_busy(struct helper_work *work, uint32_t id)
{
	uint64_t busy_page = 0, free_page = UINT64_MAX / PAGE;

	while (free_page - busy_page > 1) {
		uint64_t page = busy_page + (free_page - busy_page) / 2;

		if (unmap_from(work, id, page * PAGE) == -EBUSY)
			busy_page = page;
		else
			free_page = page;
	}
}

static void ask_unmap(struct helper_work *work, uint32_t id)
{
	int result = unmap_from(work, id, 0);

	if (result == 0) {
		id_add(&ioases, id);
		id_remove(&busy, id);
	} else if (result == -ENOENT) { /* no such object, or none that maps */
		id_remove(&ioases, id);
		id_remove(&busy, id);
	} else { /* also an errno that nobody has seen: better once more than once too little */
		if (result == -EBUSY && !id_in(&busy, id))
			unmap_above_busy(work, id);
		id_add(&ioases, id);
		id_add(&busy, id);
	}
}

static void ask_destroy(struct helper_work *work, uint32_t id)
{
	struct iommu_destroy arg = {.size = sizeof(arg), .id = id};

	if (id_in(&ioases, id))
		ask_unmap(work, id);
	if (ioctl(work->fds[0], IOMMU_DESTROY, &arg) == 0 || errno == ENOENT) {
		id_remove(&ioases, id);
		id_remove(&left, id);
	} else {
		id_add(&left, id);
	}
}

static void ask_kind(struct helper_work *work, uint32_t id)
{
	struct iommu_hw_info info = {.size = sizeof(info), .dev_id = id};

	/* EOPNOTSUPP is a device too. */
	if (ioctl(work->fds[0], IOMMU_GET_HW_INFO, &info) == 0 || errno == EOPNOTSUPP)
		work->result->devices_left++;
	else
		work->result->others_left++;
}

/* Unmap what is an IOAS among [first, end), and until it answers 0 whatever was busy. */
static void unmap_ids(struct helper_work *work, uint32_t first, uint32_t end)
{
	for (uint32_t slice = first; slice < end; slice += SLICE) {
		for (uint32_t id = slice; id < end && id < slice + SLICE; id++)
			ask_unmap(work, id);
		ids_walk(&busy, work, ask_unmap);
	}
	work->result->ioas += ioases.count; /* those of the range before are gone */
	while (busy.count) {
		work->result->rounds++;
		(void)sched_yield();
		ids_walk(&busy, work, ask_unmap);
	}
}

/* Whatever can go among [first, end), until no IOAS is left there. */
static void destroy_ids(struct helper_work *work, uint32_t first, uint32_t end)
{
	/* What was made later, with a higher id, mostly refers to what was made before. */
	for (uint32_t id = end; id-- > first;)
		ask_destroy(work, id);
	/* Each has been unmapped, and nobody is left who could map: one that a client keeps attaching a device to, of which nobody
	 * gave us a duplicate to detach it by, reaches no memory. So it is not waited for without end. */
	for (unsigned int round = 0; ioases.count && round < DESTROY_ROUNDS; round++) {
		work->result->rounds++;
		(void)sched_yield();
		ids_walk(&left, work, ask_destroy);
	}
	ids_walk(&left, work, ask_destroy);
}

int helper_sweep_unmap(struct helper_work *work)
{
	uint32_t end = work->request->ids + 1, dense = end < DENSE ? end : DENSE;

	if (end < 2 || end > HELPER_IDS_MAX + 1)
		return -EINVAL;
	unmap_ids(work, 1, dense);
	destroy_ids(work, 1, dense);
	unmap_ids(work, dense, end);
	if (ioases.count)
		destroy_ids(work, dense, end);
	ids_walk(&left, work, ask_kind);
	return 0;
}
