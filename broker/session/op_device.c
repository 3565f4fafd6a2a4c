/* SPDX-License-Identifier: MIT */
/*
 * Devices: asked of the supervisor, bound here, attached to a page table, given to the client, given back.
 *
 * Opening is the one operation that waits: the supervisor may have to reset the device first. While it waits, the object
 * is reserved and cannot be named, and the session reads nothing, so nothing can happen to it; if the client goes away
 * meanwhile, the reserved object is aborted, and the supervisor takes back what it granted when the session ends.
 *
 * What a device is attached to is this session's record of what it did itself. A client that holds a VFIO fd can attach
 * and detach it, so nothing here depends on that record being the kernel's truth.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/backend.h"
#include "broker/session/call.h"
#include "broker/session/graph.h"
#include "broker/session/objects.h"
#include "broker/session/ops.h"
#include "include/iommufd_uapi.h"

static struct device *device_get(struct call *call, uint32_t id)
{
	struct object *object = graph_find(call->session->graph, id, OBJECT_DEVICE);

	if (!object)
		call_error(call, ENOENT, "device", "this session has no device %u", id);
	return (struct device *)object;
}

/* Not ours any more; if the supervisor is gone, it finds out when it adopts this session or sees it end. */
static void release_device(struct session *session, uint32_t index)
{
	union control_message message = {0};

	message.device_release.device = index;
	supervisor_tell(session->supervisor, &message, CONTROL_DEVICE_RELEASE);
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

int op_device_list(struct call *call)
{
	union control_message request = {0}, answer;
	PB(DeviceListResult) * result;

	if (supervisor_call(call->session->supervisor, &request, CONTROL_DEVICE_LIST, &answer) < 0)
		return call_error(call, EAGAIN, NULL, "broker restarting: no list of devices now");
	result = call_take(call, sizeof(*result));
	PB_INIT(device_list_result)(result);
	result->devices = call_take_pointers(call, answer.devices.count);
	for (uint32_t i = 0; i < answer.devices.count; i++) {
		const struct control_device *facts = &answer.devices.devices[i];
		PB(Device) *device = call_take(call, sizeof(*device));

		PB_INIT(device)(device);
		device->name = call_copy(call, facts->name);
		device->address = call_copy(call, facts->address);
		device->has_vendor = device->has_device = true;
		device->vendor = facts->vendor;
		device->device = facts->device;
		device->has_state = device->has_mine = true;
		device->state = (PB(DeviceState))facts->state;
		device->mine = facts->mine != 0;
		result->devices[result->n_devices++] = device;
	}
	call_set_result(call, result);
	return 0;
}

/* ---- open ------------------------------------------------------------------------------------------------------- */

int op_device_open(struct call *call)
{
	const PB(DeviceOpen) *request = call->body;
	union control_message message = {0};
	struct object *object;
	int r = object_reserve(call, OBJECT_DEVICE, sizeof(struct device), request->tag, &object);

	if (r < 0)
		return r;
	strncpy(message.device_open.name, request->name, CONTROL_NAME_MAX - 1);
	if (supervisor_ask(call->session->supervisor, &message, CONTROL_DEVICE_OPEN) < 0) {
		object_abort(call->session, object);
		return call_error(
			call, EAGAIN, NULL, "broker restarting: no device can be opened now");
	}
	call->pending = object;
	return CALL_WAITS;
}

static int open_refused(struct call *call, const union control_message *answer)
{
	int error;

	if (answer->header.type != CONTROL_DENIED)
		session_broken(
			call->session, "answer of type %u to DEVICE_OPEN", answer->header.type);
	error = answer->denied.error > 0 ? answer->denied.error : EIO;
	call_say(call, error, NULL, "%s", answer->denied.text);
	if (answer->denied.rule[0]) {
		/* The answer's buffer is the supervisor client's and does not live as long as the error. */
		memcpy(call->error.rule_buffer, answer->denied.rule, sizeof(answer->denied.rule));
		call->error.rule = call->error.rule_buffer;
	}
	return -error;
}

/* A granted fd becomes a bound device, published, and an fd for the client. */
static int open_granted(struct call *call, struct device *device,
	const struct control_device *facts, int granted_fd, bool *ret_vfio_user)
{
	struct session *session = call->session;
	uint32_t id = 0;
	int r = backend_device_open(session->backend, granted_fd, facts, &device->backend, &id);

	if (r < 0)
		return call_kernel_error(call, r, "binding the device");
	r = backend_device_share(session->backend, device->backend, ret_vfio_user);
	if (r < 0) {
		backend_device_close(session->backend, device->backend);
		return call_kernel_error(call, r, "sharing the device");
	}
	call->answer_fd = r;
	device->index = facts->index;
	memcpy(device->name, facts->name, sizeof(device->name));
	object_publish(session, &device->object, id);
	return 0;
}

int op_device_open_resume(struct call *call, const union control_message *answer, int granted_fd)
{
	struct device *device = (struct device *)call->pending;
	PB(DeviceOpenResult) * result;
	bool vfio_user = false;
	int r;

	call->pending = NULL;
	if (answer->header.type != CONTROL_GRANTED) {
		object_abort(call->session, &device->object);
		if (granted_fd >= 0)
			close(granted_fd);
		return open_refused(call, answer);
	}
	r = open_granted(call, device, &answer->granted.device, granted_fd, &vfio_user);
	if (r < 0) {
		object_abort(call->session, &device->object);
		release_device(call->session, answer->granted.device.index);
		return r;
	}
	session_audit(
		call->session, AUDIT_DEVICE, 0, "opened %s as %u", device->name, device->object.id);
	result = call_take(call, sizeof(*result));
	PB_INIT(device_open_result)(result);
	result->has_device = result->has_vfio_user = true;
	result->device = device->object.id;
	result->vfio_user = vfio_user;
	result->name = device->name; /* packed before anything else happens to the device */
	call_set_result(call, result);
	return 0;
}

int op_device_share(struct call *call)
{
	struct device *device = device_get(call, ((const PB(DeviceShare) *)call->body)->device);
	bool vfio_user;
	int r;

	if (!device)
		return -ENOENT;
	r = backend_device_share(call->session->backend, device->backend, &vfio_user);
	if (r < 0)
		return call_kernel_error(call, r, "sharing the device");
	call->answer_fd = r;
	return 0;
}

/* ---- attach and detach ------------------------------------------------------------------------------------------ */

void device_forget_attachment(struct session *session, struct device *device)
{
	struct object *object = device->attached;

	device->attached = NULL;
	if (!object || --object->users || object->type != OBJECT_HWPT_PAGING)
		return;
	/* The kernel made it for an attachment and destroyed it with the last one. */
	((struct hwpt *)object)->ioas->object.users--;
	object_remove(session, object);
}

/* Record that `device` is attached to what the kernel calls `id` now: a page table that we know, one that it just made
 * for `ioas` (then `reserved` becomes it, and *reserved NULL), or the IOAS itself. */
static void attachment_record(struct session *session, struct device *device, struct ioas *ioas,
	uint32_t id, struct object **reserved)
{
	struct object *now = graph_find(session->graph, id, OBJECT_ANY);

	/* Taken before the old one is let go, which may be the same. */
	if (now && now->type == OBJECT_HWPT_PAGING && ioas && ((struct hwpt *)now)->ioas != ioas)
		now = NULL; /* a stale record under a reused id: publishing forgets it */
	if (!now && *reserved) {
		now = *reserved;
		*reserved = NULL;
		((struct hwpt *)now)->ioas = ioas;
		ioas->object.users++;
		object_publish(session, now, id);
	}
	if (now)
		now->users++;
	device_forget_attachment(session, device);
	device->attached = now;
}

static int attach_ioctl(struct call *call, struct device *device, struct ioas *ioas,
	struct vfio_device_attach_iommufd_pt *arg)
{
	struct session *session = call->session;
	int steered, r = 0;

	if (ioas)
		r = ioas_unsteer(session, ioas);
	if (r == 0)
		r = backend_device_ioctl(
			session->backend, device->backend, VFIO_DEVICE_ATTACH_IOMMUFD_PT, arg);
	steered = ioas ? ioas_steer(session, ioas) : 0;
	if (steered < 0 && ioas) {
		/* What the tenant's windows are worth now nobody knows: no automatic places until it is clear again. */
		ioas->nowhere = true;
		session_audit(session, AUDIT_BROKEN, -steered, "IOAS %u cannot be steered",
			ioas->object.id);
	}
	return r < 0 ? call_kernel_error(call, r, "attach") : 0;
}

int op_device_attach(struct call *call)
{
	const PB(DeviceAttach) *request = call->body;
	struct device *device = device_get(call, request->device);
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg), .pt_id = request->pt_id};
	struct object *target = graph_find(call->session->graph, request->pt_id, OBJECT_ANY);
	struct object *reserved = NULL;
	struct ioas *ioas = NULL;
	PB(DeviceAttachResult) * result;
	int r;

	if (!device)
		return -ENOENT;
	if (!target)
		return call_error(
			call, ENOENT, "pt_id", "this session has no object %u", request->pt_id);
	if (target->type != OBJECT_IOAS && target->type != OBJECT_HWPT_PAGING)
		return call_error(call, EINVAL, "pt_id",
			"%u is a %s: attach to an IOAS or a page table", target->id,
			object_type_name(target->type));
	if (target->type == OBJECT_IOAS) {
		ioas = (struct ioas *)target;
		r = object_reserve(call, OBJECT_HWPT_PAGING, sizeof(struct hwpt), NULL, &reserved);
		if (r < 0)
			return r;
	}
	r = attach_ioctl(call, device, ioas, &arg);
	if (r == 0)
		attachment_record(call->session, device, ioas, arg.pt_id, &reserved);
	if (reserved)
		object_abort(call->session, reserved);
	if (r < 0)
		return r;
	session_audit(call->session, AUDIT_DEVICE, 0, "attached %s to %u", device->name, arg.pt_id);
	result = call_take(call, sizeof(*result));
	PB_INIT(device_attach_result)(result);
	result->has_pt_id = true;
	result->pt_id = arg.pt_id;
	call_set_result(call, result);
	return 0;
}

