/* SPDX-License-Identifier: MIT */
/*
 * Between the supervisor and a helper: argv[1] names the task, fd 3 is a SOCK_SEQPACKET pair, fds 4… are what the task
 * works on. The helper finds one struct helper_request on fd 3 and leaves one struct helper_result there; both sides
 * check size, magic and kind. A task that did not write its result, or did not exit with 0 after it, has failed. The
 * supervisor's end of fd 3 shut down for writing means: come to an end (HELPER_SWEEP_DETACH; the others do so anyway).
 *
 *   device-reset   fd 4: state memfd    a device of the model, as a power-on leaves it
 *   open           fd 4: /dev           open vfio/devices/NAME; the fd comes with the result
 *   probe          fd 4: /dev           does anybody still refer to the device: BIND it to a context made for that
 *   reset          fd 4: /dev           the same, then VFIO_DEVICE_RESET
 *   sweep-detach   fds 4…: devices      DETACH each, over and over, until told to end
 *   sweep-unmap    fd 4: iommufd        unmap every IOAS, then destroy whatever can be; ends when no IOAS is left
 *   scrub          no fd                becomes the policy's program, whose exit code is the result
 */
#ifndef IOMMUB_SUPERVISOR_HELPER_PROTOCOL_H
#define IOMMUB_SUPERVISOR_HELPER_PROTOCOL_H

#include <stdint.h>

#define HELPER_FD_RESULT 3
#define HELPER_FD_TASK 4
#define HELPER_TASK_FDS_MAX 8u
#define HELPER_MAGIC 0x68656c70u
#define HELPER_NODE_MAX 32u
#define HELPER_ARGUMENTS_BYTES 1024u
#define HELPER_ARGUMENTS_MAX 32u /* the program is one of them */
#define HELPER_IDS_MAX (1u << 20)

enum helper_kind {
	HELPER_DEVICE_RESET = 1,
	HELPER_OPEN,
	HELPER_PROBE,
	HELPER_RESET,
	HELPER_SWEEP_DETACH,
	HELPER_SWEEP_UNMAP,
	HELPER_SCRUB,
	HELPER_KINDS
};

struct helper_request {
	uint32_t magic;
	uint32_t kind; /* enum helper_kind */
	uint32_t fds_count; /* from fd 4 on */
	char node[HELPER_NODE_MAX]; /* OPEN, PROBE, RESET, SCRUB: "vfio3" */
	uint32_t major,
		minor; /* the same: what the node must be. SCRUB, major 0: of the model, `node` is its name */
	uint32_t pasid_bits; /* SWEEP_DETACH: PASIDs below 1 << this are detached too; 0: none */
	uint32_t ids; /* SWEEP_UNMAP: object ids to look at, from 1; at most HELPER_IDS_MAX */
	char address[16]; /* SCRUB: "0000:00:05.0" */
	char arguments
		[HELPER_ARGUMENTS_BYTES]; /* SCRUB: the program's path, its arguments, each ends in a NUL; then one more NUL */
};

/* What BIND to a fresh context tells of a device. */
enum helper_holder {
	HELPER_HOLDER_UNKNOWN = 0,
	HELPER_HOLDER_NONE, /* nobody refers to it */
	HELPER_HOLDER_SOMEBODY, /* an fd in some process, a BAR mapping, an unread message, a VFIO group */
	HELPER_HOLDER_AGAIN, /* the device is locked by the kernel just now: ask again */
};

struct helper_result {
	uint32_t magic;
	uint32_t kind; /* enum helper_kind */
	int32_t error; /* 0 or a negative errno */
	uint32_t holder; /* PROBE, RESET: enum helper_holder */
	uint32_t device_flags; /* PROBE, RESET: VFIO_DEVICE_FLAGS_*, if nobody held it */
	uint32_t regions, irqs; /* the same */
	uint32_t pasid_bits; /* the same: what SWEEP_DETACH wants to know */
	uint32_t devices_left,
		others_left; /* SWEEP_UNMAP: objects that stay while their fds live */
	uint32_t ioas; /* SWEEP_UNMAP: how many there were */
	uint32_t elapsed_ms; /* inside the task */
	uint64_t rounds; /* SWEEP_*: how often it went around */
	uint64_t unmapped_bytes; /* SWEEP_UNMAP */
};

#endif
