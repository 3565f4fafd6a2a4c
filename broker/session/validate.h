/* SPDX-License-Identifier: MIT */
/*
 * All that can be said about a request before it is done. In this order, and the first that fails is the answer:
 *
 *   unknown operation, or none   EOPNOTSUPP
 *   illegal in this phase        EPROTO
 *   not permitted                EPERM, with the rule
 *   a field we do not know       E2BIG, with its path and number
 *   wrong number of fds          EINVAL "fds"
 *   a field missing, or a value out of range   EINVAL, with the field
 *
 * What depends on what exists (ids, mappings, the file behind an fd) is the handlers'.
 */
#ifndef IOMMUB_SESSION_VALIDATE_H
#define IOMMUB_SESSION_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include "broker/session/call.h"

/* Check one operation and make the call ready for its handler (operation, body, fd_slot). In a batch (call->in_batch) the
 * number of fds belongs to the batch and is not looked at. 0, or -errno with the call's error said. */
int operation_validate(struct call *call, const PB(Operation) * operation);

/* The fd that a known operation names, or -1 if it takes none; unchecked. */
int operation_fd_slot(const struct operation *operation, const void *body);

/* Fields that this version does not know, in this message alone (`where` names it). 0 or -E2BIG. */
int message_check_known(struct call *call, const ProtobufCMessage *message, const char *where);

/* Printable UTF-8 without control characters, at most `max` bytes. */
bool text_is_clean(const char *text, size_t max);

#endif
