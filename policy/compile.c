/* SPDX-License-Identifier: MIT */
/*
 * The language, version 1: document -> struct policy.
 *
 * One table for each kind of map, one row for each key. What is not said gets a finite default that
 * a careful operator would choose; only how much memory may be locked has none, since nobody but
 * the operator can know it.
 *
 *   version                          required: 1
 *   host
 *     locked_memory                  required: what all tenants together may pin
 *     lend_chunk                     64MiB, or locked_memory if that is less
 *     hello_deadline_ms              5000
 *     connections                    256, of all tenants together
 *     allow_unsafe_interrupts        no. What the broker otherwise refuses of a host: interrupts
 *     allow_noiommu                  no  that devices can forge, DMA that nothing translates,
 *     allow_open_nodes               no  device nodes that others than the broker can open
 *     session_uids {first, count}    0x70000000, 1024: where systemd's uid map has nobody, above
 *                                    what containers use and below 2^31. One for each tenant's
 *                                    sessions, and one for administrators' processes
 *   sockets                          required, at least one
 *     name, path                     required
 *     mode                           "0660"
 *     owner, group                   the supervisor's own
 *   tenants                          required, at least one; in file order, the first that matches
 *     name                           required
 *     match {socket, uid, gid}       required, at least one of them; all that are given must hold
 *     devices                        none
 *       name, address, id            at least one (see device_finish)
 *       reset                        required
 *       scrub [program, argument…]   none. With the device's address and node added it is run when
 *                                    nobody has the device any more, after its reset; what is not
 *                                    scrubbed is not lent
 *       mode                         mediated
 *     operations                     all of the protocol
 *     iova_windows {start, last}     one: everything
 *     memory                         memfd, hugetlb
 *     limits                         required
 *       locked_memory                required
 *       ioas                         64
 *       mappings                     65536
 *       memory_handles               1024
 *       devices                      16
 *       objects                      2048
 *       connections                  8
 *       session {…}                  of each what the tenant has
 *     cgroup
 *       memory_max                   2 × locked_memory (a file stays charged when it is unmapped)
 *                                    + 64MiB for each connection
 *       pids_max                     connections + 8
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/check.h"
#include "policy/compile.h"
#include "policy/error.h"
#include "policy/schema.h"
#include "policy/value.h"
#include "policy/words.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
/* The smallest page of any host: a policy does not know which host it is for. */
#define PAGE_BYTES (4 * KIB)
#define SIZE_MAX_BYTES (UINT64_C(1) << 60) /* 1 EiB: no sum of a few can overflow */
#define COUNT_MAX ((UINT64_C(1) << 31) - 1)
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where a row's value goes. */
#define AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
#define SIZED .read = read_size, .multiple = PAGE_BYTES, .max = SIZE_MAX_BYTES

/* --- host --- */

static const struct field session_uids_fields[] = {
	{"first", read_number, AT(struct policy_host, session_uid_first), .required = true,
		.fallback = 0x70000000, .min = 1000, .max = 0x7ffffffe},
	{"count", read_number, AT(struct policy_host, session_uid_count), .required = true,
		.fallback = POLICY_TENANTS_MAX, .min = 1, .max = 1u << 20},
};
static const struct shape session_uids_shape = {.what = "session_uids",
	.fields = session_uids_fields,
	.count = ARRAY_COUNT(session_uids_fields),
	.finish = check_session_uids};

static const struct word yes_words[] = {{"no", 0, NULL}, {"yes", 1, NULL}};
static const struct words yes = {"a yes or no", yes_words, ARRAY_COUNT(yes_words)};

static const struct field host_fields[] = {
	{"locked_memory", SIZED, AT(struct policy_host, locked_memory_bytes), .required = true,
		.min = PAGE_BYTES},
	{"lend_chunk", SIZED, AT(struct policy_host, lend_chunk_bytes), .min = PAGE_BYTES},
	{"hello_deadline_ms", read_number, AT(struct policy_host, hello_deadline_ms),
		.fallback = 5000, .min = 1, .max = 600000},
	{"connections", read_number, AT(struct policy_host, connections), .fallback = 256, .min = 1,
		.max = 65536},
	{"session_uids", read_map, .more = &session_uids_shape},
	{"allow_unsafe_interrupts", read_choice, AT(struct policy_host, allow_unsafe_interrupts),
		.more = &yes},
	{"allow_noiommu", read_choice, AT(struct policy_host, allow_noiommu), .more = &yes},
	{"allow_open_nodes", read_choice, AT(struct policy_host, allow_open_nodes), .more = &yes},
};

