/* SPDX-License-Identifier: MIT */
/* Values written as text, each limit in a pair. */
#include "tests/policy/support.h"

#include "policy/address.h"
#include "policy/value.h"
#include "policy/words.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

struct number_row {
	const char *text;
	uint64_t value;
	const char *error; /* NULL: good */
};

static void check_rows(const struct number_row *rows, size_t count,
	int (*parse)(const char *, uint64_t *, struct value_error *))
{
	for (size_t i = 0; i < count; i++) {
		struct value_error error = {""};
		uint64_t value = 4711;
		int r = parse(rows[i].text, &value, &error);

		if ((r == 0) != !rows[i].error)
			fail_msg("'%s' gave %d", rows[i].text, r);
		assert_string_equal(error.text, rows[i].error ? rows[i].error : "");
		assert_int_equal(value, rows[i].error ? 4711 : rows[i].value);
	}
}

#define NUMBER "; expected a number such as 42 or 0x2a"
#define SIZE "; expected bytes, or a number with KiB, MiB, GiB or TiB, such as 512MiB"

static void test_numbers(void **state)
{
	static const struct number_row rows[] = {
		{"0", 0, NULL},
		{"42", 42, NULL},
		{"0x2a", 42, NULL},
		{"0xFf", 255, NULL},
		{"0x0", 0, NULL},
		{"0x000010", 16, NULL},
		{"18446744073709551615", UINT64_MAX, NULL},
		{"18446744073709551616", 0, "'18446744073709551616' is above 2^64-1" NUMBER},
		{"99999999999999999999999", 0, "'99999999999999999999999' is above 2^64-1" NUMBER},
		{"0xffffffffffffffff", UINT64_MAX, NULL},
		{"0x10000000000000000", 0, "'0x10000000000000000' is above 2^64-1" NUMBER},
		{"010", 0, "'010' begins with 0 (octal?)" NUMBER},
		{"00", 0, "'00' begins with 0 (octal?)" NUMBER},
		{"", 0, "''" NUMBER},
		{"0x", 0, "'0x'" NUMBER},
		{"0xg", 0, "'0xg'" NUMBER},
		{"-1", 0, "'-1'" NUMBER},
		{"+1", 0, "'+1'" NUMBER},
		{" 1", 0, "' 1'" NUMBER},
		{"1 ", 0, "'1 '" NUMBER},
		{"1_000", 0, "'1_000'" NUMBER},
		{"1e3", 0, "'1e3'" NUMBER},
		{"1.0", 0, "'1.0'" NUMBER},
		{"ten", 0, "'ten'" NUMBER},
		{"\x01\xc3\xa4", 0,
			"'??"
			"?'" NUMBER},
	};

	(void)state;
	check_rows(rows, N_OF(rows), value_number);
}

