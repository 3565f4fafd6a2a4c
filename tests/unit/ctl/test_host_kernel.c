/* SPDX-License-Identifier: MIT */
/* Is iommufd there, and if not, why not; VFIO's driver and nodes. */
#include "tests/unit/ctl/tree.h"

#include <errno.h>

static const struct host_probes none = HOST_PROBES_NONE;

static void iommufd_is_there(void **state)
{
	struct host_probes probes = {.map_file = 1};

	(void)state;
	file_make("proc/sys/kernel/osrelease", "6.13.0\n");
	file_make("dev/iommu", "");
	dir_make("sys/class/misc/iommu");
	host_check_kernel(&host, &probes);
	found_has(FINDING_OK, "Linux 6.13.0 has iommufd");
	found_has(FINDING_OK, "IOMMU_IOAS_MAP_FILE");
}

static void files_cannot_be_mapped(void **state)
{
	static const struct {
		int map_file;
		enum finding_level level;
		const char *text;
	} all[] = {
		{0, FINDING_WARN, "maps no files"},
		{-EACCES, FINDING_WARN, "does not open for you"},
		{-EPERM, FINDING_WARN, "does not open for you"},
		{HOST_NOT_PROBED, FINDING_WARN, "only files were looked at"},
		{-ENODEV, FINDING_FIX, "does not open: No such device"},
	};

	(void)state;
	file_make("dev/iommu", "");
	dir_make("sys/class/misc/iommu");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct host_probes probes = {.map_file = all[i].map_file};

		host_check_kernel(&host, &probes);
		found_has(FINDING_OK, "(unknown release) has iommufd");
		found_has(all[i].level, all[i].text);
		found_clear();
	}
}

static void the_node_is_missing(void **state)
{
	(void)state;
	dir_make("sys/class/misc/iommu");
	host_check_kernel(&host, &none);
	found_has(FINDING_FIX, "its node /dev/iommu is not");
}

static void the_kernel_was_built_without(void **state)
{
	(void)state;
	file_make("proc/sys/kernel/osrelease", "6.12.107-amd64\n");
	file_make("boot/config-6.12.107-amd64", "CONFIG_VFIO=m\n# CONFIG_IOMMUFD is not set\n");
	host_check_kernel(&host, &none);
	found_only(FINDING_FIX, "6.12.107-amd64 was built without CONFIG_IOMMUFD "
				"(/boot/config-6.12.107-amd64)");
}

static void the_module_is_not_loaded(void **state)
{
	(void)state;
	file_make("proc/sys/kernel/osrelease", "6.14\n");
	file_make("lib/modules/6.14/config", "CONFIG_IOMMUFD=m\n");
	host_check_kernel(&host, &none);
	found_only(FINDING_FIX, "module that is not loaded");
}

static void nobody_knows_how_it_was_built(void **state)
{
	(void)state;
	file_make("proc/sys/kernel/osrelease", "6.14\n");
	host_check_kernel(&host, &none);
	found_only(FINDING_FIX, "Linux 6.14 has no iommufd, or it is not loaded");
}

static void vfio_ready(void **state)
{
	(void)state;
	dir_make("sys/bus/pci/drivers/vfio-pci");
	file_make("proc/devices", "Character devices:\n 10 misc\n511 vfio-dev\n");
	host_check_vfio(&host);
	found_only(FINDING_OK, "vfio-pci is loaded");
}

static void vfio_not_loaded(void **state)
{
	(void)state;
	file_make("proc/devices", "511 vfio-dev\n");
	host_check_vfio(&host);
	found_only(FINDING_FIX, "not loaded");
}

static void vfio_without_nodes(void **state)
{
	(void)state;
	dir_make("sys/bus/pci/drivers/vfio-pci");
	file_make("proc/devices", "511 vfio\n");
	host_check_vfio(&host);
	found_only(FINDING_FIX, "makes no device nodes");
}

static void vfio_not_seen(void **state)
{
	(void)state;
	dir_make("sys/bus/pci/drivers/vfio-pci");
	host_check_vfio(&host);
	found_only(FINDING_WARN, "not seen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(iommufd_is_there),
		TREE_TEST(files_cannot_be_mapped),
		TREE_TEST(the_node_is_missing),
		TREE_TEST(the_kernel_was_built_without),
		TREE_TEST(the_module_is_not_loaded),
		TREE_TEST(nobody_knows_how_it_was_built),
		TREE_TEST(vfio_ready),
		TREE_TEST(vfio_not_loaded),
		TREE_TEST(vfio_without_nodes),
		TREE_TEST(vfio_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