static int host_finish(const struct reader *reader, const struct node *node, void *object)
{
	const struct node *chunk = node_get(node, "lend_chunk");
	struct policy_host *host = object;
	char size[32];

	if (chunk && host->lend_chunk_bytes > host->locked_memory_bytes)
		return reader_error(reader, chunk,
			"more than all of locked_memory; expected at most %s",
			value_size_format(host->locked_memory_bytes, size));
	if (!chunk)
		host->lend_chunk_bytes =
			host->locked_memory_bytes < 64 * MIB ? host->locked_memory_bytes : 64 * MIB;
	return 0;
}

static const struct shape host_shape = {.what = "host",
	.fields = host_fields,
	.count = ARRAY_COUNT(host_fields),
	.finish = host_finish};

/* --- sockets --- */

static const struct field socket_fields[] = {
	{"name", read_name, AT(struct policy_socket, name), .required = true},
	{"path", read_path, AT(struct policy_socket, path), .required = true},
	{"mode", read_mode, AT(struct policy_socket, mode), .fallback = 0660},
	{"owner", read_owner, AT(struct policy_socket, owner)},
	{"group", read_owner, AT(struct policy_socket, group)},
};

static int socket_finish(const struct reader *reader, const struct node *node, void *object)
{
	return origin_make(reader, node, &((struct policy_socket *)object)->origin);
}

static const struct shape socket_shape = {.what = "a socket",
	.fields = socket_fields,
	.count = ARRAY_COUNT(socket_fields),
	.bytes = sizeof(struct policy_socket),
	.finish = socket_finish};

/* --- a tenant's devices --- */

static int read_address(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	struct policy_device *device = object;
	struct address address;
	char quoted[ERROR_QUOTE_MAX];

	(void)field;
	if (node->kind != NODE_SCALAR)
		return reader_error(
			reader, node, "%s; expected a PCI address", node_kind_name(node));
	if (address_parse(node->text, &address) < 0)
		return reader_error(reader, node,
			"'%s'; expected a PCI address such as 0000:00:05.0, each part hex or '*'",
			error_quote(node->text, quoted));
	address_format(&address, device->address);
	return 0;
}

static int read_pci_id(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	struct policy_device *device = object;
	struct value_error why = {""};

	(void)field;
	if (node->kind != NODE_SCALAR)
		return reader_error(
			reader, node, "%s; expected VENDOR:DEVICE", node_kind_name(node));
	if (value_pci_id(node->text, &device->vendor, &device->device, &why) < 0)
		return reader_error(reader, node, "%s", why.text);
	return 0;
}

static const struct word reset_words[] = {
	{"required", POLICY_RESET_REQUIRED, NULL},
	{"none", POLICY_RESET_NONE, NULL},
	{"unsafe", POLICY_RESET_UNSAFE, NULL},
};
static const struct words resets = {"a rule for reset", reset_words, ARRAY_COUNT(reset_words)};

/* The program and its arguments, as the helper that runs it takes them. */
static int scrub_argument(const struct reader *reader, const struct node *item, size_t *used)
{
	struct value_error why = {""};
	int r;

	if (item->kind != NODE_SCALAR)
		return reader_error(reader, item, "%s; expected %s", node_kind_name(item),
			item->index ? "an argument" : "the path of a program");
	r = item->index ? value_argument_check(item->text, &why)
			: value_program_check(item->text, &why);
	if (r < 0)
		return reader_error(reader, item, "%s", why.text);
	*used += strlen(item->text) + 1;
	if (*used > POLICY_SCRUB_BYTES_MAX)
		return reader_error(reader, item,
			"ends at %zu bytes, each argument's end counted as one; expected at most "
			"%u",
			*used, POLICY_SCRUB_BYTES_MAX);
	return 0;
}

static int read_scrub(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	struct policy_device *device = object;
	size_t used = 0;
	int r = schema_check_list(reader, node, field);
	const char **scrub;

	if (r < 0)
		return r;
	scrub = arena_alloc(reader->arena, node->count, sizeof(*scrub));
	if (!scrub)
		return -ENOMEM;
	for (const struct node *item = node->first; item; item = item->next) {
		r = scrub_argument(reader, item, &used);
		if (r < 0)
			return r;
		scrub[item->index] = arena_copy(reader->arena, item->text, strlen(item->text));
		if (!scrub[item->index])
			return -ENOMEM;
	}
	device->scrub = scrub;
	device->scrub_count = node->count;
	return 0;
}

#define NOT_BUILT "is not built yet; expected 'mediated'"
static const struct word mode_words[] = {
	{"mediated", 1, NULL}, {"pre-bind", 2, NOT_BUILT}, {"delegate", 3, NOT_BUILT}};
