/* SPDX-License-Identifier: MIT */
#include "tests/unit/supervisor/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"

#define READY_FD 9
#define PATIENCE_MS 60000 /* against a hang only */

const char *const policy_two_tenants =
	"version: 1\n"
	"host:\n"
	"  locked_memory: 64MiB\n"
	"  lend_chunk: 1MiB\n"
	"sockets:\n"
	"  - { name: alpha, path: alpha.sock, mode: \"0666\" }\n"
	"  - { name: beta, path: t/beta/beta.sock, mode: \"0600\" }\n"
	"  - { name: nobody, path: nobody.sock, mode: \"0666\" }\n"
	"tenants:\n"
	"  - name: alpha\n"
	"    match: { socket: alpha }\n"
	"    devices: [ { name: edu0 }, { name: edu1 } ]\n"
	"    limits: { locked_memory: 48MiB, connections: 3, devices: 2 }\n"
	"  - name: beta\n"
	"    match: { socket: beta }\n"
	"    devices: [ { name: edu0 } ]\n"
	"    limits: { locked_memory: 48MiB, connections: 2 }\n";

static void path_in(const struct broker *broker, const char *name, char *path, size_t bytes)
{
	(void)snprintf(path, bytes, "%s/%s", broker->dir, name);
}

static void broker_exec(const struct broker *broker, int ready_fd, const char *libexec)
	__attribute__((noreturn));
static void broker_exec(const struct broker *broker, int ready_fd, const char *libexec)
{
	char policy[128], run[128], log[128], ready[16];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Something for a session to lose. */
	if (geteuid() == 0 && setgroups(1, &(gid_t){54321}))
		_exit(125);
	path_in(broker, "policy.yaml", policy, sizeof(policy));
	path_in(broker, "run", run, sizeof(run));
	path_in(broker, "log", log, sizeof(log));
	(void)snprintf(ready, sizeof(ready), "%d", READY_FD);
	if (dup2(ready_fd, READY_FD) < 0)
		_exit(126);
	(void)execl(TEST_BROKERD, TEST_BROKERD, "--policy", policy, "--run-dir", run, "--log", log,
		"--backend", "model", "--libexec-dir", libexec ? libexec : TEST_FAKE_DIR,
		"--ready-fd", ready, NULL);
	_exit(127);
}

