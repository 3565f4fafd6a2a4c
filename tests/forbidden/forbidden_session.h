/* SPDX-License-Identifier: MIT */
/* What a client says, for instance as its name or as a tag, to make the session of build/tests/forbidden err. */
#ifndef TESTS_FORBIDDEN_SESSION_H
#define TESTS_FORBIDDEN_SESSION_H

#define FORBIDDEN_WORDS "call what is forbidden"

#endif