static const struct words modes = {"a mode of lending", mode_words, ARRAY_COUNT(mode_words)};

/* There is one mode: it is checked and there is nothing to store. */
static int read_device_mode(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	const struct field nowhere = {.more = field->more, .size = sizeof(uint64_t)};
	uint64_t mode;

	(void)object;
	return read_choice(reader, node, &nowhere, &mode);
}

static const struct field device_fields[] = {
	{"name", read_name, AT(struct policy_device, name)},
	{"address", read_address, AT(struct policy_device, address)},
	{"id", read_pci_id, .has = offsetof(struct policy_device, has_id)},
	{"reset", read_choice, AT(struct policy_device, reset), .more = &resets},
	{"scrub", read_scrub, .min = 1, .max = POLICY_SCRUB_ARGUMENTS_MAX},
	{"mode", read_device_mode, .more = &modes},
};

/* `name` alone selects the device that the host's inventory calls so ("edu0" on the model). Beside
 * an address it is the name that this tenant knows that one device by, so the address must be one
 * address. */
static int device_finish(const struct reader *reader, const struct node *node, void *object)
{
	struct policy_device *device = object;
	const struct node *name = node_get(node, "name");
	const struct node *scrub = node_get(node, "scrub");
	struct address address = {0};

	if (!name && !device->address[0] && !device->has_id)
		return reader_error(
			reader, node, "selects nothing; expected a name, an address or an id");
	if (device->address[0])
		address_parse(device->address, &address);
	if (name && device->address[0] && address_has_wildcard(&address))
		return reader_error(reader, name,
			"one name for all that the address covers; expected no '*' in it");
	if (name && device->has_id && !device->address[0])
		return reader_error(reader, name,
			"one name for all devices of that id; expected their address too, or no "
			"name");
	if (scrub && device->reset == POLICY_RESET_NONE)
		return reader_error_head(reader, scrub,
			"with 'reset: none' no other tenant follows, and it would never run; "
			"expected no such key");
	return origin_make(reader, node, &device->origin);
}

static const struct shape device_shape = {.what = "a device",
	.fields = device_fields,
	.count = ARRAY_COUNT(device_fields),
	.bytes = sizeof(struct policy_device),
	.finish = device_finish};

/* --- a tenant's windows, memory, limits --- */

static const struct field window_fields[] = {
	{"start", read_number, AT(struct policy_window, start), .required = true,
		.max = UINT64_MAX},
	{"last", read_number, AT(struct policy_window, last), .required = true, .max = UINT64_MAX},
};

static int window_finish(const struct reader *reader, const struct node *node, void *object)
{
	const struct policy_window *window = object;

	if (window->start % PAGE_BYTES)
		return reader_error(reader, node_get(node, "start"),
			"inside a page; expected a multiple of 0x1000");
	if ((window->last + 1) % PAGE_BYTES)
		return reader_error(reader, node_get(node, "last"),
			"inside a page; expected its last byte, such as 0xfff");
	if (window->last < window->start)
		return reader_error(reader, node_get(node, "last"),
			"below start; expected a window that is not empty");
	return 0;
}

static const struct shape window_shape = {.what = "a window",
	.fields = window_fields,
	.count = ARRAY_COUNT(window_fields),
	.bytes = sizeof(struct policy_window),
	.finish = window_finish};

static const struct word memory_words[] = {
	{"memfd", POLICY_MEMORY_MEMFD, NULL},
	{"hugetlb", POLICY_MEMORY_HUGETLB, NULL},
	{"tmpfs", POLICY_MEMORY_TMPFS, NULL},
};
static const struct words memory_kinds = {
	"a kind of memory", memory_words, ARRAY_COUNT(memory_words)};

/* In a session's limits "nothing said" is the tenant's own limit: see limits_finish. */
#define SESSION(resource)                                                                          \
	AT(struct policy_tenant, session.max[resource]), .fallback = POLICY_NO_LIMIT
#define TENANT(resource) AT(struct policy_tenant, tenant.max[resource])
#define COUNTED .read = read_number, .max = COUNT_MAX

static const struct field session_fields[] = {
	{"locked_memory", SIZED, SESSION(POLICY_LOCKED_MEMORY)},
	{"ioas", COUNTED, SESSION(POLICY_IOAS)},
	{"mappings", COUNTED, SESSION(POLICY_MAPPINGS)},
	{"memory_handles", COUNTED, SESSION(POLICY_MEMORY_HANDLES)},
	{"devices", COUNTED, SESSION(POLICY_DEVICES)},
	{"objects", COUNTED, SESSION(POLICY_OBJECTS)},
};
static const struct shape session_shape = {.what = "limits of a session",
	.fields = session_fields,
	.count = ARRAY_COUNT(session_fields)};

