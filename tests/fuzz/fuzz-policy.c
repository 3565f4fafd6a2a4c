/* SPDX-License-Identifier: MIT */
/* Any bytes are a policy or an error with a position; a policy keeps its promises. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>
#include "policy/policy.h"

const char *const fuzz_words[] = {"version: 1\n", "host: ", "sockets: ", "tenants:\n", "- ", "  ",
	"\n", ": ", "{", "}", "[", "]", ", ", "\"", "'", "#", "&a ", "*a", "!!str ",
	"<<: ", "---\n", "...\n", "%TAG ! x\n", "? ", "| ", ">-\n", "0x", "MiB", "KiB", "TiB", "GB",
	"18446744073709551615", "18446744073709551616", "locked_memory: ", "name: ", "path: ",
	"match: ", "uid: ", "gid: ", "socket: ", "devices: ", "address: ", "'*:*.*'",
	"id: ", "1234:11e8", "reset: none", "mode: ", "operations: ", "ioas_map",
	"iova_windows: ", "start: ", "last: ", "memory: ", "memfd",
	"limits: ", "session: ", "session_uids: ", "first: ", "count: ", "cgroup: ", "memory_max: ",
	"pids_max: ", "connections: ", "\xc3\xa4", "\xe2\x80\xa8", "\xff", "\t", "\r\n", "\\u0000",
	"\\x07", NULL};

static void check_tenant(const struct policy *policy, const struct policy_tenant *tenant)
{
	const struct policy_device_facts facts = {"edu0", "0000:00:05.0", 0x1234, 0x11e8};
	const struct policy_peer peer = {
		tenant->match.socket, tenant->match.uid, tenant->match.gid};
	const struct policy_device *device = policy_match_device(tenant, &facts);
	char origin[64];

	fuzz_assert(tenant->name[0] && strlen(tenant->name) < POLICY_NAME_MAX);
	fuzz_assert(tenant->match.socket || tenant->match.has_uid || tenant->match.has_gid);
	fuzz_assert(policy_match_peer(policy, &peer));
	fuzz_assert(tenant->windows_count >= 1 && tenant->windows_count <= POLICY_WINDOWS_MAX);
	for (size_t i = 0; i < tenant->windows_count; i++) {
		fuzz_assert(tenant->windows[i].start <= tenant->windows[i].last);
		fuzz_assert(i == 0 || tenant->windows[i].start > tenant->windows[i - 1].last);
	}
	for (size_t i = POLICY_LOCKED_MEMORY; i < POLICY_RESOURCE_END; i++)
		fuzz_assert(tenant->session.max[i] <= tenant->tenant.max[i] &&
			    tenant->tenant.max[i] < POLICY_NO_LIMIT);
	fuzz_assert(tenant->operations && tenant->memory_kinds);
	fuzz_assert(!device || policy_device_name(device, &facts)[0]);
	for (size_t i = 0; i < tenant->devices_count; i++)
		fuzz_assert(tenant->devices[i].name[0] || tenant->devices[i].address[0] ||
			    tenant->devices[i].has_id);
	policy_origin_format(&tenant->origin_devices, origin, sizeof(origin));
	fuzz_assert(strlen(origin) < sizeof(origin));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct policy *policy = NULL;
	struct policy_error error = {""};
	int r = policy_parse("fuzz.yaml", (const char *)data, bytes, &policy, &error);

	if (r < 0) {
		fuzz_assert(r == -EINVAL || r == -EFBIG);
		fuzz_assert(!policy);
		fuzz_assert(strncmp(error.text, "fuzz.yaml:", 10) == 0);
		for (const char *at = error.text; *at; at++)
			fuzz_assert(*at >= 0x20 && *at < 0x7f);
		return 0;
	}
	fuzz_assert(
		error.text[0] == '\0' && policy->tenants_count >= 1 && policy->sockets_count >= 1);
	for (size_t i = 0; i < policy->tenants_count; i++)
		check_tenant(policy, &policy->tenants[i]);
	policy_free(policy);
	return 0;
}
