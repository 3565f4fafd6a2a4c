/* SPDX-License-Identifier: MIT */
/*
 * Ask a broker for things by hand, one a line, and see what it answers:
 *
 *     $ ask --socket /run/iommu-broker/broker.sock
 *     devices
 *     ok: edu0 (0000:00:05.0, 1234:11e8) free
 *     map 8388608
 *     refused: EDQUOT: …
 *
 * Each command is answered by exactly one line on standard output, "ok: …" or "refused: …". Everything that was given
 * stays until the end of input ends the connection, and with it the session.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <iommubroker/attach.h>
#include <iommubroker/conn.h>
#include <iommubroker/map.h>
#include <iommubroker/memory.h>

#define DEVICES_MAX 64

static void refused(const struct iommub_conn *conn)
{
	const struct iommub_error *error = iommub_last_error(conn);

	printf("refused: %s: %s", error->name, error->message);
	if (error->rule)
		printf(" [rule: %s]", error->rule);
	if (error->has_limit)
		printf(" [limit %llu, used %llu, asked %llu]",
			(unsigned long long)error->limit.limit,
			(unsigned long long)error->limit.used, (unsigned long long)error->asked);
	putchar('\n');
}

static void ask_who(struct iommub_conn *conn)
{
	const struct iommub_info *info;

	if (iommub_get_info(conn, &info) < 0)
		refused(conn);
	else
		printf("ok: tenant %s, session %llu\n", info->tenant,
			(unsigned long long)info->session);
}

static void ask_devices(struct iommub_conn *conn)
{
	static const char *const states[] = {
		"?", "free", "granted", "cut", "held", "resetting", "quarantined"};
	struct iommub_device_info devices[DEVICES_MAX];
	size_t n = DEVICES_MAX;

	if (iommub_device_list(conn, devices, &n) < 0) {
		refused(conn);
		return;
	}
	fputs("ok:", stdout);
	for (size_t i = 0; i < n; i++)
		printf("%s %s (%s, %04x:%04x) %s", i ? "," : "", devices[i].name,
			devices[i].address, devices[i].vendor, devices[i].device,
			devices[i].state < sizeof(states) / sizeof(states[0])
				? states[devices[i].state]
				: "?");
	putchar('\n');
}

static void ask_open(struct iommub_conn *conn, const char *name)
{
	struct iommub_device_opts opts = {.size = sizeof(opts), .name = name};
	iommub_id device;
	int fd;

	if (iommub_device_open(conn, &opts, &device, &fd) < 0) {
		refused(conn);
		return;
	}
	/* Its fd is left open: it ends with this program. */
	printf("ok: device %u is %s\n", device, name);
}

static void ask_close(struct iommub_conn *conn, const char *id)
{
	if (iommub_device_close(conn, (iommub_id)strtoul(id, NULL, 0)) < 0)
		refused(conn);
	else
		printf("ok: device %s is given back\n", id);
}

/* New memory, mapped into a new address space; taken apart again if any step is refused. */
static void ask_map(struct iommub_conn *conn, const char *bytes)
{
	struct iommub_memory_opts opts = {.size = sizeof(opts), .bytes = strtoull(bytes, NULL, 0)};
	struct iommub_map map = {.size = sizeof(map),
		.bytes = opts.bytes,
		.flags = IOMMUB_MAP_READ | IOMMUB_MAP_WRITE};

	if (iommub_memory_create(conn, &opts, &map.memory, NULL, NULL) < 0) {
		refused(conn);
		return;
	}
	if (iommub_ioas_alloc(conn, NULL, &map.ioas) < 0) {
		refused(conn);
	} else if (iommub_map(conn, &map) < 0) {
		refused(conn);
		(void)iommub_destroy(conn, map.ioas);
	} else {
		printf("ok: %llu bytes of memory at IOVA 0x%llx of address space %u\n",
			(unsigned long long)map.bytes, (unsigned long long)map.iova, map.ioas);
		return;
	}
	(void)iommub_memory_unregister(conn, map.memory);
}

static void answer(struct iommub_conn *conn, char *line)
{
	const char *word = strtok(line, " \t\n"), *argument = strtok(NULL, " \t\n");

	if (!word)
		printf("refused: an empty line\n");
	else if (strcmp(word, "who") == 0)
		ask_who(conn);
	else if (strcmp(word, "devices") == 0)
		ask_devices(conn);
	else if (strcmp(word, "open") == 0 && argument)
		ask_open(conn, argument);
	else if (strcmp(word, "close") == 0 && argument)
		ask_close(conn, argument);
	else if (strcmp(word, "map") == 0 && argument)
		ask_map(conn, argument);
	else
		printf("refused: the commands are: who, devices, open NAME, close ID, map BYTES\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct iommub_connect_opts opts = {.size = sizeof(opts), .client_name = "ask"};
	struct iommub_conn *conn;
	char line[256];
	int r;

	while ((r = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
		if (r != 's') {
			fprintf(r == 'h' ? stdout : stderr,
				"usage: ask [--socket PATH] < COMMANDS\n");
			return r == 'h' ? 0 : 2;
		}
		opts.path = optarg;
	}
	r = iommub_connect(&opts, &conn);
	if (r < 0) {
		fprintf(stderr, "ask: connect: %s\n", strerror(-r));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		answer(conn, line);
	iommub_disconnect(conn);
	return 0;
}
