/* SPDX-License-Identifier: MIT */
/*
 * A real iommu-brokerd on the model with fake sessions (fake_session.c), in a directory of its own below /tmp.
 * Nothing sleeps: the broker says when it is ready, sessions answer, processes are awaited by pidfd.
 */
#ifndef IOMMUB_TESTS_UNIT_SUPERVISOR_FIXTURE_H
#define IOMMUB_TESTS_UNIT_SUPERVISOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <cmocka.h>

#include "broker/common/control.h"

struct broker {
	char dir[64];
	pid_t pid;
};

/* Two tenants by socket (alpha.sock, beta.sock), a third socket that is nobody's. */
extern const char *const policy_two_tenants;

/* libexec: directory of the session and helper programs; NULL: the fake session with the real helper. */
void broker_start(struct broker *broker, const char *policy, const char *libexec);
/* Start again in the same directory; returns the exit status if it does not become ready, -1 if it does. */
int broker_restart(struct broker *broker, const char *libexec);
/* SIGTERM; returns the exit code. */
int broker_stop(struct broker *broker);
void broker_kill(struct broker *broker);
void broker_remove(struct broker *broker);
bool broker_logged(const struct broker *broker, const char *text);
/* It is there, or will be shortly. */
void assert_logged(const struct broker *broker, const char *text);

/* Connect to a socket; -errno if that fails. */
int client_connect(const struct broker *broker, const char *socket_name);
/* Receive what comes next; 0 at the end of the connection. fd may be NULL. */
ssize_t client_receive(int client, void *buffer, size_t bytes, int *ret_fd);

/* One order to the session behind a connection, and its answer. */
pid_t session_pid(int client);
size_t session_fds(int client, char *text, size_t bytes);
int session_sends(int client, const void *bytes, size_t length); /* 0 or errno */
int session_sends_fd(int client, const void *bytes, size_t length);
void session_close_control(int client);
int session_spoils_account(int client); /* 0 or errno */
void session_asks(
	int client, union control_message *message, enum control_type type, uint64_t serial);
int session_hears(int client, union control_message *ret,
	int *ret_fd); /* type, 0: end, -1: no control message */
/* Connect, see SETUP, say READY. */
int session_begin(const struct broker *broker, const char *socket_name);

/* The connection must end, because its session died. */
void assert_ended(int client);
/* Wait for a process that is no child of ours to be gone. */
void process_await_end(int pidfd);

#endif
