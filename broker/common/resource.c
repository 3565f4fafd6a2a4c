/* SPDX-License-Identifier: MIT */
/* The words for what is counted: the same in the policy file, in messages and in listings. */
#include "broker/common/resource.h"

#include <stddef.h>

const char *resource_name(enum resource resource)
{
	static const char *const names[RESOURCE_END] = {
		[RESOURCE_LOCKED_BYTES] = "locked_memory",
		[RESOURCE_IOAS] = "ioas",
		[RESOURCE_MAPPINGS] = "mappings",
		[RESOURCE_MEMORY_HANDLES] = "memory_handles",
		[RESOURCE_DEVICES] = "devices",
		[RESOURCE_OBJECTS] = "objects",
		[RESOURCE_CONNECTIONS] = "connections",
	};

	return (unsigned int)resource < RESOURCE_END ? names[resource] : NULL;
}
