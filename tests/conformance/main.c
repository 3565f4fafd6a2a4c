/* SPDX-License-Identifier: MIT */
#include "tests/conformance/conformance.h"

int main(void)
{
	int failed = 0;

	failed += run_dispatch_cases();
	failed += run_ioas_cases();
	failed += run_map_cases();
	failed += run_copy_cases();
	failed += run_unmap_cases();
	failed += run_device_cases();
	return failed ? 1 : 0;
}
