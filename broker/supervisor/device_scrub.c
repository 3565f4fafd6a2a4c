/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/device_scrub.h"

#include <stdio.h>
#include <string.h>

#include "broker/supervisor/device_life.h"
#include "broker/supervisor/supervisor.h"

/* What the policy lets through fits, with the one NUL more that ends it. */
_Static_assert(POLICY_SCRUB_BYTES_MAX + 1 == HELPER_ARGUMENTS_BYTES, "");
_Static_assert(POLICY_SCRUB_ARGUMENTS_MAX == HELPER_ARGUMENTS_MAX, "");

void device_scrub_take(struct device *device, const struct policy_device *entry)
{
	char *at = device->scrub;

	memset(device->scrub, 0, sizeof(device->scrub));
	for (size_t i = 0; i < entry->scrub_count; i++)
		at = stpcpy(at, entry->scrub[i]) + 1;
}

void device_scrub_unknown(struct device *device)
{
	const struct policy *policy = device->supervisor->policy;
	const struct policy_device_facts facts = device_facts(device);

	for (size_t i = 0; i < policy->tenants_count; i++) {
		const struct policy_device *entry =
			policy_match_device(&policy->tenants[i], &facts);

		if (!entry || !entry->scrub_count)
			continue;
		device_scrub_take(device, entry);
		device->lease.scrub = true;
		return;
	}
}

int device_scrub_start(struct device *device, helper_done done)
{
	struct helper_job job = {
		.kind = HELPER_SCRUB, .deadline_ms = DEVICE_SCRUB_MS, .done = done, .arg = device};

	device_request_fill(device, &job.request);
	if (!device_is_real(device)) /* it has no node, only a name */
		(void)snprintf(job.request.node, sizeof(job.request.node), "%.*s",
			(int)sizeof(job.request.node) - 1, device->name);
	memcpy(job.request.arguments, device->scrub, sizeof(job.request.arguments));
	return helper_task_run(&device->supervisor->helpers, &job, NULL);
}
