/* SPDX-License-Identifier: MIT */
/* The four kinds of nodes, closed and open. A file that we make is ours, so only root can see "closed" here. */
#include "tests/unit/ctl/tree.h"

#include <unistd.h>

static const char *const nodes[] = {
	"dev/iommu", "dev/vfio/vfio", "dev/vfio/12", "dev/vfio/devices/vfio0"};
#define NODES_COUNT (sizeof(nodes) / sizeof(nodes[0]))

static void all_make(void)
{
	for (size_t i = 0; i < NODES_COUNT; i++) {
		file_make(nodes[i], "");
		file_mode(nodes[i], 0600);
	}
	/* Not a device's or a group's: their own check has these. */
	file_make("dev/vfio/devices/noiommu-vfio1", "");
	file_make("dev/vfio/noiommu-3", "");
}

static void closed(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	all_make();
	host_check_nodes(&host);
	found_has(FINDING_OK, "/dev/iommu is root's alone");
	found_has(FINDING_OK, "/dev/vfio/vfio is root's alone");
	found_has(FINDING_OK, "/dev/vfio/GROUP (1): root's alone");
	found_has(FINDING_OK, "/dev/vfio/devices/* (1): root's alone");
	assert_int_equal(report_mend(host.report), 0);
}

static void absent(void **state)
{
	(void)state;
	host_check_nodes(&host);
	found_has(FINDING_OK, "/dev/iommu is not there");
	found_has(FINDING_OK, "/dev/vfio/vfio is not there");
	found_has(FINDING_OK, "/dev/vfio/GROUP: none there");
	found_has(FINDING_OK, "/dev/vfio/devices/*: none there");
}

/* Each one, open by each of the six bits that make it open. */
static void open_to_others(void **state)
{
	char text[64];

	(void)state;
	all_make();
	for (size_t i = 0; i < NODES_COUNT; i++)
		for (mode_t bit = 01; bit <= 040; bit <<= 1) {
			file_mode(nodes[i], 0600 | bit);
			found_clear();
			host_check_nodes(&host);
			(void)snprintf(text, sizeof(text), "/%s is open to others (mode %04o",
				nodes[i], 0600 | bit);
			found_has(FINDING_FIX, text);
			file_mode(nodes[i], 0600);
		}
}

static void of_another_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	all_make();
	for (size_t i = 0; i < NODES_COUNT; i++) {
		assert_int_equal(fchownat(host.root_fd, nodes[i], 64101, 0, 0), 0);
		found_clear();
		host_check_nodes(&host);
		found_has(FINDING_FIX, "owner 64101");
		assert_int_equal(fchownat(host.root_fd, nodes[i], 0, 0, 0), 0);
	}
	/* A group without bits has nothing of it. */
	assert_int_equal(fchownat(host.root_fd, nodes[0], 0, 64101, 0), 0);
	found_clear();
	host_check_nodes(&host);
	assert_int_equal(report_mend(host.report), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(closed),
		TREE_TEST(absent),
		TREE_TEST(open_to_others),
		TREE_TEST(of_another_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
