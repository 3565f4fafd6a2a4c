/* SPDX-License-Identifier: MIT */
/* The devices that are bound to vfio-pci: node, group, reset. Of one that must be mended, the worst; else all. */
#include <errno.h>
#include <string.h>

#include "client/ctl/host.h"

#define DRIVER_DIR "sys/bus/pci/drivers/vfio-pci"
#define DEVICES_DIR "sys/bus/pci/devices"

struct device {
	const char *address;
	char id[16]; /* vendor:device */
	char node[32];
	char group[16];
	char resets[128]; /* as the kernel says them, first is tried first; "" none */
	size_t members; /* of the group, this one included */
	char foreign[48]; /* a member that another driver has; "" none */
	char foreign_driver[48];
};

static void file_read(
	const struct host *host, const char *address, const char *file, char *ret, size_t bytes)
{
	char path[320], text[HOST_TEXT_MAX];

	(void)snprintf(path, sizeof(path), DEVICES_DIR "/%.40s/%s", address, file);
	if (tree_read(host, path, text))
		text[0] = '\0';
	(void)snprintf(ret, bytes, "%.*s", (int)bytes - 1, text);
}

static void link_read(
	const struct host *host, const char *address, const char *file, char *ret, size_t bytes)
{
	char path[320];

	(void)snprintf(path, sizeof(path), DEVICES_DIR "/%.40s/%s", address, file);
	if (tree_link(host, path, ret, bytes))
		ret[0] = '\0';
}

/* A bridge is driven by pcieport, or by nobody, and is lent to nobody. */
static bool driver_is_harmless(const char *driver)
{
	return !driver[0] || strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "pcieport") == 0 ||
	       strcmp(driver, "pci-stub") == 0;
}

static void group_read(const struct host *host, struct device *device)
{
	char path[96], driver[48];
	char **names;
	size_t n;

	(void)snprintf(
		path, sizeof(path), DEVICES_DIR "/%.40s/iommu_group/devices", device->address);
	if (tree_names(host, path, &names, &n))
		return;
	device->members = n;
	for (size_t i = 0; i < n; i++) {
		link_read(host, names[i], "driver", driver, sizeof(driver));
		if (driver_is_harmless(driver))
			continue;
		(void)snprintf(device->foreign, sizeof(device->foreign), "%.40s", names[i]);
		memcpy(device->foreign_driver, driver, sizeof(driver));
	}
	tree_names_free(names, n);
}

static void device_read(const struct host *host, const char *address, struct device *ret)
{
	struct device device = {.address = address};
	char vendor[16], model[16], path[96];
	char **names;
	size_t n;

	file_read(host, address, "vendor", vendor, sizeof(vendor));
	file_read(host, address, "device", model, sizeof(model));
	(void)snprintf(device.id, sizeof(device.id), "%.4s:%.4s",
		strncmp(vendor, "0x", 2) == 0 ? vendor + 2 : "?",
		strncmp(model, "0x", 2) == 0 ? model + 2 : "?");
	file_read(host, address, "reset_method", device.resets, sizeof(device.resets));
	link_read(host, address, "iommu_group", device.group, sizeof(device.group));
	(void)snprintf(path, sizeof(path), DEVICES_DIR "/%.40s/vfio-dev", address);
	if (tree_names(host, path, &names, &n) == 0) {
		if (n)
			(void)snprintf(device.node, sizeof(device.node), "%.31s", names[0]);
		tree_names_free(names, n);
	}
	group_read(host, &device);
	*ret = device;
}

/* A device that can be lent: what there is to know of it. */
static void usable_report(struct host_report *report, const struct device *device)
{
	const bool resets = device->resets[0] != '\0', alone = device->members <= 1;

	if (resets && alone)
		report_add(report, FINDING_OK, "device", NULL,
			"%s (%s) is %s, group %s, resets by %s", device->address, device->id,
			device->node, device->group, device->resets);
	if (!resets)
		report_add(report, FINDING_WARN, "device",
			"the policy can lend it to one tenant (reset: none), or to several with "
			"reset: unsafe and a scrub program",
			"%s (%s) is %s, group %s, and cannot be reset", device->address, device->id,
			device->node, device->group);
	if (!alone)
		report_add(report, FINDING_WARN, "device",
			"the devices of a group go to one session at a time",
			"%s (%s) is %s, and shares group %s with %zu more", device->address,
			device->id, device->node, device->group, device->members - 1);
}

static void device_report(struct host *host, const struct device *device)
{
	struct host_report *report = host->report;

	if (!device->group[0])
		report_add(report, FINDING_FIX, "device", "no IOMMU stands before it: unbind it",
			"%s (%s) is in no IOMMU group", device->address, device->id);
	else if (!device->node[0])
		report_add(report, FINDING_FIX, "device",
			"boot a kernel with CONFIG_VFIO_DEVICE_CDEV",
			"%s (%s) has no node in /dev/vfio/devices", device->address, device->id);
	else if (device->foreign[0])
		report_add(report, FINDING_FIX, "device",
			"bind that to vfio-pci too, or to no driver",
			"%s (%s) shares group %s with %s, which %s drives", device->address,
			device->id, device->group, device->foreign, device->foreign_driver);
	else
		usable_report(report, device);
}

void host_check_devices(struct host *host)
{
	char **names = NULL;
	size_t n = 0, seen = 0;
	struct device device;

	(void)tree_names(host, DRIVER_DIR, &names, &n);
	for (size_t i = 0; i < n; i++) {
		if (!strchr(names[i], ':')) /* bind, new_id, … */
			continue;
		if (strchr("0123456789abcdef", names[i][0]) == NULL)
			continue;
		seen++;
		device_read(host, names[i], &device);
		device_report(host, &device);
	}
	if (seen == 0)
		report_add(host->report, FINDING_WARN, "device",
			"echo vfio-pci > /sys/bus/pci/devices/ADDRESS/driver_override; unbind its "
			"driver; echo ADDRESS > /sys/bus/pci/drivers_probe",
			"none is bound to vfio-pci, so there is nothing to lend");
	tree_names_free(names, n);
}