int broker_restart(struct broker *broker, const char *libexec)
{
	int ends[2], status;
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	broker->pid = fork();
	assert_true(broker->pid >= 0);
	if (broker->pid == 0)
		broker_exec(broker, ends[1], libexec);
	close(ends[1]);
	if (read(ends[0], &byte, 1) == 1) {
		close(ends[0]);
		return -1;
	}
	close(ends[0]);
	assert_int_equal(waitpid(broker->pid, &status, 0), broker->pid);
	broker->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void broker_start(struct broker *broker, const char *policy, const char *libexec)
{
	char path[128];
	FILE *file;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	*broker = (struct broker){0};
	strcpy(broker->dir, "/tmp/iommub-unit-XXXXXX");
	assert_non_null(mkdtemp(broker->dir));
	assert_int_equal(chmod(broker->dir, 0755), 0);
	path_in(broker, "policy.yaml", path, sizeof(path));
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(policy, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(broker_restart(broker, libexec), -1);
}

int broker_stop(struct broker *broker)
{
	int status;

	assert_int_equal(kill(broker->pid, SIGTERM), 0);
	assert_int_equal(waitpid(broker->pid, &status, 0), broker->pid);
	broker->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void broker_kill(struct broker *broker)
{
	assert_int_equal(kill(broker->pid, SIGKILL), 0);
	assert_int_equal(waitpid(broker->pid, NULL, 0), broker->pid);
	broker->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void broker_remove(struct broker *broker)
{
	if (broker->pid > 0)
		broker_kill(broker);
	if (broker->dir[0])
		(void)nftw(broker->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	*broker = (struct broker){0};
}

bool broker_logged(const struct broker *broker, const char *text)
{
	char path[128], line[4096];
	bool found = false;
	FILE *file;

	path_in(broker, "log", path, sizeof(path));
	file = fopen(path, "re");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, text) != NULL;
	(void)fclose(file);
	return found;
}

/* Lines leave at the end of a turn of the broker's loop, after what they tell of: wait for the file to change. */
void assert_logged(const struct broker *broker, const char *text)
{
	char path[128], event[512];
	int watch = inotify_init1(IN_CLOEXEC);
	struct pollfd changed = {.fd = watch, .events = POLLIN};

	path_in(broker, "log", path, sizeof(path));
	assert_true(inotify_add_watch(watch, path, IN_MODIFY) >= 0);
	while (!broker_logged(broker, text)) {
		assert_int_equal(poll(&changed, 1, PATIENCE_MS), 1);
		assert_true(read(watch, event, sizeof(event)) > 0);
	}
	close(watch);
}

int client_connect(const struct broker *broker, const char *socket_name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), error;

	assert_true(fd >= 0);
	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/run/%s", broker->dir, socket_name);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

ssize_t client_receive(int client, void *buffer, size_t bytes, int *ret_fd)
{
	struct pollfd readable = {.fd = client, .events = POLLIN};
	size_t n_fds = 0;
	ssize_t n;
	int fd = -1;

	assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
	n = seqpacket_recv(client, buffer, bytes, &fd, 1, &n_fds);
	if (n_fds && ret_fd)
		*ret_fd = fd;
	else if (n_fds)
		close(fd);
	/* A session that died with orders unread. */
	return n == -ECONNRESET ? 0 : n;
}

static void order(int client, char letter, const void *bytes, size_t length)
{
	static char packet[65536];

	packet[0] = letter;
	if (length)
		memcpy(packet + 1, bytes, length);
	(void)seqpacket_send(client, packet, length + 1, NULL, 0);
}

pid_t session_pid(int client)
{
	int pid = 0;

	order(client, 'P', NULL, 0);
	assert_int_equal(client_receive(client, &pid, sizeof(pid), NULL), sizeof(pid));
	return pid;
}

size_t session_fds(int client, char *text, size_t bytes)
{
	ssize_t n;

	order(client, 'L', NULL, 0);
	n = client_receive(client, text, bytes - 1, NULL);
	assert_true(n > 0);
	text[n] = '\0';
	return (size_t)n;
}

static int sends(int client, char letter, const void *bytes, size_t length)
{
	unsigned char error;

	order(client, letter, bytes, length);
	if (client_receive(client, &error, 1, NULL) != 1)
		return EPIPE;
	return error;
}

int session_sends(int client, const void *bytes, size_t length)
{
	return sends(client, 'S', bytes, length);
}

int session_sends_fd(int client, const void *bytes, size_t length)
{
	return sends(client, 'F', bytes, length);
}

int session_spoils_account(int client)
{
	return sends(client, 'G', NULL, 0);
}

void session_close_control(int client)
{
	assert_int_equal(sends(client, 'C', NULL, 0), 0);
}

void session_asks(
	int client, union control_message *message, enum control_type type, uint64_t serial)
{
	message->header = (struct control_header){
		.version = CONTROL_VERSION, .type = (uint32_t)type, .serial = serial};
	assert_int_equal(session_sends(client, message, control_size(type)), 0);
}

int session_hears(int client, union control_message *ret, int *ret_fd)
{
	const char *why = "";
	ssize_t n;

	order(client, 'R', NULL, 0);
	n = client_receive(client, ret, sizeof(*ret), ret_fd);
	if (n <= 0)
		return 0;
	if (control_check(ret, (size_t)n, CONTROL_FROM_SUPERVISOR, &why))
		return -1;
	return (int)ret->header.type;
}

int session_begin(const struct broker *broker, const char *socket_name)
{
	static union control_message message;
	int client, type;

	for (;;) {
		client = client_connect(broker, socket_name);
		assert_true(client >= 0);
		type = session_hears(client, &message, NULL);
		/* A refusal: a session that has just died may not have been reaped yet, and count still. */
		if (type != -1)
			break;
		close(client);
	}
	assert_int_equal(type, CONTROL_SETUP);
	session_asks(client, &message, CONTROL_READY, 0);
	return client;
}

void assert_ended(int client)
{
	char byte;

	while (client_receive(client, &byte, 1, NULL) != 0)
		;
}

void process_await_end(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
}
