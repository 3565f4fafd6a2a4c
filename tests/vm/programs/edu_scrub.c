/* SPDX-License-Identifier: MIT */
/*
 * What a policy's `scrub:` may name for an edu: fill the device's buffer, which no reset clears, with zeros.
 *
 *   vm-edu-scrub ADDRESS NODE      as the broker calls it
 *
 * The device has no way to write its own buffer but to read memory, so it is given a page of zeros in a context of
 * this process's own. The buffer's last byte stays as it is: a transfer that touches it aborts QEMU, so nobody can have
 * written it either.
 */
#include <string.h>
#include <unistd.h>

#include "tests/vm/programs/vfio.h"

#define BUFFER_BYTES 4096u
#define IOVA UINT64_C(0x100000)
#define NODES "/dev/vfio/devices/"

int main(int argc, char **argv)
{
	volatile uint32_t *bar0;
	uint32_t ioas;
	size_t bytes;
	int iommufd, device, zeros;

	need(argc == 3 && strncmp(argv[2], NODES, strlen(NODES)) == 0,
		"usage: vm-edu-scrub ADDRESS " NODES "NAME");
	device = vfio_open(argv[2] + strlen(NODES));
	iommufd = iommufd_open();
	zeros = memfd_new(BUFFER_BYTES);
	ioas = ioas_new(iommufd);
	need(ioas_map(iommufd, ioas, zeros, IOVA, BUFFER_BYTES) == 0, "map");
	need(vfio_bind(device, iommufd) == 0, "bind %s", argv[2]);
	need(vfio_attach(device, ioas) == 0, "attach %s", argv[2]);
	vfio_bus_master(device);
	bar0 = vfio_bar0(device, &bytes);
	need(bar0[0] == 0x010000edu, "%s is no edu", argv[1]);
	edu_transfer_at(bar0, 0, IOVA, BUFFER_BYTES / 2, false);
	edu_transfer_at(bar0, BUFFER_BYTES / 2, IOVA, BUFFER_BYTES / 2 - 1, false);
	return 0;
}
