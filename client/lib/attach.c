/* SPDX-License-Identifier: MIT */
/* The broker's side of a device. Its own side, the fd, is device.c's. */
#include "client/lib/conn.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <iommubroker/attach.h>
#include "client/lib/options.h"

static void device_copy(struct iommub_device_info *to, const Iommubroker__V1__Device *from)
{
	*to = (struct iommub_device_info){
		.vendor = (uint16_t)from->vendor,
		.device = (uint16_t)from->device,
		.state = (uint32_t)from->state,
		.mine = from->mine ? 1 : 0,
	};
	(void)snprintf(to->name, sizeof(to->name), "%s", from->name ? from->name : "");
	(void)snprintf(to->address, sizeof(to->address), "%s", from->address ? from->address : "");
}

int iommub_device_list(struct iommub_conn *conn, struct iommub_device_info *ret, size_t *n_inout)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__DeviceList list = IOMMUBROKER__V1__DEVICE_LIST__INIT;
	const Result *result;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!n_inout || (!ret && *n_inout > 0))
		return conn_fail(conn, -EINVAL, NULL, "no room for devices is given");
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DEVICE_LIST;
	operation.device_list = &list;
	err = call_simple(conn, &operation, -1, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_DEVICE_LIST)
		return call_malformed(conn, "DeviceList");
	for (size_t i = 0; i < result->device_list->n_devices && i < *n_inout; i++)
		device_copy(&ret[i], result->device_list->devices[i]);
	*n_inout = result->device_list->n_devices;
	return 0;
}

int iommub_device_close(struct iommub_conn *conn, iommub_id device)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__DeviceClose ask = IOMMUBROKER__V1__DEVICE_CLOSE__INIT;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	ask.has_device = 1;
	ask.device = device;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DEVICE_CLOSE;
	operation.device_close = &ask;
	return call_simple(conn, &operation, -1, NULL);
}

static int fd_missing(struct iommub_conn *conn, bool fds_lost)
{
	if (fds_lost)
		return conn_fail(conn, -EMFILE, NULL,
			"the device's fd was lost: no room for another one here");
	return conn_fail(conn, -EPROTO, NULL, "the broker sent no fd for the device");
}

int iommub_device_open(struct iommub_conn *conn, const struct iommub_device_opts *opts,
	iommub_id *ret, int *ret_fd)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__DeviceOpen ask = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
	struct iommub_device_opts known;
	const Result *result;
	bool fds_lost = false;
	iommub_id device;
	int fd = -1, err;

	err = conn_enter(conn);
	if (err < 0)
		return err;
	err = options_read(&known, sizeof(known), opts);
	if (err < 0)
		return conn_fail(conn, err, "size", "struct iommub_device_opts: %s",
			err == -E2BIG ? "says something that this library is too old to know"
				      : "does not begin with its size");
	if (!known.name || !ret || !ret_fd)
		return conn_fail(conn, -EINVAL, "name", "no device is named, or nowhere to put it");
	ask.name = (char *)known.name;
	ask.tag = (char *)known.tag;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DEVICE_OPEN;
	operation.device_open = &ask;
	err = call_operation(conn, &operation, NULL, 0, &result, &fd, &fds_lost);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_DEVICE_OPEN ||
		result->device_open->device == 0) {
		if (fd >= 0)
			(void)close(fd);
		return call_malformed(conn, "DeviceOpen");
	}
	device = result->device_open->device;
	if (fd < 0) {
		(void)iommub_device_close(conn, device);
		return fd_missing(conn, fds_lost);
	}
	*ret = device;
	*ret_fd = fd;
	return 0;
}

int iommub_device_attach(
	struct iommub_conn *conn, iommub_id device, iommub_id pt, uint32_t pasid, iommub_id *ret_pt)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__DeviceAttach ask = IOMMUBROKER__V1__DEVICE_ATTACH__INIT;
	const Result *result;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	ask.has_device = ask.has_pt_id = 1;
	ask.device = device;
	ask.pt_id = pt;
	ask.has_pasid = pasid != 0;
	ask.pasid = pasid;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DEVICE_ATTACH;
	operation.device_attach = &ask;
	err = call_simple(conn, &operation, -1, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_DEVICE_ATTACH)
		return call_malformed(conn, "DeviceAttach");
	if (ret_pt)
		*ret_pt = result->device_attach->pt_id;
	return 0;
}

int iommub_device_detach(struct iommub_conn *conn, iommub_id device, uint32_t pasid)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__DeviceDetach ask = IOMMUBROKER__V1__DEVICE_DETACH__INIT;
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	ask.has_device = 1;
	ask.device = device;
	ask.has_pasid = pasid != 0;
	ask.pasid = pasid;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DEVICE_DETACH;
	operation.device_detach = &ask;
	return call_simple(conn, &operation, -1, NULL);
}

int iommub_device_share(struct iommub_conn *conn, iommub_id device, int *ret_fd)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__DeviceShare ask = IOMMUBROKER__V1__DEVICE_SHARE__INIT;
	const Result *result;
	bool fds_lost = false;
	int fd = -1, err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!ret_fd)
		return conn_fail(conn, -EINVAL, NULL, "nowhere to put the fd");
	ask.has_device = 1;
	ask.device = device;
	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_DEVICE_SHARE;
	operation.device_share = &ask;
	err = call_operation(conn, &operation, NULL, 0, &result, &fd, &fds_lost);
	if (err < 0)
		return err;
	if (fd < 0)
		return fd_missing(conn, fds_lost);
	*ret_fd = fd;
	return 0;
}
