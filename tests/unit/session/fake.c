/* SPDX-License-Identifier: MIT */
/* A backend and a supervisor for tests; see fake.h. */
#include "tests/unit/session/fake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "broker/session/backend.h"
#include "include/iommufd_uapi.h"

/* What x86 reserves of an IOAS once a device is attached. */
#define MSI_START UINT64_C(0xfee00000)
#define MSI_LAST UINT64_C(0xfeefffff)
#define APERTURE_LAST ((UINT64_C(1) << 48) - 1)

struct fake fake;

struct backend {
	int unused;
};

struct backend_device {
	uint32_t id;
};

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.host_free = UINT64_MAX / 4;
}

size_t fake_objects(void)
{
	size_t n = 0;

	for (int i = 0; i < FAKE_IDS; i++)
		n += fake.objects[i].type != FAKE_NONE;
	return n;
}

size_t fake_mappings(void)
{
	size_t n = 0;

	for (int i = 0; i < FAKE_MAPPINGS; i++)
		n += fake.mappings[i].ioas != 0;
	return n;
}

size_t fake_audits(enum audit_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < fake.n_audits; i++)
		n += fake.audits[i].kind == kind;
	return n;
}

static int fail_now(unsigned long cmd)
{
	if (fake.fail_cmd && fake.fail_cmd != cmd)
		return 0;
	return ++fake.calls == fake.fail_at ? -fake.fail_error : 0;
}

static uint32_t id_new(enum fake_type type)
{
	for (uint32_t id = 1; id < FAKE_IDS; id++) {
		if (fake.objects[id].type != FAKE_NONE)
			continue;
		memset(&fake.objects[id], 0, sizeof(fake.objects[id]));
		fake.objects[id].type = type;
		return id;
	}
	return 0;
}

static struct fake_object *get(uint32_t id, enum fake_type type)
{
	return id < FAKE_IDS && fake.objects[id].type == type ? &fake.objects[id] : NULL;
}

static bool ioas_has_hwpt(uint32_t ioas)
{
	for (int i = 0; i < FAKE_IDS; i++)
		if (fake.objects[i].type == FAKE_HWPT && fake.objects[i].ioas == ioas)
			return true;
	return false;
}

static bool is_free(uint32_t ioas, uint64_t start, uint64_t last)
{
	for (int i = 0; i < FAKE_MAPPINGS; i++)
		if (fake.mappings[i].ioas == ioas && fake.mappings[i].start <= last &&
			fake.mappings[i].last >= start)
			return false;
	return !(ioas_has_hwpt(ioas) && start <= MSI_LAST && last >= MSI_START);
}

static int mapping_add(uint32_t ioas, uint64_t start, uint64_t last)
{
	for (int i = 0; i < FAKE_MAPPINGS; i++) {
		if (fake.mappings[i].ioas)
			continue;
		fake.mappings[i] =
			(struct fake_mapping){.ioas = ioas, .start = start, .last = last};
		return 0;
	}
	return -ENOMEM;
}

/* First fit in the allow list, else from one page on. */
static int choose(const struct fake_object *object, uint32_t ioas, uint64_t length, uint64_t *iova)
{
	struct control_range everything = {.start = 0x1000, .last = APERTURE_LAST};
	const struct control_range *ranges = object->n_allowed ? object->allowed : &everything;
	uint32_t n = object->n_allowed ? object->n_allowed : 1;

	if (fake.choose) {
		*iova = fake.choose;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint64_t at = ranges[i].start;
			at <= ranges[i].last && length - 1 <= ranges[i].last - at; at += 0x1000)
			if (is_free(ioas, at, at + length - 1)) {
				*iova = at;
				return 0;
			}
	return -ENOSPC;
}

static int map_at(uint32_t ioas, uint64_t length, uint32_t flags, uint64_t *iova)
{
	struct fake_object *object = get(ioas, FAKE_IOAS);
	int r;

	if (!object)
		return -ENOENT;
	if (flags & IOMMU_IOAS_MAP_FIXED_IOVA) {
		if (!is_free(ioas, *iova, *iova + length - 1))
			return -EEXIST;
	} else {
		r = choose(object, ioas, length, iova);
		if (r < 0)
			return r;
	}
	return mapping_add(ioas, *iova, *iova + length - 1);
}

