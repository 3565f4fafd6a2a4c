/* SPDX-License-Identifier: MIT */
/* Hosts that are refused, each with the sentence that names what and says what to do; and the policy's word for each. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/supervisor/host_guard.h"
#include "tests/unit/supervisor/fake_host.h"

#define ADDRESS "0000:01:00.0"
#define UNSAFE "/sys/module/iommufd/parameters/allow_unsafe_interrupts"

static struct fake_host host;
static struct policy_host policy;
static struct pci_facts device;
static struct host_guard_error error;

/* A host as it should be, with one device. */
static int setup(void **state)
{
	(void)state;
	fake_host_open(&host);
	memset(&policy, 0, sizeof(policy));
	memset(&error, 0, sizeof(error));
	device = (struct pci_facts){
		.address = ADDRESS, .node = "vfio3", .has_group = true, .group = 7};
	fake_file(&host, UNSAFE, "N\n", 0644);
	fake_file(&host, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n",
		0644);
	fake_file(&host, "/dev/iommu", "", 0600);
	fake_file(&host, "/dev/vfio/vfio", "", 0600);
	fake_file(&host, "/dev/vfio/7", "", 0600);
	fake_file(&host, "/dev/vfio/devices/vfio3", "", 0600);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_host_close(&host);
	return 0;
}

static int at_start(void)
{
	return host_guard_start(host.root, &policy, &error);
}

static int at_grant(void)
{
	return host_guard_device(host.root, &policy, &device, &error);
}

static void refused(int result, const char *what, const char *what_to_do)
{
	assert_int_equal(result, -EPERM);
	assert_non_null(strstr(error.text, what));
	assert_non_null(strstr(error.text, what_to_do));
	assert_true(strlen(error.text) < sizeof(error.text) - 1);
}

static void a_host_as_it_should_be(void **state)
{
	(void)state;
	assert_int_equal(at_start(), 0);
	assert_int_equal(at_grant(), 0);
}

static void what_is_not_there_is_not_open(void **state)
{
	(void)state;
	fake_remove(&host, "/dev/vfio");
	fake_remove(&host, "/dev/iommu");
	fake_remove(&host, "/sys/module");
	assert_int_equal(at_start(), 0);
	assert_int_equal(at_grant(), 0);
}

static void unsafe_interrupts_by_either_module(void **state)
{
	static const char *const modules[] = {"iommufd", "vfio_iommu_type1"};
	static const char *const yes[] = {"Y\n", "1\n"};
	char path[128], name[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path),
			"/sys/module/%s/parameters/allow_unsafe_interrupts", modules[i]);
		(void)snprintf(name, sizeof(name), "%s.allow_unsafe_interrupts is set", modules[i]);
		fake_file(&host, path, yes[i], 0644);
		refused(at_start(), name, "host.allow_unsafe_interrupts: yes");
		refused(at_grant(), name, "kernel's command line");
		policy.allow_unsafe_interrupts = 1;
		assert_int_equal(at_start(), 0);
		assert_int_equal(at_grant(), 0);
		policy.allow_unsafe_interrupts = 0;
		fake_file(&host, path, "N\n", 0644);
	}
}

/* Each bit of group and others, on each kind of node. */
static void nodes_that_others_can_open(void **state)
{
	static const char *const nodes[] = {
		"/dev/iommu", "/dev/vfio/vfio", "/dev/vfio/7", "/dev/vfio/devices/vfio3"};

	(void)state;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		for (mode_t bit = 01; bit <= 040; bit <<= 1) {
			fake_file(&host, nodes[i], "", 0600 | bit);
			refused(at_start(), nodes[i], "chmod 0600");
			refused(at_grant(), nodes[i], "udev");
			policy.allow_open_nodes = 1;
			assert_int_equal(at_start(), 0);
			assert_int_equal(at_grant(), 0);
			policy.allow_open_nodes = 0;
		}
		fake_file(&host, nodes[i], "", 0600);
	}
}

/* A link's own mode is open, wherever it leads. */
static void a_node_that_is_a_link(void **state)
{
	(void)state;
	fake_link(&host, "/dev/iommu", "elsewhere");
	refused(at_start(), "/dev/iommu has mode 0777", "chmod 0600 /dev/iommu");
}

static void nodes_that_belong_to_somebody(void **state)
{
	char path[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	(void)snprintf(path, sizeof(path), "%s/dev/vfio/devices/vfio3", host.root);
	assert_int_equal(chown(path, 1000, 0), 0);
	refused(at_start(), "/dev/vfio/devices/vfio3 belongs to uid 1000", "chown root:root");
	refused(at_grant(), "/dev/vfio/devices/vfio3 belongs to uid 1000", "chown root:root");
}

/* At a grant only what concerns the device is looked at. */
static void another_devices_node_is_no_matter_at_a_grant(void **state)
{
	(void)state;
	fake_file(&host, "/dev/vfio/devices/vfio4", "", 0666);
	fake_file(&host, "/dev/vfio/8", "", 0666);
	assert_int_equal(at_grant(), 0);
	refused(at_start(), "/dev/vfio/", "chmod 0600");
}

static void devices_without_an_iommu(void **state)
{
	(void)state;
	fake_file(&host, "/dev/vfio/noiommu-0", "", 0600);
	refused(at_start(), "/dev/vfio/noiommu-0 is without an IOMMU", "host.allow_noiommu: yes");
	fake_remove(&host, "/dev/vfio/noiommu-0");
	fake_file(&host, "/dev/vfio/devices/noiommu-vfio3", "", 0600);
	refused(at_start(), "/dev/vfio/devices/noiommu-vfio3", "enable_unsafe_noiommu_mode");
	device.noiommu = true;
	refused(at_grant(), ADDRESS " is without an IOMMU", "intel_iommu=on");
	policy.allow_noiommu = 1;
	assert_int_equal(at_start(), 0);
	assert_int_equal(at_grant(), 0);
	/* That word does not open nodes. */
	fake_file(&host, "/dev/vfio/devices/noiommu-vfio3", "", 0660);
	refused(at_start(), "has mode 0660", "chmod 0600");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_host_as_it_should_be),
		TEST(what_is_not_there_is_not_open),
		TEST(unsafe_interrupts_by_either_module),
		TEST(nodes_that_others_can_open),
		TEST(a_node_that_is_a_link),
		TEST(nodes_that_belong_to_somebody),
		TEST(another_devices_node_is_no_matter_at_a_grant),
		TEST(devices_without_an_iommu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
