/* SPDX-License-Identifier: MIT */
/* The model is in error.h. */
#include "client/lib/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "client.pb-c.h"

#define ERRNO_END 256 /* above every errno of Linux */

int errno_from_name(const char *name)
{
	/* Two names of one number: strerrorname_np() knows one of them. */
	if (strcmp(name, "ENOTSUP") == 0)
		return -EOPNOTSUPP;
	if (strcmp(name, "EWOULDBLOCK") == 0)
		return -EAGAIN;
	for (int number = 1; number < ERRNO_END; number++) {
		const char *known = strerrorname_np(number);

		if (known && strcmp(known, name) == 0)
			return -number;
	}
	return -EPROTO;
}

static void view_reset(struct error *error, int err)
{
	error->view =
		(struct iommub_error){.err = err, .name = error->name, .message = error->message};
	error->name[0] = error->message[0] = error->rule[0] = error->field[0] = '\0';
}

void error_init(struct error *error)
{
	view_reset(error, 0);
}

int error_set_v(struct error *error, int err, const char *field, const char *format, va_list args)
{
	const char *name = strerrorname_np(-err);

	view_reset(error, err);
	(void)snprintf(error->name, sizeof(error->name), "%s", name ? name : "");
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	(void)vsnprintf(error->message, sizeof(error->message), format, args);
	if (field) {
		(void)snprintf(error->field, sizeof(error->field), "%s", field);
		error->view.field = error->field;
	}
	return err;
}

int error_set(struct error *error, int err, const char *field, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	(void)error_set_v(error, err, field, format, args);
	va_end(args);
	return err;
}

int errno_from_status(const Iommubroker__V1__Status *status)
{
	return status && status->error ? errno_from_name(status->error) : 0;
}

int error_from_status(struct error *error, const Iommubroker__V1__Status *status)
{
	int err = errno_from_status(status);

	if (err == 0)
		return 0;
	view_reset(error, err);
	(void)snprintf(error->name, sizeof(error->name), "%s", status->error);
	(void)snprintf(error->message, sizeof(error->message), "%s",
		status->message ? status->message : strerrordesc_np(-err));
	if (status->rule) {
		(void)snprintf(error->rule, sizeof(error->rule), "%s", status->rule);
		error->view.rule = error->rule;
	}
	if (status->field) {
		(void)snprintf(error->field, sizeof(error->field), "%s", status->field);
		error->view.field = error->field;
	}
	if (status->limit) {
		error->view.has_limit = 1;
		error->view.limit = (struct iommub_limit){
			.resource = (uint32_t)status->limit->resource,
			.scope = (uint32_t)status->limit->scope,
			.limit = status->limit->limit,
			.used = status->limit->used,
		};
		error->view.asked = status->asked;
	}
	return err;
}

void error_copy(struct error *to, const struct error *from)
{
	*to = *from;
	to->view.name = to->name;
	to->view.message = to->message;
	to->view.rule = from->view.rule ? to->rule : NULL;
	to->view.field = from->view.field ? to->field : NULL;
}
