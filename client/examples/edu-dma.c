/* SPDX-License-Identifier: MIT */
/*
 * Real DMA without privileges: memory -> device -> memory, each byte compared.
 *
 *   connect -> memory -> IOAS -> map -> borrow the device -> attach -> registers, interrupt -> DMA -> compare
 *
 * Works with QEMU's `edu`, be it the broker's model of it or the device behind vfio-pci: not a line differs. Each step prints one line; the first
 * that does not do what it says ends the program with status 1.
 *
 * The blocks lie scattered over the memory. For each, the device reads one block and writes it elsewhere; then the whole memory must be what it was,
 * except for exactly these copies: that proves that the bytes went where they were sent and nowhere else.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <iommubroker/iommubroker.h>
#include "edu.h"

#define MAP_BOTH ((uint32_t)(IOMMUB_MAP_READ | IOMMUB_MAP_WRITE))
#define MAP_IOVA UINT64_C(0x1000000) /* below 256 MiB: edu has 28 address bits */
#define SLOT_BYTES (UINT64_C(2) * EDU_BLOCK_BYTES) /* a block, and the place for its copy */
#define WAIT_MS 60000
#define WAIT_STEP_NS 10000000L

static const char usage[] =
	"usage: edu-dma [options]\n"
	"  --socket PATH    the broker's socket (default: $IOMMU_BROKER_SOCKET, "
	"/run/iommu-broker/broker.sock)\n"
	"  --device NAME    which device (default: edu0)\n"
	"  --bytes N        how much memory to map, in bytes (default: 8388608)\n"
	"  --hugepages      make that memory of huge pages\n"
	"  --blocks N       how many blocks of 2048 bytes to move (default: 16)\n"
	"  --expect-clean   first look whether the device's buffer is all zero: nothing is left of "
	"its last user\n"
	"  --fault          also send the device to an IOVA that is not mapped, and see that no "
	"byte moves\n"
	"  --wait           if the device is lent or held, wait for it, at most a minute\n"
	"  --hold           at the end print \"holding\" and keep all until standard input ends\n"
	"Exit status 0: each step did what it says; 1: one did not; 2: bad usage.\n";

struct options {
	const char *socket;
	const char *device;
	uint64_t bytes;
	uint64_t blocks;
	bool expect_clean, fault, wait, hold, hugepages;
};

struct job {
	const struct options *options;
	struct iommub_conn *conn;
	iommub_id memory, ioas, device_id;
	uint8_t *bytes; /* the memory */
	uint64_t iova; /* of its first byte */
	struct iommub_device *device;
	struct edu edu;
};

__attribute__((format(printf, 1, 2))) static void ok(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)printf("ok: ");
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): only when files are analyzed together */
	(void)vprintf(format, args);
	va_end(args);
	(void)printf("\n");
	(void)fflush(stdout);
}

/* Say why the broker refused; returns err. */
static int refused(struct job *job, const char *what, int err)
{
	const struct iommub_error *error = iommub_last_error(job->conn);

	(void)fprintf(stderr, "FAILED: %s: %s: %s\n", what, strerrorname_np(-err),
		job->conn && error->err == err ? error->message : strerror(-err));
	if (job->conn && error->err == err && error->rule)
		(void)fprintf(stderr, "        the rule: %s\n", error->rule);
	if (job->conn && error->err == err && error->has_limit)
		(void)fprintf(stderr, "        limit %llu, used %llu, asked %llu\n",
			(unsigned long long)error->limit.limit,
			(unsigned long long)error->limit.used, (unsigned long long)error->asked);
	return err;
}

/* The device or we went wrong; returns err. */
static int broken(const char *what, int err)
{
	(void)fprintf(stderr, "FAILED: %s: %s\n", what, strerror(-err));
	return err;
}

static int hello(struct job *job)
{
	struct iommub_connect_opts opts = {
		.size = sizeof(opts), .path = job->options->socket, .client_name = "edu-dma"};
	const struct iommub_info *info;
	int err = iommub_connect(&opts, &job->conn);

	if (err == 0)
		err = iommub_get_info(job->conn, &info);
	if (err != 0)
		return refused(job, "connect", err);
	ok("connected: tenant %s, session %llu, backend %s", info->tenant,
		(unsigned long long)info->session,
		info->n_features > 0 ? info->features[0] : "unknown");
	return 0;
}

