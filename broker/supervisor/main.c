/* SPDX-License-Identifier: MIT */
/*
 * iommu-brokerd. What is done in which order, and why:
 *
 *   policy, uids, programs, host       what can be wrong is found before anything is touched
 *   run directory's lock               from here on we are the only one
 *   sockets                            made with root's power, which then goes (caps.c)
 *   filter, ledger, devices            their first reset runs in helpers
 *   ready                              when no device is in its first reset any more; only then is anybody accepted
 *
 * The end: SIGTERM, SIGINT or SIGHUP stop the sockets, kill sessions and helpers, and wait until each is reaped. The exit code is
 * 0 only if then nothing is left over. SIGKILL ends nothing but this process: sessions go on, and a new supervisor
 * starts with fresh sockets, an empty table and (on the model) fresh devices; it neither knows nor touches them.
 */
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "broker/common/filter.h"
#include "broker/supervisor/caps.h"
#include "broker/supervisor/cgroup.h"
#include "broker/supervisor/device_life.h"
#include "broker/supervisor/host_guard.h"
#include "broker/supervisor/rundir.h"
#include "broker/supervisor/spawn.h"
#include "broker/supervisor/supervisor.h"
#include "broker/supervisor/uid_range.h"

#define STOP_MS 10000 /* SIGKILL to reaped: what takes longer is stuck in the kernel */

uint64_t supervisor_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "iommu-brokerd: %s: %s\n", what, why);
	return -1;
}

/* ---- the start -------------------------------------------------------------------------------------------------- */

static int policy_open(struct supervisor *supervisor)
{
	struct policy_error error;

	if (policy_load(supervisor->options.policy_path, &supervisor->policy, &error)) {
		fprintf(stderr, "iommu-brokerd: %s\n", error.text);
		return -1;
	}
	supervisor->pool = (struct pool){
		.total_bytes = supervisor->policy->host.locked_memory_bytes,
		.chunk_bytes = supervisor->policy->host.lend_chunk_bytes
				       ? supervisor->policy->host.lend_chunk_bytes
				       : 1,
	};
	return tenants_open(supervisor->policy, &supervisor->tenants)
		       ? complain("tenants", "out of memory")
		       : 0;
}

static int uids_assign(struct supervisor *supervisor)
{
	struct uid_range range = {.first = supervisor->policy->host.session_uid_first,
		.count = supervisor->policy->host.session_uid_count};
	/* One more: administrators' processes. */
	size_t n = supervisor->tenants.count + 1;
	char error[UID_RANGE_ERROR_MAX] = "out of memory";
	uid_t *uids;
	int result;

	if (!supervisor->switch_uid)
		return 0;
	uids = calloc(n, sizeof(*uids));
	result = uids ? uid_range_assign(&range, &uid_sources_host, n, uids, error) : -ENOMEM;
	for (size_t i = 0; !result && i < n - 1; i++)
		supervisor->tenants.all[i].uid = uids[i];
	if (!result)
		supervisor->admins.uid = uids[n - 1];
	free(uids);
	return result ? complain("session_uids", error) : 0;
}

static int programs_find(struct supervisor *supervisor)
{
	const char *missing = "";
	int error = programs_open(supervisor->options.libexec_dir, &supervisor->programs, &missing);

	return error ? complain(missing, strerrordesc_np(-error)) : 0;
}

static int host_look(struct supervisor *supervisor)
{
	struct host_guard_error error;

	if (supervisor->options.backend != BACKEND_KERNEL)
		return 0;
	return host_guard_start("/", &supervisor->policy->host, &error)
		       ? complain("this host", error.text)
		       : 0;
}

static int cgroups_open(struct supervisor *supervisor)
{
	const char *dir = supervisor->options.cgroup_dir;
	int partial = 0, dir_fd, error = 0;
	char own[PATH_MAX];

	if (!dir) {
		audit_say(supervisor->audit, AUDIT_INFO, "cgroup.none",
			"no --cgroup: memory.max and pids.max of the policy are not enforced");
		return 0;
	}
	if (strcmp(dir, "own") == 0) {
		error = cgroup_own(own, sizeof(own));
		if (error)
			return complain("--cgroup own",
				error == -EPERM
					? "we were started in the root cgroup, which is nobody's"
					: strerrordesc_np(-error));
		dir = own;
	}
	dir_fd = cgroup_open(dir, &partial);
	if (dir_fd < 0)
		return complain(dir, strerrordesc_np(-dir_fd));
	if (partial)
		audit_say(supervisor->audit, AUDIT_WARNING, "cgroup.partial",
			"%s: the memory or the pids controller is not to be had", dir);
	for (size_t i = 0; !error && i < supervisor->tenants.count; i++) {
		struct tenant *tenant = &supervisor->tenants.all[i];

		tenant->cgroup_procs_fd = cgroup_tenant_open(dir_fd, tenant->policy->name,
			tenant->policy->memory_max_bytes, tenant->policy->pids_max,
			&tenant->cgroup_events_fd);
		if (tenant->cgroup_procs_fd < 0)
			error = complain(
				tenant->policy->name, "its cgroup cannot be made with its limits");
		tenant->oom_kills = cgroup_oom_kills(tenant->cgroup_events_fd);
	}
	close(dir_fd);
	return error;
}

