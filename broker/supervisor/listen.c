/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/listen.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/supervisor/admit.h"
#include "broker/supervisor/rundir.h"
#include "broker/supervisor/supervisor.h"

#define BACKLOG 128
#define ACCEPTS_PER_TURN 16u
#define PAUSE_MS 200

struct listener {
	struct supervisor *supervisor;
	const struct policy_socket *policy;
	int fd;
	struct event *on_connect;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st; /* of the file that we made */
};

/* ---- making a socket -------------------------------------------------------------------------------------------- */

static int path_make(const struct supervisor *supervisor, struct listener *listener)
{
	const char *path = listener->policy->path;
	int n;

	if (path[0] == '/')
		n = snprintf(listener->path, sizeof(listener->path), "%s", path);
	else
		n = snprintf(listener->path, sizeof(listener->path), "%s/%s",
			supervisor->options.run_dir, path);
	/* Room for the temporary name's suffix. */
	return n < 0 || (size_t)n + 5 > sizeof(listener->path) ? -ENAMETOOLONG : 0;
}

/* The directories of a path below the run directory, "t/alpha/broker.sock". */
static int parents_make(const struct supervisor *supervisor, const struct listener *listener)
{
	char path[sizeof(listener->path)];

	if (listener->policy->path[0] == '/')
		return 0;
	memcpy(path, listener->path, sizeof(path));
	for (char *slash = strchr(path + strlen(supervisor->options.run_dir) + 1, '/'); slash;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

static int directory_look(const struct listener *listener)
{
	char path[sizeof(listener->path)];
	char *slash;
	int dir_fd, error;

	memcpy(path, listener->path, sizeof(path));
	slash = strrchr(path, '/');
	if (!slash)
		return -EINVAL;
	slash[slash == path ? 1 : 0] = '\0';
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	error = directory_check(dir_fd);
	close(dir_fd);
	return error;
}

static int number_or_name(const char *text, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *ret < UINT32_MAX ? 0
											: -EINVAL;
}

static int owner_set(const char *path, const struct policy_socket *policy)
{
	unsigned long uid = (uid_t)-1, gid = (gid_t)-1;

	if (policy->owner && number_or_name(policy->owner, &uid)) {
		const struct passwd *user = getpwnam(policy->owner);

		if (!user)
			return -ENOENT;
		uid = user->pw_uid;
	}
	if (policy->group && number_or_name(policy->group, &gid)) {
		const struct group *group = getgrnam(policy->group);

		if (!group)
			return -ENOENT;
		gid = group->gr_gid;
	}
	if (!policy->owner && !policy->group)
		return 0;
	return lchown(path, (uid_t)uid, (gid_t)gid) < 0 ? -errno : 0;
}

static int socket_publish(struct listener *listener)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat old;
	mode_t mask;
	int error;

	if (lstat(listener->path, &old) == 0 && !S_ISSOCK(old.st_mode))
		return -EEXIST;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.*s.new",
		(int)sizeof(address.sun_path) - 5, listener->path);
	(void)unlink(address.sun_path);
	mask = umask(0177);
	error = bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
											   : 0;
	(void)umask(mask);
	if (error)
		return error;
	/* The mode first: of what is another's it takes a right that we do without. Nobody can connect before listen(). */
	if (chmod(address.sun_path, listener->policy->mode & 0777) < 0)
		error = -errno;
	if (!error)
		error = owner_set(address.sun_path, listener->policy);
	if (!error &&
		(lstat(address.sun_path, &listener->st) < 0 || listen(listener->fd, BACKLOG) < 0 ||
			rename(address.sun_path, listener->path) < 0))
		error = -errno;
	if (error)
		(void)unlink(address.sun_path);
	return error;
}

static int listener_open(struct supervisor *supervisor, struct listener *listener)
{
	int error = path_make(supervisor, listener);

	if (!error)
		error = parents_make(supervisor, listener);
	if (!error)
		error = directory_look(listener);
	if (error)
		return error;
	listener->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return -errno;
	return socket_publish(listener);
}

/* Two paths may name one file, or one be what another is called before it is renamed: then one has replaced the other. */
static int listener_check(const struct listener *listener)
{
	struct stat now;

	if (lstat(listener->path, &now) < 0)
		return -errno;
	return now.st_ino == listener->st.st_ino && now.st_dev == listener->st.st_dev ? 0 : -EEXIST;
}

