/* SPDX-License-Identifier: MIT */
/*
 * Drive a device through its file descriptor: regions, interrupts, reset.
 *
 * The fd comes from iommub_device_open() or iommub_device_share() (attach.h), or from a process
 * that passed it on. It is one of two things, told apart by what kind of file it is, and the calls
 * here mean the same on both:
 *
 *   a VFIO device fd      the calls are VFIO's ioctls, pread(2), pwrite(2) and mmap(2)
 *   a stream socket       the calls are messages of the vfio-user protocol: the broker runs on its
 *                         model, or another vfio-user server is at the other end
 *
 *       iommub_device_from_fd(fd, 0, &device);
 *       close(fd);                                   // the handle has its own duplicate
 *       iommub_device_set_bus_master(device, 1);     // without it a PCI device does no DMA
 *       iommub_device_irq_set(device, IOMMUB_IRQ_MSI, 0, &eventfd, 1, IOMMUB_IRQ_EVENTFD);
 *       iommub_device_write32(device, IOMMUB_REGION_BAR0, 0x98, 1);
 *       read(eventfd, …);
 *       iommub_device_free(device);
 *
 * The rules are those of conn.h: 0 or a negative errno value, outputs on success only, no threads,
 * no signals, no output. A handle serves one thread at a time. A region access of 1, 2 or 4 aligned
 * bytes is one access of the device; 8 are one where the kernel can, else two; longer ones are cut
 * into such.
 *
 * Errors that any call may return when the fd is a socket:
 *   -ETIMEDOUT   no answer within the handle's timeout
 *   -ECONNRESET  the other end closed the connection: the device was taken back, or its session
 *                ended
 *   -EPROTO      the answer made no sense
 *   -ENOTCONN    one of these three happened before: this handle is over; have the device's fd
 *                sent again
 *   -ECHILD      the handle was made before fork(), in the parent
 *   -ETOOMANYREFS, -ENOBUFS, -ENOMEM  as sendmsg(2); nothing was sent
 *   or what the server answered: -EOPNOTSUPP for a command that it lacks, -EIO if it did not say
 * and when it is a VFIO fd: whatever the ioctl or the access answers. These are calls into the
 * kernel, which the timeout does not bound; a reset may take seconds.
 */
#ifndef IOMMUBROKER_DEVICE_H
#define IOMMUBROKER_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <iommubroker/export.h>

IOMMUB_BEGIN_DECLS

#define IOMMUB_DEVICE_TIMEOUT_MS_DEFAULT 5000u

struct iommub_device;

/** enum iommub_region_index - regions of a PCI device. */
enum iommub_region_index {
	IOMMUB_REGION_BAR0 = 0,
	IOMMUB_REGION_BAR1 = 1,
	IOMMUB_REGION_BAR2 = 2,
	IOMMUB_REGION_BAR3 = 3,
	IOMMUB_REGION_BAR4 = 4,
	IOMMUB_REGION_BAR5 = 5,
	IOMMUB_REGION_ROM = 6,
	IOMMUB_REGION_CONFIG = 7
};

/** enum iommub_irq_index - kinds of interrupts of a PCI device. One kind is on at a time. */
enum iommub_irq_index {
	IOMMUB_IRQ_INTX = 0, /* a level: masks itself when it signals; then IOMMUB_IRQ_UNMASK */
	IOMMUB_IRQ_MSI = 1,
	IOMMUB_IRQ_MSIX = 2,
	IOMMUB_IRQ_ERR = 3,
	IOMMUB_IRQ_REQ = 4
};

/* Values of @flags below; they are VFIO's. */
#define IOMMUB_DEVICE_FLAG_RESET 0x1u /* iommub_device_reset() may work */
#define IOMMUB_DEVICE_FLAG_PCI 0x2u
#define IOMMUB_REGION_FLAG_READ 0x1u
#define IOMMUB_REGION_FLAG_WRITE 0x2u
#define IOMMUB_REGION_FLAG_MMAP 0x4u
#define IOMMUB_IRQ_FLAG_EVENTFD 0x1u /* signals an eventfd */
#define IOMMUB_IRQ_FLAG_MASKABLE 0x2u
#define IOMMUB_IRQ_FLAG_AUTOMASKED 0x4u /* masks itself when it signals */
#define IOMMUB_IRQ_FLAG_NORESIZE 0x8u /* set up in one go: for more vectors, disable first */

/**
 * struct iommub_device_summary - what the device says about itself.
 * @flags: IOMMUB_DEVICE_FLAG_*; others may be set
 * @regions: region indexes are below this
 * @irqs: interrupt indexes are below this
 */
struct iommub_device_summary {
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};

/**
 * struct iommub_region - one region.
 * @index: enum iommub_region_index, or beyond
 * @flags: IOMMUB_REGION_FLAG_*; others may be set
 * @bytes: its size; 0: the device has no such region
 */
