/* SPDX-License-Identifier: MIT */
/* What holds the service's sessions: cgroups, the sandbox's parts, the limit of locked memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/host.h"

#define DAEMON "iommu-brokerd"

/* Which of memory and pids the list of controllers lacks, as a word; NULL: none. */
static const char *controller_missing(const char *controllers)
{
	if (!text_has_word(controllers, "memory"))
		return "memory";
	return text_has_word(controllers, "pids") ? NULL : "pids";
}

void host_check_cgroup(struct host *host)
{
	char text[HOST_TEXT_MAX];
	const char *missing;

	if (tree_read(host, "sys/fs/cgroup/cgroup.controllers", text)) {
		report_add(host->report, FINDING_FIX, "cgroup",
			"boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2 there",
			"/sys/fs/cgroup is not cgroup v2");
		return;
	}
	missing = controller_missing(text);
	if (missing) {
		report_add(host->report, FINDING_FIX, "cgroup",
			strcmp(missing, "memory") == 0 ? "boot with cgroup_enable=memory"
						       : "boot a kernel with CONFIG_CGROUP_PIDS",
			"cgroup v2 has no %s controller here", missing);
		return;
	}
	report_add(host->report, FINDING_OK, "cgroup", NULL,
		"v2, with the memory and pids controllers");
	if (tree_read(
		    host, "sys/fs/cgroup/system.slice/" DAEMON ".service/cgroup.controllers", text))
		return; /* the service does not run */
	missing = controller_missing(text);
	if (missing)
		report_add(host->report, FINDING_FIX, "cgroup",
			"Delegate=memory pids in the unit; then restart it",
			"the service was not given the %s controller", missing);
	else
		report_add(host->report, FINDING_OK, "cgroup", NULL,
			"the service was given memory and pids");
}

void host_check_sandbox(struct host *host, const struct host_probes *probes)
{
	struct host_report *report = host->report;

	if (probes->seccomp == HOST_NOT_PROBED) {
		report_add(report, FINDING_WARN, "sandbox", "run this on the host itself",
			"not asked what the kernel's sandboxes can do: only files were looked at");
		return;
	}
	if (probes->seccomp > 0)
		report_add(report, FINDING_OK, "sandbox", NULL, "seccomp filters");
	else
		report_add(report, FINDING_FIX, "sandbox",
			"boot a kernel with CONFIG_SECCOMP_FILTER; the broker does not start "
			"without",
			"no seccomp filters");
	if (probes->landlock > 0)
		report_add(
			report, FINDING_OK, "sandbox", NULL, "Landlock, ABI %d", probes->landlock);
	else
		report_add(report, FINDING_WARN, "sandbox",
			"boot with landlock among lsm=; a session's uid and seccomp filter hold "
			"without",
			"no Landlock");
	if (probes->pidfd > 0)
		report_add(report, FINDING_OK, "sandbox", NULL, "pidfds");
	else
		report_add(report, FINDING_FIX, "sandbox", "boot Linux 5.3 or later", "no pidfds");
	if (probes->peer_pidfd > 0)
		report_add(report, FINDING_OK, "sandbox", NULL, "a peer's pidfd (SO_PEERPIDFD)");
	else
		report_add(report, FINDING_WARN, "sandbox",
			"works: a peer is told by its pid, looked at twice; Linux 6.5 is exact",
			"no pidfd of a socket's peer (SO_PEERPIDFD)");
}

/* ---- locked memory ---------------------------------------------------------------------------------------------- */

/* The pid of the daemon, as text. 0 or -ENOENT. */
static int daemon_find(const struct host *host, char *pid, size_t bytes)
{
	char path[64], comm[HOST_TEXT_MAX];
	int result = -ENOENT;
	char **names;
	size_t n;

	if (tree_names(host, "proc", &names, &n))
		return result;
	for (size_t i = 0; i < n && result; i++) {
		if (names[i][0] < '0' || names[i][0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "proc/%.20s/comm", names[i]);
		if (tree_read(host, path, comm) || strcmp(comm, DAEMON) != 0)
			continue;
		(void)snprintf(pid, bytes, "%s", names[i]);
		result = 0;
	}
	tree_names_free(names, n);
	return result;
}

/* The hard limit of locked memory in the text of /proc/PID/limits, into `value`. 0 or -EINVAL. */
static int limits_read(const char *limits, char value[32])
{
	const char *line = strstr(limits, "Max locked memory");

	return line && sscanf(line, "Max locked memory %*31s %31s", value) == 1 ? 0 : -EINVAL;
}

/* LimitMEMLOCK of the installed unit, into `value`; "" if it has none. 0 or -ENOENT. */
static int unit_read(const struct host *host, char value[32])
{
	static const char *const dirs[] = {"etc/systemd/system", "usr/local/lib/systemd/system",
		"usr/lib/systemd/system", "lib/systemd/system"};
	char path[96], text[HOST_TEXT_MAX];
	const char *line;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/" DAEMON ".service", dirs[i]);
		if (tree_read(host, path, text))
			continue;
		value[0] = '\0';
		line = strstr(text, "\nLimitMEMLOCK=");
		if (line)
			(void)sscanf(line, "\nLimitMEMLOCK=%31s", value);
		return 0;
	}
	return -ENOENT;
}

void host_check_memlock(struct host *host)
{
	char pid[24], path[64], text[HOST_TEXT_MAX], value[32] = "";
	const char *whose = "the installed unit";

	if (daemon_find(host, pid, sizeof(pid)) == 0) {
		whose = "the running " DAEMON;
		(void)snprintf(path, sizeof(path), "proc/%s/limits", pid);
		if (tree_read(host, path, text) || limits_read(text, value)) {
			report_add(host->report, FINDING_WARN, "memlock", "run this as root",
				"the limit of %s was not seen", whose);
			return;
		}
	} else if (unit_read(host, value)) {
		report_add(host->report, FINDING_WARN, "memlock",
			"install the service; its unit says LimitMEMLOCK=infinity",
			"neither is " DAEMON " running nor its unit installed");
		return;
	}
	if (strcmp(value, "unlimited") == 0 || strcmp(value, "infinity") == 0)
		report_add(host->report, FINDING_OK, "memlock", NULL,
			"%s sets no limit of its own: each tenant's is its policy's", whose);
	else
		report_add(host->report, FINDING_WARN, "memlock",
			"LimitMEMLOCK=infinity in the unit", "%s holds every tenant to %s%s", whose,
			value[0] ? value : "the default",
			value[0] >= '0' && value[0] <= '9' ? " bytes of locked memory" : "");
}
