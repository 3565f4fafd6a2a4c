/* SPDX-License-Identifier: MIT */
/*
 * One SOCK_SEQPACKET packet and the file descriptors that came with it.
 *
 * Receiving from strangers: every fd is received with CLOEXEC; MSG_CTRUNC (which a client, an LSM or an exhausted fd
 * table can cause) is an error of that peer and never ours; on every error all fds that came are closed before the call
 * returns, so a caller owns fds only together with a return value > 0.
 */
#ifndef IOMMUB_COMMON_SEQPACKET_H
#define IOMMUB_COMMON_SEQPACKET_H

#include <stddef.h>
#include <sys/types.h>

#define SEQPACKET_FDS_MAX 253u /* SCM_MAX_FD: what the kernel lets one packet carry */

/*
 * Receive one packet without blocking.
 *  > 0        bytes of the packet; fds[0..*ret_fds) are the caller's
 *  0          the peer closed (or sent an empty packet: SEQPACKET cannot tell, both end the session)
 *  -EAGAIN    nothing there
 *  -EMSGSIZE  larger than `bytes`;  -ETOOMANYREFS  more than max_fds fds;  -ENOBUFS  MSG_CTRUNC: fds were lost
 *  -errno     of recvmsg
 */
ssize_t seqpacket_recv(
	int socket_fd, void *buffer, size_t bytes, int *fds, size_t max_fds, size_t *ret_fds);

/* Send one packet without blocking, never SIGPIPE; fds are borrowed. 0 or -errno. */
int seqpacket_send(int socket_fd, const void *buffer, size_t bytes, const int *fds, size_t n_fds);

/* Close n fds and set them to -1; preserves errno. */
void fds_close(int *fds, size_t n);

#endif