struct iommub_region {
	uint32_t index;
	uint32_t flags;
	uint64_t bytes;
};

/**
 * struct iommub_irq - one kind of interrupts.
 * @index: enum iommub_irq_index
 * @flags: IOMMUB_IRQ_FLAG_*; others may be set
 * @count: how many vectors; 0: the device has none of this kind
 */
struct iommub_irq {
	uint32_t index;
	uint32_t flags;
	uint32_t count;
};

/** enum iommub_irq_action - what iommub_device_irq_set() does to the vectors. */
enum iommub_irq_action {
	IOMMUB_IRQ_EVENTFD = 0, /* signal these eventfds from now on */
	IOMMUB_IRQ_TRIGGER = 1, /* signal them now, as if the device had */
	IOMMUB_IRQ_MASK = 2,
	IOMMUB_IRQ_UNMASK = 3
};

/**
 * iommub_device_from_fd() - a handle for a device's fd.
 * @fd: a VFIO device fd that is bound, or a connected AF_UNIX stream socket with a vfio-user server
 *      at its other end; borrowed, the handle keeps a duplicate: close @fd whenever you like
 * @timeout_ms: of this call and every later one; 0: IOMMUB_DEVICE_TIMEOUT_MS_DEFAULT
 * @ret: the handle; end it with iommub_device_free()
 *
 * On a socket this negotiates the protocol's version. The connection belongs to the handle from
 * here on: do not use it in two handles at once.
 *
 * Return: 0, or
 *   -EBADF   @fd is no open file descriptor
 *   -EMFILE  no room for another one;  -ENOMEM  no memory
 *   -ENOTTY  it is neither a VFIO device nor an AF_UNIX stream socket
 *   -EINVAL  a VFIO device that is not bound to an iommufd, or a timeout above INT_MAX
 *   -EPROTONOSUPPORT  the server speaks another version of vfio-user
 *   or one that every call may return.
 */
IOMMUB_API int iommub_device_from_fd(int fd, uint32_t timeout_ms, struct iommub_device **ret);

/**
 * iommub_device_free() - end a handle and close its duplicate of the fd.
 * @device: the handle; NULL is fine
 *
 * Mappings of regions stay until munmap(2). The device itself stays lent until
 * iommub_device_close(), and held while any duplicate of its fd or mapping of it is left.
 */
IOMMUB_API void iommub_device_free(struct iommub_device *device);

/**
 * iommub_device_get_fd() - the handle's fd.
 * @device: the handle
 *
 * Return: the fd, which the handle owns: do not close it, and do not read or write it if it is a
 * socket.
 */
IOMMUB_API int iommub_device_get_fd(const struct iommub_device *device);

/**
 * iommub_device_is_vfio_user() - what the fd speaks.
 * @device: the handle
 *
 * Return: 1: it is a socket, the device is behind a vfio-user server; 0: a VFIO device fd.
 */
IOMMUB_API int iommub_device_is_vfio_user(const struct iommub_device *device);

/**
 * iommub_device_get_summary() - what the device says about itself. VFIO_DEVICE_GET_INFO.
 * @device: the handle
 * @ret: its flags, how many regions and kinds of interrupts
 *
 * Return: 0, or one that every call may return.
 */
IOMMUB_API int iommub_device_get_summary(
	struct iommub_device *device, struct iommub_device_summary *ret);

/**
 * iommub_device_region() - a region's size and what can be done with it.
 * @device: the handle
 * @index: enum iommub_region_index, or beyond
 * @ret: the region; IOMMUB_REGION_FLAG_MMAP is set only where iommub_device_mmap() can work, so
 *       never behind a socket
 *
 * VFIO_DEVICE_GET_REGION_INFO, asked once per region.
 *
 * Return: 0, -EINVAL (no such index), or one that every call may return.
 */
IOMMUB_API int iommub_device_region(
	struct iommub_device *device, uint32_t index, struct iommub_region *ret);

/**
 * iommub_device_read() - read registers.
 * @device: the handle
 * @region: index of the region
 * @offset: in bytes from its start
 * @buffer: where to; undefined after a failure
 * @bytes: how many; 0 is fine and does nothing
 *
 * Registers come in the device's byte order: little-endian on PCI.
 *
 * Return: 0: all of them were read, or
 *   -EINVAL  no such region, or [offset, offset + bytes) leaves it
 *   -EACCES  the region cannot be read
 *   -EIO     the device did not answer: memory decoding is off in its command register, or it is
 *            gone
 *   or one that every call may return.
 */
IOMMUB_API int iommub_device_read(
	struct iommub_device *device, uint32_t region, uint64_t offset, void *buffer, size_t bytes);

