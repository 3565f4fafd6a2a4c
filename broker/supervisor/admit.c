/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/admit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/supervisor/supervisor.h"
#include "broker/supervisor/welcome_refusal.h"

static void refuse(struct supervisor *supervisor, const char *socket_name, const struct peer *peer,
	const struct tenant *tenant, int client_fd, const struct welcome_refusal *refusal)
{
	struct audit_record record;
	uint64_t suppressed;

	welcome_refusal_send(client_fd, refusal);
	if (audit_bucket_take(&supervisor->refusals, supervisor_now_ms(), &suppressed))
		return;
	audit_begin(&record, "connection.refused");
	if (suppressed)
		audit_uint(&record, "suppressed", suppressed);
	audit_string(&record, "socket", socket_name);
	if (tenant)
		audit_string(&record, "tenant", tenant->policy->name);
	if (peer) {
		audit_uint(&record, "peer_pid", (uint64_t)peer->pid);
		audit_uint(&record, "peer_uid", peer->uid);
		audit_uint(&record, "peer_gid", peer->gid);
	}
	audit_string(&record, "error", refusal->error);
	audit_string(&record, "why", refusal->message);
	audit_emit(supervisor->audit, AUDIT_NOTICE, &record);
}

static const char *errno_name(int error)
{
	const char *name = strerrorname_np(-error);

	return name ? name : "EIO";
}

static void start_or_refuse(struct supervisor *supervisor, const char *socket_name,
	const struct peer *peer, struct tenant *tenant, int client_fd)
{
	struct welcome_refusal refusal = {.error = "EAGAIN"};
	char rule[CONTROL_RULE_MAX], message[64];
	int error;

	error = session_start(supervisor, tenant, peer, client_fd);
	if (!error)
		return;
	if (error == -EDQUOT) {
		policy_origin_format(&tenant->policy->origin_limits, rule, sizeof(rule));
		refusal = (struct welcome_refusal){.error = "EDQUOT",
			.message = "this tenant has as many connections as it may",
			.rule = rule,
			.scope = SCOPE_TENANT,
			.limit = tenant_connections_max(tenant),
			.used = tenant->slots_count};
	} else {
		(void)snprintf(message, sizeof(message), "no session can be started now: %s",
			errno_name(error));
		refusal.message = message;
	}
	refuse(supervisor, socket_name, peer, tenant, client_fd, &refusal);
}

void connection_admit(struct supervisor *supervisor, const char *socket_name, int client_fd)
{
	struct welcome_refusal refusal = {0};
	struct tenant *tenant;
	char message[128];
	struct peer peer;
	int error;

	error = peer_identify(client_fd, &peer);
	if (error) {
		refusal.error = errno_name(error);
		refusal.message = error == -ESRCH ? "the peer is dead, or cannot be seen from here"
						  : "the peer cannot be identified";
		refuse(supervisor, socket_name, NULL, NULL, client_fd, &refusal);
		return;
	}
	tenant = tenants_match(&supervisor->tenants, supervisor->policy,
		&(struct policy_peer){.socket = socket_name, .uid = peer.uid, .gid = peer.gid});
	if (!tenant) {
		(void)snprintf(message, sizeof(message),
			"no tenant of the policy matches uid %u, gid %u on socket '%.40s'",
			(unsigned int)peer.uid, (unsigned int)peer.gid, socket_name);
		refusal.error = "EACCES";
		refusal.message = message;
		refuse(supervisor, socket_name, &peer, NULL, client_fd, &refusal);
		return;
	}
	if (supervisor->sessions.count >= supervisor->policy->host.connections) {
		refusal = (struct welcome_refusal){.error = "EDQUOT",
			.message = "this host has as many connections as it may",
			.scope = SCOPE_HOST,
			.limit = supervisor->policy->host.connections,
			.used = supervisor->sessions.count};
		refuse(supervisor, socket_name, &peer, tenant, client_fd, &refusal);
		return;
	}
	start_or_refuse(supervisor, socket_name, &peer, tenant, client_fd);
}
