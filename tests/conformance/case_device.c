/* SPDX-License-Identifier: MIT */
/* VFIO_DEVICE_BIND_IOMMUFD, ATTACH, DETACH, and what closing does. */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <unistd.h>

static void bind_errors(void **state)
{
	struct {
		struct vfio_device_bind_iommufd bind;
		uint64_t tail;
	} arg = {.bind = {.argsz = 15, .iommufd = ctx}};
	int device = conformance_device_open(0, 0), pipes[2];
	uint8_t token[16] = {0};

	(void)state;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, NULL), -EFAULT);
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), -EINVAL);
	arg.bind.argsz = sizeof(arg);
	arg.tail = 1;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), -E2BIG);
	arg.tail = 0;
	arg.bind.flags = 2;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), -EINVAL);
	arg.bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), -EFAULT);
	arg.bind.token_uuid_ptr = (uintptr_t)token;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), -EINVAL);
	assert_int_equal(bind_to(device, -1, NULL), -EINVAL);
	assert_int_equal(bind_to(device, 1 << 20, NULL), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(bind_to(device, pipes[0], NULL), -EBADFD);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	arg.bind.flags = 0;
	arg.bind.argsz = 16;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), 0);
	assert_int_equal(arg.bind.out_devid, 1);
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &arg), -EINVAL);
	assert_int_equal(conformance_close(device), 0);
}

static void not_bound(void **state)
{
	int device = conformance_device_open(0, 0);
	uint32_t pt = new_ioas();

	(void)state;
	assert_int_equal(attach(device, &pt), -EINVAL);
	assert_int_equal(detach(device), -EINVAL);
	assert_int_equal(bind_to(device, ctx, NULL), 0);
	assert_int_equal(conformance_ioctl(device, _IO(';', 100 + 99), &pt), -ENOTTY);
	assert_int_equal(conformance_close(device), 0);
}

static void group_owner(void **state)
{
	int other = conformance_open(), a = device_of(7, 0), b = conformance_device_open(7, 0);

	(void)state;
	assert_int_equal(bind_to(b, other, NULL), -EPERM);
	assert_int_equal(bind_to(b, ctx, NULL), 0);
	assert_int_equal(conformance_close(a), 0);
	assert_int_equal(conformance_close(b), 0);
	b = conformance_device_open(7, 0);
	assert_int_equal(bind_to(b, other, NULL), 0);
	assert_int_equal(conformance_close(b), 0);
	assert_usage(other, objects, 0);
	assert_int_equal(conformance_close(other), 0);
}

static void attach_errors(void **state)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = 11};
	uint32_t ioas = new_ioas(), wrong = 99, id;
	int device = conformance_device_open(0, 0);

	(void)state;
	assert_int_equal(bind_to(device, ctx, &id), 0);
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL), -EFAULT);
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.argsz = 12;
	arg.flags = 2;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.flags = VFIO_DEVICE_ATTACH_PASID;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.argsz = sizeof(arg);
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -ENOENT);
	arg.pt_id = ioas;
	arg.pasid = 1;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.pasid = UINT32_MAX;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -ENOSPC);
	assert_int_equal(attach(device, &wrong), -ENOENT);
	assert_int_equal(attach(device, &id), -EINVAL);
	assert_usage(ctx, objects, 2);
	assert_int_equal(conformance_close(device), 0);
}

static void detach_errors(void **state)
{
	struct vfio_device_detach_iommufd_pt arg = {.argsz = 7};
	int device = device_of(0, 0);

	(void)state;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.argsz = 8;
	arg.flags = 2;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.flags = VFIO_DEVICE_DETACH_PASID;
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), -EINVAL);
	arg.argsz = sizeof(arg);
	assert_int_equal(conformance_ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), 0);
	assert_int_equal(detach(device), 0);
}

static int attach_by_pasid(int device, uint32_t pasid, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt,
		.pasid = pasid};

	return conformance_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static int detach_by_pasid(int device, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = pasid};

	return conformance_ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

