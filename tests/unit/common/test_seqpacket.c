/* SPDX-License-Identifier: MIT */
/* Packets with file descriptors from a stranger: whatever comes, this process owns what it was told
 * and no fd more. */
#include "tests/unit/common/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"

struct pair {
	int ours, theirs;
	int fds_before; /* open in this process, the pair included */
};

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int setup(void **state)
{
	static struct pair pair;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	pair = (struct pair){.ours = fds[0], .theirs = fds[1]};
	pair.fds_before = fds_open();
	*state = &pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(fds_open(), pair->fds_before);
	close(pair->ours);
	close(pair->theirs);
	return 0;
}

static void send_null_fds(int socket_fd, size_t n, size_t bytes)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fds[SEQPACKET_FDS_MAX];
	char packet[8] = "payload";

	assert_true(null_fd >= 0);
	for (size_t i = 0; i < n; i++)
		fds[i] = null_fd;
	assert_int_equal(seqpacket_send(socket_fd, packet, bytes, fds, n), 0);
	close(null_fd);
}

static void bytes_and_fds_arrive_together(void **state)
{
	struct pair *pair = *state;
	int fds[2] = {-1, -1};
	size_t n = 0;
	char buffer[8];

	send_null_fds(pair->theirs, 2, 8);
	assert_int_equal(seqpacket_recv(pair->ours, buffer, sizeof(buffer), fds, 2, &n), 8);
	assert_string_equal(buffer, "payload");
	assert_int_equal(n, 2);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	fds_close(fds, n);
	assert_int_equal(fds[0], -1);
}

static void one_fd_more_than_wanted_closes_all(void **state)
{
	struct pair *pair = *state;
	int fds[2] = {-7, -7};
	size_t n = 99;
	char buffer[8];

	send_null_fds(pair->theirs, 3, 8);
	assert_int_equal(
		seqpacket_recv(pair->ours, buffer, sizeof(buffer), fds, 2, &n), -ETOOMANYREFS);
	assert_int_equal(fds[0], -7);
	assert_int_equal(n, 99);
}

static void all_that_a_packet_can_carry_is_taken(void **state)
{
	struct pair *pair = *state;
	int fds[SEQPACKET_FDS_MAX];
	size_t n = 0;
	char buffer[8];

	send_null_fds(pair->theirs, SEQPACKET_FDS_MAX, 8);
	assert_int_equal(
		seqpacket_recv(pair->ours, buffer, sizeof(buffer), fds, SEQPACKET_FDS_MAX, &n), 8);
	assert_int_equal(n, SEQPACKET_FDS_MAX);
	fds_close(fds, n);
	assert_int_equal(
		seqpacket_send(pair->theirs, buffer, 8, fds, SEQPACKET_FDS_MAX + 1), -EINVAL);
}

static void a_packet_of_the_buffer_size_fits_and_one_byte_more_does_not(void **state)
{
	struct pair *pair = *state;
	size_t n = 0;
	char buffer[7];

	send_null_fds(pair->theirs, 0, 7);
	assert_int_equal(seqpacket_recv(pair->ours, buffer, sizeof(buffer), NULL, 0, &n), 7);
	send_null_fds(pair->theirs, 1, 8);
	assert_int_equal(
		seqpacket_recv(pair->ours, buffer, sizeof(buffer), NULL, 0, &n), -EMSGSIZE);
}

static void an_empty_packet_with_fds_is_an_end_and_leaks_nothing(void **state)
{
	struct pair *pair = *state;
	size_t n = 0;
	char buffer[8];
	int fds[4];

	send_null_fds(pair->theirs, 3, 0);
	assert_int_equal(seqpacket_recv(pair->ours, buffer, sizeof(buffer), fds, 4, &n), 0);
}

static void fds_that_do_not_fit_the_table_are_the_peers_error(void **state)
{
	struct pair *pair = *state;
	struct rlimit before, tight;
	size_t n = 0;
	char buffer[8];
	int fds[16], probe, result;

	send_null_fds(pair->theirs, 16, 8);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	probe = dup(pair->ours);
	close(probe);
	tight = before;
	tight.rlim_cur = (rlim_t)probe + 4; /* room for four of the sixteen */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	result = (int)seqpacket_recv(pair->ours, buffer, sizeof(buffer), fds, 16, &n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(result, -ENOBUFS);
}

/* The kernel drops them: closing one may wait for whoever made the file (FUSE asks its daemon), so it is not our business. */
static void where_no_fd_is_wanted_none_enters_our_table(void **state)
{
	struct pair *pair = *state;
	struct rlimit before, none;
	size_t n = 99;
	char buffer[8];
	int probe, result;

	send_null_fds(pair->theirs, 1, 8);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	probe = dup(pair->ours);
	close(probe);
	none = before;
	none.rlim_cur = (rlim_t)probe;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = (int)seqpacket_recv(pair->ours, buffer, sizeof(buffer), NULL, 0, &n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(result, -ETOOMANYREFS);
	assert_int_equal(n, 99);
	send_null_fds(pair->theirs, 1, 0);
	assert_int_equal(seqpacket_recv(pair->ours, buffer, sizeof(buffer), NULL, 0, &n), 0);
}

static void nothing_there_is_eagain_and_a_closed_peer_is_the_end(void **state)
{
	struct pair *pair = *state;
	size_t n = 0;
	char buffer[8];

	assert_int_equal(seqpacket_recv(pair->ours, buffer, sizeof(buffer), NULL, 0, &n), -EAGAIN);
	assert_int_equal(shutdown(pair->theirs, SHUT_RDWR), 0);
	assert_int_equal(seqpacket_recv(pair->ours, buffer, sizeof(buffer), NULL, 0, &n), 0);
	assert_int_equal(seqpacket_send(pair->ours, buffer, 1, NULL, 0), -EPIPE);
}

static void a_peer_that_does_not_read_is_eagain_not_a_wait(void **state)
{
	struct pair *pair = *state;
	char buffer[4096];
	int error;

	memset(buffer, 0, sizeof(buffer));
	do
		error = seqpacket_send(pair->ours, buffer, sizeof(buffer), NULL, 0);
	while (error == 0);
	assert_int_equal(error, -EAGAIN);
}

static void closing_fds_keeps_errno_and_skips_minus_one(void **state)
{
	int fds[2] = {-1, -1};

	(void)state;
	errno = ENOSPC;
	fds_close(fds, 2);
	assert_int_equal(errno, ENOSPC);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_and_fds_arrive_together),
		TEST(one_fd_more_than_wanted_closes_all),
		TEST(all_that_a_packet_can_carry_is_taken),
		TEST(a_packet_of_the_buffer_size_fits_and_one_byte_more_does_not),
		TEST(an_empty_packet_with_fds_is_an_end_and_leaks_nothing),
		TEST(where_no_fd_is_wanted_none_enters_our_table),
		TEST(fds_that_do_not_fit_the_table_are_the_peers_error),
		TEST(nothing_there_is_eagain_and_a_closed_peer_is_the_end),
		TEST(a_peer_that_does_not_read_is_eagain_not_a_wait),
		TEST(closing_fds_keeps_errno_and_skips_minus_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
