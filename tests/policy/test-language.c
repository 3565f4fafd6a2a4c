/* SPDX-License-Identifier: MIT */
/*
 * Every row of the language decides something: a table of rows, each with a line that sets it, and
 * what then differs in the loaded policy. A walk over the language's own tables fails for a row
 * that has no line here.
 */
#include "tests/policy/support.h"

#include <stdio.h>
#include "policy/compile.h"
#include "policy/words.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

enum in { IN_POLICY, IN_SOCKET, IN_TENANT, IN_DEVICE };

/* Where in the loaded policy a row shows: a number of `size` bytes, a string (size 0), or an
 * inline string. */
struct row {
	const char *path; /* in the language: lists without index */
	const char *text; /* a policy that sets it */
	enum in in;
	bool inline_text;
	size_t offset, size;
	uint64_t value;
	const char *string;
	uint64_t unset; /* what it is where nothing is said */
	const char *unset_string;
};

#define NUMBER(type, member, set, fallback)                                                        \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member), .value = (set),  \
	.unset = (fallback)
#define STRING(type, member, set, fallback)                                                        \
	.offset = offsetof(type, member), .string = (set), .unset_string = (fallback)
#define IN_LIMITS(text) TENANT_BARE MATCH "  limits: {locked_memory: 64MiB, " text "}\n"
#define IN_HOST(text)                                                                              \
	"version: 1\nhost: {locked_memory: 1GiB, " text                                            \
	"}\nsockets: [{name: main, path: main.sock}]\n"                                            \
	"tenants:\n- name: alpha\n" MATCH LIMITS
#define IN_SOCKETS(text)                                                                           \
	HOST "sockets: [{name: main, path: main.sock, " text                                       \
	     "}]\ntenants:\n- name: alpha\n" MATCH LIMITS
