/* SPDX-License-Identifier: MIT */
/*
 * The vfio-user protocol, as far as this project speaks it: VFIO's device ioctls as messages over a
 * stream socket.
 *
 * Written from the public specification (docs/interop/vfio-user.rst of QEMU, before that
 * docs/vfio-user.rst of libvfio-user), version 0.1. Every size and offset is asserted below.
 *
 * A message is a 16-byte header, then a body that the command fixes. Integers are in the host's
 * byte order. A client sends commands and the server answers each, in order, with a reply of the
 * same id and command, unless the command said NO_REPLY; a failed one is answered with the header
 * alone, flag ERROR, and a positive errno. File descriptors travel as SCM_RIGHTS with the bytes of
 * their message.
 *
 *   command                  body of the command                    body of the reply
 *   VERSION                  version, JSON text with its NUL        the same
 *   DEVICE_GET_INFO          device_info (argsz only)               device_info
 *   DEVICE_GET_REGION_INFO   region_info (argsz, index)             region_info
 *   DEVICE_GET_IRQ_INFO      irq_info (argsz, index)                irq_info
 *   DEVICE_SET_IRQS          irq_set, one byte per vector if        none
 *                            DATA_BOOL; eventfds beside it if
 *                            DATA_EVENTFD (none: take away)
 *   REGION_READ              region_access                          region_access, data
 *   REGION_WRITE             region_access, data                    region_access
 *   DEVICE_RESET             none                                   none
 *
 * The flags in device_info, region_info, irq_info and irq_set, and the indexes, are those of
 * <linux/vfio.h>.
 *
 * What must be understood of the JSON text,
 * {"capabilities":{"max_msg_fds":8,"max_data_xfer_size":65504}}?
 *   The server: nothing. It sends no file descriptors, and no reply longer than what the command
 *   asked for, so no limit of the client can bind it. It checks that the text ends in a NUL and
 *   looks no further.
 *
 *   The client: those two numbers of the server's. It looks for the quoted key, a colon and decimal
 *   digits within the bytes received, and takes the specification's default (one fd, 1 MiB) where
 *   it finds none.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include <stddef.h>
#include <stdint.h>
#include <linux/vfio.h>

#define VFIO_USER_MAJOR 0u
#define VFIO_USER_MINOR 1u

/* What our server accepts, and what our client sends at most: header and body together. */
#define VFIO_USER_MESSAGE_MAX 65536u
/* File descriptors with one message: what our server accepts. */
#define VFIO_USER_FDS_MAX 8u
/* Of a peer that does not say. */
#define VFIO_USER_DEFAULT_MSG_FDS 1u
#define VFIO_USER_DEFAULT_DATA_XFER_BYTES (1024u * 1024u)

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DEVICE_RESET = 13
};

/* struct vfio_user_header.flags */
#define VFIO_USER_TYPE_MASK 0xfu
#define VFIO_USER_TYPE_COMMAND 0x0u
#define VFIO_USER_TYPE_REPLY 0x1u
#define VFIO_USER_FLAG_NO_REPLY 0x10u
#define VFIO_USER_FLAG_ERROR 0x20u

struct vfio_user_header {
	uint16_t id; /* the sender's own, echoed in the reply */
	uint16_t command; /* enum vfio_user_command */
	uint32_t bytes; /* of the whole message, this header included */
	uint32_t flags;
	uint32_t error; /* in a reply with FLAG_ERROR: a positive errno, or 0 for no word on it */
};

struct vfio_user_version {
	uint16_t major; /* the reply's is the command's, else there is no reply */
	uint16_t minor; /* the reply's is at most the command's */
	/* then the JSON text with its NUL, or nothing */
};

struct vfio_user_device_info {
	uint32_t argsz; /* in a command: room for the reply's body; in the reply: its size */
	uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
	uint32_t num_regions;
	uint32_t num_irqs;
};

struct vfio_user_region_info {
	uint32_t argsz;
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

struct vfio_user_irq_info {
	uint32_t argsz;
	uint32_t flags; /* VFIO_IRQ_INFO_* */
	uint32_t index;
	uint32_t count;
};

struct vfio_user_irq_set {
	uint32_t argsz; /* of this body, with what follows it */
	uint32_t flags; /* VFIO_IRQ_SET_*: one DATA, one ACTION */
	uint32_t index;
	uint32_t start;
	uint32_t count;
	/* then one byte per vector if DATA_BOOL */
};

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* bytes */
	/* then the data: in a REGION_WRITE, and in the reply to a REGION_READ */
};

