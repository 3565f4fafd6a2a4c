/* SPDX-License-Identifier: MIT */
/*
 * Where a mapping may lie.
 *
 * Three lists decide, all of one IOAS:
 *   mappings   disjoint
 *   reserved   what attached devices and page tables take out: a device's MSI window, what an aperture does not reach.
 *              Each span has an owner and goes with it; spans of several owners may overlap. No mapping may touch one.
 *   allowed    what the user wants kept usable: no reserved span may come to touch one (EADDRINUSE at whoever brings it),
 *              and automatic placement stays inside, if there are any. A fixed IOVA may lie outside.
 *
 * Automatic placement is the kernel's: lowest first, never in the first or the last page of the space, as well aligned
 * as the memory itself (up to 2 MiB, so that huge pages can be used), with the memory's offset into its page.
 */
#include "broker/sim/model.h"

#include <errno.h>
#include <stdlib.h>

#define ALIGNMENT_MAX (UINT64_C(2) << 20)

static int span_compare(const struct sim_span *a, const struct sim_span *b)
{
	return (a->start > b->start) - (a->start < b->start);
}

RB_GENERATE_INTERNAL(sim_allowed, sim_span, node, span_compare, SIM_TREE_FUNCTION)

/* The first allowed span that ends at or behind `start`. */
static struct sim_span *allowed_at(const struct sim_allowed *allowed, uint64_t start)
{
	struct sim_span *span = RB_ROOT(allowed), *found = NULL;

	while (span) {
		if (span->last >= start) {
			found = span;
			span = RB_LEFT(span, node);
		} else {
			span = RB_RIGHT(span, node);
		}
	}
	return found;
}

int sim_allowed_add(struct sim_allowed *allowed, uint64_t start, uint64_t last)
{
	struct sim_span *span = allowed_at(allowed, start);

	if (span && span->start <= last)
		return -EINVAL;
	span = calloc(1, sizeof(*span));
	if (!span)
		return -ENOMEM;
	span->start = start;
	span->last = last;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the tree holds it from here on */
	(void)RB_INSERT(sim_allowed, allowed, span);
	return 0;
}

void sim_allowed_clear(struct sim_allowed *allowed)
{
	struct sim_span *span;

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed has left the tree */
	while ((span = RB_ROOT(allowed))) {
		(void)RB_REMOVE(sim_allowed, allowed, span);
		free(span);
	}
}

/* The first reserved span that ends at or behind `start`. Few: one or two a device. */
static const struct sim_reserved *reserved_at(const struct sim_ioas *ioas, uint64_t start)
{
	const struct sim_reserved *reserved;

	TAILQ_FOREACH (reserved, &ioas->reserved, link) {
		if (reserved->last >= start)
			return reserved;
	}
	return NULL;
}

bool sim_place_is_reserved(const struct sim_ioas *ioas, uint64_t start, uint64_t last)
{
	const struct sim_reserved *reserved = reserved_at(ioas, start);

	/* The list is by start, so the first that ends late enough need not begin first of all that do; but if it begins
	 * too late, so do all behind it. */
	return reserved && reserved->start <= last;
}

int sim_place_reserve(struct sim_ioas *ioas, uint64_t start, uint64_t last, const void *owner)
{
	const struct sim_span *span = allowed_at(&ioas->allowed, start);
	struct sim_reserved *reserved, *at;

	if (sim_iova_first(&ioas->map, start, last) || (span && span->start <= last))
		return -EADDRINUSE;
	reserved = calloc(1, sizeof(*reserved));
	if (!reserved)
		return -ENOMEM;
	reserved->start = start;
	reserved->last = last;
	reserved->owner = owner;
	TAILQ_FOREACH (at, &ioas->reserved, link) {
		if (at->start > start)
			break;
	}
	if (at)
		TAILQ_INSERT_BEFORE(at, reserved, link);
	else
		TAILQ_INSERT_TAIL(&ioas->reserved, reserved, link);
	return 0;
}

void sim_place_unreserve(struct sim_ioas *ioas, const void *owner)
{
	struct sim_reserved *reserved, *next;

	for (reserved = TAILQ_FIRST(&ioas->reserved); reserved; reserved = next) {
		next = TAILQ_NEXT(reserved, link);
		if (reserved->owner == owner) {
			TAILQ_REMOVE(&ioas->reserved, reserved, link);
			free(reserved);
		}
	}
}

