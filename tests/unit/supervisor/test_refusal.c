/* SPDX-License-Identifier: MIT */
/* The packet written by hand, read by the real thing. */
#include "tests/unit/common/check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/seqpacket.h"
#include "broker/supervisor/welcome_refusal.h"
#include "client.pb-c.h"

static Iommubroker__V1__ServerMessage *decode(const struct welcome_refusal *refusal)
{
	uint8_t packet[WELCOME_REFUSAL_MAX];
	size_t length = welcome_refusal_encode(refusal, packet);
	Iommubroker__V1__ServerMessage *message;

	assert_in_range(length, 1, WELCOME_REFUSAL_MAX);
	message = iommubroker__v1__server_message__unpack(NULL, length, packet);
	assert_non_null(message);
	assert_int_equal(message->body_case, IOMMUBROKER__V1__SERVER_MESSAGE__BODY_WELCOME);
	assert_non_null(message->welcome->status);
	assert_int_equal(message->base.n_unknown_fields, 0);
	assert_int_equal(message->welcome->base.n_unknown_fields, 0);
	assert_int_equal(message->welcome->status->base.n_unknown_fields, 0);
	return message;
}

static void error_and_message_arrive(void **state)
{
	const struct welcome_refusal refusal = {
		.error = "EACCES", .message = "no tenant matches uid 7"};
	Iommubroker__V1__ServerMessage *message = decode(&refusal);
	const Iommubroker__V1__Status *status = message->welcome->status;

	(void)state;
	assert_string_equal(status->error, "EACCES");
	assert_string_equal(status->message, "no tenant matches uid 7");
	assert_null(status->rule);
	assert_null(status->limit);
	assert_false(message->welcome->has_version);
	iommubroker__v1__server_message__free_unpacked(message, NULL);
}

static void a_limit_arrives_with_its_rule(void **state)
{
	const struct welcome_refusal refusal = {.error = "EDQUOT",
		.message = "too many",
		.rule = "lab.yaml:18 tenants.alpha.limits",
		.scope = SCOPE_TENANT,
		.limit = UINT64_MAX,
		.used = 300};
	Iommubroker__V1__ServerMessage *message = decode(&refusal);
	const Iommubroker__V1__Status *status = message->welcome->status;

	(void)state;
	assert_string_equal(status->rule, refusal.rule);
	assert_int_equal(status->limit->resource, IOMMUBROKER__V1__RESOURCE__RESOURCE_CONNECTIONS);
	assert_int_equal(status->limit->scope, IOMMUBROKER__V1__SCOPE__SCOPE_TENANT);
	assert_true(status->limit->limit == UINT64_MAX);
	assert_int_equal(status->limit->used, 300);
	assert_int_equal(status->limit->base.n_unknown_fields, 0);
	iommubroker__v1__server_message__free_unpacked(message, NULL);
}

static void texts_of_any_length_fit(void **state)
{
	static char text[1000];
	struct welcome_refusal refusal = {.error = text,
		.message = text,
		.rule = text,
		.scope = SCOPE_HOST,
		.limit = UINT64_MAX,
		.used = UINT64_MAX};

	(void)state;
	for (size_t length = 0; length < sizeof(text); length += length < 160 ? 1 : 100) {
		memset(text, 'x', length);
		text[length] = '\0';
		iommubroker__v1__server_message__free_unpacked(decode(&refusal), NULL);
	}
}

static void the_packet_is_read_although_hello_was_not(void **state)
{
	const struct welcome_refusal refusal = {.error = "EACCES", .message = "no"};
	uint8_t packet[WELCOME_REFUSAL_MAX];
	size_t n_fds = 0;
	int sockets[2], fd = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	/* The client has said Hello already, twice, once with an fd. */
	assert_int_equal(seqpacket_send(sockets[1], "hello", 5, NULL, 0), 0);
	assert_int_equal(seqpacket_send(sockets[1], "hello", 5, &fd, 1), 0);
	welcome_refusal_send(sockets[0], &refusal);
	close(sockets[0]);
	assert_true(seqpacket_recv(sockets[1], packet, sizeof(packet), NULL, 0, &n_fds) > 0);
	assert_int_equal(seqpacket_recv(sockets[1], packet, sizeof(packet), NULL, 0, &n_fds), 0);
	close(sockets[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_and_message_arrive),
		cmocka_unit_test(a_limit_arrives_with_its_rule),
		cmocka_unit_test(texts_of_any_length_fit),
		cmocka_unit_test(the_packet_is_read_although_hello_was_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
