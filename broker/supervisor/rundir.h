/* SPDX-License-Identifier: MIT */
/*
 * The run directory and its lock: one supervisor at a time makes sockets there. The lock is an flock on a file that
 * stays; it ends with the process, however that ends, so that nothing is left to clean up after a kill.
 */
#ifndef IOMMUB_SUPERVISOR_RUNDIR_H
#define IOMMUB_SUPERVISOR_RUNDIR_H

/* Make the directory (one level) if it is not there, and take its lock. The lock's fd, -EBUSY if another supervisor has
 * it, or -errno. */
int rundir_lock(const char *path);

#endif
