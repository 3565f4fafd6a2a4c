/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor and a session say to each other: fixed-size structs over a private SOCK_SEQPACKET pair.
 *
 * One struct is one packet. Its header names the type, the type fixes the size, and a packet of any other size, of an
 * unknown type, with a string that does not end or a count out of range is a broken peer: the supervisor kills that
 * session, a session ends itself. Neither side ever blocks in a send. File descriptors travel in one direction only,
 * from the supervisor to the session; one that comes the other way is closed and counts as a broken peer.
 *
 *   supervisor                                     session
 *       SETUP          ------------------------->             first, once
 *                      <-------------------------  READY      the sandbox is up; the client is being served
 *                      <-------------------------  DEVICE_OPEN, DEVICE_RELEASE, DEVICE_LIST, LEND
 *       GRANTED (+fd), DENIED, DEVICES, LENT  --->             the answer to the request with the same serial
 *                      <-------------------------  AUDIT      no answer
 *
 * With a session that serves an administrator (--role=admin) other types are spoken, and none of these:
 *
 *                      <-------------------------  ADMIN_SESSIONS, ADMIN_DEVICES, ADMIN_REVOKE
 *       ADMIN_SESSION_PAGE, ADMIN_DEVICE_PAGE, DENIED … -->   one answer
 *       ADMIN_STEP     ------------------------->             of ADMIN_REVOKE: one for each step, DONE is the last
 *
 * The end of the control socket is, for a session, a supervisor that is gone: it goes on, and what needs the supervisor
 * answers EAGAIN "broker restarting". For the supervisor it is a session that is about to be reaped.
 */
#ifndef IOMMUB_COMMON_CONTROL_H
#define IOMMUB_COMMON_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/common/resource.h"

#define CONTROL_VERSION 1u
#define CONTROL_NAME_MAX 64u /* tenant and device names, with the NUL */
#define CONTROL_RULE_MAX 160u /* "FILE:LINE key", with the NUL */
#define CONTROL_TEXT_MAX 256u
#define CONTROL_WINDOWS_MAX 16u
#define CONTROL_DEVICES_MAX 64u
#define CONTROL_ADMIN_PAGE 32u
#define CONTROL_HOLDERS_MAX 128u

/* The fds that a session finds open at exec, and no others. */
enum session_fd {
	SESSION_FD_STDIN =
		0, /* 0, 1 and 2 are /dev/null (stderr: the supervisor's own in debug mode) */
	SESSION_FD_STDOUT = 1,
	SESSION_FD_STDERR = 2,
	SESSION_FD_CLIENT = 3,
	SESSION_FD_CONTROL = 4,
	SESSION_FD_ACCOUNT = 5, /* mapped, then closed */
	SESSION_FD_LIMITS = 6, /* mapped, then closed */
	SESSION_FD_FILTER = 7, /* the seccomp program, a sealed memfd; loaded, then closed */
	SESSION_FD_IOMMU = 8, /* kernel backend only; on the model it is not open */
	SESSION_FD_END
};

/* The same for one that serves an administrator. */
enum admin_fd {
	ADMIN_FD_CLIENT = 3,
	ADMIN_FD_CONTROL = 4,
	ADMIN_FD_FILTER = 5, /* loaded, then closed */
	ADMIN_FD_END
};
#define ADMIN_ROLE "--role=admin"

enum control_type {
	CONTROL_SETUP = 1,
	CONTROL_READY,
	CONTROL_DEVICE_OPEN,
	CONTROL_DEVICE_RELEASE,
	CONTROL_DEVICE_LIST,
	CONTROL_LEND,
	CONTROL_GRANTED,
	CONTROL_DENIED,
	CONTROL_DEVICES,
	CONTROL_LENT,
	CONTROL_AUDIT,
	CONTROL_ADMIN_SESSIONS,
	CONTROL_ADMIN_DEVICES,
	CONTROL_ADMIN_REVOKE,
	CONTROL_ADMIN_SESSION_PAGE,
	CONTROL_ADMIN_DEVICE_PAGE,
	CONTROL_ADMIN_STEP,
	CONTROL_ADMIN_DENIED,
	CONTROL_END
};

