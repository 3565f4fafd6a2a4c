/* SPDX-License-Identifier: MIT */
/*
 * libiommufd-sim: /dev/iommu in user space.
 *
 * A `struct iommufd_sim` is a machine: its IOMMU, its devices. An "open" of it is a context as one open of /dev/iommu is;
 * both contexts and devices are named by real file descriptors (placeholders that the model makes), so that the uAPI
 * structs of include/iommufd_uapi.h, which carry fds, mean the same here as in the kernel. One entry point,
 * iommufd_sim_ioctl(), takes exactly what ioctl(2) takes: same structs, same errno, same order of checks, same ids,
 * same partial effects. A device's DMA goes through the page table that its attachment built, and nowhere else.
 *
 * What differs from the kernel: an fd is known by its number, so a dup() of it is not; `arg` itself must be memory that is
 * there, or null (pointers inside of it are checked: EFAULT); a device's write to a file that was opened read-only or is
 * write-sealed faults; memory is counted as pinned, but not kept from moving.
 *
 * One thread at a time per machine. No signals, no threads, no output.
 */
#ifndef IOMMUFD_SIM_H
#define IOMMUFD_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iommufd_sim;

/* What a device is to the IOMMU. Zeroes give: its own group, 48 bits, 4 KiB pages, the x86 MSI window reserved. */
struct iommufd_sim_device_desc {
	uint32_t size; /* sizeof this struct */
	uint32_t group; /* devices of one group share an attachment; 0 = a group of its own */
	uint32_t address_bits; /* aperture, 16 to 64; 0 = 48 */
	uint32_t flags; /* must be 0 */
};

/* A new machine without devices. 0 or -ENOMEM. Ended by iommufd_sim_free(), which closes what is still open. */
int iommufd_sim_new(struct iommufd_sim **ret);
void iommufd_sim_free(struct iommufd_sim *sim);

/* As open("/dev/iommu"): a new context. Returns an fd of the model or -errno (-EMFILE, -ENOMEM). */
int iommufd_sim_open(struct iommufd_sim *sim);
/* As open("/dev/vfio/devices/vfioN") of a device so described. Returns an fd of the model or -errno. */
int iommufd_sim_device_open(struct iommufd_sim *sim, const struct iommufd_sim_device_desc *desc);
/* As close(2). Closing a device fd unbinds it; closing a context destroys its objects in order of depth once no bound
 * device holds it. -EBADF for an fd that is not of this machine. */
int iommufd_sim_close(struct iommufd_sim *sim, int fd);

/* As ioctl(2), but answers -errno. IOMMU_* commands on a context, VFIO_DEVICE_BIND_IOMMUFD, _ATTACH_IOMMUFD_PT and
 * _DETACH_IOMMUFD_PT on a device. -EBADF for an fd that is not of this machine. */
int iommufd_sim_ioctl(struct iommufd_sim *sim, int fd, unsigned long cmd, void *arg);

/* A DMA of the device. All or nothing up to the first page that faults. Returns 0, or -EFAULT for an unmapped IOVA, a
 * direction that the mapping does not allow, or memory that its owner took away (a truncated file: no SIGBUS). */
int iommufd_sim_dma_read(
	struct iommufd_sim *sim, int device_fd, uint64_t iova, void *buffer, size_t bytes);
int iommufd_sim_dma_write(
	struct iommufd_sim *sim, int device_fd, uint64_t iova, const void *buffer, size_t bytes);

/* Faults so far: how many, and the last one. */
struct iommufd_sim_faults {
	uint64_t count;
	uint64_t last_iova;
	bool last_write;
};
int iommufd_sim_device_faults(
	struct iommufd_sim *sim, int device_fd, struct iommufd_sim_faults *ret);

/* RLIMIT_MEMLOCK of the machine's one user: a MAP or ATTACH that would pin more in all contexts together is -ENOMEM.
 * Whole pages; without this call there is no limit. What is pinned already stays. */
void iommufd_sim_set_memlock(struct iommufd_sim *sim, uint64_t bytes);

/* What a context holds now, by its fd or by that of a device bound to it: for tests that assert that nothing leaked. */
struct iommufd_sim_usage {
	uint64_t objects;
	uint64_t mappings;
	uint64_t pinned_bytes;
	uint64_t files; /* files held mapped */
};
int iommufd_sim_usage(struct iommufd_sim *sim, int fd, struct iommufd_sim_usage *ret);

#ifdef __cplusplus
}
#endif
#endif
