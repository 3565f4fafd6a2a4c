/* SPDX-License-Identifier: MIT */
/*
 * What is counted and limited. The numbers are those of `Resource` in proto/client.proto (a test compares them),
 * so that a limit can travel from the policy file over the account pages to a client without translation.
 */
#ifndef IOMMUB_COMMON_RESOURCE_H
#define IOMMUB_COMMON_RESOURCE_H

#include <stdint.h>

enum resource {
	RESOURCE_LOCKED_BYTES = 1, /* bytes of memory that maps pin; whole pages, once per map */
	RESOURCE_IOAS = 2,
	RESOURCE_MAPPINGS = 3,
	RESOURCE_MEMORY_HANDLES = 4,
	RESOURCE_DEVICES = 5,
	RESOURCE_OBJECTS = 6, /* objects of all types together, mappings not included */
	RESOURCE_CONNECTIONS = 7, /* counted by the supervisor, before the fork */
	RESOURCE_END
};

enum scope { SCOPE_SESSION = 1, SCOPE_TENANT = 2, SCOPE_HOST = 3 };

/* Limits of one scope, by enum resource; index 0 is unused. UINT64_MAX = no limit at this scope. */
struct limits {
	uint64_t max[RESOURCE_END];
};

/* "locked_memory", "ioas", …: the key in the policy file and the word in messages. NULL for no resource. */
const char *resource_name(enum resource resource);

#endif
