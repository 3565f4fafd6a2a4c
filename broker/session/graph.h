/* SPDX-License-Identifier: MIT */
/*
 * The object graph of one session, as in iommufd: every object has an id, a type, a count of users.
 * An arrow means: depends on, and holds a reference to. Arrows go from what is made later to what it needs.
 *
 *      DEVICE ──attached──> HWPT_PAGING ──> IOAS ──> (mappings) ──> MEMORY
 *
 * Types are declared lowest first: what others may depend on comes after what depends on it. Destroying by type in this
 * order therefore releases every reference before its target is reached.
 *
 * A worked example. A client registered memory M, made IOAS A, mapped M into A, opened device D and attached it to A,
 * for which the kernel made HWPT H:
 *
 *      D.users 0     H.users 1 (D)     A.users 1 (H)     M.users 1 (A's mapping)
 *
 *   DESTROY M -> EBUSY (A's mapping)         DESTROY A -> EBUSY (H)
 *   CLOSE D: D gives back H; H, which the kernel made by itself, goes with its last user; A.users 0
 *   DESTROY A: its mappings go, and with them their charges; M.users 0
 *   DESTROY M: the file is closed.           At the end of a session teardown.c does just that, type by type.
 *
 * Life of an object: object_reserve() (it has no id, nobody can name it) -> all that can fail -> object_publish() with
 * the id that the kernel gave, or object_abort() and no trace is left.
 *
 * What `users` protects: memory of the object itself (a request that waits holds a reference, so that it never reaches
 * freed memory) and the order of destruction. It does not claim to know what a device is attached to: a client that
 * holds a VFIO fd can attach it by itself, so EBUSY or ENOENT from the kernel on a destroy is normal.
 *
 * IDs are the kernel's; memory handles are the broker's own and have bit 31 set, so that one DESTROY takes them all.
 */
#ifndef IOMMUB_SESSION_GRAPH_H
#define IOMMUB_SESSION_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bsd/sys/tree.h>
#include "broker/common/account.h"
#include "broker/common/control.h"
#include "broker/session/iova_index.h"

#define OBJECT_TAG_MAX 33u /* 32 bytes and the NUL */
#define MEMORY_ID_FLAG 0x80000000u

enum object_type {
	OBJECT_ANY = 0,
	OBJECT_DEVICE = 1,
	OBJECT_HWPT_PAGING = 2,
	OBJECT_IOAS = 3,
	OBJECT_MEMORY = 4,
	OBJECT_TYPE_END
};

struct object {
	uint32_t id; /* 0 while reserved */
	enum object_type type;
	uint32_t users;
	char tag[OBJECT_TAG_MAX];
	struct charge charge_objects; /* one of RESOURCE_OBJECTS … */
	struct charge charge_own; /* … and one of the type's own resource */
	RB_ENTRY(object)
	node; /* graph.c's; each concrete type embeds struct object as its first member */
};

struct graph;
struct session;
struct call;
struct backend_device;
struct memory_file;

/* The concrete objects. Each begins with its struct object. */

struct memory {
	struct object object;
	struct memory_file *file;
};

struct ioas {
	struct object object;
	struct iova_index index; /* its mappings */
	uint64_t bytes; /* the sum of their lengths */
	bool steered; /* automatic allocation is limited to the tenant's windows by an allow list of ours … */
	bool nowhere; /* … and nothing usable is left in them: automatic allocation has no place */
	bool client_steered; /* the client gave an allow list of its own */
};

struct hwpt {
	struct object object;
	struct ioas *ioas;
};

struct device {
	struct object object;
	struct backend_device *backend;
	struct object *
		attached; /* a HWPT, or the IOAS itself for a device without a page table; NULL = nothing */
	uint32_t index; /* the supervisor's number for it */
	char name[CONTROL_NAME_MAX];
};

int graph_new(struct graph **ret); /* 0 or -ENOMEM */
void graph_free(struct graph *graph); /* after graph_teardown(); NULL is fine */

/* Make an object that nobody can name yet, of `bytes` (its concrete type), charged. `tag` may be NULL and has been
 * checked. 0, or -errno with the call's error said and nothing left of it. */
int object_reserve(struct call *call, enum object_type type, size_t bytes, const char *tag,
	struct object **ret);
/* Give it the id under which it is found from now on. Cannot fail. */
void object_publish(struct session *session, struct object *object, uint32_t id);
/* A reserved object goes without a trace. */
void object_abort(struct session *session, struct object *object);
/* A published object without users goes: id, charges, memory. What it refers to is its own type's to let go, before. */
void object_remove(struct session *session, struct object *object);

/* By id and type (OBJECT_ANY: any). NULL: there is none. */
struct object *graph_find(struct graph *graph, uint32_t id, enum object_type type);
/* The first with an id above `after`, for going through all of them in order. */
struct object *graph_next(struct graph *graph, uint32_t after);
size_t graph_count(const struct graph *graph);
/* An id for a memory handle that is not in use. */
uint32_t graph_memory_id(struct graph *graph);

/* "IOAS", … for messages */
const char *object_type_name(enum object_type type);

/* teardown.c: the end of everything, lowest type first. What is left over is a bug and is audited as one. */
void graph_teardown(struct session *session);

#endif
