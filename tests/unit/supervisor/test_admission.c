/* SPDX-License-Identifier: MIT */
/* Who gets a session: told apart by the socket, refused with a reason in the protocol's own words, limited before a fork. */
#include "tests/unit/supervisor/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client.pb-c.h"

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
	assert_int_equal(broker_stop(&broker), 0);
	broker_remove(&broker);
	return 0;
}

/* The refusal that waits in a connection. */
static Iommubroker__V1__ServerMessage *refusal(int client)
{
	Iommubroker__V1__ServerMessage *message;
	uint8_t packet[4096];
	ssize_t n = client_receive(client, packet, sizeof(packet), NULL);

	assert_true(n > 0);
	message = iommubroker__v1__server_message__unpack(NULL, (size_t)n, packet);
	assert_non_null(message);
	assert_int_equal(message->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME);
	assert_non_null(message->welcome->status);
	assert_ended(client);
	close(client);
	return message;
}

static void nobodys_socket_is_refused_with_the_facts(void **state)
{
	Iommubroker__V1__ServerMessage *message = refusal(client_connect(&broker, "nobody.sock"));
	char expected[64];

	(void)state;
	assert_string_equal(message->welcome->status->error, "EACCES");
	(void)snprintf(expected, sizeof(expected), "uid %u,", (unsigned int)geteuid());
	assert_non_null(strstr(message->welcome->status->message, expected));
	assert_non_null(strstr(message->welcome->status->message, "socket 'nobody'"));
	iommubroker__v1__server_message__free_unpacked(message, NULL);
	assert_logged(&broker, "connection.refused");
}

static void the_limit_of_a_tenant_is_a_pair_and_its_own(void **state)
{
	Iommubroker__V1__ServerMessage *message;
	const Iommubroker__V1__Limit *limit;
	int clients[3], pidfd, beta, again;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		clients[i] = session_begin(&broker, "alpha.sock");
	message = refusal(client_connect(&broker, "alpha.sock"));
	assert_string_equal(message->welcome->status->error, "EDQUOT");
	assert_non_null(strstr(message->welcome->status->rule, "tenants.alpha"));
	limit = message->welcome->status->limit;
	assert_int_equal(limit->scope, IOMMUBROKER__V1__SCOPE__SCOPE_TENANT);
	assert_int_equal(limit->limit, 3);
	assert_int_equal(limit->used, 3);
	iommubroker__v1__server_message__free_unpacked(message, NULL);

	beta = session_begin(&broker, "t/beta/beta.sock");
	close(beta);

	/* One ends, one may come: the slot is free when the supervisor has reaped it, which another session can ask. */
	pidfd = pidfd_open(session_pid(clients[1]), 0);
	close(clients[1]);
	process_await_end(pidfd);
	close(pidfd);
	do {
		union control_message first;

		again = client_connect(&broker, "alpha.sock");
		if (session_hears(again, &first, NULL) == CONTROL_SETUP) {
			assert_int_equal(first.setup.slot, 1);
			break;
		}
		close(again);
	} while (true);
	close(again);
	close(clients[0]);
	close(clients[2]);
}

static void the_hosts_limit_is_a_pair(void **state)
{
	static const char policy[] = "version: 1\n"
				     "host: { locked_memory: 64MiB, connections: 2 }\n"
				     "sockets: [ { name: main, path: main.sock } ]\n"
				     "tenants:\n"
				     "  - name: alpha\n"
				     "    match: { socket: main }\n"
				     "    limits: { locked_memory: 1MiB, connections: 10 }\n";
	Iommubroker__V1__ServerMessage *message;
	struct broker own;
	int a, b;

	(void)state;
	broker_start(&own, policy, NULL);
	a = session_begin(&own, "main.sock");
	b = session_begin(&own, "main.sock");
	message = refusal(client_connect(&own, "main.sock"));
	assert_string_equal(message->welcome->status->error, "EDQUOT");
	assert_int_equal(
		message->welcome->status->limit->scope, IOMMUBROKER__V1__SCOPE__SCOPE_HOST);
	assert_int_equal(message->welcome->status->limit->limit, 2);
	iommubroker__v1__server_message__free_unpacked(message, NULL);
	close(a);
	close(b);
	assert_int_equal(broker_stop(&own), 0);
	broker_remove(&own);
}

