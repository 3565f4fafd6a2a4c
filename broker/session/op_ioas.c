/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces, and how their automatic allocation keeps to the tenant's windows.
 *
 * The kernel's allow list does it: a place that nobody fixed is taken from that list. But a range on the list is also one
 * that no device may reserve: attaching a device whose MSI window lies in it answers EADDRINUSE. A client that gives a
 * list of its own asked for that. The windows of a policy did not, so the list that we set for them steps aside for an
 * attachment and is set again afterwards, cut to what IOVA_RANGES says is usable then. When nothing is left, automatic
 * allocation has no place (`nowhere`), because an empty list would mean everything.
 *
 *                            the client gave no list             the client gave a list
 *      windows: everything   no list                             its list
 *      windows: some         windows cut to the usable ranges    its list cut to the windows
 */
#include <errno.h>
#include <stdlib.h>
#include "broker/session/arena.h"
#include "broker/session/backend.h"
#include "broker/session/call.h"
#include "broker/session/graph.h"
#include "broker/session/mapping.h"
#include "broker/session/objects.h"
#include "broker/session/ops.h"
#include "broker/session/windows.h"
#include "include/iommufd_uapi.h"

/* More ranges than any machine's reserved regions make; an answer of them fits a message. */
#define USABLE_MAX 512u

/* A client's list of RANGES_MAX, each cut by every window. */
#define ALLOWED_MAX ((size_t)RANGES_MAX * CONTROL_WINDOWS_MAX)

static int usable_ranges(struct session *session, uint32_t ioas, struct control_range *ret,
	size_t room, size_t *ret_count, uint64_t *ret_alignment)
{
	struct iommu_ioas_iova_ranges arg = {.size = sizeof(arg),
		.ioas_id = ioas,
		.num_iovas = (uint32_t)room,
		.allowed_iovas = (uintptr_t)ret};
	int r = backend_ioctl(session->backend, IOMMU_IOAS_IOVA_RANGES, &arg);

	if (r < 0)
		return r;
	*ret_count = arg.num_iovas;
	*ret_alignment = arg.out_iova_alignment;
	return 0;
}

_Static_assert(sizeof(struct control_range) == sizeof(struct iommu_iova_range),
	"our ranges are passed as the kernel's");

static int set_allowed(
	struct session *session, uint32_t ioas, const struct control_range *ranges, size_t count)
{
	struct iommu_ioas_allow_iovas arg = {.size = sizeof(arg),
		.ioas_id = ioas,
		.num_iovas = (uint32_t)count,
		.allowed_iovas = (uintptr_t)ranges};

	return backend_ioctl(session->backend, IOMMU_IOAS_ALLOW_IOVAS, &arg);
}

int ioas_unsteer(struct session *session, struct ioas *ioas)
{
	int r;

	if (!ioas->steered)
		return 0;
	r = set_allowed(session, ioas->object.id, NULL, 0);
	if (r < 0)
		return r;
	ioas->steered = false;
	return 0;
}

int ioas_steer(struct session *session, struct ioas *ioas)
{
	struct control_range usable[USABLE_MAX], allowed[USABLE_MAX];
	size_t n_usable = 0, n = 0;
	uint64_t alignment;
	int r;

	if (windows_unlimited(session->setup) || ioas->client_steered)
		return 0;
	r = usable_ranges(session, ioas->object.id, usable, USABLE_MAX, &n_usable, &alignment);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_usable && n < USABLE_MAX; i++) {
		size_t room = USABLE_MAX - n;
		size_t more = windows_cut(
			session->setup, usable[i].start, usable[i].last, &allowed[n], room);

		n += more < room ? more : room; /* fewer places to choose from is safe */
	}
	ioas->nowhere = n == 0;
	if (n == 0)
		return ioas_unsteer(session, ioas);
	r = set_allowed(session, ioas->object.id, allowed, n);
	if (r == 0)
		ioas->steered = true;
	return r;
}

static int kernel_destroy(struct session *session, uint32_t id)
{
	struct iommu_destroy arg = {.size = sizeof(arg), .id = id};

	return backend_ioctl(session->backend, IOMMU_DESTROY, &arg);
}

int op_ioas_alloc(struct call *call)
{
	const PB(IoasAlloc) *request = call->body;
	struct iommu_ioas_alloc arg = {.size = sizeof(arg)};
	PB(IoasAllocResult) * result;
	struct object *object;
	int r = object_reserve(call, OBJECT_IOAS, sizeof(struct ioas), request->tag, &object);

	if (r < 0)
		return r;
	RB_INIT(&((struct ioas *)object)->index);
	r = backend_ioctl(call->session->backend, IOMMU_IOAS_ALLOC, &arg);
	if (r < 0) {
		object_abort(call->session, object);
		return call_kernel_error(call, r, "ioas_alloc");
	}
	object_publish(call->session, object, arg.out_ioas_id);
	r = ioas_steer(call->session, (struct ioas *)object);
	if (r < 0) {
		kernel_destroy(call->session, object->id);
		object_remove(call->session, object);
		return call_kernel_error(
			call, r, "ioas_alloc: limiting it to the tenant's windows");
	}
	result = call_take(call, sizeof(*result));
	PB_INIT(ioas_alloc_result)(result);
	result->has_ioas = true;
	result->ioas = object->id;
	call_set_result(call, result);
	return 0;
}

