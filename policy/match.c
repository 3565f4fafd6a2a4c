/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "policy/address.h"
#include "policy/policy.h"

static bool peer_matches(const struct policy_match *match, const struct policy_peer *peer)
{
	if (match->socket && (!peer->socket || strcmp(match->socket, peer->socket) != 0))
		return false;
	if (match->has_uid && match->uid != peer->uid)
		return false;
	return !match->has_gid || match->gid == peer->gid;
}

const struct policy_tenant *policy_match_peer(
	const struct policy *policy, const struct policy_peer *peer)
{
	for (size_t i = 0; i < policy->tenants_count; i++)
		if (peer_matches(&policy->tenants[i].match, peer))
			return &policy->tenants[i];
	return NULL;
}

/* A name beside an address is what the tenant calls the device; alone it is what the inventory
 * calls it. */
static bool device_matches(
	const struct policy_device *entry, const struct policy_device_facts *facts)
{
	if (!entry->address[0] && !entry->has_id)
		return facts->name && strcmp(entry->name, facts->name) == 0;
	if (entry->address[0] &&
		(!facts->address || !address_match(entry->address, facts->address)))
		return false;
	return !entry->has_id || (entry->vendor == facts->vendor && entry->device == facts->device);
}

const struct policy_device *policy_match_device(
	const struct policy_tenant *tenant, const struct policy_device_facts *facts)
{
	for (size_t i = 0; i < tenant->devices_count; i++)
		if (device_matches(&tenant->devices[i], facts))
			return &tenant->devices[i];
	return NULL;
}

const char *policy_device_name(
	const struct policy_device *entry, const struct policy_device_facts *facts)
{
	if (entry && entry->name[0])
		return entry->name;
	return facts->name ? facts->name : facts->address;
}
