/* SPDX-License-Identifier: MIT */
/* What /proc says of the supervisor and of a live session: exactly the power, the fds and the limits that were meant. */
#include "tests/unit/supervisor/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/account.h"
#include "broker/supervisor/caps.h"

static struct broker broker;

static int setup(void **state)
{
	(void)state;
	broker_start(&broker, policy_two_tenants, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (broker.pid)
		assert_int_equal(broker_stop(&broker), 0);
	broker_remove(&broker);
	return 0;
}

/* The rest of the line of /proc/PID/status that begins with key. */
static void status_line(pid_t pid, const char *key, char *value, size_t bytes)
{
	char path[64], line[512];
	bool found = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':';
	(void)fclose(file);
	assert_true(found);
	(void)snprintf(
		value, bytes, "%s", line + strlen(key) + 1 + strspn(line + strlen(key) + 1, "\t "));
	value[strcspn(value, "\n")] = '\0';
}

static uint64_t status_hex(pid_t pid, const char *key)
{
	char value[512];

	status_line(pid, key, value, sizeof(value));
	return strtoull(value, NULL, 16);
}

static void the_supervisor_has_the_capabilities_of_the_list(void **state)
{
	uint64_t mask = geteuid() == 0 ? caps_mask() : 0;

	(void)state;
	assert_int_equal(status_hex(broker.pid, "CapEff"), mask);
	assert_int_equal(status_hex(broker.pid, "CapPrm"), mask);
	assert_int_equal(status_hex(broker.pid, "CapInh"), 0);
	assert_int_equal(status_hex(broker.pid, "CapAmb"), 0);
	if (geteuid() == 0)
		assert_int_equal(status_hex(broker.pid, "CapBnd"), mask);
}

/* CONTRIBUTING.md names each of them, so that the list cannot grow unseen. */
static void the_list_has_a_reason_for_each(void **state)
{
	const struct cap_kept *kept;
	uint64_t mask = 0;
	size_t n;

	(void)state;
	kept = caps_kept(&n);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(kept[i].name);
		assert_true(strlen(kept[i].why) > 10);
		assert_false(mask & UINT64_C(1) << kept[i].capability);
		mask |= UINT64_C(1) << kept[i].capability;
	}
	assert_int_equal(mask, caps_mask());
}

static void a_session_has_no_power_at_all(void **state)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
	int alpha = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	pid_t a = session_pid(alpha), b = session_pid(beta);
	char of_a[128], of_b[128];

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		assert_int_equal(status_hex(a, sets[i]), 0);
	assert_int_equal(status_hex(a, "NoNewPrivs"), 1);
	assert_int_equal(status_hex(a, "SigBlk"), 0);
	assert_int_equal(status_hex(a, "SigIgn"), 0);
	status_line(a, "Uid", of_a, sizeof(of_a));
	status_line(b, "Uid", of_b, sizeof(of_b));
	if (geteuid() == 0) {
		unsigned int uids[4], first;

		assert_int_equal(status_hex(a, "CapBnd"), 0);
		assert_int_equal(
			sscanf(of_a, "%u %u %u %u", &uids[0], &uids[1], &uids[2], &uids[3]), 4);
		for (int i = 0; i < 4; i++)
			assert_int_equal(uids[i], uids[0]);
		assert_int_not_equal(uids[0], 0);
		assert_int_equal(sscanf(of_b, "%u", &first), 1);
		assert_int_not_equal(uids[0], first);
		status_line(a, "Gid", of_b, sizeof(of_b));
		assert_string_equal(of_a, of_b);
		status_line(a, "Groups", of_a, sizeof(of_a));
		assert_string_equal(of_a, "");
	}
	assert_int_equal(getsid(a), a);
	assert_int_equal(getpgid(a), a);
	close(alpha);
	close(beta);
}

