/* SPDX-License-Identifier: MIT */
/*
 * What a host must have for the broker, found by looking. Each topic has a function that reads files below one root (the
 * machine's own, or a tree made by a test) and puts findings into a report. What cannot be seen in files is probed
 * beforehand by system calls (host_probe.c) and given as data, so that everything that judges is testable without a host.
 */
#ifndef IOMMUB_CTL_HOST_H
#define IOMMUB_CTL_HOST_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/stat.h>

#include "client/ctl/report.h"

#define HOST_TEXT_MAX 16384u /* of a file that is read */

/* What system calls say. Each: 1 there, 0 not there, negative: -errno of the attempt, or HOST_NOT_PROBED. */
#define HOST_NOT_PROBED (-4096)
struct host_probes {
	int map_file; /* IOMMU_IOAS_MAP_FILE, by asking /dev/iommu */
	int landlock; /* the ABI's number */
	int seccomp; /* filters that kill the process */
	int pidfd;
	int peer_pidfd; /* SO_PEERPIDFD */
};

#define HOST_PROBES_NONE                                                                           \
	{                                                                                          \
		HOST_NOT_PROBED, HOST_NOT_PROBED, HOST_NOT_PROBED, HOST_NOT_PROBED,                \
			HOST_NOT_PROBED                                                            \
	}

struct host {
	int root_fd;
	struct host_report *report;
};

/* root: a directory. 0 or -errno. */
int host_open(struct host *ret, const char *root, struct host_report *report);
void host_close(struct host *host);

/* Ask this machine's kernel. */
void host_probe(struct host_probes *ret);

/* All topics, in the order in which somebody would mend them. */
void host_check(struct host *host, const struct host_probes *probes);

void host_check_kernel(struct host *host, const struct host_probes *probes);
void host_check_iommu(struct host *host);
void host_check_interrupts(struct host *host);
void host_check_noiommu(struct host *host);
void host_check_vfio(struct host *host);
void host_check_nodes(struct host *host);
void host_check_cgroup(struct host *host);
void host_check_sandbox(struct host *host, const struct host_probes *probes);
void host_check_memlock(struct host *host);
void host_check_devices(struct host *host);

/* ---- files below the root; paths are relative to it, without a leading slash (host_tree.c) ---------------------------- */

/* The text of a file, without its last newline. 0, or -errno; longer files are cut. */
int tree_read(const struct host *host, const char *path, char text[HOST_TEXT_MAX]);
/* Does a line of the file contain `what`? 1, 0 or -errno. Reads all of it. */
int tree_contains(const struct host *host, const char *path, const char *what);
int tree_stat(const struct host *host, const char *path, struct stat *ret);
/* The last component of where a symbolic link leads. 0 or -errno. */
int tree_link(const struct host *host, const char *path, char *name, size_t bytes);
/* The names in a directory, sorted; *ret is to be given to tree_names_free(). 0 or -errno. */
int tree_names(const struct host *host, const char *path, char ***ret, size_t *ret_n);
void tree_names_free(char **names, size_t n);
/* Is `word` one of the words (between blanks) of the text? */
bool text_has_word(const char *text, const char *word);

#endif
