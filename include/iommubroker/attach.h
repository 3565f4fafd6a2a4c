/* SPDX-License-Identifier: MIT */
/*
 * Devices that the broker lends: list, open, attach to an I/O address space, detach, close.
 *
 * A device has two sides. To the broker it is an object of the session, named by an id: the calls
 * here. The device itself is a file descriptor: registers, interrupts and reset are device.h's,
 * which works on any such fd, also one that another process passed on.
 *
 *     iommub_device_open(conn, &opts, &id, &fd);       // the broker's side: id; the device's: fd
 *     iommub_device_attach(conn, id, ioas, 0, NULL);   // from here on its DMA uses the IOAS
 *     iommub_device_from_fd(fd, …, &device);           // device.h: registers, interrupts
 *
 * The fd is a VFIO device fd on a host with an IOMMU, or a connected stream socket that speaks the
 * vfio-user protocol where the broker runs on its model; device.h tells them apart. Whoever holds a
 * VFIO fd can attach, detach and reset the device within this session, with or without the broker.
 */
#ifndef IOMMUBROKER_ATTACH_H
#define IOMMUBROKER_ATTACH_H

#include <iommubroker/conn.h>

IOMMUB_BEGIN_DECLS

/** enum iommub_device_state - where a device is between its tenants. */
enum iommub_device_state {
	IOMMUB_DEVICE_FREE = 1,
	IOMMUB_DEVICE_GRANTED = 2,
	IOMMUB_DEVICE_CUT = 3, /* taken back: its DMA reaches nothing */
	IOMMUB_DEVICE_HELD = 4, /* somebody still has its fd */
	IOMMUB_DEVICE_RESETTING = 5,
	IOMMUB_DEVICE_QUARANTINED = 6 /* its reset is missing or failed */
};

/**
 * struct iommub_device_info - a device that the policy allows this tenant.
 * @name: what iommub_device_open() takes
 * @address: PCI address, "0000:00:05.0"; "" if it has none
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @state: enum iommub_device_state, or a number that this header does not know yet
 * @mine: 1 when it is lent to this session
 */
struct iommub_device_info {
	char name[IOMMUB_NAME_MAX + 1];
	char address[16];
	uint16_t vendor;
	uint16_t device;
	uint32_t state;
	int mine;
};

/**
 * iommub_device_list() - the devices that the policy allows this tenant, lent or not.
 * @conn: the connection
 * @ret: room for *@n_inout of them
 * @n_inout: in: that room; out: how many devices there are, which may be more than were written
 *
 * Return: 0, or one that every call may return.
 */
IOMMUB_API int iommub_device_list(
	struct iommub_conn *conn, struct iommub_device_info *ret, size_t *n_inout);

/**
 * struct iommub_device_opts - which device to open.
 * @size: sizeof(struct iommub_device_opts)
 * @name: its name in the policy, or its PCI address
 * @tag: for iommub_list(), at most IOMMUB_TAG_MAX bytes; NULL: none
 */
struct iommub_device_opts {
	size_t size;
	const char *name;
	const char *tag;
};

/**
 * iommub_device_open() - borrow a device.
 * @conn: the connection
 * @opts: which
 * @ret: its id in this session
 * @ret_fd: the device: a VFIO fd, or a vfio-user socket; the caller's. It is bound to this
 * session's context and attached to nothing: no DMA of it reaches anything yet.
 *
 * Return: 0, or
 *   - -EINVAL: no name, or an option out of range
 *   - -E2BIG: @opts is longer than known and says something
 *   - -EBUSY: lent to another session, or still held by its last holder; the message says which
 *   - -EPERM: the policy does not lend it to this tenant; `rule` says where; devices that do
 *     not exist look the same
 *   - -EDQUOT: the limit of devices or objects; `limit` and `asked` say which
 *   - -EMFILE: no room for another file descriptor in this process; the device has been given
 *     back
 *   - -ENODEV, -EIO: it cannot be opened or reset
 *   or one that every call may return.
 */
IOMMUB_API int iommub_device_open(struct iommub_conn *conn, const struct iommub_device_opts *opts,
	iommub_id *ret, int *ret_fd);

/**
 * iommub_device_attach() - let a device's DMA go through an I/O address space.
 * @conn: the connection
 * @device: its id
 * @pt: an IOAS (the broker makes or finds a page table for it), or a HWPT
 * @pasid: 0: the device as a whole
 * @ret_pt: the HWPT that serves it now; NULL: not wanted
 *
 * A device that is attached already moves to @pt in one step.
 *
 * Return: 0, or
 *   - -ENOENT: no object has one of these ids
 *   - -EINVAL: they are of another type, or the device shares a group with one that is attached
 *     elsewhere
 *   - -EBUSY: the group is somebody else's
 *   - -ENOMEM, -EDQUOT: what is mapped in @pt would exceed the locked memory that is allowed
 *   or one that every call may return.
 */
IOMMUB_API int iommub_device_attach(struct iommub_conn *conn, iommub_id device, iommub_id pt,
	uint32_t pasid, iommub_id *ret_pt);

/**
 * iommub_device_detach() - stop a device's DMA: attached to nothing.
 * @conn: the connection
 * @device: its id
 * @pasid: 0: the device as a whole
 *
 * Return: 0, -ENOENT (no such device), -EINVAL, or one that every call may return.
 */
IOMMUB_API int iommub_device_detach(struct iommub_conn *conn, iommub_id device, uint32_t pasid);

/**
 * iommub_device_share() - have a device's fd sent once more, after execve() or for another process
 * of ours.
 * @conn: the connection
 * @device: its id
 * @ret_fd: as of iommub_device_open(); the caller's
 *
 * Return: 0, -ENOENT (no such device), -EMFILE (no room for a file descriptor here, or too many on
 * the broker's side), or one that every call may return.
 */
IOMMUB_API int iommub_device_share(struct iommub_conn *conn, iommub_id device, int *ret_fd);

/**
 * iommub_device_close() - give a device back.
 * @conn: the connection
 * @device: its id
 *
 * It is detached first. Close every fd of it too, and unmap its regions: the broker lends it to
 * nobody while one of them is left.
 *
 * Return: 0, -ENOENT (no such device), -EBUSY (a request still works on it), or one that every call
 * may return.
 */
IOMMUB_API int iommub_device_close(struct iommub_conn *conn, iommub_id device);

IOMMUB_END_DECLS

#endif
