/* SPDX-License-Identifier: MIT */
/*
 * What mediation costs, as multiples of what it cannot be below: one SOCK_SEQPACKET round trip of 64 bytes between two
 * processes on one CPU.
 *
 * Floor and broker are measured in turns in one run, because a machine that others share is faster at one time than at
 * another; the figure to look at is the median of the ratios within each turn. Both processes of a pair are pinned to
 * one CPU: wake-ups across CPUs measure the machine, not the program. Requests are packed beforehand and answers are
 * not unpacked, so that the client's part is the two system calls that it cannot avoid; the rest is the broker's.
 *
 * Not a test: it prints, and judges nothing.
 */
#include "tests/harness/cmocka.h"
#include "tests/harness/broker.h"
#include "tests/harness/proc.h"
#include "tests/harness/wire.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define IOVA UINT64_C(0x100000)
#define BATCH 64u
#define FLOOR_BYTES 64u
#define TURNS 15u
#define CONNECTS 40u
#define PACKET_BYTES_MAX 65536u

struct packet {
	size_t bytes;
	uint8_t data[8192];
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void round_trip(int fd, const void *request, size_t bytes)
{
	static uint8_t answer[PACKET_BYTES_MAX];

	if (send(fd, request, bytes, MSG_NOSIGNAL) != (ssize_t)bytes ||
		recv(fd, answer, sizeof(answer), 0) <= 0) {
		perror("round trip");
		exit(1);
	}
}

/* The floor's other process: send back what comes. */
static pid_t start_echo(int *ret_fd)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint8_t packet[FLOOR_BYTES];

		close(ends[0]);
		while (recv(ends[1], packet, sizeof(packet), 0) > 0)
			if (send(ends[1], packet, sizeof(packet), MSG_NOSIGNAL) < 0)
				break;
		_exit(0);
	}
	close(ends[1]);
	*ret_fd = ends[0];
	return pid;
}

static void pack(Request *request, struct packet *ret)
{
	ClientMessage message = IOMMUBROKER__V1__CLIENT_MESSAGE__INIT;

	SET(request, id, 1);
	message.body_case = IOMMUBROKER__V1__CLIENT_MESSAGE__BODY_REQUEST;
	message.request = request;
	ret->bytes = iommubroker__v1__client_message__get_packed_size(&message);
	assert_in_range(ret->bytes, 1, sizeof(ret->data));
	iommubroker__v1__client_message__pack(&message, ret->data);
}

static void fill_map(struct ask *ask, uint32_t ioas, uint32_t memory, uint64_t iova)
{
	IoasMap *map = ask_ioas_map(ask);

	SET(map, ioas, ioas);
	SET(map, memory, memory);
	SET(map, length, PAGE);
	SET(map, iova, iova);
}

static void fill_unmap(struct ask *ask, uint32_t ioas, uint64_t iova)
{
	IoasUnmap *unmap = ask_ioas_unmap(ask);

	SET(unmap, ioas, ioas);
	SET(unmap, iova, iova);
	SET(unmap, length, PAGE);
}

static void pack_one(struct ask *ask, struct packet *ret)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;

	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = &ask->operation;
	pack(&request, ret);
}

static void pack_batch(struct ask *asks, struct packet *ret)
{
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	Batch batch = IOMMUBROKER__V1__BATCH__INIT;
	Operation *operations[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		operations[i] = &asks[i].operation;
	SET(&batch, mode, IOMMUBROKER__V1__BATCH_MODE__BATCH_STOP);
	batch.operations = operations;
	batch.n_operations = BATCH;
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_BATCH;
	request.batch = &batch;
	pack(&request, ret);
}

/* Microseconds of one of `n` pairs of requests, halved: of one request. */
static double measure(
	int fd, const struct packet *first, const struct packet *second, unsigned int n)
{
	double start = now_us();

	for (unsigned int i = 0; i < n; i++) {
		round_trip(fd, first->data, first->bytes);
		round_trip(fd, second->data, second->bytes);
	}
	return (now_us() - start) / n / 2;
}

/* Private memory of a process in KiB, or -1 where we may not look. */
static long private_kib(pid_t pid)
{
	char path[64], line[256];
	long total = 0, value;
	bool any = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Private_Clean: %ld", &value) == 1 ||
			sscanf(line, "Private_Dirty: %ld", &value) == 1) {
			total += value;
			any = true;
		}
	fclose(file);
	return any ? total : -1;
}

