/* SPDX-License-Identifier: MIT */
/* The command line of iommu-brokerd. */
#ifndef IOMMUB_SUPERVISOR_OPTIONS_H
#define IOMMUB_SUPERVISOR_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "broker/common/control.h"

#define OPTIONS_MODEL_DEVICES_MAX CONTROL_DEVICES_MAX

struct options {
	const char *policy_path;
	char run_dir[96]; /* short, since socket paths below it must fit into 108 bytes */
	const char *libexec_dir; /* NULL: beside this program, then where it was installed */
	const char *log_path; /* NULL: standard error */
	const char *cgroup_dir; /* NULL: no cgroups */
	enum control_backend backend;
	unsigned int model_devices;
	int ready_fd; /* -1: none */
	bool check; /* look at everything, serve nobody */
	bool mask_map_file; /* a test's: sessions do without IOMMU_IOAS_MAP_FILE */
	bool debug;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* OPTIONS_RUN with *ret; OPTIONS_DONE after --help or --version; OPTIONS_WRONG after a sentence on stderr. */
enum options_outcome options_parse(int argc, char **argv, struct options *ret);

#endif
