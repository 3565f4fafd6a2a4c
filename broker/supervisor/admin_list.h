/* SPDX-License-Identifier: MIT */
/* What an administrator is shown, a page at a time. */
#ifndef IOMMUB_SUPERVISOR_ADMIN_LIST_H
#define IOMMUB_SUPERVISOR_ADMIN_LIST_H

#include "broker/common/control.h"

struct supervisor;

/* Sessions with ids above `after`, lowest first; those of a former supervisor come last, with ids that are none. */
void admin_sessions_fill(const struct supervisor *supervisor, uint64_t after,
	struct control_admin_session_page *ret);
/* Devices from index `first` on. */
void admin_devices_fill(
	const struct supervisor *supervisor, uint64_t first, struct control_admin_device_page *ret);

#endif
