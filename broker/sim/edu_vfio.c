/* SPDX-License-Identifier: MIT */
/*
 * An edu as vfio-pci would show it: nine regions of which BAR0 and the configuration space exist,
 * five interrupt indexes of which INTx and MSI exist.
 *
 * Interrupts as in vfio-pci. One index is active at a time: the first eventfd given to it makes it
 * so (for MSI the device's MSI enable bit goes up), disabling it makes it not so; the other one
 * answers EINVAL meanwhile. INTx is a level: it signals once, masks itself, and signals again at
 * unmask if the line is still up. MSI is an edge and cannot be masked (ENOTTY).
 *
 * An eventfd is its client's: filled up, a blocking write to it would wait for the client to read.
 * So the server asks whether it can be written, and a signal that finds it full is lost: it could
 * not have been counted either. A client that fills it between the two calls stops its own session,
 * which is killed like any other.
 */
#include "broker/sim/edu.h"
#include "broker/sim/vfio_user_server.h"
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <unistd.h>

void edu_vfio_init(struct edu_vfio *device, struct edu *edu)
{
	*device = (struct edu_vfio){.edu = edu, .irq_fd = -1, .intx_fd = -1, .active = -1};
	edu_msi_enable(edu, false);
}

static void replace_fd(int *fd, int by)
{
	if (*fd >= 0)
		close(*fd);
	*fd = by;
}

void edu_vfio_deinit(struct edu_vfio *device)
{
	replace_fd(&device->irq_fd, -1);
	replace_fd(&device->intx_fd, -1);
	device->active = -1;
	edu_msi_enable(device->edu, false);
}

static void signal_eventfd(int fd)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	const uint64_t one = 1;

	if (fd < 0 || poll(&writable, 1, 0) <= 0 || !(writable.revents & POLLOUT))
		return;
	if (write(fd, &one, sizeof(one)) < 0)
		return; /* Lost: it was no eventfd, which is its owner's affair. */
}

void edu_vfio_interrupt(struct edu_vfio *device)
{
	if (device->active == VFIO_PCI_MSI_IRQ_INDEX) {
		signal_eventfd(device->irq_fd);
	} else if (device->active == VFIO_PCI_INTX_IRQ_INDEX && !device->intx_masked) {
		device->intx_masked = true;
		signal_eventfd(device->intx_fd);
	}
}

static int region_info(void *arg, uint32_t index, struct vfio_user_region *ret)
{
	(void)arg;
	*ret = (struct vfio_user_region){0};
	if (index == VFIO_PCI_BAR0_REGION_INDEX)
		ret->bytes = EDU_BAR0_BYTES;
	else if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		ret->bytes = EDU_CONFIG_BYTES;
	else if (index == VFIO_PCI_VGA_REGION_INDEX)
		return -EINVAL; /* as vfio-pci without a VGA device */
	if (ret->bytes > 0)
		ret->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

/* The largest aligned access that is left at `offset`: how vfio-pci cuts a transfer into register
 * accesses. */
static uint32_t access_bytes(uint64_t offset, uint32_t left, uint32_t max)
{
	uint32_t bytes = max;

	while (bytes > left || offset % bytes != 0)
		bytes /= 2;
	return bytes;
}

static int region_read(void *arg, uint32_t index, uint64_t offset, void *buffer, uint32_t bytes)
{
	struct edu_vfio *device = arg;
	const bool bar0 = index == VFIO_PCI_BAR0_REGION_INDEX;
	uint8_t *to = buffer;
	int r = 0;

	while (bytes > 0 && r == 0) {
		uint32_t n = access_bytes(offset, bytes, bar0 ? 8 : 4);

		r = bar0 ? edu_bar0_read(device->edu, offset, to, n)
			 : edu_config_read(device->edu, offset, to, n);
		offset += n;
		to += n;
		bytes -= n;
	}
	return r;
}

static int region_write(
	void *arg, uint32_t index, uint64_t offset, const void *buffer, uint32_t bytes)
{
	struct edu_vfio *device = arg;
	const bool bar0 = index == VFIO_PCI_BAR0_REGION_INDEX;
	const uint8_t *from = buffer;
	int r = 0;

	while (bytes > 0 && r == 0) {
		uint32_t n = access_bytes(offset, bytes, bar0 ? 8 : 4);

		r = bar0 ? edu_bar0_write(device->edu, offset, from, n)
			 : edu_config_write(device->edu, offset, from, n);
		offset += n;
		from += n;
		bytes -= n;
	}
	return r;
}

static int irq_info(void *arg, uint32_t index, struct vfio_user_irq *ret)
{
	(void)arg;
	*ret = (struct vfio_user_irq){0};
	if (index == VFIO_PCI_INTX_IRQ_INDEX) {
		ret->count = 1;
		ret->flags =
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	} else if (index == VFIO_PCI_MSI_IRQ_INDEX) {
		ret->count = 1;
		ret->flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	}
	return 0;
}

/* INTx is signalled when the line is up and not masked. */
static void intx_reconsider(struct edu_vfio *device)
{
	if (device->active == VFIO_PCI_INTX_IRQ_INDEX && !device->intx_masked &&
		edu_intx_level(device->edu))
		edu_vfio_interrupt(device);
}

static int irq_set_eventfd(void *arg, uint32_t index, uint32_t vector, int fd)
{
	struct edu_vfio *device = arg;

	(void)vector; /* each index has one */
	if (device->active != -1 && device->active != (int)index) {
		if (fd >= 0)
			close(fd);
		return -EINVAL;
	}
	device->active = (int)index;
	if (index == VFIO_PCI_MSI_IRQ_INDEX) {
		replace_fd(&device->irq_fd, fd);
		edu_msi_enable(device->edu, true);
		return 0;
	}
	replace_fd(&device->intx_fd, fd);
	device->intx_masked = false;
	intx_reconsider(device);
	return 0;
}

static int irq_trigger(void *arg, uint32_t index, uint32_t vector)
{
	struct edu_vfio *device = arg;

	(void)vector;
	if (device->active != (int)index)
		return -EINVAL;
	signal_eventfd(index == VFIO_PCI_MSI_IRQ_INDEX ? device->irq_fd : device->intx_fd);
	return 0;
}

static int irq_mask(void *arg, uint32_t index, uint32_t vector, bool masked)
{
	struct edu_vfio *device = arg;

	(void)vector;
	if (index != VFIO_PCI_INTX_IRQ_INDEX)
		return -ENOTTY;
	if (device->active != VFIO_PCI_INTX_IRQ_INDEX)
		return -EINVAL;
	device->intx_masked = masked;
	intx_reconsider(device);
	return 0;
}

static int irq_disable(void *arg, uint32_t index)
{
	struct edu_vfio *device = arg;

	if (device->active != (int)index)
		return -EINVAL;
	edu_vfio_deinit(device);
	return 0;
}

static int reset(void *arg)
{
	struct edu_vfio *device = arg;

	edu_reset_function(device->edu);
	return 0;
}

const struct vfio_user_device_ops edu_vfio_ops = {
	.region_info = region_info,
	.region_read = region_read,
	.region_write = region_write,
	.irq_info = irq_info,
	.irq_set_eventfd = irq_set_eventfd,
	.irq_trigger = irq_trigger,
	.irq_mask = irq_mask,
	.irq_disable = irq_disable,
	.reset = reset,
	.regions = VFIO_PCI_NUM_REGIONS,
	.irqs = VFIO_PCI_NUM_IRQS,
};
