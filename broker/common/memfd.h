/* SPDX-License-Identifier: MIT */
/*
 * A memfd whose size can never change: what two processes may share without one being able to pull
 * pages from under the other (a store past the end of a shrunk file is SIGBUS).
 */
#ifndef IOMMUB_COMMON_MEMFD_H
#define IOMMUB_COMMON_MEMFD_H

#include <stddef.h>

/* A zeroed, non-executable memfd of exactly `bytes`, CLOEXEC, sealed against shrinking and growing;
 * more seals may be added until the caller adds F_SEAL_SEAL. The fd, or -errno. */
int memfd_sized(const char *name, size_t bytes);

#endif
