/* SPDX-License-Identifier: MIT */
/*
 * Pages: the memory of one MAP, shared by every mapping that COPY makes of it, and how much of it is pinned.
 *
 * Nothing is pinned before a page table needs it. From then on a page is pinned once, however many mappings of these
 * pages are in page tables, and counted once; mapping the same memory twice by MAP makes two of these and counts twice.
 *
 * Nearly always a mapping covers all its pages: those are one counter, `whole`. COPY can take a part: such mappings are
 * counted by page in `pins`, disjoint spans of pages, each with its number of users. A page is pinned if `whole` is not
 * zero or a span with users covers it:
 *
 *	pages     |0  1  2  3  4  5  6  7  8  9|
 *	copy a       |--------|                        pins: [1,2] x1  [3,3] x2  [4,6] x1
 *	copy b             |-----------|               partly = 6
 *
 * Pinning here means: the memory is there, and the count grew. The model moves no page and keeps none from moving.
 */
#include "broker/sim/model.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct sim_pin {
	RB_ENTRY(sim_pin) node;
	uint64_t first, last;
	uint32_t users;
};

static int pin_compare(const struct sim_pin *a, const struct sim_pin *b)
{
	return (a->first > b->first) - (a->first < b->first);
}

RB_GENERATE_INTERNAL(sim_pins, sim_pin, node, pin_compare, SIM_TREE_FUNCTION)

int sim_pages_new(struct sim_context *context, struct sim_file *file, uint64_t start,
	uint64_t bytes, bool writable, struct sim_pages **ret)
{
	struct sim_pages *pages = NULL;
	int r = -EINVAL;

	if (bytes > 0 && bytes <= UINT64_MAX - SIM_PAGE_BYTES) {
		pages = calloc(1, sizeof(*pages));
		r = -ENOMEM;
	}
	if (!pages) {
		sim_file_put(context, file);
		return r;
	}
	pages->file = file;
	pages->base = start - start % SIM_PAGE_BYTES;
	pages->count = (start % SIM_PAGE_BYTES + bytes - 1) / SIM_PAGE_BYTES + 1;
	pages->refs = 1;
	pages->writable = writable;
	RB_INIT(&pages->pins);
	*ret = pages;
	return 0;
}

void sim_pages_put(struct sim_context *context, struct sim_pages *pages)
{
	if (!pages || --pages->refs > 0)
		return;
	assert(pages->whole == 0 && RB_EMPTY(&pages->pins));
	sim_file_put(context, pages->file);
	free(pages);
}

/* The first span that ends at or behind `first`. */
static struct sim_pin *pin_at(struct sim_pages *pages, uint64_t first)
{
	struct sim_pin *pin = RB_ROOT(&pages->pins), *found = NULL;

	while (pin) {
		if (pin->last >= first) {
			found = pin;
			pin = RB_LEFT(pin, node);
		} else {
			pin = RB_RIGHT(pin, node);
		}
	}
	return found;
}

static int pin_add(struct sim_pages *pages, uint64_t first, uint64_t last, uint32_t users)
{
	struct sim_pin *pin = calloc(1, sizeof(*pin));

	if (!pin)
		return -ENOMEM;
	pin->first = first;
	pin->last = last;
	pin->users = users;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the tree holds it from here on */
	(void)RB_INSERT(sim_pins, &pages->pins, pin);
	return 0;
}

/* Cut the span around `first`, if there is one, so that one begins there. */
static int pin_cut(struct sim_pages *pages, uint64_t first)
{
	struct sim_pin *pin = pin_at(pages, first);
	uint64_t last;
	int r;

	if (!pin || pin->first >= first)
		return 0;
	last = pin->last;
	pin->last = first - 1;
	r = pin_add(pages, first, last, pin->users);
	if (r < 0)
		pin->last = last;
	return r;
}

/* Make [first, last] consist of whole spans; the new ones have no users. pins_tidy() takes those away again. */
static int pins_cover(struct sim_pages *pages, uint64_t first, uint64_t last)
{
	int r = pin_cut(pages, first);

	if (r == 0 && last < UINT64_MAX)
		r = pin_cut(pages, last + 1);
	for (uint64_t at = first; r == 0 && at <= last;) {
		struct sim_pin *pin = pin_at(pages, at);
		uint64_t hole_last = pin && pin->first <= last ? pin->first - 1 : last;

		if (pin && pin->first == at) {
			at = pin->last + 1;
			continue;
		}
		r = pin_add(pages, at, hole_last, 0);
		at = hole_last + 1;
	}
	return r;
}

