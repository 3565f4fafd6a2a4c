/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a live supervisor and a live session: DESIGN section 2, line by line.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/proc.h"
#include "tests/harness/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_root(void)
{
	return geteuid() == 0;
}

static void session_has_no_rights(void **state)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
	struct scene scene;
	char text[256], expected[256];
	pid_t session;

	(void)state;
	scene_open(&scene, NULL);
	session = scene.sessions[0];
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		assert_int_equal(proc_status_number(session, sets[i], 16), 0);
	assert_int_equal(proc_status_number(session, "NoNewPrivs", 10), 1);
	assert_int_equal(proc_status_number(session, "Seccomp", 10), 2);
	assert_int_equal(proc_status_number(session, "Threads", 10), 1);
	if (is_root()) {
		uint64_t uid = proc_status_number(session, "Uid", 10);
		uint64_t beta = proc_status_number(scene.sessions[1], "Uid", 10);

		assert_int_equal(proc_status_number(session, "CapBnd", 16), 0);
		assert_int_not_equal(uid, 0);
		assert_int_not_equal(beta, 0);
		assert_int_not_equal(uid, beta); /* tenants do not share one */
		proc_status(session, "Uid", text, sizeof(text));
		snprintf(expected, sizeof(expected), "%lu\t%lu\t%lu\t%lu", uid, uid, uid, uid);
		assert_string_equal(text, expected);
		proc_status(session, "Gid", text, sizeof(text));
		assert_int_not_equal(strtoul(text, NULL, 10), 0);
		snprintf(expected, sizeof(expected), "/proc/%d/status", (int)session);
	}
	scene_check(&scene, NULL);
	scene_close(&scene);
}

/* Two sessions of one tenant share a uid: the kernel's own accounting adds up by uid. */
static void sessions_of_a_tenant_share_a_uid(void **state)
{
	struct scene scene;
	struct wire *victim;

	(void)state;
	if (!is_root())
		skip();
	scene_open(&scene, NULL);
	victim = scene_victim(&scene);
	assert_int_equal(proc_status_number(harness_session_new(scene.sessions, 2), "Uid", 10),
		proc_status_number(scene.sessions[0], "Uid", 10));
	scene_check(&scene, victim);
	scene_close(&scene);
}

static uint64_t expected_memlock(void)
{
	bool may_raise =
		proc_status_number(getpid(), "CapEff", 16) >> 24 & 1; /* CAP_SYS_RESOURCE */
	struct rlimit own;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &own), 0);
	return may_raise || own.rlim_max > 32u << 20 ? 32u << 20 : own.rlim_max;
}

/* RLIMIT_MEMLOCK is the tenant's limit, hard = soft, and nothing gets a core dump. */
static void session_has_rlimits(void **state)
{
	struct scene scene;
	char path[64], line[256];
	bool memlock = false, core = false;
	FILE *file;

	(void)state;
	scene_open(&scene, NULL);
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)scene.sessions[0]);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		char soft[32], hard[32];

		if (sscanf(line, "Max locked memory %31s %31s", soft, hard) == 2) {
			memlock = true;
			assert_string_equal(soft, hard);
			/* 32 MiB, unless our own hard limit is lower and we may not raise it. */
			assert_int_equal(strtoull(hard, NULL, 10), expected_memlock());
		}
		if (sscanf(line, "Max core file size %31s %31s", soft, hard) == 2) {
			core = true;
			assert_string_equal(hard, "0");
		}
	}
	fclose(file);
	assert_true(memlock && core);
	scene_close(&scene);
}

