/* SPDX-License-Identifier: MIT */
/*
 * A device and its page table.
 *
 * The hardware translates by group, so the first device of a group that attaches brings the group's page table, and the
 * others can only follow to the same one (EINVAL otherwise). Each device adds its own reserved windows to the IOAS.
 * Attaching a device that is attached replaces: the whole group moves, or nothing changes.
 *
 * To attach to an IOAS is to attach to one of its automatic page tables that suits the device, or to a new one.
 *
 * PASID 0 is the device itself, but who attached it by that name is remembered apart: then only ATTACH by PASID 0
 * replaces it (a plain one is EBUSY, and the reverse), and only DETACH by PASID 0 detaches it (a plain one does nothing).
 */
#include "broker/sim/model.h"

#include <errno.h>

/* Where an x86 device's writes are interrupts, not memory. */
#define MSI_START UINT64_C(0xfee00000)
#define MSI_LAST UINT64_C(0xfeefffff)

/* Attach, or replace. On success *ret_old is a page table that the caller puts back, or NULL. */
typedef int attach_fn(struct sim_device *device, struct sim_hwpt *hwpt, struct sim_hwpt **ret_old);

static int window_reserve(struct sim_ioas *ioas, const struct sim_device *device)
{
	return sim_place_reserve(ioas, MSI_START, MSI_LAST, device);
}

static int attach_first(struct sim_device *device, struct sim_hwpt *hwpt, struct sim_hwpt **ret_old)
{
	struct sim_group *group = device->group;
	int r;

	if (group->hwpt && group->hwpt != hwpt)
		return -EINVAL;
	r = window_reserve(hwpt->ioas, device);
	if (r < 0)
		return r;
	if (hwpt->address_bits > device->address_bits) {
		sim_place_unreserve(hwpt->ioas, device);
		return -EINVAL;
	}
	group->hwpt = hwpt;
	TAILQ_INSERT_TAIL(&group->attached, device, attached_link);
	device->attached = true;
	device->object->object.users++;
	hwpt->object.users++;
	*ret_old = NULL;
	return 0;
}

static void windows_unreserve(struct sim_group *group, struct sim_ioas *ioas)
{
	struct sim_device *device;

	TAILQ_FOREACH (device, &group->attached, attached_link)
		sim_place_unreserve(ioas, device);
}

static int attach_replace(
	struct sim_device *device, struct sim_hwpt *hwpt, struct sim_hwpt **ret_old)
{
	struct sim_group *group = device->group;
	struct sim_hwpt *old = group->hwpt;
	struct sim_device *each;
	int r = 0;

	if (hwpt == old) {
		*ret_old = NULL;
		return 0;
	}
	if (hwpt->ioas != old->ioas) {
		TAILQ_FOREACH (each, &group->attached, attached_link) {
			r = window_reserve(hwpt->ioas, each);
			if (r < 0)
				break;
		}
	}
	if (r == 0 && hwpt->address_bits > device->address_bits)
		r = -EINVAL;
	if (r < 0) {
		if (hwpt->ioas != old->ioas)
			windows_unreserve(group, hwpt->ioas);
		return r;
	}
	if (hwpt->ioas != old->ioas)
		windows_unreserve(group, old->ioas);
	group->hwpt = hwpt;
	/* The references move with the devices; the last on the old one is the caller's to put back. */
	TAILQ_FOREACH (each, &group->attached, attached_link) {
		hwpt->object.users++;
		old->object.users--;
	}
	old->object.users++;
	*ret_old = old;
	return 0;
}

/* A new automatic page table. Attach comes before fill and replace after it, as in the kernel: their errors differ. */
static int attach_new(struct sim_device *device, struct sim_ioas *ioas, attach_fn *attach,
	uint32_t *pt_id, struct sim_hwpt **ret_old)
{
	struct sim_context *context = device->context;
	bool fill_first = attach == attach_replace;
	struct sim_hwpt *hwpt;
	int r = sim_hwpt_new(context, ioas, device->address_bits, &hwpt);

	if (r < 0)
		return r;
	if (fill_first)
		r = sim_hwpt_fill(context, hwpt);
	if (r == 0)
		r = attach(device, hwpt, ret_old);
	if (r == 0 && !fill_first) {
		r = sim_hwpt_fill(context, hwpt);
		if (r < 0)
			sim_device_detach(device);
	}
	if (r < 0) {
		sim_hwpt_abort(context, hwpt);
		return r;
	}
	hwpt->automatic = true;
	sim_object_publish(&hwpt->object);
	*pt_id = hwpt->object.id;
	return 0;
}

static int attach_automatic(struct sim_device *device, struct sim_ioas *ioas, attach_fn *attach,
	uint32_t *pt_id, struct sim_hwpt **ret_old)
{
	struct sim_hwpt *hwpt;

	TAILQ_FOREACH (hwpt, &ioas->hwpts, link) {
		int r;

		if (!hwpt->automatic)
			continue;
		r = attach(device, hwpt, ret_old);
		if (r == -EINVAL)
			continue; /* does not suit the device */
		if (r == 0)
			*pt_id = hwpt->object.id;
		return r;
	}
	return attach_new(device, ioas, attach, pt_id, ret_old);
}

/* It is attached under its other name. */
static int attach_busy(struct sim_device *device, struct sim_hwpt *hwpt, struct sim_hwpt **ret_old)
{
	(void)device;
	(void)hwpt;
	(void)ret_old;
	return -EBUSY;
}

static attach_fn *attach_how(const struct sim_device *device, bool by_pasid)
{
	if (!device->attached)
		return attach_first;
	return device->by_pasid == by_pasid ? attach_replace : attach_busy;
}

int sim_device_attach(struct sim_device *device, bool by_pasid, uint32_t *pt_id)
{
	attach_fn *attach = attach_how(device, by_pasid);
	struct sim_hwpt *old = NULL;
	struct sim_object *object;
	int r = sim_object_find(device->context, *pt_id, SIM_OBJECT_ANY, &object);

	if (r < 0)
		return r;
	switch (object->type) {
	case SIM_OBJECT_HWPT_PAGING:
		r = attach(device, (struct sim_hwpt *)object, &old);
		break;
	case SIM_OBJECT_IOAS:
		r = attach_automatic(device, (struct sim_ioas *)object, attach, pt_id, &old);
		break;
	default:
		r = -EINVAL;
	}
	if (r < 0)
		return r;
	device->by_pasid = by_pasid;
	if (old)
		sim_hwpt_put(device->context, old);
	return 0;
}

void sim_device_detach(struct sim_device *device)
{
	struct sim_group *group = device->group;
	struct sim_hwpt *hwpt = group->hwpt;

	if (!device->attached)
		return;
	TAILQ_REMOVE(&group->attached, device, attached_link);
	if (TAILQ_EMPTY(&group->attached))
		group->hwpt = NULL;
	sim_place_unreserve(hwpt->ioas, device);
	device->attached = false;
	device->object->object.users--;
	sim_hwpt_put(device->context, hwpt);
}
