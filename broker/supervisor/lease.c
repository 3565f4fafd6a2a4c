/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/lease.h"

#include <errno.h>
#include <stddef.h>

void lease_init(struct lease *lease)
{
	*lease = (struct lease){.state = DEVICE_STATE_RESETTING, .reset = POLICY_RESET_REQUIRED};
}

static enum lease_answer busy(
	const struct lease *lease, uint64_t session, const struct tenant *tenant)
{
	if (lease->session == session)
		return LEASE_BUSY_YOURS;
	return lease->tenant == tenant ? LEASE_BUSY_SIBLING : LEASE_BUSY_OTHER;
}

enum lease_answer lease_open(
	struct lease *lease, uint64_t session, const struct tenant *tenant, enum policy_reset reset)
{
	switch (lease->state) {
	case DEVICE_STATE_FREE:
		if (lease->tenant && lease->tenant != tenant && lease->reset == POLICY_RESET_NONE)
			return LEASE_NOT_RESET;
		*lease = (struct lease){.state = DEVICE_STATE_GRANTED,
			.session = session,
			.tenant = tenant,
			.reset = reset};
		return LEASE_GRANTED;
	case DEVICE_STATE_GRANTED:
		return busy(lease, session, tenant);
	case DEVICE_STATE_CUT:
	case DEVICE_STATE_RESETTING:
		return LEASE_WAIT;
	case DEVICE_STATE_HELD:
		return LEASE_HELD;
	case DEVICE_STATE_QUARANTINED:
		break;
	}
	return LEASE_QUARANTINED;
}

int lease_cut(struct lease *lease, uint64_t session)
{
	if (lease->state != DEVICE_STATE_GRANTED || lease->session != session)
		return -EINVAL;
	lease->state = DEVICE_STATE_CUT;
	lease->session = 0;
	return 0;
}

/* Nobody refers to the device: what comes next is what the policy says of resets. */
static void unheld(struct lease *lease)
{
	lease->state =
		lease->reset == POLICY_RESET_REQUIRED ? DEVICE_STATE_RESETTING : DEVICE_STATE_FREE;
}

int lease_swept(struct lease *lease, bool held)
{
	if (lease->state != DEVICE_STATE_CUT)
		return -EINVAL;
	if (held)
		lease->state = DEVICE_STATE_HELD;
	else
		unheld(lease);
	return 0;
}

int lease_unheld(struct lease *lease)
{
	if (lease->state != DEVICE_STATE_HELD)
		return -EINVAL;
	unheld(lease);
	return 0;
}

int lease_reset_done(struct lease *lease, bool ok)
{
	if (lease->state != DEVICE_STATE_RESETTING)
		return -EINVAL;
	lease->state = ok ? DEVICE_STATE_FREE : DEVICE_STATE_QUARANTINED;
	if (ok)
		lease->tenant = NULL;
	return 0;
}

const char *lease_answer_text(enum lease_answer answer)
{
	switch (answer) {
	case LEASE_BUSY_YOURS:
		return "in use by this session already";
	case LEASE_BUSY_SIBLING:
		return "in use by another session of this tenant";
	case LEASE_BUSY_OTHER:
		return "in use by another tenant";
	case LEASE_HELD:
		return "taken back from a tenant that still holds it open";
	case LEASE_QUARANTINED:
		return "out of service: its reset failed";
	case LEASE_NOT_RESET:
		return "used by another tenant before, and not reset since (reset: none)";
	case LEASE_GRANTED:
	case LEASE_WAIT:
	case LEASE_ANSWERS:
		break;
	}
	return NULL;
}
