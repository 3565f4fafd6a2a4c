/* SPDX-License-Identifier: MIT */
/*
 * A main() for any LLVMFuzzerTestOneInput: the same inputs in every run, so that a test can be
 * one.
 *
 *   fuzz-x [-n EXECUTIONS] [-s SEED] [-o FILE] FILE|FOLDER...
 *
 * Runs every file (of every folder) as it is, then EXECUTIONS mutations of them. Mutation number k
 * depends on SEED, k and the corpus only. If one crashes, its number is printed; `-o FILE` with
 * the same arguments and -n NUMBER then writes that input, and `fuzz-x FILE` runs it alone.
 *
 * This finds what any change breaks at once. To search for what nobody thought of, configure with
 * clang and -DIOMMUB_LIBFUZZER=ON: the same targets, with libFuzzer instead of this file.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

#define INPUT_BYTES_MAX 65536u
#define FILES_MAX 512u

struct input {
	size_t bytes;
	unsigned char *data;
};

/* A target may say which words its input is made of: a NULL-terminated list. */
__attribute__((weak)) extern const char *const fuzz_words[];
/* Where a sanitizer is linked in, it tells us before it ends the process. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static struct input corpus[FILES_MAX];
static size_t corpus_count;
static volatile unsigned long current; /* 0: the corpus itself; k: mutation k */
static const char *volatile current_file = "";

/* Called from signal handlers: nothing but write(). */
static void say(const char *text, size_t bytes)
{
	if (write(STDERR_FILENO, text, bytes) < 0)
		return;
}

static void say_where(void)
{
	static const char file[] = "\nfuzz: while running file ",
			  mutation[] = "\nfuzz: while running mutation ";
	char digits[24];
	size_t at = sizeof(digits);
	unsigned long number = current;

	digits[--at] = '\n';
	if (number == 0) {
		say(file, sizeof(file) - 1);
		say(current_file, strlen(current_file));
		say(digits + at, sizeof(digits) - at);
		return;
	}
	for (; number > 0; number /= 10)
		digits[--at] = (char)('0' + number % 10);
	say(mutation, sizeof(mutation) - 1);
	say(digits + at, sizeof(digits) - at);
}

static void on_signal(int number)
{
	say_where();
	signal(number, SIG_DFL);
	raise(number);
}

static uint64_t random_next(uint64_t *state)
{
	/* splitmix64: any seed is a good one. */
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t random_below(uint64_t *state, size_t bound)
{
	return bound ? (size_t)(random_next(state) % bound) : 0;
}

/* Put `bytes` of `piece` at `at`, over what is there or between. */
static void input_put(struct input *input, size_t at, const void *piece, size_t bytes, bool insert)
{
	if (bytes > INPUT_BYTES_MAX - at)
		bytes = INPUT_BYTES_MAX - at;
	if (insert) {
		size_t tail = input->bytes - at;

		if (tail > INPUT_BYTES_MAX - at - bytes)
			tail = INPUT_BYTES_MAX - at - bytes;
		memmove(input->data + at + bytes, input->data + at, tail);
		input->bytes = at + bytes + tail;
	} else if (input->bytes < at + bytes) {
		input->bytes = at + bytes;
	}
	memcpy(input->data + at, piece, bytes);
}

static void input_cut(struct input *input, size_t at, size_t bytes)
{
	if (bytes > input->bytes - at)
		bytes = input->bytes - at;
	memmove(input->data + at, input->data + at + bytes, input->bytes - at - bytes);
	input->bytes -= bytes;
}

/* A number that is a limit somewhere, in 1, 2, 4 or 8 bytes. */
static void mutate_number(struct input *input, size_t at, uint64_t *state)
{
	static const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x1000, 0x7fff, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, UINT64_C(0x7fffffffffffffff), UINT64_MAX};
	uint64_t value = edges[random_below(state, sizeof(edges) / sizeof(edges[0]))];

	value += random_below(state, 3) - 1;
	input_put(input, at, &value, (size_t)1 << random_below(state, 4), false);
}

static void mutate_word(struct input *input, size_t at, uint64_t *state)
{
	size_t words = 0;

	while (fuzz_words && fuzz_words[words])
		words++;
	if (words) {
		const char *word = fuzz_words[random_below(state, words)];

		input_put(input, at, word, strlen(word), random_below(state, 2));
	}
}