static int sandbox_prepare(struct supervisor *supervisor)
{
	const struct session_filter_opts filter = {
		.backend = supervisor->options.backend, .debug = supervisor->options.debug};
	int error = session_filter_compile(&filter, &supervisor->filter_fd);

	if (error)
		return complain("seccomp filter", strerrordesc_np(-error));
	if (supervisor->switch_uid && caps_reduce())
		return complain("capabilities", "cannot be reduced");
	return 0;
}

static int devices_find(struct supervisor *supervisor)
{
	bool model = supervisor->options.backend == BACKEND_MODEL;
	int result;

	supervisor->dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (supervisor->dev_fd < 0)
		return complain("/dev", strerror(errno));
	result = model ? inventory_open_model(supervisor->options.model_devices, supervisor,
				 &supervisor->inventory)
		       : inventory_open_sysfs("/", supervisor, &supervisor->inventory);
	return result ? complain("devices", strerrordesc_np(-result)) : 0;
}

static const char *lock_error_text(int error)
{
	if (error == -EBUSY)
		return "another iommu-brokerd runs there";
	if (error == -EPERM)
		return "others own it or may write there, and could replace its sockets";
	return strerrordesc_np(-error);
}

static int supervisor_open(struct supervisor *supervisor, int *ret_lock_fd)
{
	char error[LISTEN_ERROR_MAX] = "out of memory";

	*ret_lock_fd = rundir_lock(supervisor->options.run_dir);
	if (*ret_lock_fd < 0)
		return complain(supervisor->options.run_dir, lock_error_text(*ret_lock_fd));
	spawn_limits_raise();
	if (cgroups_open(supervisor))
		return -1;
	if (listeners_open(supervisor, error))
		return complain(supervisor->options.run_dir, error);
	if (sandbox_prepare(supervisor) || devices_find(supervisor))
		return -1;
	return 0;
}

/* ---- phases ----------------------------------------------------------------------------------------------------- */

static void ready_say(struct supervisor *supervisor)
{
	static const char ready[] = "ready\n";
	int fd = supervisor->options.ready_fd;

	audit_say(supervisor->audit, AUDIT_NOTICE, "ready", "%zu tenants, %zu devices, %s backend",
		supervisor->tenants.count, supervisor->inventory.count,
		supervisor->options.backend == BACKEND_MODEL ? "model" : "kernel");
	audit_flush(supervisor->audit);
	(void)sd_notify(0, "READY=1");
	if (fd < 0)
		return;
	if (write(fd, ready, sizeof(ready) - 1) < 0)
		audit_say(
			supervisor->audit, AUDIT_WARNING, "ready", "--ready-fd cannot be written");
	close(fd);
	supervisor->options.ready_fd = -1;
}

void supervisor_progress(struct supervisor *supervisor)
{
	if (supervisor->stopping) {
		if (supervisor->sessions.count == 0 && supervisor->admins.count == 0 &&
			supervisor->helpers.running_count == 0)
			(void)event_base_loopbreak(supervisor->base);
		return;
	}
	if (supervisor->serving || !devices_settled(supervisor))
		return;
	supervisor->serving = true;
	if (listeners_start(supervisor)) {
		audit_say(supervisor->audit, AUDIT_ERROR, "listen.failed", "out of memory");
		(void)event_base_loopbreak(supervisor->base);
		return;
	}
	ready_say(supervisor);
}

static void on_stop_deadline(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	(void)event_base_loopbreak(((struct supervisor *)arg)->base);
}

static void on_signal(evutil_socket_t fd, short events, void *arg)
{
	const struct timeval deadline = timeval_of_ms(STOP_MS);
	struct supervisor *supervisor = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(fd, &info, sizeof(info)) != sizeof(info) || supervisor->stopping)
		return;
	supervisor->stopping = true;
	(void)sd_notify(0, "STOPPING=1");
	audit_say(supervisor->audit, AUDIT_NOTICE, "stopping", "%s",
		sigabbrev_np((int)info.ssi_signo));
	listeners_close(supervisor);
	helper_tasks_stop_work(&supervisor->helpers);
	devices_stop(supervisor);
	sessions_kill_all(supervisor, "the broker ends");
	admins_kill_all(supervisor);
	(void)event_base_once(
		supervisor->base, -1, EV_TIMEOUT, on_stop_deadline, supervisor, &deadline);
	supervisor_progress(supervisor);
}

