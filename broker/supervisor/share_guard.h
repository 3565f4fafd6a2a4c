/* SPDX-License-Identifier: MIT */
/*
 * Devices that cannot be had by two: what the lease of one device says about granting another.
 *
 *      group    the IOMMU cannot tell the members of a group apart, and the kernel gives a group to one context. So a
 *               device is refused while any other session has, or has not quite lost, a member; also a session of the
 *               same tenant, which would be told EPERM by the kernel otherwise
 *      PF, VF   whoever has the PF commands its VFs: the two are not lent to different sessions
 *
 * A device is in use from its grant until it is free again: while it is cut, held or being reset, its context is alive.
 */
#ifndef IOMMUB_SUPERVISOR_SHARE_GUARD_H
#define IOMMUB_SUPERVISOR_SHARE_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "broker/supervisor/inventory.h"

#define SHARE_TEXT_MAX 256u

/* Which device stands against granting `device` to this session? NULL: none. *text is a sentence fit for the session's
 * tenant: it names sessions and devices of that tenant only. */
const struct device *share_conflict(const struct inventory *inventory, const struct device *device,
	uint64_t session, const struct tenant *tenant, char text[SHARE_TEXT_MAX]);

#endif
