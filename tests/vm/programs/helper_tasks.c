/* SPDX-License-Identifier: MIT */
/*
 * Each task of iommu-broker-helper on real devices, without a supervisor: what it answers, and how long it took.
 *
 *   vm-helper-tasks HELPER open|probe|reset|held|force|force-pasid0 ADDRESS
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "iommufd_uapi.h"
#include "tests/vm/programs/helper_force.h"
#include "tests/vm/programs/helper_run.h"
#include "tests/vm/programs/vfio.h"

static void run_open(const struct pci_facts *device)
{
	double start = now_ms();
	int fd = -1;
	struct helper_result result = helper_on_device("open", HELPER_OPEN, device, &fd);
	struct pci_facts wrong = *device;

	need(result.error == 0 && fd >= 0, "open: %s", strerror(-result.error));
	printf("%s: open %s in %.0f ms, the fd came\n", device->address, device->node,
		now_ms() - start);
	int context = iommufd_open();

	need(vfio_bind(fd, context) == 0, "what came cannot be bound");
	close(fd);
	close(context);
	wrong.minor++;
	result = helper_on_device("open", HELPER_OPEN, &wrong, &fd);
	need(result.error == -ENODEV && fd < 0, "a node of another number was opened");
	(void)snprintf(wrong.node, sizeof(wrong.node), "../vfio");
	result = helper_on_device("open", HELPER_OPEN, &wrong, &fd);
	need(result.error == -EINVAL && fd < 0, "a path was taken for a node");
}

static enum helper_holder probe(const struct pci_facts *device, const char *when)
{
	static const char *const texts[] = {"unknown", "nobody", "somebody", "again"};
	double start = now_ms();
	struct helper_result result = helper_on_device("probe", HELPER_PROBE, device, NULL);

	need(result.error == 0, "probe: %s", strerror(-result.error));
	printf("%s: probe %s: held by %s, %.0f ms (flags 0x%x, %u regions, %u irqs, %u PASID "
	       "bits)\n",
		device->address, when, texts[result.holder], now_ms() - start, result.device_flags,
		result.regions, result.irqs, result.pasid_bits);
	return (enum helper_holder)result.holder;
}

static void run_reset(const struct pci_facts *device)
{
	double start = now_ms();
	struct helper_result result = helper_on_device("reset", HELPER_RESET, device, NULL);
	int context = iommufd_open(), fd = vfio_open(device->node), raw;

	printf("%s: reset: %s in %.0f ms, methods \"%s\"\n", device->address,
		strerror(-result.error), now_ms() - start, device->reset_method);
	need(vfio_bind(fd, context) == 0, "bind");
	raw = ioctl(fd, VFIO_DEVICE_RESET) < 0 ? errno : 0;
	printf("%s: VFIO_DEVICE_RESET itself: %s\n", device->address, strerror(raw));
	need(result.error == (raw == EINVAL ? -EOPNOTSUPP : -raw), "they differ");
	need((result.error == 0) == (device->reset_method[0] != '\0'), "sysfs says otherwise");
	result = helper_on_device("reset", HELPER_RESET, device, NULL);
	need(result.error == -EBUSY && result.holder == HELPER_HOLDER_SOMEBODY,
		"a held device was reset: %s", strerror(-result.error));
	close(fd);
	close(context);
}

/* One at a time: the last reference to the device is what the argument says, then it goes. */
static void held_by_fork(const struct pci_facts *device, int fd)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	close(fd);
	need(probe(device, "with the fd in a forked child") == HELPER_HOLDER_SOMEBODY, "held");
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
}

static void held_by_mapping(const struct pci_facts *device, int fd)
{
	size_t bytes = 0;
	volatile uint32_t *bar = vfio_bar0(fd, &bytes);

	close(fd);
	need(probe(device, "with only a BAR mapping") == HELPER_HOLDER_SOMEBODY, "held");
	(void)munmap((void *)bar, bytes);
}

static void held_by_message(const struct pci_facts *device, int fd)
{
	int sockets[2];

	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
	need(seqpacket_send(sockets[0], "x", 1, &fd, 1) == 0, "send");
	close(fd);
	need(probe(device, "with an unread message") == HELPER_HOLDER_SOMEBODY, "held");
	close(sockets[0]);
	close(sockets[1]);
}

static void run_held(const struct pci_facts *device)
{
	static void (*const ways[])(const struct pci_facts *device, int fd) = {
		held_by_fork, held_by_mapping, held_by_message};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int context = iommufd_open(), fd = vfio_open(device->node);

		need(vfio_bind(fd, context) == 0, "bind");
		close(context);
		ways[i](device, fd);
		need(probe(device, "afterwards") == HELPER_HOLDER_NONE, "still held");
	}
}

int main(int argc, char **argv)
{
	struct pci_facts device;
	int directory = pci_directory_open("/");

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	need(argc == 4,
		"usage: vm-helper-tasks HELPER open|probe|reset|held|force|force-pasid0 ADDRESS");
	need(pci_facts_read(directory, argv[3], &device) == 0, "%s: no VFIO node", argv[3]);
	helper_run_program(argv[1]);
	if (strcmp(argv[2], "open") == 0)
		run_open(&device);
	else if (strcmp(argv[2], "probe") == 0)
		need(probe(&device, "at rest") == HELPER_HOLDER_NONE, "held");
	else if (strcmp(argv[2], "reset") == 0)
		run_reset(&device);
	else if (strcmp(argv[2], "held") == 0)
		run_held(&device);
	else if (strcmp(argv[2], "force") == 0)
		run_force(&device, false);
	else if (strcmp(argv[2], "force-pasid0") == 0)
		run_force(&device, true);
	else if (strcmp(argv[2], "unmap-alone") == 0)
		run_unmap_alone(&device);
	else
		need(false, "no such task");
	return 0;
}
