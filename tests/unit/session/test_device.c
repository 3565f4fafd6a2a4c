/* SPDX-License-Identifier: MIT */
/* Devices: opening waits for the supervisor, attaching makes page tables, and clients do things behind our back. */
#include "tests/unit/session/scene.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "broker/session/graph.h"
#include "include/iommufd_uapi.h"

#define ANYWHERE (-1)

static void open_begin(struct scene *scene)
{
	PB(DeviceOpen) body = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
	PB(Operation) operation = OP(DEVICE_OPEN, &body);

	body.name = "edu0";
	body.tag = "mine";
	scene_request(scene, &operation, NULL, 0);
	assert_int_equal(scene->result, DISPATCH_WAIT);
	assert_null(scene->message);
	assert_int_equal(fake.asked.header.type, CONTROL_DEVICE_OPEN);
	assert_string_equal(fake.asked.device_open.name, "edu0");
	/* Reserved: charged, and nobody can name it. */
	assert_int_equal(scene_used(scene, RESOURCE_DEVICES), 1);
	assert_int_equal(graph_count(scene->session.graph), 0);
}

static void test_open(void **state)
{
	struct scene *scene = *state;

	open_begin(scene);
	scene_grant(scene, 5, "edu0");
	assert_done(scene);
	assert_true(scene->fd >= 0);
	assert_int_equal(scene->message->response->id, scene->next_id);
	assert_string_equal(scene_result(scene)->device_open->name, "edu0");
	assert_true(scene_result(scene)->device_open->vfio_user);
	try_close(scene, scene_result(scene)->device_open->device);
	assert_done(scene);
	assert_int_equal(fake.n_released, 1);
	assert_int_equal(fake.released[0], 5);
	assert_int_equal(scene_used(scene, RESOURCE_DEVICES), 0);
	assert_int_equal(fake_audits(AUDIT_DEVICE), 2);
}

static void test_denied(void **state)
{
	struct scene *scene = *state;

	open_begin(scene);
	scene_deny(
		scene, EPERM, "device edu0 is not in the policy", "p.yaml:9 tenants.alpha.devices");
	assert_status(scene, "EPERM", NULL);
	assert_string_equal(scene_status(scene)->rule, "p.yaml:9 tenants.alpha.devices");
	assert_string_equal(scene_status(scene)->message, "device edu0 is not in the policy");
	assert_int_equal(scene_used(scene, RESOURCE_DEVICES), 0);
	open_begin(scene);
	scene_deny(scene, EBUSY, "device edu0 is in use", "");
	assert_status(scene, "EBUSY", NULL);
	assert_null(scene_status(scene)->rule);
	assert_int_equal(fake.n_released, 0);
	/* No refusal is a success, whatever number it carries. */
	open_begin(scene);
	scene_deny(scene, 0, "", "");
	assert_status(scene, "EIO", NULL);
}

/* A device that cannot be bound or shared goes back to the supervisor. */
static void test_grant_that_fails(void **state)
{
	struct scene *scene = *state;
	unsigned long commands[] = {VFIO_DEVICE_BIND_IOMMUFD, 1};
	size_t fds = fds_open();

	for (size_t i = 0; i < 2; i++) {
		open_begin(scene);
		fake.calls = 0;
		fake.fail_cmd = commands[i];
		fake.fail_at = 1;
		fake.fail_error = EMFILE;
		scene_grant(scene, 5, "edu0");
		assert_status(scene, "EMFILE", NULL);
		assert_int_equal(fake.n_released, i + 1);
		assert_int_equal(scene_used(scene, RESOURCE_DEVICES), 0);
		assert_int_equal(fake_objects(), 0);
		assert_int_equal(fds_open(), fds);
	}
}