static int memory(struct job *job)
{
	struct iommub_memory_opts opts = {
		.size = sizeof(opts), .bytes = job->options->bytes, .tag = "edu-dma"};
	struct iommub_map map = {.size = sizeof(map),
		.bytes = job->options->bytes,
		.iova = MAP_IOVA,
		.flags = MAP_BOTH | IOMMUB_MAP_FIXED};
	void *addr;
	int err;

	if (job->options->hugepages)
		opts.flags |= IOMMUB_MEMORY_HUGE;
	err = iommub_memory_create(job->conn, &opts, &job->memory, NULL, &addr);
	if (err < 0)
		return refused(job, "make memory", err);
	job->bytes = addr;
	err = iommub_ioas_alloc(job->conn, "edu-dma", &job->ioas);
	if (err < 0)
		return refused(job, "make an I/O address space", err);
	map.ioas = job->ioas;
	map.memory = job->memory;
	err = iommub_map(job->conn, &map);
	if (err < 0)
		return refused(job, "map", err);
	job->iova = map.iova;
	ok("mapped %llu bytes of our memory at IOVA 0x%llx", (unsigned long long)map.bytes,
		(unsigned long long)job->iova);
	return 0;
}

/* Open, again and again if we are to wait for it. */
static int device_open(struct job *job, int *ret_fd)
{
	struct iommub_device_opts opts = {
		.size = sizeof(opts), .name = job->options->device, .tag = "edu-dma"};
	const struct timespec step = {.tv_nsec = WAIT_STEP_NS};
	struct timespec start, now;
	int err;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		err = iommub_device_open(job->conn, &opts, &job->device_id, ret_fd);
		if (!job->options->wait || (err != -EBUSY && err != -EAGAIN))
			return err;
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 >= WAIT_MS)
			return err;
		(void)nanosleep(&step, NULL);
	}
}

static int device(struct job *job)
{
	const char *why = NULL;
	int fd, err = device_open(job, &fd);

	if (err < 0)
		return refused(job, "borrow the device", err);
	err = iommub_device_from_fd(fd, 0, &job->device);
	(void)close(fd);
	if (err < 0)
		return broken("use the device's fd", err);
	ok("borrowed %s: its file descriptor came over the socket (%s)", job->options->device,
		iommub_device_is_vfio_user(job->device) ? "vfio-user" : "VFIO");
	err = iommub_device_attach(job->conn, job->device_id, job->ioas, 0, NULL);
	if (err < 0)
		return refused(job, "attach", err);
	ok("attached: its DMA reaches our mapped memory and nothing else");
	err = edu_start(&job->edu, job->device, &why);
	if (err < 0)
		return broken(why, err);
	ok("it answers; bus mastering is on, its interrupt is an eventfd");
	return 0;
}

/* What byte `offset` of the memory is at the start: no two blocks alike. */
static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)((offset * 0x9e3779b97f4a7c15u) >> 56);
}

/* Block k is read at source(k) and written to target(k): the even and the odd slots of the memory, scattered by a stride that no power of two divides. */
static uint64_t slot(const struct job *job, uint64_t k)
{
	uint64_t pairs = job->options->bytes / SLOT_BYTES;

	return pairs > 0 ? k * 7919 % pairs * SLOT_BYTES : 0;
}

static int move(struct job *job)
{
	for (uint64_t i = 0; i < job->options->bytes; i++)
		job->bytes[i] = pattern(i);
	for (uint64_t k = 0; k < job->options->blocks; k++) {
		uint64_t source = slot(job, k), target = source + EDU_BLOCK_BYTES;
		int err = edu_copy(&job->edu, EDU_FROM_MEMORY, job->iova + source, EDU_BLOCK_BYTES);

		if (err == 0)
			err = edu_copy(
				&job->edu, EDU_TO_MEMORY, job->iova + target, EDU_BLOCK_BYTES);
		if (err < 0)
			return broken("a transfer", err);
	}
	ok("moved %llu blocks of %u bytes memory -> device -> memory, %llu interrupts on the "
	   "eventfd",
		(unsigned long long)job->options->blocks, EDU_BLOCK_BYTES,
		(unsigned long long)job->options->blocks * 2);
	return 0;
}

/* Every byte of the memory, moved or not. */
static int compare(struct job *job)
{
	uint8_t *expected = malloc(job->options->bytes);
	int err = 0;

	if (!expected)
		return broken("memory to compare with", -ENOMEM);
	for (uint64_t i = 0; i < job->options->bytes; i++)
		expected[i] = pattern(i);
	for (uint64_t k = 0; k < job->options->blocks; k++)
		memcpy(expected + slot(job, k) + EDU_BLOCK_BYTES, expected + slot(job, k),
			EDU_BLOCK_BYTES);
	for (uint64_t i = 0; i < job->options->bytes && err == 0; i++) {
		if (job->bytes[i] == expected[i])
			continue;
		(void)fprintf(stderr, "FAILED: byte %llu is 0x%02x, expected 0x%02x\n",
			(unsigned long long)i, job->bytes[i], expected[i]);
		err = -EIO;
	}
	free(expected);
	return err;
}

static int transfer(struct job *job)
{
	int err = move(job);

	if (err == 0)
		err = compare(job);
	if (err == 0)
		ok("compared all %llu bytes: the blocks arrived, their neighbours are untouched",
			(unsigned long long)job->options->bytes);
	return err;
}

