/* SPDX-License-Identifier: MIT */
/*
 * The run directory and its lock: one supervisor at a time makes sockets there. The lock is an flock on a file that
 * stays; it ends with the process, however that ends, so that nothing is left to clean up after a kill.
 */
#ifndef IOMMUB_SUPERVISOR_RUNDIR_H
#define IOMMUB_SUPERVISOR_RUNDIR_H

/* May sockets be made in a directory? Who can rename or replace what lies there can put a link in the place of a socket
 * while it gets its mode, or a broker of his own in the place of ours. So it is root's or ours, and nobody else writes
 * there, or it is sticky. 0, -EPERM, or -errno. */
int directory_check(int dir_fd);

/* Make the directory (one level) if it is not there, check it, and take its lock. The lock's fd, -EBUSY if another
 * supervisor has it, -EPERM if others rule the directory, or -errno. */
int rundir_lock(const char *path);

#endif