static void test_supervisor_gone(void **state)
{
	struct scene *scene = *state;
	PB(DeviceOpen) body = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
	PB(DeviceList) list = IOMMUBROKER__V1__DEVICE_LIST__INIT;
	PB(Operation) operation = OP(DEVICE_OPEN, &body);
	uint32_t device = do_open(scene, 1);

	fake.supervisor_gone = true;
	body.name = "edu0";
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EAGAIN", NULL);
	assert_non_null(strstr(scene_status(scene)->message, "broker restarting"));
	operation = OP(DEVICE_LIST, &list);
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EAGAIN", NULL);
	/* What needs no supervisor goes on. */
	try_attach(scene, device, do_ioas(scene));
	assert_done(scene);
	try_close(scene, device);
	assert_done(scene);
}

static void test_list(void **state)
{
	struct scene *scene = *state;
	PB(DeviceList) list = IOMMUBROKER__V1__DEVICE_LIST__INIT;
	PB(Operation) operation = OP(DEVICE_LIST, &list);

	fake.n_devices = CONTROL_DEVICES_MAX; /* with the longest names */
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	assert_int_equal(scene_result(scene)->device_list->n_devices, CONTROL_DEVICES_MAX);
}

static void test_attach(void **state)
{
	struct scene *scene = *state;
	uint32_t device = do_open(scene, 1), a = do_ioas(scene), b = do_ioas(scene), hwpt;

	try_attach(scene, device, a);
	assert_done(scene);
	hwpt = scene_result(scene)->device_attach->pt_id;
	assert_true(hwpt != a && hwpt != b);
	try_destroy(scene, a);
	assert_status(scene, "EBUSY", NULL);
	try_destroy(scene, hwpt);
	assert_status(scene, "EBUSY", NULL);
	try_destroy(scene, device); /* DESTROY of a device is its close */
	assert_done(scene);
	device = do_open(scene, 1);
	try_attach(scene, device, a);
	assert_done(scene);
	try_attach(scene, device, b); /* moves it */
	assert_done(scene);
	try_destroy(scene, a);
	assert_done(scene);
	try_detach(scene, device);
	assert_done(scene);
	try_destroy(scene, b);
	assert_done(scene);
	assert_int_equal(scene_used(scene, RESOURCE_OBJECTS), 1);
}

static void test_attach_refused(void **state)
{
	struct scene *scene = *state;
	uint32_t device = do_open(scene, 1), ioas = do_ioas(scene);

	try_attach(scene, device, device);
	assert_status(scene, "EINVAL", "pt_id");
	try_attach(scene, device, 40);
	assert_status(scene, "ENOENT", "pt_id");
	try_attach(scene, ioas, ioas);
	assert_status(scene, "ENOENT", "device");
	fake.calls = 0;
	fake.fail_cmd = VFIO_DEVICE_ATTACH_IOMMUFD_PT;
	fake.fail_at = 1;
	fake.fail_error = ENOMEM;
	try_attach(scene, device, ioas);
	assert_status(scene, "ENOMEM", NULL);
	assert_int_equal(scene_used(scene, RESOURCE_OBJECTS), 2);
	assert_int_equal(graph_count(scene->session.graph), 2);
}

static void test_two_devices_share_a_page_table(void **state)
{
	struct scene *scene = *state;
	uint32_t first = do_open(scene, 1), second = do_open(scene, 2), ioas = do_ioas(scene), hwpt;

	try_attach(scene, first, ioas);
	hwpt = scene_result(scene)->device_attach->pt_id;
	try_attach(scene, second, hwpt);
	assert_done(scene);
	assert_int_equal(scene_result(scene)->device_attach->pt_id, hwpt);
	try_attach(scene, second, ioas); /* where it is already */
	assert_done(scene);
	try_detach(scene, first);
	assert_done(scene);
	try_destroy(scene, ioas);
	assert_status(scene, "EBUSY", NULL);
	try_detach(scene, second);
	try_destroy(scene, ioas);
	assert_done(scene);
}

/* The client detached the device through its own fd: the kernel's page table is gone, and its id is given to the next
 * object that is made. */
