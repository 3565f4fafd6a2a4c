/* SPDX-License-Identifier: MIT */
/*
 * iommu-broker-helper TASK: does one thing that may take long or touch a device, says how it went, ends. It is started
 * by the supervisor without capabilities and with the fds of this task only (helper_protocol.h); before it touches them
 * it gives up every system call that the task does not need.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/helper/task.h"

static int usage(void)
{
	fputs("iommu-broker-helper is started by iommu-brokerd, with a task and its file "
	      "descriptors\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const struct helper_row *row = argc == 2 ? helper_row_find(argv[1]) : NULL;
	struct helper_result result = {.magic = HELPER_MAGIC};
	int fds[HELPER_TASK_FDS_MAX];
	struct stat st;

	if (!row)
		return usage();
	for (size_t i = 0; i < row->fds_count; i++)
		fds[i] = HELPER_FD_TASK + (int)i;
	if (fstat(HELPER_FD_RESULT, &st) < 0 || !S_ISSOCK(st.st_mode))
		return usage();
	/* Executed by fd, some kernels name a process after the number. */
	(void)prctl(PR_SET_NAME, "iommu-broker-helper", 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	result.kind = (uint32_t)row->kind;
	result.error = helper_filter_load(row);
	if (!result.error)
		result.error = row->run(fds);
	/* _exit(): no handlers, which would make calls that the filter forbids. */
	_exit(seqpacket_send(HELPER_FD_RESULT, &result, sizeof(result), NULL, 0) ? 1 : 0);
}
