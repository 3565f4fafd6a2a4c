/* SPDX-License-Identifier: MIT */
/*
 * The objects of a context: ids, users, the order of their end.
 *
 * An id is the lowest that is free, from 1. Life of an object: reserve (the id is taken, nobody can name it) -> all that
 * can fail -> publish; or abort, and no trace is left. `users` counts the objects that depend on this one, and for a
 * device its open file; DESTROY of an object with users is EBUSY and changes nothing.
 *
 * References make no cycle (see model.h), so a context ends by destroying whatever has no users, again and again: each
 * round releases what the next one can destroy.
 */
#include "broker/sim/model.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void device_object_destroy(struct sim_context *context, struct sim_object *object)
{
	(void)context;
	(void)object; /* its file is its user, and has unbound it before: sim_device_unbind() */
}

static void (*const object_destroy[SIM_OBJECT_TYPES])(struct sim_context *, struct sim_object *) = {
	[SIM_OBJECT_DEVICE] = device_object_destroy,
	[SIM_OBJECT_HWPT_PAGING] = sim_hwpt_destroy,
	[SIM_OBJECT_IOAS] = sim_ioas_destroy,
};

static int table_grow(struct sim_context *context)
{
	uint32_t room = context->objects_room ? context->objects_room * 2 : 16;
	struct sim_object **objects;

	if (room > INT32_MAX)
		return -EBUSY;
	objects = reallocarray(context->objects, room, sizeof(struct sim_object *));
	if (!objects)
		return -ENOMEM;
	for (uint32_t i = context->objects_room; i < room; i++)
		objects[i] = NULL;
	context->objects = objects;
	context->objects_room = room;
	return 0;
}

int sim_object_reserve(struct sim_context *context, enum sim_object_type type, size_t bytes,
	struct sim_object **ret)
{
	struct sim_object *object;
	uint32_t i = context->lowest_free;
	int r;

	assert(bytes >= sizeof(*object));
	while (i < context->objects_room && context->objects[i])
		i++;
	context->lowest_free = i;
	if (i == context->objects_room) {
		r = table_grow(context);
		if (r < 0)
			return r;
	}
	object = calloc(1, bytes);
	if (!object)
		return -ENOMEM;
	object->id = i + 1;
	object->type = type;
	context->objects[i] = object;
	context->lowest_free = i + 1;
	context->object_count++;
	*ret = object;
	return 0;
}

void sim_object_publish(struct sim_object *object)
{
	assert(!object->published);
	object->published = true;
}

static void object_free(struct sim_context *context, struct sim_object *object)
{
	uint32_t i = object->id - 1;

	assert(object->users == 0 && context->objects[i] == object);
	context->objects[i] = NULL;
	if (i < context->lowest_free)
		context->lowest_free = i;
	context->object_count--;
	free(object);
}

void sim_object_abort(struct sim_context *context, struct sim_object *object)
{
	assert(!object->published);
	object_free(context, object);
}

int sim_object_find(struct sim_context *context, uint32_t id, enum sim_object_type type,
	struct sim_object **ret)
{
	struct sim_object *object;

	if (id == 0 || id > context->objects_room)
		return -ENOENT;
	object = context->objects[id - 1];
	if (!object || !object->published || (type != SIM_OBJECT_ANY && object->type != type))
		return -ENOENT;
	*ret = object;
	return 0;
}

int sim_object_destroy(struct sim_context *context, uint32_t id)
{
	struct sim_object *object;
	int r = sim_object_find(context, id, SIM_OBJECT_ANY, &object);

	if (r < 0)
		return r;
	if (object->users > 0)
		return -EBUSY;
	object_destroy[object->type](context, object);
	object_free(context, object);
	return 0;
}

void sim_context_free(struct sim_context *context)
{
	assert(!context->open && context->bound_devices == 0);
	while (context->object_count > 0) {
		uint32_t before = context->object_count;

		for (uint32_t id = 1; id <= context->objects_room; id++)
			(void)sim_object_destroy(context, id);
		assert(context->object_count < before);
		if (context->object_count == before)
			break; /* a count is wrong: rather a leak than memory that is used after its end */
	}
	free(context->objects);
	free(context);
}
