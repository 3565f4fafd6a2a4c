/* SPDX-License-Identifier: MIT */
/* What the policy's tests share: a small valid policy to vary, and loading with the expected
 * end. */
#ifndef TESTS_POLICY_SUPPORT_H
#define TESTS_POLICY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/policy.h"

#define HOST "version: 1\nhost: {locked_memory: 1GiB}\n"
#define HEAD HOST "sockets: [{name: main, path: main.sock}]\n"
#define TENANT_BARE HEAD "tenants:\n- name: alpha\n"
#define MATCH "  match: {uid: 5}\n"
#define LIMITS "  limits: {locked_memory: 64MiB}\n"
#define TENANT TENANT_BARE MATCH LIMITS

/* Load `text`, which must be right; the caller frees. */
struct policy *load_good(const char *text);
/* Load `text`, which must be refused; the caret ^ in it, which is taken out first, stands where
 * the error must point. The whole message must be "policy.yaml:LINE:COLUMN: KEY: MESSAGE". */
void load_bad(const char *text, const char *key, const char *message);
/* Is it right? No position is checked. */
bool loads(const char *text);

#endif