/**
 * iommub_device_write() - write registers.
 * @device: the handle
 * @region: index of the region
 * @offset: in bytes from its start
 * @buffer: what, in the device's byte order
 * @bytes: how many; 0 is fine and does nothing
 *
 * Return: 0: all of them were written; else as iommub_device_read(), -EACCES if the region cannot
 * be written. Of more than 8 bytes the first may have been written when a later one fails.
 */
IOMMUB_API int iommub_device_write(struct iommub_device *device, uint32_t region, uint64_t offset,
	const void *buffer, size_t bytes);

/**
 * iommub_device_read32() - read one 32-bit little-endian register.
 * @device: the handle
 * @region: index of the region
 * @offset: in bytes from its start
 * @ret: its value in the host's byte order
 *
 * Return: as iommub_device_read().
 */
IOMMUB_API int iommub_device_read32(
	struct iommub_device *device, uint32_t region, uint64_t offset, uint32_t *ret);

/**
 * iommub_device_write32() - write one 32-bit little-endian register.
 * @device: the handle
 * @region: index of the region
 * @offset: in bytes from its start
 * @value: in the host's byte order
 *
 * Return: as iommub_device_write().
 */
IOMMUB_API int iommub_device_write32(
	struct iommub_device *device, uint32_t region, uint64_t offset, uint32_t value);

/**
 * iommub_device_mmap() - map a part of a region into this process.
 * @device: the handle
 * @region: index of the region
 * @offset: in bytes from its start, a multiple of the page size
 * @bytes: how many
 * @prot: PROT_READ, PROT_WRITE, or both
 * @ret: the address; the caller ends it with munmap(2). While it exists the device counts as held.
 *
 * Return: 0, or
 *   -EOPNOTSUPP  this region cannot be mapped: use iommub_device_read() and _write()
 *   -EINVAL  no such region, the range leaves it or is empty, @offset is not a multiple of the page
 *            size, or @prot is something else
 *   -ENOMEM, -EPERM, -EAGAIN  as mmap(2)
 *   or one that every call may return.
 */
IOMMUB_API int iommub_device_mmap(struct iommub_device *device, uint32_t region, uint64_t offset,
	size_t bytes, int prot, void **ret);

/**
 * iommub_device_irq() - how many interrupts of a kind there are, and how they behave.
 * @device: the handle
 * @index: enum iommub_irq_index
 * @ret: the kind
 *
 * VFIO_DEVICE_GET_IRQ_INFO.
 *
 * Return: 0, -EINVAL (no such index), or one that every call may return.
 */
IOMMUB_API int iommub_device_irq(
	struct iommub_device *device, uint32_t index, struct iommub_irq *ret);

/**
 * iommub_device_irq_set() - set up, trigger, mask or unmask interrupts. VFIO_DEVICE_SET_IRQS.
 * @device: the handle
 * @index: enum iommub_irq_index
 * @start: the first vector
 * @eventfds: for IOMMUB_IRQ_EVENTFD: @n of them, borrowed (the device keeps a reference of its own
 *            until they are replaced or the device is closed everywhere); -1: this vector signals
 *            nothing. Otherwise NULL.
 * @n: how many vectors; 0 with IOMMUB_IRQ_EVENTFD and @start 0: disable the whole index
 * @action: enum iommub_irq_action
 *
 * Behind a socket, more eventfds than the server takes with one message are set in several: after a
 * failure the first ones may have been set.
 *
 * Return: 0, or
 *   -EINVAL  no such index or vector; @n is 0 or above 2048, or @eventfds is or is not NULL, where
 *            it may not; an fd is no eventfd; another index is set up; nothing is set up where
 *            something is to be disabled, triggered or masked
 *   -EBADF   an fd is not open
 *   -ENOTTY  this kind cannot be masked
 *   or one that every call may return.
 */
IOMMUB_API int iommub_device_irq_set(struct iommub_device *device, uint32_t index, uint32_t start,
	const int *eventfds, uint32_t n, enum iommub_irq_action action);

/**
 * iommub_device_reset() - reset the device's function. VFIO_DEVICE_RESET.
 * @device: the handle
 *
 * What is cleared is the device's affair; its PCI configuration, interrupts and attachment stay.
 *
 * Return: 0, -EINVAL or -ENOTTY (the device has no reset that works on it alone), or one that every
 * call may return.
 */
IOMMUB_API int iommub_device_reset(struct iommub_device *device);

/**
 * iommub_device_set_bus_master() - let a PCI device do DMA and send MSIs, or not.
 * @device: the handle
 * @on: 0: no; else yes
 *
 * Bus mastering is off when a device is lent: VFIO turns it off.
 *
 * Return: 0, -EIO (the bit did not stay), -EINVAL (it is no PCI device), or one that every call may
 * return.
 */
IOMMUB_API int iommub_device_set_bus_master(struct iommub_device *device, int on);

IOMMUB_END_DECLS

#endif
