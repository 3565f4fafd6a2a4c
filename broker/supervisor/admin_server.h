/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's side of administration. Whoever connects to admin.sock (mode 0600 in the run directory; root, or the user
 * as whom we run) is served by a process as everybody is, iommu-broker-session --role=admin, which speaks protobuf with him and
 * fixed-size structs with us: so that no byte of his is parsed here, either. It runs as a uid of its own and has the two sockets and
 * nothing else. It has no tenant and no slot; there are at most ADMINS_MAX.
 *
 * Three things can be asked: sessions, devices, and the revocation of a session, which is its end by force (sweep.h). Of that
 * each step is told as it happens, until every device that the session had is free, out of service, or known to be held.
 */
#ifndef IOMMUB_SUPERVISOR_ADMIN_SERVER_H
#define IOMMUB_SUPERVISOR_ADMIN_SERVER_H

#include <sys/queue.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/common/control.h"
#include "policy/policy.h"

#define ADMINS_MAX 8u

struct admin;
struct device;
struct session_proc;
struct supervisor;

struct admins {
	LIST_HEAD(admin_list, admin) all;
	unsigned int count;
	uid_t uid; /* as whom their processes run, if we are root */
};

/* The socket, as the policy would describe it. */
extern const struct policy_socket admin_socket;

/* A connection; borrowed. */
void admin_admit(struct supervisor *supervisor, int client_fd);
void admins_kill_all(struct supervisor *supervisor);

/* What happened to a session or a device, for whoever watches. The session may be freed after SWEPT. */
void admin_session_step(const struct session_proc *session, enum admin_step step);
void admin_device_changed(const struct device *device);
void admin_session_gone(struct supervisor *supervisor, uint64_t session);

#endif
