/* SPDX-License-Identifier: MIT */
/* Who is which tenant, and which device is lent: order, combinations, wildcards. */
#include "tests/policy/support.h"

#include <stdio.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *tenant_of(const struct policy *policy, const char *socket, uid_t uid, gid_t gid)
{
	const struct policy_peer peer = {.socket = socket, .uid = uid, .gid = gid};
	const struct policy_tenant *tenant = policy_match_peer(policy, &peer);

	return tenant ? tenant->name : "nobody";
}

#define ONE(name, match) "- {name: " name ", match: {" match "}, limits: {locked_memory: 0}}\n"

static void test_peers(void **state)
{
	struct policy *policy = load_good(
		HOST "sockets: [{name: s, path: a}, {name: t, path: b}]\ntenants:\n" ONE(
			"all", "socket: s, uid: 1, gid: 2") ONE("socket-uid", "socket: s, uid: 1")
			ONE("uid-gid", "uid: 1, gid: 2") ONE("socket-gid", "socket: s, gid: 2")
				ONE("zero", "uid: 0") ONE("gid", "gid: 2")
					ONE("socket", "socket: s") ONE("uid", "uid: 1"));

	(void)state;
	assert_string_equal(tenant_of(policy, "s", 1, 2), "all");
	assert_string_equal(tenant_of(policy, "s", 1, 3), "socket-uid");
	assert_string_equal(tenant_of(policy, "t", 1, 2), "uid-gid");
	assert_string_equal(tenant_of(policy, "s", 3, 2), "socket-gid");
	assert_string_equal(tenant_of(policy, "t", 3, 2), "gid");
	assert_string_equal(tenant_of(policy, "s", 3, 3), "socket");
	assert_string_equal(tenant_of(policy, "t", 1, 3), "uid");
	assert_string_equal(tenant_of(policy, "t", 0, 0), "zero");
	assert_string_equal(tenant_of(policy, "t", 3, 3), "nobody");
	assert_string_equal(tenant_of(policy, NULL, 3, 3), "nobody");
	policy_free(policy);
}

static void test_first_match_wins(void **state)
{
	struct policy *policy = load_good(HEAD "tenants:\n" ONE("b", "uid: 1") ONE("a", "uid: 1"));

	(void)state;
	assert_string_equal(tenant_of(policy, "main", 1, 1), "b");
	policy_free(policy);
}

/* Which entry of `devices`, and under what name? "-" is none. */
static void check_device(
	const char *devices, const struct policy_device_facts *facts, const char *name)
{
	char text[1024];
	struct policy *policy;
	const struct policy_device *entry;

	snprintf(text, sizeof(text), TENANT "  devices: [%s]\n", devices);
	policy = load_good(text);
	entry = policy_match_device(&policy->tenants[0], facts);
	if (strcmp(entry ? policy_device_name(entry, facts) : "-", name) != 0)
		fail_msg("%s of {%s %s %04x:%04x}: %s", devices, facts->name ? facts->name : "",
			facts->address, facts->vendor, facts->device,
			entry ? policy_device_name(entry, facts) : "-");
	policy_free(policy);
}