int sim_place_allow(struct sim_ioas *ioas, struct sim_allowed *allowed)
{
	struct sim_allowed old = ioas->allowed;
	const struct sim_reserved *reserved;

	TAILQ_FOREACH (reserved, &ioas->reserved, link) {
		const struct sim_span *span = allowed_at(allowed, reserved->start);

		if (span && span->start <= reserved->last)
			return -EADDRINUSE;
	}
	ioas->allowed = *allowed;
	*allowed = old;
	return 0;
}

int sim_place_check(const struct sim_ioas *ioas, uint64_t iova, uint64_t length)
{
	uint64_t last;

	if (iova & (ioas->alignment - 1))
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	if (sim_place_is_reserved(ioas, iova, last))
		return -EINVAL;
	if (sim_iova_first(&ioas->map, iova, last))
		return -EEXIST;
	return 0;
}

/* What is looked for, and the test whether it fits into [*start, last]: if so, *start becomes where. */
struct want {
	uint64_t length, alignment, page_offset;
};

static bool want_fits(const struct want *want, uint64_t *start, uint64_t last)
{
	uint64_t at;

	if (__builtin_add_overflow(*start, want->alignment - 1, &at))
		return false;
	at &= ~(want->alignment - 1);
	at |= want->page_offset;
	if (at >= last || last - at < want->length - 1)
		return false;
	*start = at;
	return true;
}

/* Look between mappings within [start, last], where nothing is reserved. */
static bool find_unreserved(const struct sim_ioas *ioas, const struct want *want, uint64_t start,
	uint64_t last, uint64_t *ret_iova)
{
	uint64_t from, to;

	while (sim_iova_hole(&ioas->map, start, last, want->length, &from, &to)) {
		if (want_fits(want, &from, to)) {
			*ret_iova = from;
			return true;
		}
		if (to == last)
			break;
		start = to + 1;
	}
	return false;
}

/* Look within one allowed span: between the reserved ones. */
static bool find_allowed(const struct sim_ioas *ioas, const struct want *want, uint64_t start,
	uint64_t last, uint64_t *ret_iova)
{
	if (!want_fits(want, &start, last))
		return false;
	for (;;) {
		const struct sim_reserved *reserved = reserved_at(ioas, start);
		bool cut = reserved && reserved->start <= last;

		if (!cut)
			return find_unreserved(ioas, want, start, last, ret_iova);
		if (reserved->start > start &&
			find_unreserved(ioas, want, start, reserved->start - 1, ret_iova))
			return true;
		if (reserved->last >= last)
			return false;
		start = reserved->last + 1;
	}
}

static uint64_t power_of_two_up(uint64_t n)
{
	return n <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(n - 1));
}

int sim_place_find(struct sim_ioas *ioas, uint64_t address, uint64_t length, uint64_t *ret_iova)
{
	const uint64_t lowest = SIM_PAGE_BYTES, highest = UINT64_MAX - SIM_PAGE_BYTES;
	struct want want = {.length = length, .page_offset = address % SIM_PAGE_BYTES};
	struct sim_span *span;

	if (length == 0 || length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	want.alignment = power_of_two_up(length);
	if (address && (address & -address) < want.alignment)
		want.alignment = address & -address;
	if (want.alignment > ALIGNMENT_MAX)
		want.alignment = ALIGNMENT_MAX;
	if (want.alignment < ioas->alignment)
		return -EINVAL;

	if (RB_EMPTY(&ioas->allowed))
		return find_allowed(ioas, &want, lowest, highest, ret_iova) ? 0 : -ENOSPC;
	for (span = allowed_at(&ioas->allowed, lowest); span;) {
		uint64_t start = span->start > lowest ? span->start : lowest, last = span->last;

		/* Spans that touch are one. */
		span = RB_NEXT(sim_allowed, NULL, span);
		for (; span && span->start - 1 == last; span = RB_NEXT(sim_allowed, NULL, span))
			last = span->last;
		if (start > highest)
			break;
		if (find_allowed(ioas, &want, start, last < highest ? last : highest, ret_iova))
			return 0;
	}
	return -ENOSPC;
}