static int do_unmap(struct iommu_ioas_unmap *arg)
{
	bool all = arg->length == UINT64_MAX;
	uint64_t last = all ? UINT64_MAX : arg->iova + arg->length - 1;
	uint64_t bytes = 0;

	for (int i = 0; i < FAKE_MAPPINGS; i++) {
		struct fake_mapping *m = &fake.mappings[i];

		if (m->ioas != arg->ioas_id || m->last < arg->iova || m->start > last)
			continue;
		if (m->start < arg->iova || m->last > last)
			return -ENOENT; /* half done, as the kernel */
		bytes += m->last - m->start + 1;
		m->ioas = 0;
	}
	arg->length = bytes;
	return bytes || all ? 0 : -ENOENT;
}

/* One mapping for each part of a source mapping. */
static int do_copy(struct iommu_ioas_copy *arg)
{
	uint64_t iova = arg->dst_iova, covered = 0;
	uint64_t src_last = arg->src_iova + arg->length - 1;
	struct fake_object *dst = get(arg->dst_ioas_id, FAKE_IOAS);
	int n = 0;

	if (!dst)
		return -ENOENT;
	for (int i = 0; i < FAKE_MAPPINGS; i++) {
		struct fake_mapping *m = &fake.mappings[i];

		if (m->ioas == arg->src_ioas_id && m->start <= src_last && m->last >= arg->src_iova)
			covered += (m->last < src_last ? m->last : src_last) -
				   (m->start > arg->src_iova ? m->start : arg->src_iova) + 1;
	}
	if (covered != arg->length)
		return -ENOENT;
	if (!(arg->flags & IOMMU_IOAS_MAP_FIXED_IOVA))
		n = choose(dst, arg->dst_ioas_id, arg->length, &iova);
	else if (!is_free(arg->dst_ioas_id, iova, iova + arg->length - 1))
		n = -EEXIST;
	if (n < 0)
		return n;
	for (uint64_t at = arg->src_iova; at <= src_last;) {
		for (int i = 0; i < FAKE_MAPPINGS; i++) {
			struct fake_mapping m = fake.mappings[i];
			uint64_t end = m.last < src_last ? m.last : src_last;

			if (m.ioas != arg->src_ioas_id || m.start > at || m.last < at)
				continue;
			mapping_add(arg->dst_ioas_id, iova + (at - arg->src_iova),
				iova + (end - arg->src_iova));
			at = end + 1;
			break;
		}
	}
	arg->dst_iova = iova;
	return 0;
}

static int do_destroy(const struct iommu_destroy *arg)
{
	if (fake.destroy_busy)
		return -EBUSY;
	if (arg->id >= FAKE_IDS || !fake.objects[arg->id].type)
		return -ENOENT;
	if (ioas_has_hwpt(arg->id))
		return -EBUSY;
	for (int i = 0; i < FAKE_MAPPINGS; i++)
		if (fake.mappings[i].ioas == arg->id)
			fake.mappings[i].ioas = 0;
	fake.objects[arg->id].type = FAKE_NONE;
	return 0;
}

/* The uAPI carries pointers in 64-bit integers. */
static void *ranges_of(uint64_t pointer)
{
	return (void *)(uintptr_t)pointer; /* NOLINT(performance-no-int-to-ptr) */
}

static int do_ranges(struct iommu_ioas_iova_ranges *arg)
{
	struct iommu_iova_range *ranges = ranges_of(arg->allowed_iovas);

	if (!get(arg->ioas_id, FAKE_IOAS))
		return -ENOENT;
	arg->out_iova_alignment = 4096;
	ranges[0] = (struct iommu_iova_range){.start = 0, .last = APERTURE_LAST};
	arg->num_iovas = 1;
	if (ioas_has_hwpt(arg->ioas_id)) {
		ranges[0].last = MSI_START - 1;
		ranges[1] = (struct iommu_iova_range){.start = MSI_LAST + 1, .last = APERTURE_LAST};
		arg->num_iovas = 2;
	}
	return 0;
}

