/* SPDX-License-Identifier: MIT */
#include "policy/words.h"

#include <string.h>

const struct word *words_find(const struct words *words, const char *text)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->words[i].text, text) == 0)
			return &words->words[i];
	return NULL;
}

uint64_t words_all(const struct words *words)
{
	uint64_t all = 0;

	for (size_t i = 0; i < words->count; i++)
		all |= words->words[i].value;
	return all;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int min = a < b ? a : b;

	return min < c ? min : c;
}

/* The restricted edit distance, row by row. Keys are short: longer words are far from all. */
#define WORD_MAX 32u

unsigned int words_distance(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	unsigned int *before = rows[0], *last = rows[1], *now = rows[2];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > WORD_MAX || b_length > WORD_MAX)
		return WORDS_FAR;
	for (unsigned int j = 0; j <= b_length; j++)
		last[j] = j;
	for (unsigned int i = 1; i <= a_length; i++) {
		unsigned int *oldest = before;

		now[0] = i;
		for (unsigned int j = 1; j <= b_length; j++) {
			now[j] = min3(
				last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[b_length];
}

unsigned int words_distance_max(const char *text)
{
	size_t length = strlen(text);

	return length < 4 ? 1 : length < 8 ? 2 : 3;
}

#define OPERATION(name, number)                                                                    \
	{                                                                                          \
		name, UINT64_C(1) << (number), NULL                                                \
	}
static const struct word operations[] = {
	OPERATION("info", 1),
	OPERATION("list", 2),
	OPERATION("destroy", 3),
	OPERATION("memory_register", 4),
	OPERATION("memory_unregister", 5),
	OPERATION("ioas_alloc", 6),
	OPERATION("ioas_iova_ranges", 7),
	OPERATION("ioas_allow_iovas", 8),
	OPERATION("ioas_map", 9),
	OPERATION("ioas_unmap", 10),
	OPERATION("ioas_copy", 11),
	OPERATION("device_list", 12),
	OPERATION("device_open", 13),
	OPERATION("device_attach", 14),
	OPERATION("device_detach", 15),
	OPERATION("device_share", 16),
	OPERATION("device_close", 17),
};

const struct words words_operations = {.what = "an operation",
	.words = operations,
	.count = sizeof(operations) / sizeof(operations[0])};

uint64_t policy_operation_bit(const char *name)
{
	const struct word *word = words_find(&words_operations, name);

	return word ? word->value : 0;
}
