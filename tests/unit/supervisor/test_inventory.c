/* SPDX-License-Identifier: MIT */
/* The devices of a host as sysfs tells them, and what happens to their places when they come and go. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/supervisor/inventory.h"
#include "tests/unit/supervisor/fake_host.h"

#define ONE "0000:01:00.0"
#define TWO "0000:02:00.0"

static struct fake_host host;
static struct inventory inventory;

static int setup(void **state)
{
	(void)state;
	fake_host_open(&host);
	fake_device(&host, ONE, 7, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	inventory_close(&inventory);
	fake_host_close(&host);
	return 0;
}

static void look(void)
{
	assert_int_equal(inventory_open_sysfs(host.root, NULL, &inventory), 0);
}

static struct device *find(const char *address)
{
	for (size_t i = 0; i < inventory.count; i++)
		if (strcmp(inventory.devices[i].address, address) == 0)
			return &inventory.devices[i];
	return NULL;
}

static void lease_to(struct device *device, uint64_t session)
{
	device->lease.state = DEVICE_STATE_GRANTED;
	device->lease.session = session;
}

static void every_fact_of_a_device(void **state)
{
	char kind[PCI_RESET_MAX];
	const struct device *device;

	(void)state;
	fake_attribute(&host, ONE, "reset_method", "flr bus\n");
	fake_link(&host, "/sys/bus/pci/devices/" ONE "/physfn", "../0000:00:1f.3");
	fake_file(&host, "/sys/kernel/iommu_groups/7/devices/0000:01:00.1", "", 0444);
	look();
	assert_int_equal(inventory.count, 1);
	device = &inventory.devices[0];
	assert_string_equal(device->address, ONE);
	assert_int_equal(device->vendor, 0x8086);
	assert_int_equal(device->device, 0x10d3);
	assert_int_equal(device->pci.class_code, 0x020000);
	assert_true(device->pci.has_group);
	assert_int_equal(device->pci.group, 7);
	assert_int_equal(device->pci.group_members, 2);
	assert_string_equal(device->pci.physfn, "0000:00:1f.3");
	assert_string_equal(device->pci.node, "vfio3");
	assert_int_equal(device->pci.major, 511);
	assert_int_equal(device->pci.minor, 3);
	assert_false(device->pci.noiommu);
	assert_string_equal(device_reset_kind(device, kind, sizeof(kind)), "flr");
	assert_true(device->present);
	assert_true(device->arrived);
	assert_int_equal(device->lease.state, DEVICE_STATE_RESETTING);
	assert_true(device_node_is_current(&inventory, device));
}

static void a_device_without_a_reset_has_none(void **state)
{
	char kind[PCI_RESET_MAX];

	(void)state;
	look();
	assert_string_equal(device_reset_kind(find(ONE), kind, sizeof(kind)), "none");
}

static void only_devices_with_a_vfio_node_are_listed(void **state)
{
	(void)state;
	fake_device(&host, TWO, 8, 4);
	fake_remove(&host, "/sys/bus/pci/devices/" TWO "/vfio-dev");
	look();
	assert_int_equal(inventory.count, 1);
	assert_null(find(TWO));
}

static void noiommu_is_told_by_node_by_group_and_by_the_lack_of_one(void **state)
{
	(void)state;
	fake_device(&host, TWO, 8, 4);
	fake_file(&host, "/sys/kernel/iommu_groups/8/name", "vfio-noiommu\n", 0444);
	fake_device(&host, "0000:03:00.0", 9, 5);
	fake_remove(&host, "/sys/bus/pci/devices/0000:03:00.0/iommu_group");
	fake_device(&host, "0000:04:00.0", 10, 6);
	fake_remove(&host, "/sys/bus/pci/devices/0000:04:00.0/vfio-dev");
	fake_attribute(&host, "0000:04:00.0", "vfio-dev/noiommu-vfio6/dev", "511:6\n");
	fake_file(&host, "/sys/kernel/iommu_groups/7/name", "ordinary\n", 0444);
	look();
	assert_false(find(ONE)->pci.noiommu);
	assert_true(find(TWO)->pci.noiommu);
	assert_true(find("0000:03:00.0")->pci.noiommu);
	assert_true(find("0000:04:00.0")->pci.noiommu);
}

static void what_sysfs_never_says_is_no_device(void **state)
{
	static const char *const wrong[][2] = {{"vendor", "8086x\n"}, {"vendor", "0x18086\n"},
		{"device", "\n"}, {"class", "0x1020000\n"}, {"vfio-dev/vfio3/dev", "511\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fake_remove(&host, "/sys/bus/pci/devices/" ONE);
		fake_device(&host, ONE, 7, 3);
		fake_attribute(&host, ONE, wrong[i][0], wrong[i][1]);
		look();
		assert_int_equal(inventory.count, 0);
		inventory_close(&inventory);
	}
	fake_remove(&host, "/sys/bus/pci/devices/" ONE);
	fake_device(&host, ONE, 7, 3);
	fake_attribute(&host, ONE, "vfio-dev/vfio4/dev", "511:4\n");
	look();
	assert_int_equal(inventory.count, 0);
}

static void places_stay_while_devices_come_and_go(void **state)
{
	struct device *one;
	uint32_t index;

	(void)state;
	look();
	one = find(ONE);
	index = one->index;
	lease_to(one, 1);
	one->arrived = false;

	fake_device(&host, TWO, 8, 4);
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_ptr_equal(find(ONE), one);
	assert_int_equal(one->index, index);
	assert_int_equal(one->lease.state, DEVICE_STATE_GRANTED);
	assert_false(one->arrived);
	assert_true(find(TWO)->arrived);

	/* Gone while somebody has it: its lease stays. */
	fake_remove(&host, "/sys/bus/pci/devices/" ONE "/vfio-dev");
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_false(one->present);
	assert_int_equal(one->lease.state, DEVICE_STATE_GRANTED);
	assert_false(device_node_is_current(&inventory, one));

	/* Nobody's place goes to whoever comes, somebody's does not. */
	fake_device(&host, "0000:03:00.0", 9, 5);
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_ptr_equal(find(ONE), one);
	assert_ptr_not_equal(find("0000:03:00.0"), one);
}

