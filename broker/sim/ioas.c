/* SPDX-License-Identifier: MIT */
/*
 * An I/O address space: made, asked, told what to keep usable, ended. What is mapped into it is in map.c.
 *
 * A fresh one is all 64 bits wide, with any alignment. Each page table on it raises the alignment to the page size and
 * reserves what the hardware cannot address; each attached device reserves its own windows. All of that goes with them.
 */
#include "broker/sim/model.h"
#include "include/iommufd_uapi.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static int ioas_find(struct sim_context *context, uint32_t id, struct sim_ioas **ret)
{
	return sim_object_find(context, id, SIM_OBJECT_IOAS, (struct sim_object **)ret);
}

int sim_ioas_alloc(struct sim_command *command)
{
	struct iommu_ioas_alloc *in = command->in;
	struct sim_ioas *ioas;
	int r;

	if (in->flags)
		return -EOPNOTSUPP;
	r = sim_object_reserve(
		command->context, SIM_OBJECT_IOAS, sizeof(*ioas), (struct sim_object **)&ioas);
	if (r < 0)
		return r;
	sim_iova_init(&ioas->map);
	TAILQ_INIT(&ioas->reserved);
	RB_INIT(&ioas->allowed);
	TAILQ_INIT(&ioas->hwpts);
	ioas->alignment = 1;
	in->out_ioas_id = ioas->object.id;
	sim_command_respond(command, sizeof(*in));
	sim_object_publish(&ioas->object);
	return 0;
}

void sim_ioas_destroy(struct sim_context *context, struct sim_object *object)
{
	struct sim_ioas *ioas = (struct sim_ioas *)object;
	uint64_t unmapped;
	int r;

	assert(TAILQ_EMPTY(&ioas->hwpts) && TAILQ_EMPTY(&ioas->reserved));
	r = sim_ioas_unmap(context, ioas, 0, UINT64_MAX, &unmapped);
	assert(r == 0);
	(void)r;
	sim_allowed_clear(&ioas->allowed);
}

/* One usable range: counted, and written while there is room. */
static int range_emit(
	struct iommu_ioas_iova_ranges *in, uint32_t room, uint64_t start, uint64_t last)
{
	const struct iommu_iova_range range = {.start = start, .last = last};
	uint64_t at;

	if (in->num_iovas++ >= room)
		return 0;
	at = in->allowed_iovas + (uint64_t)(in->num_iovas - 1) * sizeof(range);
	return sim_user_write(at, &range, sizeof(range)) == sizeof(range) ? 0 : -EFAULT;
}

int sim_ioas_iova_ranges(struct sim_command *command)
{
	struct iommu_ioas_iova_ranges *in = command->in;
	const struct sim_reserved *reserved;
	uint32_t room = in->num_iovas;
	struct sim_ioas *ioas;
	uint64_t start = 0;
	bool end = false;
	int r;

	if (in->__reserved)
		return -EOPNOTSUPP;
	r = ioas_find(command->context, in->ioas_id, &ioas);
	if (r < 0)
		return r;
	in->num_iovas = 0;
	in->out_iova_alignment = ioas->alignment;
	TAILQ_FOREACH (reserved, &ioas->reserved, link) {
		if (reserved->start > start) {
			r = range_emit(in, room, start, reserved->start - 1);
			if (r < 0)
				return r;
		}
		if (reserved->last >= start)
			start = reserved->last + 1;
		if (reserved->last == UINT64_MAX) {
			end = true;
			break;
		}
	}
	if (!end) {
		r = range_emit(in, room, start, UINT64_MAX);
		if (r < 0)
			return r;
	}
	sim_command_respond(command, sizeof(*in));
	return in->num_iovas > room ? -EMSGSIZE : 0;
}

static int allowed_load(struct sim_allowed *allowed, uint64_t address, uint32_t count)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < count; i++) {
		struct iommu_iova_range range;

		if (sim_user_read(&range, address + i * sizeof(range), sizeof(range)) !=
			sizeof(range))
			return -EFAULT;
		r = range.start >= range.last ? -EINVAL
					      : sim_allowed_add(allowed, range.start, range.last);
	}
	return r;
}

int sim_ioas_allow_iovas(struct sim_command *command)
{
	const struct iommu_ioas_allow_iovas *in = command->in;
	struct sim_allowed allowed = RB_INITIALIZER(&allowed);
	struct sim_ioas *ioas;
	int r;

	if (in->__reserved)
		return -EOPNOTSUPP;
	r = ioas_find(command->context, in->ioas_id, &ioas);
	if (r < 0)
		return r;
	r = allowed_load(&allowed, in->allowed_iovas, in->num_iovas);
	if (r == 0)
		r = sim_place_allow(ioas, &allowed);
	sim_allowed_clear(&allowed); /* the old list, or the one that was not taken */
	return r;
}
