/* SPDX-License-Identifier: MIT */
/*
 * What /proc says about processes: the only witness that the tests of processes believe.
 */
#ifndef HARNESS_PROC_H
#define HARNESS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Nothing in the tests depends on how fast things are; this is the end of patience with a broker
 * that hangs. */
#define PATIENCE_MS 30000

/* Wait until condition(arg) holds. Fails the running test with `what` when patience ends. */
void wait_until(bool (*condition)(void *arg), void *arg, const char *what);

/* Open fds of a process, or -1 where this host does not tell (an undumpable process of another
 * user, before Linux 6.2 gave the number to everybody). */
ssize_t proc_fd_count(pid_t pid);
/* What fd N of a process points to ("socket:[…]", "/dev/null", …); empty if it is not open. */
void proc_fd_target(pid_t pid, int fd, char *buffer, size_t bytes);
/* A line of /proc/PID/status as text behind the colon, leading blanks skipped. Fails the test if
 * there is none. */
void proc_status(pid_t pid, const char *key, char *buffer, size_t bytes);
/* The same as a number, in the base that fits ("Uid" 10: the first of the four; "CapEff" 16). */
uint64_t proc_status_number(pid_t pid, const char *key, int base);
/* The last part of its argv[0]; empty if there is no such process. (Not `comm`: what is executed by
 * fd has a number there.) */
void proc_name(pid_t pid, char *buffer, size_t bytes);
bool proc_alive(pid_t pid); /* there and no zombie */

/* All living descendants of this process, zombies left out; at most `max`, returns how many. The
 * harness makes itself their reaper, so that one whose parent was killed still counts. */
size_t proc_descendants(pid_t *ret, size_t max);

#endif
