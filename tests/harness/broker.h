/* SPDX-License-Identifier: MIT */
/*
 * A real iommu-brokerd on the model, in a directory of its own below /tmp, with a policy given as
 * text.
 *
 * A test starts one, uses it, and stops it; stopping asserts that it ended with status 0 and left
 * no process behind. harness_teardown() as a test's teardown kills what a failed test left, and
 * prints what the broker had said.
 */
#ifndef HARNESS_BROKER_H
#define HARNESS_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

struct harness_broker {
	pid_t pid; /* the supervisor; 0 while there is none */
	char directory[64];
	char policy[128]; /* path of the policy file */
	const char *arguments[8]; /* more of the command line, NULL at the end */
};

/* Two tenants told apart by socket (alpha.sock, beta.sock), who may both have edu0 and alpha edu1;
 * small limits. */
extern const char harness_policy_sockets[];

/* Start one and wait until it says that it is ready. Fails the test if it does not. `arguments`
 * (NULL at the end, or NULL) are added to its command line. */
struct harness_broker *harness_broker_start(const char *policy, const char *const *arguments);
/* SIGTERM; status 0, no process left. Frees it. */
void harness_broker_stop(struct harness_broker *broker);
/* The same by another signal that is to end it. */
void harness_broker_stop_by(struct harness_broker *broker, int signal_number);
/* SIGKILL, and reaped. The directory stays: harness_broker_restart() starts another one there. */
void harness_broker_kill(struct harness_broker *broker);
void harness_broker_restart(struct harness_broker *broker);
/* Reload request etc. are plain signals: kill(broker->pid, …). */

/* Path of a socket by the `path` that the policy gives it. */
void harness_broker_address(
	const struct harness_broker *broker, const char *socket_path, struct sockaddr_un *ret);

/* Living processes: sessions (of any broker of this test), helpers. */
size_t harness_sessions(pid_t *ret, size_t max);
size_t harness_helpers(void);
/* The session that is not in known[0..n): the one that was started last. Waits until there is one.
 */
pid_t harness_session_new(const pid_t *known, size_t n);
/* Wait until there are exactly n sessions and no helper. */
void harness_sessions_await(size_t n);

/* Does what the broker wrote to stderr contain this? */
bool harness_broker_said(const struct harness_broker *broker, const char *text);

/* Path of a program of this build ("iommu-brokerd"). */
void harness_program(const char *name, char *buffer, size_t bytes);

int harness_teardown(void **state);

#endif
