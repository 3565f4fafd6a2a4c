/* SPDX-License-Identifier: MIT */
/*
 * The generated protocol types under names that one can read: PB(Status) is Iommubroker__V1__Status,
 * PB_INIT(status) its init function.
 */
#ifndef IOMMUB_SESSION_PB_H
#define IOMMUB_SESSION_PB_H

#include "client.pb-c.h"

#define PB(type) Iommubroker__V1__##type
#define PB_INIT(type) iommubroker__v1__##type##__init
#define PB_DESCRIPTOR(type) iommubroker__v1__##type##__descriptor

#endif