static void test_sizes(void **state)
{
	static const struct number_row rows[] = {
		{"0", 0, NULL},
		{"4096", 4096, NULL},
		{"0x1000", 4096, NULL},
		{"1KiB", 1024, NULL},
		{"512MiB", 512ull << 20, NULL},
		{"3GiB", 3ull << 30, NULL},
		{"2TiB", 2ull << 40, NULL},
		{"0x10MiB", 16ull << 20, NULL},
		{"16777215TiB", 16777215ull << 40, NULL},
		{"16777216TiB", 0, "'16777216TiB' is above 2^64-1" SIZE},
		{"18446744073709551615", UINT64_MAX, NULL},
		{"18446744073709551616", 0, "'18446744073709551616' is above 2^64-1" SIZE},
		{"18014398509481983KiB", 18014398509481983ull << 10, NULL},
		{"18014398509481984KiB", 0, "'18014398509481984KiB' is above 2^64-1" SIZE},
		{"5MB", 0, "'5MB' has no binary unit; expected 5MiB"},
		{"5M", 0, "'5M' has no binary unit; expected 5MiB"},
		{"5m", 0, "'5m' has no binary unit; expected 5MiB"},
		{"5mib", 0, "'5mib' has no binary unit; expected 5MiB"},
		{"5kB", 0, "'5kB' has no binary unit; expected 5KiB"},
		{"5Gi", 0, "'5Gi' has no binary unit; expected 5GiB"},
		{"5TB", 0, "'5TB' has no binary unit; expected 5TiB"},
		{"5 MiB", 0, "'5 MiB'" SIZE},
		{"5MiBs", 0, "'5MiBs'" SIZE},
		{"5PiB", 0, "'5PiB'" SIZE},
		{"5B", 0, "'5B'" SIZE},
		{"1.5GiB", 0, "'1.5GiB'" SIZE},
		{"MiB", 0, "'MiB'" SIZE},
		{"-5MiB", 0, "'-5MiB'" SIZE},
		{"05MiB", 0, "'05MiB' begins with 0 (octal?)" SIZE},
		{"", 0, "''" SIZE},
	};
	char buffer[32];

	(void)state;
	check_rows(rows, N_OF(rows), value_size);
	assert_string_equal(value_size_format(0, buffer), "0");
	assert_string_equal(value_size_format(4097, buffer), "4097");
	assert_string_equal(value_size_format(1536, buffer), "1536");
	assert_string_equal(value_size_format(64ull << 20, buffer), "64MiB");
	assert_string_equal(value_size_format(1ull << 60, buffer), "1048576TiB");
}

#define MODE "; expected four octal digits that begin with 0, such as \"0660\""

static void test_modes(void **state)
{
	static const struct number_row rows[] = {
		{"0660", 0660, NULL},
		{"0000", 0, NULL},
		{"0777", 0777, NULL},
		{"0778", 0, "'0778'" MODE},
		{"660", 0, "'660'" MODE},
		{"1777", 0, "'1777'" MODE},
		{"00660", 0, "'00660'" MODE},
		{"rw-r", 0, "'rw-r'" MODE},
		{"", 0, "''" MODE},
	};

	(void)state;
	check_rows(rows, N_OF(rows), value_mode);
}

static void test_pci_ids(void **state)
{
	static const char *const bad[] = {"", "1234", "1234:", "1234:11e", "1234:11e80",
		"123:411e8", "1234-11e8", "0x12:11e8", "123g:11e8", "1234:11eg", "*:11e8"};
	struct value_error error = {""};
	uint16_t vendor = 1, device = 2;

	(void)state;
	for (size_t i = 0; i < N_OF(bad); i++)
		if (value_pci_id(bad[i], &vendor, &device, &error) == 0)
			fail_msg("'%s' taken", bad[i]);
	assert_int_equal(vendor, 1);
	assert_int_equal(device, 2);
	assert_int_equal(value_pci_id("1234:11e8", &vendor, &device, &error), 0);
	assert_int_equal(vendor, 0x1234);
	assert_int_equal(device, 0x11e8);
	assert_int_equal(value_pci_id("FFFF:0000", &vendor, &device, &error), 0);
	assert_int_equal(vendor, 0xffff);
}

static void check_texts(const char *const *good, const char *const *bad,
	int (*check)(const char *, struct value_error *))
{
	struct value_error error = {""};

	for (; *good; good++)
		if (check(*good, &error) < 0)
			fail_msg("'%s' refused: %s", *good, error.text);
	for (; *bad; bad++)
		if (check(*bad, &error) == 0)
			fail_msg("'%s' taken", *bad);
}

/* As many letters as may be, and one more. */
static void check_length(size_t most, int (*check)(const char *, struct value_error *))
{
	struct value_error error = {""};
	char text[200];

	memset(text, 'a', sizeof(text));
	text[most] = '\0';
	assert_int_equal(check(text, &error), 0);
	text[most] = 'a';
	text[most + 1] = '\0';
	assert_true(check(text, &error) < 0);
}

