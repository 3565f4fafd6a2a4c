/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/helper/task.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>

#include "iommufd_uapi.h"

static const struct helper_row rows[] = {
	{.name = "device-reset",
		.kind = HELPER_DEVICE_RESET,
		.fds_min = 1,
		.fds_max = 1,
		.calls = {SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(mmap), SCMP_SYS(munmap),
			-1},
		.run = helper_device_reset},
	{.name = "open",
		.kind = HELPER_OPEN,
		.fds_min = 1,
		.fds_max = 1,
		.calls = {SCMP_SYS(openat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(close),
			-1},
		.run = helper_open},
	{.name = "probe",
		.kind = HELPER_PROBE,
		.fds_min = 1,
		.fds_max = 1,
		.calls = {SCMP_SYS(openat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(close),
			-1},
		.ioctls = {VFIO_DEVICE_BIND_IOMMUFD, VFIO_DEVICE_GET_INFO, IOMMU_GET_HW_INFO},
		.run = helper_probe},
	{.name = "reset",
		.kind = HELPER_RESET,
		.fds_min = 1,
		.fds_max = 1,
		.calls = {SCMP_SYS(openat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(close),
			-1},
		.ioctls = {VFIO_DEVICE_BIND_IOMMUFD, VFIO_DEVICE_GET_INFO, IOMMU_GET_HW_INFO,
			VFIO_DEVICE_RESET},
		.run = helper_reset},
	{.name = "sweep-detach",
		.kind = HELPER_SWEEP_DETACH,
		.fds_min = 1,
		.fds_max = HELPER_TASK_FDS_MAX,
		.calls = {SCMP_SYS(recvfrom), SCMP_SYS(sched_yield), -1},
		.ioctls = {VFIO_DEVICE_DETACH_IOMMUFD_PT},
		.run = helper_sweep_detach},
	{.name = "sweep-unmap",
		.kind = HELPER_SWEEP_UNMAP,
		.fds_min = 1,
		.fds_max = 1,
		.calls = {SCMP_SYS(sched_yield), -1},
		.ioctls = {IOMMU_IOAS_UNMAP, IOMMU_DESTROY, IOMMU_GET_HW_INFO},
		.run = helper_sweep_unmap},
	{.name = "scrub", .kind = HELPER_SCRUB, .unfiltered = true, .run = helper_scrub},
};

/* To look at the clock, to report and to end. */
static const int common_calls[] = {
	SCMP_SYS(clock_gettime), /* where the vDSO has no clock */
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
	scmp_filter_ctx filter;
	int error;

	if (row->unfiltered)
		return 0;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	error = filter ? 0 : -ENOMEM;
	for (size_t i = 0; !error && i < sizeof(common_calls) / sizeof(common_calls[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, common_calls[i], 0);
	for (size_t i = 0; !error && i < HELPER_CALLS_MAX && row->calls[i] != -1; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->calls[i], 0);
	/* The kernel reads the command as an unsigned int. */
	for (size_t i = 0; !error && i < HELPER_IOCTLS_MAX && row->ioctls[i]; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT64_C(0xffffffff), row->ioctls[i]));
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
