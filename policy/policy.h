/* SPDX-License-Identifier: MIT */
/*
 * The policy: who is which tenant, and what that tenant may do.
 *
 * A policy file is YAML with `version: 1`. Loading it has two steps that share nothing but the
 * document: parse.c (text -> document; every node remembers file, line and column) and compile.c
 * (document -> struct policy; unknown keys, wrong types, values out of range, names defined twice
 * are errors that name file:line:column, the key, and what was expected). A struct policy is plain
 * data and never changes after loading. match.c asks it questions.
 *
 * Nothing here knows of sockets, processes or devices of this host: the supervisor, the harness and
 * `policy check` all ask the same code.
 */
#ifndef IOMMUB_POLICY_H
#define IOMMUB_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define POLICY_NAME_MAX 64u /* with the NUL; [a-z0-9][a-z0-9._-]* */
#define POLICY_ERROR_MAX 512u
#define POLICY_WINDOWS_MAX 16u
#define POLICY_FILE_BYTES_MAX (1u << 20)
#define POLICY_SOCKETS_MAX 1024u
#define POLICY_TENANTS_MAX 1024u
#define POLICY_DEVICES_MAX 256u /* entries of one tenant */
#define POLICY_SCRUB_ARGUMENTS_MAX 32u /* the program is one of them */
#define POLICY_SCRUB_BYTES_MAX 1023u /* of all of them, each with its NUL */
#define POLICY_TENANT_CONNECTIONS_MAX                                                              \
	56u /* ACCOUNT_SLOTS in broker/common/account.h; a test compares them */
#define POLICY_NO_LIMIT UINT64_MAX

/* Where something was said: for denials and for `explain`. `key` is the path,
 * "tenants.alpha.devices". */
struct policy_origin {
	const char *file;
	unsigned int line; /* 0: not said, a default */
	const char *key;
};

/* The same numbers as enum resource in broker/common/resource.h; a test of the supervisor compares
 * them. */
enum policy_resource {
	POLICY_LOCKED_MEMORY = 1,
	POLICY_IOAS = 2,
	POLICY_MAPPINGS = 3,
	POLICY_MEMORY_HANDLES = 4,
	POLICY_DEVICES = 5,
	POLICY_OBJECTS = 6,
	POLICY_CONNECTIONS = 7,
	POLICY_RESOURCE_END
};

struct policy_limits {
	uint64_t max[POLICY_RESOURCE_END]; /* POLICY_NO_LIMIT where nothing is said and there is no
					      default */
};

struct policy_window {
	uint64_t start;
	uint64_t last;
};

enum policy_reset { POLICY_RESET_REQUIRED, POLICY_RESET_NONE, POLICY_RESET_UNSAFE };

/* One entry of a tenant's `devices`. A device matches when everything that is given here holds; a
 * name beside an address selects nothing, it is what the tenant calls that device. */
struct policy_device {
	char name[POLICY_NAME_MAX]; /* empty = none; alone: the inventory's name for it */
	char address[16]; /* "0000:00:05.0"; parts may be '*'; empty = any */
	bool has_id;
	uint16_t vendor, device; /* vendor:device */
	enum policy_reset reset;
	const char *const *scrub; /* a program and its arguments, run between two tenants */
	size_t scrub_count; /* 0: none */
	struct policy_origin origin;
};

/* What must hold of a connection; at least one of them is given. */
struct policy_match {
	const char *socket; /* name of a socket in `sockets`; NULL = any */
	bool has_uid, has_gid;
	uid_t uid;
	gid_t gid;
	struct policy_origin origin;
};

enum policy_memory { POLICY_MEMORY_MEMFD = 1, POLICY_MEMORY_HUGETLB = 2, POLICY_MEMORY_TMPFS = 4 };

struct policy_tenant {
	const char *name;
	struct policy_match match;
	const struct policy_device *devices;
	size_t devices_count;
	uint64_t operations; /* bit N = Operation field number N of client.proto; default all */
	unsigned int memory_kinds; /* enum policy_memory, or-ed; default memfd | hugetlb */
	struct policy_window
		windows[POLICY_WINDOWS_MAX]; /* sorted, disjoint; default one, everything */
	size_t windows_count;
	struct policy_limits session; /* per session */
	struct policy_limits tenant; /* all its sessions together */
	uint64_t memory_max_bytes; /* cgroup memory.max; has a finite default */
	uint64_t pids_max;
	struct policy_origin origin, origin_devices, origin_operations, origin_windows,
		origin_memory, origin_limits;
};

struct policy_socket {
	const char *name;
	const char *path; /* absolute, or relative to the supervisor's run directory */
	mode_t mode;
	const char *owner, *group; /* names or numbers; NULL = the supervisor's own */
	struct policy_origin origin;
};

struct policy_host {
	uint64_t locked_memory_bytes; /* what all tenants together may be lent */
	uint64_t lend_chunk_bytes; /* default 64 MiB */
	uint64_t hello_deadline_ms; /* default 5000 */
	uint64_t connections; /* all tenants together */
	uid_t session_uid_first; /* a uid of its own for each tenant's sessions: [first,
				    first+count) */
	uint64_t session_uid_count;
	/* What is refused of a host where nothing is said; 0 or 1. */
	uint32_t allow_unsafe_interrupts; /* devices may forge interrupts */
	uint32_t allow_noiommu; /* nothing translates a device's DMA */
	uint32_t allow_open_nodes; /* others than the broker can open device nodes */
	struct policy_origin origin;
};

struct policy {
	struct policy_host host;
	const struct policy_socket *sockets; /* at least one */
	size_t sockets_count;
	const struct policy_tenant *tenants; /* in file order: first match wins */
	size_t tenants_count;
};

struct policy_error {
	char text[POLICY_ERROR_MAX]; /* "FILE:LINE:COLUMN: KEY: what is wrong, what was expected" */
};

/* Load a file. 0 and *ret (the caller ends it with policy_free), or -errno with *error filled:
 * -ENOENT, -EACCES … for a file that cannot be read, -EFBIG above POLICY_FILE_BYTES_MAX, -EINVAL
 * for what it says, -ENOMEM. */
int policy_load(const char *path, struct policy **ret, struct policy_error *error);
/* The same from memory; `name` stands for the file in messages. */
int policy_parse(const char *name, const char *text, size_t bytes, struct policy **ret,
	struct policy_error *error);
void policy_free(struct policy *policy); /* NULL is fine */

/* Who connected, from the kernel's word alone. */
struct policy_peer {
	const char *socket; /* name of the listening socket */
	uid_t uid;
	gid_t gid;
};
/* First tenant in file order of which everything given matches, or NULL. */
const struct policy_tenant *policy_match_peer(
	const struct policy *policy, const struct policy_peer *peer);

/* A device of the host, as the inventory knows it. */
struct policy_device_facts {
	const char *name; /* a name that the inventory gives ("edu0" on the model); may be NULL */
	const char *address; /* full BDF */
	uint16_t vendor, device;
};
/* The entry that lends this device to this tenant, or NULL. */
const struct policy_device *policy_match_device(
	const struct policy_tenant *tenant, const struct policy_device_facts *facts);
/* The name a tenant knows a device by: the entry's, else the inventory's, else the address. */
const char *policy_device_name(
	const struct policy_device *entry, const struct policy_device_facts *facts);

/* "FILE:LINE KEY" into buffer, always terminated; of a path that does not fit, its end. A default
 * has no line: "FILE KEY (default)". */
void policy_origin_format(const struct policy_origin *origin, char *buffer, size_t bytes);

#endif
