/* SPDX-License-Identifier: MIT */
/* What a policy's bytes must be before a YAML parser sees them. */
#ifndef IOMMUB_POLICY_TEXT_H
#define IOMMUB_POLICY_TEXT_H

#include <stddef.h>

struct text_problem {
	unsigned int line, column; /* from 1; columns count characters */
	const char *what; /* static text */
};

/* 0, or -EINVAL with *problem. */
int text_check(const char *text, size_t bytes, struct text_problem *problem);

#endif
