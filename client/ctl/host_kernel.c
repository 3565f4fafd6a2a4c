/* SPDX-License-Identifier: MIT */
/* Is iommufd in this kernel, are VFIO's parts, and what can they do? */
#include <errno.h>
#include <string.h>

#include "client/ctl/host.h"

#define MODULES "name it in a file of /etc/modules-load.d, and load it now: modprobe "

/* The kernel's configuration, where distributions put it. 0, or -ENOENT. */
static int config_find(const struct host *host, const char *release, char *path, size_t bytes)
{
	static const char *const places[][2] = {
		{"boot/config-", ""}, {"lib/modules/", "/config"}, {"usr/lib/modules/", "/config"}};
	struct stat st;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(path, bytes, "%s%.64s%s", places[i][0], release, places[i][1]);
		if (tree_stat(host, path, &st) == 0)
			return 0;
	}
	return -ENOENT;
}

static void iommufd_missing(struct host *host, const char *release)
{
	char config[128];

	if (config_find(host, release, config, sizeof(config))) {
		report_add(host->report, FINDING_FIX, "kernel",
			"load it (modprobe iommufd), or boot a kernel with CONFIG_IOMMUFD; "
			"Debian's own "
			"kernels are built without it",
			"Linux %s has no iommufd, or it is not loaded", release);
	} else if (tree_contains(host, config, "CONFIG_IOMMUFD=m") > 0) {
		report_add(host->report, FINDING_FIX, "kernel", MODULES "iommufd",
			"iommufd of Linux %s is a module that is not loaded", release);
	} else {
		report_add(host->report, FINDING_FIX, "kernel",
			"boot a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV; Debian's "
			"own "
			"kernels have neither",
			"Linux %s was built without CONFIG_IOMMUFD (/%s)", release, config);
	}
}

static void map_file_check(struct host *host, int map_file)
{
	if (map_file > 0)
		report_add(host->report, FINDING_OK, "kernel", NULL,
			"iommufd maps files (IOMMU_IOAS_MAP_FILE)");
	else if (map_file == 0)
		report_add(host->report, FINDING_WARN, "kernel",
			"works: sessions map files into themselves first; Linux 6.13 saves that",
			"iommufd maps no files (no IOMMU_IOAS_MAP_FILE)");
	else if (map_file == HOST_NOT_PROBED)
		report_add(host->report, FINDING_WARN, "kernel", "run this on the host itself",
			"not asked whether iommufd maps files: only files were looked at");
	else if (map_file == -EACCES || map_file == -EPERM)
		report_add(host->report, FINDING_WARN, "kernel", "run this as root",
			"not seen whether iommufd maps files: /dev/iommu does not open for you");
	else
		report_add(host->report, FINDING_FIX, "kernel", "look at the kernel's log",
			"/dev/iommu does not open: %s", strerrordesc_np(-map_file));
}

void host_check_kernel(struct host *host, const struct host_probes *probes)
{
	char release[HOST_TEXT_MAX];
	struct stat st;

	if (tree_read(host, "proc/sys/kernel/osrelease", release))
		(void)snprintf(release, sizeof(release), "(unknown release)");
	if (tree_stat(host, "sys/class/misc/iommu", &st)) {
		iommufd_missing(host, release);
		return;
	}
	report_add(host->report, FINDING_OK, "kernel", NULL, "Linux %s has iommufd", release);
	if (tree_stat(host, "dev/iommu", &st)) {
		report_add(host->report, FINDING_FIX, "kernel", "is /dev a devtmpfs?",
			"iommufd is there, its node /dev/iommu is not");
		return;
	}
	map_file_check(host, probes->map_file);
}

void host_check_vfio(struct host *host)
{
	const int nodes = tree_contains(host, "proc/devices", "vfio-dev");
	struct stat st;

	if (tree_stat(host, "sys/bus/pci/drivers/vfio-pci", &st))
		report_add(host->report, FINDING_FIX, "vfio", MODULES "vfio-pci",
			"the driver vfio-pci is not loaded");
	else if (nodes == 0)
		report_add(host->report, FINDING_FIX, "vfio",
			"boot a kernel with CONFIG_VFIO_DEVICE_CDEV",
			"VFIO makes no device nodes (/dev/vfio/devices)");
	else if (nodes < 0)
		report_add(host->report, FINDING_WARN, "vfio", "is /proc mounted?",
			"not seen whether VFIO makes device nodes: /proc/devices: %s",
			strerrordesc_np(-nodes));
	else
		report_add(host->report, FINDING_OK, "vfio", NULL,
			"vfio-pci is loaded, and makes device nodes");
}
