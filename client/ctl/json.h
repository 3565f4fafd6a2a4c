/* SPDX-License-Identifier: MIT */
/* Members of a JSON object on standard output. */
#ifndef IOMMUB_CTL_JSON_H
#define IOMMUB_CTL_JSON_H

#include <stdbool.h>
#include <stdint.h>

void json_number(const char *key, uint64_t value, bool first);
void json_text(const char *key, const char *text, bool first); /* NULL becomes null */

#endif
