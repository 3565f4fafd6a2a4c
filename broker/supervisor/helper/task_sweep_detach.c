/* SPDX-License-Identifier: MIT */
/*
 * One half of force: DETACH, over and over, until told to end. Whoever holds the device's fd can attach it again to any
 * page table that is left in its context, so once is not enough; the other half (task_sweep_unmap.c) meanwhile leaves it
 * less and less to attach to. DETACH of what is not attached answers 0: no answer of it says that the end has come.
 *
 * An attachment "by PASID 0" is one of the device itself, and yet only DETACH by PASID 0 undoes it: a plain DETACH finds
 * nothing to do and answers 0 (seen on 7.3; the VFIO layer counts the two apart). So every round says both.
 *
 * By other PASIDs there may be 2^20 attachments. They are taken a slice a round, so that the attachment of the device itself,
 * which is what every device can have, never waits for a million ioctls.
 */
#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "broker/supervisor/helper/task.h"
#include "iommufd_uapi.h"

#define SLICE 256u /* PASIDs a round */
#define PASID_BITS_MAX 20u

/* Without the PASID the struct is the one of Linux 6.6. */
static int detach(int device)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = offsetof(struct vfio_device_detach_iommufd_pt, pasid)};

	return ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg) < 0 ? -errno : 0;
}

static void detach_pasid(int device, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = pasid};

	(void)ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

/* One round over all devices. 0, or the last errno: EINVAL of a device that was never bound has nothing attached. */
static int detach_all(const struct helper_work *work)
{
	int error = 0;

	for (uint32_t i = 0; i < work->request->fds_count; i++) {
		int result = detach(work->fds[i]);

		detach_pasid(work->fds[i], 0);
		if (result && result != -EINVAL)
			error = result;
	}
	return error;
}

static void detach_slice(const struct helper_work *work, uint32_t first, uint32_t end)
{
	for (uint32_t i = 0; i < work->request->fds_count; i++)
		for (uint32_t pasid = first; pasid < end; pasid++)
			detach_pasid(work->fds[i], pasid);
}

static bool told_to_end(void)
{
	char byte;

	return recv(HELPER_FD_RESULT, &byte, sizeof(byte), MSG_DONTWAIT) >= 0;
}

int helper_sweep_detach(struct helper_work *work)
{
	uint32_t bits = work->request->pasid_bits;
	uint32_t pasids = bits == 0 ? 0 : 1u << (bits > PASID_BITS_MAX ? PASID_BITS_MAX : bits);
	uint32_t next = 1;
	bool last;
	int error;

	do {
		last = told_to_end();
		error = detach_all(work);
		work->result->rounds++;
		if (pasids) {
			uint32_t end = pasids - next > SLICE ? next + SLICE : pasids;

			detach_slice(work, next, end);
			next = end == pasids ? 1 : end;
		}
		/* On one CPU the other half would have to wait for our time slice. */
		(void)sched_yield();
	} while (!last);
	if (pasids)
		detach_slice(work, 1, pasids);
	return error;
}
