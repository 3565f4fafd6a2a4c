/* SPDX-License-Identifier: MIT */
/* The language itself, for those who walk its tables: the test that every row decides something. */
#ifndef IOMMUB_POLICY_COMPILE_H
#define IOMMUB_POLICY_COMPILE_H

#include "policy/schema.h"

extern const struct shape policy_language; /* the whole file, into a struct policy */

#endif
