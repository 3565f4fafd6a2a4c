/* SPDX-License-Identifier: MIT */
/* The IOMMU, remapped interrupts, and the switches that void both. */
#include "tests/unit/ctl/tree.h"

static void iommu_on(void **state)
{
	(void)state;
	dir_make("sys/class/iommu/dmar0");
	dir_make("sys/class/iommu/dmar1");
	dir_make("sys/kernel/iommu_groups/0");
	host_check_iommu(&host);
	found_only(FINDING_OK, "2 IOMMUs are on (dmar0), 1 groups");
}

static void iommu_off(void **state)
{
	(void)state;
	host_check_iommu(&host);
	found_only(FINDING_FIX, "no IOMMU is on");
	found_clear();
	dir_make("sys/class/iommu/dmar0");
	dir_make("sys/kernel/iommu_groups");
	host_check_iommu(&host);
	found_only(FINDING_FIX, "no device is behind it");
}

static void interrupts_remapped(void **state)
{
	(void)state;
	file_make("proc/interrupts", "  0: 9 IR-IO-APIC 2-edge timer\n");
	file_make("sys/module/iommufd/parameters/allow_unsafe_interrupts", "N\n");
	file_make("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	host_check_interrupts(&host);
	found_only(FINDING_OK, "are remapped");
	found_clear();
	file_make(
		"proc/interrupts", " 27: 9 GICv3 timer\n 48: 0 ITS-PCI-MSI-0000:00:02.0 0 Edge\n");
	host_check_interrupts(&host);
	found_only(FINDING_OK, "are remapped");
}

static void interrupts_not_remapped(void **state)
{
	(void)state;
	file_make("proc/interrupts", "  0: 9 IO-APIC 2-edge timer\n 24: 0 PCI-MSI eth0\n");
	host_check_interrupts(&host);
	found_only(FINDING_FIX, "are not remapped");
	found_clear();
	path_remove("proc/interrupts");
	host_check_interrupts(&host);
	found_only(FINDING_WARN, "not seen");
}

static void unsafe_interrupts_allowed(void **state)
{
	(void)state;
	file_make("proc/interrupts", "IR-PCI-MSI\n");
	file_make("sys/module/iommufd/parameters/allow_unsafe_interrupts", "Y\n");
	host_check_interrupts(&host);
	found_has(FINDING_FIX, "iommufd.allow_unsafe_interrupts is set");
	found_clear();
	file_make("sys/module/iommufd/parameters/allow_unsafe_interrupts", "N\n");
	file_make("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	host_check_interrupts(&host);
	found_has(FINDING_FIX, "vfio_iommu_type1.allow_unsafe_interrupts is set");
}

static void noiommu_off(void **state)
{
	(void)state;
	file_make("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	file_make("dev/vfio/devices/vfio0", "");
	host_check_noiommu(&host);
	found_only(FINDING_OK, "no device can be opened without an IOMMU");
}

static void noiommu_on(void **state)
{
	(void)state;
	file_make("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	host_check_noiommu(&host);
	found_only(FINDING_FIX, "no IOMMU holds back");
}

static void noiommu_nodes(void **state)
{
	(void)state;
	file_make("dev/vfio/noiommu-3", "");
	file_make("dev/vfio/devices/noiommu-vfio0", "");
	file_make("dev/vfio/devices/noiommu-vfio1", "");
	host_check_noiommu(&host);
	found_has(
		FINDING_FIX, "/dev/vfio/noiommu-3: DMA of such a device reaches all memory (1 of");
	found_has(FINDING_FIX, "/dev/vfio/devices/noiommu-vfio0: DMA of such a device reaches all "
			       "memory (2 of them)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(iommu_on),
		TREE_TEST(iommu_off),
		TREE_TEST(interrupts_remapped),
		TREE_TEST(interrupts_not_remapped),
		TREE_TEST(unsafe_interrupts_allowed),
		TREE_TEST(noiommu_off),
		TREE_TEST(noiommu_on),
		TREE_TEST(noiommu_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
