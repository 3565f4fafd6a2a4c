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
			/* 32 MiB, unless this user's own hard limit is lower already. */
			assert_true(strtoull(hard, NULL, 10) <= 32u << 20);
			if (is_root())
				assert_int_equal(strtoull(hard, NULL, 10), 32u << 20);
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

/* Exactly the fds listed in broker/common/control.h, plus what it made for its own event loop. */
static void session_has_only_the_fds_listed(void **state)
{
	struct scene scene;
	char target[256];
	unsigned int sockets = 0, others = 0;
	pid_t session;

	(void)state;
	if (!is_root())
		skip(); /* an undumpable process hides them from everybody else */
	scene_open(&scene, NULL);
	session = scene.sessions[0];
	for (int fd = 0; fd < 3; fd++) {
		proc_fd_target(session, fd, target, sizeof(target));
		assert_string_equal(target, "/dev/null");
	}
	for (int fd = 3; fd < 64; fd++) {
		proc_fd_target(session, fd, target, sizeof(target));
		if (target[0] == '\0')
			continue;
		if (strncmp(target, "socket:", 7) == 0)
			sockets++;
		else if (strncmp(target, "anon_inode:", 11) != 0 &&
			 strncmp(target, "/memfd:", 7) != 0 &&
			 strncmp(target, "pipe:", 5) != 0) /* libevent's own, for signals */
			others++, fprintf(stderr, "fd %d is %s\n", fd, target);
	}
	/* The client and the supervisor; the witness has no device. */
	assert_int_equal(sockets, 2);
	assert_int_equal(others, 0);
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
