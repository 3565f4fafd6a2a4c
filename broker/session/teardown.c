/* SPDX-License-Identifier: MIT */
/*
 * The end of a session, however it came: lowest type first, so that every reference is given back before its target is
 * reached (graph.h). The kernel may say EBUSY to any of it, because a client that holds a VFIO fd can attach its device
 * again at any time; that is normal, the end of the context takes care of it, and the charge then stays in the account's
 * slot until the supervisor's sweep has seen the memory unmapped. What is left in our own graph is not normal.
 */
#include <errno.h>
#include <string.h>
#include "broker/session/backend.h"
#include "broker/session/graph.h"
#include "broker/session/mapping.h"
#include "broker/session/memory_file.h"
#include "broker/session/objects.h"
#include "broker/session/session.h"
#include "include/iommufd_uapi.h"

static void ioas_end(struct session *session, struct ioas *ioas)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas->object.id, .iova = 0, .length = UINT64_MAX};
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = ioas->object.id};
	int unmapped = backend_ioctl(session->backend, IOMMU_IOAS_UNMAP, &unmap);
	int destroyed = backend_ioctl(session->backend, IOMMU_DESTROY, &destroy);
	struct mapping *mapping;

	if (unmapped < 0 && destroyed < 0 && unmapped != -ENOENT) {
		/* The pages are still pinned, whoever else shares them: the charge must stand. */
		for (mapping = iova_index_reaching(&ioas->index, 0); mapping;
			mapping = iova_index_next(mapping))
			mapping->pages->charged_bytes = 0;
	}
	mapping_drop_all(session, ioas);
	object_remove(session, &ioas->object);
}

static void object_end(struct session *session, struct object *object)
{
	switch (object->type) {
	case OBJECT_DEVICE:
		device_end(session, (struct device *)object);
		break;
	case OBJECT_HWPT_PAGING: /* goes with its last device; one that is here is a leftover */
		((struct hwpt *)object)->ioas->object.users--;
		object_remove(session, object);
		break;
	case OBJECT_IOAS:
		ioas_end(session, (struct ioas *)object);
		break;
	case OBJECT_MEMORY:
		memory_file_unref(((struct memory *)object)->file);
		object_remove(session, object);
		break;
	default:
		break;
	}
}

void graph_teardown(struct session *session)
{
	struct object *object;

	session->phase = PHASE_ENDING;
	for (enum object_type type = OBJECT_DEVICE; type < OBJECT_TYPE_END; type++) {
		for (uint32_t id = 0; (object = graph_next(session->graph, id));) {
			id = object->id;
			if (object->type != type)
				continue;
			if (object->users)
				session_audit(session, AUDIT_BROKEN, 0,
					"%s %u is left over with %u users", object_type_name(type),
					id, object->users);
			else
				object_end(session, object);
		}
	}
}