enum control_backend { BACKEND_MODEL = 1, BACKEND_KERNEL = 2 };

enum memory_kind { MEMORY_KIND_MEMFD = 1, MEMORY_KIND_HUGETLB = 2, MEMORY_KIND_TMPFS = 4 };

struct control_header {
	uint32_t version;
	uint32_t type; /* enum control_type */
	uint64_t serial; /* a request's own number, echoed in its answer; 0 elsewhere */
};

struct control_range {
	uint64_t start;
	uint64_t last;
};

struct control_setup {
	struct control_header header;
	uint64_t session; /* unique since the supervisor's start */
	char tenant[CONTROL_NAME_MAX];
	uint32_t slot; /* in the account page */
	uint32_t backend; /* enum control_backend */
	uint64_t operations; /* bit N = Operation field number N of client.proto is permitted */
	uint32_t memory_kinds; /* enum memory_kind, or-ed */
	uint32_t hello_deadline_ms;
	uint32_t windows_count; /* at least 1 */
	uint32_t map_mask_bits; /* test seam: bit 0 = behave as a kernel without IOAS_MAP_FILE */
	struct control_range
		windows[CONTROL_WINDOWS_MAX]; /* IOVAs this tenant may use; sorted, disjoint */
	/* Where the policy says so, for denials: "FILE:LINE tenants.NAME.key". */
	char rule_operations[CONTROL_RULE_MAX];
	char rule_windows[CONTROL_RULE_MAX];
	char rule_memory[CONTROL_RULE_MAX];
	char rule_limits[CONTROL_RULE_MAX];
};

struct control_ready {
	struct control_header header;
	uint32_t
		landlock_abi; /* of the ruleset that holds the session; 0: this kernel has no Landlock */
	uint32_t reserved;
};

struct control_device_open {
	struct control_header header;
	char name[CONTROL_NAME_MAX]; /* policy name or BDF, as the client gave it: hostile */
};

struct control_device_release {
	struct control_header header;
	uint32_t device; /* the index that GRANTED gave */
	uint32_t reserved;
};

struct control_device_list {
	struct control_header header;
};

struct control_lend {
	struct control_header header;
	uint64_t bytes; /* at least this much more */
};

/* Values of DeviceState in client.proto. */
enum device_state {
	DEVICE_STATE_FREE = 1,
	DEVICE_STATE_GRANTED = 2,
	DEVICE_STATE_CUT = 3,
	DEVICE_STATE_HELD = 4,
	DEVICE_STATE_RESETTING = 5,
	DEVICE_STATE_QUARANTINED = 6
};

struct control_device {
	char name[CONTROL_NAME_MAX];
	char address[16]; /* BDF */
	uint32_t index; /* the supervisor's number for it */
	uint16_t vendor;
	uint16_t device;
	uint32_t state; /* enum device_state */
	uint32_t mine; /* 1: granted to this session */
};

/* Carries one fd: the VFIO device, or on the model the memfd that is the device's own state. The session owns it. */
struct control_granted {
	struct control_header header;
	struct control_device device;
};

struct control_denied {
	struct control_header header;
	int32_t error; /* positive errno */
	uint32_t reserved;
	char text[CONTROL_TEXT_MAX];
	char rule[CONTROL_RULE_MAX]; /* empty: no rule, a fact (in use, held, …) */
};

struct control_devices {
	struct control_header header;
	uint32_t count;
	uint32_t reserved;
	struct control_device devices[CONTROL_DEVICES_MAX];
};

struct control_lent {
	struct control_header header;
	uint64_t lent_bytes; /* what the limits page says now */
	uint64_t host_limit_bytes; /* when less was lent than asked: the host's whole pool … */
	uint64_t host_used_bytes; /* … and what of it is lent to all tenants together */
};

enum audit_kind {
	AUDIT_DENIED = 1, /* a rule or a limit said no */
	AUDIT_BAD_INPUT, /* the client broke the protocol */
	AUDIT_DEVICE, /* open, attach, detach, close */
	AUDIT_END, /* the session ends: why, and what it did */
	AUDIT_BROKEN /* a bug of ours: a leftover object, an impossible errno */
};