int ioas_destroy(struct call *call, struct ioas *ioas)
{
	int r = object_check_unused(call, &ioas->object);

	if (r < 0)
		return r;
	r = kernel_destroy(call->session, ioas->object.id);
	/* EBUSY: a client attached its device by itself. ENOENT: it is gone already, which is what was asked for. */
	if (r == -EBUSY)
		return call_error(call, EBUSY, NULL,
			"IOAS %u is in use in the kernel: detach your devices first",
			ioas->object.id);
	if (r < 0 && r != -ENOENT)
		return call_kernel_error(call, r, "destroy");
	mapping_drop_all(call->session, ioas);
	object_remove(call->session, &ioas->object);
	return 0;
}

int op_ioas_alloc_undo(struct call *call)
{
	struct object *object =
		graph_find(call->session->graph, call->result.ioas_alloc->ioas, OBJECT_IOAS);

	return object ? ioas_destroy(call, (struct ioas *)object) : -ENOENT;
}

static struct ioas *ioas_get(struct call *call, uint32_t id)
{
	struct object *object = graph_find(call->session->graph, id, OBJECT_IOAS);

	if (!object)
		call_error(call, ENOENT, "ioas", "ioas: this session has no IOAS %u", id);
	return (struct ioas *)object;
}

/* Usable ranges, cut to the windows, go into the result. */
static int ranges_answer(struct call *call, const struct control_range *usable, size_t n_usable,
	PB(IoasIovaRangesResult) * result)
{
	struct control_range cut[CONTROL_WINDOWS_MAX];

	result->ranges = call_take_pointers(call, USABLE_MAX);
	for (size_t i = 0; i < n_usable; i++) {
		size_t n = windows_cut(call->session->setup, usable[i].start, usable[i].last, cut,
			CONTROL_WINDOWS_MAX);

		for (size_t k = 0; k < n; k++) {
			PB(Range) * range;

			if (result->n_ranges == USABLE_MAX)
				return call_error(
					call, EMSGSIZE, NULL, "more than %u ranges", USABLE_MAX);
			range = call_take(call, sizeof(*range));
			PB_INIT(range)(range);
			range->has_start = range->has_last = true;
			range->start = cut[k].start;
			range->last = cut[k].last;
			result->ranges[result->n_ranges++] = range;
		}
	}
	return 0;
}

int op_ioas_iova_ranges(struct call *call)
{
	const PB(IoasIovaRanges) *request = call->body;
	struct ioas *ioas = ioas_get(call, request->ioas);
	struct control_range usable[USABLE_MAX];
	PB(IoasIovaRangesResult) * result;
	size_t n_usable = 0;
	uint64_t alignment = 0;
	int r;

	if (!ioas)
		return -ENOENT;
	r = usable_ranges(
		call->session, ioas->object.id, usable, USABLE_MAX, &n_usable, &alignment);
	if (r < 0)
		return call_kernel_error(call, r, "iova_ranges");
	result = call_take(call, sizeof(*result));
	PB_INIT(ioas_iova_ranges_result)(result);
	result->has_iova_alignment = true;
	result->iova_alignment = alignment;
	r = ranges_answer(call, usable, n_usable, result);
	if (r < 0)
		return r;
	call_set_result(call, result);
	return 0;
}

int op_ioas_allow_iovas(struct call *call)
{
	const PB(IoasAllowIovas) *request = call->body;
	struct ioas *ioas = ioas_get(call, request->ioas);
	struct control_range allowed[ALLOWED_MAX];
	size_t n = 0;
	int r;

	if (!ioas)
		return -ENOENT;
	for (size_t i = 0; i < request->n_ranges; i++)
		n += windows_cut(call->session->setup, request->ranges[i]->start,
			request->ranges[i]->last, &allowed[n], ALLOWED_MAX - n);
	if (n == 0 && request->n_ranges)
		return call_denied(call, call->session->setup->rule_windows,
			"none of these ranges lies in the tenant's IOVA windows");
	r = set_allowed(call->session, ioas->object.id, allowed, n);
	if (r < 0)
		return call_kernel_error(call, r, "allow_iovas");
	ioas->steered = false;
	ioas->client_steered = n > 0;
	ioas->nowhere = false;
	/* An empty list gives the choice back to us. */
	r = ioas_steer(call->session, ioas);
	return r < 0 ? call_kernel_error(
			       call, r, "allow_iovas: limiting it to the tenant's windows")
		     : 0;
}
