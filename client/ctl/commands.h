/* SPDX-License-Identifier: MIT */
/*
 * iommu-brokerctl is a table of commands (main.c). A command is named by one or two words ("ls", "host check"), takes what
 * follows them as its own argc and argv (argv[0] is its name), prints what it found on standard output and what went
 * wrong on standard error, and ends with one of four codes, which scripts can rely on.
 *
 * To add one: a file for its group, its functions below, a row in main.c.
 */
#ifndef IOMMUB_CTL_COMMANDS_H
#define IOMMUB_CTL_COMMANDS_H

enum ctl_exit {
	CTL_OK = 0, /* done; for a check: nothing is to be mended */
	CTL_REFUSED = 1, /* the daemon refused, or a check found something to be mended */
	CTL_USAGE = 2, /* the command line is wrong */
	CTL_NO_DAEMON = 3, /* nobody answers on the socket */
};

struct ctl_command {
	const char *name; /* "ls", "host check" */
	const char *arguments; /* "[--json]", or "" */
	const char *about; /* a line */
	const char *details; /* what --help says of it beyond that, lines with an end; or NULL */
	enum ctl_exit (*run)(const struct ctl_command *self, int argc, char **argv);
};

/* Complain about the command line ("what: value"; value may be NULL), say how it should be. CTL_USAGE. */
enum ctl_exit ctl_usage(const struct ctl_command *self, const char *what, const char *value);
/* --help of one command, on standard output. CTL_OK. */
enum ctl_exit ctl_help(const struct ctl_command *self);

enum ctl_exit ls_run(const struct ctl_command *self, int argc, char **argv); /* ls.c */
enum ctl_exit revoke_run(const struct ctl_command *self, int argc, char **argv); /* revoke.c */

/* host_check.c */
enum ctl_exit host_check_run(const struct ctl_command *self, int argc, char **argv);

#endif
