/* SPDX-License-Identifier: MIT */
/*
 * A session has opened all that it will ever open before its filter is loaded. What is left is:
 * talk on sockets it has, wait, look at fds that came, map them, move bytes within its own memory,
 * and, on the kernel backend, the ioctls that the operations of the protocol stand for. Several
 * rules for one call mean: any of them.
 */
#include "broker/common/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iommufd_uapi.h"

#define INT_MASK                                                                                   \
	UINT64_C(0xffffffff) /* the kernel reads an int or unsigned int: upper bits are noise */

#define ALLOW(name, reason)                                                                        \
	{                                                                                          \
		.number = SCMP_SYS(name), .call = #name, .why = (reason), .when = FILTER_ALWAYS    \
	}
#define ALLOW_IF(name, index, bits, equal, reason)                                                 \
	{                                                                                          \
		.number = SCMP_SYS(name), .call = #name, .why = (reason), .arg = (index),          \
		.mask = (bits), .value = (uint64_t)(equal) & (bits), .when = FILTER_ALWAYS         \
	}
#define ALLOW_IOCTL(command, reason)                                                               \
	{                                                                                          \
		.number = SCMP_SYS(ioctl), .call = "ioctl", .why = (reason), .arg = 1,             \
		.mask = INT_MASK, .value = (command), .when = FILTER_KERNEL                        \
	}
#define ALLOW_SANITIZER(name, reason)                                                              \
	{                                                                                          \
		.number = SCMP_SYS(name), .call = #name, .why = (reason), .when = FILTER_SANITIZER \
	}

static const struct filter_rule rules[] = {
	/* Talk: the client, the supervisor, vfio-user sockets, eventfds of clients. */
	ALLOW(recvmsg, "packets and the fds that come with them"),
	ALLOW(sendmsg, "answers, device fds, control packets"),
	ALLOW(write, "an interrupt is a write to the client's eventfd; stderr"),
	ALLOW(writev, "glibc's last words on stderr before abort()"),
	ALLOW(close, "fds that a client sent and that are done with"),
	ALLOW_IF(socketpair, 0, INT_MASK, AF_UNIX, "a vfio-user socket for a client of the model"),
	ALLOW(eventfd2, "the model's placeholder fds"),

	/* Wait. */
	ALLOW(epoll_wait, "the event loop"),
	ALLOW(epoll_pwait, "the event loop, on architectures without epoll_wait"),
	ALLOW(epoll_ctl, "read or write interest changes with the state of a connection"),
	ALLOW(poll, "the bounded wait for the supervisor's answer"),
	ALLOW(ppoll, "poll, on architectures without it"),
	ALLOW(futex, "the account page's mutex"),
	ALLOW(restart_syscall, "a wait that a stop and continue interrupted"),
	ALLOW(clock_gettime, "deadlines, where the vDSO has no clock"),
	ALLOW(gettimeofday, "libevent, where the vDSO has no clock"),

	/* Look at fds. */
	ALLOW(fstat, "what kind of file a client sent, and its size"),
	ALLOW_IF(newfstatat, 3, INT_MASK, AT_EMPTY_PATH, "glibc's fstat"),
	ALLOW(fstatfs, "tmpfs, hugetlbfs, or neither; the block size"),
	ALLOW_IF(fcntl, 1, INT_MASK, F_GETFL, "was a file opened for writing"),
	ALLOW_IF(fcntl, 1, INT_MASK, F_GET_SEALS, "is a memfd sealed"),
	ALLOW_IF(fcntl, 1, INT_MASK, F_DUPFD_CLOEXEC, "share a device once more; keep a file"),
	ALLOW_IF(fcntl, 1, INT_MASK, F_GETFD, "is an fd open"),
	ALLOW_IF(fcntl, 1, INT_MASK, F_SETFL, "our end of a vfio-user socket becomes non-blocking"),
	ALLOW_IF(fallocate, 1, INT_MASK & ~(uint64_t)FALLOC_FL_KEEP_SIZE, 0,
		"back a range before it is pinned; punches no hole"),

	/* Memory: nothing becomes executable. */
	ALLOW_IF(mmap, 2, PROT_EXEC, 0, "files of clients, device state, malloc"),
	ALLOW_IF(mprotect, 2, PROT_EXEC, 0, "malloc"),
	ALLOW(munmap, "files of clients, malloc"),
	ALLOW(mremap, "realloc of large blocks"),
	ALLOW(brk, "malloc"),
	ALLOW(madvise, "malloc gives memory back"),
	ALLOW(process_vm_readv,
		"DMA of the model: EFAULT where a load would be SIGBUS (own pid only)"),
	ALLOW(process_vm_writev, "DMA of the model (own pid only)"),
	ALLOW(getrandom, "malloc's own key"),

	/* End. */
	ALLOW(exit_group, "the end of a session"),
	ALLOW(rt_sigreturn, "return from a signal handler"),
	ALLOW(rt_sigprocmask, "abort()"),
	ALLOW(getpid, "abort(); process_vm_readv on oneself"),
	ALLOW(gettid, "abort(); a robust mutex's owner"),
	ALLOW_IF(tgkill, 2, INT_MASK, SIGABRT, "abort() (own pid only)"),

	/* The kernel backend: the commands behind the protocol's operations, each by its number. */
	ALLOW_IOCTL(IOMMU_DESTROY, "destroy"),
	ALLOW_IOCTL(IOMMU_IOAS_ALLOC, "ioas_alloc"),
	ALLOW_IOCTL(IOMMU_IOAS_ALLOW_IOVAS, "ioas_allow_iovas"),
	ALLOW_IOCTL(IOMMU_IOAS_COPY, "ioas_copy"),
	ALLOW_IOCTL(IOMMU_IOAS_IOVA_RANGES, "ioas_iova_ranges"),
	ALLOW_IOCTL(IOMMU_IOAS_MAP, "ioas_map before Linux 6.13"),
	ALLOW_IOCTL(IOMMU_IOAS_MAP_FILE, "ioas_map"),
	ALLOW_IOCTL(IOMMU_IOAS_UNMAP, "ioas_unmap"),
	ALLOW_IOCTL(VFIO_DEVICE_BIND_IOMMUFD, "device_open"),
	ALLOW_IOCTL(VFIO_DEVICE_ATTACH_IOMMUFD_PT, "device_attach"),
	ALLOW_IOCTL(VFIO_DEVICE_DETACH_IOMMUFD_PT, "device_detach"),

	ALLOW_SANITIZER(sigaltstack, "the runtime's own stack for reports"),
	ALLOW_SANITIZER(rt_sigaction, "the runtime takes its handlers away before it dies"),
	ALLOW_SANITIZER(read, "a report reads /proc/self/maps"),
	ALLOW_SANITIZER(sched_yield, "the runtime's spin locks"),
	{.number = SCMP_SYS(ioctl),
		.call = "ioctl",
		.why = "a report asks whether stderr is a terminal",
		.arg = 1,
		.mask = INT_MASK,
		.value = TCGETS,
		.when = FILTER_SANITIZER},
	ALLOW_SANITIZER(open, "a report reads /proc/self/maps (where Landlock lets it)"),
	ALLOW_SANITIZER(pipe2, "a report finds out by write() whether memory can be read"),
	ALLOW_SANITIZER(openat, "a report reads /proc/self/maps (where Landlock lets it)"),
	ALLOW_SANITIZER(readlink, "a report names the program"),
};