static int do_allow(const struct iommu_ioas_allow_iovas *arg)
{
	const struct control_range *ranges = ranges_of(arg->allowed_iovas);
	struct fake_object *object = get(arg->ioas_id, FAKE_IOAS);

	if (!object || arg->num_iovas > 64)
		return -ENOENT;
	for (uint32_t i = 0; i < arg->num_iovas; i++)
		if (ioas_has_hwpt(arg->ioas_id) && ranges[i].start <= MSI_LAST &&
			ranges[i].last >= MSI_START)
			return -EADDRINUSE;
	if (arg->num_iovas)
		memcpy(object->allowed, ranges, arg->num_iovas * sizeof(*ranges));
	object->n_allowed = arg->num_iovas;
	return 0;
}

int backend_ioctl(struct backend *backend, unsigned long cmd, void *arg)
{
	int r = fail_now(cmd);

	(void)backend;
	if (r < 0)
		return r;
	switch (cmd) {
	case IOMMU_IOAS_ALLOC:
		((struct iommu_ioas_alloc *)arg)->out_ioas_id = id_new(FAKE_IOAS);
		return ((struct iommu_ioas_alloc *)arg)->out_ioas_id ? 0 : -ENOMEM;
	case IOMMU_IOAS_UNMAP:
		return do_unmap(arg);
	case IOMMU_IOAS_COPY:
		return do_copy(arg);
	case IOMMU_DESTROY:
		return do_destroy(arg);
	case IOMMU_IOAS_IOVA_RANGES:
		return do_ranges(arg);
	case IOMMU_IOAS_ALLOW_IOVAS:
		return do_allow(arg);
	default:
		return -ENOTTY;
	}
}

int backend_map_file(struct backend *backend, uint32_t ioas, int fd, uint64_t offset,
	uint64_t length, uint32_t flags, uint64_t *iova_inout)
{
	int r = fail_now(IOMMU_IOAS_MAP_FILE);

	(void)backend;
	(void)offset;
	if (fd < 0)
		return -EBADF;
	return r < 0 ? r : map_at(ioas, length, flags, iova_inout);
}

int backend_device_open(struct backend *backend, int fd, const struct control_device *facts,
	struct backend_device **ret, uint32_t *ret_id)
{
	int r = fail_now(VFIO_DEVICE_BIND_IOMMUFD);

	(void)backend;
	(void)facts;
	close(fd);
	if (r < 0)
		return r;
	*ret = calloc(1, sizeof(**ret));
	*ret_id = (*ret)->id = id_new(FAKE_DEVICE);
	return 0;
}

int backend_device_share(struct backend *backend, struct backend_device *device, bool *vfio_user)
{
	int pair[2], r = fail_now(1);

	(void)backend;
	(void)device;
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	close(pair[0]);
	*vfio_user = true;
	return pair[1];
}

static void hwpt_unref(uint32_t hwpt)
{
	for (int i = 0; i < FAKE_IDS; i++)
		if (fake.objects[i].type == FAKE_DEVICE && fake.objects[i].hwpt == hwpt)
			return;
	fake.objects[hwpt].type = FAKE_NONE;
}

