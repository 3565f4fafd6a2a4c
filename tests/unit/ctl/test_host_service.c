/* SPDX-License-Identifier: MIT */
/* cgroups, what sandboxes are made of, and the limit of locked memory. */
#include "tests/unit/ctl/tree.h"

#define SERVICE_CONTROLLERS "sys/fs/cgroup/system.slice/iommu-brokerd.service/cgroup.controllers"

static void cgroup_ready(void **state)
{
	(void)state;
	file_make("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
	host_check_cgroup(&host);
	found_only(FINDING_OK, "v2, with the memory and pids controllers");
	found_clear();
	file_make(SERVICE_CONTROLLERS, "memory pids\n");
	host_check_cgroup(&host);
	found_has(FINDING_OK, "the service was given memory and pids");
}

static void cgroup_not_ready(void **state)
{
	(void)state;
	host_check_cgroup(&host);
	found_only(FINDING_FIX, "not cgroup v2");
	found_clear();
	file_make("sys/fs/cgroup/cgroup.controllers", "cpu memory_x pids\n");
	host_check_cgroup(&host);
	found_only(FINDING_FIX, "no memory controller");
	found_clear();
	file_make("sys/fs/cgroup/cgroup.controllers", "memory\n");
	host_check_cgroup(&host);
	found_only(FINDING_FIX, "no pids controller");
}

static void cgroup_not_given(void **state)
{
	(void)state;
	file_make("sys/fs/cgroup/cgroup.controllers", "memory pids\n");
	file_make(SERVICE_CONTROLLERS, "pids\n");
	host_check_cgroup(&host);
	found_has(FINDING_FIX, "the service was not given the memory controller");
}

static void sandbox_ready(void **state)
{
	const struct host_probes probes = {
		.landlock = 4, .seccomp = 1, .pidfd = 1, .peer_pidfd = 1};

	(void)state;
	host_check_sandbox(&host, &probes);
	found_has(FINDING_OK, "seccomp filters");
	found_has(FINDING_OK, "Landlock, ABI 4");
	found_has(FINDING_OK, "pidfds");
	found_has(FINDING_OK, "SO_PEERPIDFD");
}

static void sandbox_not_ready(void **state)
{
	const struct host_probes nothing = {0}, unasked = HOST_PROBES_NONE;

	(void)state;
	host_check_sandbox(&host, &nothing);
	found_has(FINDING_FIX, "no seccomp filters");
	found_has(FINDING_WARN, "no Landlock");
	found_has(FINDING_FIX, "no pidfds");
	found_has(FINDING_WARN, "no pidfd of a socket's peer");
	found_clear();
	host_check_sandbox(&host, &unasked);
	found_only(FINDING_WARN, "not asked");
}

static void limits_make(const char *soft, const char *hard)
{
	char text[512];

	file_make("proc/1/comm", "init\n");
	file_make("proc/77/comm", "iommu-brokerd\n");
	(void)snprintf(text, sizeof(text),
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max processes             100                  200                  processes \n"
		"Max locked memory         %-20s %-20s bytes     \n",
		soft, hard);
	file_make("proc/77/limits", text);
}

static void memlock_of_the_daemon(void **state)
{
	(void)state;
	limits_make("8388608", "unlimited");
	host_check_memlock(&host);
	found_only(FINDING_OK, "the running iommu-brokerd sets no limit");
	found_clear();
	limits_make("unlimited", "8388608");
	host_check_memlock(&host);
	found_only(FINDING_WARN, "holds every tenant to 8388608 bytes of locked memory");
	found_clear();
	file_make("proc/77/limits", "Max processes 1 2\n");
	host_check_memlock(&host);
	found_only(FINDING_WARN, "was not seen");
}

static void memlock_of_the_unit(void **state)
{
	(void)state;
	host_check_memlock(&host);
	found_only(FINDING_WARN, "neither is iommu-brokerd running");
	found_clear();
	file_make("usr/lib/systemd/system/iommu-brokerd.service",
		"[Service]\nLimitMEMLOCK=infinity\n");
	host_check_memlock(&host);
	found_only(FINDING_OK, "the installed unit sets no limit");
	found_clear();
	/* An administrator's own comes first. */
	file_make("etc/systemd/system/iommu-brokerd.service", "[Service]\nLimitMEMLOCK=64M\n");
	host_check_memlock(&host);
	found_only(FINDING_WARN, "holds every tenant to 64M");
	found_clear();
	file_make("etc/systemd/system/iommu-brokerd.service", "[Service]\nType=notify\n");
	host_check_memlock(&host);
	found_only(FINDING_WARN, "holds every tenant to the default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(cgroup_ready),
		TREE_TEST(cgroup_not_ready),
		TREE_TEST(cgroup_not_given),
		TREE_TEST(sandbox_ready),
		TREE_TEST(sandbox_not_ready),
		TREE_TEST(memlock_of_the_daemon),
		TREE_TEST(memlock_of_the_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
