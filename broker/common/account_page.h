/* SPDX-License-Identifier: MIT */
/* What lies in the account page. For account.c, account_pages.c and their tests only. */
#ifndef IOMMUB_COMMON_ACCOUNT_PAGE_H
#define IOMMUB_COMMON_ACCOUNT_PAGE_H

#include <pthread.h>
#include <stdint.h>

#include "broker/common/account.h"

#define LIMITS_VERSION 1u

/* One cache line each, so that sessions on different cores do not fight over slots. */
struct account_slot {
	_Alignas(64) uint64_t used[RESOURCE_END];
};

struct account_page {
	pthread_mutex_t lock;
	uint64_t generation; /* of the limits page, when `total` was last computed */
	uint32_t stale; /* 1: somebody lowered a slot without the lock, `total` is too high */
	uint32_t reserved;
	struct account_slot
		total; /* == the sum of all slots, whenever the lock is free and nothing is stale */
	struct account_slot slots[ACCOUNT_SLOTS];
};

_Static_assert(sizeof(struct account_page) <= ACCOUNT_PAGE_BYTES, "one page");
_Static_assert(sizeof(struct account_slot) == 64, "one cache line");
_Static_assert(sizeof(struct limits_page) <= ACCOUNT_PAGE_BYTES, "one page");

#endif
