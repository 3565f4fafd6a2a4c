/* SPDX-License-Identifier: MIT */
/*
 * Values that are written as text: numbers, sizes, file modes, names.
 *
 * Each function returns 0 and stores the value, or -EINVAL and stores a sentence, "not a number;
 * expected ...".
 */
#ifndef IOMMUB_POLICY_VALUE_H
#define IOMMUB_POLICY_VALUE_H

#include <stdbool.h>
#include <stdint.h>

struct value_error {
	char text[160];
};

/* 42, 0x2a. No sign, no leading zeros (is 010 eight or ten?), nothing above 2^64-1. */
int value_number(const char *text, uint64_t *ret, struct value_error *error);
/* 4096, 0x1000, 512MiB, with KiB, MiB, GiB or TiB. SI suffixes are refused by naming the binary
 * one: a limit that is 5 % off what its reader thinks is a limit that surprises. */
int value_size(const char *text, uint64_t *ret, struct value_error *error);
/* "0660": four octal digits with the 0 in front, no set-id or sticky bits. */
int value_mode(const char *text, uint64_t *ret, struct value_error *error);
/* "1234:11e8", both parts four hex digits. */
int value_pci_id(
	const char *text, uint16_t *ret_vendor, uint16_t *ret_device, struct value_error *error);
/* A name in the policy: [a-z0-9][a-z0-9._-]*, at most POLICY_NAME_MAX - 1 bytes. */
int value_name_check(const char *text, struct value_error *error);
/* A user or group: a name or a number. */
int value_owner_check(const char *text, struct value_error *error);
/* A socket's path: absolute or relative, no empty, '.' or '..' part, short enough for a
 * sockaddr_un. */
int value_path_check(const char *text, struct value_error *error);
/* A program's path: absolute, no empty, '.' or '..' part. */
int value_program_check(const char *text, struct value_error *error);
/* An argument of a program: printable ASCII, at least one character. */
int value_argument_check(const char *text, struct value_error *error);

/* The shortest way to write a size: "64MiB", "4097". */
const char *value_size_format(uint64_t bytes, char buffer[32]);

#endif
