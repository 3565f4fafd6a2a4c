/* SPDX-License-Identifier: MIT */
/*
 * What happened, one line each: `time event key=value key="text"`.
 *
 * A record is built field by field and emitted once. Texts that a client or a session made are hostile: they are quoted,
 * cut at AUDIT_FIELD_MAX, and every byte that is not printable ASCII is written as \xNN, so that no text can end a
 * line, forge a field or drive a terminal.
 *
 * Lines gather in a buffer and leave once per turn of the event loop, or when it is full. Where they cannot be written without waiting, they
 * stay; what no longer fits is counted, and the count is written when there is room again. The supervisor never waits
 * for whoever reads its log.
 */
#ifndef IOMMUB_SUPERVISOR_AUDIT_H
#define IOMMUB_SUPERVISOR_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#define AUDIT_FIELD_MAX 256u /* bytes of one text before escaping */
#define AUDIT_LINE_MAX 2048u
#define AUDIT_BUFFER_BYTES 65536u

struct audit;
struct event_base;

/* The levels of syslog(3), which is what journald reads from "<N>" in front of a line. */
enum audit_level { AUDIT_ERROR = 3, AUDIT_WARNING = 4, AUDIT_NOTICE = 5, AUDIT_INFO = 6 };

struct audit_record {
	size_t length;
	char text[AUDIT_LINE_MAX];
};

/* path NULL: standard error. 0 or -errno. */
int audit_open(struct event_base *base, const char *path, struct audit **ret);
/* Writes what is left, closes. NULL is fine. */
void audit_close(struct audit *audit);
void audit_flush(struct audit *audit);

void audit_begin(struct audit_record *record, const char *event);
void audit_uint(struct audit_record *record, const char *key, uint64_t value);
/* At most max_bytes of text, or up to its NUL. */
void audit_text(struct audit_record *record, const char *key, const char *text, size_t max_bytes);
/* A text of our own making. */
void audit_string(struct audit_record *record, const char *key, const char *text);
/* error: 0 or an errno of either sign; written by name. */
void audit_errno(struct audit_record *record, const char *key, int error);
/* audit NULL: nothing happens (tests). */
void audit_emit(struct audit *audit, enum audit_level level, const struct audit_record *record);

/* The shortest form: an event with one sentence. */
void audit_say(struct audit *audit, enum audit_level level, const char *event, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* ---- limiting what one session may write ---- */

struct audit_bucket {
	uint64_t tokens, filled_ms; /* a line costs one token; see audit.c for the rates */
	uint64_t suppressed;
};

/* May this session write a line now? If so *ret_suppressed says how many it was refused since the last one. */
int audit_bucket_take(struct audit_bucket *bucket, uint64_t now_ms, uint64_t *ret_suppressed);

#endif