/* Take away the spans in [first, last] that nobody uses. */
static void pins_tidy(struct sim_pages *pages, uint64_t first, uint64_t last)
{
	struct sim_pin *pin = pin_at(pages, first), *next;

	for (; pin && pin->first <= last; pin = next) {
		next = RB_NEXT(sim_pins, &pages->pins, pin);
		if (pin->users == 0) {
			(void)RB_REMOVE(sim_pins, &pages->pins, pin);
			free(pin);
		}
	}
}

/* Is the memory of these pages to be had? As the kernel finds out when it pins. */
static int memory_check(const struct sim_pages *pages, uint64_t first, uint64_t last)
{
	const struct sim_file *file = pages->file;
	uint64_t end;

	if (!file)
		return sim_user_probe(pages->base + first * SIM_PAGE_BYTES, last - first + 1);
	if (!file->pinnable || !file->map)
		return -EINVAL;
	if (__builtin_mul_overflow(last + 1, SIM_PAGE_BYTES, &end) ||
		__builtin_add_overflow(end, pages->base, &end) || end > file->bytes ||
		end > file->map_bytes)
		return -EINVAL;
	/* It may be shorter by now. */
	return sim_user_probe((uintptr_t)file->map + end - SIM_PAGE_BYTES, 1) < 0 ? -EINVAL : 0;
}

static int charge(struct sim_context *context, uint64_t count)
{
	struct iommufd_sim *sim = context->sim;

	if (count > sim->pinned_pages_max || sim->pinned_pages > sim->pinned_pages_max - count)
		return -ENOMEM;
	sim->pinned_pages += count;
	context->pinned_pages += count;
	return 0;
}

static void refund(struct sim_context *context, uint64_t count)
{
	assert(context->pinned_pages >= count);
	context->sim->pinned_pages -= count;
	context->pinned_pages -= count;
}

static int pin_whole(struct sim_context *context, struct sim_pages *pages)
{
	int r = 0;

	if (pages->whole == 0) {
		r = memory_check(pages, 0, pages->count - 1);
		if (r == 0)
			r = charge(context, pages->count - pages->partly);
	}
	if (r == 0)
		pages->whole++;
	return r;
}

static int pin_part(
	struct sim_context *context, struct sim_pages *pages, uint64_t first, uint64_t last)
{
	uint64_t fresh = 0;
	struct sim_pin *pin;
	int r = pins_cover(pages, first, last);

	for (pin = pin_at(pages, first); r == 0 && pin && pin->first <= last;
		pin = RB_NEXT(sim_pins, &pages->pins, pin)) {
		if (pin->users > 0)
			continue;
		fresh += pin->last - pin->first + 1;
		if (pages->whole == 0)
			r = memory_check(pages, pin->first, pin->last);
	}
	if (r == 0 && pages->whole == 0)
		r = charge(context, fresh);
	if (r < 0) {
		pins_tidy(pages, first, last);
		return r;
	}
	for (pin = pin_at(pages, first); pin && pin->first <= last;
		pin = RB_NEXT(sim_pins, &pages->pins, pin))
		pin->users++;
	pages->partly += fresh;
	return 0;
}

int sim_pages_pin(
	struct sim_context *context, struct sim_pages *pages, uint64_t offset, uint64_t bytes)
{
	uint64_t first = offset / SIM_PAGE_BYTES, last = (offset + (bytes - 1)) / SIM_PAGE_BYTES;

	assert(last < pages->count);
	if (first == 0 && last == pages->count - 1)
		return pin_whole(context, pages);
	return pin_part(context, pages, first, last);
}

void sim_pages_unpin(
	struct sim_context *context, struct sim_pages *pages, uint64_t offset, uint64_t bytes)
{
	uint64_t first = offset / SIM_PAGE_BYTES, last = (offset + (bytes - 1)) / SIM_PAGE_BYTES;
	uint64_t gone = 0;

	if (first == 0 && last == pages->count - 1) {
		if (--pages->whole == 0)
			refund(context, pages->count - pages->partly);
		return;
	}
	for (struct sim_pin *pin = pin_at(pages, first); pin && pin->first <= last;
		pin = RB_NEXT(sim_pins, &pages->pins, pin)) {
		if (--pin->users == 0)
			gone += pin->last - pin->first + 1;
	}
	pins_tidy(pages, first, last);
	pages->partly -= gone;
	if (pages->whole == 0)
		refund(context, gone);
}

bool sim_pages_address(const struct sim_pages *pages, uint64_t offset, uintptr_t *ret)
{
	uint64_t at;

	if (!pages->file) {
		*ret = (uintptr_t)(pages->base + offset);
		return true;
	}
	if (!pages->file->map || __builtin_add_overflow(pages->base, offset, &at) ||
		at >= pages->file->map_bytes)
		return false;
	*ret = (uintptr_t)pages->file->map + at;
	return true;
}