static void a_session_has_exactly_the_fds_listed(void **state)
{
	static const char *const targets[] = {"/dev/null", "/dev/null", "/dev/null",
		"socket:", "socket:", "/memfd:iommu-broker-account", "/memfd:iommu-broker-limits",
		"/memfd:"};
	int alpha = session_begin(&broker, "alpha.sock");
	char text[8192], *line, *rest = text;
	int expected = 0;

	(void)state;
	(void)session_fds(alpha, text, sizeof(text));
	while ((line = strsep(&rest, "\n")) && *line) {
		char target[512];
		int fd;

		assert_int_equal(sscanf(line, "%d %511s", &fd, target), 2);
		assert_int_equal(fd, expected);
		assert_true(expected < SESSION_FD_IOMMU);
		assert_int_equal(strncmp(target, targets[fd], strlen(targets[fd])), 0);
		expected++;
	}
	assert_int_equal(expected, SESSION_FD_IOMMU);
	close(alpha);
}

/* Hard limit by its name in /proc/PID/limits; the soft one must be the same. "unlimited" is UINT64_MAX. */
static uint64_t limit_of(pid_t pid, const char *name)
{
	char path[64], line[256], soft[32], hard[32];
	bool found = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, name, strlen(name)) == 0 &&
			sscanf(line + strlen(name), "%31s %31s", soft, hard) == 2;
	(void)fclose(file);
	assert_true(found);
	assert_string_equal(soft, hard);
	return strcmp(hard, "unlimited") == 0 ? UINT64_MAX : strtoull(hard, NULL, 10);
}

static void a_session_has_the_tenants_limits(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	pid_t pid = session_pid(alpha);
	const uint64_t locked = 48 << 20;

	(void)state;
	/* An ordinary user may have been given less than the policy says. */
	assert_true(limit_of(pid, "Max locked memory") <= locked);
	assert_int_equal(limit_of(pid, "Max core file size"), 0);
	assert_true(IOMMUB_SANITIZE || limit_of(pid, "Max processes") == 0);
	assert_true(limit_of(pid, "Max open files") >= 512);
	assert_int_not_equal(limit_of(pid, "Max file size"), 0);
	close(alpha);
}

/* With a limit so low that every host lets us have it: the one above may be cut by our own. */
static void a_session_may_lock_what_its_tenant_may(void **state)
{
	static const char policy[] = "version: 1\n"
				     "host: { locked_memory: 64MiB }\n"
				     "sockets: [ { name: main, path: main.sock } ]\n"
				     "tenants:\n"
				     "  - name: alpha\n"
				     "    match: { socket: main }\n"
				     "    limits: { locked_memory: 32KiB }\n";
	struct broker own;
	int alpha;

	(void)state;
	broker_start(&own, policy, NULL);
	alpha = session_begin(&own, "main.sock");
	assert_int_equal(limit_of(session_pid(alpha), "Max locked memory"), 32 << 10);
	close(alpha);
	assert_int_equal(broker_stop(&own), 0);
	broker_remove(&own);
}

static void a_session_has_no_environment_and_no_directory_of_ours(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	char path[64], text[512];
	ssize_t n;
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)session_pid(alpha));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		assert_int_equal(read(fd, text, sizeof(text)), 0);
		close(fd);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", (int)session_pid(alpha));
	n = readlink(path, text, sizeof(text) - 1);
	if (n >= 0) {
		text[n] = '\0';
		assert_string_equal(text, "/");
	}
	close(alpha);
}

static void setup_says_what_the_policy_says(void **state)
{
	int beta = client_connect(&broker, "t/beta/beta.sock");
	union control_message message;

	(void)state;
	assert_int_equal(session_hears(beta, &message, NULL), CONTROL_SETUP);
	assert_string_equal(message.setup.tenant, "beta");
	assert_int_equal(message.setup.backend, BACKEND_MODEL);
	assert_int_equal(message.setup.slot, 0);
	assert_true(message.setup.session > 0);
	assert_int_equal(message.setup.windows_count, 1);
	assert_true(message.setup.windows[0].last == UINT64_MAX);
	assert_int_equal(message.setup.memory_kinds, MEMORY_KIND_MEMFD | MEMORY_KIND_HUGETLB);
	assert_non_null(strstr(message.setup.rule_limits, "tenants.beta"));
	close(beta);
}

