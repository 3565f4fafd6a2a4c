/* SPDX-License-Identifier: MIT */
/* Option structures that grow: the caller's begins with its own size. */
#ifndef IOMMUB_CLIENT_OPTIONS_H
#define IOMMUB_CLIENT_OPTIONS_H

#include <stddef.h>

/*
 * Copy the caller's structure `from` (NULL: all zero) into `to`, which this library knows with `known` bytes. What a shorter one
 * lacks is zero. 0; -EINVAL: its size cannot be; -E2BIG: it is longer and says something that we do not know.
 */
int options_read(void *to, size_t known, const void *from);

#endif