static void test_devices(void **state)
{
	static const struct policy_device_facts edu0 = {"edu0", "0000:00:05.0", 0x1234, 0x11e8};
	static const struct policy_device_facts real = {NULL, "0000:3b:00.1", 0x8086, 0x1572};
	static const struct {
		const char *devices, *edu0, *real;
	} rows[] = {
		{"", "-", "-"},
		{"{name: edu0}", "edu0", "-"},
		{"{name: edu1}", "-", "-"},
		{"{name: mine, address: '00:05.0'}", "mine", "-"},
		{"{name: edu0, address: '00:06.0'}", "-", "-"},
		{"{address: '0000:3B:00.1'}", "-", "0000:3b:00.1"},
		{"{address: '3b:00.*'}", "-", "0000:3b:00.1"},
		{"{address: '*:00.1'}", "-", "0000:3b:00.1"},
		{"{address: '*:*.*'}", "edu0", "0000:3b:00.1"},
		{"{address: '0001:3b:00.1'}", "-", "-"},
		{"{address: '*:3b:00.1'}", "-", "0000:3b:00.1"},
		{"{address: '3b:00.0'}", "-", "-"},
		{"{id: '8086:1572'}", "-", "0000:3b:00.1"},
		{"{id: '8086:1573'}", "-", "-"},
		{"{id: '8087:1572'}", "-", "-"},
		{"{id: '1234:11e8', address: '3b:00.1'}", "-", "-"},
		{"{id: '1234:11e8', address: '*:*.*'}", "edu0", "-"},
		{"{name: n, id: '8086:1572', address: '3b:00.1'}", "-", "n"},
		{"{name: a, address: '3b:00.1'}, {name: b, address: '3b:00.1'}", "-", "a"},
		{"{address: '*:*.*'}, {name: b, address: '3b:00.1'}", "edu0", "0000:3b:00.1"},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		check_device(rows[i].devices, &edu0, rows[i].edu0);
		check_device(rows[i].devices, &real, rows[i].real);
	}
}

static void test_facts_without_address(void **state)
{
	static const struct policy_device_facts no_address = {"x", NULL, 1, 2};
	static const struct policy_device_facts odd = {"x", "*:*:*.*", 1, 2};

	(void)state;
	check_device("{address: '*:*:*.*'}", &no_address, "-");
	check_device("{address: '*:*:*.*'}", &odd, "-");
	check_device("{id: '0001:0002'}", &no_address, "x");
}

static void check_origin(const struct policy_origin *origin, size_t bytes, const char *expected)
{
	char *buffer = malloc(bytes); /* exact, for a sanitizer */

	assert_non_null(buffer);
	policy_origin_format(origin, buffer, bytes);
	assert_string_equal(buffer, expected);
	free(buffer);
}

static void test_origins(void **state)
{
	static const struct policy_origin said = {"/etc/p.yaml", 12, "tenants.a.devices"};
	static const struct policy_origin unsaid = {"/etc/p.yaml", 0, "tenants.a.devices"};
	static const struct policy_origin none = {0};
	struct policy *policy = load_good(TENANT "  devices: [{name: x}, {id: '0001:0002'}]\n");
	const struct policy_tenant *tenant = &policy->tenants[0];

	(void)state;
	check_origin(&said, 100, "/etc/p.yaml:12 tenants.a.devices");
	check_origin(&said, 33, "/etc/p.yaml:12 tenants.a.devices");
	check_origin(&said, 32, ".../p.yaml:12 tenants.a.devices");
	check_origin(&said, 26, "...l:12 tenants.a.devices");
	check_origin(&said, 25, ":12 tenants.a.devices");
	check_origin(&said, 5, ":12 ");
	check_origin(&said, 1, "");
	check_origin(&unsaid, 100, "/etc/p.yaml tenants.a.devices (default)");
	check_origin(&none, 100, "policy  (default)");
	check_origin(&tenant->origin, 100, "policy.yaml:5 tenants.alpha");
	check_origin(&tenant->match.origin, 100, "policy.yaml:6 tenants.alpha.match");
	check_origin(&tenant->origin_limits, 100, "policy.yaml:7 tenants.alpha.limits");
	check_origin(&tenant->origin_devices, 100, "policy.yaml:8 tenants.alpha.devices");
	check_origin(&tenant->devices[0].origin, 100, "policy.yaml:8 tenants.alpha.devices.x");
	check_origin(&tenant->devices[1].origin, 100, "policy.yaml:8 tenants.alpha.devices[1]");
	check_origin(
		&tenant->origin_operations, 100, "policy.yaml tenants.alpha.operations (default)");
	check_origin(
		&tenant->origin_windows, 100, "policy.yaml tenants.alpha.iova_windows (default)");
	check_origin(&tenant->origin_memory, 100, "policy.yaml tenants.alpha.memory (default)");
	check_origin(&policy->host.origin, 100, "policy.yaml:2 host");
	check_origin(&policy->sockets[0].origin, 100, "policy.yaml:3 sockets.main");
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_first_match_wins),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_facts_without_address),
		cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
