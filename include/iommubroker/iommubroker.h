/* SPDX-License-Identifier: MIT */
/*
 * libiommubroker: DMA for programs without privileges, by way of iommu-broker. One header for all:
 *
 *   conn.h     connect, the rules of every call, errors in words, the caller's event loop
 *   memory.h   memory that devices may reach
 *   map.h      I/O address spaces and mappings, one call each
 *   batch.h    many mappings for the price of one
 *   attach.h   borrow a device, attach it to an I/O address space
 *   device.h   drive it: registers, interrupts, reset
 *
 *       iommub_connect(NULL, &conn);
 *       iommub_memory_create(conn, &(struct iommub_memory_opts){.size = …, .bytes = 2 << 20}, &memory, NULL, &addr);
 *       iommub_ioas_alloc(conn, NULL, &ioas);
 *       iommub_map_va(conn, ioas, addr, 2 << 20, IOMMUB_MAP_READ | IOMMUB_MAP_WRITE, &iova);
 *       iommub_device_open(conn, &(struct iommub_device_opts){.size = …, .name = "edu0"}, &id, &fd);
 *       iommub_device_attach(conn, id, ioas, 0, NULL);
 *
 * client/examples/edu-dma.c does it all, with every error looked at.
 */
#ifndef IOMMUBROKER_IOMMUBROKER_H
#define IOMMUBROKER_IOMMUBROKER_H

#include <iommubroker/attach.h>
#include <iommubroker/batch.h>
#include <iommubroker/conn.h>
#include <iommubroker/device.h>
#include <iommubroker/map.h>
#include <iommubroker/memory.h>

#endif
