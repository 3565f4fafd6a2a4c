/* SPDX-License-Identifier: MIT */
#include "broker/session/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "broker/common/seqpacket.h"
#include "broker/session/audit.h"
#include "broker/session/sandbox.h"

#define MESSAGE_BYTES 65536u
#define ANSWER_MS 10000 /* a client that does not read is not waited for */

#define A(name) Iommubroker__Admin__V1__##name

struct admin_link {
	int client_fd, control_fd;
	uint64_t serial;
	uint8_t packet[MESSAGE_BYTES];
};

/* ---- sending to the client -------------------------------------------------------------------------------------- */

static int response_send(struct admin_link *link, const A(Response) * response)
{
	size_t bytes = iommubroker__admin__v1__response__get_packed_size(response);
	struct pollfd writable = {.fd = link->client_fd, .events = POLLOUT};
	int error;

	if (bytes > sizeof(link->packet))
		return -EMSGSIZE;
	(void)iommubroker__admin__v1__response__pack(response, link->packet);
	error = seqpacket_send(link->client_fd, link->packet, bytes, NULL, 0);
	if (error != -EAGAIN)
		return error;
	if (poll(&writable, 1, ANSWER_MS) != 1)
		return -ETIMEDOUT;
	return seqpacket_send(link->client_fd, link->packet, bytes, NULL, 0);
}

static int error_send(struct admin_link *link, int error, const char *text)
{
	A(Response) response = IOMMUBROKER__ADMIN__V1__RESPONSE__INIT;
	A(Error) body = IOMMUBROKER__ADMIN__V1__ERROR__INIT;
	const char *name = strerrorname_np(error);

	body.error = (char *)(name ? name : "EIO");
	body.message = (char *)text;
	response.kind_case = IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_ERROR;
	response.error = &body;
	return response_send(link, &response);
}

static void session_fill(const struct control_admin_session *from, A(Session) * to)
{
	iommubroker__admin__v1__session__init(to);
	to->has_id = to->has_state = to->has_pid = to->has_peer_pid = to->has_peer_uid = 1;
	to->has_peer_gid = to->has_age_ms = to->has_devices = to->has_locked_bytes = 1;
	to->has_ioas = to->has_mappings = 1;
	to->id = from->id;
	to->tenant = (char *)from->tenant;
	to->state = (A(SessionState))from->state;
	to->pid = from->pid;
	to->peer_pid = from->peer_pid;
	to->peer_uid = from->peer_uid;
	to->peer_gid = from->peer_gid;
	to->age_ms = from->age_ms;
	to->devices = from->devices;
	to->locked_bytes = from->locked_bytes;
	to->ioas = from->ioas;
	to->mappings = from->mappings;
}

static int sessions_send(struct admin_link *link, const struct control_admin_session_page *page)
{
	A(Response) response = IOMMUBROKER__ADMIN__V1__RESPONSE__INIT;
	A(Sessions) body = IOMMUBROKER__ADMIN__V1__SESSIONS__INIT;
	A(Session) sessions[CONTROL_ADMIN_PAGE], *pointers[CONTROL_ADMIN_PAGE];

	for (uint32_t i = 0; i < page->count; i++) {
		session_fill(&page->sessions[i], &sessions[i]);
		pointers[i] = &sessions[i];
	}
	body.sessions = pointers;
	body.n_sessions = page->count;
	body.has_more = 1;
	body.more = page->more != 0;
	response.kind_case = IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_SESSIONS;
	response.sessions = &body;
	return response_send(link, &response);
}

static void device_fill(const struct control_admin_device *from, A(Device) * to)
{
	iommubroker__admin__v1__device__init(to);
	to->has_index = to->has_vendor = to->has_device = to->has_state = to->has_age_ms = 1;
	to->index = from->device.index;
	to->name = (char *)from->device.name;
	to->address = (char *)from->device.address;
	to->vendor = from->device.vendor;
	to->device = from->device.device;
	to->has_group = from->group >= 0;
	to->group = from->group >= 0 ? (uint32_t)from->group : 0;
	to->state = (A(DeviceState))from->device.state;
	to->age_ms = from->age_ms;
	to->tenant = from->tenant[0] ? (char *)from->tenant : NULL;
	to->has_session = from->session != 0;
	to->session = from->session;
	to->reset = (char *)from->reset;
	to->holders = from->holders[0] ? (char *)from->holders : NULL;
}

static int devices_send(struct admin_link *link, const struct control_admin_device_page *page)
{
	A(Response) response = IOMMUBROKER__ADMIN__V1__RESPONSE__INIT;
	A(Devices) body = IOMMUBROKER__ADMIN__V1__DEVICES__INIT;
	A(Device) devices[CONTROL_ADMIN_PAGE], *pointers[CONTROL_ADMIN_PAGE];

	for (uint32_t i = 0; i < page->count; i++) {
		device_fill(&page->devices[i], &devices[i]);
		pointers[i] = &devices[i];
	}
	body.devices = pointers;
	body.n_devices = page->count;
	body.has_more = 1;
	body.more = page->more != 0;
	response.kind_case = IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_DEVICES;
	response.devices = &body;
	return response_send(link, &response);
}

static int step_send(struct admin_link *link, const struct control_admin_step *step)
{
	A(Response) response = IOMMUBROKER__ADMIN__V1__RESPONSE__INIT;
	A(Step) body = IOMMUBROKER__ADMIN__V1__STEP__INIT;

	body.has_kind = body.has_session = body.has_after_ms = 1;
	body.kind = (A(StepKind))step->step;
	body.session = step->session;
	body.after_ms = step->after_ms;
	if (step->step == ADMIN_STEP_DEVICE) {
		body.device = (char *)step->device;
		body.has_state = 1;
		body.state = (A(DeviceState))step->state;
	}
	body.has_unmapped_bytes = step->step == ADMIN_STEP_EMPTY;
	body.unmapped_bytes = step->unmapped_bytes;
	body.has_devices_held = step->step == ADMIN_STEP_DONE;
	body.devices_held = step->held;
	response.kind_case = IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_STEP;
	response.step = &body;
	return response_send(link, &response);
}