#define IN_DEVICES(text) TENANT "  devices: [{" text "}]\n"
#define T struct policy_tenant
#define D struct policy_device
#define H struct policy
#define SESSION(key, resource, set, fallback)                                                      \
	{                                                                                          \
		"tenants.limits.session." key, IN_LIMITS("session: {" key ": " #set "}"),          \
			IN_TENANT, NUMBER(T, session.max[resource], set, fallback)                 \
	}
#define LIMIT(key, resource, set, fallback)                                                        \
	{                                                                                          \
		"tenants.limits." key, IN_LIMITS(key ": " #set), IN_TENANT,                        \
			NUMBER(T, tenant.max[resource], set, fallback)                             \
	}

#define MIB(n) ((uint64_t)(n) << 20)
#define ALL_OPERATIONS 0x3fffeu

static const struct row rows[] = {
	{"host.locked_memory",
		"version: 1\nhost: {locked_memory: 2GiB}\nsockets: [{name: main, path: "
		"main.sock}]\n"
		"tenants:\n- name: alpha\n" MATCH LIMITS,
		IN_POLICY, NUMBER(H, host.locked_memory_bytes, MIB(2048), MIB(1024))},
	{"host.lend_chunk", IN_HOST("lend_chunk: 1MiB"), IN_POLICY,
		NUMBER(H, host.lend_chunk_bytes, MIB(1), MIB(64))},
	{"host.hello_deadline_ms", IN_HOST("hello_deadline_ms: 7"), IN_POLICY,
		NUMBER(H, host.hello_deadline_ms, 7, 5000)},
	{"host.connections", IN_HOST("connections: 9"), IN_POLICY,
		NUMBER(H, host.connections, 9, 256)},
	{"host.session_uids.first", IN_HOST("session_uids: {first: 70000, count: 5}"), IN_POLICY,
		NUMBER(H, host.session_uid_first, 70000, 0x70000000)},
	{"host.session_uids.count", IN_HOST("session_uids: {first: 70000, count: 5}"), IN_POLICY,
		NUMBER(H, host.session_uid_count, 5, 1024)},
	{"host.allow_unsafe_interrupts", IN_HOST("allow_unsafe_interrupts: yes"), IN_POLICY,
		NUMBER(H, host.allow_unsafe_interrupts, 1, 0)},
	{"host.allow_noiommu", IN_HOST("allow_noiommu: yes"), IN_POLICY,
		NUMBER(H, host.allow_noiommu, 1, 0)},
	{"host.allow_open_nodes", IN_HOST("allow_open_nodes: yes"), IN_POLICY,
		NUMBER(H, host.allow_open_nodes, 1, 0)},
	{"sockets.name",
		HOST "sockets: [{name: other, path: p}]\ntenants:\n- name: alpha\n" MATCH LIMITS,
		IN_SOCKET, STRING(struct policy_socket, name, "other", "main")},
	{"sockets.path",
		HOST "sockets: [{name: main, path: p}]\ntenants:\n- name: alpha\n" MATCH LIMITS,
		IN_SOCKET, STRING(struct policy_socket, path, "p", "main.sock")},
	{"sockets.mode", IN_SOCKETS("mode: \"0606\""), IN_SOCKET,
		NUMBER(struct policy_socket, mode, 0606, 0660)},
	{"sockets.owner", IN_SOCKETS("owner: alice"), IN_SOCKET,
		STRING(struct policy_socket, owner, "alice", NULL)},
	{"sockets.group", IN_SOCKETS("group: 12"), IN_SOCKET,
		STRING(struct policy_socket, group, "12", NULL)},
	{"tenants.name", HEAD "tenants:\n- name: beta\n" MATCH LIMITS, IN_TENANT,
		STRING(T, name, "beta", "alpha")},
	{"tenants.match.socket", TENANT_BARE LIMITS "  match: {socket: main}\n", IN_TENANT,
		STRING(T, match.socket, "main", NULL)},
	{"tenants.match.uid", TENANT_BARE LIMITS "  match: {uid: 6}\n", IN_TENANT,
		NUMBER(T, match.uid, 6, 5)},
	{"tenants.match.gid", TENANT_BARE LIMITS "  match: {gid: 6}\n", IN_TENANT,
		NUMBER(T, match.gid, 6, 0)},
	{"tenants.match.gid", TENANT_BARE LIMITS "  match: {gid: 0}\n", IN_TENANT,
		NUMBER(T, match.has_gid, 1, 0)},
	{"tenants.match.uid", TENANT_BARE LIMITS "  match: {gid: 0}\n", IN_TENANT,
		NUMBER(T, match.has_uid, 0, 1)},
	{"tenants.devices.name", IN_DEVICES("name: edu0"), IN_DEVICE, STRING(D, name, "edu0", ""),
		.inline_text = true},
	{"tenants.devices.address", IN_DEVICES("address: 'A0:05.*'"), IN_DEVICE,
		STRING(D, address, "0000:a0:05.*", ""), .inline_text = true},
	{"tenants.devices.id", IN_DEVICES("id: 1234:11e8"), IN_DEVICE, NUMBER(D, has_id, 1, 0)},
	{"tenants.devices.id", IN_DEVICES("id: 1234:11e8"), IN_DEVICE,
		NUMBER(D, vendor, 0x1234, 0)},
	{"tenants.devices.id", IN_DEVICES("id: \"1234:11e8\""), IN_DEVICE,
		NUMBER(D, device, 0x11e8, 0)},
	{"tenants.devices.reset", IN_DEVICES("name: x, reset: unsafe"), IN_DEVICE,
		NUMBER(D, reset, POLICY_RESET_UNSAFE, POLICY_RESET_REQUIRED)},
	{"tenants.devices.reset", IN_DEVICES("name: x, reset: none"), IN_DEVICE,
		NUMBER(D, reset, POLICY_RESET_NONE, POLICY_RESET_REQUIRED)},
	{"tenants.devices.scrub", IN_DEVICES("name: x, scrub: [/bin/scrub, --all]"), IN_DEVICE,
		NUMBER(D, scrub_count, 2, 0)},
	/* One mode is built: what it decides is that others are refused (test-errors.c). */
	{"tenants.devices.mode", IN_DEVICES("name: x, mode: mediated"), IN_DEVICE,
		STRING(D, name, "x", ""), .inline_text = true},
	{"tenants.operations", TENANT "  operations: [info, device_close]\n", IN_TENANT,
		NUMBER(T, operations, 1u << 1 | 1u << 17, ALL_OPERATIONS)},
	{"tenants.iova_windows.start", TENANT "  iova_windows: [{start: 0x1000, last: 0x1fff}]\n",
		IN_TENANT, NUMBER(T, windows[0].start, 0x1000, 0)},
	{"tenants.iova_windows.last", TENANT "  iova_windows: [{start: 0x1000, last: 8191}]\n",
		IN_TENANT, NUMBER(T, windows[0].last, 0x1fff, UINT64_MAX)},
	{"tenants.iova_windows.last",
		TENANT "  iova_windows: [{start: 0, last: 4095}, {start: 8192, last: 12287}]\n",
		IN_TENANT, NUMBER(T, windows_count, 2, 1)},
	{"tenants.memory", TENANT "  memory: [tmpfs, memfd]\n", IN_TENANT,
		NUMBER(T, memory_kinds, POLICY_MEMORY_TMPFS | POLICY_MEMORY_MEMFD,
			POLICY_MEMORY_MEMFD | POLICY_MEMORY_HUGETLB)},
	{"tenants.limits.locked_memory", TENANT_BARE MATCH "  limits: {locked_memory: 8KiB}\n",
		IN_TENANT, NUMBER(T, tenant.max[POLICY_LOCKED_MEMORY], 8192, MIB(64))},
	LIMIT("ioas", POLICY_IOAS, 3, 64),
	LIMIT("mappings", POLICY_MAPPINGS, 3, 65536),
	LIMIT("memory_handles", POLICY_MEMORY_HANDLES, 3, 1024),
	LIMIT("devices", POLICY_DEVICES, 3, 16),
	LIMIT("objects", POLICY_OBJECTS, 0, 2048),
	LIMIT("connections", POLICY_CONNECTIONS, 56, 8),
	SESSION("locked_memory", POLICY_LOCKED_MEMORY, 8192, MIB(64)),
	SESSION("ioas", POLICY_IOAS, 2, 64),
	SESSION("mappings", POLICY_MAPPINGS, 2, 65536),
	SESSION("memory_handles", POLICY_MEMORY_HANDLES, 2, 1024),
	SESSION("devices", POLICY_DEVICES, 2, 16),
	SESSION("objects", POLICY_OBJECTS, 0, 2048),
	{"tenants.cgroup.memory_max", TENANT "  cgroup: {memory_max: 100MiB}\n", IN_TENANT,
		NUMBER(T, memory_max_bytes, MIB(100), MIB(2 * 64 + 8 * 64))},
	{"tenants.cgroup.pids_max", TENANT "  cgroup: {pids_max: 20}\n", IN_TENANT,
		NUMBER(T, pids_max, 20, 16)},
};

static const char *object_of(const struct policy *policy, enum in in)
{
	static const struct policy_device no_device;

	switch (in) {
	case IN_POLICY:
		break;
	case IN_SOCKET:
		return (const char *)&policy->sockets[0];
	case IN_TENANT:
		return (const char *)&policy->tenants[0];
	case IN_DEVICE:
		return (const char *)(policy->tenants[0].devices_count ? policy->tenants[0].devices
								       : &no_device);
	}
	return (const char *)policy;
}

static void check_value(
	const struct row *row, const struct policy *policy, uint64_t number, const char *string)
{
	const char *at = object_of(policy, row->in) + row->offset;
	const char *text = at;
	uint64_t value = 0; /* little endian, as all hosts of ours are */

	if (row->size) {
		memcpy(&value, at, row->size);
		if (value != number)
			fail_msg("%s: %llu, expected %llu", row->path, (unsigned long long)value,
				(unsigned long long)number);
		return;
	}
	if (!row->inline_text)
		memcpy(&text, at, sizeof(text));
	if (!text || !string ? text != string : strcmp(text, string) != 0)
		fail_msg("%s: %s, expected %s", row->path, text ? text : "none",
			string ? string : "none");
}

static void test_each_row_decides(void **state)
{
	struct policy *bare = load_good(TENANT);

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct policy *policy = load_good(rows[i].text);

		check_value(&rows[i], policy, rows[i].value, rows[i].string);
		check_value(&rows[i], bare, rows[i].unset, rows[i].unset_string);
		policy_free(policy);
	}
	policy_free(bare);
}

static void walk(const struct shape *shape, const char *prefix, size_t *leaves)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *field = &shape->fields[i];
		char path[200];
		size_t found = 0;

		snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "", field->key);
		if (field->read == read_map || field->read == read_list ||
			field->read == read_list_inline) {
			walk(field->more, path, leaves);
			continue;
		}
		++*leaves;
		for (size_t j = 0; j < N_OF(rows); j++)
			found += strcmp(rows[j].path, path) == 0;
		if (!found && strcmp(path, "version") != 0)
			fail_msg("no test that %s decides something", path);
	}
}

