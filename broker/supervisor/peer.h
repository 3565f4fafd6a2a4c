/* SPDX-License-Identifier: MIT */
/*
 * Who connected, from the kernel's word alone: nothing here reads a byte of the connection.
 *
 *   uid, gid, pid   SO_PEERCRED: of the moment of connect()
 *   pidfd           SO_PEERPIDFD (Linux 6.5), else pidfd_open(pid)
 *   label           SO_PEERSEC, where an LSM gives one
 *   cgroup          /proc/PID/cgroup, which is of that process only if it lived before and after the reading
 *
 * A peer that is dead already is refused: its pid may be somebody else's by now. Without SO_PEERPIDFD the pidfd may
 * belong to such a successor, so there a tenant must not be told apart by anything but uid, gid and socket.
 */
#ifndef IOMMUB_SUPERVISOR_PEER_H
#define IOMMUB_SUPERVISOR_PEER_H

#include <sys/types.h>

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char label[128]; /* empty: none */
	char cgroup[256]; /* path in the unified hierarchy; empty: not to be had */
};

/* 0, -ESRCH if the peer is dead or not visible from here, -errno. */
int peer_identify(int socket_fd, struct peer *ret);

#endif
