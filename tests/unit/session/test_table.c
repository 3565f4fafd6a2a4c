/* SPDX-License-Identifier: MIT */
/*
 * Walks the table of operations: for every row, everything that the table says and that can be got wrong, is got wrong
 * once. Each must be refused with its errno and the field or rule named, before anything happened.
 */
#include "tests/unit/session/scene.h"

#include <stdio.h>
#include <string.h>
#include "broker/session/graph.h"

struct body {
	const struct operation *operation;
	ProtobufCMessage *message;
};

static void *at(const struct body *body, uint16_t offset)
{
	return (char *)body->message + offset;
}

/* A value that passes its field's rule. */
static void field_fill(const struct body *body, const struct field *field)
{
	switch (field->kind) {
	case FIELD_TAG:
	case FIELD_NAME:
		*(char **)at(body, field->value) = "x";
		return;
	case FIELD_RANGES:
		return;
	case FIELD_PAGES:
	case FIELD_IOVA:
	case FIELD_LENGTH:
	case FIELD_LENGTH_OR_ALL:
		*(uint64_t *)at(body, field->value) = PAGE;
		break;
	default:
		*(uint32_t *)at(body, field->value) = 1;
		break;
	}
	*(protobuf_c_boolean *)at(body, field->present) = true;
}

static struct body body_new(const struct operation *operation)
{
	const ProtobufCMessageDescriptor *descriptor = NULL;
	struct body body = {.operation = operation};

	for (unsigned int i = 0; i < PB_DESCRIPTOR(operation).n_fields; i++)
		if (PB_DESCRIPTOR(operation).fields[i].id == operation->field)
			descriptor = PB_DESCRIPTOR(operation).fields[i].descriptor;
	if (!descriptor)
		abort(); /* an analyzer does not know what assert_non_null() does */
	body.message = calloc(1, descriptor->sizeof_message);
	descriptor->message_init(body.message);
	for (const struct field *field = operation->fields; field->name; field++)
		if (field->required)
			field_fill(&body, field);
	return body;
}

static void body_send(struct scene *scene, const struct body *body, size_t n_fds)
{
	PB(Operation)
	operation = operation_of((PB(Operation__OpCase))body->operation->field, body->message);
	int fds[2] = {0, 0};

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = scene->pages.limits_fd;
	scene_request(scene, &operation, fds, n_fds);
}

/* How many fds a body as body_new() makes it comes with. */
static size_t fds_right(const struct operation *operation)
{
	return operation->fd == FD_NONE ? 0 : 1;
}

static void assert_untouched(struct scene *scene)
{
	for (int r = 1; r < RESOURCE_END; r++)
		assert_int_equal(scene_used(scene, (enum resource)r), 0);
	assert_int_equal(graph_count(scene->session.graph), 0);
	assert_int_equal(fake.calls, 0);
	assert_int_equal(fake.asked.header.type, 0);
}

static void for_each(void **state, void (*test)(struct scene *, const struct operation *))
{
	struct scene *scene = *state;

	for (unsigned int i = 1; i < OPERATIONS_END; i++) {
		const struct operation *operation = operation_get(i);
		size_t fds = fds_open();

		assert_non_null(operation);
		assert_int_equal(operation->field, i);
		test(scene, operation);
		assert_untouched(scene);
		assert_int_equal(fds_open(), fds);
	}
}

static void not_permitted(struct scene *scene, const struct operation *operation)
{
	struct body body = body_new(operation);

	scene->setup.operations = ~(UINT64_C(1) << operation->field);
	body_send(scene, &body, fds_right(operation));
	assert_status(scene, "EPERM", NULL);
	assert_string_equal(scene_status(scene)->rule, scene->setup.rule_operations);
	scene->setup.operations = UINT64_MAX;
	free(body.message);
}

static void test_not_permitted(void **state)
{
	for_each(state, not_permitted);
	assert_true(fake_audits(AUDIT_DENIED) > 0);
}

static void unknown_field(struct scene *scene, const struct operation *operation)
{
	struct body body = body_new(operation);
	ProtobufCMessageUnknownField unknown = {.tag = 99,
		.wire_type = PROTOBUF_C_WIRE_TYPE_VARINT,
		.len = 1,
		.data = (uint8_t *)"\x01"};

	body.message->n_unknown_fields = 1;
	body.message->unknown_fields = &unknown;
	body_send(scene, &body, fds_right(operation));
	assert_status(scene, "E2BIG", body.message->descriptor->short_name);
	assert_non_null(strstr(scene_status(scene)->message, "99"));
	free(body.message);
}

static void test_unknown_field(void **state)
{
	for_each(state, unknown_field);
}

static void wrong_fds(struct scene *scene, const struct operation *operation)
{
	struct body body = body_new(operation);

	body_send(scene, &body, fds_right(operation) + 1);
	assert_status(scene, "EINVAL", "fds");
	if (fds_right(operation)) {
		body_send(scene, &body, 0);
		assert_status(scene, "EINVAL", "fds");
	}
	free(body.message);
}

