/* SPDX-License-Identifier: MIT */
/* THE table of operations; ops.h says what the columns mean. */
#include "broker/session/ops.h"

/* The fields of one operation's message, with what must hold of each. */
#define FIELD_OF(message, field, ...)                                                              \
	{                                                                                          \
		.name = #field, .present = offsetof(PB(message), has_##field),                     \
		.value = offsetof(PB(message), field), __VA_ARGS__                                 \
	}
#define TEXT_OF(message, field, ...)                                                               \
	{                                                                                          \
		.name = #field, .value = offsetof(PB(message), field), __VA_ARGS__                 \
	}
#define RANGES_OF(message, field)                                                                  \
	{                                                                                          \
		.name = #field, .present = offsetof(PB(message), n_##field),                       \
		.value = offsetof(PB(message), field), .kind = FIELD_RANGES                        \
	}
#define REQUIRED .required = true
#define SPAN(message, length) .span = offsetof(PB(message), length)
#define END_OF_FIELDS                                                                              \
	{                                                                                          \
		.name = NULL                                                                       \
	}

static const struct field no_fields[] = {END_OF_FIELDS};

static const struct field list_fields[] = {
	FIELD_OF(List, after),
	FIELD_OF(List, max),
	END_OF_FIELDS,
};

static const struct field destroy_fields[] = {
	FIELD_OF(Destroy, id, REQUIRED),
	END_OF_FIELDS,
};

static const struct field memory_register_fields[] = {
	FIELD_OF(MemoryRegister, writeable),
	TEXT_OF(MemoryRegister, tag, .kind = FIELD_TAG),
	FIELD_OF(MemoryRegister, fd_index, .kind = FIELD_FD),
	END_OF_FIELDS,
};

static const struct field memory_unregister_fields[] = {
	FIELD_OF(MemoryUnregister, memory, REQUIRED),
	END_OF_FIELDS,
};

static const struct field ioas_alloc_fields[] = {
	TEXT_OF(IoasAlloc, tag, .kind = FIELD_TAG),
	END_OF_FIELDS,
};

static const struct field ioas_iova_ranges_fields[] = {
	FIELD_OF(IoasIovaRanges, ioas, REQUIRED),
	END_OF_FIELDS,
};

static const struct field ioas_allow_iovas_fields[] = {
	FIELD_OF(IoasAllowIovas, ioas, REQUIRED),
	RANGES_OF(IoasAllowIovas, ranges),
	END_OF_FIELDS,
};

static const struct field ioas_map_fields[] = {
	FIELD_OF(IoasMap, ioas, REQUIRED),
	FIELD_OF(IoasMap, memory),
	FIELD_OF(IoasMap, fd_index, .kind = FIELD_FD),
	FIELD_OF(IoasMap, length, REQUIRED, .kind = FIELD_LENGTH),
	FIELD_OF(IoasMap, offset, .kind = FIELD_PAGES, SPAN(IoasMap, length)),
	FIELD_OF(IoasMap, iova, .kind = FIELD_IOVA, SPAN(IoasMap, length)),
	FIELD_OF(IoasMap, readable),
	FIELD_OF(IoasMap, writeable),
	END_OF_FIELDS,
};

static const struct field ioas_unmap_fields[] = {
	FIELD_OF(IoasUnmap, ioas, REQUIRED),
	FIELD_OF(IoasUnmap, length, REQUIRED, .kind = FIELD_LENGTH_OR_ALL),
	FIELD_OF(IoasUnmap, iova, REQUIRED, .kind = FIELD_IOVA, SPAN(IoasUnmap, length)),
	END_OF_FIELDS,
};

static const struct field ioas_copy_fields[] = {
	FIELD_OF(IoasCopy, dst_ioas, REQUIRED),
	FIELD_OF(IoasCopy, src_ioas, REQUIRED),
	FIELD_OF(IoasCopy, length, REQUIRED, .kind = FIELD_LENGTH),
	FIELD_OF(IoasCopy, dst_iova, .kind = FIELD_IOVA, SPAN(IoasCopy, length)),
	FIELD_OF(IoasCopy, src_iova, REQUIRED, .kind = FIELD_IOVA, SPAN(IoasCopy, length)),
	FIELD_OF(IoasCopy, readable),
	FIELD_OF(IoasCopy, writeable),
	END_OF_FIELDS,
};