struct control_audit {
	struct control_header header;
	uint32_t kind; /* enum audit_kind */
	int32_t error; /* positive errno or 0 */
	uint64_t
		suppressed; /* records not sent before this one, because the supervisor did not drain */
	char text[CONTROL_TEXT_MAX];
};

/* ADMIN_SESSIONS: those with ids above `number`; ADMIN_DEVICES: those from index `number` on; ADMIN_REVOKE: the session. */
struct control_admin_ask {
	struct control_header header;
	uint64_t number;
};

/* Values of SessionState in admin.proto. */
enum admin_session_state {
	ADMIN_SESSION_STARTING = 1,
	ADMIN_SESSION_RUNNING,
	ADMIN_SESSION_ENDING,
	ADMIN_SESSION_FOREIGN
};

struct control_admin_session {
	uint64_t id;
	char tenant[CONTROL_NAME_MAX];
	uint32_t state; /* enum admin_session_state */
	uint32_t pid, peer_pid, peer_uid, peer_gid;
	uint32_t devices;
	uint64_t age_ms, locked_bytes, ioas, mappings;
};

struct control_admin_session_page {
	struct control_header header;
	uint32_t count;
	uint32_t more; /* 1: ask again */
	struct control_admin_session sessions[CONTROL_ADMIN_PAGE];
};

struct control_admin_device {
	struct control_device device; /* named as the inventory does; mine is 0 */
	char tenant[CONTROL_NAME_MAX]; /* whose it is or was last; empty: nobody's */
	uint64_t session;
	uint64_t age_ms;
	int64_t group; /* -1: none */
	char reset[16];
	char holders[CONTROL_HOLDERS_MAX];
};

struct control_admin_device_page {
	struct control_header header;
	uint32_t count;
	uint32_t more;
	struct control_admin_device devices[CONTROL_ADMIN_PAGE];
};

/* Values of StepKind in admin.proto. */
enum admin_step {
	ADMIN_STEP_KILLED = 1,
	ADMIN_STEP_ENDED,
	ADMIN_STEP_EMPTY,
	ADMIN_STEP_DEVICE,
	ADMIN_STEP_DONE
};

struct control_admin_step {
	struct control_header header;
	uint64_t session;
	uint32_t step; /* enum admin_step */
	uint32_t after_ms;
	uint32_t state; /* DEVICE: enum device_state; else 0 */
	uint32_t held; /* DONE: devices that somebody still refers to */
	uint64_t unmapped_bytes; /* EMPTY */
	char device[CONTROL_NAME_MAX]; /* DEVICE */
};

/* The largest of them: a receive buffer's size. */
union control_message {
	struct control_header header;
	struct control_setup setup;
	struct control_ready ready;
	struct control_device_open device_open;
	struct control_device_release device_release;
	struct control_device_list device_list;
	struct control_lend lend;
	struct control_granted granted;
	struct control_denied denied;
	struct control_devices devices;
	struct control_lent lent;
	struct control_audit audit;
	struct control_admin_ask admin_ask;
	struct control_admin_session_page admin_sessions;
	struct control_admin_device_page admin_devices;
	struct control_admin_step admin_step;
};

enum control_direction {
	CONTROL_FROM_SUPERVISOR = 1,
	CONTROL_FROM_SESSION,
	CONTROL_TO_ADMIN, /* from the supervisor, to a session that serves an administrator */
	CONTROL_FROM_ADMIN
};

/* The exact packet size of a type, 0 for none. */
size_t control_size(uint32_t type);

/* Is this packet one that the peer on that side may send: version, type, direction, exact size, terminated strings,
 * counts and enums in range? 0 or -EPROTO; *why (static text) names what was wrong. */
int control_check(const union control_message *message, size_t bytes,
	enum control_direction direction, const char **why);

/* Fill a header and send without blocking; fd = -1 for none (it is borrowed). 0 or -errno (-EAGAIN: does not drain). */
int control_send(int socket_fd, union control_message *message, enum control_type type,
	uint64_t serial, int fd);

#endif
