/* SPDX-License-Identifier: MIT */
/* iommu-brokerctl revoke: end a session by force, and tell each step as it happens. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/admin.h"
#include "client/ctl/commands.h"
#include "client/ctl/json.h"

enum { OPT_JSON = 256, OPT_SOCKET, OPT_HELP };

typedef Iommubroker__Admin__V1__Step Step;

static const char *step_name(int kind)
{
	static const char *const names[] = {"?", "killed", "ended", "empty", "device", "done"};

	return kind > 0 && kind < 6 ? names[kind] : "?";
}

static void step_print_json(const Step *step)
{
	printf("{");
	json_text("step", step_name((int)step->kind), true);
	json_number("session", step->session, false);
	json_number("after_ms", step->after_ms, false);
	if (step->device)
		json_text("device", step->device, false);
	if (step->has_state)
		json_text("state", device_state_text((int)step->state), false);
	if (step->has_unmapped_bytes)
		json_number("unmapped_bytes", step->unmapped_bytes, false);
	if (step->has_devices_held)
		json_number("devices_held", step->devices_held, false);
	printf("}\n");
}

static void step_print(const Step *step)
{
	printf("%6u ms  ", step->after_ms);
	switch (step->kind) {
	case IOMMUBROKER__ADMIN__V1__STEP_KIND__STEP_KILLED:
		printf("session %llu killed; its devices are detached and its memory unmapped\n",
			(unsigned long long)step->session);
		break;
	case IOMMUBROKER__ADMIN__V1__STEP_KIND__STEP_ENDED:
		printf("its process is gone\n");
		break;
	case IOMMUBROKER__ADMIN__V1__STEP_KIND__STEP_EMPTY:
		printf("nothing is mapped any more: no device of it reaches memory, its slot in "
		       "the "
		       "ledger is free (%llu bytes unmapped)\n",
			(unsigned long long)step->unmapped_bytes);
		break;
	case IOMMUBROKER__ADMIN__V1__STEP_KIND__STEP_DEVICE:
		printf("%s is %s%s\n", step->device ? step->device : "?",
			device_state_text((int)step->state),
			step->state == IOMMUBROKER__ADMIN__V1__DEVICE_STATE__DEVICE_HELD
				? ": somebody still refers to it"
				: "");
		break;
	case IOMMUBROKER__ADMIN__V1__STEP_KIND__STEP_DONE:
		if (step->devices_held)
			printf("done; %u of its devices are still held (iommu-brokerctl ls shows "
			       "by whom)\n",
				step->devices_held);
		else
			printf("done\n");
		break;
	default:
		printf("a step that this program does not know\n");
	}
}

static enum ctl_exit session_revoke(int fd, uint64_t session, bool json)
{
	Iommubroker__Admin__V1__Revoke body = IOMMUBROKER__ADMIN__V1__REVOKE__INIT;
	AdminRequest request = IOMMUBROKER__ADMIN__V1__REQUEST__INIT;
	bool done = false;

	body.has_session = 1;
	body.session = session;
	request.op_case = IOMMUBROKER__ADMIN__V1__REQUEST__OP_REVOKE;
	request.revoke = &body;
	if (admin_send(fd, &request))
		return CTL_NO_DAEMON;
	while (!done) {
		AdminResponse *response = admin_receive(fd);

		if (!response)
			return CTL_NO_DAEMON;
		if (response->kind_case != IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_STEP) {
			admin_refused(response);
			admin_free(response);
			return CTL_REFUSED;
		}
		if (json)
			step_print_json(response->step);
		else
			step_print(response->step);
		(void)fflush(stdout);
		done = response->step->kind == IOMMUBROKER__ADMIN__V1__STEP_KIND__STEP_DONE;
		admin_free(response);
	}
	return CTL_OK;
}

enum ctl_exit revoke_run(const struct ctl_command *self, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, OPT_JSON},
		{"socket", required_argument, NULL, OPT_SOCKET},
		{"help", no_argument, NULL, OPT_HELP}, {NULL, 0, NULL, 0}};
	const char *path = NULL;
	enum ctl_exit result;
	uint64_t session;
	bool json = false;
	char *end;
	int option, fd;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPT_JSON)
			json = true;
		else if (option == OPT_SOCKET)
			path = optarg;
		else if (option == OPT_HELP)
			return ctl_help(self);
		else
			return ctl_usage(self, "wrong option", NULL);
	}
	if (argc - optind != 1)
		return ctl_usage(self, "one session, please", NULL);
	errno = 0;
	session = strtoull(argv[optind], &end, 10);
	if (errno || *end || end == argv[optind] || argv[optind][0] == '-' || session == 0)
		return ctl_usage(self, "not the number of a session", argv[optind]);
	fd = admin_connect(path);
	if (fd < 0)
		return CTL_NO_DAEMON;
	result = session_revoke(fd, session, json);
	close(fd);
	return result;
}
