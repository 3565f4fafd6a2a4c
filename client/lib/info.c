/* SPDX-License-Identifier: MIT */
/* Who we are and what is left of our limits. Welcome says it once, Info says the same again with today's usage. */
#include "client/lib/conn.h"

#include <errno.h>
#include <stdio.h>

#define BATCH_MAX_DEFAULT 1024u
#define FDS_MAX_DEFAULT 64u

static void text_copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from ? from : "");
}

static void limits_copy(struct info *info, Iommubroker__V1__Limit *const *limits, size_t n)
{
	if (n > INFO_LIMITS_MAX)
		n = INFO_LIMITS_MAX;
	for (size_t i = 0; i < n; i++)
		info->limits[i] = (struct iommub_limit){
			.resource = (uint32_t)limits[i]->resource,
			.scope = (uint32_t)limits[i]->scope,
			.limit = limits[i]->limit,
			.used = limits[i]->used,
		};
	info->view.limits = info->limits;
	info->view.n_limits = n;
}

static void features_copy(struct info *info, char *const *features, size_t n)
{
	if (n > INFO_FEATURES_MAX)
		n = INFO_FEATURES_MAX;
	for (size_t i = 0; i < n; i++) {
		text_copy(info->words[i], sizeof(info->words[i]), features[i]);
		info->features[i] = info->words[i];
	}
	info->view.features = info->features;
	info->view.n_features = n;
}

/* What the broker did not say has the protocol's value; what it says never raises what our buffers hold. */
static int info_finish(struct iommub_conn *conn)
{
	struct info *info = &conn->info;

	info->view.tenant = info->tenant;
	info->view.client_name = info->client_name;
	if (info->view.message_bytes_max == 0 || info->view.message_bytes_max > TRANSPORT_BYTES_MAX)
		info->view.message_bytes_max = TRANSPORT_BYTES_MAX;
	if (info->view.batch_max == 0)
		info->view.batch_max = BATCH_MAX_DEFAULT;
	if (info->view.fds_max == 0 || info->view.fds_max > FDS_MAX_DEFAULT)
		info->view.fds_max = FDS_MAX_DEFAULT;
	if (info->view.version != PROTOCOL_VERSION)
		return conn_fail(conn, -EPROTONOSUPPORT, "version",
			"the broker speaks version %u of the protocol", info->view.version);
	if (info->view.message_bytes_max < MESSAGE_BYTES_MIN)
		return conn_fail(conn, -EPROTO, "message_bytes_max",
			"the broker takes messages of %u bytes only", info->view.message_bytes_max);
	return 0;
}

int info_from_welcome(struct iommub_conn *conn, const Iommubroker__V1__Welcome *welcome)
{
	struct info *info = &conn->info;

	info->view.version = welcome->version;
	info->view.session = welcome->session;
	info->view.message_bytes_max = welcome->message_bytes_max;
	info->view.fds_max = welcome->fds_max;
	info->view.batch_max = welcome->batch_max;
	info->view.page_bytes = welcome->page_bytes;
	text_copy(info->tenant, sizeof(info->tenant), welcome->tenant);
	limits_copy(info, welcome->limits, welcome->n_limits);
	features_copy(info, welcome->features, welcome->n_features);
	return info_finish(conn);
}

int info_update(struct iommub_conn *conn)
{
	Operation operation = IOMMUBROKER__V1__OPERATION__INIT;
	Iommubroker__V1__Info ask = IOMMUBROKER__V1__INFO__INIT;
	const Iommubroker__V1__InfoResult *answer;
	struct info *info = &conn->info;
	const Result *result;
	int err;

	operation.op_case = IOMMUBROKER__V1__OPERATION__OP_INFO;
	operation.info = &ask;
	err = call_simple(conn, &operation, -1, &result);
	if (err < 0)
		return err;
	if (!result || result->op_case != IOMMUBROKER__V1__RESULT__OP_INFO)
		return call_malformed(conn, "Info");
	answer = result->info;
	info->view.version = answer->version;
	info->view.session = answer->session;
	info->view.message_bytes_max = answer->message_bytes_max;
	info->view.fds_max = answer->fds_max;
	info->view.batch_max = answer->batch_max;
	info->view.page_bytes = answer->page_bytes;
	text_copy(info->tenant, sizeof(info->tenant), answer->tenant);
	text_copy(info->client_name, sizeof(info->client_name), answer->client_name);
	limits_copy(info, answer->limits, answer->n_limits);
	features_copy(info, answer->features, answer->n_features);
	return info_finish(conn);
}

int iommub_get_info(struct iommub_conn *conn, const struct iommub_info **ret)
{
	int err = conn_enter(conn);

	if (err < 0)
		return err;
	if (!ret)
		return conn_fail(conn, -EINVAL, NULL, "nowhere to put the answer");
	err = info_update(conn);
	if (err == 0)
		*ret = &conn->info.view;
	return err;
}
