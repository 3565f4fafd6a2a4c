/* SPDX-License-Identifier: MIT */
/*
 * The scene of a test with bad input: a broker, a witness of the same tenant, and another tenant.
 *
 *   victim    the connection that the test misuses; a new one for each item
 *   witness   another session of the same tenant: it reads the ledger
 *   beta      a session of another tenant: it must be served at any time
 *
 * scene_check() after each item: only the witness' and beta's sessions are left, no process has
 * more fds open than before (the supervisor, both sessions, this test), no charge of the tenant is
 * left, and beta maps and unmaps.
 */
#ifndef HARNESS_SCENE_H
#define HARNESS_SCENE_H

#include "tests/harness/broker.h"
#include "tests/harness/wire.h"

struct scene {
	struct harness_broker *broker;
	struct wire *witness, *beta;
	pid_t sessions[2]; /* the witness' and beta's */
	ssize_t fds[4]; /* of supervisor, both sessions, this process; -1 where the host does not
			   tell */
	uint32_t beta_ioas, beta_memory;
};

/* `policy` NULL: harness_policy_sockets. Tenant alpha at alpha.sock, beta at beta.sock. More of the broker's command line in
 * `arguments` (NULL at the end). */
void scene_open_with(struct scene *scene, const char *policy, const char *const *arguments);
void scene_open(struct scene *scene, const char *policy);
struct wire *scene_victim(struct scene *scene); /* connected and welcome, as alpha */
void scene_serves_beta(struct scene *scene);
/* Close the victim (NULL if that was done) and check all of the above. */
void scene_check(struct scene *scene, struct wire *victim);
/* The session of a victim lives and still answers: the error harmed nothing. */
void scene_serves(struct wire *victim);
void scene_close(struct scene *scene);

#endif