static void test_stale_page_table(void **state)
{
	struct scene *scene = *state;
	uint32_t device = do_open(scene, 1), a = do_ioas(scene), hwpt, reused;

	try_attach(scene, device, a);
	hwpt = scene_result(scene)->device_attach->pt_id;
	fake.objects[device].hwpt = 0;
	fake.objects[hwpt].type = FAKE_NONE;
	reused = do_ioas(scene);
	assert_int_equal(reused, hwpt);
	try_destroy(scene, a);
	assert_done(scene);
	try_attach(scene, device, reused);
	assert_done(scene);
	/* And once more, with a page table in the place of another's page table. */
	hwpt = scene_result(scene)->device_attach->pt_id;
	fake.objects[device].hwpt = 0;
	fake.objects[hwpt].type = FAKE_NONE;
	a = do_ioas(scene);
	try_attach(scene, device, a);
	assert_done(scene);
	try_detach(scene, device);
	assert_done(scene);
	try_destroy(scene, a);
	assert_done(scene);
	try_destroy(scene, reused);
	assert_done(scene);
}

/* The kernel's EBUSY is an answer, not a bug: the client attached its device by itself. */
static void test_busy_behind_our_back(void **state)
{
	struct scene *scene = *state;
	uint32_t ioas = do_ioas(scene);

	fake.destroy_busy = true;
	try_destroy(scene, ioas);
	assert_status(scene, "EBUSY", NULL);
	assert_int_equal(graph_count(scene->session.graph), 1);
	fake.destroy_busy = false;
	/* And so is ENOENT: what was to go is gone. */
	fake.objects[ioas].type = FAKE_NONE;
	try_destroy(scene, ioas);
	assert_done(scene);
}

static void test_share(void **state)
{
	struct scene *scene = *state;
	PB(DeviceShare) body = IOMMUBROKER__V1__DEVICE_SHARE__INIT;
	PB(Operation) operation = OP(DEVICE_SHARE, &body);

	body.has_device = true;
	body.device = 9;
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "ENOENT", "device");
	assert_int_equal(scene->fd, -1);
	body.device = do_open(scene, 1);
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	assert_true(scene->fd >= 0);
}

/* ---- windows ---------------------------------------------------------------------------------------------------- */

static void windows_set(struct scene *scene, uint64_t start, uint64_t last)
{
	scene->setup.windows[0] = (struct control_range){.start = start, .last = last};
}

static void test_window_fixed(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(2 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas;

	windows_set(scene, 0x10000, 0x1ffff);
	ioas = do_ioas(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0x10000);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0x1f000);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, PAGE, 0xf000);
	assert_status(scene, "EPERM", "iova");
	assert_string_equal(scene_status(scene)->rule, scene->setup.rule_windows);
	try_map(scene, ioas, memory, 0, 2 * PAGE, 0x1f000);
	assert_status(scene, "EPERM", "iova");
	try_copy(scene, ioas, ioas, 0x10000, PAGE, 0x20000);
	assert_status(scene, "EPERM", "dst_iova");
	close(fd);
}

