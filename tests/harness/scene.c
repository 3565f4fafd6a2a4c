/* SPDX-License-Identifier: MIT */
#include "tests/harness/cmocka.h"
#include "tests/harness/scene.h"
#include "tests/harness/proc.h"

#include <stdio.h>
#include <unistd.h>

#define PAGE 4096u
#define RESOURCES_LAST IOMMUBROKER__V1__RESOURCE__RESOURCE_OBJECTS

static void count_fds(const struct scene *scene, ssize_t *ret)
{
	ret[0] = proc_fd_count(scene->broker->pid);
	ret[1] = proc_fd_count(scene->sessions[0]);
	ret[2] = proc_fd_count(scene->sessions[1]);
	ret[3] = proc_fd_count(getpid());
}

static bool has_baseline_fds(void *arg)
{
	const struct scene *scene = arg;
	ssize_t now[4];

	count_fds(scene, now);
	for (size_t i = 0; i < 4; i++)
		if (now[i] > scene->fds[i])
			return false;
	return true;
}

void scene_open(struct scene *scene, const char *policy)
{
	scene_open_with(scene, policy, NULL);
}

void scene_open_with(struct scene *scene, const char *policy, const char *const *arguments)
{
	int memfd = wire_memfd(PAGE, 0);

	scene->broker = harness_broker_start(policy ? policy : harness_policy_sockets, arguments);
	scene->witness = wire_open(scene->broker, "alpha.sock");
	scene->sessions[0] = harness_session_new(NULL, 0);
	scene->beta = wire_open(scene->broker, "beta.sock");
	scene->sessions[1] = harness_session_new(scene->sessions, 1);
	scene->beta_ioas = wire_ioas_alloc(scene->beta);
	scene->beta_memory = wire_memory_register(scene->beta, memfd, true);
	close(memfd);
	/* One victim comes and goes before we count: what a broker opens once and keeps is no leak.
	 */
	wire_close(scene_victim(scene));
	harness_sessions_await(2);
	scene_serves_beta(scene);
	count_fds(scene, scene->fds);
}

struct wire *scene_victim(struct scene *scene)
{
	return wire_open(scene->broker, "alpha.sock");
}

void scene_serves_beta(struct scene *scene)
{
	uint64_t iova = wire_map(scene->beta, scene->beta_ioas, scene->beta_memory, 0, PAGE);

	wire_unmap(scene->beta, scene->beta_ioas, iova, PAGE);
}

void scene_serves(struct wire *victim)
{
	struct ask ask;

	ask_info(&ask);
	wire_expect_success(wire_call(victim, &ask, NULL, 0));
}

static bool has_no_charge(void *arg)
{
	struct scene *scene = arg;

	for (uint32_t resource = 1; resource <= RESOURCES_LAST; resource++) {
		uint64_t used =
			wire_used(scene->witness, IOMMUBROKER__V1__SCOPE__SCOPE_TENANT, resource);

		if (used != 0 && used != UINT64_MAX)
			return false;
	}
	return true;
}

void scene_check(struct scene *scene, struct wire *victim)
{
	scene_serves_beta(scene);
	wire_close(victim);
	harness_sessions_await(2);
	wait_until(has_no_charge, scene, "the tenant's ledger is empty");
	wait_until(has_baseline_fds, scene, "no process has more fds open than before");
}

void scene_close(struct scene *scene)
{
	wire_close(scene->witness);
	wire_close(scene->beta);
	harness_broker_stop(scene->broker);
}
