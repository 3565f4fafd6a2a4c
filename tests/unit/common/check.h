/* SPDX-License-Identifier: MIT */
/* cmocka, with the headers that it wants before itself. */
#ifndef IOMMUB_TESTS_UNIT_COMMON_CHECK_H
#define IOMMUB_TESTS_UNIT_COMMON_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
