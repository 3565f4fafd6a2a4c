/* SPDX-License-Identifier: MIT */
/*
 * Operations of the client protocol for tests, one line each:
 *
 *     struct ask ask;
 *     IoasMap *map = ask_ioas_map(&ask);
 *     SET(map, ioas, 1);
 *     SET(map, length, 4096);
 *     answer = wire_call(client, &ask, NULL, 0);
 *
 * A field that is not SET is absent, as on the wire.
 */
#ifndef HARNESS_ASK_H
#define HARNESS_ASK_H

#include <string.h>
#include "client.pb-c.h"

typedef Iommubroker__V1__ClientMessage ClientMessage;
typedef Iommubroker__V1__ServerMessage ServerMessage;
typedef Iommubroker__V1__Hello Hello;
typedef Iommubroker__V1__Welcome Welcome;
typedef Iommubroker__V1__Limit Limit;
typedef Iommubroker__V1__Status Status;
typedef Iommubroker__V1__Request Request;
typedef Iommubroker__V1__Response Response;
typedef Iommubroker__V1__Operation Operation;
typedef Iommubroker__V1__Result Result;
typedef Iommubroker__V1__Range Range;
typedef Iommubroker__V1__Batch Batch;

#define SET(message, field, value)                                                                 \
	do {                                                                                       \
		__typeof__(message) set_message = (message);                                       \
		set_message->has_##field = 1;                                                      \
		set_message->field = (value);                                                      \
	} while (0)

/* Every operation: field, constant, type. */
#define ASK_OPERATIONS(X)                                                                          \
	X(info, INFO, Info)                                                                        \
	X(list, LIST, List)                                                                        \
	X(destroy, DESTROY, Destroy)                                                               \
	X(memory_register, MEMORY_REGISTER, MemoryRegister)                                        \
	X(memory_unregister, MEMORY_UNREGISTER, MemoryUnregister)                                  \
	X(ioas_alloc, IOAS_ALLOC, IoasAlloc)                                                       \
	X(ioas_iova_ranges, IOAS_IOVA_RANGES, IoasIovaRanges)                                      \
	X(ioas_allow_iovas, IOAS_ALLOW_IOVAS, IoasAllowIovas)                                      \
	X(ioas_map, IOAS_MAP, IoasMap)                                                             \
	X(ioas_unmap, IOAS_UNMAP, IoasUnmap)                                                       \
	X(ioas_copy, IOAS_COPY, IoasCopy)                                                          \
	X(device_list, DEVICE_LIST, DeviceList)                                                    \
	X(device_open, DEVICE_OPEN, DeviceOpen)                                                    \
	X(device_attach, DEVICE_ATTACH, DeviceAttach)                                              \
	X(device_detach, DEVICE_DETACH, DeviceDetach)                                              \
	X(device_share, DEVICE_SHARE, DeviceShare)                                                 \
	X(device_close, DEVICE_CLOSE, DeviceClose)

#define X(field, CONSTANT, Type) typedef Iommubroker__V1__##Type Type;
ASK_OPERATIONS(X)
#undef X

struct ask {
	Operation operation;
	union {
#define X(field, CONSTANT, Type) Type field;
		ASK_OPERATIONS(X)
#undef X
	};
};

#define X(field, CONSTANT, Type)                                                                   \
	static inline Type *ask_##field(struct ask *ask)                                           \
	{                                                                                          \
		iommubroker__v1__operation__init(&ask->operation);                                 \
		iommubroker__v1__##field##__init(&ask->field);                                     \
		ask->operation.op_case = IOMMUBROKER__V1__OPERATION__OP_##CONSTANT;                \
		ask->operation.field = &ask->field;                                                \
		return &ask->field;                                                                \
	}
ASK_OPERATIONS(X)
#undef X

#endif
