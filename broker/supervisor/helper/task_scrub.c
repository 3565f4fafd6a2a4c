/* SPDX-License-Identifier: MIT */
/*
 * The policy's program between two tenants. This process becomes it, with nothing but /dev/null for its three standard
 * streams, an environment of its own, no capability, and two more arguments: the device's PCI address and its node (on the model its name). Exit
 * code 0 is success. It has its own process group, which the supervisor kills as a whole at the deadline.
 *
 * It runs with the broker's uid, so nobody else may be able to write it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/supervisor/helper/task.h"

static int arguments_split(char *text, char **ret, size_t max, size_t *ret_n)
{
	size_t n = 0;

	if (text[HELPER_ARGUMENTS_BYTES - 1] || text[HELPER_ARGUMENTS_BYTES - 2])
		return -EINVAL;
	for (; *text; text += strlen(text) + 1) {
		if (n == max)
			return -E2BIG;
		ret[n++] = text;
	}
	*ret_n = n;
	return n && ret[0][0] == '/' ? 0 : -EINVAL;
}

int helper_scrub(struct helper_work *work)
{
	char text[HELPER_ARGUMENTS_BYTES], address[sizeof("IOMMUB_ADDRESS=") + 16],
		node[sizeof("IOMMUB_NODE=/dev/vfio/devices/") + HELPER_NODE_MAX];
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[HELPER_ARGUMENTS_MAX + 3], *environment[] = {path, address, node, NULL};
	struct stat st;
	size_t n = 0;
	int fd, error;

	memcpy(text, work->request->arguments, sizeof(text));
	error = arguments_split(text, argv, HELPER_ARGUMENTS_MAX, &n);
	if (error)
		return error;
	(void)snprintf(address, sizeof(address), "IOMMUB_ADDRESS=%s", work->request->address);
	(void)snprintf(node, sizeof(node), "IOMMUB_NODE=%s%s",
		work->request->major ? "/dev/vfio/devices/" : "", work->request->node);
	argv[n++] = strchr(address, '=') + 1;
	argv[n++] = strchr(node, '=') + 1;
	argv[n] = NULL;
	fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 022) ||
		(st.st_uid != 0 && st.st_uid != geteuid()))
		return -EACCES;
	if (fcntl(HELPER_FD_RESULT, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	close(fd); /* a script is opened by its interpreter, by name */
	(void)execve(argv[0], argv, environment);
	return -errno;
}
