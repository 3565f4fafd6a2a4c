/* SPDX-License-Identifier: MIT */
/*
 * A hostile client, and the transcript of what it tried.
 *
 *   vm-hostile SOCKET DEVICE OTHER BDF BDF...      DEVICE is lent to it, OTHER is another tenant's; the BDFs are its own and others'
 *
 * The design gives whoever holds a bound VFIO fd every right within its own session: attach, detach, bus mastering, reset. Lines that begin with
 * "may" are such rights. Lines that begin with "must not" are attempts beyond them; one that succeeds is a FAILED line and status 1.
 * Last it shows that its own session works as before, and DMA to where others have their memory moves nothing.
 */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommufd_uapi.h"

#define OWN_IOVA UINT64_C(0x2000000)
#define OTHERS_IOVA UINT64_C(0x1000000) /* where vm-victim has its memory, in its own session */
#define IDS 65536u

static unsigned int successes;

static void result_print(int result, const char *kind, const char *format, va_list args)
{
	char text[256];

	(void)vsnprintf(text, sizeof(text), format, args);
	lab_say("%s %s: %s", kind, text, result < 0 ? strerrorname_np(-result) : "it works");
}

void hostile_refused(int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result_print(result, result < 0 ? "must not" : "FAILED: must not", format, args);
	va_end(args);
	successes += result >= 0;
}

void hostile_tried(int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result_print(result, "may     ", format, args);
	va_end(args);
}

unsigned int hostile_successes(void)
{
	return successes;
}

struct scene {
	struct iommub_conn *conn;
	struct lab_device device;
	struct lab_memory memory;
	iommub_id ioas, empty;
	int fd; /* the device's */
};

/* Every page that it has is zero; the device holds a stamp. Does a write to iova land in one of them? */
static int dma_lands(struct scene *at, uint64_t iova)
{
	int landed = 0;

	memset(at->memory.bytes, 0, at->memory.size);
	(void)edu_copy(&at->device.edu, EDU_TO_MEMORY, iova, EDU_BLOCK_BYTES);
	for (uint64_t i = 0; i < at->memory.size; i++)
		landed |= at->memory.bytes[i] != 0;
	return landed;
}

static void stamp_load(struct scene *at)
{
	memset(at->memory.bytes, 0x5a, at->memory.size);
	if (edu_copy(&at->device.edu, EDU_FROM_MEMORY, OWN_IOVA, EDU_BLOCK_BYTES) < 0)
		lab_fail("load the device's buffer");
}

static void setup(struct scene *at, const char *socket, const char *device)
{
	at->conn = lab_connect(socket, 60000);
	at->memory = lab_memory(at->conn, 16 * LAB_PAGE);
	at->ioas = lab_ioas(at->conn);
	at->empty = lab_ioas(at->conn);
	lab_expect(at->conn,
		lab_map_at(
			at->conn, at->ioas, at->memory.id, 0, at->memory.size, OWN_IOVA, LAB_BOTH),
		0, NULL);
	lab_device_open(at->conn, device, &at->device);
	lab_attach(at->conn, &at->device, at->ioas);
	lab_device_start(&at->device);
	at->fd = iommub_device_get_fd(at->device.device);
	stamp_load(at);
	if (!dma_lands(at, OWN_IOVA))
		lab_fail("DMA to its own memory does not land: nothing would be shown");
	lab_say("         session %llu: own IOASes %u (16 pages mapped) and %u (empty), DMA of %s "
		"lands",
		(unsigned long long)lab_session(at->conn), at->ioas, at->empty, device);
}

/* ---- the device's fd ---- */

