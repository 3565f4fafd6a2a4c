/* SPDX-License-Identifier: MIT */
/*
 * Force against everything that a hostile client can do, with real DMA:
 *
 *      session    has the context; is inside a MAP of a large sparse file below the target when it is killed
 *      attacher   has the device: attaches it to every small id, without a pause, and by PASID 0 and 1: an attachment by
 *                 PASID 0 is one of the device itself that a plain DETACH does not undo
 *      ringer     has the device: a transfer to the target every 100 ms, which is what an edu takes
 *
 * We are the supervisor: we have duplicates of both fds, kill the session, start both sweeps. A transfer that arrives is
 * seen as a byte in the target, which we wipe each time.
 */
#include "tests/vm/programs/helper_force.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vm/programs/helper_run.h"
#include "tests/vm/programs/vfio.h"

#define MIB (UINT64_C(1) << 20)
#define TARGET_IOVA (250 * MIB) /* an edu reaches 28 bits */
#define LARGE_BYTES (240 * MIB)
#define MARK 0x5au
#define BYTES 64u
#define GRACE_MS 500.0 /* until a helper that may begin has, with all this on two CPUs */
/* Unmapping first lets transfers land until the MAP ends, ten or twenty of them. With both sweeps, an ATTACH that waits
 * for the MAP to end may win the race against UNMAP and DETACH once, for as long as these take. */
#define DURING_MOST 1u
#define WATCH_MS 1500.0

struct scene {
	int context, device, target_fd, large_fd;
	uint32_t ioas;
	volatile uint32_t *bar;
	volatile uint8_t *target;
	volatile int *mapping; /* shared: the session is about to MAP, or has */
	pid_t session, attacher, ringer;
};

