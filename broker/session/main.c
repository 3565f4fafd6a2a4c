/* SPDX-License-Identifier: MIT */
/*
 * A session from exec to its end. The order is the security argument:
 *
 *   1. fds     what exec left is what enum session_fd lists; anything above is closed. A stray fd
 *              would be a right that no policy gave.
 *   2. begin   undumpable, no_new_privs, no capabilities, before one byte of anybody is read.
 *   3. SETUP   the supervisor says whose session this is. The only packet that is awaited, with a
 *              bound.
 *   4. open    the account pages, the event loop, the backend: whatever needs a call that the filter
 *              will not know is done here, because afterwards it cannot be.
 *   5. shut    Landlock, then seccomp: Landlock's calls are not in the filter.
 *   6. READY   only a session that is shut in says so.
 *   7. serve   the first byte of the client is read here.
 *   8. end     objects in order, then AUDIT_END with what it did. The exit status is 0 also when the
 *              client broke the protocol: that is the client's doing, and audited as such.
 *
 * The fds of a live session:
 *
 *   0 1 2      /dev/null (2: the supervisor's stderr in debug mode)
 *   3 4        the client; the supervisor
 *   8          /dev/iommu, on the kernel backend
 *   any        libevent's epoll, and its pipe for signals, two ends
 *              the model's placeholder for /dev/iommu (an eventfd), where it is not the kernel
 *              the epoll that watches for the client's hangup (loop.c)
 *   as the client makes them: one per memory handle; per device one VFIO fd, or on the model one
 *              placeholder, at most BACKEND_SHARES_MAX sockets, and the eventfds of its interrupts
 *
 * PR_SET_PDEATHSIG is not set: a supervisor that is killed and restarted must not interrupt one
 * mapping.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/session/admin.h"
#include "broker/session/audit.h"
#include "broker/session/backend.h"
#include "broker/session/loop.h"
#include "broker/session/sandbox.h"
#include "broker/session/supervisor_client.h"

#define SETUP_MS 10000

#if IOMMUB_SANITIZE
/* LeakSanitizer stops the process by ptrace at its exit, which the sandbox forbids; the unit tests
 * look for leaks. A report is neither symbolised, which would exec a program, nor coloured, which
 * would ask whether stderr is a terminal. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
	return "detect_leaks=0:symbolize=0:color=never";
}
#endif

static void setup_failed(const char *what, int error) __attribute__((noreturn));
static void setup_failed(const char *what, int error)
{
	(void)fprintf(stderr, "iommu-broker-session: %s: %s\n", what, strerror(-error));
	exit(SESSION_EXIT_SETUP);
}

static bool fd_is_socket(int fd)
{
	int type = 0, domain = 0;
	socklen_t length = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

static bool fd_is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void fds_check(void)
{
	for (int fd = SESSION_FD_STDIN; fd <= SESSION_FD_STDERR; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			exit(SESSION_EXIT_SETUP); /* nowhere to say why */
	}
	if (!fd_is_socket(SESSION_FD_CLIENT) || !fd_is_socket(SESSION_FD_CONTROL))
		setup_failed("the client's or the control socket is not what fd 3 or 4 is", -EBADF);
	if (!fd_is_file(SESSION_FD_ACCOUNT) || !fd_is_file(SESSION_FD_LIMITS) ||
		!fd_is_file(SESSION_FD_FILTER))
		setup_failed("the account pages or the filter are not what fds 5 to 7 are", -EBADF);
	if (close_range(SESSION_FD_END, ~0U, 0) < 0)
		setup_failed("close_range", -errno);
	for (int fd = SESSION_FD_CLIENT; fd < SESSION_FD_END; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* st_dev of the kernel's internal shmem mount: what tells a memfd from other files on tmpfs. */
static int memfd_dev_learn(dev_t *ret)
{
	struct stat st;
	int fd = memfd_create("iommu-broker-session", MFD_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		error = -errno;
	close(fd);
	if (error == 0)
		*ret = st.st_dev;
	return error;
}

static void on_dma_fault(void *arg, const char *device, uint64_t iova, bool write)
{
	struct session *session = arg;

	session->counts.dma_faults++;
	session_audit(session, AUDIT_DEVICE, EFAULT, "%s: DMA fault at IOVA 0x%llx (%s)", device,
		(unsigned long long)iova, write ? "write" : "read");
}

/* All that is opened or mapped, before the sandbox closes. */
static void session_open(struct session *session)
{
	const struct control_setup *setup = session->setup;
	int error = account_attach(
		SESSION_FD_ACCOUNT, SESSION_FD_LIMITS, setup->slot, &session->account);

	if (error < 0)
		setup_failed("account pages", error);
	close(SESSION_FD_ACCOUNT);
	close(SESSION_FD_LIMITS);
	if ((setup->backend == BACKEND_KERNEL) != (fcntl(SESSION_FD_IOMMU, F_GETFD) >= 0))
		setup_failed("fd 8 and the backend do not fit together", -EBADF);
	error = memfd_dev_learn(&session->memfd_dev);
	if (error < 0)
		setup_failed("memfd", error);
	session->base = event_base_new();
	if (!session->base)
		setup_failed("event base", -ENOMEM);
	error = backend_new((enum control_backend)setup->backend, SESSION_FD_IOMMU,
		setup->map_mask_bits & 1, session->base, &session->backend);
	if (error < 0)
		setup_failed("backend", error);
	backend_fault_handler_set(session->backend, on_dma_fault, session);
}

static uint32_t session_shut(void)
{
	uint32_t landlock_abi = 0;
	int error = sandbox_landlock(&landlock_abi);

	if (error < 0)
		setup_failed("Landlock", error);
	error = sandbox_seccomp(SESSION_FD_FILTER);
	if (error < 0)
		setup_failed("seccomp", error);
	close(SESSION_FD_FILTER);
	return landlock_abi;
}

static void session_end(struct session *session, const char *reason, int error)
{
	const struct session_counts *counts = &session->counts;

	session_audit(session, AUDIT_END, error,
		"%s; packets %llu, denied %llu, bad input %llu, DMA faults %llu", reason,
		(unsigned long long)counts->packets, (unsigned long long)counts->denied,
		(unsigned long long)counts->bad_input, (unsigned long long)counts->dma_faults);
}

static void session_serve(struct session *session, struct dispatcher *dispatcher, struct loop *loop)
{
	const char *reason;
	int error = loop_run(loop);

	if (error < 0)
		session_broken(session, "the event loop failed: %s", strerror(-error));
	reason = loop_end_reason(loop, &error);
	loop_free(loop);
	dispatcher_free(dispatcher); /* tears the graph down, lowest objects first */
	backend_free(session->backend);
	session_end(session, reason, error);
	account_detach(&session->account);
	event_base_free(session->base);
	supervisor_client_free(session->supervisor);
}

int main(int argc, char **argv)
{
	static struct control_setup setup;
	struct session session = {.setup = &setup, .phase = PHASE_HELLO};
	struct dispatcher *dispatcher = NULL;
	struct loop *loop = NULL;
	const char *why = "no SETUP";
	uint32_t landlock_abi;
	int error;

	if (argc == 2 && strcmp(argv[1], ADMIN_ROLE) == 0)
		admin_main();
	if (argc != 1) {
		(void)fprintf(stderr, "%s: takes no argument; iommu-brokerd starts it\n", argv[0]);
		return SESSION_EXIT_SETUP;
	}
	fds_check();
	(void)signal(SIGPIPE, SIG_IGN);
	error = sandbox_begin();
	if (error < 0)
		setup_failed("sandbox", error);
	error = supervisor_setup_read(SESSION_FD_CONTROL, SETUP_MS, &setup, &why);
	if (error < 0)
		setup_failed(why, error);
	session_open(&session);
	error = supervisor_client_new(
		&session, SESSION_FD_CONTROL, SUPERVISOR_CALL_MS, &session.supervisor);
	if (error == 0)
		error = dispatcher_new(&session, &dispatcher);
	if (error == 0)
		error = loop_new(&session, dispatcher, SESSION_FD_CLIENT, &loop);
	if (error < 0)
		setup_failed("memory", error);
	landlock_abi = session_shut();
	(void)supervisor_ready(session.supervisor, landlock_abi);
	session_serve(&session, dispatcher, loop);
	return 0;
}