static void attach_everywhere(struct scene *at)
{
	unsigned int refused[4096] = {0}, accepted = 0;
	uint32_t out;

	for (uint32_t id = 0; id < IDS; id++) {
		int result = hostile_attach(at->fd, id, &out);

		if (result < 0) {
			refused[-result & 4095]++;
			continue;
		}
		hostile_tried(0,
			"attach to id %u (page table %u; there DMA to the others' IOVA %s)", id,
			out, dma_lands(at, OTHERS_IOVA) ? "LANDS" : "moves nothing");
		if (++accepted > 8)
			lab_fail("more page tables than the session has");
	}
	for (int error = 1; error < 4096; error++)
		if (refused[error])
			lab_say("must not attach to ids 0 to %u: %s %u times", IDS - 1,
				strerrorname_np(error), refused[error]);
	if (accepted < 2)
		lab_fail("not even its own two IOASes accept: nothing would be shown");
}

static void attach_by_pasid(struct scene *at)
{
	static const uint32_t pasids[] = {0, 1, 2, 255, (1u << 19) + 1, (1u << 20) - 1, ~0u};
	unsigned int refused[4096] = {0};

	for (unsigned int p = 0; p < sizeof(pasids) / sizeof(pasids[0]); p++)
		for (uint32_t id = 0; id < 256; id++) {
			int result = hostile_attach_pasid(at->fd, id, pasids[p]);

			if (result >= 0)
				hostile_refused(result, "attach id %u by PASID %u", id, pasids[p]);
			else
				refused[-result & 4095]++;
		}
	for (int error = 1; error < 4096; error++)
		if (refused[error])
			lab_say("must not attach ids 0 to 255 by 7 PASIDs: %s %u times",
				strerrorname_np(error), refused[error]);
}

/* PASID 0 is the device itself, and a plain DETACH does not find what was attached so. */
static void attach_by_no_pasid(struct scene *at)
{
	(void)hostile_detach(at->fd);
	for (uint32_t id = 0; id < 256; id++) {
		if (hostile_attach_pasid(at->fd, id, 0) < 0)
			continue;
		hostile_tried(0, "attach to id %u by PASID 0 (there DMA to the others' IOVA %s)",
			id, dma_lands(at, OTHERS_IOVA) ? "LANDS" : "moves nothing");
		(void)hostile_detach(at->fd);
		hostile_tried(0, "detach it without a PASID (DMA to its own memory then %s)",
			dma_lands(at, OWN_IOVA) ? "LANDS" : "moves nothing");
		hostile_tried(hostile_detach_pasid(at->fd, 0), "detach it by PASID 0");
		if (dma_lands(at, OWN_IOVA))
			lab_fail("DMA of a detached device lands");
	}
	hostile_tried(hostile_attach(at->fd, at->ioas, NULL), "attach it as it was");
}

static void bind_again(struct scene *at)
{
	int memfd = memfd_create("hostile", MFD_CLOEXEC), again, shared = -1;
	char path[64], target[128] = "";

	hostile_refused(hostile_bind(at->fd, memfd), "bind the device again, to a memfd");
	hostile_refused(hostile_bind(at->fd, at->fd), "bind it to itself");
	hostile_refused(
		hostile_bind(at->fd, iommub_get_fd(at->conn)), "bind it to the broker's socket");
	hostile_refused(hostile_bind(at->fd, -1), "bind it to no iommufd (noiommu)");
	lab_expect(at->conn, iommub_device_share(at->conn, at->device.id, &shared), 0, NULL);
	hostile_refused(
		hostile_bind(shared, memfd), "bind a second fd of it, shared by the broker");
	(void)close(shared);
	(void)close(memfd);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", at->fd);
	(void)!readlink(path, target, sizeof(target) - 1);
	again = open(path, O_RDWR | O_CLOEXEC);
	hostile_refused(again < 0 ? -errno : again, "open %s once more through /proc", target);
}

static int feature(int fd, uint32_t flags)
{
	struct vfio_device_feature arg = {.argsz = sizeof(arg), .flags = flags};

	return ioctl(fd, VFIO_DEVICE_FEATURE, &arg) < 0 ? -errno : 0;
}

