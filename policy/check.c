/* SPDX-License-Identifier: MIT */
#include "policy/check.h"

#include <string.h>
#include "policy/error.h"

/* Uids that mean something to the kernel or to every file system: overflow (nobody), and 2^16-1 of
 * 16-bit calls. */
#define UID_NOBODY 65534u
#define UID_16_BIT_NONE 65535u

static uint64_t session_uid_end(const struct policy_host *host)
{
	return (uint64_t)host->session_uid_first + host->session_uid_count;
}

static bool is_session_uid(const struct policy_host *host, uint64_t uid)
{
	return uid >= host->session_uid_first && uid < session_uid_end(host);
}

int check_session_uids(const struct reader *reader, const struct node *node, void *object)
{
	const struct policy_host *host = object;

	if (session_uid_end(host) > UINT64_C(1) << 31)
		return reader_error(reader, node_get(node, "count"),
			"ends at uid %llu; expected below 2147483648",
			(unsigned long long)session_uid_end(host) - 1);
	if (is_session_uid(host, UID_NOBODY) || is_session_uid(host, UID_16_BIT_NONE))
		return reader_error(reader, node_get(node, "first"),
			"the range holds 65534 or 65535 (nobody); expected one without");
	return 0;
}

/* Windows are written in ascending order, so that a reader sees the gaps. */
static int check_windows(
	const struct reader *reader, const struct node *node, const struct policy_tenant *tenant)
{
	const struct node *item = node ? node->first : NULL;

	for (size_t i = 1; item && i < tenant->windows_count; i++) {
		const struct node *before = item;

		item = item->next;
		if (tenant->windows[i].start <= tenant->windows[i - 1].last)
			return reader_error(reader, node_get(item, "start"),
				"not above the window in line %u, which ends at 0x%llx; expected "
				"ascending "
				"windows that do not overlap",
				before->line, (unsigned long long)tenant->windows[i - 1].last);
	}
	return 0;
}

/* Two devices that a tenant would know by one name. */
static int check_device_names(
	const struct reader *reader, const struct node *node, const struct policy_tenant *tenant)
{
	const struct node *item = node ? node->first : NULL;

	for (size_t i = 0; item && i < tenant->devices_count; i++, item = item->next) {
		const struct node *other = node->first;

		for (size_t j = 0; j < i; j++, other = other->next)
			if (tenant->devices[i].name[0] &&
				strcmp(tenant->devices[i].name, tenant->devices[j].name) == 0)
				return reader_error(reader, node_get(item, "name"),
					"'%s' a second time; the first is in line %u, column %u",
					tenant->devices[i].name, node_get(other, "name")->line,
					node_get(other, "name")->column);
	}
	return 0;
}

int check_tenant(
	const struct reader *reader, const struct node *node, const struct policy_tenant *tenant)
{
	const struct node *pids_max = node_get(node_get(node, "cgroup"), "pids_max");
	uint64_t connections = tenant->tenant.max[POLICY_CONNECTIONS];
	int r;

	if (pids_max && tenant->pids_max < connections)
		return reader_error(reader, pids_max,
			"less than its %llu connections, each a process; expected at least that",
			(unsigned long long)connections);
	r = check_windows(reader, node_get(node, "iova_windows"), tenant);
	return r < 0 ? r : check_device_names(reader, node_get(node, "devices"), tenant);
}

/* No two items of a list may have the same text at `key`. */
static int check_unique(const struct reader *reader, const struct node *list, const char *key)
{
	for (const struct node *item = list->first; item; item = item->next) {
		const struct node *mine = node_get(item, key);

		for (const struct node *other = list->first; other != item; other = other->next) {
			const struct node *its = node_get(other, key);

			if (strcmp(mine->text, its->text) == 0) {
				char quoted[ERROR_QUOTE_MAX];

				return reader_error(reader, mine,
					"'%s' a second time; the first is in line %u, column %u",
					error_quote(mine->text, quoted), its->line, its->column);
			}
		}
	}
	return 0;
}

static bool socket_exists(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->sockets_count; i++)
		if (strcmp(policy->sockets[i].name, name) == 0)
			return true;
	return false;
}

static int check_match(const struct reader *reader, const struct node *match,
	const struct policy *policy, const struct policy_tenant *tenant)
{
	if (tenant->match.socket && !socket_exists(policy, tenant->match.socket))
		return reader_error(reader, node_get(match, "socket"),
			"'%s' is no socket; expected a name from sockets", tenant->match.socket);
	/* Else a session that a client took over could connect and be a tenant. */
	if (tenant->match.has_uid && is_session_uid(&policy->host, tenant->match.uid))
		return reader_error(reader, node_get(match, "uid"),
			"%u is one of host.session_uids; expected a client's", tenant->match.uid);
	return 0;
}

int check_policy(const struct reader *reader, const struct node *node, void *object)
{
	const struct node *tenants = node_get(node, "tenants"),
			  *sockets = node_get(node, "sockets");
	const struct node *uids = node_get(node_get(node, "host"), "session_uids"),
			  *item = tenants->first;
	const struct policy *policy = object;
	int r = check_unique(reader, sockets, "name");

	if (r == 0)
		r = check_unique(reader, sockets, "path");
	if (r == 0)
		r = check_unique(reader, tenants, "name");
	for (size_t i = 0; r == 0 && i < policy->tenants_count; i++, item = item->next)
		r = check_match(reader, node_get(item, "match"), policy, &policy->tenants[i]);
	if (r == 0 && policy->host.session_uid_count < policy->tenants_count)
		r = reader_error(reader, node_get(uids, "count"),
			"fewer uids than the %zu tenants; expected one for each",
			policy->tenants_count);
	return r;
}
