/* SPDX-License-Identifier: MIT */
/*
 * A program that replaces itself and keeps its session: mappings and devices stay as they are while the program is updated.
 *
 *   exec-adopt [--socket PATH]
 *
 * The first life connects, makes memory and an IOAS with tags, maps one into the other, surrenders the socket and executes itself with the
 * socket's number. The second adopts it, finds its objects by their tags, unmaps what the first had mapped, and ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <iommubroker/iommubroker.h>

#define MEMORY_BYTES (1u << 20)
#define OBJECTS_MAX 64u

static int failed(struct iommub_conn *conn, const char *what, int err)
{
	(void)fprintf(
		stderr, "%s: %s: %s\n", what, strerror(-err), iommub_last_error(conn)->message);
	return EXIT_FAILURE;
}

static int first_life(const char *socket, char *self)
{
	struct iommub_connect_opts opts = {.size = sizeof(opts), .path = socket};
	struct iommub_memory_opts memory_opts = {
		.size = sizeof(memory_opts), .bytes = MEMORY_BYTES, .tag = "exec-adopt memory"};
	struct iommub_map map = {.size = sizeof(map),
		.bytes = MEMORY_BYTES,
		.flags = IOMMUB_MAP_READ | IOMMUB_MAP_WRITE};
	struct iommub_conn *conn = NULL;
	char number[16];
	int fd, err;

	err = iommub_connect(&opts, &conn);
	if (err < 0)
		return failed(NULL, "connect", err);
	err = iommub_memory_create(conn, &memory_opts, &map.memory, NULL, NULL);
	if (err == 0)
		err = iommub_ioas_alloc(conn, "exec-adopt ioas", &map.ioas);
	if (err == 0)
		err = iommub_map(conn, &map);
	if (err == 0)
		err = iommub_surrender(conn, &fd);
	if (err != 0) {
		int status = failed(conn, "the first life", err);

		iommub_disconnect(conn);
		return status;
	}
	(void)printf("ok: mapped %u bytes at IOVA 0x%llx; process %d executes itself\n",
		MEMORY_BYTES, (unsigned long long)map.iova, (int)getpid());
	(void)fflush(stdout);
	(void)snprintf(number, sizeof(number), "%d", fd);
	(void)execl("/proc/self/exe", self, "--adopt", number, (char *)NULL);
	perror("execl");
	return EXIT_FAILURE;
}

/* The object of this type with this tag, or NULL. */
static const struct iommub_object *find(
	const struct iommub_object *objects, size_t n, uint32_t type, const char *tag)
{
	for (size_t i = 0; i < n; i++)
		if (objects[i].type == type && strcmp(objects[i].tag, tag) == 0)
			return &objects[i];
	return NULL;
}

/* All objects of the session, page by page. */
static int list_all(struct iommub_conn *conn, struct iommub_object *ret, size_t *n_inout)
{
	size_t total = 0, n;

	do {
		int err;

		n = *n_inout - total;
		if (n == 0)
			break;
		err = iommub_list(conn, total > 0 ? ret[total - 1].id : 0, ret + total, &n);
		if (err < 0)
			return err;
		total += n;
	} while (n > 0);
	*n_inout = total;
	return 0;
}

static int second_life(int fd)
{
	struct iommub_object objects[OBJECTS_MAX];
	const struct iommub_object *memory, *ioas;
	struct iommub_conn *conn = NULL;
	size_t n = OBJECTS_MAX;
	uint64_t unmapped = 0;
	int err = iommub_adopt(fd, NULL, &conn), status = EXIT_FAILURE;

	if (err < 0)
		return failed(NULL, "adopt", err);
	err = list_all(conn, objects, &n);
	if (err < 0) {
		status = failed(conn, "list", err);
		goto out;
	}
	memory = find(objects, n, IOMMUB_OBJECT_MEMORY, "exec-adopt memory");
	ioas = find(objects, n, IOMMUB_OBJECT_IOAS, "exec-adopt ioas");
	if (!memory || !ioas) {
		(void)fprintf(stderr, "what the first life made is not there\n");
		goto out;
	}
	(void)printf("ok: process %d adopted the session: memory %#x of %llu bytes, IOAS %u with "
		     "%llu bytes mapped\n",
		(int)getpid(), memory->id, (unsigned long long)memory->bytes, ioas->id,
		(unsigned long long)ioas->bytes);
	err = iommub_unmap(conn, ioas->id, 0, UINT64_MAX, &unmapped);
	if (err == 0)
		err = iommub_destroy(conn, ioas->id);
	if (err == 0)
		err = iommub_memory_unregister(conn, memory->id);
	if (err < 0) {
		status = failed(conn, "the second life", err);
		goto out;
	}
	(void)printf("ok: unmapped %llu bytes and destroyed both\n", (unsigned long long)unmapped);
	status = unmapped == MEMORY_BYTES ? EXIT_SUCCESS : EXIT_FAILURE;
out:
	iommub_disconnect(conn);
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--adopt") == 0)
		return second_life(atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "--socket") == 0)
		return first_life(argv[2], argv[0]);
	if (argc == 1)
		return first_life(NULL, argv[0]);
	(void)fprintf(stderr, "usage: %s [--socket PATH]\n", argv[0]);
	return 2;
}