static void its_rights(struct scene *at)
{
	struct vfio_pci_hot_reset hot = {.argsz = sizeof(hot)};
	int result;

	hostile_tried(hostile_detach(at->fd), "detach the device");
	lab_say("         DMA then %s", dma_lands(at, OWN_IOVA) ? "LANDS" : "moves nothing");
	hostile_tried(hostile_detach(at->fd), "detach it once more");
	hostile_tried(hostile_attach(at->fd, at->ioas, NULL),
		"attach it to its own IOAS past the broker");
	hostile_tried(iommub_device_set_bus_master(at->device.device, 0), "bus mastering off");
	lab_say("         DMA then %s", dma_lands(at, OWN_IOVA) ? "LANDS" : "moves nothing");
	hostile_tried(iommub_device_set_bus_master(at->device.device, 1), "bus mastering on");
	lab_say("         DMA then %s", dma_lands(at, OWN_IOVA) ? "LANDS" : "moves nothing");
	hostile_tried(iommub_device_reset(at->device.device), "reset");
	result = ioctl(at->fd, VFIO_DEVICE_PCI_HOT_RESET, &hot) < 0 ? -errno : 0;
	hostile_tried(result, "hot reset of its bus");
	hostile_tried(
		feature(at->fd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE),
		"migration features");
	hostile_tried(feature(at->fd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN),
		"a VF token");
}

/* ---- the broker ---- */

static void other_tenant(struct scene *at, const char *other, char **addresses, int count)
{
	struct iommub_device_opts opts = {.size = sizeof(opts), .name = other};
	iommub_id id;
	int fd;

	hostile_refused(iommub_device_open(at->conn, &opts, &id, &fd), "borrow %s: %s", other,
		iommub_last_error(at->conn)->message);
	for (int i = 0; i < count; i++) {
		opts.name = addresses[i];
		hostile_refused(iommub_device_open(at->conn, &opts, &id, &fd), "borrow %s: %s",
			addresses[i], iommub_last_error(at->conn)->message);
	}
}

static void sysfs(const char *address)
{
	static const char *const names[] = {
		"config", "resource0", "reset", "remove", "driver_override", "driver/unbind"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		int fd;

		(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, names[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		hostile_refused(fd < 0 ? -errno : fd, "open %s for writing", path);
	}
}

/* ---- after all that ---- */

static void still_its_own(struct scene *at)
{
	static const uint64_t elsewhere[] = {0, OTHERS_IOVA, OTHERS_IOVA + 0x80000,
		OWN_IOVA + 16 * LAB_PAGE, 0xee00000, EDU_IOVA_LAST & ~UINT64_C(4095)};

	lab_attach(at->conn, &at->device, at->ioas);
	edu_stop(&at->device.edu);
	lab_device_start(&at->device);
	stamp_load(at);
	for (unsigned int i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (dma_lands(at, elsewhere[i]))
			lab_fail("DMA to 0x%llx lands", (unsigned long long)elsewhere[i]);
	lab_say("         DMA to %zu IOVAs that are not its own moves nothing of its own",
		sizeof(elsewhere) / sizeof(elsewhere[0]));
	if (!dma_lands(at, OWN_IOVA))
		lab_fail("its own session does not work any more");
	lab_say("         its own session works as before");
}

int main(int argc, char **argv)
{
	struct scene at = {0};

	if (argc < 5)
		lab_fail("usage: vm-hostile SOCKET DEVICE OTHER BDF...");
	setup(&at, argv[1], argv[2]);
	attach_everywhere(&at);
	attach_by_pasid(&at);
	attach_by_no_pasid(&at);
	bind_again(&at);
	its_rights(&at);
	other_tenant(&at, argv[3], argv + 5, argc - 5); /* argv[4] is its own */
	hostile_host("/run/iommu-broker");
	for (int i = 4; i < argc; i++)
		sysfs(argv[i]);
	still_its_own(&at);
	iommub_disconnect(at.conn);
	return hostile_successes() ? 1 : 0;
}