static void test_no_row_without_a_test(void **state)
{
	size_t leaves = 0;

	(void)state;
	walk(&policy_language, "", &leaves);
	assert_int_equal(leaves, 44);
}

/* What a session has where only the tenant's limit is said; what a small host lends at once. */
static void test_defaults_that_follow(void **state)
{
	struct policy *policy = load_good(
		"version: 1\nhost: {locked_memory: 8MiB}\nsockets: [{name: s, path: p}]\n"
		"tenants:\n- {name: a, match: {uid: 1}, limits: {locked_memory: 1MiB, ioas: 5, "
		"connections: 2}}\n");
	const struct policy_tenant *tenant = &policy->tenants[0];

	(void)state;
	assert_int_equal(policy->host.lend_chunk_bytes, MIB(8));
	assert_int_equal(tenant->session.max[POLICY_IOAS], 5);
	assert_int_equal(tenant->session.max[POLICY_LOCKED_MEMORY], MIB(1));
	assert_int_equal(tenant->session.max[POLICY_CONNECTIONS], 1);
	assert_int_equal(tenant->memory_max_bytes, MIB(2 + 2 * 64));
	assert_int_equal(tenant->pids_max, 10);
	assert_int_equal(tenant->devices_count, 0);
	for (int i = POLICY_LOCKED_MEMORY; i < POLICY_RESOURCE_END; i++) {
		assert_true(tenant->tenant.max[i] != POLICY_NO_LIMIT);
		assert_true(tenant->session.max[i] <= tenant->tenant.max[i]);
	}
	policy_free(policy);
}

