/* SPDX-License-Identifier: MIT */
/* Runs iommu-broker-helper as the supervisor does (the same spawn), and waits for it. */
#ifndef IOMMUB_TESTS_VM_HELPER_RUN_H
#define IOMMUB_TESTS_VM_HELPER_RUN_H

#include <stddef.h>
#include <sys/types.h>

#include "broker/supervisor/helper_protocol.h"
#include "broker/supervisor/sysfs_pci.h"

struct helper_child {
	pid_t pid;
	int pidfd, socket_fd;
};

void helper_run_program(const char *path);

struct helper_child helper_begin(const char *name, enum helper_kind kind,
	const struct helper_request *request, const int *fds, size_t fds_count);
/* What it reported; *ret_fd, if not NULL, the fd that came or -1. */
struct helper_result helper_end(struct helper_child *child, int *ret_fd);

/* The tasks on one device, to their end. */
struct helper_result helper_on_device(
	const char *name, enum helper_kind kind, const struct pci_facts *device, int *ret_fd);

/* Its filter is loaded: what it does from here on is its task. */
void helper_await_filter(const struct helper_child *child);

#endif