static void test_wrong_fds(void **state)
{
	for_each(state, wrong_fds);
}

static void missing_fields(struct scene *scene, const struct operation *operation)
{
	for (const struct field *field = operation->fields; field->name; field++) {
		struct body body = body_new(operation);

		if (field->required && (field->kind == FIELD_TAG || field->kind == FIELD_NAME))
			*(char **)at(&body, field->value) = NULL;
		else if (field->required)
			*(protobuf_c_boolean *)at(&body, field->present) = false;
		if (field->required) {
			body_send(scene, &body, fds_right(operation));
			assert_status(scene, "EINVAL", field->name);
		}
		free(body.message);
	}
}

static void test_missing_fields(void **state)
{
	for_each(state, missing_fields);
}

static void field_refused(
	struct scene *scene, const struct body *body, const struct field *field, const char *error)
{
	size_t n_fds = fds_right(body->operation);

	/* With a handle there must be no fd, and the other way round. */
	if (body->operation->fd == FD_UNLESS && strcmp(field->name, "memory") == 0)
		n_fds = 0;
	body_send(scene, body, n_fds);
	assert_status(scene, error, field->name);
}

static void values_out_of_range(struct scene *scene, const struct operation *operation)
{
	char text[CONTROL_NAME_MAX + 1];

	memset(text, 'a', CONTROL_NAME_MAX);
	text[CONTROL_NAME_MAX] = '\0';
	for (const struct field *field = operation->fields; field->name; field++) {
		struct body body = body_new(operation);
		uint64_t *value = at(&body, field->value);

		field_fill(&body, field);
		switch (field->kind) {
		case FIELD_NOT_YET:
			*(uint32_t *)value = 1;
			field_refused(scene, &body, field, "EINVAL");
			break;
		case FIELD_FD:
			*(uint32_t *)value = 1;
			field_refused(scene, &body, field, "EINVAL");
			*(uint32_t *)value = UINT32_MAX;
			field_refused(scene, &body, field, "EINVAL");
			break;
		case FIELD_LENGTH:
		case FIELD_LENGTH_OR_ALL:
			*value = 0;
			field_refused(scene, &body, field, "EINVAL");
			*value = PAGE - 1;
			field_refused(scene, &body, field, "EINVAL");
			break;
		case FIELD_PAGES:
		case FIELD_IOVA:
			*value = 1;
			field_refused(scene, &body, field, "EINVAL");
			if (!field->span)
				break;
			*value = UINT64_MAX - PAGE + 1; /* the last page: one page fits, two wrap */
			*(uint64_t *)at(&body, field->span) = 2 * PAGE;
			field_refused(scene, &body, field,
				field->kind == FIELD_IOVA ? "EOVERFLOW" : "EINVAL");
			*(uint64_t *)at(&body, field->span) = PAGE;
			body_send(scene, &body, fds_right(operation));
			assert_status(scene, "ENOENT", NULL); /* on to the next: there is no IOAS */
			break;
		case FIELD_NAME:
			*(char **)value = "";
			field_refused(scene, &body, field, "EINVAL");
			*(char **)value = text;
			field_refused(scene, &body, field, "EINVAL");
			break;
		case FIELD_TAG:
			*(char **)value = "a tag of more than thirty-two byt";
			field_refused(scene, &body, field, "EINVAL");
			*(char **)value = "bell\a";
			field_refused(scene, &body, field, "EINVAL");
			*(char **)value = "\xc3(";
			field_refused(scene, &body, field, "EINVAL");
			break;
		default:
			break;
		}
		free(body.message);
	}
}

static void test_values_out_of_range(void **state)
{
	for_each(state, values_out_of_range);
}

static void test_ranges(void **state)
{
	struct scene *scene = *state;
	PB(IoasAllowIovas) body = IOMMUBROKER__V1__IOAS_ALLOW_IOVAS__INIT;
	PB(Operation) operation = OP(IOAS_ALLOW_IOVAS, &body);
	PB(Range) good = IOMMUBROKER__V1__RANGE__INIT, bad;
	PB(Range) * list[RANGES_MAX + 1];

	good.has_start = good.has_last = true;
	good.last = PAGE - 1;
	for (size_t i = 0; i <= RANGES_MAX; i++)
		list[i] = &good;
	body.has_ioas = true;
	body.ioas = do_ioas(scene);
	body.ranges = list;
	body.n_ranges = RANGES_MAX;
	scene_request(scene, &operation, NULL, 0);
	assert_done(scene);
	body.n_ranges = RANGES_MAX + 1;
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EINVAL", "ranges");
	body.n_ranges = 1;
	list[0] = &bad;
	bad = good;
	bad.start = PAGE;
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EINVAL", "ranges");
	bad = good;
	bad.has_last = false;
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EINVAL", "ranges");
	try_destroy(scene, body.ioas);
	assert_done(scene);
}