/* What must be gone when all sessions are: a number that is not zero is a bug, and is said. */
static uint64_t leftovers(const struct supervisor *supervisor)
{
	uint64_t slots = 0, leases = 0;

	for (size_t i = 0; i < supervisor->tenants.count; i++)
		slots += supervisor->tenants.all[i].slots_count;
	for (size_t i = 0; i < supervisor->inventory.count; i++)
		leases += supervisor->inventory.devices[i].lease.state == DEVICE_STATE_GRANTED;
	if (supervisor->sessions.count || slots || leases || supervisor->pool.lent_bytes)
		audit_say(supervisor->audit, AUDIT_ERROR, "left-over",
			"%llu sessions, %llu ledger slots, %llu leases, %llu bytes lent",
			(unsigned long long)supervisor->sessions.count, (unsigned long long)slots,
			(unsigned long long)leases,
			(unsigned long long)supervisor->pool.lent_bytes);
	return supervisor->sessions.count + slots + leases + supervisor->pool.lent_bytes;
}

static int supervisor_run(struct supervisor *supervisor, int signal_fd)
{
	struct event *signals =
		event_new(supervisor->base, signal_fd, EV_READ | EV_PERSIST, on_signal, supervisor);

	if (!signals || event_add(signals, NULL))
		return complain("events", "out of memory");
	foreigners_find(supervisor, "/proc");
	devices_start(supervisor);
	supervisor_progress(supervisor);
	(void)event_base_dispatch(supervisor->base);
	event_free(signals);
	foreigners_forget(supervisor);
	if (!supervisor->stopping || leftovers(supervisor))
		return -1;
	audit_say(supervisor->audit, AUDIT_NOTICE, "stopped", "nothing is left over");
	return 0;
}

/* ---- main ------------------------------------------------------------------------------------------------------- */

static int signals_block(void)
{
	sigset_t stop;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGHUP); /* its default would end us with the sockets left behind */
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	return signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Sessions and helpers that are still there belong to nobody now: this process ends, they are killed or go on alone. */
static void supervisor_close(struct supervisor *supervisor)
{
	listeners_close(supervisor);
	inventory_close(&supervisor->inventory);
	tenants_close(&supervisor->tenants);
	policy_free(supervisor->policy);
	programs_close(&supervisor->programs);
	if (supervisor->filter_fd >= 0)
		close(supervisor->filter_fd);
	if (supervisor->dev_fd >= 0)
		close(supervisor->dev_fd);
	audit_close(supervisor->audit);
	if (supervisor->base)
		event_base_free(supervisor->base);
}

/* Started without standard fds, the next file opened would become one, and be written to. */
static int stdio_ensure(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int supervisor_main(struct supervisor *supervisor)
{
	int signal_fd = signals_block(), lock_fd = -1, result;

	if (signal_fd < 0)
		return complain("signals", strerror(errno));
	supervisor->base = event_base_new();
	if (!supervisor->base)
		return complain("events", "out of memory");
	result = audit_open(supervisor->base, supervisor->options.log_path, &supervisor->audit);
	if (result)
		return complain(supervisor->options.log_path ? supervisor->options.log_path : "log",
			strerrordesc_np(-result));
	result = supervisor_open(supervisor, &lock_fd);
	if (!result)
		result = supervisor_run(supervisor, signal_fd);
	close(signal_fd);
	/* Last of all, with the sockets gone, another may take our place. */
	listeners_close(supervisor);
	if (lock_fd >= 0)
		close(lock_fd);
	return result;
}

int main(int argc, char **argv)
{
	struct supervisor supervisor = {
		.filter_fd = -1, .dev_fd = -1, .programs = {.session_fd = -1, .helper_fd = -1}};
	int result = -1;

	if (stdio_ensure())
		return EXIT_FAILURE;
	switch (options_parse(argc, argv, &supervisor.options)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	supervisor.switch_uid = geteuid() == 0;
	LIST_INIT(&supervisor.sessions.all);
	LIST_INIT(&supervisor.admins.all);
	LIST_INIT(&supervisor.foreigners.all);
	helper_tasks_init(&supervisor.helpers, &supervisor);
	if (policy_open(&supervisor) == 0 && uids_assign(&supervisor) == 0 &&
		programs_find(&supervisor) == 0 && host_look(&supervisor) == 0) {
		if (supervisor.options.check)
			result = printf("%s: ok\n", supervisor.options.policy_path) < 0 ? -1 : 0;
		else
			result = supervisor_main(&supervisor);
	}
	supervisor_close(&supervisor);
	return result ? EXIT_FAILURE : EXIT_SUCCESS;
}
