/* SPDX-License-Identifier: MIT */
/* Who connected: told by the kernel, and refused when it is nobody any more. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/supervisor/peer.h"

#define OTHER_UID 54321

struct listening {
	int fd;
	struct sockaddr_un address;
	socklen_t length;
};

static int setup(void **state)
{
	static struct listening listening;

	/* An abstract name that the kernel chooses. */
	listening.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(listening.fd >= 0);
	listening.address.sun_family = AF_UNIX;
	assert_int_equal(bind(listening.fd, (struct sockaddr *)&listening.address,
				 sizeof(listening.address.sun_family)),
		0);
	listening.length = sizeof(listening.address);
	assert_int_equal(
		getsockname(listening.fd, (struct sockaddr *)&listening.address, &listening.length),
		0);
	assert_int_equal(listen(listening.fd, 8), 0);
	*state = &listening;
	return 0;
}

static int teardown(void **state)
{
	close(((struct listening *)*state)->fd);
	return 0;
}

/* A child that connects, says so, and stays until `stay` is closed. */
static pid_t connector(const struct listening *listening, uid_t uid, int stay[2])
{
	pid_t child;

	assert_int_equal(pipe(stay), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		char byte;

		close(stay[1]);
		if (uid && setresuid(uid, uid, uid))
			_exit(1);
		if (connect(fd, (const struct sockaddr *)&listening->address, listening->length))
			_exit(1);
		(void)!read(stay[0], &byte, 1);
		_exit(0);
	}
	close(stay[0]);
	return child;
}

static void a_living_peer_is_known(void **state)
{
	const struct listening *listening = *state;
	uid_t uid = geteuid() == 0 ? OTHER_UID : geteuid();
	struct peer peer;
	int stay[2], fd;
	pid_t child = connector(listening, geteuid() == 0 ? uid : 0, stay);

	fd = accept(listening->fd, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(peer_identify(fd, &peer), 0);
	assert_int_equal(peer.uid, uid);
	assert_int_equal(peer.gid, getegid());
	assert_int_equal(peer.pid, child);
	assert_true(peer.cgroup[0] == '\0' || peer.cgroup[0] == '/');
	close(stay[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fd);
}

static void a_peer_that_died_before_accept_is_refused(void **state)
{
	const struct listening *listening = *state;
	struct peer peer = {.pid = -7};
	siginfo_t info;
	int stay[2], fd;
	pid_t child = connector(listening, 0, stay);

	/* Dead, and not reaped: then dead and reaped. Both are nobody. */
	fd = accept(listening->fd, NULL, NULL);
	close(stay[1]);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(peer_identify(fd, &peer), -ESRCH);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(peer_identify(fd, &peer), -ESRCH);
	assert_int_equal(peer.pid, -7);
	close(fd);
}

static void what_is_no_socket_has_no_peer(void **state)
{
	struct peer peer;

	(void)state;
	assert_int_equal(peer_identify(-1, &peer), -EBADF);
	assert_int_equal(peer_identify(STDERR_FILENO, &peer), -ENOTSOCK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_living_peer_is_known),
		TEST(a_peer_that_died_before_accept_is_refused),
		TEST(what_is_no_socket_has_no_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
