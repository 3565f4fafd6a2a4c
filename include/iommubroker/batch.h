/* SPDX-License-Identifier: MIT */
/*
 * Many operations for the price of one message, in two ways.
 *
 * Asynchronous: iommub_map_async() and iommub_unmap_async() put an operation aside and return. What
 * was put aside leaves together, in order, when iommub_flush(), iommub_dispatch() or any blocking
 * call is made, or when 64 have gathered; there is no timer. Each operation succeeds or fails by
 * itself, and its callback runs in iommub_dispatch(), in the order of the calls.
 *
 * Explicit: a struct iommub_batch is filled, run, and read out. Its mode says what a failure does
 * to the rest.
 *
 * Blocking and asynchronous calls may be mixed: the broker carries out all of them in the order in
 * which they were made. A blocking call takes in the answers of earlier asynchronous operations;
 * their callbacks still wait for iommub_dispatch().
 */
#ifndef IOMMUBROKER_BATCH_H
#define IOMMUBROKER_BATCH_H

#include <iommubroker/map.h>

IOMMUB_BEGIN_DECLS

#define IOMMUB_GATHER_MAX 64u

/**
 * typedef iommub_done_fn - an asynchronous operation has ended.
 * @conn: the connection
 * @err: 0, or a negative errno value as of the blocking call. Also -ECONNRESET: the session ended
 * before its answer came; -ETIMEDOUT: no answer in time.
 * @error: explains @err; NULL when it is 0; valid during the callback
 * @iova_or_bytes: map: where it is; unmap: how many bytes went; 0 on failure
 * @arg: as given with the operation
 */
typedef void (*iommub_done_fn)(struct iommub_conn *conn, int err, const struct iommub_error *error,
	uint64_t iova_or_bytes, void *arg);

/**
 * iommub_map_async() - map, later.
 * @conn: the connection
 * @map: copied; where it is comes to the callback
 * @fn: called once unless this fails or the connection is disconnected before; NULL: nobody wants
 * to know
 * @arg: for @fn
 *
 * Return: 0: it will be done; or
 *   - -EAGAIN: pending_max operations wait for their callbacks: call iommub_dispatch()
 *   - -EINVAL, -E2BIG: as iommub_map(), for what can be seen without asking
 *   - -ENOTCONN, -ECHILD, -ENOMEM
 */
IOMMUB_API int iommub_map_async(
	struct iommub_conn *conn, const struct iommub_map *map, iommub_done_fn fn, void *arg);

/**
 * iommub_unmap_async() - unmap, later.
 * @conn: the connection
 * @ioas: as of iommub_unmap()
 * @iova: as of iommub_unmap()
 * @bytes: as of iommub_unmap()
 * @fn: as of iommub_map_async()
 * @arg: for @fn
 *
 * Return: as iommub_map_async().
 */
IOMMUB_API int iommub_unmap_async(struct iommub_conn *conn, iommub_id ioas, uint64_t iova,
	uint64_t bytes, iommub_done_fn fn, void *arg);

/**
 * enum iommub_batch_mode - what a failure does to the other operations of the batch.
 * @IOMMUB_BATCH_STOP: those before it stay done, those after it are not tried
 * @IOMMUB_BATCH_CONTINUE: nothing: every operation is tried
 * @IOMMUB_BATCH_ATOMIC: all or nothing: those before it are undone. Takes only operations that can
 * be undone: map, copy.
 */
enum iommub_batch_mode {
	IOMMUB_BATCH_STOP = 1,
	IOMMUB_BATCH_CONTINUE = 2,
	IOMMUB_BATCH_ATOMIC = 3
};

struct iommub_batch;

/**
 * iommub_batch_new() - start a batch.
 * @conn: the connection
 * @mode: enum iommub_batch_mode
 * @ret: the batch; end it with iommub_batch_free(), before the connection
 *
 * Return: 0, -EINVAL (no such mode), -ENOMEM, -ECHILD.
 */
