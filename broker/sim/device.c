/* SPDX-License-Identifier: MIT */
/*
 * A VFIO device node, from open to close.
 *
 * Opened, it can do nothing but be bound, once, to a context. The bind takes its group for that context (another context
 * gets EPERM for any device of the group) and makes the DEVICE object, whose user the open node is. From then on the node
 * holds the context: a context whose fd is closed lives, with its page tables and their DMA, until the last bound device
 * is closed.
 */
#include "broker/sim/model.h"
#include "include/iommufd_uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ADDRESS_BITS 48

static struct sim_group *group_get(struct iommufd_sim *sim, uint32_t number)
{
	struct sim_group *group;

	if (number) {
		TAILQ_FOREACH (group, &sim->groups, link) {
			if (group->number == number) {
				group->refs++;
				return group;
			}
		}
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->number = number;
	group->refs = 1;
	TAILQ_INIT(&group->attached);
	TAILQ_INSERT_TAIL(&sim->groups, group, link);
	return group;
}

int sim_device_new(struct iommufd_sim *sim, const struct iommufd_sim_device_desc *desc,
	struct sim_device **ret)
{
	struct sim_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	device->group = group_get(sim, desc->group);
	if (!device->group) {
		free(device);
		return -ENOMEM;
	}
	device->address_bits = desc->address_bits ? desc->address_bits : DEFAULT_ADDRESS_BITS;
	*ret = device;
	return 0;
}

void sim_device_free(struct iommufd_sim *sim, struct sim_device *device)
{
	sim_device_unbind(device);
	if (--device->group->refs == 0) {
		TAILQ_REMOVE(&sim->groups, device->group, link);
		free(device->group);
	}
	free(device);
}

/* Make the DEVICE object, and the context the owner of the group. */
static int device_claim(struct sim_device *device, struct sim_context *context)
{
	struct sim_group *group = device->group;
	struct sim_device_object *object;
	int r = sim_object_reserve(
		context, SIM_OBJECT_DEVICE, sizeof(*object), (struct sim_object **)&object);

	if (r < 0)
		return r;
	if (group->owned > 0 && group->owner != context) {
		sim_object_abort(context, &object->object);
		return -EPERM;
	}
	group->owner = context;
	group->owned++;
	object->device = device;
	object->object.users = 1; /* the open node */
	sim_object_publish(&object->object);
	device->context = context;
	device->object = object;
	context->bound_devices++;
	return 0;
}

int sim_device_bind(struct iommufd_sim *sim, struct sim_device *device, void *arg)
{
	const size_t min = offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr);
	struct vfio_device_bind_iommufd bind;
	const struct sim_fd *entry;
	uint8_t token[16];
	int r = sim_struct_take(&bind, sizeof(bind), min, arg, NULL);

	if (r < 0)
		return r;
	if (bind.iommufd < 0 || (bind.flags & ~(uint32_t)VFIO_DEVICE_BIND_FLAG_TOKEN))
		return -EINVAL;
	if (device->context)
		return -EINVAL;
	/* The token is for virtual functions of a physical one that asks for it; here is neither. */
	if (bind.flags & VFIO_DEVICE_BIND_FLAG_TOKEN)
		return sim_user_read(token, bind.token_uuid_ptr, sizeof(token)) == sizeof(token)
			       ? -EINVAL
			       : -EFAULT;
	entry = sim_fd_find(sim, bind.iommufd, SIM_FD_CONTEXT);
	if (!entry)
		return fcntl(bind.iommufd, F_GETFD) < 0 ? -EBADF : -EBADFD;
	r = device_claim(device, entry->context);
	if (r < 0)
		return r;
	memcpy((uint8_t *)arg + offsetof(struct vfio_device_bind_iommufd, out_devid),
		&device->object->object.id, sizeof(bind.out_devid));
	return 0;
}

void sim_device_unbind(struct sim_device *device)
{
	struct sim_context *context = device->context;

	if (!context)
		return;
	sim_device_detach(device);
	device->object->object.users--;
	(void)sim_object_destroy(context, device->object->object.id);
	if (--device->group->owned == 0)
		device->group->owner = NULL;
	device->object = NULL;
	device->context = NULL;
	if (--context->bound_devices == 0 && !context->open)
		sim_context_free(context);
}

/* By PASID other than 0: no page table here is made for it, which is all that the kernel's checks come to. */
static int attach_pasid(struct sim_device *device, uint32_t pasid, uint32_t *pt_id)
{
	struct sim_object *object;
	int r;

	if (pasid == 0)
		return sim_device_attach(device, /* by_pasid= */ true, pt_id);
	if (pasid > INT32_MAX)
		return -ENOSPC;
	r = sim_object_find(device->context, *pt_id, SIM_OBJECT_ANY, &object);
	return r < 0 ? r : -EINVAL;
}

int sim_device_attach_ioctl(struct sim_device *device, void *arg)
{
	const uint32_t min = offsetof(struct vfio_device_attach_iommufd_pt, pasid);
	struct vfio_device_attach_iommufd_pt attach = {0};
	uint32_t id;
	int r;

	memcpy(&attach, arg, min);
	if (attach.argsz < min)
		return -EINVAL;
	if (attach.flags & ~(uint32_t)VFIO_DEVICE_ATTACH_PASID)
		return -EINVAL;
	if (attach.flags & VFIO_DEVICE_ATTACH_PASID) {
		if (attach.argsz < sizeof(attach))
			return -EINVAL;
		memcpy(&attach, arg, sizeof(attach));
	}
	id = attach.pt_id;
	if (attach.flags & VFIO_DEVICE_ATTACH_PASID)
		r = attach_pasid(device, attach.pasid, &id);
	else
		r = sim_device_attach(device, /* by_pasid= */ false, &id);
	if (r < 0)
		return r;
	memcpy((uint8_t *)arg + offsetof(struct vfio_device_attach_iommufd_pt, pt_id), &id,
		sizeof(id));
	return 0;
}

int sim_device_detach_ioctl(struct sim_device *device, void *arg)
{
	const uint32_t min = offsetof(struct vfio_device_detach_iommufd_pt, pasid);
	struct vfio_device_detach_iommufd_pt detach = {0};
	bool by_pasid;

	memcpy(&detach, arg, min);
	if (detach.argsz < min)
		return -EINVAL;
	if (detach.flags & ~(uint32_t)VFIO_DEVICE_DETACH_PASID)
		return -EINVAL;
	by_pasid = detach.flags & VFIO_DEVICE_DETACH_PASID;
	if (by_pasid) {
		if (detach.argsz < sizeof(detach))
			return -EINVAL;
		memcpy(&detach, arg, sizeof(detach));
		if (detach.pasid != 0)
			return 0; /* none is attached: nothing to do */
	}
	if (device->by_pasid == by_pasid)
		sim_device_detach(device);
	return 0;
}
