/* SPDX-License-Identifier: MIT */
/*
 * A session that does what its filter forbids. build/tests/forbidden has a session program that,
 * told so by the client's name, makes a system call outside its allow-list: it dies of SIGSYS, and
 * nobody else notices.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"

#include <unistd.h>

static void forbidden_call_kills_that_session_only(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(forbidden_call_kills_that_session_only, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