static void pasid_zero(void **state)
{
	uint32_t ioas = new_ioas(), other = new_ioas(), pt = ioas;
	int device = device_of(0, 0);

	(void)state;
	assert_int_equal(attach_by_pasid(device, 0, ioas), 0);
	assert_int_equal(destroy(ioas), -EBUSY);
	assert_int_equal(attach(device, &pt), -EBUSY);
	assert_int_equal(detach(device), 0);
	assert_int_equal(destroy(ioas), -EBUSY);
	assert_int_equal(detach_by_pasid(device, 1), 0);
	assert_int_equal(destroy(ioas), -EBUSY);
	assert_int_equal(attach_by_pasid(device, 0, other), 0);
	assert_int_equal(destroy(ioas), 0);
	assert_int_equal(detach_by_pasid(device, 0), 0);
	pt = other;
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(attach_by_pasid(device, 0, other), -EBUSY);
	assert_int_equal(detach_by_pasid(device, 0), 0);
	assert_int_equal(destroy(other), -EBUSY);
	assert_int_equal(detach(device), 0);
	assert_int_equal(destroy(other), 0);
}

static void automatic(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas, pt_b = ioas, pt_c = ioas;
	int a = device_of(0, 0), b = device_of(0, 0), c = device_of(0, 39);

	(void)state;
	/* ids: 1 the IOAS, 2 to 4 the devices */
	assert_int_equal(attach(a, &pt), 0);
	assert_int_equal(pt, 5);
	assert_int_equal(attach(b, &pt_b), 0);
	assert_int_equal(pt_b, 5);
	/* It cannot address what that page table can: a narrower one is made. */
	assert_int_equal(attach(c, &pt_c), 0);
	assert_int_equal(pt_c, 6);
	assert_int_equal(detach(a), 0);
	assert_usage(ctx, objects, 6);
	assert_int_equal(detach(b), 0);
	assert_usage(ctx, objects, 5);
	assert_int_equal(detach(c), 0);
	assert_usage(ctx, objects, 4);
}

static void in_use(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	int narrow = device_of(0, 32);

	(void)state;
	assert_int_equal(map_at(ioas, 0xfee00000, PAGE), 0);
	assert_int_equal(attach(narrow, &pt), -EADDRINUSE);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(map_at(ioas, UINT64_C(1) << 32, PAGE), 0);
	assert_int_equal(attach(narrow, &pt), -EADDRINUSE);
	assert_int_equal(unmap(ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(map_at(ioas, (UINT64_C(1) << 32) - PAGE, PAGE), 0);
	assert_int_equal(attach(narrow, &pt), 0);
	assert_usage(ctx, objects, 3);
}

static void replace(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = a, hwpt;
	int device = device_of(0, 0);
	uint8_t byte;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, PAGE), 0);
	assert_int_equal(map_at(b, 32 * PAGE, PAGE), 0);
	assert_int_equal(attach(device, &pt), 0);
	hwpt = pt;
	assert_int_equal(attach(device, &pt), 0); /* to what it has */
	assert_int_equal(pt, hwpt);
	pt = a;
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(pt, hwpt);
	pt = b;
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(destroy(hwpt), -ENOENT);
	assert_int_equal(destroy(a), 0);
	assert_int_equal(target_dma_read(device, 16 * PAGE, &byte), -EFAULT);
	assert_int_equal(target_dma_read(device, 32 * PAGE, &byte), 0);
}

static void replace_fails(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = a, hwpt;
	int device = device_of(0, 0);
	uint8_t byte;

	(void)state;
	assert_int_equal(map_at(a, 16 * PAGE, PAGE), 0);
	assert_int_equal(map_at(b, 0xfee00000, PAGE), 0);
	assert_int_equal(attach(device, &pt), 0);
	hwpt = pt;
	pt = b;
	assert_int_equal(attach(device, &pt), -EADDRINUSE);
	assert_int_equal(target_dma_read(device, 16 * PAGE, &byte), 0);
	assert_usage(ctx, objects, 4);
	assert_int_equal(destroy(b), 0);
	assert_int_equal(destroy(hwpt), -EBUSY);
	/* Its window is still out of the first. */
	assert_int_equal(map_at(a, 0xfee00000, PAGE), -EINVAL);
}

