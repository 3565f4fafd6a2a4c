/* SPDX-License-Identifier: MIT */
/* A tenant that attacks, with all that a tenant gets: a socket to the broker, and the fd of a device that it borrowed. */
#ifndef IOMMUB_VM_HOSTILE_H
#define IOMMUB_VM_HOSTILE_H

#include <stdint.h>

#include "lab.h"

/* VFIO_DEVICE_ATTACH_IOMMUFD_PT past the broker. 0 with *ret_pt (may be NULL) or -errno. */
int hostile_attach(int device_fd, uint32_t id, uint32_t *ret_pt);
int hostile_attach_pasid(int device_fd, uint32_t id, uint32_t pasid);
int hostile_detach(int device_fd);
int hostile_detach_pasid(int device_fd, uint32_t pasid);
int hostile_bind(int device_fd, int iommufd);

/* An attempt that must not succeed: it prints the result of it, and remembers a success. */
__attribute__((format(printf, 2, 3))) void hostile_refused(int result, const char *format, ...);
/* One that may: within its own session a client has these rights. */
__attribute__((format(printf, 2, 3))) void hostile_tried(int result, const char *format, ...);
/* How many succeeded that must not. */
unsigned int hostile_successes(void);

/* Files, sockets and processes that are nobody's business but the broker's. */
void hostile_host(const char *run_dir);

#endif
