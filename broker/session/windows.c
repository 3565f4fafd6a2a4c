/* SPDX-License-Identifier: MIT */
/* Questions to a tenant's IOVA windows; see windows.h. */
#include "broker/session/windows.h"

bool windows_unlimited(const struct control_setup *setup)
{
	return windows_contain(setup, 0, UINT64_MAX);
}

bool windows_contain(const struct control_setup *setup, uint64_t start, uint64_t last)
{
	for (uint32_t i = 0; i < setup->windows_count; i++) {
		const struct control_range *window = &setup->windows[i];

		if (start < window->start)
			return false;
		if (start > window->last)
			continue;
		if (last <= window->last)
			return true;
		start = window->last + 1; /* the rest must begin the next window */
	}
	return false;
}

size_t windows_cut(const struct control_setup *setup, uint64_t start, uint64_t last,
	struct control_range *ret, size_t room)
{
	size_t n = 0;

	for (uint32_t i = 0; i < setup->windows_count; i++) {
		const struct control_range *window = &setup->windows[i];

		if (window->last < start || window->start > last)
			continue;
		if (n < room)
			ret[n] = (struct control_range){
				.start = start > window->start ? start : window->start,
				.last = last < window->last ? last : window->last,
			};
		n++;
	}
	return n;
}
