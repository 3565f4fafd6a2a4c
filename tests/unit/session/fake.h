/* SPDX-License-Identifier: MIT */
/*
 * What stands around a session in these tests: a backend and a supervisor that the test commands.
 *
 * The fake backend keeps IOASes, mappings and page tables as naively as can be (arrays, linear scans), gives ids as the
 * kernel does (the lowest that is free), and fails on demand. The fake supervisor lends, grants and denies what the
 * test says. They take the place of backend.c and supervisor_client.c at link time.
 */
#ifndef IOMMUB_TESTS_SESSION_FAKE_H
#define IOMMUB_TESTS_SESSION_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/session/session.h"

#define FAKE_IDS 64
#define FAKE_MAPPINGS 4096
#define FAKE_AUDITS 64

enum fake_type { FAKE_NONE, FAKE_IOAS, FAKE_HWPT, FAKE_DEVICE };

struct fake_mapping {
	uint32_t ioas; /* 0 = free */
	uint64_t start, last;
};

struct fake_object {
	enum fake_type type;
	uint32_t ioas; /* HWPT */
	uint32_t hwpt; /* DEVICE: attached to */
	struct control_range allowed[64]; /* IOAS */
	uint32_t n_allowed;
};

struct fake {
	struct fake_object objects[FAKE_IDS];
	struct fake_mapping mappings[FAKE_MAPPINGS];
	/* The call number `fail_at` (from 1, of those counted) answers -fail_error. */
	unsigned long calls, fail_at;
	int fail_error;
	unsigned long fail_cmd; /* only calls of this command count; 0 = all */
	bool destroy_busy; /* every IOMMU_DESTROY says EBUSY: a client attached its device by itself */
	uint64_t choose; /* what automatic allocation answers; 0 = first fit */
	/* The supervisor: */
	bool supervisor_gone;
	struct account_pages *pages;
	uint64_t host_free; /* bytes that LEND may still give */
	uint64_t lends;
	union control_message asked; /* the last supervisor_ask() */
	uint32_t released[16];
	size_t n_released;
	uint32_t n_devices; /* in DEVICE_LIST */
	/* What was audited. */
	struct {
		enum audit_kind kind;
		int error;
		char text[CONTROL_TEXT_MAX];
	} audits[FAKE_AUDITS];
	size_t n_audits;
};

extern struct fake fake;

void fake_reset(void);
/* How many objects, and mappings, the backend holds. */
size_t fake_objects(void);
size_t fake_mappings(void);
size_t fake_audits(enum audit_kind kind);

#endif
