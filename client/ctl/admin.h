/* SPDX-License-Identifier: MIT */
/* A connection to a broker's admin.sock: one request, then its answers (proto/admin.proto). */
#ifndef IOMMUB_CTL_ADMIN_H
#define IOMMUB_CTL_ADMIN_H

#include "admin.pb-c.h"

#define ADMIN_SOCKET_DEFAULT "/run/iommu-broker/admin.sock"
#define ADMIN_SOCKET_VARIABLE "IOMMU_BROKER_ADMIN_SOCKET"

typedef Iommubroker__Admin__V1__Request AdminRequest;
typedef Iommubroker__Admin__V1__Response AdminResponse;

/* path NULL: the environment's, else the default. An fd; or -errno, after a sentence on stderr. */
int admin_connect(const char *path);
/* 0 or -errno, after a sentence on stderr. */
int admin_send(int fd, const AdminRequest *request);
/* Waits. NULL after a sentence on stderr. To be freed with admin_free(). */
AdminResponse *admin_receive(int fd);
void admin_free(AdminResponse *response);

/* An Error in words, on stderr. */
void admin_refused(const AdminResponse *response);

/* "3 min", "12 s", "250 ms" */
const char *age_text(uint64_t ms, char *buffer, size_t bytes);
const char *device_state_text(int state);

#endif
