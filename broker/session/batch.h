/* SPDX-License-Identifier: MIT */
/*
 * Many operations in one request, done in order.
 *
 *   stop       the first failure ends it; what was done stays
 *   continue   every operation is tried and has its own status
 *   atomic     all or nothing: a failure undoes what was done, last first. Only operations that have an undo are taken,
 *              and that is checked before the first is done.
 *
 * The message's fds belong to the whole batch: an operation names one by its index, several may name the same, each must
 * be named by one at least, and all are closed when the batch is done.
 *
 * The answer has a result for each operation that was tried and must fit one message. A success is small by the table
 * (`batchable`); of failures, as many are told in full as there is room while every operation still to come keeps
 * BATCH_RESULT_BYTES; after that only their errno.
 */
#ifndef IOMMUB_SESSION_BATCH_H
#define IOMMUB_SESSION_BATCH_H

#include "broker/session/call.h"

/* The longest result of a batchable operation, and the longest status that is only an errno; a test packs them all. */
#define BATCH_RESULT_BYTES 32u

/* 0 with the result in *ret, also when operations failed; or -errno with the call's error said and nothing done: the
 * batch as a whole was wrong. After an atomic batch was undone both: -errno, and *ret with the failure's index. */
int batch_run(struct call *call, const PB(Batch) * batch, PB(BatchResult) * ret);

#endif
