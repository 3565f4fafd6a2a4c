/* SPDX-License-Identifier: MIT */
/*
 * The objects of a session by id; graph.h has the model.
 *
 * The kernel reuses the lowest free id at once, and a client that holds a VFIO fd can detach it by itself, upon which the
 * kernel destroys the page table that it had made for that attachment. So an id that is published may still be in the
 * graph, under a HWPT that is no more: that one is forgotten then, with the attachments that led to it. Any other id
 * that comes twice is a bug.
 */
#include "broker/session/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "broker/session/call.h"
#include "broker/session/charge.h"
#include "broker/session/session.h"

RB_HEAD(object_tree, object);

struct graph {
	struct object_tree tree;
	size_t count;
	uint32_t last_memory; /* the memory id that was given last, without its flag */
};

static int object_compare(const struct object *a, const struct object *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(object_tree, object, node, object_compare, __attribute__((unused)) static)

int graph_new(struct graph **ret)
{
	struct graph *graph = calloc(1, sizeof(*graph));

	if (!graph)
		return -ENOMEM;
	RB_INIT(&graph->tree);
	*ret = graph;
	return 0;
}

void graph_free(struct graph *graph)
{
	free(graph);
}

const char *object_type_name(enum object_type type)
{
	static const char *const names[OBJECT_TYPE_END] = {
		[OBJECT_ANY] = "object",
		[OBJECT_DEVICE] = "device",
		[OBJECT_HWPT_PAGING] = "page table",
		[OBJECT_IOAS] = "IOAS",
		[OBJECT_MEMORY] = "memory handle",
	};

	return (unsigned int)type < OBJECT_TYPE_END ? names[type] : "?";
}

/* The resource of which an object of this type takes one, beside one of RESOURCE_OBJECTS; 0 = none. */
static enum resource type_resource(enum object_type type)
{
	switch (type) {
	case OBJECT_DEVICE:
		return RESOURCE_DEVICES;
	case OBJECT_IOAS:
		return RESOURCE_IOAS;
	case OBJECT_MEMORY:
		return RESOURCE_MEMORY_HANDLES;
	default:
		return 0;
	}
}

int object_reserve(struct call *call, enum object_type type, size_t bytes, const char *tag,
	struct object **ret)
{
	enum resource own = type_resource(type);
	struct object *object = calloc(1, bytes);
	int r;

	if (!object)
		return call_error(
			call, ENOMEM, NULL, "no memory for one more %s", object_type_name(type));
	object->type = type;
	if (tag)
		strncpy(object->tag, tag, OBJECT_TAG_MAX - 1);
	r = charge_take(call, RESOURCE_OBJECTS, 1, &object->charge_objects);
	if (r == 0 && own)
		r = charge_take(call, own, 1, &object->charge_own);
	if (r < 0) {
		object_abort(call->session, object);
		return r;
	}
	*ret = object;
	return 0;
}

void object_abort(struct session *session, struct object *object)
{
	charge_give(session, &object->charge_own);
	charge_give(session, &object->charge_objects);
	free(object);
}

/* The kernel gave this HWPT's id to something else, so it is gone there. */
static void hwpt_forget(struct session *session, struct object *stale)
{
	struct object *o;

	RB_FOREACH (o, object_tree, &session->graph->tree) {
		struct device *device = (struct device *)o;

		if (o->type != OBJECT_DEVICE || device->attached != stale)
			continue;
		device->attached = NULL;
		stale->users--;
	}
	((struct hwpt *)stale)->ioas->object.users--;
	object_remove(session, stale);
}

void object_publish(struct session *session, struct object *object, uint32_t id)
{
	struct graph *graph = session->graph;
	struct object *there = graph_find(graph, id, OBJECT_ANY);

	if (there && there->type == OBJECT_HWPT_PAGING)
		hwpt_forget(session, there);
	else if (there || id == 0)
		session_broken(session, "id %u was given twice: %s and %s", id,
			there ? object_type_name(there->type) : "nothing",
			object_type_name(object->type));
	object->id = id;
	RB_INSERT(object_tree, &graph->tree, object);
	graph->count++;
}

void object_remove(struct session *session, struct object *object)
{
	if (object->users)
		session_broken(session, "%s %u removed with %u users",
			object_type_name(object->type), object->id, object->users);
	RB_REMOVE(object_tree, &session->graph->tree, object);
	session->graph->count--;
	object_abort(session, object);
}

struct object *graph_find(struct graph *graph, uint32_t id, enum object_type type)
{
	struct object key = {.id = id};
	struct object *object = RB_FIND(object_tree, &graph->tree, &key);

	return object && (type == OBJECT_ANY || object->type == type) ? object : NULL;
}

struct object *graph_next(struct graph *graph, uint32_t after)
{
	struct object key = {.id = after + 1};

	return after == UINT32_MAX ? NULL : RB_NFIND(object_tree, &graph->tree, &key);
}

size_t graph_count(const struct graph *graph)
{
	return graph->count;
}

uint32_t graph_memory_id(struct graph *graph)
{
	/* Ends: there are 2^31 - 1 ids, and far fewer handles than that fit into memory. */
	do {
		graph->last_memory = (graph->last_memory + 1) & ~MEMORY_ID_FLAG;
	} while (graph->last_memory == 0 ||
		 graph_find(graph, graph->last_memory | MEMORY_ID_FLAG, OBJECT_ANY));
	return graph->last_memory | MEMORY_ID_FLAG;
}
