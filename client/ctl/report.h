/* SPDX-License-Identifier: MIT */
/* What a check found: findings in order, each with what to do about it. */
#ifndef IOMMUB_CTL_REPORT_H
#define IOMMUB_CTL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum finding_level {
	FINDING_OK,
	FINDING_WARN, /* works, but know this */
	FINDING_FIX, /* the broker will refuse, or a tenant could get around it */
};

struct finding {
	enum finding_level level;
	const char *topic; /* a word; a constant */
	char *text; /* what is so */
	char *advice; /* what to do; NULL for OK */
};

struct host_report {
	struct finding *all;
	size_t count;
};

/* Add a finding. `advice` is a constant sentence, or NULL. Ends the program when memory is out: there is nothing else to do
 * for a program that only reports. */
void report_add(struct host_report *report, enum finding_level level, const char *topic,
	const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Is any of them FIX? */
bool report_mend(const struct host_report *report);

void report_print(const struct host_report *report, FILE *out);
void report_print_json(const struct host_report *report, FILE *out);
void report_free(struct host_report *report);

#endif
