/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/group_turn.h"

#include <event2/event.h>

#include "broker/supervisor/inventory.h"
#include "broker/supervisor/supervisor.h"

#define GROUP_AGAIN_MS 50u

static bool is_anothers(const struct device *device)
{
	const struct inventory *inventory = &device->supervisor->inventory;

	for (size_t i = 0; i < inventory->count; i++) {
		const struct device *other = &inventory->devices[i];

		if (other != device && other->has_turn && device->pci.has_group &&
			other->pci.has_group && other->pci.group == device->pci.group)
			return true;
	}
	return false;
}

static void on_turn_timer(evutil_socket_t fd, short events, void *arg)
{
	struct device *device = arg;

	(void)fd;
	(void)events;
	event_free(device->turn_timer);
	device->turn_timer = NULL;
	if (!device->supervisor->stopping)
		device->turn_again(device);
}

bool group_turn_take(struct device *device, void (*again)(struct device *device))
{
	const struct timeval wait = timeval_of_ms(GROUP_AGAIN_MS);

	if (is_anothers(device)) {
		device->turn_again = again;
		device->turn_timer = evtimer_new(device->supervisor->base, on_turn_timer, device);
		if (device->turn_timer && event_add(device->turn_timer, &wait) == 0)
			return false;
	}
	device->has_turn = true;
	return true;
}

void group_turn_end(struct device *device)
{
	device->has_turn = false;
}
