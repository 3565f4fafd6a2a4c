/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "broker/supervisor/supervisor.h"

struct foreign {
	LIST_ENTRY(foreign) link;
	struct supervisor *supervisor;
	pid_t pid;
	uid_t uid;
	int pidfd;
	struct event *on_death;
};

static ssize_t file_read(int dir_fd, const char *pid, const char *name, char *text, size_t bytes)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", pid, name);
	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, bytes - 1);
	if (n < 0)
		n = -errno;
	else
		text[n] = '\0';
	close(fd);
	return n;
}

static bool uid_is_ours(const struct supervisor *supervisor, uid_t uid)
{
	const struct policy_host *host = &supervisor->policy->host;

	if (!supervisor->switch_uid)
		return uid == geteuid();
	return uid >= host->session_uid_first &&
	       uid - host->session_uid_first < host->session_uid_count;
}

/* The child of a broker that lives is that broker's; one whose broker died has been handed to init or a subreaper. */
static bool has_broker(int dir_fd, unsigned int parent)
{
	char pid[16], comm[32];

	(void)snprintf(pid, sizeof(pid), "%u", parent);
	return file_read(dir_fd, pid, "comm", comm, sizeof(comm)) > 0 &&
	       strcmp(comm, PROGRAM_SUPERVISOR "\n") == 0;
}

/* A session by its uid, then by its name: the second look is only at processes of ours. */
static bool is_session(
	const struct supervisor *supervisor, int dir_fd, const char *pid, uid_t *ret_uid)
{
	char text[2048];
	unsigned int uid, parent;
	const char *at;

	if (file_read(dir_fd, pid, "status", text, sizeof(text)) <= 0)
		return false;
	at = strstr(text, "\nUid:");
	if (!at || sscanf(at, "\nUid: %u", &uid) != 1 || !uid_is_ours(supervisor, uid))
		return false;
	at = strstr(text, "\nPPid:");
	if (!at || sscanf(at, "\nPPid: %u", &parent) != 1)
		return false;
	/* One argument, which ends with the file: those that serve administrators have two. */
	if (file_read(dir_fd, pid, "cmdline", text, sizeof(text)) != sizeof(PROGRAM_SESSION) ||
		memcmp(text, PROGRAM_SESSION, sizeof(PROGRAM_SESSION)) != 0)
		return false;
	if (has_broker(dir_fd, parent))
		return false;
	*ret_uid = uid;
	return true;
}

static void foreign_free(struct foreign *foreign)
{
	if (foreign->on_death)
		event_free(foreign->on_death);
	if (foreign->pidfd >= 0)
		close(foreign->pidfd);
	free(foreign);
}

static void foreign_remove(struct foreign *foreign)
{
	LIST_REMOVE(foreign, link);
	foreign->supervisor->foreigners.count--;
	foreign_free(foreign);
}

static const char *tenant_of(const struct supervisor *supervisor, uid_t uid)
{
	for (size_t i = 0; supervisor->switch_uid && i < supervisor->tenants.count; i++)
		if (supervisor->tenants.all[i].uid == uid)
			return supervisor->tenants.all[i].policy->name;
	return "";
}

static void foreign_audit(const struct foreign *foreign, const char *event)
{
	struct audit_record record;

	audit_begin(&record, event);
	audit_uint(&record, "pid", (uint64_t)foreign->pid);
	audit_string(&record, "tenant", tenant_of(foreign->supervisor, foreign->uid));
	audit_emit(foreign->supervisor->audit, AUDIT_NOTICE, &record);
}

static void on_death(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	foreign_audit(arg, "session.foreign-end");
	foreign_remove(arg);
}

static void foreign_add(struct supervisor *supervisor, int dir_fd, const char *name)
{
	struct foreign *foreign = calloc(1, sizeof(*foreign));

	if (!foreign)
		return;
	foreign->supervisor = supervisor;
	foreign->pid = (pid_t)atoi(name);
	foreign->pidfd = pidfd_open(foreign->pid, 0);
	/* Looked at again: what the pidfd stands for. */
	if (foreign->pidfd < 0 || !is_session(supervisor, dir_fd, name, &foreign->uid)) {
		foreign_free(foreign);
		return;
	}
	foreign->on_death = event_new(supervisor->base, foreign->pidfd, EV_READ, on_death, foreign);
	if (!foreign->on_death || event_add(foreign->on_death, NULL)) {
		foreign_free(foreign);
		return;
	}
	LIST_INSERT_HEAD(&supervisor->foreigners.all, foreign, link);
	supervisor->foreigners.count++;
	foreign_audit(foreign, "session.foreign");
}

void foreigners_find(struct supervisor *supervisor, const char *proc)
{
	DIR *dir = opendir(proc);
	const struct dirent *entry;
	uid_t uid;

	if (!dir)
		return;
	while (supervisor->foreigners.count < FOREIGN_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			is_session(supervisor, dirfd(dir), entry->d_name, &uid))
			foreign_add(supervisor, dirfd(dir), entry->d_name);
	(void)closedir(dir);
}

void foreigners_forget(struct supervisor *supervisor)
{
	struct foreign *foreign = LIST_FIRST(&supervisor->foreigners.all);

	while (foreign) {
		struct foreign *next = LIST_NEXT(foreign, link);

		foreign_free(foreign);
		foreign = next;
	}
	LIST_INIT(&supervisor->foreigners.all);
	supervisor->foreigners.count = 0;
}

bool foreigner_next(
	const struct supervisor *supervisor, uint64_t after, struct control_admin_session *ret)
{
	const struct foreign *next = NULL, *foreign = LIST_FIRST(&supervisor->foreigners.all);

	for (; foreign; foreign = LIST_NEXT(foreign, link))
		if ((FOREIGN_ID | (uint64_t)foreign->pid) > after &&
			(!next || foreign->pid < next->pid))
			next = foreign;
	if (!next)
		return false;
	*ret = (struct control_admin_session){.id = FOREIGN_ID | (uint64_t)next->pid,
		.state = ADMIN_SESSION_FOREIGN,
		.pid = (uint32_t)next->pid};
	(void)snprintf(ret->tenant, sizeof(ret->tenant), "%s", tenant_of(supervisor, next->uid));
	return true;
}
