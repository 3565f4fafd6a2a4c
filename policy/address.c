/* SPDX-License-Identifier: MIT */
#include "policy/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One part, ended by `end`: '*' or hex digits. Returns what follows it, or NULL. */
static const char *part_parse(
	const char *text, char end, size_t digits_min, size_t digits_max, int max, int *ret)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	int value = 0;
	size_t n = 0;

	if (text[0] == '*' && text[1] == end) {
		*ret = ADDRESS_ANY;
		return text + 1;
	}
	for (; n < digits_max && text[n] && strchr(hex, text[n]); n++)
		value = value << 4 | (int)((strchr(hex, text[n]) - hex) & 15);
	if (n < digits_min || text[n] != end || value > max)
		return NULL;
	*ret = value;
	return text + n;
}

int address_parse(const char *text, struct address *ret)
{
	const char *colon = strchr(text, ':');
	struct address address = {0};

	if (colon && strchr(colon + 1, ':')) {
		/* Five digits: Linux gives such domains to root ports that a controller hides
		 * (VMD). */
		text = part_parse(text, ':', 4, 5, 0xfffff, &address.domain);
		text = text ? text + 1 : NULL;
	}
	if (text)
		text = part_parse(text, ':', 2, 2, 0xff, &address.bus);
	if (text)
		text = part_parse(text + 1, '.', 2, 2, 0x1f, &address.device);
	if (text)
		text = part_parse(text + 1, '\0', 1, 1, 7, &address.function);
	if (!text)
		return -EINVAL;
	*ret = address;
	return 0;
}

static size_t part_format(char *text, size_t bytes, int value, int digits, const char *end)
{
	if (value == ADDRESS_ANY)
		return (size_t)snprintf(text, bytes, "*%s", end);
	return (size_t)snprintf(text, bytes, "%0*x%s", digits, (unsigned int)value, end);
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
	size_t used = part_format(text, ADDRESS_TEXT_MAX, address->domain, 4, ":");

	used += part_format(text + used, ADDRESS_TEXT_MAX - used, address->bus, 2, ":");
	used += part_format(text + used, ADDRESS_TEXT_MAX - used, address->device, 2, ".");
	part_format(text + used, ADDRESS_TEXT_MAX - used, address->function, 1, "");
}

bool address_has_wildcard(const struct address *address)
{
	return address->domain == ADDRESS_ANY || address->bus == ADDRESS_ANY ||
	       address->device == ADDRESS_ANY || address->function == ADDRESS_ANY;
}

static bool part_match(int pattern, int full)
{
	return pattern == ADDRESS_ANY || pattern == full;
}

bool address_match(const char *pattern, const char *full)
{
	struct address want, have;

	if (address_parse(pattern, &want) < 0 || address_parse(full, &have) < 0 ||
		address_has_wildcard(&have))
		return false;
	return part_match(want.domain, have.domain) && part_match(want.bus, have.bus) &&
	       part_match(want.device, have.device) && part_match(want.function, have.function);
}
