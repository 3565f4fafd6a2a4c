/* SPDX-License-Identifier: MIT */
#include "tests/harness/cmocka.h"
#include "tests/harness/broker.h"
#include "tests/harness/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKERS_MAX 4
#define PROCESSES_MAX 256

static struct harness_broker *brokers[BROKERS_MAX]; /* those that teardown would have to end */

const char harness_policy_sockets[] = "version: 1\n"
				      "host:\n"
				      "  locked_memory: 64MiB\n"
				      "  lend_chunk: 1MiB\n"
				      "  session_uids: @session_uids@\n"
				      "sockets:\n"
				      "  - { name: alpha, path: alpha.sock, mode: \"0666\" }\n"
				      "  - { name: beta, path: beta.sock, mode: \"0666\" }\n"
				      "tenants:\n"
				      "  - name: alpha\n"
				      "    match: { socket: alpha }\n"
				      "    devices: [ { name: edu0 }, { name: edu1 } ]\n"
				      "    limits: { locked_memory: 32MiB, connections: 8 }\n"
				      "  - name: beta\n"
				      "    match: { socket: beta }\n"
				      "    devices: [ { name: edu0 } ]\n"
				      "    limits: { locked_memory: 4MiB, connections: 4 }\n";

void harness_program(const char *name, char *buffer, size_t bytes)
{
	snprintf(buffer, bytes, "%s/%s", HARNESS_BIN_DIR, name);
}

void harness_broker_address(
	const struct harness_broker *broker, const char *socket_path, struct sockaddr_un *ret)
{
	int n;

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	n = snprintf(
		ret->sun_path, sizeof(ret->sun_path), "%s/run/%s", broker->directory, socket_path);
	assert_in_range(n, 1, sizeof(ret->sun_path) - 1);
}

/* Brokers of tests that run side by side must not meet in one uid: each test process has 16 of its own. */
static void write_policy(const char *path, const char *text)
{
	static const char token[] = "@session_uids@";
	const char *at = strstr(text, token);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	if (at == NULL)
		fail_msg("a policy of a test has to say session_uids: %s", token);
	fprintf(file, "%.*s{ first: %u, count: 16 }%s", (int)(at - text), text,
		0x70100000u + (unsigned int)getpid() % 65536u * 16u, at + strlen(token));
	assert_int_equal(fclose(file), 0);
}

/* In the child: stderr to the log, one fd to say "ready" on, nothing else of ours. */
static void exec_broker(const struct harness_broker *broker, int ready_fd)
	__attribute__((noreturn));
static void exec_broker(const struct harness_broker *broker, int ready_fd)
{
	char program[256], run[96], log[96], ready[16];
	const char *argv[24];
	size_t n = 0;
	int log_fd;

	/* A test that dies must not leave a broker. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(log, sizeof(log), "%s/log", broker->directory);
	log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0 || dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0 ||
		fcntl(ready_fd, F_SETFD, 0) < 0)
		_exit(126);
	harness_program("iommu-brokerd", program, sizeof(program));
	snprintf(run, sizeof(run), "%s/run", broker->directory);
	snprintf(ready, sizeof(ready), "%d", ready_fd);
	argv[n++] = program;
	argv[n++] = "--policy";
	argv[n++] = broker->policy;
	argv[n++] = "--run-dir";
	argv[n++] = run;
	argv[n++] = "--ready-fd";
	argv[n++] = ready;
	argv[n++] = "--backend";
	argv[n++] = "model";
	for (size_t i = 0; broker->arguments[i] != NULL; i++)
		argv[n++] = broker->arguments[i];
	argv[n] = NULL;
	execv(program, (char *const *)argv);
	perror(program);
	_exit(127);
}

static void print_log(const struct harness_broker *broker)
{
	char path[96], line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/log", broker->directory);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		fprintf(stderr, "broker: %s", line);
	fclose(file);
}

bool harness_broker_said(const struct harness_broker *broker, const char *text)
{
	char path[96], line[1024];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/log", broker->directory);
	file = fopen(path, "re");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, text) != NULL;
	fclose(file);
	return found;
}

void harness_broker_restart(struct harness_broker *broker)
{
	struct pollfd ready = {.events = POLLIN};
	int ends[2];
	char byte;

	assert_int_equal(broker->pid, 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	broker->pid = fork();
	assert_true(broker->pid >= 0);
	if (broker->pid == 0)
		exec_broker(broker, ends[1]);
	close(ends[1]);
	/* Ready is a byte or a line; the end of the pipe without one is a broker that died. */
	ready.fd = ends[0];
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	if (read(ends[0], &byte, 1) != 1) {
		close(ends[0]);
		fail_msg("iommu-brokerd did not start");
	}
	close(ends[0]);
}

struct harness_broker *harness_broker_start(const char *policy, const char *const *arguments)
{
	struct harness_broker *broker = calloc(1, sizeof(*broker));
	char run[96];
	size_t i = 0;

