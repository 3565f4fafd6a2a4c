/* SPDX-License-Identifier: MIT */
/* Which devices stand against lending another: by group, by PF and VF, in which state, to whom; and what is said of it. */
#include "tests/unit/common/check.h"

#include <stdio.h>
#include <string.h>

#include "broker/supervisor/share_guard.h"

/* Only their addresses matter. */
static const struct tenant *const alpha = (const struct tenant *)0x1000;
static const struct tenant *const beta = (const struct tenant *)0x2000;

static struct device devices[2];
static const struct inventory inventory = {.devices = devices, .count = 2};
static struct device *const wanted = &devices[0], *const other = &devices[1];
static char text[SHARE_TEXT_MAX];

static int setup(void **state)
{
	(void)state;
	memset(devices, 0, sizeof(devices));
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(devices[i].address, sizeof(devices[i].address), "0000:05:00.%zu", i);
		devices[i].pci.has_group = true;
		devices[i].pci.group = 7;
		devices[i].lease.state = DEVICE_STATE_FREE;
	}
	text[0] = '\0';
	return 0;
}

static void lend(struct device *device, enum device_state state, uint64_t session,
	const struct tenant *tenant)
{
	device->lease = (struct lease){.state = state,
		.session = state == DEVICE_STATE_GRANTED ? session : 0,
		.tenant = tenant};
}

static const struct device *conflict(void)
{
	return share_conflict(&inventory, wanted, 1, alpha, text);
}

static void each_state_of_another_member(void **state)
{
	static const struct {
		enum device_state state;
		bool stands_against;
	} rows[] = {{DEVICE_STATE_FREE, false}, {DEVICE_STATE_GRANTED, true},
		{DEVICE_STATE_CUT, true}, {DEVICE_STATE_HELD, true}, {DEVICE_STATE_RESETTING, true},
		{DEVICE_STATE_QUARANTINED, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		lend(other, rows[i].state, 2, beta);
		assert_ptr_equal(conflict(), rows[i].stands_against ? other : NULL);
	}
}

static void one_session_may_have_all_of_a_group(void **state)
{
	(void)state;
	lend(other, DEVICE_STATE_GRANTED, 1, alpha);
	assert_null(conflict());
}

static void of_the_same_tenant_group_and_session_are_named(void **state)
{
	(void)state;
	lend(other, DEVICE_STATE_GRANTED, 2, alpha);
	assert_ptr_equal(conflict(), other);
	assert_string_equal(text, "IOMMU group 7 of 0000:05:00.0 belongs to one session at a time: "
				  "0000:05:00.1 of it is in use by session 2 of this tenant");
	lend(other, DEVICE_STATE_HELD, 0, alpha);
	assert_ptr_equal(conflict(), other);
	assert_string_equal(text,
		"IOMMU group 7 of 0000:05:00.0 belongs to one session at a time: "
		"0000:05:00.1 of it, last this tenant's, was taken back but is still held open");
}

static void of_another_tenant_nothing_is_named(void **state)
{
	(void)state;
	lend(other, DEVICE_STATE_GRANTED, 2, beta);
	assert_ptr_equal(conflict(), other);
	assert_string_equal(text, "IOMMU group 7 of 0000:05:00.0 belongs to one session at a time: "
				  "another device of it is in use by another tenant");
	lend(other, DEVICE_STATE_HELD, 0, beta);
	assert_ptr_equal(conflict(), other);
	assert_null(strstr(text, "05:00.1"));
}

static void other_groups_and_no_groups_do_not_matter(void **state)
{
	(void)state;
	lend(other, DEVICE_STATE_GRANTED, 2, beta);
	other->pci.group = 8;
	assert_null(conflict());
	other->pci.group = 7;
	other->pci.has_group = false;
	assert_null(conflict());
	wanted->pci.has_group = false;
	assert_null(conflict());
}

static void virtual_function_of(struct device *vf, const struct device *pf)
{
	_Static_assert(sizeof(vf->pci.physfn) == sizeof(pf->address), "an address");
	memcpy(vf->pci.physfn, pf->address, sizeof(pf->address));
}

static void a_pf_and_its_vf_in_both_directions(void **state)
{
	(void)state;
	wanted->pci.group = 8;
	virtual_function_of(wanted, other);
	assert_null(conflict());
	lend(other, DEVICE_STATE_GRANTED, 2, beta);
	assert_ptr_equal(conflict(), other);
	assert_string_equal(text, "0000:05:00.0 is a virtual function of 0000:05:00.1, which is in "
				  "use (another tenant)");
	lend(other, DEVICE_STATE_GRANTED, 1, alpha);
	assert_null(conflict());

	wanted->pci.physfn[0] = '\0';
	virtual_function_of(other, wanted);
	lend(other, DEVICE_STATE_GRANTED, 2, alpha);
	assert_ptr_equal(conflict(), other);
	assert_string_equal(text, "0000:05:00.0 commands virtual functions, and one of them is in "
				  "use (this tenant)");
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_state_of_another_member),
		TEST(one_session_may_have_all_of_a_group),
		TEST(of_the_same_tenant_group_and_session_are_named),
		TEST(of_another_tenant_nothing_is_named),
		TEST(other_groups_and_no_groups_do_not_matter),
		TEST(a_pf_and_its_vf_in_both_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
