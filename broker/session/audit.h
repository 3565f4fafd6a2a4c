/* SPDX-License-Identifier: MIT */
/* Figures of a session's audit; the two calls themselves are in session.h. */
#ifndef IOMMUB_SESSION_AUDIT_H
#define IOMMUB_SESSION_AUDIT_H

#define AUDIT_BURST 32 /* records of one kind at once … */
#define AUDIT_REFILL_MS 100 /* … and then ten a second */

/* How a session's process ends: 0 in order, also when its client broke the protocol. */
#define SESSION_EXIT_SETUP 2 /* it never came to serve its client */
#define SESSION_EXIT_BROKEN 3 /* a bug of ours */

#endif
