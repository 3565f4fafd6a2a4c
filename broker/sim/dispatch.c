/* SPDX-License-Identifier: MIT */
/*
 * From an ioctl number to its handler.
 *
 * One table has a row for every IOMMU_* ioctl of the uAPI: its number, how long its struct is, how much of it the first
 * version had, its handler. What the row says is checked here, in the kernel's order, before any handler runs:
 *
 *	number outside the table              ENOTTY
 *	no struct                             EFAULT
 *	number in the table, but malformed    ENOTTY
 *	shorter than the first version        EINVAL
 *	longer than known, and not zero there E2BIG
 *	a row without a handler               EOPNOTSUPP
 *
 * A handler sees a whole struct, with zeroes for what the caller does not know of.
 *
 * `arg` is read and written in place: other than in the kernel, a bad pointer that is not among the first 4096 ends the
 * process. Pointers inside of structs are checked (EFAULT).
 */
#include "broker/sim/model.h"
#include "include/iommufd_uapi.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct row {
	uint32_t cmd;
	uint32_t bytes, min;
	int (*handler)(struct sim_command *command);
};

#define ROW(cmd_, type, last_field, handler_)                                                      \
	[_IOC_NR(cmd_) - IOMMUFD_CMD_BASE] = {.cmd = (cmd_),                                       \
		.bytes = sizeof(struct type),                                                      \
		.min = offsetof(struct type, last_field) + sizeof(((struct type *)0)->last_field), \
		.handler = (handler_)}

static const struct row rows[] = {
	ROW(IOMMU_DESTROY, iommu_destroy, id, sim_destroy),
	ROW(IOMMU_IOAS_ALLOC, iommu_ioas_alloc, out_ioas_id, sim_ioas_alloc),
	ROW(IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, allowed_iovas, sim_ioas_allow_iovas),
	ROW(IOMMU_IOAS_COPY, iommu_ioas_copy, src_iova, sim_ioas_copy),
	ROW(IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, out_iova_alignment,
		sim_ioas_iova_ranges),
	ROW(IOMMU_IOAS_MAP, iommu_ioas_map, iova, sim_ioas_map_user),
	ROW(IOMMU_IOAS_MAP_FILE, iommu_ioas_map_file, iova, sim_ioas_map_file),
	ROW(IOMMU_IOAS_UNMAP, iommu_ioas_unmap, length, sim_ioas_unmap_range),
	ROW(IOMMU_OPTION, iommu_option, val64, NULL),
	ROW(IOMMU_VFIO_IOAS, iommu_vfio_ioas, __reserved, NULL),
	ROW(IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, __reserved, NULL),
	ROW(IOMMU_GET_HW_INFO, iommu_hw_info, __reserved, NULL),
	ROW(IOMMU_HWPT_SET_DIRTY_TRACKING, iommu_hwpt_set_dirty_tracking, __reserved, NULL),
	ROW(IOMMU_HWPT_GET_DIRTY_BITMAP, iommu_hwpt_get_dirty_bitmap, data, NULL),
	ROW(IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, __reserved, NULL),
	ROW(IOMMU_FAULT_QUEUE_ALLOC, iommu_fault_alloc, out_fault_fd, NULL),
	ROW(IOMMU_VIOMMU_ALLOC, iommu_viommu_alloc, out_viommu_id, NULL),
	ROW(IOMMU_VDEVICE_ALLOC, iommu_vdevice_alloc, virt_id, NULL),
	ROW(IOMMU_IOAS_CHANGE_PROCESS, iommu_ioas_change_process, __reserved, NULL),
	ROW(IOMMU_VEVENTQ_ALLOC, iommu_veventq_alloc, out_veventq_fd, NULL),
	ROW(IOMMU_HW_QUEUE_ALLOC, iommu_hw_queue_alloc, length, NULL),
	ROW(IOMMU_IOAS_NOIOMMU_GET_PA, iommu_ioas_noiommu_get_pa, out_phys, NULL),
};

/* As long as the longest struct of the table. */
union any_struct {
	struct iommu_destroy destroy;
	struct iommu_hw_info hw_info;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hwpt_get_dirty_bitmap dirty_bitmap;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_map map;
	struct iommu_viommu_alloc viommu_alloc;
	uint8_t bytes[64];
};

static bool pointer_is_bad(const void *arg)
{
	return (uintptr_t)arg < SIM_PAGE_BYTES;
}

static int tail_check(const uint8_t *tail, size_t bytes)
{
	while (bytes > 0) {
		uint8_t piece[256];
		size_t n = bytes < sizeof(piece) ? bytes : sizeof(piece);

		if (sim_user_read(piece, (uintptr_t)tail, n) != n)
			return -EFAULT;
		for (size_t i = 0; i < n; i++) {
			if (piece[i])
				return -E2BIG;
		}
		tail += n;
		bytes -= n;
	}
	return 0;
}

int sim_struct_take(void *to, size_t bytes, size_t min, const void *arg, uint32_t *ret_user_bytes)
{
	uint32_t user_bytes;
	int r = 0;

	if (pointer_is_bad(arg))
		return -EFAULT;
	memcpy(&user_bytes, arg, sizeof(user_bytes));
	if (user_bytes < min)
		return -EINVAL;
	if (user_bytes > bytes)
		r = tail_check((const uint8_t *)arg + bytes, user_bytes - bytes);
	if (r < 0)
		return r;
	memset(to, 0, bytes);
	memcpy(to, arg, user_bytes < bytes ? user_bytes : bytes);
	if (ret_user_bytes)
		*ret_user_bytes = user_bytes;
	return 0;
}

void sim_command_respond(const struct sim_command *command, size_t bytes)
{
	memcpy(command->arg, command->in,
		command->user_bytes < bytes ? command->user_bytes : bytes);
}

int sim_context_ioctl(struct sim_context *context, unsigned long cmd, void *arg)
{
	struct sim_command command = {.context = context, .arg = arg};
	uint32_t number = _IOC_NR((uint32_t)cmd);
	const struct row *row;
	union any_struct in;
	int r;

	_Static_assert(
		sizeof(in) >= sizeof(struct iommu_hwpt_alloc), "room for the longest struct");
	if (number < IOMMUFD_CMD_BASE ||
		number - IOMMUFD_CMD_BASE >= sizeof(rows) / sizeof(rows[0]))
		return -ENOTTY;
	if (pointer_is_bad(arg))
		return -EFAULT;
	row = &rows[number - IOMMUFD_CMD_BASE];
	if (row->cmd != (uint32_t)cmd)
		return -ENOTTY;
	r = sim_struct_take(&in, row->bytes, row->min, arg, &command.user_bytes);
	if (r < 0)
		return r;
	if (!row->handler)
		return -EOPNOTSUPP;
	command.in = &in;
	return row->handler(&command);
}

int sim_destroy(struct sim_command *command)
{
	const struct iommu_destroy *in = command->in;

	return sim_object_destroy(command->context, in->id);
}

int sim_device_ioctl(
	struct iommufd_sim *sim, struct sim_device *device, unsigned long cmd, void *arg)
{
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return sim_device_bind(sim, device, arg);
	if (!device->context)
		return -EINVAL;
	if (cmd != VFIO_DEVICE_ATTACH_IOMMUFD_PT && cmd != VFIO_DEVICE_DETACH_IOMMUFD_PT)
		return -ENOTTY;
	if (pointer_is_bad(arg))
		return -EFAULT;
	if (cmd == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		return sim_device_attach_ioctl(device, arg);
	return sim_device_detach_ioctl(device, arg);
}
