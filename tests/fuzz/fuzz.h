/* SPDX-License-Identifier: MIT */
/* What a fuzz target defines (the name is libFuzzer's), and what it may say with. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Run one input; crash (fuzz_assert) if anything is wrong. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Optional: words that inputs of this target are made of, NULL-terminated. */
extern const char *const fuzz_words[];

#define fuzz_assert(condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#endif
