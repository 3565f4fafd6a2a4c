/* SPDX-License-Identifier: MIT */
/* I/O address spaces: make, ask for their ranges, steer the broker's choice. */
#include "client/lib/conn.h"

#include <errno.h>
#include <stdlib.h>

int iommub_ioas_alloc(struct iommub_conn *conn, const char *tag, iommub_id *ret)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__IoasAlloc alloc = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
	const Result *result;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!ret)
		return conn_fail(conn, -EINVAL, NULL, "nowhere to put the id");
	alloc.tag = (char *)tag;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_IOAS_ALLOC;
	operation.ioas_alloc = &alloc;
	err = call_simple(conn, &operation, -1, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_IOAS_ALLOC ||
		result->ioas_alloc->ioas == 0)
		return call_malformed(conn, "IoasAlloc");
	*ret = result->ioas_alloc->ioas;
	return 0;
}

int iommub_ioas_ranges(struct iommub_conn *conn, iommub_id ioas, struct iommub_range *ret,
	size_t *n_inout, uint64_t *ret_align)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__IoasIovaRanges ask = IOMMUBROKER__V1__IOAS_IOVA_RANGES__INIT;
	const Iommubroker__V1__IoasIovaRangesResult *answer;
	const Result *result;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!n_inout || (!ret && *n_inout > 0))
		return conn_fail(conn, -EINVAL, NULL, "no room for ranges is given");
	ask.has_ioas = 1;
	ask.ioas = ioas;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_IOAS_IOVA_RANGES;
	operation.ioas_iova_ranges = &ask;
	err = call_simple(conn, &operation, -1, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_IOAS_IOVA_RANGES)
		return call_malformed(conn, "IoasIovaRanges");
	answer = result->ioas_iova_ranges;
	for (size_t i = 0; i < answer->n_ranges && i < *n_inout; i++)
		ret[i] = (struct iommub_range){
			.start = answer->ranges[i]->start, .last = answer->ranges[i]->last};
	*n_inout = answer->n_ranges;
	if (ret_align)
		*ret_align = answer->iova_alignment;
	return 0;
}

int iommub_ioas_allow(
	struct iommub_conn *conn, iommub_id ioas, const struct iommub_range *ranges, size_t n)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__IoasAllowIovas allow = IOMMUBROKER__V1__IOAS_ALLOW_IOVAS__INIT;
	Iommubroker__V1__Range *wire;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (n > 0 && !ranges)
		return conn_fail(conn, -EINVAL, "ranges", "no ranges are given");
	if (n > TRANSPORT_BYTES_MAX / 2) /* a range takes more than two bytes */
		return conn_fail(
			conn, -EMSGSIZE, "ranges", "%zu ranges are more than one message holds", n);
	wire = calloc(n > 0 ? n : 1, sizeof(*wire));
	allow.ranges = calloc(n > 0 ? n : 1, sizeof(Iommubroker__V1__Range *));
	if (!wire || !allow.ranges) {
		err = conn_fail(conn, -ENOMEM, NULL, "no memory for %zu ranges", n);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		iommubroker__v1__range__init(&wire[i]);
		wire[i].has_start = wire[i].has_last = 1;
		wire[i].start = ranges[i].start;
		wire[i].last = ranges[i].last;
		allow.ranges[i] = &wire[i];
	}
	allow.n_ranges = n;
	allow.has_ioas = 1;
	allow.ioas = ioas;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_IOAS_ALLOW_IOVAS;
	operation.ioas_allow_iovas = &allow;
	err = call_simple(conn, &operation, -1, NULL);
out:
	free(wire);
	free(allow.ranges);
	return err;
}