/* ---- the supervisor --------------------------------------------------------------------------------------------- */

/* While the supervisor works, a client that leaves is noticed. 0 or -errno. */
static int answer_wait(const struct admin_link *link)
{
	struct pollfd fds[] = {
		{.fd = link->control_fd, .events = POLLIN}, {.fd = link->client_fd, .events = 0}};

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[0].revents)
			return 0;
		if (fds[1].revents)
			return -ECONNRESET;
	}
}

static int answer_receive(struct admin_link *link, union control_message *ret)
{
	const char *why = "";
	size_t n_fds = 0;
	ssize_t bytes;
	int error = answer_wait(link);

	if (error)
		return error;
	bytes = seqpacket_recv(link->control_fd, ret, sizeof(*ret), NULL, 0, &n_fds);
	if (bytes <= 0)
		return bytes < 0 ? (int)bytes : -ECONNRESET;
	if (control_check(ret, (size_t)bytes, CONTROL_TO_ADMIN, &why) ||
		ret->header.serial != link->serial)
		return -EPROTO;
	return 0;
}

/* Ask, and pass on what is answered, up to the last of it. */
static int ask(struct admin_link *link, enum control_type type, uint64_t number)
{
	union control_message message;
	int error;

	message.admin_ask.number = number;
	error = control_send(link->control_fd, &message, type, ++link->serial, -1);
	while (!error) {
		error = answer_receive(link, &message);
		if (error)
			break;
		switch (message.header.type) {
		case CONTROL_ADMIN_SESSION_PAGE:
			return sessions_send(link, &message.admin_sessions);
		case CONTROL_ADMIN_DEVICE_PAGE:
			return devices_send(link, &message.admin_devices);
		case CONTROL_ADMIN_DENIED:
			return error_send(link, message.denied.error, message.denied.text);
		default:
			error = step_send(link, &message.admin_step);
			if (message.admin_step.step == ADMIN_STEP_DONE)
				return error;
		}
	}
	return error;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static int request_serve(struct admin_link *link, const A(Request) * request)
{
	if (request->base.n_unknown_fields)
		return error_send(link, E2BIG, "a field that this version does not know");
	switch (request->op_case) {
	case IOMMUBROKER__ADMIN__V1__REQUEST__OP_LIST_SESSIONS:
		return ask(link, CONTROL_ADMIN_SESSIONS, request->list_sessions->after);
	case IOMMUBROKER__ADMIN__V1__REQUEST__OP_LIST_DEVICES:
		return ask(link, CONTROL_ADMIN_DEVICES, request->list_devices->after);
	case IOMMUBROKER__ADMIN__V1__REQUEST__OP_REVOKE:
		if (!request->revoke->has_session)
			return error_send(link, EINVAL, "revoke names no session");
		return ask(link, CONTROL_ADMIN_REVOKE, request->revoke->session);
	default:
		return error_send(link, EOPNOTSUPP, "unknown request");
	}
}

static int packet_serve(struct admin_link *link)
{
	struct pollfd readable = {.fd = link->client_fd, .events = POLLIN};
	A(Request) * request;
	size_t n_fds = 0;
	ssize_t bytes;
	int error;

	if (poll(&readable, 1, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	bytes = seqpacket_recv(
		link->client_fd, link->packet, sizeof(link->packet), NULL, 0, &n_fds);
	if (bytes <= 0)
		return bytes == -EAGAIN ? 0 : bytes < 0 ? (int)bytes : -ECONNRESET;
	request = iommubroker__admin__v1__request__unpack(NULL, (size_t)bytes, link->packet);
	if (!request)
		return -EPROTO;
	error = request_serve(link, request);
	iommubroker__admin__v1__request__free_unpacked(request, NULL);
	return error;
}

int admin_serve(int client_fd, int control_fd)
{
	static struct admin_link link;
	int error = 0;

	link = (struct admin_link){.client_fd = client_fd, .control_fd = control_fd};
	while (!error)
		error = packet_serve(&link);
	return error == -ECONNRESET || error == -EPIPE ? 0 : error;
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

static void setup_failed(const char *what, int error) __attribute__((noreturn));
static void setup_failed(const char *what, int error)
{
	(void)fprintf(stderr, "iommu-broker-session: %s: %s\n", what, strerror(-error));
	exit(SESSION_EXIT_SETUP);
}

void admin_main(void)
{
	uint32_t landlock_abi = 0;
	struct stat st;
	int error;

	for (int fd = SESSION_FD_STDIN; fd < ADMIN_FD_END; fd++)
		if (fstat(fd, &st) < 0 ||
			(fd >= ADMIN_FD_CLIENT && fd <= ADMIN_FD_CONTROL && !S_ISSOCK(st.st_mode)))
			exit(SESSION_EXIT_SETUP);
	if (close_range(ADMIN_FD_END, ~0U, 0) < 0)
		setup_failed("close_range", -errno);
	(void)signal(SIGPIPE, SIG_IGN);
	error = sandbox_begin();
	if (!error)
		error = sandbox_landlock(&landlock_abi);
	if (!error)
		error = sandbox_seccomp(ADMIN_FD_FILTER);
	if (error)
		setup_failed("sandbox", error);
	close(ADMIN_FD_FILTER);
	exit(admin_serve(ADMIN_FD_CLIENT, ADMIN_FD_CONTROL) ? EXIT_FAILURE : EXIT_SUCCESS);
}
