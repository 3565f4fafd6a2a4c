/* SPDX-License-Identifier: MIT */
/*
 * The session program with one more way to err: a packet that contains the words below makes it call socket(2), which
 * its filter forbids. The program itself has no hook for this: the linker puts this function before the dispatcher's.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/session/session.h"
#include "tests/forbidden/forbidden_session.h"

enum dispatch_result __real_dispatcher_packet(struct dispatcher *dispatcher, const uint8_t *bytes,
	size_t length, int *fds, size_t n_fds, struct outgoing *out);
enum dispatch_result __wrap_dispatcher_packet(struct dispatcher *dispatcher, const uint8_t *bytes,
	size_t length, int *fds, size_t n_fds, struct outgoing *out);

enum dispatch_result __wrap_dispatcher_packet(struct dispatcher *dispatcher, const uint8_t *bytes,
	size_t length, int *fds, size_t n_fds, struct outgoing *out)
{
	if (memmem(bytes, length, FORBIDDEN_WORDS, strlen(FORBIDDEN_WORDS))) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd >= 0) /* no filter: the test sees the session live on */
			close(fd);
	}
	return __real_dispatcher_packet(dispatcher, bytes, length, fds, n_fds, out);
}