static void memory_is_lent_in_chunks_and_comes_back(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int beta = session_begin(&broker, "t/beta/beta.sock");
	union control_message message;
	const uint64_t mib = 1 << 20;
	int pidfd = pidfd_open(session_pid(alpha), 0);

	(void)state;
	memset(&message, 0, sizeof(message));
	message.lend.bytes = 47 * mib + 1;
	session_asks(alpha, &message, CONTROL_LEND, 1);
	assert_int_equal(session_hears(alpha, &message, NULL), CONTROL_LENT);
	assert_int_equal(message.lent.lent_bytes, 48 * mib);
	assert_int_equal(message.lent.host_limit_bytes, 64 * mib);

	memset(&message, 0, sizeof(message));
	message.lend.bytes = 16 * mib + 1;
	session_asks(beta, &message, CONTROL_LEND, 2);
	assert_int_equal(session_hears(beta, &message, NULL), CONTROL_LENT);
	assert_int_equal(message.lent.lent_bytes, 0);
	assert_int_equal(message.lent.host_used_bytes, 48 * mib);

	/* The end of alpha's last session gives it back, once it has been reaped. */
	close(alpha);
	process_await_end(pidfd);
	close(pidfd);
	do {
		memset(&message, 0, sizeof(message));
		message.lend.bytes = 16 * mib + 1;
		session_asks(beta, &message, CONTROL_LEND, 3);
		assert_int_equal(session_hears(beta, &message, NULL), CONTROL_LENT);
	} while (message.lent.host_used_bytes >= 48 * mib);
	assert_int_equal(message.lent.lent_bytes, 17 * mib);
	close(beta);
}

static void sessions_outlive_a_killed_supervisor_and_another_takes_over(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock"), again;
	pid_t pid = session_pid(alpha);
	int pidfd = pidfd_open(pid, 0);

	(void)state;
	broker_kill(&broker);
	assert_int_equal(session_pid(alpha), pid);
	assert_int_equal(broker_restart(&broker, NULL), -1);
	assert_int_equal(session_pid(alpha), pid);
	again = session_begin(&broker, "alpha.sock");
	assert_int_not_equal(session_pid(again), pid);
	close(again);
	close(alpha);
	process_await_end(pidfd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pidfd);
}

static void a_second_supervisor_is_refused(void **state)
{
	struct broker second = broker;

	(void)state;
	assert_int_equal(broker_restart(&second, NULL), 1);
	close(session_begin(&broker, "alpha.sock"));
}

static void sigterm_ends_sessions_and_removes_the_sockets(void **state)
{
	int alpha = session_begin(&broker, "alpha.sock");
	int pidfd = pidfd_open(session_pid(alpha), 0);

	(void)state;
	assert_int_equal(broker_stop(&broker), 0);
	process_await_end(pidfd);
	close(pidfd);
	assert_ended(alpha);
	close(alpha);
	assert_int_equal(client_connect(&broker, "alpha.sock"), -ENOENT);
	assert_logged(&broker, "nothing is left over");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_supervisor_has_the_capabilities_of_the_list),
		cmocka_unit_test(the_list_has_a_reason_for_each),
		TEST(a_session_has_no_power_at_all),
		TEST(a_session_has_exactly_the_fds_listed),
		TEST(a_session_has_the_tenants_limits),
		cmocka_unit_test(a_session_may_lock_what_its_tenant_may),
		TEST(a_session_has_no_environment_and_no_directory_of_ours),
		TEST(setup_says_what_the_policy_says),
		TEST(memory_is_lent_in_chunks_and_comes_back),
		TEST(sessions_outlive_a_killed_supervisor_and_another_takes_over),
		TEST(a_second_supervisor_is_refused),
		TEST(sigterm_ends_sessions_and_removes_the_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
