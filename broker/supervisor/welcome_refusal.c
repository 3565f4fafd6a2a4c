/* SPDX-License-Identifier: MIT */
#include "broker/supervisor/welcome_refusal.h"

#include <string.h>
#include <sys/socket.h>

#include "broker/common/seqpacket.h"

#define TEXT_MAX 150u /* so that three of them and a limit stay below WELCOME_REFUSAL_MAX */

/* Field numbers of proto/client.proto. */
enum {
	SERVER_MESSAGE_WELCOME = 1,
	WELCOME_STATUS = 1,
	STATUS_ERROR = 1,
	STATUS_MESSAGE = 2,
	STATUS_RULE = 3,
	STATUS_LIMIT = 4,
	LIMIT_RESOURCE = 1,
	LIMIT_SCOPE = 2,
	LIMIT_LIMIT = 3,
	LIMIT_USED = 4,
	WIRE_VARINT = 0,
	WIRE_BYTES = 2
};

struct writer {
	size_t length;
	uint8_t bytes[WELCOME_REFUSAL_MAX];
};

static void put_varint(struct writer *writer, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		writer->bytes[writer->length++] = (uint8_t)(value | 0x80);
	writer->bytes[writer->length++] = (uint8_t)value;
}

static void put_number(struct writer *writer, unsigned int field, uint64_t value)
{
	put_varint(writer, field << 3 | WIRE_VARINT);
	put_varint(writer, value);
}

static void put_bytes(struct writer *writer, unsigned int field, const void *bytes, size_t length)
{
	put_varint(writer, field << 3 | WIRE_BYTES);
	put_varint(writer, length);
	memcpy(writer->bytes + writer->length, bytes, length);
	writer->length += length;
}

static void put_text(struct writer *writer, unsigned int field, const char *text)
{
	put_bytes(writer, field, text, strnlen(text, TEXT_MAX));
}

size_t welcome_refusal_encode(
	const struct welcome_refusal *refusal, uint8_t packet[WELCOME_REFUSAL_MAX])
{
	struct writer status = {0}, limit = {0}, welcome = {0}, message = {0};

	put_text(&status, STATUS_ERROR, refusal->error);
	put_text(&status, STATUS_MESSAGE, refusal->message);
	if (refusal->rule)
		put_text(&status, STATUS_RULE, refusal->rule);
	if (refusal->scope) {
		put_number(&limit, LIMIT_RESOURCE, RESOURCE_CONNECTIONS);
		put_number(&limit, LIMIT_SCOPE, refusal->scope);
		put_number(&limit, LIMIT_LIMIT, refusal->limit);
		put_number(&limit, LIMIT_USED, refusal->used);
		put_bytes(&status, STATUS_LIMIT, limit.bytes, limit.length);
	}
	put_bytes(&welcome, WELCOME_STATUS, status.bytes, status.length);
	put_bytes(&message, SERVER_MESSAGE_WELCOME, welcome.bytes, welcome.length);
	memcpy(packet, message.bytes, message.length);
	return message.length;
}

void welcome_refusal_send(int socket_fd, const struct welcome_refusal *refusal)
{
	uint8_t packet[WELCOME_REFUSAL_MAX];
	size_t length = welcome_refusal_encode(refusal, packet);

	(void)seqpacket_send(socket_fd, packet, length, NULL, 0);
	/* From here on the client cannot send; what is queued is bounded and dropped. recv() without a control buffer
	 * drops fds too. */
	(void)shutdown(socket_fd, SHUT_RDWR);
	while (recv(socket_fd, packet, 1, MSG_DONTWAIT | MSG_TRUNC) > 0)
		;
}
