/* SPDX-License-Identifier: MIT */
/*
 * Errors in words. The broker names an errno ("EDQUOT") and adds a sentence; the library adds its own for what it refuses itself. Both end
 * in a struct error, which keeps its text itself, so that explaining a failure cannot fail.
 */
#ifndef IOMMUB_CLIENT_ERROR_H
#define IOMMUB_CLIENT_ERROR_H

#include <stdarg.h>
#include <iommubroker/conn.h>

#define ERROR_NAME_MAX 32u
#define ERROR_MESSAGE_MAX 384u
#define ERROR_RULE_MAX 192u
#define ERROR_FIELD_MAX 64u

struct error {
	struct iommub_error view; /* what callers see; its strings are those below */
	char name[ERROR_NAME_MAX];
	char message[ERROR_MESSAGE_MAX];
	char rule[ERROR_RULE_MAX];
	char field[ERROR_FIELD_MAX];
};

/* The negative number of an errno's name; -EPROTO for a name that this system does not have. */
int errno_from_name(const char *name);

/* "No call has failed yet." */
void error_init(struct error *error);
/* Fill from a failure of our own; field may be NULL. Returns err. */
int error_set(struct error *error, int err, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int error_set_v(struct error *error, int err, const char *field, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

struct Iommubroker__V1__Status;
/* Fill from the broker's Status, if that says failure: its negative errno. 0: success, or no status; *error is untouched. */
int error_from_status(struct error *error, const struct Iommubroker__V1__Status *status);
/* The errno alone. */
int errno_from_status(const struct Iommubroker__V1__Status *status);

/* Copy, with the strings. */
void error_copy(struct error *to, const struct error *from);

#endif
