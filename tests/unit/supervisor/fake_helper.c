/* SPDX-License-Identifier: MIT */
/*
 * A helper under a test's thumb: it reads one letter from the FIFO "gate" beside itself and does what that says.
 *     g   report success          e   report EIO              s   say nothing, exit 0
 *     x   report, then exit 1     m   wrong magic             k   wrong kind
 *     p   a positive error        h   hang                    d   die by a signal
 * Without a FIFO: as s.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/helper_protocol.h"

static char letter_read(void)
{
	char path[PATH_MAX], letter = 's';
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
	int fd;

	if (n < 0)
		return letter;
	path[n] = '\0';
	memcpy(strrchr(path, '/'), "/gate", sizeof("/gate"));
	fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, &letter, 1) != 1)
		letter = 's';
	return letter;
}

int main(void)
{
	struct helper_result result = {.magic = HELPER_MAGIC, .kind = HELPER_DEVICE_RESET};
	struct helper_request request;
	size_t n_fds = 0;
	char letter;

	/* Whoever ends with a packet unread resets the connection, and no word of it arrives. */
	(void)seqpacket_recv(HELPER_FD_RESULT, &request, sizeof(request), NULL, 0, &n_fds);
	letter = letter_read();
	if (letter == 'h')
		for (;;)
			pause();
	if (letter == 'd')
		raise(SIGKILL);
	if (letter == 's')
		return 0;
	if (letter == 'e')
		result.error = -EIO;
	if (letter == 'p')
		result.error = 1;
	if (letter == 'm')
		result.magic++;
	if (letter == 'k')
		result.kind++;
	if (seqpacket_send(HELPER_FD_RESULT, &result, sizeof(result), NULL, 0))
		return 2;
	return letter == 'x';
}
