/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's side of the ledger: it makes the two pages, and later only ever stores.
 *
 * What keeps a session from writing the limits page, in layers: its fd was opened O_RDONLY (so a
 * mapping of it can never become writable), and the memfd carries F_SEAL_FUTURE_WRITE, set after
 * the supervisor made its own writable mapping (so opening /proc/self/fd/N for writing again gives
 * an fd that can neither write nor map writable, nor punch holes).
 */
#include "broker/common/account_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/common/memfd.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* NULL with errno. */
static void *page_map(int fd)
{
	void *page = mmap(NULL, ACCOUNT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

static int lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	int error = pthread_mutexattr_init(&attr);

	if (error)
		return -error;
	error = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (!error)
		error = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (!error)
		error = pthread_mutex_init(lock, &attr);
	(void)pthread_mutexattr_destroy(&attr);
	return -error;
}

static int account_page_open(struct account_pages *pages)
{
	int error;

	pages->account_fd = memfd_sized("iommu-broker-account", ACCOUNT_PAGE_BYTES);
	if (pages->account_fd < 0)
		return pages->account_fd;
	pages->account = page_map(pages->account_fd);
	if (!pages->account)
		return -errno;
	error = lock_init(&pages->account->lock);
	if (error)
		return error;
	if (fcntl(pages->account_fd, F_ADD_SEALS, F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static int limits_page_open(struct account_pages *pages)
{
	char path[sizeof("/proc/self/fd/") + 11];
	int fd, error = 0;

	fd = memfd_sized("iommu-broker-limits", ACCOUNT_PAGE_BYTES);
	if (fd < 0)
		return fd;
	pages->limits = page_map(fd);
	if (!pages->limits || fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		error = -errno;
		goto out;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	pages->limits_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pages->limits_fd < 0)
		error = -errno;
out:
	close(fd);
	return error;
}

int account_pages_open(
	const struct limits *session, const struct limits *tenant, struct account_pages *ret)
{
	struct account_pages pages = {.account_fd = -1, .limits_fd = -1};
	int error = account_page_open(&pages);

	if (!error)
		error = limits_page_open(&pages);
	if (error) {
		account_pages_close(&pages);
		return error;
	}
	pages.limits->version = LIMITS_VERSION;
	pages.limits->session = *session;
	pages.limits->tenant = *tenant;
	*ret = pages;
	return 0;
}

void account_pages_close(struct account_pages *pages)
{
	if (!pages)
		return;
	if (pages->account)
		(void)munmap(pages->account, ACCOUNT_PAGE_BYTES);
	if (pages->limits)
		(void)munmap(pages->limits, ACCOUNT_PAGE_BYTES);
	if (pages->account_fd >= 0)
		close(pages->account_fd);
	if (pages->limits_fd >= 0)
		close(pages->limits_fd);
	*pages = (struct account_pages){.account_fd = -1, .limits_fd = -1};
}

void account_lent_set(struct account_pages *pages, uint64_t lent_bytes)
{
	__atomic_store_n(&pages->limits->lent_bytes, lent_bytes, __ATOMIC_RELEASE);
}

void account_slot_clear(struct account_pages *pages, unsigned int slot)
{
	if (slot >= ACCOUNT_SLOTS)
		return;
	for (unsigned int i = 0; i < RESOURCE_END; i++)
		__atomic_store_n(&pages->account->slots[slot].used[i], 0, __ATOMIC_RELAXED);
	/* Whoever sees the new generation sees the zeroes. Only the supervisor writes it. */
	__atomic_store_n(
		&pages->limits->generation, pages->limits->generation + 1, __ATOMIC_RELEASE);
}

uint64_t account_slot_used(
	const struct account_pages *pages, unsigned int slot, enum resource resource)
{
	if (slot >= ACCOUNT_SLOTS || (unsigned int)resource >= RESOURCE_END)
		return 0;
	return __atomic_load_n(&pages->account->slots[slot].used[resource], __ATOMIC_RELAXED);
}