static void group_follows(void **state)
{
	uint32_t a = new_ioas(), b = new_ioas(), pt = a;
	int one = device_of(3, 0), two = device_of(3, 0);
	uint8_t byte;

	(void)state;
	assert_int_equal(map_at(b, 32 * PAGE, PAGE), 0);
	assert_int_equal(attach(one, &pt), 0);
	pt = b;
	assert_int_equal(attach(two, &pt), -EINVAL);
	pt = a;
	assert_int_equal(attach(two, &pt), 0);
	pt = b;
	assert_int_equal(attach(one, &pt), 0); /* replace moves both */
	assert_int_equal(target_dma_read(two, 32 * PAGE, &byte), 0);
	assert_int_equal(destroy(a), 0);
	assert_int_equal(detach(one), 0);
	assert_int_equal(destroy(b), -EBUSY);
	assert_int_equal(detach(two), 0);
	assert_int_equal(destroy(b), 0);
}

static void context_outlives_fd(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	int device = device_of(0, 0);
	uint8_t byte;

	(void)state;
	assert_int_equal(map_at(ioas, 16 * PAGE, PAGE), 0);
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(conformance_close(ctx), 0);
	assert_int_equal(destroy(ioas), -EBADF);
	assert_int_equal(target_dma_read(device, 16 * PAGE, &byte), 0);
	assert_int_equal(attach(device, &ioas), 0);
	assert_int_equal(detach(device), 0);
	assert_int_equal(target_dma_read(device, 16 * PAGE, &byte), -EFAULT);
	assert_int_equal(conformance_close(device), 0);
	assert_int_equal(conformance_close(device), -EBADF);
}

static void dma_rights(void **state)
{
	uint32_t ioas = new_ioas(), pt = ioas;
	uint64_t ro = 16 * PAGE, wo = 17 * PAGE;
	int device = device_of(0, 0);
	uint8_t byte = 1;

	(void)state;
	assert_int_equal(map_file(ioas, R | FIXED, memfd_of(PAGE), 0, PAGE, &ro), 0);
	assert_int_equal(map_file(ioas, W | FIXED, memfd_of(PAGE), 0, PAGE, &wo), 0);
	assert_int_equal(target_dma_read(device, ro, &byte), -EFAULT);
	assert_int_equal(attach(device, &pt), 0);
	assert_int_equal(target_dma_read(device, ro, &byte), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(target_dma_write(device, ro, 1), -EFAULT);
	assert_int_equal(target_dma_write(device, wo, 1), 0);
	assert_int_equal(target_dma_read(device, wo, &byte), -EFAULT);
	assert_int_equal(target_dma_read(device, ro - 1, &byte), -EFAULT);
	assert_int_equal(target_dma_read(device, wo + PAGE, &byte), -EFAULT);
	assert_int_equal(unmap(ioas, ro, PAGE, NULL), 0);
	assert_int_equal(target_dma_read(device, ro, &byte), -EFAULT);
}

int run_device_cases(void)
{
	const struct CMUnitTest cases[] = {
		CASE("BIND: EFAULT, EINVAL, E2BIG, EBADF, EBADFD, and EINVAL a second time",
			bind_errors),
		CASE("A device that is not bound answers EINVAL to all else", not_bound),
		CASE("BIND of a device whose group another context has is EPERM", group_owner),
		CASE("ATTACH: EFAULT, EINVAL, ENOENT, and what a PASID comes to", attach_errors),
		CASE("ATTACH by PASID 0 attaches the device itself, and only DETACH by PASID 0 "
		     "undoes it",
			pasid_zero),
		CASE("DETACH: EINVAL; of what is not attached: nothing to do", detach_errors),
		CASE("ATTACH to an IOAS shares an automatic HWPT, which goes with its last device",
			automatic),
		CASE("ATTACH where a mapping is out of the device's reach is EADDRINUSE", in_use),
		CASE("ATTACH of an attached device replaces", replace),
		CASE("ATTACH that cannot replace changes nothing", replace_fails),
		CASE("The devices of a group attach to one page table and move together",
			group_follows),
		CASE("A context lives until its last bound device is closed", context_outlives_fd),
		CASE("DMA needs a mapping, for its direction", dma_rights),
	};

	return cmocka_run_group_tests_name("VFIO device", cases, NULL, NULL);
}
