/* SPDX-License-Identifier: MIT */
/*
 * Charging for a client's operation: broker/common/account.h with the two things that only a session knows, namely that
 * the host lends its tenants locked memory in chunks (so a charge may have to ask the supervisor first), and how a
 * refusal is told to the client.
 */
#ifndef IOMMUB_SESSION_CHARGE_H
#define IOMMUB_SESSION_CHARGE_H

#include <stdint.h>
#include "broker/common/account.h"

struct call;
struct session;

/* Take `amount` of a resource, asking the supervisor for a larger share where that is needed and allowed.
 * 0, or -errno with the call's error said: -EDQUOT over a limit (also the host's), -EAGAIN broker restarting or the
 * account's lock not to be had. On failure *ret is empty. */
int charge_take(struct call *call, enum resource resource, uint64_t amount, struct charge *ret);
/* Give back what a charge took. An empty one is fine. */
void charge_give(struct session *session, struct charge *charge);

#endif
