/* SPDX-License-Identifier: MIT */
/* What the broker tells unasked: kept in a ring until the caller dispatches. */
#include "client/lib/conn.h"

#include <syslog.h>

void iommub_set_event_handler(struct iommub_conn *conn, iommub_event_fn fn, void *arg)
{
	if (!conn)
		return;
	conn->event_fn = fn;
	conn->event_arg = arg;
}

void event_receive(struct iommub_conn *conn, const Iommubroker__V1__Event *event)
{
	const Iommubroker__V1__Limit *limit;
	struct iommub_event *slot;

	if (event->event_case != IOMMUBROKER__V1__EVENT__EVENT_QUOTA || !event->quota->limit)
		return;
	limit = event->quota->limit;
	if (conn->n_events == EVENTS_MAX) {
		conn_log(conn, LOG_WARNING, "an event was dropped: nobody dispatches");
		conn->events_first = (conn->events_first + 1) % EVENTS_MAX;
		conn->n_events--;
	}
	slot = &conn->events[(conn->events_first + conn->n_events++) % EVENTS_MAX];
	*slot = (struct iommub_event){.type = IOMMUB_EVENT_QUOTA,
		.limit = {.resource = (uint32_t)limit->resource,
			.scope = (uint32_t)limit->scope,
			.limit = limit->limit,
			.used = limit->used}};
}

int event_run(struct iommub_conn *conn)
{
	int ran = 0;

	while (conn->n_events > 0 && !conn->doomed) {
		struct iommub_event event = conn->events[conn->events_first];

		conn->events_first = (conn->events_first + 1) % EVENTS_MAX;
		conn->n_events--;
		if (!conn->event_fn)
			continue;
		conn->event_fn(conn, &event, conn->event_arg);
		ran++;
	}
	return ran;
}