	assert_non_null(broker);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	while (i < BROKERS_MAX && brokers[i] != NULL)
		i++;
	if (i >= BROKERS_MAX) {
		free(broker);
		fail_msg("more than %d brokers at a time", BROKERS_MAX);
		return NULL;
	}
	snprintf(broker->directory, sizeof(broker->directory), "/tmp/iommub-test-XXXXXX");
	assert_non_null(mkdtemp(broker->directory));
	brokers[i] = broker;
	assert_int_equal(chmod(broker->directory, 0755), 0);
	snprintf(run, sizeof(run), "%s/run", broker->directory);
	assert_int_equal(mkdir(run, 0755), 0);
	snprintf(broker->policy, sizeof(broker->policy), "%s/policy.yaml", broker->directory);
	write_policy(broker->policy, policy);
	for (size_t k = 0; arguments != NULL && arguments[k] != NULL && k < 7; k++)
		broker->arguments[k] = arguments[k];
	harness_broker_restart(broker);
	return broker;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void broker_forget(struct harness_broker *broker)
{
	for (size_t i = 0; i < BROKERS_MAX; i++)
		if (brokers[i] == broker)
			brokers[i] = NULL;
	nftw(broker->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(broker);
}

/* Sessions of a killed supervisor are ours to reap. */
static void reap_orphans(void)
{
	for (size_t i = 0; i < BROKERS_MAX; i++)
		if (brokers[i] != NULL && brokers[i]->pid != 0)
			return; /* a supervisor is a child of ours, too */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

void harness_broker_kill(struct harness_broker *broker)
{
	assert_int_equal(kill(broker->pid, SIGKILL), 0);
	assert_int_equal(waitpid(broker->pid, NULL, 0), broker->pid);
	broker->pid = 0;
}

static bool is_alone(void *arg)
{
	pid_t pid;

	(void)arg;
	reap_orphans();
	return proc_descendants(&pid, 1) == 0;
}

static bool has_ended(void *arg)
{
	int *status = arg;
	pid_t pid = status[1];

	return waitpid(pid, status, WNOHANG) == pid;
}

void harness_broker_stop_by(struct harness_broker *broker, int signal_number)
{
	bool last = true;
	int status[2] = {0, broker->pid};

	assert_int_not_equal(broker->pid, 0);
	assert_int_equal(kill(broker->pid, signal_number), 0);
	wait_until(has_ended, status, "the supervisor ends after the signal");
	broker->pid = 0;
	if (!WIFEXITED(status[0]) || WEXITSTATUS(status[0]) != 0)
		fail_msg("the supervisor ended with wait status 0x%x", (unsigned int)status[0]);
	for (size_t i = 0; i < BROKERS_MAX; i++)
		last = last && (brokers[i] == NULL || brokers[i] == broker);
	if (last)
		wait_until(is_alone, NULL, "no process of the broker is left");
	broker_forget(broker);
}

void harness_broker_stop(struct harness_broker *broker)
{
	harness_broker_stop_by(broker, SIGTERM);
}

int harness_teardown(void **state)
{
	pid_t pids[PROCESSES_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < BROKERS_MAX; i++) {
		if (brokers[i] == NULL)
			continue;
		print_log(brokers[i]);
		if (brokers[i]->pid > 0) {
			kill(brokers[i]->pid, SIGKILL);
			waitpid(brokers[i]->pid, NULL, 0);
		}
		broker_forget(brokers[i]);
	}
	n = proc_descendants(pids, PROCESSES_MAX);
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

static bool is_helper(pid_t pid)
{
	char name[64];

	proc_name(pid, name, sizeof(name));
	return strcmp(name, "iommu-broker-helper") == 0;
}

static bool is_supervisor(pid_t pid)
{
	for (size_t i = 0; i < BROKERS_MAX; i++)
		if (brokers[i] != NULL && brokers[i]->pid == pid)
			return true;
	return false;
}

/* A child between fork and exec still bears its parent's arguments. */
static bool is_unborn(pid_t pid)
{
	char name[64];

	proc_name(pid, name, sizeof(name));
	return name[0] == '\0' || strcmp(name, "iommu-brokerd") == 0;
}

size_t harness_sessions(pid_t *ret, size_t max)
{
	pid_t pids[PROCESSES_MAX];
	size_t n = proc_descendants(pids, PROCESSES_MAX), found = 0;

	for (size_t i = 0; i < n && found < max; i++)
		if (!is_supervisor(pids[i]) && !is_helper(pids[i]) && !is_unborn(pids[i]))
			ret[found++] = pids[i];
	return found;
}

size_t harness_helpers(void)
{
	pid_t pids[PROCESSES_MAX];
	size_t n = proc_descendants(pids, PROCESSES_MAX), found = 0;

	for (size_t i = 0; i < n; i++)
		found += is_helper(pids[i]) || (!is_supervisor(pids[i]) && is_unborn(pids[i]));
	return found;
}

struct newcomer {
	const pid_t *known;
	size_t n_known;
	pid_t found;
};

static bool find_newcomer(void *arg)
{
	struct newcomer *newcomer = arg;
	pid_t pids[PROCESSES_MAX];
	size_t n = harness_sessions(pids, PROCESSES_MAX);

	for (size_t i = 0; i < n; i++) {
		bool known = false;

		for (size_t k = 0; k < newcomer->n_known; k++)
			known = known || newcomer->known[k] == pids[i];
		if (!known) {
			newcomer->found = pids[i];
			return true;
		}
	}
	return false;
}

pid_t harness_session_new(const pid_t *known, size_t n)
{
	struct newcomer newcomer = {.known = known, .n_known = n};

	wait_until(find_newcomer, &newcomer, "a new session process");
	return newcomer.found;
}

static bool has_sessions(void *arg)
{
	pid_t pids[PROCESSES_MAX];

	reap_orphans();
	return harness_sessions(pids, PROCESSES_MAX) == *(size_t *)arg && harness_helpers() == 0;
}

void harness_sessions_await(size_t n)
{
	char what[64];

	snprintf(what, sizeof(what), "exactly %zu sessions and no helper", n);
	wait_until(has_sessions, &n, what);
}
