/* SPDX-License-Identifier: MIT */
/* Does an IOMMU stand between devices and memory, and between devices and interrupts? */
#include <errno.h>
#include <string.h>

#include "client/ctl/host.h"

void host_check_iommu(struct host *host)
{
	char **units = NULL, **groups = NULL;
	size_t units_count = 0, groups_count = 0;

	(void)tree_names(host, "sys/class/iommu", &units, &units_count);
	(void)tree_names(host, "sys/kernel/iommu_groups", &groups, &groups_count);
	if (units_count == 0)
		report_add(host->report, FINDING_FIX, "iommu",
			"turn on VT-d or AMD-Vi in the firmware, and boot with intel_iommu=on "
			"(Intel)",
			"no IOMMU is on");
	else if (groups_count == 0)
		report_add(host->report, FINDING_FIX, "iommu",
			"boot with intel_iommu=on (Intel), and without iommu=off",
			"%s is there, and no device is behind it", units[0]);
	else
		report_add(host->report, FINDING_OK, "iommu", NULL,
			"%zu IOMMU%s on (%s), %zu groups", units_count,
			units_count == 1 ? " is" : "s are", units[0], groups_count);
	tree_names_free(units, units_count);
	tree_names_free(groups, groups_count);
}

/* A module's parameter that is a bool. -ENOENT: there is no such module. */
static int parameter_is_set(const struct host *host, const char *path)
{
	char text[HOST_TEXT_MAX];
	int error = tree_read(host, path, text);

	if (error)
		return error;
	return text[0] == 'Y' || text[0] == '1';
}

void host_check_interrupts(struct host *host)
{
	static const char *const modules[] = {"iommufd", "vfio_iommu_type1"};
	/* How Linux names interrupt chips behind x86' remapping, and behind Arm's ITS. */
	int remapped = tree_contains(host, "proc/interrupts", "IR-");
	char path[96];

	if (remapped == 0)
		remapped = tree_contains(host, "proc/interrupts", "ITS-");
	if (remapped > 0)
		report_add(host->report, FINDING_OK, "interrupts", NULL, "are remapped");
	else if (remapped == 0)
		report_add(host->report, FINDING_FIX, "interrupts",
			"turn on interrupt remapping (x2APIC) in the firmware, and boot without "
			"intremap=off",
			"are not remapped: a device could raise any interrupt of the host");
	else
		report_add(host->report, FINDING_WARN, "interrupts", "is /proc mounted?",
			"not seen: /proc/interrupts: %s", strerrordesc_np(-remapped));
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		(void)snprintf(path, sizeof(path),
			"sys/module/%s/parameters/allow_unsafe_interrupts", modules[i]);
		if (parameter_is_set(host, path) > 0)
			report_add(host->report, FINDING_FIX, "interrupts",
				"take it from the kernel's command line and /etc/modprobe.d: the "
				"broker "
				"refuses to lend devices",
				"%s.allow_unsafe_interrupts is set", modules[i]);
	}
}

/* How many nodes of a directory begin with "noiommu-"; the first one's name. */
static size_t noiommu_nodes(const struct host *host, const char *dir, char *first, size_t bytes)
{
	static const char prefix[] = "noiommu-";
	size_t n, found = 0;
	char **names;

	if (tree_names(host, dir, &names, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (strncmp(names[i], prefix, sizeof(prefix) - 1) == 0 && found++ == 0)
			(void)snprintf(first, bytes, "/%s/%s", dir, names[i]);
	tree_names_free(names, n);
	return found;
}

void host_check_noiommu(struct host *host)
{
	static const char *const dirs[] = {"dev/vfio", "dev/vfio/devices"};
	bool wrong = false;
	char first[320];

	if (parameter_is_set(host, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode") > 0) {
		wrong = true;
		report_add(host->report, FINDING_FIX, "noiommu",
			"echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode, and take "
			"it "
			"from the kernel's command line and /etc/modprobe.d",
			"VFIO may lend devices that no IOMMU holds back");
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		size_t n = noiommu_nodes(host, dirs[i], first, sizeof(first));

		if (n == 0)
			continue;
		wrong = true;
		report_add(host->report, FINDING_FIX, "noiommu",
			"unbind that device from vfio-pci, or turn the IOMMU on",
			"%s: DMA of such a device reaches all memory (%zu of them)", first, n);
	}
	if (!wrong)
		report_add(host->report, FINDING_OK, "noiommu", NULL,
			"no device can be opened without an IOMMU");
}
