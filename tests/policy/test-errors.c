/* SPDX-License-Identifier: MIT */
/* Every mistake that the language knows: the caret ^ stands where its message must point. */
#include "tests/policy/support.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

struct row {
	const char *text, *key, *message;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		load_bad(rows[i].text, rows[i].key, rows[i].message);
}

#define NAME_RULE "expected a name of 1 to 63 of a-z 0-9 . _ - that begins with a letter or digit"
#define NUMBER_RULE "expected a number such as 42 or 0x2a"

static void test_top(void **state)
{
	static const struct row rows[] = {
		{"^", "policy", "nothing; expected a map that begins with 'version: 1'"},
		{"^# only a comment\n", "policy",
			"nothing; expected a map that begins with 'version: 1'"},
		{"\n ^text\n", "policy", "text; expected a map that begins with 'version: 1'"},
		{"\n^- a list\n", "policy", "a list; expected a map that begins with 'version: 1'"},
		{"^host: {locked_memory: 1GiB}\n", "version", "missing; a policy must have it"},
		{"version: ^2\nnew: key\n", "version",
			"'2' is a version that this program does not know; expected 1"},
		{"version: ^\"1\"\n", "version",
			"'1' is a version that this program does not know; expected 1"},
		{"version: ^[1]\n", "version",
			"'' is a version that this program does not know; expected 1"},
		{"^version: 1\n", "host", "missing; a policy must have it"},
		{"^" HOST, "sockets", "missing; a policy must have it"},
		{"^" HEAD, "tenants", "missing; a policy must have it"},
		{HEAD "^tenant: []\n", "tenant",
			"a policy has no such key; did you mean 'tenants'?"},
		{HEAD "^policies: []\n", "policies",
			"a policy has no such key; expected one of version, host, sockets, "
			"tenants"},
		{HEAD "tenants: ^[]\n", "tenants", "an empty list; expected at least one"},
		{HEAD "tenants: ^{alpha: {}}\n", "tenants", "a map; expected a list"},
		{HEAD "tenants:^\n", "tenants", "nothing; expected a list"},
		{HEAD "tenants: [^alpha]\n", "tenants[0]",
			"text; expected a map of name, match, devices, operations, iova_windows, "
			"memory, limits, cgroup"},
		{HOST "sockets: ^[]\ntenants: []", "sockets",
			"an empty list; expected at least one"},
		{"version: 1\nhost: ^5\nsockets: []\ntenants: []", "host",
			"text; expected a map of locked_memory, lend_chunk, hello_deadline_ms, "
			"connections, session_uids, allow_unsafe_interrupts, allow_noiommu, "
			"allow_open_nodes"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
}

#define IN_HOST(text)                                                                              \
	"version: 1\nhost:\n" text                                                                 \
	"\nsockets: [{name: s, path: p}]\ntenants:\n- name: a\n" MATCH LIMITS

static void test_host(void **state)
{
	static const struct row rows[] = {
		{"version: 1\n^host: {lend_chunk: 4KiB}\nsockets: []\ntenants: []",
			"host.locked_memory", "missing; host must have it"},
		{IN_HOST("  locked_memory: ^5MB"), "host.locked_memory",
			"'5MB' has no binary unit; expected 5MiB"},
		{IN_HOST("  locked_memory: ^5000"), "host.locked_memory",
			"'5000'; expected a multiple of 4KiB"},
		{IN_HOST("  locked_memory: ^0"), "host.locked_memory",
			"'0' is out of range; expected 4KiB to 1048576TiB"},
		{IN_HOST("  locked_memory: ^[1GiB]"), "host.locked_memory",
			"a list; expected a size such as 512MiB"},
		{IN_HOST("  locked_memory: ^{}"), "host.locked_memory",
			"a map; expected a size such as 512MiB"},
		{IN_HOST("  locked_memory:^"), "host.locked_memory",
			"nothing; expected a size such as 512MiB"},
		{IN_HOST("  locked_memory: ^\"\""), "host.locked_memory",
			"''; expected bytes, or a number with KiB, MiB, GiB or TiB, such as "
			"512MiB"},
		{IN_HOST("  locked_memory: 8MiB\n  lend_chunk: ^16MiB"), "host.lend_chunk",
			"more than all of locked_memory; expected at most 8MiB"},
		{IN_HOST("  locked_memory: 1GiB\n  lend_chunk: ^0"), "host.lend_chunk",
			"'0' is out of range; expected 4KiB to 1048576TiB"},
		{IN_HOST("  locked_memory: 1GiB\n  hello_deadline_ms: ^0"),
			"host.hello_deadline_ms", "'0' is out of range; expected 1 to 600000"},
		{IN_HOST("  locked_memory: 1GiB\n  hello_deadline_ms: ^600001"),
			"host.hello_deadline_ms", "'600001' is out of range; expected 1 to 600000"},
		{IN_HOST("  locked_memory: 1GiB\n  hello_deadline_ms: ^[5]"),
			"host.hello_deadline_ms", "a list; expected a number"},
		{IN_HOST("  locked_memory: 1GiB\n  hello_deadline_ms: ^5s"),
			"host.hello_deadline_ms", "'5s'; " NUMBER_RULE},
		{IN_HOST("  locked_memory: 1GiB\n  hello_deadline_ms: ^'5'"),
			"host.hello_deadline_ms", "text in quotes; expected a number without"},
		{IN_HOST("  locked_memory: 1GiB\n  connections: ^0"), "host.connections",
			"'0' is out of range; expected 1 to 65536"},
		{IN_HOST("  locked_memory: 1GiB\n  connections: ^65537"), "host.connections",
			"'65537' is out of range; expected 1 to 65536"},
		{IN_HOST("  locked_memory: 1GiB\n  allow_open_nodes: ^maybe"),
			"host.allow_open_nodes",
			"'maybe' is not a yes or no; expected one of no, yes"},
		{IN_HOST("  ^lock_memory: 1GiB"), "host.lock_memory",
			"host has no such key; did you mean 'locked_memory'?"},
		{IN_HOST("  locked_memory: 1GiB\n  ^reservations: 1GiB"), "host.reservations",
			"host has no such key; expected one of locked_memory, lend_chunk, "
			"hello_deadline_ms, "
			"connections, session_uids, allow_unsafe_interrupts, allow_noiommu, "
			"allow_open_nodes"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
}

#define UIDS(text) IN_HOST("  locked_memory: 1GiB\n  session_uids: " text)

static void test_session_uids(void **state)
{
	static const struct row rows[] = {
		{IN_HOST("  locked_memory: 1GiB\n  ^session_uids: {count: 1}"),
			"host.session_uids.first", "missing; session_uids must have it"},
		{IN_HOST("  locked_memory: 1GiB\n  ^session_uids: {first: 2000}"),
			"host.session_uids.count", "missing; session_uids must have it"},
		{UIDS("{first: ^999, count: 5}"), "host.session_uids.first",
			"'999' is out of range; expected 1000 to 2147483646"},
		{UIDS("{first: 1000, count: ^0}"), "host.session_uids.count",
			"'0' is out of range; expected 1 to 1048576"},
		{UIDS("{first: 1000, count: ^1048577}"), "host.session_uids.count",
			"'1048577' is out of range; expected 1 to 1048576"},
		{UIDS("{first: 2147483646, count: ^3}"), "host.session_uids.count",
			"ends at uid 2147483648; expected below 2147483648"},
		{UIDS("{first: ^65530, count: 5}"), "host.session_uids.first",
			"the range holds 65534 or 65535 (nobody); expected one without"},
		{UIDS("{first: ^65535, count: 5}"), "host.session_uids.first",
			"the range holds 65534 or 65535 (nobody); expected one without"},
		{"version: 1\nhost: {locked_memory: 1GiB, session_uids: {first: 2000, count: ^1}}\n"
		 "sockets: [{name: s, path: p}]\ntenants:\n- {name: a, match: {uid: 1}, limits: "
		 "{locked_memory: 0}}\n"
		 "- {name: b, match: {uid: 2}, limits: {locked_memory: 0}}\n",
			"host.session_uids.count",
			"fewer uids than the 2 tenants; expected one for each"},
		{"version: 1\nhost: {locked_memory: 1GiB, session_uids: {first: 2000, count: 2}}\n"
		 "sockets: [{name: s, path: p}]\n"
		 "tenants:\n- {name: a, match: {uid: ^2001}, limits: {locked_memory: 0}}\n",
			"tenants.a.match.uid",
			"2001 is one of host.session_uids; expected a client's"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
	assert_true(loads(UIDS("{first: 2147483646, count: 2}")));
	assert_true(loads(UIDS("{first: 65529, count: 5}")));
	assert_true(loads(UIDS("{first: 65536, count: 5}")));
	assert_true(loads(UIDS("{first: 1000, count: 1}")));
}

#define SOCKETS(text) HOST "sockets:\n" text "\ntenants:\n- name: a\n" MATCH LIMITS
#define MODE_RULE "expected four octal digits that begin with 0, such as \"0660\""

static void test_sockets(void **state)
{
	static const struct row rows[] = {
		{SOCKETS("- ^path: a"), "sockets[0].name", "missing; a socket must have it"},
		{SOCKETS("- ^name: a"), "sockets.a.path", "missing; a socket must have it"},
		{SOCKETS("- name: ^A\n  path: a"), "sockets.A.name", "'A'; " NAME_RULE},
		{SOCKETS("- name: ^[]\n  path: a"), "sockets[0].name", "a list; expected a name"},
		{SOCKETS("- name:^\n  path: a"), "sockets[0].name", "nothing; expected a name"},
		{SOCKETS("- name: a\n  path: ^/run/../a"), "sockets.a.path",
			"'/run/../a'; expected a path without empty, '.' or '..' parts"},
		{SOCKETS("- name: a\n  path: ^a b"), "sockets.a.path",
			"'a b'; expected a path of printable ASCII without blanks"},
		{SOCKETS("- name: a\n  path: ^{}"), "sockets.a.path", "a map; expected a path"},
		{SOCKETS("- name: a\n  path: a\n  mode: ^660"), "sockets.a.mode",
			"'660'; " MODE_RULE},
		{SOCKETS("- name: a\n  path: a\n  mode: ^[0660]"), "sockets.a.mode",
			"a list; expected a file mode such as \"0660\""},
		{SOCKETS("- name: a\n  path: a\n  owner: ^a b"), "sockets.a.owner",
			"'a b'; expected the name or the number of a user or group"},
		{SOCKETS("- name: a\n  path: a\n  group: ^"
			 "''"),
			"sockets.a.group",
			"''; expected the name or the number of a user or group"},
		{SOCKETS("- name: a\n  path: a\n  ^user: x"), "sockets.a.user",
			"a socket has no such key; expected one of name, path, mode, owner, group"},
		{SOCKETS("- {name: a, path: a}\n- {name: ^a, path: b}"), "sockets.a.name",
			"'a' a second time; the first is in line 4, column 10"},
		{SOCKETS("- {name: a, path: a}\n- {name: b, path: ^a}"), "sockets.b.path",
			"'a' a second time; the first is in line 4, column 19"},
		{SOCKETS("- ^a"), "sockets[0]",
			"text; expected a map of name, path, mode, owner, group"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
}

static void test_tenants(void **state)
{
	static const struct row rows[] = {
		{HEAD "tenants:\n- ^match: {uid: 5}\n" LIMITS, "tenants[0].name",
			"missing; a tenant must have it"},
		{HEAD "tenants:\n- ^name: alpha\n" LIMITS, "tenants.alpha.match",
			"missing; a tenant must have it"},
		{HEAD "tenants:\n- ^name: alpha\n" MATCH, "tenants.alpha.limits",
			"missing; a tenant must have it"},
		{HEAD "tenants:\n- name: ^al pha\n" MATCH LIMITS, "tenants.al pha.name",
			"'al pha'; " NAME_RULE},
		{HEAD "tenants:\n- {name: a, match: {uid: 1}, limits: {locked_memory: 0}}\n"
		      "- {name: ^a, match: {uid: 2}, limits: {locked_memory: 0}}\n",
			"tenants.a.name", "'a' a second time; the first is in line 5, column 10"},
		{TENANT "  ^device: []\n", "tenants.alpha.device",
			"a tenant has no such key; did you mean 'devices'?"},
		{TENANT "  ^locked_memory: 5\n", "tenants.alpha.locked_memory",
			"a tenant has no such key; expected one of name, match, devices, "
			"operations, "
			"iova_windows, memory, limits, cgroup"},
		{TENANT_BARE LIMITS "  ^match: {}\n", "tenants.alpha.match",
			"matches everybody; expected a socket, a uid or a gid"},
		{TENANT_BARE LIMITS "  match: ^5\n", "tenants.alpha.match",
			"text; expected a map of socket, uid, gid"},
		{TENANT_BARE LIMITS "  match: {uid: ^root}\n", "tenants.alpha.match.uid",
			"'root'; " NUMBER_RULE},
		{TENANT_BARE LIMITS "  match: {uid: ^4294967295}\n", "tenants.alpha.match.uid",
			"'4294967295' is out of range; expected 0 to 4294967294"},
		{TENANT_BARE LIMITS "  match: {gid: ^4294967295}\n", "tenants.alpha.match.gid",
			"'4294967295' is out of range; expected 0 to 4294967294"},
		{TENANT_BARE LIMITS "  match: {socket: ^mian}\n", "tenants.alpha.match.socket",
			"'mian' is no socket; expected a name from sockets"},
		{TENANT_BARE LIMITS "  match: {socket: ^a b}\n", "tenants.alpha.match.socket",
			"'a b'; " NAME_RULE},
		{TENANT_BARE LIMITS "  match: {^user: 5}\n", "tenants.alpha.match.user",
			"match has no such key; expected one of socket, uid, gid"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
	assert_true(loads(TENANT_BARE LIMITS "  match: {uid: 4294967294, gid: 4294967294}\n"));
}

static void test_devices(void **state)
{
	static const struct row rows[] = {
		{TENANT "  devices: ^edu0\n", "tenants.alpha.devices", "text; expected a list"},
		{TENANT "  devices: [^edu0]\n", "tenants.alpha.devices[0]",
			"text; expected a map of name, address, id, reset, scrub, mode"},
		{TENANT "  devices: [{name: x}, ^{reset: none}]\n", "tenants.alpha.devices[1]",
			"selects nothing; expected a name, an address or an id"},
		{TENANT "  devices: [{name: ^Edu}]\n", "tenants.alpha.devices.Edu.name",
			"'Edu'; " NAME_RULE},
		{TENANT "  devices: [{address: ^'0:5.0'}]\n", "tenants.alpha.devices[0].address",
			"'0:5.0'; expected a PCI address such as 0000:00:05.0, each part hex or "
			"'*'"},
		{TENANT "  devices: [{address: ^[]}]\n", "tenants.alpha.devices[0].address",
			"a list; expected a PCI address"},
		{TENANT "  devices: [{id: ^8086}]\n", "tenants.alpha.devices[0].id",
			"'8086'; expected VENDOR:DEVICE in hex, such as \"1234:11e8\""},
		{TENANT "  devices: [{id: ^{}}]\n", "tenants.alpha.devices[0].id",
			"a map; expected VENDOR:DEVICE"},
		{TENANT "  devices: [{name: x, reset: ^requird}]\n",
			"tenants.alpha.devices.x.reset",
			"'requird' is not a rule for reset; did you mean 'required'?"},
		{TENANT "  devices: [{name: x, reset: ^always}]\n", "tenants.alpha.devices.x.reset",
			"'always' is not a rule for reset; expected one of required, none, unsafe"},
		{TENANT "  devices: [{name: x, mode: ^pre-bind}]\n", "tenants.alpha.devices.x.mode",
			"'pre-bind' is not built yet; expected 'mediated'"},
		{TENANT "  devices: [{name: x, mode: ^delegate}]\n", "tenants.alpha.devices.x.mode",
			"'delegate' is not built yet; expected 'mediated'"},
		{TENANT "  devices: [{name: x, mode: ^direct}]\n", "tenants.alpha.devices.x.mode",
			"'direct' is not a mode of lending; expected one of mediated"},
		{TENANT "  devices: [{name: ^x, address: '0000:00:05.*'}]\n",
			"tenants.alpha.devices.x.name",
			"one name for all that the address covers; expected no '*' in it"},
		{TENANT "  devices: [{name: ^x, id: '1234:11e8'}]\n",
			"tenants.alpha.devices.x.name",
			"one name for all devices of that id; expected their address too, or no "
			"name"},
		{TENANT "  devices: [{name: x}, {name: ^x, address: '00:05.0'}]\n",
			"tenants.alpha.devices.x.name",
			"'x' a second time; the first is in line 8, column 20"},
		{TENANT "  devices: [{name: x, ^adress: '00:05.0'}]\n",
			"tenants.alpha.devices.x.adress",
			"a device has no such key; did you mean 'address'?"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
}

#define SCRUB(text) TENANT "  devices: [{name: x, scrub: " text "}]\n"
#define SCRUB_KEY "tenants.alpha.devices.x.scrub"

static void test_scrub(void **state)
{
	static const struct row rows[] = {
		{SCRUB("^/bin/scrub"), SCRUB_KEY, "text; expected a list"},
		{SCRUB("^[]"), SCRUB_KEY, "an empty list; expected at least one, or no such key"},
		{SCRUB("[^[/bin/scrub]]"), SCRUB_KEY "[0]",
			"a list; expected the path of a program"},
		{SCRUB("[/bin/scrub, ^{}]"), SCRUB_KEY "[1]", "a map; expected an argument"},
		{SCRUB("[^bin/scrub]"), SCRUB_KEY "[0]",
			"'bin/scrub'; expected the absolute path of a program"},
		{SCRUB("[^'']"), SCRUB_KEY "[0]", "''; expected the absolute path of a program"},
		{SCRUB("[^/bin/../scrub]"), SCRUB_KEY "[0]",
			"'/bin/../scrub'; expected a path without empty, '.' or '..' parts"},
		{SCRUB("[^/]"), SCRUB_KEY "[0]",
			"'/'; expected a path without empty, '.' or '..' parts"},
		{SCRUB("[^/bin/scrub it]"), SCRUB_KEY "[0]",
			"'/bin/scrub it'; expected a path of printable ASCII without blanks"},
		{SCRUB("[/bin/scrub, ^'']"), SCRUB_KEY "[1]",
			"''; expected an argument of printable ASCII"},
		{SCRUB("[/bin/scrub, ^\"a\\tb\"]"), SCRUB_KEY "[1]",
			"'a?b'; expected an argument of printable ASCII"},
		{SCRUB("[/bin/scrub, a, ^\"\\x7f\"]"), SCRUB_KEY "[2]",
			"'?'; expected an argument of printable ASCII"},
		{TENANT "  devices: [{name: x, reset: none, ^scrub: [/bin/scrub]}]\n", SCRUB_KEY,
			"with 'reset: none' no other tenant follows, and it would never run; "
			"expected no such key"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
	assert_true(loads(SCRUB("[/bin/scrub, 'a b ~!']")));
	assert_true(loads(TENANT "  devices: [{name: x, reset: unsafe, scrub: [/s]}]\n"));
}

static void test_operations_and_memory(void **state)
{
	static const struct row rows[] = {
		{TENANT "  operations: ^[]\n", "tenants.alpha.operations",
			"an empty list; expected at least one, or no such key"},
		{TENANT "  operations: ^info\n", "tenants.alpha.operations",
			"text; expected a list"},
		{TENANT "  operations: [info, ^ioas_mpa]\n", "tenants.alpha.operations[1]",
			"'ioas_mpa' is not an operation; did you mean 'ioas_map'?"},
		{TENANT "  operations: [^everything]\n", "tenants.alpha.operations[0]",
			"'everything' is not an operation; expected one of info, list, destroy, "
			"memory_register, "
			"memory_unregister, ioas_alloc, ioas_iova_ranges, ioas_allow_iovas, "
			"ioas_map, ioas_unmap, "
			"ioas_copy, device_list, device_open, device_attach, device_detach, "
			"device_share, "
			"device_close"},
		{TENANT "  operations: [info, list, ^info]\n", "tenants.alpha.operations[2]",
			"'info' a second time; expected each once"},
		{TENANT "  operations: [^[info]]\n", "tenants.alpha.operations[0]",
			"a list; expected an operation"},
		{TENANT "  memory: ^[]\n", "tenants.alpha.memory",
			"an empty list; expected at least one, or no such key"},
		{TENANT "  memory: [^memfs]\n", "tenants.alpha.memory[0]",
			"'memfs' is not a kind of memory; did you mean 'memfd'?"},
		{TENANT "  memory: [^dma-buf]\n", "tenants.alpha.memory[0]",
			"'dma-buf' is not a kind of memory; expected one of memfd, hugetlb, tmpfs"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
}

#define WINDOW(text) TENANT "  iova_windows:\n" text "\n"

static void test_windows(void **state)
{
	static const struct row rows[] = {
		{TENANT "  iova_windows: ^[]\n", "tenants.alpha.iova_windows",
			"an empty list; expected at least one, or no such key"},
		{WINDOW("  - ^start: 0"), "tenants.alpha.iova_windows[0].last",
			"missing; a window must have it"},
		{WINDOW("  - ^last: 0xfff"), "tenants.alpha.iova_windows[0].start",
			"missing; a window must have it"},
		{WINDOW("  - {start: ^0x800, last: 0xfff}"), "tenants.alpha.iova_windows[0].start",
			"inside a page; expected a multiple of 0x1000"},
		{WINDOW("  - {start: 0, last: ^0x1000}"), "tenants.alpha.iova_windows[0].last",
			"inside a page; expected its last byte, such as 0xfff"},
		{WINDOW("  - {start: 0x2000, last: ^0x1fff}"), "tenants.alpha.iova_windows[0].last",
			"below start; expected a window that is not empty"},
		{WINDOW("  - {start: 0, last: ^0x1ffffffffffffffff}"),
			"tenants.alpha.iova_windows[0].last",
			"'0x1ffffffffffffffff' is above 2^64-1; " NUMBER_RULE},
		{WINDOW("  - {start: ^1GiB, last: 0xffffffff}"),
			"tenants.alpha.iova_windows[0].start", "'1GiB'; " NUMBER_RULE},
		{WINDOW("  - {start: 0, last: 0x1fff}\n  - {start: ^0x1000, last: 0x2fff}"),
			"tenants.alpha.iova_windows[1].start",
			"not above the window in line 9, which ends at 0x1fff; expected ascending "
			"windows that do "
			"not overlap"},
		{WINDOW("  - {start: 0x4000, last: 0x4fff}\n  - {start: ^0, last: 0xfff}"),
			"tenants.alpha.iova_windows[1].start",
			"not above the window in line 9, which ends at 0x4fff; expected ascending "
			"windows that do "
			"not overlap"},
		{WINDOW("  - {start: 0, last: 0xfff, ^end: 5}"),
			"tenants.alpha.iova_windows[0].end",
			"a window has no such key; expected one of start, last"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
	assert_true(loads(WINDOW(
		"  - {start: 0, last: 0xfff}\n  - {start: 0x1000, last: 0xffffffffffffffff}")));
}

#define LIMIT(text) TENANT_BARE MATCH "  limits: {" text "}\n"

static void test_limits(void **state)
{
	static const struct row rows[] = {
		{TENANT_BARE MATCH "  ^limits: {ioas: 4}\n", "tenants.alpha.limits.locked_memory",
			"missing; limits must have it"},
		{LIMIT("locked_memory: ^unlimited"), "tenants.alpha.limits.locked_memory",
			"'unlimited'; expected bytes, or a number with KiB, MiB, GiB or TiB, such "
			"as 512MiB"},
		{LIMIT("locked_memory: 1GiB, connections: ^57"), "tenants.alpha.limits.connections",
			"'57' is out of range; expected 1 to 56"},
		{LIMIT("locked_memory: 1GiB, connections: ^0"), "tenants.alpha.limits.connections",
			"'0' is out of range; expected 1 to 56"},
		{LIMIT("locked_memory: 1GiB, mappings: ^2147483648"),
			"tenants.alpha.limits.mappings",
			"'2147483648' is out of range; expected 0 to 2147483647"},
		{LIMIT("locked_memory: 1GiB, ^mapping: 5"), "tenants.alpha.limits.mapping",
			"limits has no such key; did you mean 'mappings'?"},
		{LIMIT("locked_memory: 1GiB, session: {^connections: 1}"),
			"tenants.alpha.limits.session.connections",
			"limits of a session has no such key; expected one of locked_memory, ioas, "
			"mappings, "
			"memory_handles, devices, objects"},
		{LIMIT("locked_memory: 1GiB, session: {ioas: ^65}"),
			"tenants.alpha.limits.session.ioas",
			"more than the tenant's default 64; expected at most that"},
		{LIMIT("locked_memory: 1GiB, ioas: 3, session: {ioas: ^4}"),
			"tenants.alpha.limits.session.ioas",
			"more than the tenant's own 3; expected at most that"},
		{LIMIT("locked_memory: 8KiB, session: {locked_memory: ^12KiB}"),
			"tenants.alpha.limits.session.locked_memory",
			"more than the tenant's own 8192; expected at most that"},
		{LIMIT("locked_memory: 1GiB, session: ^4"), "tenants.alpha.limits.session",
			"text; expected a map of locked_memory, ioas, mappings, memory_handles, "
			"devices, objects"},
		{TENANT "  cgroup: {memory_max: ^512KiB}\n", "tenants.alpha.cgroup.memory_max",
			"'512KiB' is out of range; expected 1MiB to 1048576TiB"},
		{TENANT "  cgroup: {pids_max: ^0}\n", "tenants.alpha.cgroup.pids_max",
			"'0' is out of range; expected 1 to 4194304"},
		{TENANT "  cgroup: {pids_max: ^7}\n", "tenants.alpha.cgroup.pids_max",
			"less than its 8 connections, each a process; expected at least that"},
		{TENANT "  cgroup: {^memory: 5}\n", "tenants.alpha.cgroup.memory",
			"cgroup has no such key; expected one of memory_max, pids_max"},
	};

	(void)state;
	check_rows(rows, N_OF(rows));
	assert_true(loads(LIMIT("locked_memory: 1GiB, session: {ioas: 64}")));
	assert_true(loads(LIMIT("locked_memory: 8KiB, session: {locked_memory: 8KiB}")));
	assert_true(loads(TENANT "  cgroup: {pids_max: 8, memory_max: 1MiB}\n"));
}

/* A long path keeps its end, and a long message its beginning. */
static void test_long_file_name(void **state)
{
	char file[4000];
	struct policy_error error;
	struct policy *policy = NULL;

	(void)state;
	memset(file, 'd', sizeof(file));
	memcpy(file + sizeof(file) - 12, "/broker.yml", 12);
	assert_true(policy_parse(file, "version: 2\n", 11, &policy, &error) < 0);
	assert_memory_equal(error.text, "...ddd", 6);
	assert_non_null(strstr(error.text, "/broker.yml:1:10: version: '2' is a version"));
	assert_true(policy_parse(file, "version: 2\n", 11, &policy, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_session_uids),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_tenants),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_scrub),
		cmocka_unit_test(test_operations_and_memory),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long_file_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
