/* SPDX-License-Identifier: MIT */
/*
 * iommu-broker-helper TASK: does one thing that may take long or touch a device, says how it went, ends. It is started
 * by the supervisor without capabilities and with the fds of this task only (helper_protocol.h); before it touches them
 * it gives up every system call that the task does not need.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
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

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int request_take(const struct helper_row *row, struct helper_request *ret)
{
	size_t fds_count = 0;
	ssize_t bytes = seqpacket_recv(HELPER_FD_RESULT, ret, sizeof(*ret), NULL, 0, &fds_count);

	if (bytes != sizeof(*ret) || ret->magic != HELPER_MAGIC ||
		ret->kind != (uint32_t)row->kind || ret->fds_count < row->fds_min ||
		ret->fds_count > row->fds_max)
		return -EPROTO;
	ret->node[sizeof(ret->node) - 1] = '\0';
	ret->address[sizeof(ret->address) - 1] = '\0';
	return 0;
}

int main(int argc, char **argv)
{
	const struct helper_row *row = argc == 2 ? helper_row_find(argv[1]) : NULL;
	struct helper_result result = {.magic = HELPER_MAGIC};
	struct helper_request request;
	struct helper_work work = {.request = &request, .result = &result, .result_fd = -1};
	struct stat st;
	uint64_t start;

	if (!row)
		return usage();
	if (fstat(HELPER_FD_RESULT, &st) < 0 || !S_ISSOCK(st.st_mode) ||
		request_take(row, &request))
		return usage();
	for (size_t i = 0; i < HELPER_TASK_FDS_MAX; i++)
		work.fds[i] = i < request.fds_count ? HELPER_FD_TASK + (int)i : -1;
	/* Executed by fd, some kernels name a process after the number. */
	(void)prctl(PR_SET_NAME, "iommu-broker-helper", 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	result.kind = (uint32_t)row->kind;
	start = now_ms();
	result.error = helper_filter_load(row);
	if (!result.error)
		result.error = row->run(&work);
	result.elapsed_ms = (uint32_t)(now_ms() - start);
	/* _exit(): no handlers, which would make calls that the filter forbids. */
	_exit(seqpacket_send(HELPER_FD_RESULT, &result, sizeof(result), &work.result_fd,
		      work.result_fd >= 0 ? 1 : 0)
			? 1
			: 0);
}
