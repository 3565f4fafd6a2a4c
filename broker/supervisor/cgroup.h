/* SPDX-License-Identifier: MIT */
/*
 * A cgroup (v2) for each tenant, below a directory that is delegated to us: what all sessions of a tenant may use of
 * memory and processes together, enforced by the kernel. Without such a directory there is none, which the log says
 * once; the ledger and RLIMIT_MEMLOCK hold either way.
 */
#ifndef IOMMUB_SUPERVISOR_CGROUP_H
#define IOMMUB_SUPERVISOR_CGROUP_H

#include <stddef.h>
#include <stdint.h>

/* Let children of `dir` have the memory and pids controllers. The directory's fd, or -errno; *ret_partial says whether a
 * controller is not to be had. */
int cgroup_open(const char *dir, int *ret_partial);

/* The cgroup that we run in, where that is delegated to us (systemd: Delegate=), as a path below /sys/fs/cgroup. No process
 * may be in a cgroup whose children have controllers, so we move to its child "supervisor", unless that is where we were
 * started (DelegateSubgroup=). 0 or -errno; -EPERM: it is the root, which is nobody's. */
int cgroup_own(char *ret_dir, size_t bytes);

/* Make the child `name` with its limits (UINT64_MAX: none). An fd to cgroup.procs: writing "0" there moves the writer.
 * *ret_events_fd is for cgroup_oom_kills(), -1 if there is no memory controller. -errno if it cannot be made, or if a
 * limit that the policy sets cannot be set. */
int cgroup_tenant_open(int dir_fd, const char *name, uint64_t memory_max_bytes, uint64_t pids_max,
	int *ret_events_fd);

/* How many of its processes the kernel has killed for want of memory so far. 0 if that cannot be told. */
uint64_t cgroup_oom_kills(int events_fd);

#endif
