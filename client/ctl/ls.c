/* SPDX-License-Identifier: MIT */
/* iommu-brokerctl ls: sessions and devices as the broker knows them, page by page. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/admin.h"
#include "client/ctl/commands.h"
#include "client/ctl/json.h"

enum { OPT_JSON = 256, OPT_SOCKET, OPT_HELP };

struct printer {
	bool json;
	size_t count;
};

static const char *session_state_text(int state)
{
	static const char *const texts[] = {"?", "starting", "running", "ending", "foreign"};

	return state > 0 && state < 5 ? texts[state] : "?";
}

static void session_print(struct printer *printer, const Iommubroker__Admin__V1__Session *session)
{
	bool foreign = session->state == IOMMUBROKER__ADMIN__V1__SESSION_STATE__SESSION_FOREIGN;
	char age[24];

	if (printer->json) {
		printf("%s\n    {", printer->count++ ? "," : "");
		json_number("id", foreign ? 0 : session->id, true);
		json_text("tenant", session->tenant, false);
		json_text("state", session_state_text((int)session->state), false);
		json_number("pid", session->pid, false);
		json_number("peer_pid", session->peer_pid, false);
		json_number("peer_uid", session->peer_uid, false);
		json_number("peer_gid", session->peer_gid, false);
		json_number("age_ms", session->age_ms, false);
		json_number("devices", session->devices, false);
		json_number("locked_bytes", session->locked_bytes, false);
		json_number("ioas", session->ioas, false);
		json_number("mappings", session->mappings, false);
		printf("}");
		return;
	}
	if (printer->count++ == 0)
		printf("%-8s %-16s %-9s %7s %8s %8s %8s %7s %12s %5s %8s\n", "SESSION", "TENANT",
			"STATE", "PID", "PEER", "UID", "SINCE", "DEVICES", "LOCKED", "IOAS",
			"MAPPINGS");
	if (foreign) {
		printf("%-8s %-16s %-9s %7u  (of a former broker: runs on, is not controlled)\n",
			"-", session->tenant && session->tenant[0] ? session->tenant : "?",
			"foreign", session->pid);
		return;
	}
	printf("%-8llu %-16s %-9s %7u %8u %8u %8s %7u %12llu %5llu %8llu\n",
		(unsigned long long)session->id, session->tenant ? session->tenant : "?",
		session_state_text((int)session->state), session->pid, session->peer_pid,
		session->peer_uid, age_text(session->age_ms, age, sizeof(age)), session->devices,
		(unsigned long long)session->locked_bytes, (unsigned long long)session->ioas,
		(unsigned long long)session->mappings);
}

static void device_print(struct printer *printer, const Iommubroker__Admin__V1__Device *device)
{
	char age[24], session[24] = "-", group[16] = "-";

	if (printer->json) {
		printf("%s\n    {", printer->count++ ? "," : "");
		json_text("name", device->name, true);
		json_text("address", device->address, false);
		json_number("vendor", device->vendor, false);
		json_number("device", device->device, false);
		if (device->has_group)
			json_number("group", device->group, false);
		json_text("state", device_state_text((int)device->state), false);
		json_number("age_ms", device->age_ms, false);
		if (device->tenant)
			json_text("tenant", device->tenant, false);
		if (device->has_session)
			json_number("session", device->session, false);
		json_text("reset", device->reset, false);
		if (device->holders)
			json_text("holders", device->holders, false);
		printf("}");
		return;
	}
	if (printer->count++ == 0)
		printf("%-14s %-9s %5s %-11s %8s %-16s %-8s %-6s %s\n", "DEVICE", "ID", "GROUP",
			"STATE", "SINCE", "TENANT", "SESSION", "RESET", "HOLDERS");
	if (device->has_session)
		(void)snprintf(
			session, sizeof(session), "%llu", (unsigned long long)device->session);
	if (device->has_group)
		(void)snprintf(group, sizeof(group), "%u", device->group);
	printf("%-14s %04x:%04x %5s %-11s %8s %-16s %-8s %-6s %s\n",
		device->address ? device->address : "?", device->vendor, device->device, group,
		device_state_text((int)device->state), age_text(device->age_ms, age, sizeof(age)),
		device->tenant ? device->tenant : "-", session, device->reset ? device->reset : "?",
		device->holders ? device->holders : "");
}

/* Pages of one of the two lists. CTL_OK, or what went wrong. */
static enum ctl_exit pages_print(int fd, bool devices, struct printer *printer)
{
	Iommubroker__Admin__V1__ListSessions sessions = IOMMUBROKER__ADMIN__V1__LIST_SESSIONS__INIT;
	Iommubroker__Admin__V1__ListDevices list = IOMMUBROKER__ADMIN__V1__LIST_DEVICES__INIT;
	AdminRequest request = IOMMUBROKER__ADMIN__V1__REQUEST__INIT;
	bool more;

	sessions.has_after = list.has_after = 1;
	request.op_case = devices ? IOMMUBROKER__ADMIN__V1__REQUEST__OP_LIST_DEVICES
				  : IOMMUBROKER__ADMIN__V1__REQUEST__OP_LIST_SESSIONS;
	if (devices)
		request.list_devices = &list;
	else
		request.list_sessions = &sessions;
	do {
		AdminResponse *response;

		if (admin_send(fd, &request))
			return CTL_NO_DAEMON;
		response = admin_receive(fd);
		if (!response)
			return CTL_NO_DAEMON;
		if (devices &&
			response->kind_case == IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_DEVICES) {
			for (size_t i = 0; i < response->devices->n_devices; i++) {
				device_print(printer, response->devices->devices[i]);
				list.after = response->devices->devices[i]->index + 1;
			}
			more = response->devices->more && response->devices->n_devices;
		} else if (!devices &&
			   response->kind_case == IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_SESSIONS) {
			for (size_t i = 0; i < response->sessions->n_sessions; i++) {
				session_print(printer, response->sessions->sessions[i]);
				sessions.after = response->sessions->sessions[i]->id;
			}
			more = response->sessions->more && response->sessions->n_sessions;
		} else {
			admin_refused(response);
			admin_free(response);
			return CTL_REFUSED;
		}
		admin_free(response);
	} while (more);
	return CTL_OK;
}

enum ctl_exit ls_run(const struct ctl_command *self, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, OPT_JSON},
		{"socket", required_argument, NULL, OPT_SOCKET},
		{"help", no_argument, NULL, OPT_HELP}, {NULL, 0, NULL, 0}};
	struct printer sessions = {0}, devices = {0};
	const char *path = NULL;
	enum ctl_exit result;
	int option, fd;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPT_JSON)
			sessions.json = devices.json = true;
		else if (option == OPT_SOCKET)
			path = optarg;
		else if (option == OPT_HELP)
			return ctl_help(self);
		else
			return ctl_usage(self, "wrong option", NULL);
	}
	if (optind < argc)
		return ctl_usage(self, "unexpected argument", argv[optind]);
	fd = admin_connect(path);
	if (fd < 0)
		return CTL_NO_DAEMON;
	if (sessions.json)
		printf("{\n  \"sessions\": [");
	result = pages_print(fd, false, &sessions);
	if (sessions.json)
		printf("\n  ],\n  \"devices\": [");
	else
		printf(sessions.count ? "\n" : "no sessions\n\n");
	if (result == CTL_OK)
		result = pages_print(fd, true, &devices);
	if (sessions.json)
		printf("\n  ]\n}\n");
	else if (devices.count == 0)
		printf("no devices\n");
	close(fd);
	return result;
}
