/* SPDX-License-Identifier: MIT */
/* The shortest way to DMA: memory, an address space, a device. README.md shows this program. */
#include <stdio.h>

#include <iommubroker/attach.h>
#include <iommubroker/conn.h>
#include <iommubroker/map.h>
#include <iommubroker/memory.h>

int main(void)
{
	struct iommub_memory_opts memory = {.size = sizeof(memory), .bytes = 8 << 20};
	struct iommub_device_opts device = {.size = sizeof(device), .name = "edu0"};
	struct iommub_map map = {.size = sizeof(map), .flags = IOMMUB_MAP_READ | IOMMUB_MAP_WRITE};
	struct iommub_conn *conn;
	iommub_id id;
	void *address;
	int fd;

	if (iommub_connect(NULL, &conn) < 0) /* $IOMMU_BROKER_SOCKET, or the usual path */
		return 1;
	map.bytes = memory.bytes;
	if (iommub_memory_create(conn, &memory, &map.memory, NULL, &address) < 0 ||
		iommub_ioas_alloc(conn, NULL, &map.ioas) < 0 || iommub_map(conn, &map) < 0 ||
		iommub_device_open(conn, &device, &id, &fd) < 0 ||
		iommub_device_attach(conn, id, map.ioas, 0, NULL) < 0) {
		fprintf(stderr, "%s\n", iommub_last_error(conn)->message);
		iommub_disconnect(conn);
		return 1;
	}
	printf("edu0 reaches %p at IOVA 0x%llx, and nothing else\n", address,
		(unsigned long long)map.iova);
	/* fd drives the device: iommub_device_from_fd() for registers and interrupts, or ioctls of your own. */
	iommub_disconnect(conn); /* everything is given back */
	return 0;
}