/* A field that we do not know inside a message inside the operation. */
static void test_unknown_field_deep(void **state)
{
	struct scene *scene = *state;
	PB(IoasAllowIovas) body = IOMMUBROKER__V1__IOAS_ALLOW_IOVAS__INIT;
	PB(Operation) operation = OP(IOAS_ALLOW_IOVAS, &body);
	PB(Range) range = IOMMUBROKER__V1__RANGE__INIT, *list[] = {&range};
	ProtobufCMessageUnknownField unknown = {.tag = 3,
		.wire_type = PROTOBUF_C_WIRE_TYPE_VARINT,
		.len = 1,
		.data = (uint8_t *)"\x01"};

	range.base.n_unknown_fields = 1;
	range.base.unknown_fields = &unknown;
	body.has_ioas = true;
	body.ioas = 1;
	body.n_ranges = 1;
	body.ranges = list;
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "E2BIG", "Range");
	assert_untouched(scene);
}

static void test_unknown_operation(void **state)
{
	struct scene *scene = *state;
	PB(Operation) operation = IOMMUBROKER__V1__OPERATION__INIT;
	ProtobufCMessageUnknownField unknown = {.tag = OPERATIONS_END,
		.wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
		.len = 1,
		.data = (uint8_t *)"\0"};

	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EOPNOTSUPP", "operation");
	operation.base.n_unknown_fields = 1;
	operation.base.unknown_fields = &unknown;
	scene_request(scene, &operation, NULL, 0);
	assert_status(scene, "EOPNOTSUPP", "operation");
	assert_untouched(scene);
}

static void before_hello(struct scene *scene, const struct operation *operation)
{
	struct body body = body_new(operation);

	scene->session.phase = PHASE_HELLO;
	body_send(scene, &body, fds_right(operation));
	assert_int_equal(scene->result, DISPATCH_END);
	assert_status(scene, "EPROTO", "request");
	/* Once it is ending, nothing is answered any more. */
	body_send(scene, &body, fds_right(operation));
	assert_int_equal(scene->result, DISPATCH_END);
	assert_null(scene->message);
	free(body.message);
}

static void test_before_hello(void **state)
{
	for_each(state, before_hello);
}

/* proto/PROTOCOL.md has the table for people: "| `name` | number | phase | fds in | fds out | batch | undo |". */
static void test_document(void **state)
{
	FILE *file = fopen(PROTOCOL_MD, "r");
	unsigned int rows = 0, number;
	char line[1024], name[64], phase[32], in[32], out[32], batch[32], undo[32];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		const struct operation *operation;

		if (sscanf(line,
			    "| `%63[a-z_]` | %u | %31[a-z] | %31[^|] | %31[0-9] | %31[a-z] | "
			    "%31[a-z] |",
			    name, &number, phase, in, out, batch, undo) != 7)
			continue;
		rows++;
		operation = operation_get(number);
		assert_non_null(operation);
		assert_string_equal(name, operation->name);
		assert_string_equal(phase, operation->phases == PHASE_READY ? "ready" : "?");
		assert_int_equal(strtoul(out, NULL, 10), operation->fds_given);
		assert_string_equal(batch, operation->batchable ? "yes" : "no");
		assert_string_equal(undo, operation->undo ? "yes" : "no");
		assert_string_equal(in, operation->fd == FD_NONE  ? "0 "
					: operation->fd == FD_ONE ? "1 "
								  : "0 or 1 ");
	}
	fclose(file);
	assert_int_equal(rows, OPERATIONS_END - 1);
}

/* The rows stand for the messages of client.proto: same names, and every field of a message has a rule. */
static void test_rows_are_complete(void **state)
{
	(void)state;
	assert_int_equal(PB_DESCRIPTOR(operation).n_fields, OPERATIONS_END - 1);
	assert_null(operation_get(0));
	assert_null(operation_get(OPERATIONS_END));
	for (unsigned int i = 0; i < PB_DESCRIPTOR(operation).n_fields; i++) {
		const ProtobufCFieldDescriptor *row = &PB_DESCRIPTOR(operation).fields[i];
		const ProtobufCMessageDescriptor *message = row->descriptor;
		const struct operation *operation = operation_get(row->id);
		unsigned int fields = 0;

		assert_non_null(operation);
		assert_string_equal(operation->name, row->name);
		assert_string_equal(PB_DESCRIPTOR(result).fields[i].name, row->name);
		assert_int_equal(PB_DESCRIPTOR(result).fields[i].id, row->id);
		for (const struct field *field = operation->fields; field->name; field++, fields++)
			assert_non_null(protobuf_c_message_descriptor_get_field_by_name(
				message, field->name));
		assert_int_equal(fields, message->n_fields);
		assert_true(!operation->undo || operation->batchable);
		assert_true(!operation->batchable || (!operation->waits && !operation->fds_given));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_permitted, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_unknown_field, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_unknown_field_deep, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_unknown_operation, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_wrong_fds, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_missing_fields, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_values_out_of_range, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_ranges, scene_begin, scene_end),
		cmocka_unit_test_setup_teardown(test_before_hello, scene_begin_hello, scene_end),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_rows_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