static void test_texts(void **state)
{
	static const char *const names[] = {"a", "0", "edu0", "a.b_c-d", NULL};
	static const char *const no_names[] = {
		"", "-a", ".a", "_a", "A", "a b", "a/b", "a\n", "\xc3\xa4", NULL};
	static const char *const owners[] = {
		"root", "_svc", "Some.User-1", "0", "1000", "4294967294", NULL};
	static const char *const no_owners[] = {
		"", "-a", ".a", "a b", "1x", "4294967295", "010", "a:b", NULL};
	static const char *const paths[] = {"/run/a.sock", "a", "a/b", "...", ".a", "..a/b", NULL};
	static const char *const no_paths[] = {"", "/", ".", "..", "../a", "a/..", "a/../b", "./a",
		"a//b", "a/", "a b", "a\n", "a\x7f", "\xc3\xa4", NULL};

	(void)state;
	check_texts(names, no_names, value_name_check);
	check_texts(owners, no_owners, value_owner_check);
	check_texts(paths, no_paths, value_path_check);
	check_length(63, value_name_check);
	check_length(32, value_owner_check);
	check_length(107, value_path_check);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} rows[] = {
		{"0000:00:05.0", "0000:00:05.0"},
		{"00:05.0", "0000:00:05.0"},
		{"ABCD:EF:1f.7", "abcd:ef:1f.7"},
		{"fffff:ff:1f.7", "fffff:ff:1f.7"},
		{"10000:e1:00.0", "10000:e1:00.0"},
		{"*:*:*.*", "*:*:*.*"},
		{"*:05.0", "0000:*:05.0"},
		{"00:*.0", "0000:00:*.0"},
		{"00:05.*", "0000:00:05.*"},
		{"100000:00:05.0", NULL},
		{"000:00:05.0", NULL},
		{"0000:00:20.0", NULL},
		{"0000:00:05.8", NULL},
		{"0000:00:05.00", NULL},
		{"0000:0:05.0", NULL},
		{"0000:000:05.0", NULL},
		{"0000:00:05", NULL},
		{"0000:00:05.", NULL},
		{"0000:00.05.0", NULL},
		{"0000:00:0*.0", NULL},
		{"0*:05.0", NULL},
		{"**:05.0", NULL},
		{"0000:00:05.0 ", NULL},
		{" 0000:00:05.0", NULL},
		{"0:0000:00:05.0", NULL},
		{"0000:00:05.0:0", NULL},
		{"*", NULL},
		{":", NULL},
		{"::", NULL},
		{":.", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		struct address address;
		char text[ADDRESS_TEXT_MAX];
		int r = address_parse(rows[i].text, &address);

		if ((r == 0) != !!rows[i].canonical)
			fail_msg("'%s' gave %d", rows[i].text, r);
		if (r == 0) {
			address_format(&address, text);
			assert_string_equal(text, rows[i].canonical);
			assert_int_equal(address_has_wildcard(&address), !!strchr(text, '*'));
		}
	}
}

static void test_distances(void **state)
{
	(void)state;
	assert_int_equal(words_distance("ioas", "ioas"), 0);
	assert_int_equal(words_distance("", "ioas"), 4);
	assert_int_equal(words_distance("ioas", ""), 4);
	assert_int_equal(words_distance("ioa", "ioas"), 1);
	assert_int_equal(words_distance("iosa", "ioas"), 1);
	assert_int_equal(words_distance("ixas", "ioas"), 1);
	assert_int_equal(words_distance("kitten", "sitting"), 3);
	assert_int_equal(words_distance("abcdefghijklmnopqrstuvwxyzabcdef",
				 "abcdefghijklmnopqrstuvwxyzabcdef"),
		0);
	assert_int_equal(words_distance("abcdefghijklmnopqrstuvwxyzabcdefg",
				 "abcdefghijklmnopqrstuvwxyzabcdef"),
		WORDS_FAR);
	assert_int_equal(words_distance("abcdefghijklmnopqrstuvwxyzabcdef",
				 "abcdefghijklmnopqrstuvwxyzabcdefg"),
		WORDS_FAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_pci_ids),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_distances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
