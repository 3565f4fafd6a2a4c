/* SPDX-License-Identifier: MIT */
/* The session's own objects: list, destroy. */
#include "client/lib/conn.h"

#include <errno.h>
#include <stdio.h>

static void object_copy(struct iommub_object *to, const Iommubroker__V1__Object *from)
{
	*to = (struct iommub_object){
		.id = from->id,
		.type = (uint32_t)from->type,
		.users = from->users,
		.pt_id = from->pt_id,
		.bytes = from->bytes,
	};
	(void)snprintf(to->tag, sizeof(to->tag), "%s", from->tag ? from->tag : "");
	(void)snprintf(to->device, sizeof(to->device), "%s", from->device ? from->device : "");
}

int iommub_list(
	struct iommub_conn *conn, iommub_id after, struct iommub_object *ret, size_t *n_inout)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__List list = IOMMUBROKER__V1__LIST__INIT;
	const Result *result;
	size_t n;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!ret || !n_inout || *n_inout == 0)
		return conn_fail(conn, -EINVAL, NULL, "no room for objects is given");
	list.has_after = 1;
	list.after = after;
	list.has_max = 1;
	list.max = *n_inout > UINT32_MAX ? UINT32_MAX : (uint32_t)*n_inout;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_LIST;
	operation.list = &list;
	err = call_simple(conn, &operation, -1, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_LIST)
		return call_malformed(conn, "List");
	n = result->list->n_objects < *n_inout ? result->list->n_objects : *n_inout;
	for (size_t i = 0; i < n; i++)
		object_copy(&ret[i], result->list->objects[i]);
	*n_inout = n;
	return 0;
}

int iommub_destroy(struct iommub_conn *conn, iommub_id id)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__Destroy destroy = IOMMUBROKER__V1__DESTROY__INIT;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	destroy.has_id = 1;
	destroy.id = id;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DESTROY;
	operation.destroy = &destroy;
	err = call_simple(conn, &operation, -1, NULL);
	if (err == 0)
		registry_remove_memory(&conn->registry, id); /* if it was memory */
	return err;
}
