/* SPDX-License-Identifier: MIT */
/* PCI addresses, and patterns of them. */
#ifndef IOMMUB_POLICY_ADDRESS_H
#define IOMMUB_POLICY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_TEXT_MAX 16u
#define ADDRESS_ANY (-1)

/* "DOMAIN:BUS:DEVICE.FUNCTION" in hex. Each part may be '*', ADDRESS_ANY here. */
struct address {
	int domain, bus, device, function;
};

/* An absent domain is 0000, never "any". 0 or -EINVAL. */
int address_parse(const char *text, struct address *ret);
/* The one way to write it: "0000:00:05.0", "0000:*:05.*". */
void address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);
bool address_has_wildcard(const struct address *address);
/* Does the pattern cover this (full) address? What is no address matches nothing. */
bool address_match(const char *pattern, const char *full);

#endif
