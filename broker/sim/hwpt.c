/* SPDX-License-Identifier: MIT */
/*
 * Page tables.
 *
 * A page table always holds exactly what its IOAS holds, so the model keeps no second copy: a device's DMA walks the
 * mappings of the IOAS. What a page table changes is the IOAS around it. It raises the alignment to its page size,
 * reserves what it cannot address, and, being the first, has all pages pinned; the last one to go gives that back.
 *
 * The automatic ones are made by an attach to an IOAS and shared by all devices that can use them; they end with their
 * last device.
 */
#include "broker/sim/model.h"

#include <assert.h>
#include <errno.h>

int sim_hwpt_new(struct sim_context *context, struct sim_ioas *ioas, uint32_t address_bits,
	struct sim_hwpt **ret)
{
	struct sim_hwpt *hwpt;
	int r = sim_object_reserve(
		context, SIM_OBJECT_HWPT_PAGING, sizeof(*hwpt), (struct sim_object **)&hwpt);

	if (r < 0)
		return r;
	hwpt->ioas = ioas;
	hwpt->address_bits = address_bits;
	ioas->object.users++;
	*ret = hwpt;
	return 0;
}

static void unpin_before(
	struct sim_context *context, struct sim_ioas *ioas, const struct sim_mapping *end)
{
	struct sim_mapping *m = sim_iova_first(&ioas->map, 0, UINT64_MAX);

	for (; m && m != end; m = sim_iova_next(m))
		sim_pages_unpin(context, m->pages, m->offset, m->last - m->start + 1);
}

static int pin_all(struct sim_context *context, struct sim_ioas *ioas)
{
	struct sim_mapping *m = sim_iova_first(&ioas->map, 0, UINT64_MAX);
	int r;

	for (; m; m = sim_iova_next(m)) {
		r = sim_pages_pin(context, m->pages, m->offset, m->last - m->start + 1);
		if (r < 0) {
			unpin_before(context, ioas, m);
			return r;
		}
	}
	return 0;
}

static int alignment_check(const struct sim_ioas *ioas, uint64_t alignment)
{
	struct sim_mapping *m = sim_iova_first(&ioas->map, 0, UINT64_MAX);

	for (; m; m = sim_iova_next(m)) {
		if ((m->start | (m->last - m->start + 1) | m->offset) & (alignment - 1))
			return -EADDRINUSE;
	}
	return 0;
}

int sim_hwpt_fill(struct sim_context *context, struct sim_hwpt *hwpt)
{
	struct sim_ioas *ioas = hwpt->ioas;
	int r = 0;

	if (ioas->alignment < SIM_PAGE_BYTES)
		r = alignment_check(ioas, SIM_PAGE_BYTES);
	if (r == 0 && hwpt->address_bits < 64)
		r = sim_place_reserve(ioas, UINT64_C(1) << hwpt->address_bits, UINT64_MAX, hwpt);
	if (r < 0)
		return r;
	if (ioas->hwpt_count == 0) {
		r = pin_all(context, ioas);
		if (r < 0) {
			sim_place_unreserve(ioas, hwpt);
			return r;
		}
	}
	ioas->alignment = SIM_PAGE_BYTES;
	ioas->hwpt_count++;
	TAILQ_INSERT_TAIL(&ioas->hwpts, hwpt, link);
	hwpt->filled = true;
	return 0;
}

void sim_hwpt_destroy(struct sim_context *context, struct sim_object *object)
{
	struct sim_hwpt *hwpt = (struct sim_hwpt *)object;
	struct sim_ioas *ioas = hwpt->ioas;

	if (hwpt->filled) {
		TAILQ_REMOVE(&ioas->hwpts, hwpt, link);
		sim_place_unreserve(ioas, hwpt);
		if (--ioas->hwpt_count == 0) {
			unpin_before(context, ioas, NULL);
			ioas->alignment = 1;
		}
	}
	ioas->object.users--;
}

void sim_hwpt_abort(struct sim_context *context, struct sim_hwpt *hwpt)
{
	sim_hwpt_destroy(context, &hwpt->object);
	sim_object_abort(context, &hwpt->object);
}

void sim_hwpt_put(struct sim_context *context, struct sim_hwpt *hwpt)
{
	assert(hwpt->object.users > 0);
	hwpt->object.users--;
	if (hwpt->automatic && hwpt->object.users == 0)
		(void)sim_object_destroy(context, hwpt->object.id);
}