static const struct field device_open_fields[] = {
	TEXT_OF(DeviceOpen, name, REQUIRED, .kind = FIELD_NAME),
	TEXT_OF(DeviceOpen, tag, .kind = FIELD_TAG),
	END_OF_FIELDS,
};

static const struct field device_attach_fields[] = {
	FIELD_OF(DeviceAttach, device, REQUIRED),
	FIELD_OF(DeviceAttach, pt_id, REQUIRED),
	FIELD_OF(DeviceAttach, pasid, .kind = FIELD_NOT_YET),
	END_OF_FIELDS,
};

static const struct field device_detach_fields[] = {
	FIELD_OF(DeviceDetach, device, REQUIRED),
	FIELD_OF(DeviceDetach, pasid, .kind = FIELD_NOT_YET),
	END_OF_FIELDS,
};

static const struct field device_share_fields[] = {
	FIELD_OF(DeviceShare, device, REQUIRED),
	END_OF_FIELDS,
};

static const struct field device_close_fields[] = {
	FIELD_OF(DeviceClose, device, REQUIRED),
	END_OF_FIELDS,
};

/* The row of field number `number`, called `op` in client.proto. */
#define ROW(number, op, ...)                                                                       \
	[number] = {.name = #op,                                                                   \
		.field = number,                                                                   \
		.phases = PHASE_READY,                                                             \
		.handler = op_##op,                                                                \
		__VA_ARGS__}
#define FIELDS(list) .fields = list
#define TAKES_FD(message)                                                                          \
	.fd = FD_ONE, .fd_present = offsetof(PB(message), has_fd_index),                           \
	.fd_value = offsetof(PB(message), fd_index)
#define TAKES_FD_UNLESS(message, other)                                                            \
	.fd = FD_UNLESS, .fd_unless = offsetof(PB(message), has_##other),                          \
	.fd_present = offsetof(PB(message), has_fd_index),                                         \
	.fd_value = offsetof(PB(message), fd_index)
#define GIVES_FD .fds_given = 1
#define WAITS(op) .waits = true, .resume = op_##op##_resume
#define BATCH .batchable = true
#define UNDO(op) .undo = op_##op##_undo

/* clang-format off */
static const struct operation operations[OPERATIONS_END] = {
	ROW(1, info, FIELDS(no_fields)),
	ROW(2, list, FIELDS(list_fields)),
	ROW(3, destroy, FIELDS(destroy_fields), BATCH),
	ROW(4, memory_register, FIELDS(memory_register_fields), TAKES_FD(MemoryRegister), BATCH,
		UNDO(memory_register)),
	ROW(5, memory_unregister, FIELDS(memory_unregister_fields), BATCH),
	ROW(6, ioas_alloc, FIELDS(ioas_alloc_fields), BATCH, UNDO(ioas_alloc)),
	ROW(7, ioas_iova_ranges, FIELDS(ioas_iova_ranges_fields)),
	ROW(8, ioas_allow_iovas, FIELDS(ioas_allow_iovas_fields), BATCH),
	ROW(9, ioas_map, FIELDS(ioas_map_fields), TAKES_FD_UNLESS(IoasMap, memory), BATCH, UNDO(ioas_map)),
	ROW(10, ioas_unmap, FIELDS(ioas_unmap_fields), BATCH),
	ROW(11, ioas_copy, FIELDS(ioas_copy_fields), BATCH, UNDO(ioas_copy)),
	ROW(12, device_list, FIELDS(no_fields)),
	ROW(13, device_open, FIELDS(device_open_fields), WAITS(device_open), GIVES_FD),
	ROW(14, device_attach, FIELDS(device_attach_fields), BATCH),
	ROW(15, device_detach, FIELDS(device_detach_fields), BATCH),
	ROW(16, device_share, FIELDS(device_share_fields), GIVES_FD),
	ROW(17, device_close, FIELDS(device_close_fields), BATCH),
};
/* clang-format on */

const struct operation *operation_get(unsigned int field)
{
	if (field >= OPERATIONS_END || !operations[field].name)
		return NULL;
	return &operations[field];
}
