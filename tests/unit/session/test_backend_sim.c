/* SPDX-License-Identifier: MIT */
/*
 * The model as a session's backend, without a session: what it takes for hardware, and what it gives back. Every test
 * counts the fds of this process before and after.
 */
#include "tests/harness/cmocka.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/memfd.h"
#include "broker/common/seqpacket.h"
#include "broker/session/backend.h"
#include "broker/sim/edu.h"
#include "iommufd_uapi.h"
#include "vfio_user.h"

#define PAGE UINT64_C(4096)
#define FDS_MAX 256

static struct event_base *events;
static struct backend *backend;
static unsigned int fds_before;
static unsigned int faults;

static const struct control_device edu_facts = {
	.name = "edu0", .vendor = EDU_VENDOR, .device = EDU_DEVICE, .state = DEVICE_STATE_GRANTED};

static unsigned int fds_open(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FDS_MAX; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void on_fault(void *arg, const char *device, uint64_t iova, bool write)
{
	(void)arg;
	(void)device;
	(void)iova;
	(void)write;
	faults++;
}

static int setup(void **state)
{
	(void)state;
	fds_before = fds_open();
	faults = 0;
	events = event_base_new();
	if (!events || backend_new(BACKEND_MODEL, -1, false, events, &backend) < 0)
		return -1;
	backend_fault_handler_set(backend, on_fault, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	backend_free(backend);
	event_base_free(events);
	return fds_open() == fds_before ? 0 : -1;
}

static int hardware_new(void)
{
	int fd = memfd_sized("edu", EDU_STATE_BYTES);
	void *state = mmap(NULL, EDU_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(state, MAP_FAILED);
	edu_state_init(state);
	(void)munmap(state, EDU_STATE_BYTES);
	return fd;
}

static struct backend_device *device_open(void)
{
	struct backend_device *device = NULL;
	uint32_t id = 0;

	assert_int_equal(backend_device_open(backend, hardware_new(), &edu_facts, &device, &id), 0);
	assert_int_not_equal(id, 0);
	return device;
}

static void assert_refused(int fd, const struct control_device *facts, int error)
{
	struct backend_device *device = NULL;
	unsigned int before = fds_open();
	uint32_t id = 0;

	assert_int_equal(backend_device_open(backend, fd, facts, &device, &id), error);
	assert_int_equal(id, 0);
	assert_int_equal(fds_open(), before - 1); /* the fd was ours to close, also on failure */
}

static void only_sealed_hardware_is_taken(void **state)
{
	struct control_device other = edu_facts;
	int fd = memfd_create("shrinks", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(ftruncate(fd, EDU_STATE_BYTES), 0);
	assert_refused(fd, &edu_facts, -EINVAL);
	assert_refused(memfd_sized("short", EDU_STATE_BYTES - PAGE), &edu_facts, -EINVAL);
	assert_refused(open("/dev/null", O_RDWR | O_CLOEXEC), &edu_facts, -EINVAL);
	other.device = 0;
	assert_refused(hardware_new(), &other, -ENODEV);
}

static void everything_goes_with_the_backend(void **state)
{
	bool vfio_user = false;
	int fd;

	(void)state;
	fd = backend_device_share(backend, device_open(), &vfio_user);
	assert_true(fd >= 0);
	assert_true(vfio_user);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)device_open();
	backend_free(backend);
	backend = NULL;
	assert_int_equal(recv(fd, &vfio_user, 1, 0), 0); /* our end was closed */
	close(fd);
}

static void closed_device_gives_back_its_fds(void **state)
{
	unsigned int before = fds_open();
	struct backend_device *device = device_open();
	bool vfio_user;
	int fds[BACKEND_SHARES_MAX];

	(void)state;
	for (unsigned int i = 0; i < BACKEND_SHARES_MAX; i++) {
		fds[i] = backend_device_share(backend, device, &vfio_user);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(backend_device_share(backend, device, &vfio_user), -EMFILE);
	close(fds[0]);
	assert_true(event_base_loop(events, EVLOOP_ONCE) >= 0); /* its end is seen */
	fds[0] = backend_device_share(backend, device, &vfio_user);
	assert_true(fds[0] >= 0);
	backend_device_close(backend, device);
	for (unsigned int i = 0; i < BACKEND_SHARES_MAX; i++)
		close(fds[i]);
	assert_int_equal(fds_open(), before);
}

/* An eventfd that was given to a device for its interrupt goes with it, though the session lives on. */
static void closed_device_gives_back_its_eventfd(void **state)
{
	struct {
		struct vfio_user_header header;
		struct vfio_user_version version;
	} hello = {.header = {.command = VFIO_USER_VERSION, .bytes = sizeof(hello)},
		.version = {.major = VFIO_USER_MAJOR}};
	struct {
		struct vfio_user_header header;
		struct vfio_user_irq_set set;
	} trigger = {.header = {.command = VFIO_USER_DEVICE_SET_IRQS, .bytes = sizeof(trigger)},
		.set = {.argsz = sizeof(trigger.set),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSI_IRQ_INDEX,
			.count = 1}};
	unsigned int before = fds_open(), with_socket;
	struct backend_device *device = device_open();
	int fd, event_fd = eventfd(0, EFD_CLOEXEC);
	bool vfio_user;

	(void)state;
	fd = backend_device_share(backend, device, &vfio_user);
	with_socket = fds_open();
	assert_int_equal(seqpacket_send(fd, &hello, sizeof(hello), NULL, 0), 0);
	assert_int_equal(seqpacket_send(fd, &trigger, sizeof(trigger), &event_fd, 1), 0);
	close(event_fd);
	assert_true(event_base_loop(events, EVLOOP_ONCE) >= 0);
	assert_int_equal(fds_open(), with_socket); /* the device has the only one now */
	backend_device_close(backend, device);
	close(fd);
	assert_int_equal(fds_open(), before);
}

/* Garbage on one socket of a device costs that socket; the others go on. */
static void broken_client_loses_its_socket_only(void **state)
{
	struct backend_device *device = device_open();
	char byte;
	bool vfio_user;
	int a, b;

	(void)state;
	a = backend_device_share(backend, device, &vfio_user);
	b = backend_device_share(backend, device, &vfio_user);
	assert_int_equal(send(a, "this is no vfio-user header at all, is it", 41, 0), 41);
	assert_true(event_base_loop(events, EVLOOP_ONCE) >= 0);
	while (recv(a, &byte, 1, MSG_DONTWAIT) == 1)
		; /* whatever it was told */
	assert_true(recv(a, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
	assert_int_equal(recv(b, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(a);
	close(b);
}

static int stuck_find(const struct event_base *base, const struct event *event, void *ret)
{
	(void)base;
	if (!event_pending(event, EV_WRITE, NULL))
		return 0;
	*(const struct event **)ret = event;
	return 1;
}

/* A client can have sent its own end over this socket: then its death is no end that anybody sees. */
static void client_that_never_reads_loses_its_socket(void **state)
{
	struct {
		struct vfio_user_header header;
		struct vfio_user_version version;
	} ask = {.header = {.command = VFIO_USER_VERSION, .bytes = sizeof(ask)},
		.version = {.major = VFIO_USER_MAJOR}};
	struct event *stuck = NULL;
	struct backend_device *device = device_open();
	bool vfio_user;
	unsigned int before = fds_open();
	int fd = backend_device_share(backend, device, &vfio_user);

	(void)state;
	while (send(fd, &ask, sizeof(ask), MSG_DONTWAIT) == sizeof(ask))
		assert_true(event_base_loop(events, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	assert_int_equal(event_base_foreach_event(events, stuck_find, &stuck), 1);
	assert_true(event_pending(stuck, EV_TIMEOUT, NULL));
	event_active(stuck, EV_TIMEOUT, 0);
	assert_true(event_base_loop(events, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	assert_int_equal(fds_open(), before + 1);
	close(fd);
}

static void device_attaches_and_detaches(void **state)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	struct backend_device *device = device_open();

	(void)state;
	assert_int_equal(backend_ioctl(backend, IOMMU_IOAS_ALLOC, &alloc), 0);
	attach.pt_id = destroy.id = alloc.out_ioas_id;
	assert_int_equal(
		backend_device_ioctl(backend, device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), 0);
	assert_int_equal(backend_ioctl(backend, IOMMU_DESTROY, &destroy), -EBUSY);
	assert_int_equal(
		backend_device_ioctl(backend, device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	assert_int_equal(backend_ioctl(backend, IOMMU_DESTROY, &destroy), 0);
	assert_string_equal(backend_name(backend), "model");
	assert_int_equal(faults, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_sealed_hardware_is_taken),
		TEST(everything_goes_with_the_backend),
		TEST(closed_device_gives_back_its_fds),
		TEST(closed_device_gives_back_its_eventfd),
		TEST(broken_client_loses_its_socket_only),
		TEST(client_that_never_reads_loses_its_socket),
		TEST(device_attaches_and_detaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