static const struct field limits_fields[] = {
	{"locked_memory", SIZED, TENANT(POLICY_LOCKED_MEMORY), .required = true},
	{"ioas", COUNTED, TENANT(POLICY_IOAS), .fallback = 64},
	{"mappings", COUNTED, TENANT(POLICY_MAPPINGS), .fallback = 65536},
	{"memory_handles", COUNTED, TENANT(POLICY_MEMORY_HANDLES), .fallback = 1024},
	{"devices", COUNTED, TENANT(POLICY_DEVICES), .fallback = 16},
	{"objects", COUNTED, TENANT(POLICY_OBJECTS), .fallback = 2048},
	{"connections", read_number, TENANT(POLICY_CONNECTIONS), .fallback = 8, .min = 1,
		.max = POLICY_TENANT_CONNECTIONS_MAX},
	{"session", read_map, .more = &session_shape},
};

static int limits_finish(const struct reader *reader, const struct node *node, void *object)
{
	const struct node *session = node_get(node, "session");
	struct policy_tenant *tenant = object;

	for (size_t i = 0; i < ARRAY_COUNT(session_fields); i++) {
		/* Both tables begin with the same rows. */
		const struct node *value =
			session ? node_get(session, session_fields[i].key) : NULL;
		const struct node *of_tenant = node_get(node, session_fields[i].key);
		uint64_t *mine = (uint64_t *)((char *)object + session_fields[i].offset);
		uint64_t all = *(uint64_t *)((char *)object + limits_fields[i].offset);

		if (!value)
			*mine = all;
		else if (*mine > all)
			return reader_error(reader, value,
				"more than the tenant's %s %llu; expected at most that",
				of_tenant ? "own" : "default", (unsigned long long)all);
	}
	tenant->session.max[POLICY_CONNECTIONS] = 1; /* it is one */
	return 0;
}

static const struct shape limits_shape = {.what = "limits",
	.fields = limits_fields,
	.count = ARRAY_COUNT(limits_fields),
	.finish = limits_finish};

static const struct field cgroup_fields[] = {
	{"memory_max", SIZED, AT(struct policy_tenant, memory_max_bytes), .min = MIB},
	{"pids_max", read_number, AT(struct policy_tenant, pids_max), .min = 1, .max = 1u << 22},
};
static const struct shape cgroup_shape = {
	.what = "cgroup", .fields = cgroup_fields, .count = ARRAY_COUNT(cgroup_fields)};

/* --- tenants --- */

static const struct field match_fields[] = {
	{"socket", read_name, AT(struct policy_match, socket)},
	{"uid", read_number, AT(struct policy_match, uid),
		.has = offsetof(struct policy_match, has_uid), .max = UINT32_MAX - 1},
	{"gid", read_number, AT(struct policy_match, gid),
		.has = offsetof(struct policy_match, has_gid), .max = UINT32_MAX - 1},
};

static int match_finish(const struct reader *reader, const struct node *node, void *object)
{
	(void)object;
	if (node->count == 0)
		return reader_error_head(
			reader, node, "matches everybody; expected a socket, a uid or a gid");
	return 0;
}

static const struct shape match_shape = {.what = "match",
	.fields = match_fields,
	.count = ARRAY_COUNT(match_fields),
	.finish = match_finish};

#define ORIGIN(member) .origin = offsetof(struct policy_tenant, member)
static const struct field tenant_fields[] = {
	{"name", read_name, AT(struct policy_tenant, name), .required = true},
	{"match", read_map, AT(struct policy_tenant, match), .required = true, ORIGIN(match.origin),
		.more = &match_shape},
	{"devices", read_list, .offset = offsetof(struct policy_tenant, devices),
		.count = offsetof(struct policy_tenant, devices_count), .max = POLICY_DEVICES_MAX,
		ORIGIN(origin_devices), .more = &device_shape},
	{"operations", read_set, AT(struct policy_tenant, operations), .min = 1, .max = 64,
		ORIGIN(origin_operations), .more = &words_operations},
	{"iova_windows", read_list_inline, AT(struct policy_tenant, windows),
		.count = offsetof(struct policy_tenant, windows_count), .min = 1,
		.max = POLICY_WINDOWS_MAX, ORIGIN(origin_windows), .more = &window_shape},
	{"memory", read_set, AT(struct policy_tenant, memory_kinds),
		.fallback = POLICY_MEMORY_MEMFD | POLICY_MEMORY_HUGETLB, .min = 1, .max = 64,
		ORIGIN(origin_memory), .more = &memory_kinds},
	{"limits", read_map, .required = true, ORIGIN(origin_limits), .more = &limits_shape},
	{"cgroup", read_map, .more = &cgroup_shape},
};