/* What broker/session/main.c lists for a session that was given nothing yet, no more and no less. */
static void session_has_only_the_fds_listed(void **state)
{
	struct kind {
		const char *target; /* how its link in /proc/PID/fd begins */
		unsigned int expected, found;
	} kinds[] = {
		{"/dev/null", 3, 0}, {"socket:", 2, 0}, /* the client, the supervisor */
		{"anon_inode:[eventpoll]", 2,
			0}, /* the event loop, and what watches for the client's end */
		{"pipe:", 2, 0}, /* the event loop's own */
		{"anon_inode:[eventfd]", 1, 0}, /* the model's stand-in for /dev/iommu */
	};
	struct scene scene;
	char target[256];

	(void)state;
	if (!is_root())
		skip(); /* an undumpable process hides them from everybody else */
	scene_open(&scene, NULL);
	for (int fd = 0; fd < 1024; fd++) {
		bool known = false;

		proc_fd_target(scene.sessions[0], fd, target, sizeof(target));
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && target[0] != '\0'; i++)
			if (strncmp(target, kinds[i].target, strlen(kinds[i].target)) == 0) {
				kinds[i].found++;
				known = true;
			}
		if (target[0] != '\0' && !known)
			fail_msg("fd %d of a session is %s", fd, target);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].found != kinds[i].expected)
			fail_msg("a session has %u of %s", kinds[i].found, kinds[i].target);
	scene_close(&scene);
}

static void session_is_undumpable(void **state)
{
	struct scene scene;
	struct stat st;
	char path[64];

	(void)state;
	scene_open(&scene, NULL);
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)scene.sessions[0]);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0); /* whoever runs it */
	if (!is_root())
		assert_int_equal(access(path, R_OK), -1);
	scene_close(&scene);
}

static bool maps_contain(pid_t pid, const char *text)
{
	char path[64], line[512];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false; /* undumpable, and we are not root */
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, text) != NULL;
	fclose(file);
	return found;
}

static void supervisor_has_no_protobuf(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, NULL);
	scene_serves(scene.witness);
	assert_false(maps_contain(scene.broker->pid, "libprotobuf"));
	if (is_root())
		assert_true(maps_contain(scene.sessions[0], "libprotobuf"));
	scene_close(&scene);
}

/* The names in CONTRIBUTING.md between "capabilities:" markers, as a mask. */
static uint64_t documented_capabilities(void)
{
	static const char *const names[] = {"chown", "dac_override", "dac_read_search", "fowner",
		"fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
		"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock",
		"ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
		"sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config",
		"mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override",
		"mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon",
		"bpf", "checkpoint_restore"};
	char line[1024], name[64];
	uint64_t mask = 0;
	FILE *file = fopen(SOURCE_DIR "/CONTRIBUTING.md", "re");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "| `CAP_%63[A-Z_]`", name) != 1)
			continue;
		for (char *c = name; *c != '\0'; c++)
			*c = *c == '_' ? '_' : (char)(*c - 'A' + 'a');
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(names[i], name) == 0)
				mask |= UINT64_C(1) << i;
	}
	fclose(file);
	return mask;
}

static void supervisor_keeps_what_is_documented(void **state)
{
	struct scene scene;
	uint64_t documented = documented_capabilities(),
		 ours = proc_status_number(getpid(), "CapEff", 16);

	(void)state;
	assert_int_not_equal(documented, 0);
	scene_open(&scene, NULL);
	if (is_root()) {
		/* What this machine does not let root have (a container) it cannot keep. */
		assert_int_equal(
			proc_status_number(scene.broker->pid, "CapPrm", 16), documented & ours);
		assert_int_equal(
			proc_status_number(scene.broker->pid, "CapEff", 16), documented & ours);
	} else {
		assert_int_equal(proc_status_number(scene.broker->pid, "CapPrm", 16), 0);
	}
	assert_int_equal(proc_status_number(scene.broker->pid, "CapInh", 16), 0);
	assert_int_equal(proc_status_number(scene.broker->pid, "CapAmb", 16), 0);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(session_has_no_rights, harness_teardown),
		cmocka_unit_test_teardown(sessions_of_a_tenant_share_a_uid, harness_teardown),
		cmocka_unit_test_teardown(session_has_rlimits, harness_teardown),
		cmocka_unit_test_teardown(session_has_only_the_fds_listed, harness_teardown),
		cmocka_unit_test_teardown(session_is_undumpable, harness_teardown),
		cmocka_unit_test_teardown(supervisor_has_no_protobuf, harness_teardown),
		cmocka_unit_test_teardown(supervisor_keeps_what_is_documented, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