IOMMUB_API int iommub_batch_new(struct iommub_conn *conn, uint32_t mode, struct iommub_batch **ret);

/**
 * iommub_batch_add_map() - add a map.
 * @batch: the batch
 * @map: copied
 *
 * Operations are numbered from 0 in the order in which they are added.
 *
 * Return: 0, or
 *   - -EINVAL, -E2BIG: as iommub_map(), for what can be seen without asking
 *   - -EMSGSIZE: the batch is full: batch_max operations, or message_bytes_max bytes, or
 *     fds_max file descriptors (iommub_get_info()); run what is in it
 *   - -EBUSY: it has been run: iommub_batch_clear() first
 */
IOMMUB_API int iommub_batch_add_map(struct iommub_batch *batch, const struct iommub_map *map);

/**
 * iommub_batch_add_map_fd() - add a map of a file, as iommub_map_fd().
 * @batch: the batch
 * @fd: borrowed until the batch has run, is cleared or freed
 * @map: copied
 *
 * Return: as iommub_batch_add_map(), or -EBADF.
 */
IOMMUB_API int iommub_batch_add_map_fd(
	struct iommub_batch *batch, int fd, const struct iommub_map *map);

/**
 * iommub_batch_add_unmap() - add an unmap.
 * @batch: the batch
 * @ioas: as of iommub_unmap()
 * @iova: as of iommub_unmap()
 * @bytes: as of iommub_unmap()
 *
 * Return: as iommub_batch_add_map().
 */
IOMMUB_API int iommub_batch_add_unmap(
	struct iommub_batch *batch, iommub_id ioas, uint64_t iova, uint64_t bytes);

/**
 * iommub_batch_add_copy() - add a copy.
 * @batch: the batch
 * @copy: copied
 *
 * Return: as iommub_batch_add_map().
 */
IOMMUB_API int iommub_batch_add_copy(struct iommub_batch *batch, const struct iommub_copy *copy);

/**
 * iommub_batch_add_destroy() - add a destroy.
 * @batch: the batch
 * @id: as of iommub_destroy()
 *
 * Return: as iommub_batch_add_map().
 */
IOMMUB_API int iommub_batch_add_destroy(struct iommub_batch *batch, iommub_id id);

/**
 * iommub_batch_run() - carry out what is in the batch. Blocks.
 * @batch: the batch; an empty one succeeds at once
 * @ret_failed_at: written when an operation failed: the number of the first that did; SIZE_MAX: the
 * batch as a whole was refused; NULL: not wanted
 *
 * Return: 0: every operation succeeded; or the error of the first that failed, which
 * iommub_last_error() explains; or
 *   - -EINVAL: ATOMIC, and an operation cannot be undone (*@ret_failed_at is its number)
 *   - -EBUSY: it has been run: iommub_batch_clear() first
 *   or one that every call may return.
 */
IOMMUB_API int iommub_batch_run(struct iommub_batch *batch, size_t *ret_failed_at);

/**
 * iommub_batch_result() - what became of one operation of a batch that has run.
 * @batch: the batch
 * @index: its number
 * @ret_iova_or_bytes: map, copy: where it is; unmap: how many bytes went; NULL: not wanted
 *
 * Return: 0: it was done; its error; -ECANCELED: it was not tried, or was undone; -ENOENT: no
 * operation has this number, or the batch has not run.
 */
IOMMUB_API int iommub_batch_result(
	const struct iommub_batch *batch, size_t index, uint64_t *ret_iova_or_bytes);

/**
 * iommub_batch_clear() - make a batch empty, to be filled and run again.
 * @batch: NULL is fine
 */
IOMMUB_API void iommub_batch_clear(struct iommub_batch *batch);

/**
 * iommub_batch_free() - free a batch.
 * @batch: NULL is fine
 */
IOMMUB_API void iommub_batch_free(struct iommub_batch *batch);

IOMMUB_END_DECLS

#endif