static int tenant_finish(const struct reader *reader, const struct node *node, void *object)
{
	struct policy_tenant *tenant = object;
	const struct node *cgroup = node_get(node, "cgroup");
	uint64_t connections = tenant->tenant.max[POLICY_CONNECTIONS];
	int r;

	if (!node_get(node, "operations"))
		tenant->operations = words_all(&words_operations);
	if (!node_get(node, "iova_windows")) {
		tenant->windows[0] = (struct policy_window){0, UINT64_MAX};
		tenant->windows_count = 1;
	}
	if (!node_get(cgroup, "memory_max"))
		tenant->memory_max_bytes =
			2 * tenant->tenant.max[POLICY_LOCKED_MEMORY] + connections * 64 * MIB;
	if (!node_get(cgroup, "pids_max"))
		tenant->pids_max = connections + 8;
	r = origin_make(reader, node, &tenant->origin);
	return r < 0 ? r : check_tenant(reader, node, tenant);
}

static const struct shape tenant_shape = {.what = "a tenant",
	.fields = tenant_fields,
	.count = ARRAY_COUNT(tenant_fields),
	.bytes = sizeof(struct policy_tenant),
	.finish = tenant_finish};

/* --- the whole --- */

static int read_version(const struct reader *reader, const struct node *node,
	const struct field *field, void *object)
{
	char quoted[ERROR_QUOTE_MAX];

	(void)field;
	(void)object;
	if (node->kind != NODE_SCALAR || !node->plain || strcmp(node->text, "1") != 0)
		return reader_error(reader, node,
			"'%s' is a version that this program does not know; expected 1",
			error_quote(node->text, quoted));
	return 0;
}

static const struct field policy_fields[] = {
	{"version", read_version, .required = true},
	{"host", read_map, AT(struct policy, host), .required = true,
		.origin = offsetof(struct policy, host.origin), .more = &host_shape},
	{"sockets", read_list, .offset = offsetof(struct policy, sockets),
		.count = offsetof(struct policy, sockets_count), .required = true, .min = 1,
		.max = POLICY_SOCKETS_MAX, .more = &socket_shape},
	{"tenants", read_list, .offset = offsetof(struct policy, tenants),
		.count = offsetof(struct policy, tenants_count), .required = true, .min = 1,
		.max = POLICY_TENANTS_MAX, .more = &tenant_shape},
};
const struct shape policy_language = {.what = "a policy",
	.fields = policy_fields,
	.count = ARRAY_COUNT(policy_fields),
	.finish = check_policy};

struct loaded {
	struct policy policy; /* first: what the caller holds */
	struct arena arena; /* all that it points to */
};

static int policy_compile(
	const struct document *document, struct loaded *loaded, struct policy_error *error)
{
	struct reader reader = {.arena = &loaded->arena, .error = error};
	const struct node *version = node_get(document->root, "version");
	int r = 0;

	reader.file = arena_copy(&loaded->arena, document->file, strlen(document->file));
	if (!reader.file)
		return -ENOMEM;
	/* First, since in another version other keys may be right. */
	if (version)
		r = read_version(&reader, version, NULL, NULL);
	return r < 0 ? r : schema_read(&reader, document->root, &policy_language, &loaded->policy);
}

int policy_parse(const char *name, const char *text, size_t bytes, struct policy **ret,
	struct policy_error *error)
{
	struct document document;
	struct loaded *loaded;
	int r = document_parse(name, text, bytes, &document, error);

	if (r == -ENOMEM)
		error_at(error, name, 1, 1, "policy", "no memory to read it");
	if (r < 0)
		return r;
	loaded = calloc(1, sizeof(*loaded));
	r = loaded ? policy_compile(&document, loaded, error) : -ENOMEM;
	document_free(&document);
	if (r == -ENOMEM)
		error_at(error, name, 1, 1, "policy", "no memory to read it");
	if (r < 0) {
		policy_free(loaded ? &loaded->policy : NULL);
		return r;
	}
	*ret = &loaded->policy;
	return 0;
}

void policy_free(struct policy *policy)
{
	struct loaded *loaded = (struct loaded *)policy;

	if (!loaded)
		return;
	arena_free(&loaded->arena);
	free(loaded);
}