/* The device's buffer, by way of our memory. */
static int look_clean(struct job *job)
{
	int err;

	memset(job->bytes, 0xff, EDU_BLOCK_BYTES);
	err = edu_copy(&job->edu, EDU_TO_MEMORY, job->iova, EDU_BLOCK_BYTES);
	if (err < 0)
		return broken("a transfer", err);
	for (uint32_t i = 0; i < EDU_BLOCK_BYTES; i++)
		if (job->bytes[i] != 0)
			return broken(
				"the device's buffer still holds what somebody left there", -EIO);
	ok("the device's buffer is all zero: nothing is left of its last user");
	return 0;
}

/*
 * The device is told to write to an IOVA that was mapped to the last page of our memory until a moment ago. It says "done", as hardware does; that no byte
 * moved is what the memory shows.
 */
static int fault(struct job *job)
{
	struct iommub_map map = {
		.size = sizeof(map), .ioas = job->ioas, .memory = job->memory, .flags = MAP_BOTH};
	const struct iommub_info *info;
	int err = iommub_get_info(job->conn, &info);

	if (err < 0)
		return refused(job, "ask for the page size", err);
	map.bytes = info->page_bytes;
	map.offset = job->options->bytes - map.bytes;
	map.iova = job->iova + job->options->bytes;
	map.flags |= IOMMUB_MAP_FIXED;
	err = iommub_map(job->conn, &map);
	if (err == 0)
		err = iommub_unmap(job->conn, job->ioas, map.iova, map.bytes, NULL);
	if (err < 0)
		return refused(job, "map and unmap a page", err);
	err = edu_copy(&job->edu, EDU_TO_MEMORY, map.iova, EDU_BLOCK_BYTES);
	if (err < 0 && err != -ETIMEDOUT)
		return broken("a transfer", err);
	err = compare(job);
	if (err == 0)
		ok("sent the device to IOVA 0x%llx, unmapped a moment ago: no byte of our memory "
		   "moved",
			(unsigned long long)map.iova);
	return err;
}

static void hold(void)
{
	char byte;

	(void)printf("holding\n");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0) {
		/* until whoever started us closes it, or kills us */
	}
}

static int run(struct job *job)
{
	int err = hello(job);

	if (err == 0)
		err = memory(job);
	if (err == 0)
		err = device(job);
	if (err == 0 && job->options->expect_clean)
		err = look_clean(job);
	if (err == 0)
		err = transfer(job);
	if (err == 0 && job->options->fault)
		err = fault(job);
	if (err == 0 && job->options->hold)
		hold();
	edu_stop(&job->edu);
	iommub_device_free(job->device);
	iommub_disconnect(job->conn); /* the broker takes down what this session had */
	return err;
}

static int number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 0);
	return errno == 0 && end != text && *end == '\0' && *text != '-' ? 0 : -EINVAL;
}

static int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {{"socket", required_argument, NULL, 's'},
		{"device", required_argument, NULL, 'd'}, {"bytes", required_argument, NULL, 'b'},
		{"blocks", required_argument, NULL, 'n'}, {"expect-clean", no_argument, NULL, 'c'},
		{"fault", no_argument, NULL, 'f'}, {"wait", no_argument, NULL, 'w'},
		{"hold", no_argument, NULL, 'o'}, {"hugepages", no_argument, NULL, 'g'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int letter, err = 0;

	while (err == 0 && (letter = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		switch (letter) {
		case 's':
			options->socket = optarg;
			break;
		case 'd':
			options->device = optarg;
			break;
		case 'b':
			err = number(optarg, &options->bytes);
			break;
		case 'n':
			err = number(optarg, &options->blocks);
			break;
		case 'c':
			options->expect_clean = true;
			break;
		case 'f':
			options->fault = true;
			break;
		case 'w':
			options->wait = true;
			break;
		case 'o':
			options->hold = true;
			break;
		case 'g':
			options->hugepages = true;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			err = -EINVAL;
		}
	}
	return optind == argc ? err : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options options = {.device = "edu0", .bytes = 8u << 20, .blocks = 16};
	struct job job = {.options = &options, .edu = {.eventfd = -1}};
	uint64_t pairs;

	if (options_parse(argc, argv, &options) < 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	pairs = options.bytes / SLOT_BYTES;
	if (options.blocks > pairs || pairs == 0 || options.bytes > EDU_IOVA_LAST / 2) {
		(void)fprintf(stderr,
			"edu-dma: --bytes must hold two times --blocks of %u bytes, and stay below "
			"%llu\n",
			EDU_BLOCK_BYTES, (unsigned long long)(EDU_IOVA_LAST / 2));
		return 2;
	}
	return run(&job) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
