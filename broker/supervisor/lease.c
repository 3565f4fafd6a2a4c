/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/lease.h"

#include <errno.h>
#include <stddef.h>

void lease_init(struct lease *lease)
{
	*lease = (struct lease){.state = DEVICE_STATE_RESETTING, .reset = POLICY_RESET_REQUIRED};
}

void lease_init_unknown(struct lease *lease)
{
	*lease = (struct lease){.state = DEVICE_STATE_CUT, .reset = POLICY_RESET_REQUIRED};
}

static enum lease_answer busy(
	const struct lease *lease, uint64_t session, const struct tenant *tenant)
{
	if (lease->session == session)
		return LEASE_BUSY_YOURS;
	return lease->tenant == tenant ? LEASE_BUSY_SIBLING : LEASE_BUSY_OTHER;
}

enum lease_answer lease_open(struct lease *lease, uint64_t session, const struct tenant *tenant,
	enum policy_reset reset, bool scrub)
{
	switch (lease->state) {
	case DEVICE_STATE_FREE:
		if (reset == POLICY_RESET_REQUIRED && lease->unresettable)
			return LEASE_UNRESETTABLE;
		if (lease->tenant && lease->tenant != tenant &&
			(lease->reset == POLICY_RESET_NONE || reset == POLICY_RESET_REQUIRED))
			return LEASE_NOT_RESET;
		*lease = (struct lease){.state = DEVICE_STATE_GRANTED,
			.session = session,
			.tenant = tenant,
			.reset = reset,
			.scrub = scrub,
			.unresettable = lease->unresettable};
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

/* Nobody refers to the device: what comes next is what the policy says of resets. Scrubbing is for the next tenant, and
 * after `none` there is no other. */
static void unheld(struct lease *lease)
{
	bool work = lease->reset == POLICY_RESET_REQUIRED ||
		    (lease->scrub && lease->reset == POLICY_RESET_UNSAFE);

	lease->state = work ? DEVICE_STATE_RESETTING : DEVICE_STATE_FREE;
}

int lease_probed(struct lease *lease, bool held)
{
	if (lease->state != DEVICE_STATE_CUT && lease->state != DEVICE_STATE_HELD)
		return -EINVAL;
	if (held)
		lease->state = DEVICE_STATE_HELD;
	else
		unheld(lease);
	return 0;
}

/* Without a tenant nothing is to be cleared: it is as we found it. */
bool lease_is_cleared(const struct lease *lease, enum reset_outcome outcome)
{
	return outcome == RESET_OK || (outcome == RESET_IMPOSSIBLE && !lease->tenant);
}

int lease_reset_done(struct lease *lease, enum reset_outcome outcome)
{
	if (lease->state != DEVICE_STATE_RESETTING)
		return -EINVAL;
	if (lease->reset == POLICY_RESET_REQUIRED)
		lease->unresettable = outcome == RESET_IMPOSSIBLE;
	if (lease_is_cleared(lease, outcome)) {
		lease->state = DEVICE_STATE_FREE;
		/* With `unsafe` it was scrubbed at most, and that is no reset. */
		if (lease->reset == POLICY_RESET_REQUIRED)
			lease->tenant = NULL;
	} else {
		lease->state = DEVICE_STATE_QUARANTINED;
	}
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
		return "held: taken back, but somebody still refers to it (an open file, a mapping "
		       "of "
		       "its registers, an unread message)";
	case LEASE_QUARANTINED:
		return "out of service: its reset or its scrub program failed";
	case LEASE_UNRESETTABLE:
		return "a device without a reset, and the policy requires one (reset: required)";
	case LEASE_NOT_RESET:
		return "used by another tenant before, and not reset since";
	case LEASE_GRANTED:
	case LEASE_WAIT:
	case LEASE_ANSWERS:
		break;
	}
	return NULL;
}
