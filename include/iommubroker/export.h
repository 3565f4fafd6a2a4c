/* SPDX-License-Identifier: MIT */
/*
 * What every header of libiommubroker shares: which symbols the library exports, and C linkage for
 * C++. client/lib/iommubroker.map lists the exported names; a test compares that list with the
 * built library.
 */
#ifndef IOMMUBROKER_EXPORT_H
#define IOMMUBROKER_EXPORT_H

#if defined(__GNUC__)
#define IOMMUB_API __attribute__((visibility("default")))
#else
#define IOMMUB_API
#endif

#ifdef __cplusplus
#define IOMMUB_BEGIN_DECLS extern "C" {
#define IOMMUB_END_DECLS }
#else
#define IOMMUB_BEGIN_DECLS
#define IOMMUB_END_DECLS
#endif

#endif
