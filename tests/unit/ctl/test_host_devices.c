/* SPDX-License-Identifier: MIT */
/* Devices bound to vfio-pci: lendable, alone or not, with and without a reset, and not lendable at all. */
#include "tests/unit/ctl/tree.h"

#define DEVICES "sys/bus/pci/devices/"

static void device_make(const char *address, const char *driver, const char *group)
{
	char path[160], target[160];

	(void)snprintf(path, sizeof(path), DEVICES "%s/vendor", address);
	file_make(path, "0x1234\n");
	(void)snprintf(path, sizeof(path), DEVICES "%s/device", address);
	file_make(path, "0x11e8\n");
	if (driver) {
		(void)snprintf(path, sizeof(path), DEVICES "%s/driver", address);
		(void)snprintf(target, sizeof(target), "../../drivers/%s", driver);
		link_make(path, target);
		(void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/%s", driver, address);
		(void)snprintf(target, sizeof(target), "../../devices/%s", address);
		link_make(path, target);
	}
	if (group) {
		(void)snprintf(path, sizeof(path), DEVICES "%s/iommu_group", address);
		(void)snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%s", group);
		link_make(path, target);
		(void)snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%s/devices/%s", group,
			address);
		(void)snprintf(target, sizeof(target), "../../../../bus/pci/devices/%s", address);
		link_make(path, target);
	}
}

static void lendable_make(const char *address, const char *node, const char *reset)
{
	char path[160];

	device_make(address, "vfio-pci", "5");
	(void)snprintf(path, sizeof(path), DEVICES "%s/vfio-dev/%s/dev", address, node);
	file_make(path, "511:0\n");
	(void)snprintf(path, sizeof(path), DEVICES "%s/reset_method", address);
	if (reset)
		file_make(path, reset);
	file_make("sys/bus/pci/drivers/vfio-pci/bind", "");
}

static void none(void **state)
{
	(void)state;
	file_make("sys/bus/pci/drivers/vfio-pci/bind", "");
	link_make("sys/bus/pci/drivers/vfio-pci/module", "../../../../module/vfio_pci");
	host_check_devices(&host);
	found_only(FINDING_WARN, "none is bound to vfio-pci");
}

static void alone_with_reset(void **state)
{
	(void)state;
	lendable_make("0000:00:05.0", "vfio3", "flr bus\n");
	host_check_devices(&host);
	found_only(FINDING_OK, "0000:00:05.0 (1234:11e8) is vfio3, group 5, resets by flr bus");
}

static void without_reset(void **state)
{
	(void)state;
	lendable_make("0000:00:05.0", "vfio3", NULL);
	host_check_devices(&host);
	found_only(FINDING_WARN, "0000:00:05.0 (1234:11e8) is vfio3, group 5, and cannot be reset");
	found_clear();
	file_make(DEVICES "0000:00:05.0/reset_method", "\n");
	host_check_devices(&host);
	found_only(FINDING_WARN, "cannot be reset");
}

static void group_of_lendable_ones(void **state)
{
	(void)state;
	lendable_make("0000:00:05.0", "vfio3", "flr\n");
	lendable_make("0000:00:05.1", "vfio4", "flr\n");
	host_check_devices(&host);
	found_has(
		FINDING_WARN, "0000:00:05.0 (1234:11e8) is vfio3, and shares group 5 with 1 more");
	found_has(
		FINDING_WARN, "0000:00:05.1 (1234:11e8) is vfio4, and shares group 5 with 1 more");
}

static void group_with_a_bridge(void **state)
{
	(void)state;
	lendable_make("0000:00:05.0", "vfio3", "flr\n");
	device_make("0000:00:04.0", "pcieport", "5");
	device_make("0000:00:06.0", NULL, "5");
	host_check_devices(&host);
	found_only(FINDING_WARN, "shares group 5 with 2 more");
}

static void group_with_a_stranger(void **state)
{
	(void)state;
	lendable_make("0000:00:05.0", "vfio3", "flr\n");
	device_make("0000:00:06.0", "e1000e", "5");
	host_check_devices(&host);
	found_only(FINDING_FIX, "shares group 5 with 0000:00:06.0, which e1000e drives");
}

static void no_group(void **state)
{
	(void)state;
	device_make("0000:00:05.0", "vfio-pci", NULL);
	host_check_devices(&host);
	found_only(FINDING_FIX, "0000:00:05.0 (1234:11e8) is in no IOMMU group");
}

static void no_node(void **state)
{
	(void)state;
	device_make("0000:00:05.0", "vfio-pci", "5");
	host_check_devices(&host);
	found_only(FINDING_FIX, "has no node in /dev/vfio/devices");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(none),
		TREE_TEST(alone_with_reset),
		TREE_TEST(without_reset),
		TREE_TEST(group_of_lendable_ones),
		TREE_TEST(group_with_a_bridge),
		TREE_TEST(group_with_a_stranger),
		TREE_TEST(no_group),
		TREE_TEST(no_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
