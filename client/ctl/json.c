/* SPDX-License-Identifier: MIT */
#include "client/ctl/json.h"

#include <stdio.h>

static void key_print(const char *key, bool first)
{
	printf("%s\"%s\": ", first ? "" : ", ", key);
}

void json_number(const char *key, uint64_t value, bool first)
{
	key_print(key, first);
	printf("%llu", (unsigned long long)value);
}

void json_text(const char *key, const char *text, bool first)
{
	key_print(key, first);
	if (!text) {
		printf("null");
		return;
	}
	putchar('"');
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at < 0x20 || *at >= 0x7f)
			printf("\\u%04x", *at);
		else if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else
			putchar(*at);
	}
	putchar('"');
}
