/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/helper/task.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>

static const struct helper_row rows[] = {
	{"device-reset", HELPER_DEVICE_RESET, 1,
		{SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(mmap), SCMP_SYS(munmap), -1},
		helper_device_reset},
};

/* To report and to end. */
static const int common_calls[] = {
	SCMP_SYS(sendmsg),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
#if IOMMUB_SANITIZE
	SCMP_SYS(madvise),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(write),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(futex),
#endif
};

const struct helper_row *helper_row_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(name, rows[i].name) == 0)
			return &rows[i];
	return NULL;
}

int helper_filter_load(const struct helper_row *row)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < sizeof(common_calls) / sizeof(common_calls[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, common_calls[i], 0);
	for (size_t i = 0; !error && i < HELPER_CALLS_MAX && row->calls[i] != -1; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->calls[i], 0);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
