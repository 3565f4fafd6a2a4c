/* SPDX-License-Identifier: MIT */
/* A host made of files, and what a check finds there. Each test begins with an empty one. */
#ifndef TEST_CTL_TREE_H
#define TEST_CTL_TREE_H

#include "tests/harness/cmocka.h"

#include <sys/types.h>

#include "client/ctl/host.h"

extern struct host host; /* its report is ours */

int tree_setup(void **state);
int tree_teardown(void **state);

/* Make a file with this text, a symbolic link, or an empty directory, and the directories above. */
void file_make(const char *path, const char *text);
void file_mode(const char *path, mode_t mode);
void link_make(const char *path, const char *target);
void dir_make(const char *path);
void path_remove(const char *path);

/* Forget what was found so far. */
void found_clear(void);
/* There is one finding and it is this, or (found_has) there is at least such a one: level, and a part of the text. */
void found_only(enum finding_level level, const char *part);
void found_has(enum finding_level level, const char *part);

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

#endif
