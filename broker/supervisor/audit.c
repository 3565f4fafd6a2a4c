/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/audit.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUCKET_TOKENS 20u
#define BUCKET_MS_PER_TOKEN 200u

struct audit {
	int fd;
	bool owns_fd;
	bool journal; /* journald reads our stderr: it has the time, and wants a level */
	struct event *flush;
	uint64_t lost;
	size_t length;
	char buffer[AUDIT_BUFFER_BYTES];
};

static void on_flush(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	audit_flush(arg);
}

int audit_open(struct event_base *base, const char *path, struct audit **ret)
{
	struct audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return -ENOMEM;
	audit->fd = STDERR_FILENO;
	if (path) {
		audit->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (audit->fd < 0) {
			int error = -errno;

			free(audit);
			return error;
		}
		audit->owns_fd = true;
	}
	audit->journal = !path && getenv("JOURNAL_STREAM");
	audit->flush = evtimer_new(base, on_flush, audit);
	if (!audit->flush) {
		audit_close(audit);
		return -ENOMEM;
	}
	*ret = audit;
	return 0;
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	audit_flush(audit);
	if (audit->flush)
		event_free(audit->flush);
	if (audit->owns_fd)
		close(audit->fd);
	free(audit);
}

/* A pipe that poll() calls writable takes PIPE_BUF bytes without waiting: so at most that much, in whole lines if the
 * first line fits. */
static size_t chunk_bytes(const char *text, size_t length)
{
	const char *end;

	if (length <= PIPE_BUF)
		return length;
	end = memrchr(text, '\n', PIPE_BUF);
	return end ? (size_t)(end - text) + 1 : PIPE_BUF;
}

void audit_flush(struct audit *audit)
{
	size_t done = 0;

	while (done < audit->length) {
		struct pollfd writable = {.fd = audit->fd, .events = POLLOUT};
		ssize_t n;

		if (poll(&writable, 1, 0) <= 0)
			break;
		n = write(audit->fd, audit->buffer + done,
			chunk_bytes(audit->buffer + done, audit->length - done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		/* Nobody can be told of a log that cannot be written. */
		done = n < 0 ? audit->length : done + (size_t)n;
	}
	memmove(audit->buffer, audit->buffer + done, audit->length - done);
	audit->length -= done;
}

/* ---- records ---- */

static void put(struct audit_record *record, const char *text, size_t bytes)
{
	size_t room = sizeof(record->text) - 1 - record->length;

	if (bytes > room)
		bytes = room;
	memcpy(record->text + record->length, text, bytes);
	record->length += bytes;
	record->text[record->length] = '\0';
}

static void put_key(struct audit_record *record, const char *key)
{
	put(record, " ", 1);
	put(record, key, strlen(key));
	put(record, "=", 1);
}

void audit_begin(struct audit_record *record, const char *event)
{
	record->length = 0;
	put(record, event, strlen(event));
}

void audit_uint(struct audit_record *record, const char *key, uint64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);

	put_key(record, key);
	put(record, digits, (size_t)n);
}

static void put_escaped(struct audit_record *record, unsigned char byte)
{
	char escaped[5];

	if (byte == '"' || byte == '\\') {
		escaped[0] = '\\';
		escaped[1] = (char)byte;
		put(record, escaped, 2);
	} else if (byte >= 0x20 && byte < 0x7f) {
		put(record, (const char *)&byte, 1);
	} else {
		(void)snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
		put(record, escaped, 4);
	}
}

void audit_text(struct audit_record *record, const char *key, const char *text, size_t max_bytes)
{
	size_t bytes = strnlen(text, max_bytes < AUDIT_FIELD_MAX ? max_bytes : AUDIT_FIELD_MAX);

	put_key(record, key);
	put(record, "\"", 1);
	for (size_t i = 0; i < bytes; i++)
		put_escaped(record, (unsigned char)text[i]);
	put(record, "\"", 1);
}

void audit_string(struct audit_record *record, const char *key, const char *text)
{
	audit_text(record, key, text, AUDIT_FIELD_MAX);
}

void audit_errno(struct audit_record *record, const char *key, int error)
{
	const char *name = strerrorname_np(error < 0 ? -error : error);

	put_key(record, key);
	put(record, name ? name : "?", name ? strlen(name) : 1);
}

/* ---- lines ---- */

static size_t prefix_format(
	const struct audit *audit, enum audit_level level, char *out, size_t max)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	if (audit->journal)
		return (size_t)snprintf(out, max, "<%d>", (int)level);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm))
		return 0;
	n = strftime(out, max, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(out + n, max - n, ".%03ldZ ", now.tv_nsec / 1000000);
}

static bool append(struct audit *audit, enum audit_level level, const char *text, size_t bytes)
{
	char prefix[40];
	size_t n = prefix_format(audit, level, prefix, sizeof(prefix));

	if (n + bytes + 1 > sizeof(audit->buffer) - audit->length)
		return false;
	memcpy(audit->buffer + audit->length, prefix, n);
	memcpy(audit->buffer + audit->length + n, text, bytes);
	audit->length += n + bytes;
	audit->buffer[audit->length++] = '\n';
	return true;
}

void audit_emit(struct audit *audit, enum audit_level level, const struct audit_record *record)
{
	static const struct timeval now = {0, 0};

	if (!audit)
		return;
	if (audit->lost > 0) {
		char text[64];
		int n = snprintf(text, sizeof(text), "audit.lost lines=%llu",
			(unsigned long long)audit->lost);

		if (append(audit, AUDIT_WARNING, text, (size_t)n))
			audit->lost = 0;
	}
	if (!append(audit, level, record->text, record->length)) {
		audit_flush(audit);
		if (!append(audit, level, record->text, record->length))
			audit->lost++;
	}
	/* Adding it again would put it off: with something to tell in each turn, for ever. */
	if (!event_pending(audit->flush, EV_TIMEOUT, NULL))
		(void)event_add(audit->flush, &now);
}

void audit_say(
	struct audit *audit, enum audit_level level, const char *event, const char *format, ...)
{
	struct audit_record record;
	char text[AUDIT_FIELD_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	audit_begin(&record, event);
	audit_string(&record, "text", text);
	audit_emit(audit, level, &record);
}

int audit_bucket_take(struct audit_bucket *bucket, uint64_t now_ms, uint64_t *ret_suppressed)
{
	uint64_t earned = (now_ms - bucket->filled_ms) / BUCKET_MS_PER_TOKEN;

	if (bucket->filled_ms == 0 || earned >= BUCKET_TOKENS) {
		bucket->tokens = BUCKET_TOKENS;
		bucket->filled_ms = now_ms;
	} else {
		bucket->tokens += earned;
		if (bucket->tokens > BUCKET_TOKENS)
			bucket->tokens = BUCKET_TOKENS;
		bucket->filled_ms += earned * BUCKET_MS_PER_TOKEN;
	}
	if (bucket->tokens == 0) {
		bucket->suppressed++;
		return -EAGAIN;
	}
	bucket->tokens--;
	*ret_suppressed = bucket->suppressed;
	bucket->suppressed = 0;
	return 0;
}
