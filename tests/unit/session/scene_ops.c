/* SPDX-License-Identifier: MIT */
/* Operations in short; see scene.h. */
#include "tests/unit/session/scene.h"

uint32_t do_register(struct scene *scene, int fd)
{
	PB(MemoryRegister) body = IOMMUBROKER__V1__MEMORY_REGISTER__INIT;
	PB(Operation) operation = OP(MEMORY_REGISTER, &body);

	scene_request(scene, &operation, &fd, 1);
	assert_done(scene);
	return scene_result(scene)->memory_register->memory;
}

uint32_t do_ioas(struct scene *scene)
{
	PB(IoasAlloc) body = IOMMUBROKER__V1__IOAS_ALLOC__INIT;
	PB(Operation) operation = OP(IOAS_ALLOC, &body);

	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	return scene_result(scene)->ioas_alloc->ioas;
}

PB(Status) * try_map(struct scene *scene, uint32_t ioas, uint32_t memory, uint64_t offset,
		     uint64_t length, int64_t iova)
{
	PB(IoasMap) body = IOMMUBROKER__V1__IOAS_MAP__INIT;
	PB(Operation) operation = OP(IOAS_MAP, &body);

	body.has_ioas = body.has_memory = body.has_offset = body.has_length = true;
	body.ioas = ioas;
	body.memory = memory;
	body.offset = offset;
	body.length = length;
	body.has_iova = iova >= 0;
	body.iova = (uint64_t)iova;
	return scene_request(scene, &operation, NULL, 0);
}

uint64_t do_map(
	struct scene *scene, uint32_t ioas, uint32_t memory, uint64_t offset, uint64_t length)
{
	try_map(scene, ioas, memory, offset, length, -1);
	assert_done(scene);
	return scene_result(scene)->ioas_map->iova;
}

PB(Status) * try_unmap(struct scene *scene, uint32_t ioas, uint64_t iova, uint64_t length)
{
	PB(IoasUnmap) body = IOMMUBROKER__V1__IOAS_UNMAP__INIT;
	PB(Operation) operation = OP(IOAS_UNMAP, &body);

	body.has_ioas = body.has_iova = body.has_length = true;
	body.ioas = ioas;
	body.iova = iova;
	body.length = length;
	return scene_request(scene, &operation, NULL, 0);
}

PB(Status) * try_copy(struct scene *scene, uint32_t dst, uint32_t src, uint64_t src_iova,
		     uint64_t length, uint64_t dst_iova)
{
	PB(IoasCopy) body = IOMMUBROKER__V1__IOAS_COPY__INIT;
	PB(Operation) operation = OP(IOAS_COPY, &body);

	body.has_dst_ioas = body.has_src_ioas = body.has_length = body.has_src_iova =
		body.has_dst_iova = true;
	body.dst_ioas = dst;
	body.src_ioas = src;
	body.length = length;
	body.src_iova = src_iova;
	body.dst_iova = dst_iova;
	return scene_request(scene, &operation, NULL, 0);
}

PB(Status) * try_destroy(struct scene *scene, uint32_t id)
{
	PB(Destroy) body = IOMMUBROKER__V1__DESTROY__INIT;
	PB(Operation) operation = OP(DESTROY, &body);

	body.has_id = true;
	body.id = id;
	return scene_request(scene, &operation, NULL, 0);
}

uint32_t do_open(struct scene *scene, uint32_t index)
{
	PB(DeviceOpen) body = IOMMUBROKER__V1__DEVICE_OPEN__INIT;
	PB(Operation) operation = OP(DEVICE_OPEN, &body);

	body.name = "edu0";
	scene_request(scene, &operation, NULL, 0);
	assert_int_equal(scene->result, DISPATCH_WAIT);
	scene_grant(scene, index, "edu0");
	assert_done(scene);
	assert_true(scene->fd >= 0);
	return scene_result(scene)->device_open->device;
}

PB(Status) * try_attach(struct scene *scene, uint32_t device, uint32_t pt_id)
{
	PB(DeviceAttach) body = IOMMUBROKER__V1__DEVICE_ATTACH__INIT;
	PB(Operation) operation = OP(DEVICE_ATTACH, &body);

	body.has_device = body.has_pt_id = true;
	body.device = device;
	body.pt_id = pt_id;
	return scene_request(scene, &operation, NULL, 0);
}

PB(Status) * try_detach(struct scene *scene, uint32_t device)
{
	PB(DeviceDetach) body = IOMMUBROKER__V1__DEVICE_DETACH__INIT;
	PB(Operation) operation = OP(DEVICE_DETACH, &body);

	body.has_device = true;
	body.device = device;
	return scene_request(scene, &operation, NULL, 0);
}

PB(Status) * try_close(struct scene *scene, uint32_t device)
{
	PB(DeviceClose) body = IOMMUBROKER__V1__DEVICE_CLOSE__INIT;
	PB(Operation) operation = OP(DEVICE_CLOSE, &body);

	body.has_device = true;
	body.device = device;
	return scene_request(scene, &operation, NULL, 0);
}
