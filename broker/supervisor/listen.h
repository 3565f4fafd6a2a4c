/* SPDX-License-Identifier: MIT */
/*
 * The sockets that clients connect to, and what happens to a connection before it has a process.
 *
 * A socket is made under a temporary name, given its owner and mode, and renamed into place: so it is never there with
 * other rights than the policy's, and what a killed supervisor left is replaced without a moment of "no such file".
 *
 * Besides those of the policy there is one for administrators, admin.sock (admin_server.h).
 *
 * A connection passes, in this order: is the peer alive, which tenant is it, has the host room, has the tenant room. Only
 * then is there a fork. Each refusal is one packet (welcome_refusal.h), one audit line, and a close.
 */
#ifndef IOMMUB_SUPERVISOR_LISTEN_H
#define IOMMUB_SUPERVISOR_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LISTEN_ERROR_MAX 256u

struct event;
struct listener;
struct supervisor;

struct listeners {
	struct listener *all;
	size_t count;
	struct event *resume; /* pending while accepting is paused for lack of fds */
	bool paused;
};

/* Make the sockets of the policy; nothing is accepted yet. 0 or -errno with a sentence. */
int listeners_open(struct supervisor *supervisor, char error[LISTEN_ERROR_MAX]);
/* Begin to accept. */
int listeners_start(struct supervisor *supervisor);
/* Close them, and remove the files that are still ours. */
void listeners_close(struct supervisor *supervisor);
/* An fd has become free. */
void listeners_resume(struct supervisor *supervisor);

#endif
