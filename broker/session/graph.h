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

#include <stdint.h>
#include "broker/common/account.h"

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
	/* then graph.c's own links; each concrete type embeds struct object as its first member */
	struct {
		struct object *left, *right, *parent;
		int color;
	} node;
};

struct graph;

#endif
