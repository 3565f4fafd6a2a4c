/* SPDX-License-Identifier: MIT */
/* Words that stand for a value: `reset: none`, `memory: [memfd]`, `operations: [ioas_map]`. */
#ifndef IOMMUB_POLICY_WORDS_H
#define IOMMUB_POLICY_WORDS_H

#include <stddef.h>
#include <stdint.h>

struct word {
	const char *text;
	uint64_t value;
	const char *refused; /* not NULL: known, but why it cannot be used */
};

struct words {
	const char *what; /* "an operation" */
	const struct word *words;
	size_t count;
};

const struct word *words_find(const struct words *words, const char *text);
uint64_t words_all(const struct words *words); /* all values, or-ed */

/* How far two words are apart: letters to insert, delete, change, or swap with their neighbour. At
 * most WORDS_FAR. */
#define WORDS_FAR 100u
unsigned int words_distance(const char *a, const char *b);
/* Near enough to have been meant? For "did you mean". */
unsigned int words_distance_max(const char *text);

/* Every operation of the protocol, by the name of its field in Operation (proto/client.proto); the
 * value is one bit, at that field's number. */
extern const struct words words_operations;
/* The bit of an operation's name, 0 for none. */
uint64_t policy_operation_bit(const char *name);

#endif