static void sockets_have_the_policys_modes_and_leave_no_other_name(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/run/alpha.sock", broker.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	(void)snprintf(path, sizeof(path), "%s/run/t/beta/beta.sock", broker.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)snprintf(path, sizeof(path), "%s/run/alpha.sock.new", broker.dir);
	assert_int_equal(stat(path, &st), -1);
}

static void a_file_in_the_place_of_a_socket_is_left_alone(void **state)
{
	struct broker own;
	char path[128];
	int fd;

	(void)state;
	broker_start(&own, policy_two_tenants, NULL);
	assert_int_equal(broker_stop(&own), 0);
	(void)snprintf(path, sizeof(path), "%s/run/alpha.sock", own.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(broker_restart(&own, NULL), 1);
	assert_int_equal(access(path, F_OK), 0);
	broker_remove(&own);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned int broker_fds(const struct broker *own)
{
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)own->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

static struct rlimit broker_fd_limit(const struct broker *own, rlim_t max)
{
	struct rlimit old, limit;

	assert_int_equal(prlimit(own->pid, RLIMIT_NOFILE, NULL, &old), 0);
	limit = (struct rlimit){.rlim_cur = max, .rlim_max = old.rlim_max};
	assert_int_equal(prlimit(own->pid, RLIMIT_NOFILE, &limit, NULL), 0);
	return old;
}

static size_t log_lines(const struct broker *own, const char *text)
{
	char path[128], line[4096];
	size_t n = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/log", own->dir);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, text) != NULL;
	(void)fclose(file);
	return n;
}

/* At each number of fds that it may still open it refuses or waits, and serves when there are fds again. What it says of
 * it is within the budget for refusals: 20 lines at once, 5 a second. */
static void without_fds_it_refuses_in_few_lines_and_recovers(void **state)
{
	const uint64_t begin_ms = now_ms();
	struct broker own;
	union control_message first;
	struct rlimit old;
	unsigned int fds;
	size_t refused;

	(void)state;
	broker_start(&own, policy_two_tenants, NULL);
	close(session_begin(&own, "alpha.sock"));
	assert_logged(&own, "session.end"); /* its fds are closed */
	fds = broker_fds(&own);
	for (unsigned int spare = 1; spare < 8; spare++) {
		old = broker_fd_limit(&own, fds + spare);
		for (unsigned int i = 0; i < 40; i++) {
			int client = client_connect(&own, "t/beta/beta.sock");

			(void)session_hears(client, &first, NULL);
			close(client);
		}
		assert_int_equal(prlimit(own.pid, RLIMIT_NOFILE, &old, NULL), 0);
		close(session_begin(&own, "alpha.sock"));
	}
	old = broker_fd_limit(&own, 3);
	close(client_connect(&own, "alpha.sock"));
	assert_logged(&own, "listen.paused");
	assert_int_equal(prlimit(own.pid, RLIMIT_NOFILE, &old, NULL), 0);
	close(session_begin(&own, "alpha.sock"));
	assert_int_equal(broker_stop(&own), 0);
	refused = log_lines(&own, "EMFILE");
	assert_true(refused > 0);
	assert_true(refused <= 20 + 1 + (now_ms() - begin_ms) / 200);
	broker_remove(&own);
}

/* Who rules the directory could have a mode set through a link of his, or answer in the broker's place. */
static void a_directory_that_others_rule_is_refused(void **state)
{
	struct broker own;
	char run[128], other[128], socket[128];

	(void)state;
	broker_start(&own, policy_two_tenants, NULL);
	assert_int_equal(broker_stop(&own), 0);
	(void)snprintf(run, sizeof(run), "%s/run", own.dir);
	(void)snprintf(other, sizeof(other), "%s/other", own.dir);
	(void)snprintf(socket, sizeof(socket), "%s/run/alpha.sock", own.dir);
	for (mode_t bit = 02; bit <= 020; bit *= 8) {
		assert_int_equal(chmod(run, 0755 | bit), 0);
		assert_int_equal(broker_restart(&own, NULL), 1);
		assert_int_equal(access(socket, F_OK), -1);
	}
	assert_int_equal(chmod(run, 01777), 0); /* sticky: nobody else can replace what is ours */
	assert_int_equal(broker_restart(&own, NULL), -1);
	assert_int_equal(broker_stop(&own), 0);
	assert_int_equal(chmod(run, 0755), 0);
	(void)snprintf(socket, sizeof(socket), "%s/run/t/beta", own.dir);
	assert_int_equal(chmod(socket, 0775), 0);
	assert_int_equal(broker_restart(&own, NULL), 1);
	assert_int_equal(chmod(socket, 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(lchown(run, 54321, 0), 0);
		assert_int_equal(broker_restart(&own, NULL), 1);
		assert_int_equal(rename(run, other), 0);
		assert_int_equal(symlink("other", run), 0);
		assert_int_equal(broker_restart(&own, NULL), 1);
	}
	broker_remove(&own);
}

/* Each names the administrators' socket, or another, in its way. */
static void two_sockets_of_one_path_are_refused(void **state)
{
	static const char *const paths[][2] = {{"admin.sock", "b.sock"},
		{"a.sock", "admin.sock.new"}, {"a.sock.new", "a.sock"}, {"a.sock", "link/a.sock"}};
	struct broker own;
	char path[128];
	FILE *file;

	(void)state;
	broker_start(&own, policy_two_tenants, NULL);
	assert_int_equal(broker_stop(&own), 0);
	(void)snprintf(path, sizeof(path), "%s/run/link", own.dir);
	assert_int_equal(symlink(".", path), 0);
	(void)snprintf(path, sizeof(path), "%s/policy.yaml", own.dir);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		file = fopen(path, "we");
		assert_non_null(file);
		assert_true(fprintf(file,
				    "version: 1\nhost: { locked_memory: 1MiB }\n"
				    "sockets: [ { name: a, path: %s }, { name: b, path: %s } ]\n"
				    "tenants: [ { name: t, match: { socket: a }, "
				    "limits: { locked_memory: 1MiB, connections: 1 } } ]\n",
				    paths[i][0], paths[i][1]) > 0);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(broker_restart(&own, NULL), 1);
	}
	broker_remove(&own);
}

static void missing_programs_are_named_before_anything_is_made(void **state)
{
	struct broker own;
	char path[128];

	(void)state;
	broker_start(&own, policy_two_tenants, NULL);
	assert_int_equal(broker_stop(&own), 0);
	assert_int_equal(broker_restart(&own, "/nonexistent"), 1);
	(void)snprintf(path, sizeof(path), "%s/run/alpha.sock", own.dir);
	assert_int_equal(access(path, F_OK), -1);
	broker_remove(&own);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobodys_socket_is_refused_with_the_facts),
		TEST(the_limit_of_a_tenant_is_a_pair_and_its_own),
		TEST(the_hosts_limit_is_a_pair),
		TEST(sockets_have_the_policys_modes_and_leave_no_other_name),
		cmocka_unit_test(a_file_in_the_place_of_a_socket_is_left_alone),
		cmocka_unit_test(without_fds_it_refuses_in_few_lines_and_recovers),
		cmocka_unit_test(a_directory_that_others_rule_is_refused),
		cmocka_unit_test(two_sockets_of_one_path_are_refused),
		cmocka_unit_test(missing_programs_are_named_before_anything_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
