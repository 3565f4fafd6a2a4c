/* SPDX-License-Identifier: MIT */
#include "client/ctl/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_BYTES 65536u

static int complain(const char *what, int error)
{
	fprintf(stderr, "iommu-brokerctl: %s: %s\n", what, strerror(-error));
	return error;
}

int admin_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (!path)
		path = getenv(ADMIN_SOCKET_VARIABLE);
	if (!path)
		path = ADMIN_SOCKET_DEFAULT;
	if (strlen(path) >= sizeof(address.sun_path))
		return complain(path, -ENAMETOOLONG);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return complain("socket", -errno);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;

		close(fd);
		return complain(path, error);
	}
	return fd;
}

int admin_send(int fd, const AdminRequest *request)
{
	uint8_t packet[256];
	size_t bytes = iommubroker__admin__v1__request__get_packed_size(request);

	if (bytes > sizeof(packet))
		return complain("request", -EMSGSIZE);
	(void)iommubroker__admin__v1__request__pack(request, packet);
	return send(fd, packet, bytes, MSG_NOSIGNAL) < 0 ? complain("admin socket", -errno) : 0;
}

AdminResponse *admin_receive(int fd)
{
	static uint8_t packet[MESSAGE_BYTES];
	ssize_t bytes;
	AdminResponse *response;

	do
		bytes = recv(fd, packet, sizeof(packet), 0);
	while (bytes < 0 && errno == EINTR);
	if (bytes <= 0) {
		(void)complain("admin socket", bytes < 0 ? -errno : -ECONNRESET);
		return NULL;
	}
	response = iommubroker__admin__v1__response__unpack(NULL, (size_t)bytes, packet);
	if (!response)
		(void)complain("admin socket", -EPROTO);
	return response;
}

void admin_free(AdminResponse *response)
{
	if (response)
		iommubroker__admin__v1__response__free_unpacked(response, NULL);
}

void admin_refused(const AdminResponse *response)
{
	if (response->kind_case == IOMMUBROKER__ADMIN__V1__RESPONSE__KIND_ERROR)
		fprintf(stderr, "iommu-brokerctl: %s: %s\n",
			response->error->error ? response->error->error : "refused",
			response->error->message ? response->error->message : "");
	else
		fprintf(stderr, "iommu-brokerctl: an answer that fits no question\n");
}

const char *age_text(uint64_t ms, char *buffer, size_t bytes)
{
	if (ms < 1000)
		(void)snprintf(buffer, bytes, "%llu ms", (unsigned long long)ms);
	else if (ms < 120000)
		(void)snprintf(buffer, bytes, "%llu s", (unsigned long long)ms / 1000);
	else if (ms < 7200000)
		(void)snprintf(buffer, bytes, "%llu min", (unsigned long long)ms / 60000);
	else
		(void)snprintf(buffer, bytes, "%llu h", (unsigned long long)ms / 3600000);
	return buffer;
}

const char *device_state_text(int state)
{
	static const char *const texts[] = {
		"?", "free", "granted", "cut", "held", "resetting", "quarantined"};

	return state > 0 && state < (int)(sizeof(texts) / sizeof(texts[0])) ? texts[state] : "?";
}
