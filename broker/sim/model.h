/* SPDX-License-Identifier: MIT */
/*
 * The model's concepts, and who holds whom.
 *
 *   sim ──> fds: contexts and devices          DEVICE ──attached──> HWPT ──> IOAS ──> mappings ──> pages ──> file
 *
 *   context   one open of /dev/iommu: a table of objects. It lives until its fd is closed and no device is bound to it.
 *   object    an id, a type, a count of users. Arrows go from what is made later to what it needs (object.c).
 *   IOAS      an address space: its mappings, the IOVAs that it must keep free (reserved) and must keep usable (allowed).
 *   mapping   a span of IOVA, and where in some pages it starts. A COPY is another mapping of the same pages.
 *   pages     a span of memory as one MAP gave it: of this process, or of a file. Counts what of it is pinned.
 *   file      a file that is held mapped, once however many pages are of it.
 *   HWPT      a page table. It holds what its IOAS holds, so a walk of it is a walk of the IOAS.
 *   group     what the IOMMU cannot tell apart: devices that share an owner (a context) and an attachment (a HWPT).
 *
 * Nothing here locks: one thread at a time per machine. Every function returns 0 or -errno unless it says otherwise, and
 * changes nothing when it fails, but for what the kernel changes too.
 */
#ifndef IOMMUB_SIM_MODEL_H
#define IOMMUB_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include "include/iommufd_sim.h"
#include "broker/sim/iova.h"

#define SIM_PAGE_BYTES UINT64_C(4096)

/* ---- Objects (object.c) ---- */

enum sim_object_type {
	SIM_OBJECT_ANY = 0,
	SIM_OBJECT_DEVICE,
	SIM_OBJECT_HWPT_PAGING,
	SIM_OBJECT_IOAS,
	SIM_OBJECT_TYPES
};

struct sim_object {
	uint32_t id;
	enum sim_object_type type;
	uint32_t users; /* who depends on it; with one it cannot be destroyed */
	bool published; /* the id can be named */
};

RB_HEAD(sim_files, sim_file);

struct sim_context {
	struct iommufd_sim *sim;
	struct sim_object **objects; /* by id - 1; NULL = the id is free */
	uint32_t objects_room;
	uint32_t lowest_free; /* no index below is free */
	uint32_t object_count;
	uint32_t bound_devices;
	bool open; /* its fd is not yet closed */
	struct sim_files files;
	uint64_t file_count, mapping_count, pinned_pages;
};

/* Make an object of `bytes` with the lowest free id, which nobody can name until it is published. */
int sim_object_reserve(struct sim_context *context, enum sim_object_type type, size_t bytes,
	struct sim_object **ret);
void sim_object_publish(struct sim_object *object);
/* Give back an object that was never published: id and memory, nothing else. */
void sim_object_abort(struct sim_context *context, struct sim_object *object);
/* -ENOENT for an id that is not there or of another type. */
int sim_object_find(struct sim_context *context, uint32_t id, enum sim_object_type type,
	struct sim_object **ret);
/* -ENOENT, or -EBUSY while it has users. */
int sim_object_destroy(struct sim_context *context, uint32_t id);
/* End a context that nobody holds: all objects, those without users first. */
void sim_context_free(struct sim_context *context);

/* ---- Memory (file.c, pages.c, user_memory.c) ---- */

struct sim_file {
	RB_ENTRY(sim_file) node;
	dev_t device;
	ino_t inode;
	uint8_t *map; /* NULL: it cannot be mapped, or is empty */
	uint64_t map_bytes;
	uint64_t bytes; /* its size when it was last named */
	uint32_t refs;
	bool writable; /* the mapping is */
	bool pinnable; /* shmem or hugetlbfs */
};

/* The file behind `fd`, mapped to its present size: a new one, or one already held. -EBADF, -ENOMEM. */
int sim_file_get(struct sim_context *context, int fd, struct sim_file **ret);
void sim_file_put(struct sim_context *context, struct sim_file *file);

RB_HEAD(sim_pins, sim_pin);

struct sim_pages {
	struct sim_file *file; /* NULL: memory of this process */
	uint64_t base; /* address or file offset of the first page */
	uint64_t count; /* pages */
	uint32_t refs; /* mappings */
	uint32_t whole; /* pinned mappings that cover all pages ... */
	struct sim_pins pins; /* ... and what others cover, by page */
	uint64_t partly; /* pages that `pins` covers */
	bool writable; /* a mapping of it may let devices write */
};

