/* SPDX-License-Identifier: MIT */
#include "client/lib/options.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* No option structure will ever be larger: a size above it is an uninitialised one. */
#define OPTIONS_BYTES_MAX 4096u

int options_read(void *to, size_t known, const void *from)
{
	const uint8_t *bytes = from;
	size_t size;

	memset(to, 0, known);
	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size) || size > OPTIONS_BYTES_MAX)
		return -EINVAL;
	for (size_t i = known; i < size; i++)
		if (bytes[i] != 0)
			return -E2BIG;
	memcpy(to, from, size < known ? size : known);
	return 0;
}