static void pin_to_one_cpu(void)
{
	cpu_set_t allowed, one;

	CPU_ZERO(&one);
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed)) {
			CPU_SET(cpu, &one);
			break;
		}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void report(const char *what, double *us, const double *floor_us)
{
	double ratios[TURNS], middle;

	for (size_t i = 0; i < TURNS; i++)
		ratios[i] = us[i] / floor_us[i];
	middle = median(us, TURNS); /* sorts: us[0] is the best now */
	printf("%-44s %10.2f %10.2f %8.2f x\n", what, middle, us[0], median(ratios, TURNS));
}

static void measure_connects(const struct harness_broker *broker)
{
	double ms[CONNECTS], middle;

	for (size_t i = 0; i < CONNECTS; i++) {
		double start = now_us();
		struct wire *wire = wire_open(broker, "alpha.sock");

		ms[i] = (now_us() - start) / 1e3;
		wire_close(wire);
		harness_sessions_await(1);
	}
	middle = median(ms, CONNECTS);
	printf("%-44s %10.2f ms (best %.2f)\n", "connect -> Welcome", middle, ms[0]);
}

int main(void)
{
	static struct ask maps[BATCH], unmaps[BATCH];
	static struct packet map, unmap, batch_map, batch_unmap,
		floor_packet = {.bytes = FLOOR_BYTES};
	double floor_us[TURNS], map_us[TURNS], batch_us[TURNS];
	struct harness_broker *broker;
	struct wire *wire;
	uint32_t ioas, memory;
	pid_t session, echo;
	int echo_fd, memfd;
	long kib;

	pin_to_one_cpu();
	broker = harness_broker_start(harness_policy_sockets, NULL);
	wire = wire_open(broker, "alpha.sock");
	session = harness_session_new(NULL, 0);
	kib = private_kib(session);
	memfd = wire_memfd(PAGE, 0);
	ioas = wire_ioas_alloc(wire);
	memory = wire_memory_register(wire, memfd, true);
	close(memfd);
	/* Something of the file stays mapped, as it does in a program at work: without it the model maps the whole file
	 * into itself and out again for each pair, which is its own work and not the broker's. */
	wire_map_fixed(wire, ioas, memory, 0, PAGE, IOVA - PAGE);
	for (unsigned int i = 0; i < BATCH; i++) {
		fill_map(&maps[i], ioas, memory, IOVA + i * PAGE);
		fill_unmap(&unmaps[i], ioas, IOVA + i * PAGE);
	}
	pack_one(&maps[0], &map);
	pack_one(&unmaps[0], &unmap);
	pack_batch(maps, &batch_map);
	pack_batch(unmaps, &batch_unmap);
	echo = start_echo(&echo_fd);

	for (unsigned int turn = 0; turn < TURNS; turn++) {
		floor_us[turn] = measure(echo_fd, &floor_packet, &floor_packet, 2000);
		map_us[turn] = measure(wire->fd, &map, &unmap, 2000);
		batch_us[turn] = measure(wire->fd, &batch_map, &batch_unmap, 100) / BATCH;
	}
	kill(echo, SIGKILL);
	waitpid(echo, NULL, 0);
	close(echo_fd);
	/* All of that was what it should be: the session has one page mapped as before, and says so. */
	if (wire_used(wire, IOMMUBROKER__V1__SCOPE__SCOPE_SESSION,
		    IOMMUBROKER__V1__RESOURCE__RESOURCE_MAPPINGS) != 1) {
		fprintf(stderr, "the measured requests did not all succeed\n");
		return 1;
	}

	printf("%-44s %10s %10s %10s\n", "", "median us", "best us", "x floor");
	{
		double copy[TURNS];

		memcpy(copy, floor_us, sizeof(copy));
		report("SOCK_SEQPACKET, 64 bytes there and back", copy, floor_us);
	}
	report("map or unmap, one a message", map_us, floor_us);
	report("map or unmap, in a batch of 64, each", batch_us, floor_us);
	measure_connects(broker);
	if (kib >= 0)
		printf("%-44s %10ld KiB\n", "private memory of an idle session", kib);
	else
		printf("%-44s %10s (an undumpable process: only root sees it)\n",
			"private memory of an idle session", "?");

	wire_close(wire);
	harness_broker_stop(broker);
	return 0;
}
