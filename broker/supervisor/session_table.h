/* SPDX-License-Identifier: MIT */
/*
 * The sessions that run: one process each, known by a pidfd, with a control socket.
 *
 *      start   slot in the tenant's ledger -> fork -> SETUP is the first packet it finds
 *      READY   in time, or it is killed
 *      kill    SIGKILL by pidfd, and the sweep of its context begins. Nothing is given back yet
 *      reap    the pidfd says that it has ended: one audit line. What it had is still mapped, and still charged
 *      swept   no mapping is left (sweep.h; on the model that was the process' own end): its devices are cut, its slot in the ledger
 *              and its share of the host's memory are given back
 *
 * The end of the control socket is that of a process that is ending; one that only closed it can no longer be told
 * anything, and is killed after SESSION_CLOSED_MS.
 */
#ifndef IOMMUB_SUPERVISOR_SESSION_TABLE_H
#define IOMMUB_SUPERVISOR_SESSION_TABLE_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/supervisor/audit.h"
#include "broker/supervisor/peer.h"
#include "broker/supervisor/sweep.h"

#define SESSION_READY_MS 10000
#define SESSION_CLOSED_MS 1000

struct device;
struct event;
struct policy_device;
struct supervisor;
struct tenant;

struct session_proc {
	LIST_ENTRY(session_proc) link;
	struct supervisor *supervisor;
	uint64_t id;
	struct tenant *tenant;
	unsigned int slot;
	struct peer peer;
	pid_t pid;
	int pidfd;
	int control_fd;
	int iommu_fd; /* our duplicate of its context; -1: on the model */
	uint64_t since_ms;
	struct sweep sweep;
	struct event *on_death, *on_control, *on_deadline;
	bool ready, closed;
	bool ended_in_order; /* by itself, with status 0 */
	const char *killed; /* why we killed it; NULL: we did not */
	unsigned int devices; /* lent to it now */
	struct audit_bucket bucket;

	/* An open that waits for a reset to end, or for the helper that opens the device. */
	TAILQ_ENTRY(session_proc) waiting_link;
	struct device *waiting; /* NULL: none */
	const struct policy_device *waiting_entry;
	struct device *opening; /* NULL: none */
	uint64_t waiting_serial;
};

struct session_table {
	LIST_HEAD(session_list, session_proc) all;
	uint64_t count;
	uint64_t last_id;
};

/* Start the session of a connection; client_fd is borrowed. 0, -EDQUOT at the tenant's limit, or -errno. */
int session_start(struct supervisor *supervisor, struct tenant *tenant, const struct peer *peer,
	int client_fd);

/* Kill it; `why` is static text for the audit. Once is enough. */
void session_kill(struct session_proc *session, const char *why);
/* Of sweep.c: nothing that it had is mapped any more. Frees it. */
void session_swept(struct session_proc *session);
/* NULL: none of that number is known. */
struct session_proc *session_find(struct supervisor *supervisor, uint64_t id);
/* Its control socket has ended. */
void session_closed(struct session_proc *session);
void sessions_kill_all(struct supervisor *supervisor, const char *why);

/* May a line be written that this session causes as often as it likes? Appends how many were not. */
bool session_audit_may(struct session_proc *session, struct audit_record *record);

/* A record that begins with the event, the session, its tenant. */
void session_audit_begin(
	const struct session_proc *session, struct audit_record *record, const char *event);

#endif