/* A window over the MSI range: automatic places stay in it, and a device can still be attached. */
static void test_window_automatic(void **state)
{
	struct scene *scene = *state;
	PB(IoasIovaRanges) body = IOMMUBROKER__V1__IOAS_IOVA_RANGES__INIT;
	PB(Operation) operation = OP(IOAS_IOVA_RANGES, &body);
	int fd = file_memfd(2 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas, device;
	uint64_t iova;

	windows_set(scene, 0xfedff000, 0xfef00fff);
	ioas = do_ioas(scene);
	iova = do_map(scene, ioas, memory, 0, PAGE);
	assert_int_equal(iova, 0xfedff000);
	device = do_open(scene, 1);
	try_attach(scene, device, ioas);
	assert_done(scene);
	assert_int_equal(do_map(scene, ioas, memory, 0, PAGE), 0xfef00000);
	try_map(scene, ioas, memory, 0, PAGE, ANYWHERE);
	assert_status(scene, "ENOSPC", NULL);
	body.has_ioas = true;
	body.ioas = ioas;
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	assert_int_equal(scene_result(scene)->ioas_iova_ranges->n_ranges, 2);
	assert_int_equal(scene_result(scene)->ioas_iova_ranges->ranges[0]->start, 0xfedff000);
	assert_int_equal(scene_result(scene)->ioas_iova_ranges->ranges[0]->last, 0xfedfffff);
	assert_int_equal(scene_result(scene)->ioas_iova_ranges->ranges[1]->last, 0xfef00fff);
	close(fd);
}

/* Nothing usable is left of the window: an empty allow list would mean everything. */
static void test_window_gone(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(2 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas, device;

	windows_set(scene, 0xfee00000, 0xfeefffff);
	ioas = do_ioas(scene);
	device = do_open(scene, 1);
	try_attach(scene, device, ioas);
	assert_done(scene);
	try_map(scene, ioas, memory, 0, PAGE, ANYWHERE);
	assert_status(scene, "ENOSPC", "iova");
	close(fd);
}

/* The kernel is not believed when it says where. */
static void test_window_not_kept(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(2 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas;

	windows_set(scene, 0x10000, 0x1ffff);
	ioas = do_ioas(scene);
	fake.choose = 0x40000;
	try_map(scene, ioas, memory, 0, PAGE, ANYWHERE);
	assert_status(scene, "ENOSPC", "iova");
	assert_int_equal(fake_mappings(), 0);
	assert_int_equal(fake_audits(AUDIT_BROKEN), 1);
	fake.n_audits = 0;
	close(fd);
}

static PB(Status) *
	try_allow(struct scene *scene, uint32_t ioas, uint64_t start, uint64_t last, size_t n)
{
	PB(IoasAllowIovas) body = IOMMUBROKER__V1__IOAS_ALLOW_IOVAS__INIT;
	PB(Operation) operation = OP(IOAS_ALLOW_IOVAS, &body);
	PB(Range) range = IOMMUBROKER__V1__RANGE__INIT, *list[] = {&range};

	range.has_start = range.has_last = true;
	range.start = start;
	range.last = last;
	body.has_ioas = true;
	body.ioas = ioas;
	body.n_ranges = n;
	body.ranges = list;
	return scene_request(scene, &operation, NULL, 0);
}

static void test_allow(void **state)
{
	struct scene *scene = *state;
	int fd = file_memfd(2 * PAGE);
	uint32_t memory = do_register(scene, fd), ioas, device;

	windows_set(scene, 0x10000, 0xffffffff);
	ioas = do_ioas(scene);
	try_allow(scene, ioas, 0, 0xffff, 1);
	assert_status(scene, "EPERM", NULL);
	try_allow(scene, ioas, 0, 0x10fff, 1); /* one page of it is inside */
	assert_done(scene);
	assert_int_equal(do_map(scene, ioas, memory, 0, PAGE), 0x10000);
	try_map(scene, ioas, memory, 0, PAGE, ANYWHERE);
	assert_status(scene, "ENOSPC", NULL);
	try_allow(scene, ioas, 0, 0, 0); /* back to the windows */
	assert_done(scene);
	assert_int_equal(do_map(scene, ioas, memory, 0, PAGE), 0x11000);
	/* A list of the client's own is its promise, as in the kernel. */
	try_allow(scene, ioas, 0x10000, 0xffffffff, 1);
	device = do_open(scene, 1);
	try_attach(scene, device, ioas);
	assert_status(scene, "EADDRINUSE", NULL);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_denied),
		TEST(test_grant_that_fails),
		TEST(test_supervisor_gone),
		TEST(test_list),
		TEST(test_attach),
		TEST(test_attach_refused),
		TEST(test_two_devices_share_a_page_table),
		TEST(test_stale_page_table),
		TEST(test_busy_behind_our_back),
		TEST(test_share),
		TEST(test_window_fixed),
		TEST(test_window_automatic),
		TEST(test_window_gone),
		TEST(test_window_not_kept),
		TEST(test_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
