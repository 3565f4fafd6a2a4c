/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

/* Not here, and why: CHOWN, FOWNER, DAC_OVERRIDE (sockets and directories are made before), SYS_RESOURCE (our own hard
 * limits are raised before, a child only lowers them), SYS_PTRACE (/proc/PID/cgroup and status are for everybody),
 * IPC_LOCK (the one that would make every memlock limit void), SYS_ADMIN (nothing asks for it). */
static const struct cap_kept kept[] = {
	{CAP_SETUID, "CAP_SETUID", "a session runs as its tenant's own uid"},
	{CAP_SETGID, "CAP_SETGID", "a session runs as its tenant's own gid, without groups"},
	{CAP_SETPCAP, "CAP_SETPCAP", "a child empties its bounding set before it execs"},
	{CAP_KILL, "CAP_KILL", "sessions that break the protocol are killed, and have another uid"},
};

const struct cap_kept *caps_kept(size_t *ret_n)
{
	*ret_n = sizeof(kept) / sizeof(kept[0]);
	return kept;
}

uint64_t caps_mask(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		mask |= UINT64_C(1) << kept[i].capability;
	return mask;
}

int caps_reduce(void)
{
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			    kept[i].capability))
			return -EINVAL;
	/* The bounding set first: shrinking it needs SETPCAP, which the same call keeps. */
	if (capng_apply(CAPNG_SELECT_ALL))
		return -EPERM;
	return 0;
}

int caps_drop_bounding(void)
{
	for (unsigned long capability = 0; capability <= CAP_LAST_CAP; capability++)
		/* EINVAL: a kernel that does not know this one. */
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
			return -errno;
	return 0;
}

int caps_drop_all(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return 0;
}