static int do_attach(struct fake_object *device, struct vfio_device_attach_iommufd_pt *arg)
{
	uint32_t before = device->hwpt;
	struct fake_object *ioas = get(arg->pt_id, FAKE_IOAS);
	uint32_t hwpt = 0;

	if (get(arg->pt_id, FAKE_HWPT))
		hwpt = arg->pt_id;
	else if (!ioas)
		return -ENOENT;
	for (uint32_t i = 0; ioas && i < ioas->n_allowed; i++)
		if (ioas->allowed[i].start <= MSI_LAST && ioas->allowed[i].last >= MSI_START)
			return -EADDRINUSE;
	for (uint32_t i = 0; !hwpt && i < FAKE_IDS; i++)
		if (fake.objects[i].type == FAKE_HWPT && fake.objects[i].ioas == arg->pt_id)
			hwpt = i;
	if (!hwpt) {
		hwpt = id_new(FAKE_HWPT);
		if (!hwpt)
			return -ENOMEM;
		fake.objects[hwpt].ioas = arg->pt_id;
	}
	device->hwpt = hwpt;
	if (before && before != hwpt)
		hwpt_unref(before);
	arg->pt_id = hwpt;
	return 0;
}

static void do_detach(struct fake_object *device)
{
	uint32_t before = device->hwpt;

	device->hwpt = 0;
	if (before)
		hwpt_unref(before);
}

int backend_device_ioctl(
	struct backend *backend, struct backend_device *device, unsigned long cmd, void *arg)
{
	int r = fail_now(cmd);

	(void)backend;
	if (r < 0)
		return r;
	if (cmd == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		return do_attach(&fake.objects[device->id], arg);
	do_detach(&fake.objects[device->id]);
	return 0;
}

void backend_device_close(struct backend *backend, struct backend_device *device)
{
	(void)backend;
	do_detach(&fake.objects[device->id]);
	fake.objects[device->id].type = FAKE_NONE;
	free(device);
}

const char *backend_name(const struct backend *backend)
{
	(void)backend;
	return "model";
}

/* ---- the supervisor --------------------------------------------------------------------------------------------- */

int supervisor_call(struct supervisor_client *client, union control_message *request,
	enum control_type type, union control_message *answer)
{
	(void)client;
	if (fake.supervisor_gone)
		return -EAGAIN;
	memset(answer, 0, sizeof(*answer));
	if (type == CONTROL_LEND) {
		uint64_t bytes = request->lend.bytes;

		fake.lends++;
		if (bytes > fake.host_free)
			bytes = fake.host_free;
		fake.host_free -= bytes;
		fake.pages->limits->lent_bytes += bytes;
		answer->lent.lent_bytes = fake.pages->limits->lent_bytes;
		answer->lent.host_limit_bytes = fake.pages->limits->lent_bytes + fake.host_free;
		answer->lent.host_used_bytes = fake.pages->limits->lent_bytes;
		return 0;
	}
	answer->devices.count = fake.n_devices;
	for (uint32_t i = 0; i < fake.n_devices; i++) {
		struct control_device *device = &answer->devices.devices[i];

		memset(device->name, 'n', sizeof(device->name) - 1);
		memset(device->address, 'a', sizeof(device->address) - 1);
		device->vendor = device->device = 0xffff;
		device->state = DEVICE_STATE_QUARANTINED;
	}
	return 0;
}

int supervisor_ask(
	struct supervisor_client *client, union control_message *request, enum control_type type)
{
	(void)client;
	if (fake.supervisor_gone)
		return -EAGAIN;
	fake.asked = *request;
	fake.asked.header.type = type;
	return 0;
}

int supervisor_tell(
	struct supervisor_client *client, union control_message *message, enum control_type type)
{
	(void)client;
	if (type == CONTROL_DEVICE_RELEASE && fake.n_released < 16)
		fake.released[fake.n_released++] = message->device_release.device;
	return fake.supervisor_gone ? -EAGAIN : 0;
}

void session_audit(
	struct session *session, enum audit_kind kind, int error, const char *format, ...)
{
	va_list args;

	(void)session;
	if (fake.n_audits == FAKE_AUDITS)
		return;
	fake.audits[fake.n_audits].kind = kind;
	fake.audits[fake.n_audits].error = error;
	va_start(args, format);
	vsnprintf(fake.audits[fake.n_audits].text, CONTROL_TEXT_MAX, format, args);
	va_end(args);
	fake.n_audits++;
}

void session_broken(struct session *session, const char *format, ...)
{
	va_list args;

	(void)session;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\n", stderr);
	abort();
}