/* Pages of [start, start+bytes). Takes `file` over, also on failure. */
int sim_pages_new(struct sim_context *context, struct sim_file *file, uint64_t start,
	uint64_t bytes, bool writable, struct sim_pages **ret);
void sim_pages_put(struct sim_context *context, struct sim_pages *pages);
/* A page table takes, or gives back, the bytes [offset, offset+bytes) of the pages. Pins what was not pinned before:
 * -EFAULT (memory that is not there), -EINVAL (a file that cannot be pinned, or does not reach so far), -ENOMEM (limit). */
int sim_pages_pin(
	struct sim_context *context, struct sim_pages *pages, uint64_t offset, uint64_t bytes);
void sim_pages_unpin(
	struct sim_context *context, struct sim_pages *pages, uint64_t offset, uint64_t bytes);
/* Where byte `offset` of the pages lies in this process, if the bytes up to the end of its page are to be had. */
bool sim_pages_address(const struct sim_pages *pages, uint64_t offset, uintptr_t *ret);

/* Copies of memory that may not be there. They return how many bytes they moved: less than asked for if a page is not
 * there, and then up to that page. */
size_t sim_user_read(void *to, uint64_t address, size_t bytes);
size_t sim_user_write(uint64_t address, const void *from, size_t bytes);
/* Is each of `count` pages from `address` there? 0 or -EFAULT. */
int sim_user_probe(uint64_t address, uint64_t count);

/* ---- IOAS (ioas.c, map.c, place.c) ---- */

struct sim_span {
	RB_ENTRY(sim_span) node;
	uint64_t start, last;
};
RB_HEAD(sim_allowed, sim_span);

struct sim_reserved {
	TAILQ_ENTRY(sim_reserved) link; /* sim_ioas::reserved, by start */
	uint64_t start, last;
	const void *owner; /* a device or a HWPT */
};

struct sim_hwpt {
	struct sim_object object;
	struct sim_ioas *ioas;
	TAILQ_ENTRY(sim_hwpt) link; /* sim_ioas::hwpts, oldest first */
	uint32_t address_bits;
	bool automatic; /* made by an attach; goes with its last user */
	bool filled; /* in sim_ioas::hwpts */
};

struct sim_ioas {
	struct sim_object object;
	struct sim_iova_map map;
	TAILQ_HEAD(sim_reserved_list, sim_reserved) reserved;
	struct sim_allowed allowed;
	TAILQ_HEAD(sim_hwpt_list, sim_hwpt) hwpts;
	uint32_t hwpt_count; /* with one, mappings are pinned */
	uint64_t alignment;
};

int sim_place_reserve(struct sim_ioas *ioas, uint64_t start, uint64_t last, const void *owner);
void sim_place_unreserve(struct sim_ioas *ioas, const void *owner);
bool sim_place_is_reserved(const struct sim_ioas *ioas, uint64_t start, uint64_t last);
/* May [iova, iova+length) be mapped? -EINVAL, -EOVERFLOW, -EEXIST. */
int sim_place_check(const struct sim_ioas *ioas, uint64_t iova, uint64_t length);
/* Find a place that is as well aligned as `address`, where the memory lies. -ENOSPC, -EOVERFLOW, -EINVAL. */
int sim_place_find(struct sim_ioas *ioas, uint64_t address, uint64_t length, uint64_t *ret_iova);
/* Replace the allowed list by `allowed` and put the old one there. -EADDRINUSE: a reserved span is in the way. */
int sim_place_allow(struct sim_ioas *ioas, struct sim_allowed *allowed);
/* Add to a list. -EINVAL: overlaps. */
int sim_allowed_add(struct sim_allowed *allowed, uint64_t start, uint64_t last);
void sim_allowed_clear(struct sim_allowed *allowed);

/* Take away all whole mappings in [start, last]; -ENOENT at the first that the span cuts. *unmapped counts, always. */
int sim_ioas_unmap(struct sim_context *context, struct sim_ioas *ioas, uint64_t start,
	uint64_t last, uint64_t *unmapped);
void sim_ioas_destroy(struct sim_context *context, struct sim_object *object);

/* ---- HWPT (hwpt.c) ---- */

/* A page table on `ioas` for devices that address `address_bits`: reserved and empty. Then sim_hwpt_fill(), then the
 * caller publishes it, or drops it by sim_hwpt_abort() at any point before. */
int sim_hwpt_new(struct sim_context *context, struct sim_ioas *ioas, uint32_t address_bits,
	struct sim_hwpt **ret);