/* The largest sizes add up without overflow. */
static void test_largest(void **state)
{
	struct policy *policy = load_good(
		"version: 1\nhost: {locked_memory: 1048576TiB}\nsockets: [{name: s, path: p}]\n"
		"tenants:\n- {name: a, match: {uid: 1}, limits: {locked_memory: 1048576TiB, "
		"connections: 56}}\n");

	(void)state;
	assert_true(policy->tenants[0].memory_max_bytes == (UINT64_C(1) << 61) + MIB(56 * 64));
	policy_free(policy);
	assert_false(loads("version: 1\nhost: {locked_memory: 1152921504606851072}\nsockets: "
			   "[{name: s, path: p}]\n"
			   "tenants:\n- {name: a, match: {uid: 1}, limits: {locked_memory: 0}}\n"));
}

/* `count` items of a list between two texts. Each item gets its number. */
static char *many(const char *before, const char *format, size_t count, const char *after)
{
	size_t room = strlen(before) + strlen(after) + count * (strlen(format) + 40) + 1;
	char *text = malloc(room), *at = text;

	assert_non_null(text);
	at += sprintf(at, "%s", before);
	for (size_t i = 0; i < count; i++) {
		char number[24];

		snprintf(number, sizeof(number), "%zu", i);
		for (const char *from = format; *from; from++)
			at += *from == '#' ? sprintf(at, "%s", number) : sprintf(at, "%c", *from);
	}
	sprintf(at, "%s", after);
	return text;
}

static void check_pair(const char *before, const char *format, size_t max, const char *after)
{
	char *most = many(before, format, max, after),
	     *too_many = many(before, format, max + 1, after);

	policy_free(load_good(most));
	assert_false(loads(too_many));
	free(most);
	free(too_many);
}

static void test_lists_in_pairs(void **state)
{
	(void)state;
	check_pair(HEAD "tenants:\n", "- {name: t#, match: {uid: 5}, limits: {locked_memory: 0}}\n",
		POLICY_TENANTS_MAX, "");
	check_pair(HOST "sockets:\n", "- {name: s#, path: p#}\n", POLICY_SOCKETS_MAX,
		"tenants:\n- name: alpha\n" MATCH LIMITS);
	check_pair(TENANT "  devices:\n", "  - {name: d#}\n", POLICY_DEVICES_MAX, "");
	check_pair(TENANT "  iova_windows:\n", "  - {start: 0x#000, last: 0x#fff}\n", 10,
		"  - {start: 0xa000, last: "
		"0xafff}\n  - {start: 0xb000, last: 0xbfff}\n  - {start: 0xc000, last: 0xcfff}\n  "
		"- {start: 0xd000, "
		"last: 0xdfff}\n  - {start: 0xe000, last: 0xefff}\n  - {start: 0x100000, last: "
		"0x100fff}\n");
}

/* All of it goes to the program, in order; 1023 bytes and 32 arguments of it, and not one more. */
static void test_scrub(void **state)
{
	struct policy *policy = load_good(IN_DEVICES("name: x, scrub: [/bin/scrub, --all, 5]"));
	const struct policy_device *device = policy->tenants[0].devices;
	static const size_t rest[] = {1015, 1016}; /* beside "/s", "b", "c" and four NULs */

	(void)state;
	assert_int_equal(device->scrub_count, 3);
	assert_string_equal(device->scrub[0], "/bin/scrub");
	assert_string_equal(device->scrub[1], "--all");
	assert_string_equal(device->scrub[2], "5");
	policy_free(policy);
	check_pair(TENANT "  devices:\n  - name: x\n    scrub: [/s", ", a#",
		POLICY_SCRUB_ARGUMENTS_MAX - 1, "]\n");
	for (size_t i = 0; i < N_OF(rest); i++) {
		char argument[1100], text[1400];

		memset(argument, 'a', sizeof(argument));
		argument[rest[i]] = '\0';
		snprintf(text, sizeof(text),
			TENANT "  devices: [{name: x, scrub: [/s, b, c, %s]}]\n", argument);
		assert_int_equal(loads(text), i == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_row_decides),
		cmocka_unit_test(test_no_row_without_a_test),
		cmocka_unit_test(test_defaults_that_follow),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_lists_in_pairs),
		cmocka_unit_test(test_scrub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