static pid_t start(struct scene *scene, void (*run)(struct scene *scene))
{
	pid_t child = fork();

	need(child >= 0, "fork");
	if (child == 0) {
		/* A try that ends early takes its attackers along: they hold the device. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(scene);
		_exit(0);
	}
	return child;
}

static void session(struct scene *scene)
{
	*scene->mapping = 1;
	(void)ioas_map(scene->context, scene->ioas, scene->large_fd, 0, LARGE_BYTES);
	*scene->mapping = 2;
	for (;;)
		pause();
}

static void attacher(struct scene *scene)
{
	for (;;)
		for (uint32_t id = 1; id <= 8; id++) {
			(void)vfio_attach(scene->device, id);
			(void)vfio_attach_pasid(scene->device, id, 0);
			(void)vfio_attach_pasid(scene->device, id, 1);
		}
}

static void ringer(struct scene *scene)
{
	for (;;)
		edu_transfer(scene->bar, TARGET_IOVA, BYTES, true);
}

static struct scene scene_open(const struct pci_facts *device, bool by_pasid)
{
	struct scene scene = {.context = iommufd_open(), .device = vfio_open(device->node)};
	size_t bar_bytes;

	need(vfio_bind(scene.device, scene.context) == 0, "bind");
	vfio_bus_master(scene.device);
	scene.bar = vfio_bar0(scene.device, &bar_bytes);
	scene.ioas = ioas_new(scene.context);
	scene.target_fd = memfd_new(MIB);
	scene.large_fd = memfd_new(LARGE_BYTES);
	scene.target = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, scene.target_fd, 0);
	scene.mapping = mmap(NULL, sizeof(*scene.mapping), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(scene.target != MAP_FAILED && scene.mapping != MAP_FAILED, "mmap");
	need(ioas_map(scene.context, scene.ioas, scene.target_fd, TARGET_IOVA, MIB) == 0, "map");
	need((by_pasid ? vfio_attach_pasid(scene.device, scene.ioas, 0)
		       : vfio_attach(scene.device, scene.ioas)) == 0,
		"attach");
	memset((void *)scene.target, MARK, BYTES);
	edu_transfer(scene.bar, TARGET_IOVA, BYTES, false);
	memset((void *)scene.target, 0, BYTES);
	return scene;
}

/* Look until `until`; how many transfers arrived, and when the last did. */
static unsigned int watch(
	struct scene *scene, double until, const struct helper_child *child, double *last)
{
	unsigned int arrived = 0;

	while (now_ms() < until) {
		siginfo_t info = {0};

		if (scene->target[0] == MARK) {
			*last = now_ms();
			arrived++;
			memset((void *)scene->target, 0, BYTES);
		}
		if (child &&
			waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) ==
				0 &&
			info.si_pid)
			break;
		(void)usleep(500);
	}
	return arrived;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void report(const char *which, const struct helper_result *result, double ms)
{
	printf("%s: %s after %.0f ms: %llu rounds, %u IOASes, %llu MiB unmapped, left %u devices, "
	       "%u others\n",
		which, strerror(-result->error), ms, (unsigned long long)result->rounds,
		result->ioas, (unsigned long long)(result->unmapped_bytes / MIB),
		result->devices_left, result->others_left);
}

void run_force(const struct pci_facts *device, bool by_pasid)
{
	struct scene scene = scene_open(device, by_pasid);
	const struct helper_request detach_request = {0}, unmap_request = {.ids = HELPER_IDS_MAX};
	struct helper_child detach, unmap;
	struct helper_result result;
	unsigned int before, during, after;
	double last = 0, force, begun, done;
	int status;

	scene.ringer = start(&scene, ringer);
	before = watch(&scene, now_ms() + 500, NULL, &last);
	scene.attacher = start(&scene, attacher);
	scene.session = start(&scene, session);
	while (*scene.mapping == 0)
		(void)usleep(1000);
	before += watch(&scene, now_ms() + 200, NULL, &last);
	printf("%u transfers arrived before force; the session is %s its MAP\n", before,
		*scene.mapping == 1 ? "inside" : "past");
	need_to_show(before > 0, "no DMA before force");

	force = now_ms();
	(void)kill(scene.session, SIGKILL);
	detach = helper_begin(
		"sweep-detach", HELPER_SWEEP_DETACH, &detach_request, &scene.device, 1);
	unmap = helper_begin("sweep-unmap", HELPER_SWEEP_UNMAP, &unmap_request, &scene.context, 1);
	helper_await_filter(&detach);
	helper_await_filter(&unmap);
	begun = now_ms();
	during = scene.target[0] == MARK;
	memset((void *)scene.target, 0, BYTES);
	printf("DMA %s between force and the sweeps\n", during ? "arrived" : "did not arrive");
	printf("both sweeps have begun %.0f ms after force; the session has %s\n", begun - force,
		waitpid(scene.session, &status, WNOHANG) == scene.session ? "ended" : "not ended");
	during = watch(&scene, begun + GRACE_MS, NULL, &last);
	printf("%u transfers arrived until %.0f ms after that\n", during, GRACE_MS);
	during = watch(&scene, begun + 60000, &unmap, &last);
	done = now_ms();
	result = helper_end(&unmap, NULL);
	report("sweep-unmap", &result, done - force);
	need(result.error == 0 && result.devices_left == 1 && result.others_left == 0,
		"sweep-unmap left what it should not");
	(void)shutdown(detach.socket_fd, SHUT_WR);
	result = helper_end(&detach, NULL);
	report("sweep-detach", &result, now_ms() - force);
	need(result.error == 0, "sweep-detach");
	after = watch(&scene, now_ms() + WATCH_MS, NULL, &last);
	printf("%u transfers arrived during the sweeps, %u in %.0f ms after them, with the attacks "
	       "going on\n",
		during, after, WATCH_MS);
	if (during)
		printf("the last %.0f ms after both had begun\n", last - begun);
	need(during <= DURING_MOST, "DMA went on after both sweeps had begun");
	need(after == 0, "DMA landed after force had ended");

	end(scene.ringer);
	end(scene.attacher);
	(void)waitpid(scene.session, NULL, 0);
}

void run_unmap_alone(const struct pci_facts *device)
{
	struct scene scene = scene_open(device, false);
	const struct helper_request detach_request = {0}, unmap_request = {.ids = HELPER_IDS_MAX};
	struct helper_child detach, unmap;
	struct helper_result result;
	unsigned int before, after;
	double last = 0, begun;
	bool inside;
	int status;

	scene.ringer = start(&scene, ringer);
	before = watch(&scene, now_ms() + 500, NULL, &last);
	scene.session = start(&scene, session);
	while (*scene.mapping == 0)
		(void)usleep(1000);
	need_to_show(before > 0, "no DMA before force");
	unmap = helper_begin("sweep-unmap", HELPER_SWEEP_UNMAP, &unmap_request, &scene.context, 1);
	helper_await_filter(&unmap);
	begun = now_ms();
	(void)watch(&scene, begun + GRACE_MS, NULL, &last);
	after = watch(&scene, begun + GRACE_MS + 250, NULL, &last);
	inside = *scene.mapping == 1;
	printf("%u transfers arrived before the unmapping, %u in 250 ms after; the session is "
	       "still %s "
	       "its MAP\n",
		before, after, inside ? "inside" : "past");
	(void)kill(scene.session, SIGKILL);
	end(scene.ringer);
	(void)waitpid(scene.session, &status, 0);
	detach = helper_begin(
		"sweep-detach", HELPER_SWEEP_DETACH, &detach_request, &scene.device, 1);
	result = helper_end(&unmap, NULL);
	need(result.error == 0, "sweep-unmap");
	(void)shutdown(detach.socket_fd, SHUT_WR);
	(void)helper_end(&detach, NULL);
	need(after == 0, "DMA above a MAP in flight");
	need_to_show(inside, "the MAP was over too early");
}
