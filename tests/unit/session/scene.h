/* SPDX-License-Identifier: MIT */
/*
 * A session without its process: packets go in, answers come out, everything around it is fake.c. The end of a scene
 * asserts what must hold after any test: nothing charged, nothing in the backend, no fd more than before, no bug audited.
 */
#ifndef IOMMUB_TESTS_SESSION_SCENE_H
#define IOMMUB_TESTS_SESSION_SCENE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "broker/session/ops.h"
#include "broker/session/pb.h"
#include "broker/session/session.h"
#include "tests/unit/session/fake.h"

#define MIB (UINT64_C(1) << 20)
#define PAGE UINT64_C(4096)
#define ALL_RESOURCES (RESOURCE_END - 1)

struct scene {
	struct control_setup setup;
	struct session session;
	struct dispatcher *dispatcher;
	struct account_pages pages;
	uint64_t next_id;
	size_t fds_before;
	/* The last answer: */
	enum dispatch_result result;
	PB(ServerMessage) * message; /* NULL: none */
	int fd; /* that came with it, -1 = none; closed by the next request */
};

/* cmocka's setup and teardown; *state is the scene. */
int scene_begin(void **state);
int scene_begin_hello(void **state); /* without Hello */
int scene_end(void **state);

size_t fds_open(void);
uint64_t scene_used(const struct scene *scene, enum resource resource);

/* Bytes in. The fds are duplicated first, so that the caller keeps its own. */
void scene_packet(
	struct scene *scene, const void *bytes, size_t length, const int *fds, size_t n_fds);
void scene_message(
	struct scene *scene, const PB(ClientMessage) * message, const int *fds, size_t n_fds);
void scene_hello(struct scene *scene);
/* One operation; returns the Status (NULL = success). */
PB(Status) *
	scene_request(struct scene *scene, PB(Operation) * operation, const int *fds, size_t n_fds);
PB(BatchResult) * scene_batch(struct scene *scene, PB(BatchMode) mode, PB(Operation) * operations,
			  size_t n, const int *fds, size_t n_fds);
/* The supervisor's answer to what waits. */
PB(Status) * scene_grant(struct scene *scene, uint32_t index, const char *name);
PB(Status) * scene_deny(struct scene *scene, int error, const char *text, const char *rule);

/* Status of the last answer, and its result. */
PB(Status) * scene_status(struct scene *scene);
PB(Result) * scene_result(struct scene *scene);
/* The last answer is this error, naming this field (NULL: whichever); or it is a success. */
#define assert_status(scene, name, field) status_assert(scene, name, field, __FILE__, __LINE__)
#define assert_done(scene) status_assert(scene, NULL, NULL, __FILE__, __LINE__)
void status_assert(
	struct scene *scene, const char *name, const char *field, const char *file, int line);

/* Operations in short. */
PB(Operation) operation_of(PB(Operation__OpCase) op, void *body);
#define OP(NAME, body) operation_of(IOMMUBROKER__V1__OPERATION__OP_##NAME, body)

int file_memfd(uint64_t bytes);
uint32_t do_register(struct scene *scene, int fd); /* memory id, asserts success */
uint32_t do_ioas(struct scene *scene);
uint64_t do_map(
	struct scene *scene, uint32_t ioas, uint32_t memory, uint64_t offset, uint64_t length);
PB(Status) * try_map(struct scene *scene, uint32_t ioas, uint32_t memory, uint64_t offset,
		     uint64_t length, int64_t iova); /* iova < 0: not fixed */
PB(Status) * try_unmap(struct scene *scene, uint32_t ioas, uint64_t iova, uint64_t length);
PB(Status) * try_copy(struct scene *scene, uint32_t dst, uint32_t src, uint64_t src_iova,
		     uint64_t length, uint64_t dst_iova);
PB(Status) * try_destroy(struct scene *scene, uint32_t id);
uint32_t do_open(struct scene *scene, uint32_t index);
PB(Status) * try_attach(struct scene *scene, uint32_t device, uint32_t pt_id);
PB(Status) * try_detach(struct scene *scene, uint32_t device);
PB(Status) * try_close(struct scene *scene, uint32_t device);

#endif
