/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPT_POLICY = 256,
	OPT_RUN_DIR,
	OPT_BACKEND,
	OPT_LIBEXEC_DIR,
	OPT_MODEL_DEVICES,
	OPT_READY_FD,
	OPT_FOREGROUND,
	OPT_LOG,
	OPT_CGROUP,
	OPT_CHECK,
	OPT_MASK_MAP_FILE,
	OPT_DEBUG,
	OPT_HELP,
	OPT_VERSION
};

static const struct option long_options[] = {
	{"policy", required_argument, NULL, OPT_POLICY},
	{"run-dir", required_argument, NULL, OPT_RUN_DIR},
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"libexec-dir", required_argument, NULL, OPT_LIBEXEC_DIR},
	{"model-devices", required_argument, NULL, OPT_MODEL_DEVICES},
	{"ready-fd", required_argument, NULL, OPT_READY_FD},
	{"foreground", no_argument, NULL, OPT_FOREGROUND},
	{"log", required_argument, NULL, OPT_LOG},
	{"cgroup", required_argument, NULL, OPT_CGROUP},
	{"check", no_argument, NULL, OPT_CHECK},
	{"mask-map-file", no_argument, NULL, OPT_MASK_MAP_FILE},
	{"debug", no_argument, NULL, OPT_DEBUG},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"usage: iommu-brokerd --policy FILE [options]\n"
	"\n"
	"Lends devices and I/O address spaces to the tenants that FILE names. Stays in the "
	"foreground.\n"
	"\n"
	"  --policy FILE         who is which tenant and may do what (YAML)\n"
	"  --run-dir DIR         where sockets are made (/run/iommu-broker; for an ordinary user\n"
	"                        $XDG_RUNTIME_DIR/iommu-broker)\n"
	"  --backend KIND        kernel, model, or auto: kernel if there is a /dev/iommu (auto)\n"
	"  --model-devices N     how many edu devices the model has, 0 to 64 (2)\n"
	"  --libexec-dir DIR     where iommu-broker-session and iommu-broker-helper are\n"
	"                        (beside this program, else where they were installed)\n"
	"  --cgroup DIR          a cgroup v2 directory that is ours: each tenant's sessions get a\n"
	"                        child of it with the policy's memory.max and pids.max; \"own\": "
	"the\n"
	"                        one that we run in (systemd: Delegate=memory pids)\n"
	"  --ready-fd N          write \"ready\" and a newline to file descriptor N when serving\n"
	"  --log FILE            append the log to FILE\n"
	"  --foreground          log to standard error (the default)\n"
	"  --check               check the policy and this host, then exit\n"
	"  --mask-map-file       for tests: sessions behave as on a kernel without "
	"IOMMU_IOAS_MAP_FILE\n"
	"  --debug               sessions keep standard error and name what their filter forbids\n"
	"  --help, --version\n"
	"\n"
	"SIGTERM and SIGINT end all sessions, then this program. SIGKILL leaves the sessions "
	"running.\n";

static enum options_outcome wrong(const char *what, const char *value)
{
	fprintf(stderr, "iommu-brokerd: %s%s%s\nTry iommu-brokerd --help\n", what,
		value ? ": " : "", value ? value : "");
	return OPTIONS_WRONG;
}

static int number_parse(const char *text, unsigned long max, unsigned long *ret)
{
	unsigned long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int backend_parse(const char *text, enum control_backend *ret)
{
	if (strcmp(text, "auto") == 0)
		*ret = access("/dev/iommu", F_OK) == 0 ? BACKEND_KERNEL : BACKEND_MODEL;
	else if (strcmp(text, "kernel") == 0)
		*ret = BACKEND_KERNEL;
	else if (strcmp(text, "model") == 0)
		*ret = BACKEND_MODEL;
	else
		return -EINVAL;
	return 0;
}

static int run_dir_set(struct options *options, const char *text)
{
	int n = snprintf(options->run_dir, sizeof(options->run_dir), "%s", text);

	return n <= 0 || (size_t)n >= sizeof(options->run_dir) ? -ENAMETOOLONG : 0;
}

static enum options_outcome run_dir_default(struct options *options)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];

	if (options->run_dir[0])
		return OPTIONS_RUN;
	if (geteuid() == 0)
		return run_dir_set(options, "/run/iommu-broker") ? OPTIONS_WRONG : OPTIONS_RUN;
	if (!runtime)
		return wrong("--run-dir is needed: there is no XDG_RUNTIME_DIR", NULL);
	(void)snprintf(path, sizeof(path), "%s/iommu-broker", runtime);
	return run_dir_set(options, path) ? wrong("run directory: path too long", path)
					  : OPTIONS_RUN;
}

/* One option. OPTIONS_RUN: go on. */
static enum options_outcome option_take(struct options *options, int option, const char *value)
{
	unsigned long number;

	switch (option) {
	case OPT_POLICY:
		options->policy_path = value;
		return OPTIONS_RUN;
	case OPT_RUN_DIR:
		return run_dir_set(options, value)
			       ? wrong("--run-dir: path empty or too long", value)
			       : OPTIONS_RUN;
	case OPT_BACKEND:
		return backend_parse(value, &options->backend)
			       ? wrong("--backend is auto, kernel or model, not", value)
			       : OPTIONS_RUN;
	case OPT_LIBEXEC_DIR:
		options->libexec_dir = value;
		return OPTIONS_RUN;
	case OPT_MODEL_DEVICES:
		if (number_parse(value, OPTIONS_MODEL_DEVICES_MAX, &number))
			return wrong("--model-devices is a number from 0 to 64, not", value);
		options->model_devices = (unsigned int)number;
		return OPTIONS_RUN;
	case OPT_READY_FD:
		if (number_parse(value, INT_MAX, &number) || fcntl((int)number, F_GETFD) < 0)
			return wrong("--ready-fd is not an open file descriptor", value);
		options->ready_fd = (int)number;
		return OPTIONS_RUN;
	case OPT_FOREGROUND:
		options->log_path = NULL;
		return OPTIONS_RUN;
	case OPT_LOG:
		options->log_path = value;
		return OPTIONS_RUN;
	case OPT_CGROUP:
		options->cgroup_dir = value;
		return OPTIONS_RUN;
	case OPT_CHECK:
		options->check = true;
		return OPTIONS_RUN;
	case OPT_MASK_MAP_FILE:
		options->mask_map_file = true;
		return OPTIONS_RUN;
	case OPT_DEBUG:
		options->debug = true;
		return OPTIONS_RUN;
	case OPT_HELP:
		fputs(usage, stdout);
		return OPTIONS_DONE;
	case OPT_VERSION:
		puts("iommu-brokerd " IOMMUB_VERSION);
		return OPTIONS_DONE;
	default: /* getopt has said what is wrong */
		return OPTIONS_WRONG;
	}
}

enum options_outcome options_parse(int argc, char **argv, struct options *ret)
{
	struct options options = {.ready_fd = -1, .model_devices = 2};
	enum options_outcome outcome = OPTIONS_RUN;
	int option;

	(void)backend_parse("auto", &options.backend);
	while (outcome == OPTIONS_RUN &&
		(option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		outcome = option_take(&options, option, optarg);
	if (outcome != OPTIONS_RUN)
		return outcome;
	if (optind < argc)
		return wrong("unexpected argument", argv[optind]);
	if (!options.policy_path)
		return wrong("--policy FILE is needed", NULL);
	outcome = run_dir_default(&options);
	if (outcome == OPTIONS_RUN)
		*ret = options;
	return outcome;
}
