/* SPDX-License-Identifier: MIT */
/* `host check`: its command line; what is looked at is in host_*.c. */
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/commands.h"
#include "client/ctl/host.h"

void host_check(struct host *host, const struct host_probes *probes)
{
	host_check_kernel(host, probes);
	host_check_vfio(host);
	host_check_iommu(host);
	host_check_interrupts(host);
	host_check_noiommu(host);
	host_check_nodes(host);
	host_check_cgroup(host);
	host_check_sandbox(host, probes);
	host_check_memlock(host);
	host_check_devices(host);
}

enum { OPT_JSON = 256, OPT_ROOT, OPT_HELP };

enum ctl_exit host_check_run(const struct ctl_command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPT_JSON},
		{"root", required_argument, NULL, OPT_ROOT},
		{"help", no_argument, NULL, OPT_HELP},
		{NULL, 0, NULL, 0},
	};
	struct host_probes probes = HOST_PROBES_NONE;
	struct host_report report = {0};
	const char *root = NULL;
	bool json = false, mend;
	struct host host;
	int option, error;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case OPT_JSON:
			json = true;
			break;
		case OPT_ROOT:
			root = optarg;
			break;
		case OPT_HELP:
			return ctl_help(self);
		default:
			return ctl_usage(self, "wrong option", NULL);
		}
	}
	if (optind < argc)
		return ctl_usage(self, "unexpected argument", argv[optind]);
	error = host_open(&host, root ? root : "/", &report);
	if (error)
		return ctl_usage(self, root ? root : "/", strerrordesc_np(-error));
	if (!root)
		host_probe(&probes);
	host_check(&host, &probes);
	mend = report_mend(&report);
	if (json)
		report_print_json(&report, stdout);
	else
		report_print(&report, stdout);
	host_close(&host);
	report_free(&report);
	return mend ? CTL_REFUSED : CTL_OK;
}
