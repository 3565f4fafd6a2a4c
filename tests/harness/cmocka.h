/* SPDX-License-Identifier: MIT */
/* cmocka.h needs these before it. */
#ifndef HARNESS_CMOCKA_H
#define HARNESS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
