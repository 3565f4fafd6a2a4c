/* SPDX-License-Identifier: MIT */
/*
 * The end of a session's iommufd context, however the session came to its end; force is this and nothing else.
 *
 * The death of a session ends no DMA: whoever holds a device that is bound to its context keeps that context alive, and can
 * attach the device again to any page table that is left in it. So two helpers work at the same time, from the moment that the
 * session is killed, or is seen to be dead:
 *
 *      detach   all devices that were granted, over and over        (our duplicates of their fds, up to 8 a helper)
 *      unmap    every IOAS, then destroys it, until none is left    (our duplicate of the iommufd)
 *
 * Detaching alone would never end, unmapping alone lets DMA land for as long as a MAP is in flight; both at once let none land.
 *
 *      kill --> unmap ------------> once more, if it began before the reap --> EMPTY: the ledger's slot can go
 *        \-> detach, detach, detach … ------------------------------------------> told to end, closes the devices last
 *                                                                                  --> devices cut, iommufd closed, session gone
 *
 * A session that has been killed may make an object in the last call that it is in, so only an unmapping that began after it
 * was reaped counts. Our own duplicates of the devices are closed while a helper still has them: a last close may reset a
 * device, and that takes as long as it takes. The iommufd has no IOAS left when it is closed.
 */
#ifndef IOMMUB_SUPERVISOR_SWEEP_H
#define IOMMUB_SUPERVISOR_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/common/control.h"
#include "broker/supervisor/helper_protocol.h"

#define SWEEP_MS 600000 /* a MAP of all that a tenant may pin can be in flight */
#define SWEEP_RETRY_MS 1000
#define SWEEP_CHUNKS (CONTROL_DEVICES_MAX / HELPER_TASK_FDS_MAX)

/* How far up object ids are asked. They are given out lowest first, so a session that ended in order never had more than its
 * limits say; one that did not may have been somebody else's for a while. A context of more objects than that is freed
 * with its last reference, as any is; what is not promised is that no page table beyond was left until then. */
#define SWEEP_IDS_LEAST 4096u
#define SWEEP_IDS_BROKEN 65536u

struct device;
struct event;
struct helper_task;
struct session_proc;

struct sweep_chunk {
	struct session_proc *session;
	struct helper_task *task; /* NULL: does not run */
	unsigned int first, count; /* of sweep.devices */
	unsigned int failures;
};

struct sweep {
	bool begun, reaped;
	bool unmapping,
		after_reap; /* the unmapping that runs, and whether it began after the reap */
	bool empty; /* no IOAS is left */
	uint64_t begun_ms;
	uint32_t empty_after_ms;
	uint32_t ioas;
	uint64_t unmapped_bytes;
	struct event *retry;
	struct device *devices[CONTROL_DEVICES_MAX];
	unsigned int devices_count;
	struct sweep_chunk chunks[SWEEP_CHUNKS];
	unsigned int chunks_count, chunks_running;
};

/* It has been killed, and may not be dead yet. */
void sweep_begin(struct session_proc *session);

/* It is dead. When all is done, session_swept() is called, perhaps at once. */
void sweep_reaped(struct session_proc *session);

#endif