static int listener_fail(
	const struct listener *listener, int result, const char *why, char error[LISTEN_ERROR_MAX])
{
	(void)snprintf(error, LISTEN_ERROR_MAX, "socket '%s' (%s): %s", listener->policy->name,
		listener->policy->path, why);
	return result;
}

int listeners_open(struct supervisor *supervisor, char error[LISTEN_ERROR_MAX])
{
	const struct policy *policy = supervisor->policy;
	struct listeners *listeners = &supervisor->listeners;
	int result;

	listeners->all = calloc(policy->sockets_count + 1, sizeof(*listeners->all));
	if (!listeners->all)
		return -ENOMEM;
	listeners->count = policy->sockets_count + 1;
	for (size_t i = 0; i < listeners->count; i++)
		listeners->all[i] = (struct listener){.supervisor = supervisor,
			.policy = i < policy->sockets_count ? &policy->sockets[i] : &admin_socket,
			.fd = -1};
	for (size_t i = 0; i < listeners->count; i++) {
		result = listener_open(supervisor, &listeners->all[i]);
		if (result)
			return listener_fail(&listeners->all[i], result,
				result == -EPERM ? "others own its directory or may write there"
						 : strerrordesc_np(-result),
				error);
	}
	for (size_t i = 0; i < listeners->count; i++) {
		result = listener_check(&listeners->all[i]);
		if (result)
			return listener_fail(&listeners->all[i], result,
				"another socket has the same path", error);
	}
	return 0;
}

static void listener_close(struct listener *listener)
{
	struct stat now;

	if (listener->on_connect)
		event_free(listener->on_connect);
	if (listener->fd < 0)
		return;
	close(listener->fd);
	if (listener->st.st_ino && lstat(listener->path, &now) == 0 &&
		now.st_ino == listener->st.st_ino && now.st_dev == listener->st.st_dev)
		(void)unlink(listener->path);
}

void listeners_close(struct supervisor *supervisor)
{
	struct listeners *listeners = &supervisor->listeners;

	for (size_t i = 0; i < listeners->count; i++)
		listener_close(&listeners->all[i]);
	if (listeners->resume)
		event_free(listeners->resume);
	free(listeners->all);
	*listeners = (struct listeners){0};
}

/* ---- accepting -------------------------------------------------------------------------------------------------- */

/* Without an fd to accept with, a listening socket stays readable: look away for a while instead of spinning. */
static void pause_accepting(struct supervisor *supervisor)
{
	const struct timeval pause = timeval_of_ms(PAUSE_MS);
	struct listeners *listeners = &supervisor->listeners;

	audit_say(supervisor->audit, AUDIT_WARNING, "listen.paused",
		"no file descriptor is left to accept connections with");
	listeners->paused = true;
	for (size_t i = 0; i < listeners->count; i++)
		(void)event_del(listeners->all[i].on_connect);
	(void)event_add(listeners->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	listeners_resume(arg);
}

void listeners_resume(struct supervisor *supervisor)
{
	struct listeners *listeners = &supervisor->listeners;

	if (!listeners->paused)
		return;
	listeners->paused = false;
	(void)event_del(listeners->resume);
	for (size_t i = 0; i < listeners->count; i++)
		(void)event_add(listeners->all[i].on_connect, NULL);
}

static void on_connect(evutil_socket_t fd, short events, void *arg)
{
	struct listener *listener = arg;

	(void)events;
	for (unsigned int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			if (listener->policy == &admin_socket)
				admin_admit(listener->supervisor, client);
			else
				connection_admit(
					listener->supervisor, listener->policy->name, client);
			close(client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			pause_accepting(listener->supervisor);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

int listeners_start(struct supervisor *supervisor)
{
	struct listeners *listeners = &supervisor->listeners;

	listeners->resume = evtimer_new(supervisor->base, on_resume, supervisor);
	if (!listeners->resume)
		return -ENOMEM;
	for (size_t i = 0; i < listeners->count; i++) {
		struct listener *listener = &listeners->all[i];

		listener->on_connect = event_new(
			supervisor->base, listener->fd, EV_READ | EV_PERSIST, on_connect, listener);
		if (!listener->on_connect || event_add(listener->on_connect, NULL))
			return -ENOMEM;
	}
	return 0;
}