/* The most data of one REGION_READ or REGION_WRITE within VFIO_USER_MESSAGE_MAX: 65504. */
#define VFIO_USER_DATA_MAX                                                                         \
	(VFIO_USER_MESSAGE_MAX - (uint32_t)sizeof(struct vfio_user_header) -                       \
		(uint32_t)sizeof(struct vfio_user_region_access))

#ifdef __cplusplus
#define VFIO_USER_ASSERT(expression) static_assert(expression, #expression)
#else
#define VFIO_USER_ASSERT(expression) _Static_assert(expression, #expression)
#endif
#define VFIO_USER_ASSERT_AT(type, field, at)                                                       \
	VFIO_USER_ASSERT(offsetof(struct vfio_user_##type, field) == (at))

VFIO_USER_ASSERT(sizeof(struct vfio_user_header) == 16);
VFIO_USER_ASSERT_AT(header, id, 0);
VFIO_USER_ASSERT_AT(header, command, 2);
VFIO_USER_ASSERT_AT(header, bytes, 4);
VFIO_USER_ASSERT_AT(header, flags, 8);
VFIO_USER_ASSERT_AT(header, error, 12);
VFIO_USER_ASSERT(sizeof(struct vfio_user_version) == 4);
VFIO_USER_ASSERT_AT(version, major, 0);
VFIO_USER_ASSERT_AT(version, minor, 2);
VFIO_USER_ASSERT(sizeof(struct vfio_user_device_info) == 16);
VFIO_USER_ASSERT_AT(device_info, argsz, 0);
VFIO_USER_ASSERT_AT(device_info, flags, 4);
VFIO_USER_ASSERT_AT(device_info, num_regions, 8);
VFIO_USER_ASSERT_AT(device_info, num_irqs, 12);
VFIO_USER_ASSERT(sizeof(struct vfio_user_region_info) == 32);
VFIO_USER_ASSERT(sizeof(struct vfio_user_region_info) == sizeof(struct vfio_region_info));
VFIO_USER_ASSERT_AT(region_info, argsz, 0);
VFIO_USER_ASSERT_AT(region_info, flags, 4);
VFIO_USER_ASSERT_AT(region_info, index, 8);
VFIO_USER_ASSERT_AT(region_info, cap_offset, 12);
VFIO_USER_ASSERT_AT(region_info, size, 16);
VFIO_USER_ASSERT_AT(region_info, offset, 24);
VFIO_USER_ASSERT(sizeof(struct vfio_user_irq_info) == 16);
VFIO_USER_ASSERT(sizeof(struct vfio_user_irq_info) == sizeof(struct vfio_irq_info));
VFIO_USER_ASSERT_AT(irq_info, argsz, 0);
VFIO_USER_ASSERT_AT(irq_info, flags, 4);
VFIO_USER_ASSERT_AT(irq_info, index, 8);
VFIO_USER_ASSERT_AT(irq_info, count, 12);
VFIO_USER_ASSERT(sizeof(struct vfio_user_irq_set) == 20);
VFIO_USER_ASSERT(sizeof(struct vfio_user_irq_set) == sizeof(struct vfio_irq_set));
VFIO_USER_ASSERT_AT(irq_set, argsz, 0);
VFIO_USER_ASSERT_AT(irq_set, flags, 4);
VFIO_USER_ASSERT_AT(irq_set, index, 8);
VFIO_USER_ASSERT_AT(irq_set, start, 12);
VFIO_USER_ASSERT_AT(irq_set, count, 16);
VFIO_USER_ASSERT(sizeof(struct vfio_user_region_access) == 16);
VFIO_USER_ASSERT_AT(region_access, offset, 0);
VFIO_USER_ASSERT_AT(region_access, region, 8);
VFIO_USER_ASSERT_AT(region_access, count, 12);
VFIO_USER_ASSERT(VFIO_USER_DATA_MAX == 65504);

#endif
