/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/share_guard.h"

#include <stdio.h>
#include <string.h>

static bool same_group(const struct device *a, const struct device *b)
{
	return a->pci.has_group && b->pci.has_group && a->pci.group == b->pci.group;
}

static bool is_vf_of(const struct device *vf, const struct device *pf)
{
	return vf->pci.physfn[0] && strcmp(vf->pci.physfn, pf->address) == 0;
}

/* In a way that stands against this session. A reset at the broker's start is nobody's, but BINDs the device too. */
static bool in_use_against(const struct device *other, uint64_t session)
{
	switch (other->lease.state) {
	case DEVICE_STATE_GRANTED:
		return other->lease.session != session;
	case DEVICE_STATE_CUT:
	case DEVICE_STATE_HELD:
	case DEVICE_STATE_RESETTING:
		return true;
	case DEVICE_STATE_FREE:
	case DEVICE_STATE_QUARANTINED:
		break;
	}
	return false;
}

static const char *state_text(const struct device *other)
{
	switch (other->lease.state) {
	case DEVICE_STATE_CUT:
		return "is being taken back";
	case DEVICE_STATE_HELD:
		return "was taken back but is still held open";
	case DEVICE_STATE_RESETTING:
		return "is being reset";
	case DEVICE_STATE_FREE:
	case DEVICE_STATE_GRANTED:
	case DEVICE_STATE_QUARANTINED:
		break;
	}
	return "is in use";
}

/* Who: never another tenant's name, device or session. */
static void owner_text(
	const struct device *other, const struct tenant *tenant, char *text, size_t bytes)
{
	if (other->lease.tenant != tenant || !tenant)
		(void)snprintf(text, bytes, "another device of it %s by another tenant",
			other->lease.state == DEVICE_STATE_GRANTED ? "is in use" : "was used last");
	else if (other->lease.state == DEVICE_STATE_GRANTED)
		(void)snprintf(text, bytes, "%s of it is in use by session %llu of this tenant",
			other->address, (unsigned long long)other->lease.session);
	else
		(void)snprintf(text, bytes, "%s of it, last this tenant's, %s", other->address,
			state_text(other));
}

static void group_text(const struct device *device, const struct device *other,
	const struct tenant *tenant, char text[SHARE_TEXT_MAX])
{
	char owner[SHARE_TEXT_MAX / 2];

	owner_text(other, tenant, owner, sizeof(owner));
	(void)snprintf(text, SHARE_TEXT_MAX,
		"IOMMU group %u of %s belongs to one session at a time: %s", device->pci.group,
		device->address, owner);
}

static void function_text(const struct device *device, const struct device *other,
	const struct tenant *tenant, char text[SHARE_TEXT_MAX])
{
	const char *whose =
		other->lease.tenant == tenant && tenant ? "this tenant" : "another tenant";

	if (is_vf_of(device, other))
		(void)snprintf(text, SHARE_TEXT_MAX,
			"%s is a virtual function of %s, which %s (%s)", device->address,
			device->pci.physfn, state_text(other), whose);
	else
		(void)snprintf(text, SHARE_TEXT_MAX,
			"%s commands virtual functions, and one of them %s (%s)", device->address,
			state_text(other), whose);
}

const struct device *share_conflict(const struct inventory *inventory, const struct device *device,
	uint64_t session, const struct tenant *tenant, char text[SHARE_TEXT_MAX])
{
	for (size_t i = 0; i < inventory->count; i++) {
		const struct device *other = &inventory->devices[i];

		if (other == device || !in_use_against(other, session))
			continue;
		if (same_group(device, other))
			group_text(device, other, tenant, text);
		else if (is_vf_of(device, other) || is_vf_of(other, device))
			function_text(device, other, tenant, text);
		else
			continue;
		return other;
	}
	return NULL;
}
