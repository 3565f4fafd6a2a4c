/* SPDX-License-Identifier: MIT */
/*
 * The IOVAs that a tenant may use: sorted, disjoint windows of its policy.
 *
 * A fixed IOVA is checked here, IOVA_RANGES answers are cut to the windows, and automatic allocation is steered into them
 * with the kernel's own allow list (op_ioas.c).
 */
#ifndef IOMMUB_SESSION_WINDOWS_H
#define IOMMUB_SESSION_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "broker/common/control.h"

/* Is everything allowed? */
bool windows_unlimited(const struct control_setup *setup);
/* Does [start, last] lie inside (also across windows that touch)? */
bool windows_contain(const struct control_setup *setup, uint64_t start, uint64_t last);
/* The parts of [start, last] inside the windows, at most `room`. Returns how many there are, which may be more. */
size_t windows_cut(const struct control_setup *setup, uint64_t start, uint64_t last,
	struct control_range *ret, size_t room);

#endif
