/* SPDX-License-Identifier: MIT */
/* Who may have a session: everything that is decided about a connection before the fork. */
#ifndef IOMMUB_SUPERVISOR_ADMIT_H
#define IOMMUB_SUPERVISOR_ADMIT_H

struct supervisor;

/* A new connection on the socket of that name; the fd is borrowed: a session has its own. */
void connection_admit(struct supervisor *supervisor, const char *socket_name, int client_fd);

#endif
