/* SPDX-License-Identifier: MIT */
/* What a session can say of itself, and DESTROY, which takes an object of any type. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/call.h"
#include "broker/session/graph.h"
#include "broker/session/hello.h"
#include "broker/session/memory_file.h"
#include "broker/session/objects.h"
#include "broker/session/ops.h"

/* An Object takes at most 150 bytes with its tag and name, so these fit a message by construction. */
#define LIST_PAGE 400u

int op_info(struct call *call)
{
	PB(InfoResult) *result = call_take(call, sizeof(*result));
	struct session_facts facts;

	session_facts_get(call, &facts);
	PB_INIT(info_result)(result);
	result->n_limits = facts.n_limits;
	result->limits = facts.limits;
	result->has_version = result->has_session = true;
	result->version = PROTOCOL_VERSION;
	result->session = call->session->setup->session;
	result->tenant = facts.tenant;
	result->n_features = facts.n_features;
	result->features = facts.features;
	result->has_message_bytes_max = result->has_fds_max = true;
	result->message_bytes_max = MESSAGE_BYTES_MAX;
	result->fds_max = MESSAGE_FDS_MAX;
	result->has_batch_max = result->has_page_bytes = true;
	result->batch_max = BATCH_MAX;
	result->page_bytes = facts.page_bytes;
	result->client_name = call->session->client_name;
	call_set_result(call, result);
	return 0;
}

static PB(Object) * describe(struct call *call, struct object *object)
{
	PB(Object) *out = call_take(call, sizeof(*out));

	PB_INIT(object)(out);
	out->has_id = out->has_type = out->has_users = true;
	out->id = object->id;
	out->type = (PB(ObjectType))object->type;
	out->users = object->users;
	if (object->tag[0])
		out->tag = object->tag;
	switch (object->type) {
	case OBJECT_MEMORY:
		out->has_bytes = true;
		out->bytes = ((struct memory *)object)->file->bytes;
		break;
	case OBJECT_IOAS:
		out->has_bytes = true;
		out->bytes = ((struct ioas *)object)->bytes;
		break;
	case OBJECT_DEVICE:
		out->device = ((struct device *)object)->name;
		out->has_pt_id = true;
		out->pt_id = ((struct device *)object)->attached
				     ? ((struct device *)object)->attached->id
				     : 0;
		break;
	default:
		break;
	}
	return out;
}

int op_list(struct call *call)
{
	const PB(List) *request = call->body;
	uint32_t max = request->max && request->max < LIST_PAGE ? request->max : LIST_PAGE;
	PB(ListResult) *result = call_take(call, sizeof(*result));
	struct object *object = graph_next(call->session->graph, request->after);

	PB_INIT(list_result)(result);
	result->objects = call_take_pointers(call, max);
	for (; object && result->n_objects < max;
		object = graph_next(call->session->graph, object->id))
		result->objects[result->n_objects++] = describe(call, object);
	result->has_more = true;
	result->more = object != NULL;
	call_set_result(call, result);
	return 0;
}

int object_check_unused(struct call *call, const struct object *object)
{
	if (!object->users)
		return 0;
	return call_error(call, EBUSY, NULL, "%s %u is in use by %u %s",
		object_type_name(object->type), object->id, object->users,
		object->type == OBJECT_MEMORY ? "mapping(s)" : "object(s) or request(s)");
}

int op_destroy(struct call *call)
{
	uint32_t id = ((const PB(Destroy) *)call->body)->id;
	struct object *object = graph_find(call->session->graph, id, OBJECT_ANY);

	if (!object)
		return call_error(call, ENOENT, "id", "this session has no object %u", id);
	switch (object->type) {
	case OBJECT_DEVICE:
		return device_destroy(call, (struct device *)object);
	case OBJECT_HWPT_PAGING:
		return hwpt_destroy(call, (struct hwpt *)object);
	case OBJECT_IOAS:
		return ioas_destroy(call, (struct ioas *)object);
	case OBJECT_MEMORY:
		return memory_destroy(call, (struct memory *)object);
	default:
		session_broken(call->session, "object %u has type %d", id, object->type);
	}
}
