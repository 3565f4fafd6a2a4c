/* SPDX-License-Identifier: MIT */
/*
 * Memory handles: a file that a client registered once, to be mapped by id from then on. What is checked of the file is
 * in memory_file.c; the handle is the object around it.
 */
#include <errno.h>
#include <unistd.h>
#include "broker/session/call.h"
#include "broker/session/graph.h"
#include "broker/session/memory_file.h"
#include "broker/session/objects.h"
#include "broker/session/ops.h"

int op_memory_register(struct call *call)
{
	const PB(MemoryRegister) *request = call->body;
	bool writeable = !request->has_writeable || request->writeable;
	PB(MemoryRegisterResult) * result;
	struct object *object;
	struct memory *memory;
	int fd, r;

	r = object_reserve(call, OBJECT_MEMORY, sizeof(*memory), request->tag, &object);
	if (r < 0)
		return r;
	memory = (struct memory *)object;
	fd = call_keep_fd(call);
	if (fd < 0) {
		object_abort(call->session, object);
		return fd;
	}
	r = memory_file_new(call, fd, writeable, &memory->file);
	if (r < 0) {
		close(fd);
		object_abort(call->session, object);
		return r;
	}
	memory->file->handle = object;
	object_publish(call->session, object, graph_memory_id(call->session->graph));

	result = call_take(call, sizeof(*result));
	PB_INIT(memory_register_result)(result);
	result->has_memory = result->has_bytes = result->has_page_bytes = true;
	result->memory = object->id;
	result->bytes = memory->file->bytes;
	result->page_bytes = (uint32_t)memory->file->block_bytes;
	call_set_result(call, result);
	return 0;
}

int memory_destroy(struct call *call, struct memory *memory)
{
	int r = object_check_unused(call, &memory->object);

	if (r < 0)
		return r;
	/* No mapping has it, so this reference is the last one. */
	memory_file_unref(memory->file);
	object_remove(call->session, &memory->object);
	return 0;
}

static int memory_destroy_id(struct call *call, uint32_t id)
{
	struct object *object = graph_find(call->session->graph, id, OBJECT_MEMORY);

	if (!object)
		return call_error(
			call, ENOENT, "memory", "this session has no memory handle %u", id);
	return memory_destroy(call, (struct memory *)object);
}

int op_memory_unregister(struct call *call)
{
	return memory_destroy_id(call, ((const PB(MemoryUnregister) *)call->body)->memory);
}

int op_memory_register_undo(struct call *call)
{
	return memory_destroy_id(call, call->result.memory_register->memory);
}