static void what_comes_back_begins_anew_in_its_place(void **state)
{
	struct device *one;

	(void)state;
	look();
	one = find(ONE);
	one->arrived = false;
	one->lease.state = DEVICE_STATE_FREE;
	fake_remove(&host, "/sys/bus/pci/devices/" ONE "/vfio-dev");
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_false(one->present);
	fake_device(&host, ONE, 7, 9);
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_ptr_equal(find(ONE), one);
	assert_true(one->present);
	assert_true(one->arrived);
	assert_int_equal(one->lease.state, DEVICE_STATE_RESETTING);
	assert_string_equal(one->pci.node, "vfio9");
}

static void bound_anew_between_two_looks_is_an_arrival(void **state)
{
	struct device *one;

	(void)state;
	look();
	one = find(ONE);
	one->arrived = false;
	one->lease.state = DEVICE_STATE_FREE;
	fake_remove(&host, "/sys/bus/pci/devices/" ONE "/vfio-dev");
	fake_device(&host, ONE, 7, 9);
	assert_false(device_node_is_current(&inventory, one));
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_true(one->arrived);
	assert_true(device_node_is_current(&inventory, one));
}

static void as_many_as_there_are_places(void **state)
{
	char address[PCI_ADDRESS_MAX];

	(void)state;
	for (unsigned int i = 1; i < INVENTORY_DEVICES_MAX; i++) {
		(void)snprintf(address, sizeof(address), "0001:%02x:%02x.0", i / 32, i % 32);
		fake_device(&host, address, (int)i + 10, (int)i + 10);
	}
	look();
	assert_int_equal(inventory.count, INVENTORY_DEVICES_MAX);
	assert_int_equal(inventory_refresh(&inventory), 0);
	fake_device(&host, "0002:00:00.0", 2000, 2000);
	assert_int_equal(inventory_refresh(&inventory), -ENOSPC);
	assert_int_equal(inventory.count, INVENTORY_DEVICES_MAX);
	/* A place that nobody misses is as good as a new one, and no other is. */
	lease_to(find(ONE), 1);
	fake_remove(&host, "/sys/bus/pci/devices/" ONE);
	assert_int_equal(inventory_refresh(&inventory), -ENOSPC);
	assert_non_null(find(ONE));
	find(ONE)->lease.state = DEVICE_STATE_FREE;
	assert_int_equal(inventory_refresh(&inventory), 0);
	assert_non_null(find("0002:00:00.0"));
	assert_null(find(ONE));
}

static void a_host_without_pci_has_no_inventory(void **state)
{
	(void)state;
	assert_int_equal(inventory_open_sysfs("/nowhere", NULL, &inventory), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_fact_of_a_device),
		TEST(a_device_without_a_reset_has_none),
		TEST(only_devices_with_a_vfio_node_are_listed),
		TEST(noiommu_is_told_by_node_by_group_and_by_the_lack_of_one),
		TEST(what_sysfs_never_says_is_no_device),
		TEST(places_stay_while_devices_come_and_go),
		TEST(what_comes_back_begins_anew_in_its_place),
		TEST(bound_anew_between_two_looks_is_an_arrival),
		TEST(as_many_as_there_are_places),
		TEST(a_host_without_pci_has_no_inventory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
