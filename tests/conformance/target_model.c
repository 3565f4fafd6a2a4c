/* SPDX-License-Identifier: MIT */
/* The model as the target of the suite. */
#include "tests/conformance/conformance.h"
#include "include/iommufd_sim.h"

static struct iommufd_sim *sim;

int target_begin(void)
{
	return iommufd_sim_new(&sim);
}

void target_end(void)
{
	iommufd_sim_free(sim);
	sim = NULL;
}

int conformance_open(void)
{
	return iommufd_sim_open(sim);
}

int conformance_device_open(uint32_t group, uint32_t address_bits)
{
	const struct iommufd_sim_device_desc desc = {
		.size = sizeof(desc),
		.group = group,
		.address_bits = address_bits,
	};

	return iommufd_sim_device_open(sim, &desc);
}

int conformance_close(int fd)
{
	return iommufd_sim_close(sim, fd);
}

int conformance_ioctl(int fd, unsigned long cmd, void *arg)
{
	return iommufd_sim_ioctl(sim, fd, cmd, arg);
}

int target_dma_read(int device, uint64_t iova, uint8_t *byte)
{
	return iommufd_sim_dma_read(sim, device, iova, byte, 1);
}

int target_dma_write(int device, uint64_t iova, uint8_t byte)
{
	return iommufd_sim_dma_write(sim, device, iova, &byte, 1);
}

void target_memlock(uint64_t bytes)
{
	iommufd_sim_set_memlock(sim, bytes);
}

bool target_has_usage(void)
{
	return true;
}

struct target_usage target_usage(int fd)
{
	struct iommufd_sim_usage usage;

	assert_int_equal(iommufd_sim_usage(sim, fd, &usage), 0);
	return (struct target_usage){
		usage.objects, usage.mappings, usage.pinned_bytes, usage.files};
}
