/* SPDX-License-Identifier: MIT */
/* What must hold between values, once each of them is right by itself. */
#ifndef IOMMUB_POLICY_CHECK_H
#define IOMMUB_POLICY_CHECK_H

#include "policy/schema.h"

int check_session_uids(const struct reader *reader, const struct node *node, void *host);
int check_tenant(
	const struct reader *reader, const struct node *node, const struct policy_tenant *tenant);
int check_policy(const struct reader *reader, const struct node *node, void *policy);

#endif