int op_device_detach(struct call *call)
{
	struct device *device = device_get(call, ((const PB(DeviceDetach) *)call->body)->device);
	struct vfio_device_detach_iommufd_pt arg = {.argsz = sizeof(arg)};
	int r;

	if (!device)
		return -ENOENT;
	/* Asked even when our record says that there is nothing: the client may have attached it. */
	r = backend_device_ioctl(
		call->session->backend, device->backend, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
	if (r < 0)
		return call_kernel_error(call, r, "detach");
	device_forget_attachment(call->session, device);
	session_audit(call->session, AUDIT_DEVICE, 0, "detached %s", device->name);
	return 0;
}

/* ---- close ------------------------------------------------------------------------------------------------------ */

void device_end(struct session *session, struct device *device)
{
	device_forget_attachment(session, device);
	backend_device_close(session->backend, device->backend);
	/* At its end a session gives nothing back by itself: its client may still hold the device, and the supervisor sweeps
	 * the whole context with its own duplicate of the fd, which a release would have it close. */
	if (session->phase != PHASE_ENDING)
		release_device(session, device->index);
	session_audit(session, AUDIT_DEVICE, 0, "closed %s", device->name);
	object_remove(session, &device->object);
}

int device_destroy(struct call *call, struct device *device)
{
	int r = object_check_unused(call, &device->object);

	if (r == 0)
		device_end(call->session, device);
	return r;
}

int op_device_close(struct call *call)
{
	struct device *device = device_get(call, ((const PB(DeviceClose) *)call->body)->device);

	return device ? device_destroy(call, device) : -ENOENT;
}

int hwpt_destroy(struct call *call, struct hwpt *hwpt)
{
	/* The kernel makes and destroys these itself: one that is in the graph has a device, or is stale. */
	int r = object_check_unused(call, &hwpt->object);

	if (r < 0)
		return r;
	hwpt->ioas->object.users--;
	object_remove(call->session, &hwpt->object);
	return 0;
}