const struct filter_rule *session_filter_rules(size_t *ret_n)
{
	*ret_n = sizeof(rules) / sizeof(rules[0]);
	return rules;
}

static bool rule_applies(const struct filter_rule *rule, enum control_backend backend)
{
	unsigned int now = backend == BACKEND_KERNEL ? FILTER_KERNEL : FILTER_MODEL;

	if (IOMMUB_SANITIZE)
		now |= FILTER_SANITIZER;
	return rule->when & now;
}

static int rules_add(scmp_filter_ctx filter, enum control_backend backend)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct filter_rule *rule = &rules[i];
		struct scmp_arg_cmp condition =
			SCMP_CMP64(rule->arg, SCMP_CMP_MASKED_EQ, rule->mask, rule->value);
		int error;

		if (!rule_applies(rule, backend))
			continue;
		error = seccomp_rule_add_array(
			filter, SCMP_ACT_ALLOW, rule->number, rule->mask ? 1 : 0, &condition);
		if (error < 0)
			return error;
	}
	return 0;
}

int session_filter_compile(const struct session_filter_opts *opts, int *ret_memfd)
{
	const uint32_t otherwise = opts->debug ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int error, fd = -1;

	if (!filter)
		return -ENOMEM;
	error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (error == 0) /* a balanced tree by call number, not a list */
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = rules_add(filter, opts->backend);
	if (error == 0) {
		fd = memfd_create("iommu-broker-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fd < 0)
			error = -errno;
	}
	if (error == 0)
		error = seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	if (error == 0 && fcntl(fd, F_ADD_SEALS,
				  F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		error = -errno;
	if (error < 0) {
		if (fd >= 0)
			close(fd);
		return error;
	}
	*ret_memfd = fd;
	return 0;
}