static void mutate_once(struct input *input, uint64_t *state)
{
	size_t at = random_below(state, input->bytes + 1);
	const struct input *other = &corpus[random_below(state, corpus_count)];
	size_t from = random_below(state, other->bytes);
	unsigned char byte = (unsigned char)random_next(state);

	switch (random_below(state, 8)) {
	case 0:
		if (at < input->bytes)
			input->data[at] ^= (unsigned char)(1u << random_below(state, 8));
		break;
	case 1:
		input_put(input, at, &byte, 1, random_below(state, 2));
		break;
	case 2:
		input_cut(input, at, 1 + random_below(state, 16));
		break;
	case 3:
		input_cut(input, at, random_below(state, input->bytes + 1));
		break;
	case 4:
		mutate_number(input, at, state);
		break;
	case 5: /* a piece of another one */
		if (other->bytes)
			input_put(input, at, other->data + from,
				random_below(state, other->bytes - from), true);
		break;
	default:
		mutate_word(input, at, state);
		break;
	}
}

static void mutate(struct input *input, unsigned long seed, unsigned long number)
{
	uint64_t state = (uint64_t)seed << 32 ^ number;
	const struct input *base = &corpus[random_below(&state, corpus_count)];

	memcpy(input->data, base->data, base->bytes);
	input->bytes = base->bytes;
	for (size_t left = 1 + random_below(&state, 6); left > 0; left--)
		mutate_once(input, &state);
}

/* From a heap block of exactly its size, so that a sanitizer sees one byte too far. */
static void run(const struct input *input)
{
	unsigned char *exact = malloc(input->bytes ? input->bytes : 1);

	if (!exact)
		abort();
	memcpy(exact, input->data, input->bytes);
	LLVMFuzzerTestOneInput(exact, input->bytes);
	free(exact);
}

static void corpus_add_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct input *input = &corpus[corpus_count];

	if (!file || corpus_count == FILES_MAX || !(input->data = malloc(INPUT_BYTES_MAX))) {
		fprintf(stderr, "fuzz: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	input->bytes = fread(input->data, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	current_file = path;
	run(input);
	corpus_count++;
}

/* A folder's files by name, so that the order is the same everywhere. */
static void corpus_add(const char *path)
{
	struct dirent **entries;
	struct stat status;
	int count;

	if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
		corpus_add_file(path);
		return;
	}
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0) {
		fprintf(stderr, "fuzz: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	for (int i = 0; i < count; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && stat(name, &status) == 0 &&
			S_ISREG(status.st_mode))
			corpus_add_file(name);
		free(entries[i]);
	}
	free((void *)entries);
}

static void write_input(const char *path, const struct input *input)
{
	FILE *file = fopen(path, "we");

	if (!file || fwrite(input->data, 1, input->bytes, file) != input->bytes ||
		fclose(file) != 0) {
		fprintf(stderr, "fuzz: %s: %s\n", path, strerror(errno));
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned long executions = 0, seed = 1;
	const char *output = NULL;
	static unsigned char mutant[INPUT_BYTES_MAX];
	struct input input = {0, mutant};
	int option;

	while ((option = getopt(argc, argv, "n:s:o:")) != -1) {
		if (option == 'n')
			executions = strtoul(optarg, NULL, 0);
		else if (option == 's')
			seed = strtoul(optarg, NULL, 0);
		else if (option == 'o')
			output = optarg;
		else
			return 2;
	}
	signal(SIGSEGV, on_signal);
	signal(SIGABRT, on_signal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_where);
	for (int i = optind; i < argc; i++)
		corpus_add(argv[i]);
	if (corpus_count == 0) {
		fprintf(stderr, "usage: %s [-n EXECUTIONS] [-s SEED] [-o FILE] FILE|FOLDER...\n",
			argv[0]);
		return 2;
	}
	for (unsigned long k = output ? executions : 1; k <= executions; k++) {
		mutate(&input, seed, k);
		current = k;
		if (output)
			write_input(output, &input);
		else
			run(&input);
	}
	printf("fuzz: %zu files and %lu mutations (seed %lu)\n", corpus_count,
		output ? 0 : executions, seed);
	for (size_t i = 0; i < corpus_count; i++)
		free(corpus[i].data);
	return 0;
}
