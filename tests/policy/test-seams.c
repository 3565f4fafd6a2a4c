/* SPDX-License-Identifier: MIT */
/* The policy includes nothing of the broker, so its numbers are written a second time. Here they
 * are compared. */
#include "tests/policy/support.h"

#include <stdio.h>
#include "broker/common/account.h"
#include "broker/common/control.h"
#include "broker/common/resource.h"
#include "policy/compile.h"
#include "policy/words.h"

_Static_assert((int)POLICY_LOCKED_MEMORY == (int)RESOURCE_LOCKED_BYTES, "");
_Static_assert((int)POLICY_IOAS == (int)RESOURCE_IOAS, "");
_Static_assert((int)POLICY_MAPPINGS == (int)RESOURCE_MAPPINGS, "");
_Static_assert((int)POLICY_MEMORY_HANDLES == (int)RESOURCE_MEMORY_HANDLES, "");
_Static_assert((int)POLICY_DEVICES == (int)RESOURCE_DEVICES, "");
_Static_assert((int)POLICY_OBJECTS == (int)RESOURCE_OBJECTS, "");
_Static_assert((int)POLICY_CONNECTIONS == (int)RESOURCE_CONNECTIONS, "");
_Static_assert((int)POLICY_RESOURCE_END == (int)RESOURCE_END, "");
_Static_assert((int)POLICY_MEMORY_MEMFD == (int)MEMORY_KIND_MEMFD, "");
_Static_assert((int)POLICY_MEMORY_HUGETLB == (int)MEMORY_KIND_HUGETLB, "");
_Static_assert((int)POLICY_MEMORY_TMPFS == (int)MEMORY_KIND_TMPFS, "");
_Static_assert(POLICY_TENANT_CONNECTIONS_MAX == ACCOUNT_SLOTS, "");
_Static_assert(POLICY_NAME_MAX == CONTROL_NAME_MAX, "");
_Static_assert(POLICY_WINDOWS_MAX == CONTROL_WINDOWS_MAX, "");

/* The fields of `message Operation`, read from the protocol's own file. */
static void test_operations_are_the_protocols(void **state)
{
	FILE *file = fopen(IOMMUB_SOURCE_DIR "/proto/client.proto", "re");
	bool inside = false;
	size_t found = 0;
	char line[300];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char type[64], name[64];
		unsigned int number;

		if (line[0] == '}')
			inside = false;
		if (strncmp(line, "message Operation {", 19) == 0)
			inside = true;
		if (!inside ||
			sscanf(line, " %63[A-Za-z] %63[a-z_] = %u;", type, name, &number) != 3)
			continue;
		found++;
		if (policy_operation_bit(name) != UINT64_C(1) << number)
			fail_msg("%s = %u is not in words.c", name, number);
	}
	fclose(file);
	assert_true(found >= 17);
	assert_int_equal(found, words_operations.count);
	assert_int_equal(policy_operation_bit("none"), 0);
	assert_int_equal(__builtin_popcountll(words_all(&words_operations)), found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations_are_the_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