/* Put all that the IOAS holds into it, and let the IOAS know its bounds. -EADDRINUSE: a mapping or an allowed range lies
 * where it cannot reach, or is not aligned; or what sim_pages_pin() answers. */
int sim_hwpt_fill(struct sim_context *context, struct sim_hwpt *hwpt);
void sim_hwpt_abort(struct sim_context *context, struct sim_hwpt *hwpt);
/* One user less; an automatic one goes with its last. */
void sim_hwpt_put(struct sim_context *context, struct sim_hwpt *hwpt);
void sim_hwpt_destroy(struct sim_context *context, struct sim_object *object);

/* ---- Devices (device.c, attach.c, dma.c) ---- */

struct sim_group {
	TAILQ_ENTRY(sim_group) link; /* iommufd_sim::groups */
	TAILQ_HEAD(sim_device_list, sim_device) attached;
	uint32_t number; /* 0: of one device only */
	uint32_t refs; /* devices */
	uint32_t owned; /* bound devices */
	struct sim_context *owner;
	struct sim_hwpt *hwpt; /* of all devices in `attached` */
};

struct sim_device_object {
	struct sim_object object;
	struct sim_device *device;
};

struct sim_device {
	struct sim_group *group;
	struct sim_context *context; /* NULL: not bound */
	struct sim_device_object *object;
	TAILQ_ENTRY(sim_device) attached_link; /* sim_group::attached */
	bool attached;
	bool by_pasid; /* attached by ATTACH with PASID 0; see attach.c */
	uint32_t address_bits;
	struct iommufd_sim_faults faults;
};

/* No -errno but for memory: what the caller asked for is checked in machine.c. */
int sim_device_new(struct iommufd_sim *sim, const struct iommufd_sim_device_desc *desc,
	struct sim_device **ret);
void sim_device_free(struct iommufd_sim *sim, struct sim_device *device);
int sim_device_bind(struct iommufd_sim *sim, struct sim_device *device, void *arg);
void sim_device_unbind(struct sim_device *device);
int sim_device_attach_ioctl(struct sim_device *device, void *arg);
int sim_device_detach_ioctl(struct sim_device *device, void *arg);
int sim_device_attach(struct sim_device *device, bool by_pasid, uint32_t *pt_id);
void sim_device_detach(struct sim_device *device);

/* ---- The machine (machine.c) and its ioctls (dispatch.c) ---- */

enum sim_fd_kind { SIM_FD_NONE = 0, SIM_FD_CONTEXT, SIM_FD_DEVICE };

struct sim_fd {
	enum sim_fd_kind kind;
	union {
		struct sim_context *context;
		struct sim_device *device;
	};
};

struct iommufd_sim {
	struct sim_fd *fds; /* by fd number */
	size_t fds_room;
	TAILQ_HEAD(sim_group_list, sim_group) groups;
	uint64_t pinned_pages, pinned_pages_max;
};

/* What `fd` is, or NULL. */
struct sim_fd *sim_fd_find(struct iommufd_sim *sim, int fd, enum sim_fd_kind kind);

/* How a handler sees its ioctl: its struct, whole and validated, and the way back to the caller. */
struct sim_command {
	struct sim_context *context;
	void *arg; /* the caller's struct ... */
	uint32_t user_bytes; /* ... which is so long */
	void *in; /* the copy */
};

/* Copy the struct back, as much of it as the caller knows. */
void sim_command_respond(const struct sim_command *command, size_t bytes);
/* Take a size-first struct of at most `bytes`: -EFAULT, -EINVAL below `min`, -E2BIG for a tail that is not zero. */
int sim_struct_take(void *to, size_t bytes, size_t min, const void *arg, uint32_t *ret_user_bytes);
int sim_context_ioctl(struct sim_context *context, unsigned long cmd, void *arg);
int sim_device_ioctl(
	struct iommufd_sim *sim, struct sim_device *device, unsigned long cmd, void *arg);

int sim_destroy(struct sim_command *command);
int sim_ioas_alloc(struct sim_command *command);
int sim_ioas_iova_ranges(struct sim_command *command);
int sim_ioas_allow_iovas(struct sim_command *command);
int sim_ioas_map_user(struct sim_command *command);
int sim_ioas_map_file(struct sim_command *command);
int sim_ioas_copy(struct sim_command *command);
int sim_ioas_unmap_range(struct sim_command *command);

#endif
