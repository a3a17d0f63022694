/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "trace/trace.h"

#define W3C "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" /* of the specification */

static const struct trace_resource resource = {
	.service = "x0",
	.version = "0.1.0",
	.instance = "spiffe://test.mesh/node/a",
	.node = "a",
};

static void a_traceparent_is_read_and_written_back(void **state)
{
	(void)state;
	struct trace_context c;
	char text[TRACEPARENT_SIZE];

	assert_int_equal(trace_parse(W3C, &c), 0);
	assert_int_equal(c.trace_id[0], 0x4b);
	assert_int_equal(c.span_id[7], 0xb7);
	assert_true(c.is_sampled);
	trace_format(&c, text);
	assert_string_equal(text, W3C);
	assert_int_equal(trace_parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", &c),
			 0);
	assert_false(c.is_sampled);
	/* a later version, with flags and more that are not known here */
	assert_int_equal(
		trace_parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-x", &c), 0);
	assert_true(c.is_sampled);
}

static void what_is_no_traceparent_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"00",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	};
	struct trace_context c;

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_int_equal(trace_parse(wrong[i], &c), -EBADMSG);
}

static void of_random_ids_as_many_are_sampled_as_was_asked(void **state)
{
	(void)state;
	static const uint32_t ratios[] = { 0, 100000, 500000, TRACE_PPM };
	struct trace_span s;
	struct rng rng;

	rng_seed(&rng, 7);
	for (size_t k = 0; k < N_ELEMENTS(ratios); k++) {
		int n = 0;

		for (unsigned i = 0; i < 10000; i++) {
			trace_begin(&s, "x", TRACE_INTERNAL, NULL, ratios[k], &rng, 0);
			n += s.context.is_sampled;
			assert_int_equal(s.context.is_sampled,
					 trace_id_is_sampled(s.context.trace_id, ratios[k]));
		}
		/* 10000 draws: five standard deviations are 250 at the most */
		assert_in_range(n, (int)ratios[k] / 100 > 250 ? ratios[k] / 100 - 250 : 0,
				ratios[k] / 100 + (ratios[k] == 0 ? 0 : 250));
	}
}

static void who_has_a_parent_is_sampled_as_it_is(void **state)
{
	(void)state;
	struct trace_context parent;
	struct trace_span s;
	struct rng rng;

	rng_seed(&rng, 1);
	assert_int_equal(trace_parse(W3C, &parent), 0);
	trace_begin(&s, "x", TRACE_SERVER, &parent, 0, &rng, 5);
	assert_true(s.context.is_sampled);
	assert_memory_equal(s.context.trace_id, parent.trace_id, TRACE_ID_LEN);
	assert_memory_equal(s.parent_id, parent.span_id, TRACE_SPAN_ID_LEN);
	assert_memory_not_equal(s.context.span_id, parent.span_id, TRACE_SPAN_ID_LEN);
	parent.is_sampled = false;
	trace_begin(&s, "x", TRACE_SERVER, &parent, TRACE_PPM, &rng, 5);
	assert_false(s.context.is_sampled);
	/* none at all is no parent */
	parent = (struct trace_context){ .is_sampled = false };
	trace_begin(&s, "x", TRACE_SERVER, &parent, TRACE_PPM, &rng, 5);
	assert_true(s.context.is_sampled);
	assert_true(trace_is_valid(&s.context));
}

static void make_span(struct trace_span *s)
{
	struct trace_context parent;
	struct rng rng;

	rng_seed(&rng, 1);
	assert_int_equal(trace_parse(W3C, &parent), 0);
	trace_begin(s, "http.server", TRACE_SERVER, &parent, 0, &rng, 1700000000000000);
	s->took_us = 250;
	trace_text(s, "http.route", "/api/v1/peers");
	trace_text(s, "left.out", "");
	trace_number(s, "http.response.status_code", -2);
	trace_bool(s, "is_remote", true);
	trace_error(s, "a \"quote\"\n");
}

/* A field of a protobuf message; NULL where it ends or is broken. */
static const uint8_t *next_field(const uint8_t *at, const uint8_t *end, unsigned *ret_field,
				 uint64_t *ret_value, struct span *ret_bytes)
{
	uint64_t v[2] = { 0, 0 };
	unsigned type = 0;

	for (unsigned k = 0; k < 2; k++) {
		unsigned shift = 0;

		if (k == 1 && type == 1) {
			memcpy(&v[1], at, 8);
			at += 8;
			break;
		}
		do {
			if (at == end)
				return NULL;
			v[k] |= (uint64_t)(*at & 0x7f) << shift;
			shift += 7;
		} while (*at++ & 0x80);
		type = v[0] & 7;
	}
	*ret_field = (unsigned)(v[0] >> 3);
	*ret_value = v[1];
	*ret_bytes = SPAN(NULL, 0);
	if (type == 2) {
		assert_true(v[1] <= (uint64_t)(end - at));
		*ret_bytes = SPAN(at, v[1]);
		at += v[1];
	}
	return at;
}

static struct span field_of(struct span message, unsigned wanted, unsigned nth, uint64_t *ret_value)
{
	const uint8_t *at = message.at, *end = message.at + message.len;
	struct span bytes;
	unsigned field = 0;

	while (at < end) {
		at = next_field(at, end, &field, ret_value, &bytes);
		assert_non_null(at);
		if (field == wanted && nth-- == 0)
			return bytes;
	}
	*ret_value = UINT64_MAX;
	return SPAN(NULL, 0);
}

static bool is_text(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static void otlp_has_the_official_numbers(void **state)
{
	(void)state;
	struct trace_span s;
	uint64_t v;
	size_t len;

	make_span(&s);
	uint8_t *bytes = trace_otlp(&resource, &s, 1, &len);

	assert_non_null(bytes);
	struct span resource_spans = field_of(SPAN(bytes, len), 1, 0, &v);
	struct span service = field_of(field_of(resource_spans, 1, 0, &v), 1, 0, &v);

	assert_true(is_text(field_of(service, 1, 0, &v), "service.name"));
	assert_true(is_text(field_of(field_of(service, 2, 0, &v), 1, 0, &v), "x0"));

	struct span scope_spans = field_of(resource_spans, 2, 0, &v);
	struct span span = field_of(scope_spans, 2, 0, &v);

	assert_true(is_text(field_of(field_of(scope_spans, 1, 0, &v), 1, 0, &v), "x0"));
	assert_memory_equal(field_of(span, 1, 0, &v).at, s.context.trace_id, TRACE_ID_LEN);
	assert_memory_equal(field_of(span, 2, 0, &v).at, s.context.span_id, TRACE_SPAN_ID_LEN);
	assert_memory_equal(field_of(span, 4, 0, &v).at, s.parent_id, TRACE_SPAN_ID_LEN);
	assert_true(is_text(field_of(span, 5, 0, &v), "http.server"));
	(void)field_of(span, 6, 0, &v);
	assert_int_equal(v, 2);
	(void)field_of(span, 7, 0, &v);
	assert_true(v == UINT64_C(1700000000000000000));
	(void)field_of(span, 8, 0, &v);
	assert_true(v == UINT64_C(1700000000000250000));

	struct span second = field_of(span, 9, 1, &v);

	assert_true(is_text(field_of(second, 1, 0, &v), "http.response.status_code"));
	(void)field_of(field_of(second, 2, 0, &v), 3, 0, &v);
	assert_true((int64_t)v == -2);
	(void)field_of(field_of(field_of(span, 9, 2, &v), 2, 0, &v), 2, 0, &v);
	assert_int_equal(v, 1);
	struct span status = field_of(span, 15, 0, &v);

	assert_true(is_text(field_of(status, 2, 0, &v), "a \"quote\"?"));
	(void)field_of(status, 3, 0, &v);
	assert_int_equal(v, 2);
	free(bytes);
}

static void zipkin_is_json_of_its_second_version(void **state)
{
	(void)state;
	struct trace_span s[2];
	size_t len;

	make_span(&s[0]);
	make_span(&s[1]);
	s[1].took_us = 0;
	s[1].kind = TRACE_INTERNAL;
	memset(s[1].parent_id, 0, sizeof(s[1].parent_id));
	char *text = trace_zipkin(&resource, s, 2, &len);
	json_t *list = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *first = json_array_get(list, 0);
	const json_t *second = json_array_get(list, 1);
	const json_t *tags = json_object_get(first, "tags");

	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(first, "traceId")),
			    "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_string_equal(json_string_value(json_object_get(first, "parentId")),
			    "00f067aa0ba902b7");
	assert_string_equal(json_string_value(json_object_get(first, "kind")), "SERVER");
	assert_int_equal(json_integer_value(json_object_get(first, "timestamp")), 1700000000000000);
	assert_int_equal(json_integer_value(json_object_get(first, "duration")), 250);
	assert_string_equal(json_string_value(json_object_get(tags, "http.response.status_code")),
			    "-2");
	assert_string_equal(json_string_value(json_object_get(tags, "is_remote")), "true");
	assert_string_equal(json_string_value(json_object_get(tags, "error")), "a \"quote\"?");
	assert_null(json_object_get(second, "parentId"));
	assert_null(json_object_get(second, "kind"));
	assert_int_equal(json_integer_value(json_object_get(second, "duration")), 1);
	json_decref(list);
	free(text);
}

static void a_full_span_leaves_out_what_is_more_and_fits(void **state)
{
	(void)state;
	struct trace_span s;
	char value[3 * TRACE_VALUE_SIZE];
	size_t len;

	make_span(&s);
	memset(value, 0xc3, sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (unsigned i = 0; i < 2 * TRACE_ATTRIBUTES_MAX; i++)
		trace_text(&s, "a.key.that.is.as.long.as.any.of.ours.will.ever.be", value);
	trace_number(&s, "more", 1);
	trace_error(&s, value);
	assert_int_equal(s.n_attributes, TRACE_ATTRIBUTES_MAX);
	assert_int_equal(strlen(s.attributes[TRACE_ATTRIBUTES_MAX - 1].text), TRACE_VALUE_SIZE - 1);
	assert_int_equal(s.message[0], '?');

	uint8_t *bytes = trace_otlp(&resource, &s, 1, &len);
	uint64_t v;
	struct span span =
		field_of(field_of(field_of(SPAN(bytes, len), 1, 0, &v), 2, 0, &v), 2, 0, &v);

	assert_int_equal(field_of(field_of(span, 15, 0, &v), 2, 0, &v).len, TRACE_VALUE_SIZE - 1);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_traceparent_is_read_and_written_back),
		cmocka_unit_test(what_is_no_traceparent_is_refused),
		cmocka_unit_test(of_random_ids_as_many_are_sampled_as_was_asked),
		cmocka_unit_test(who_has_a_parent_is_sampled_as_it_is),
		cmocka_unit_test(otlp_has_the_official_numbers),
		cmocka_unit_test(zipkin_is_json_of_its_second_version),
		cmocka_unit_test(a_full_span_leaves_out_what_is_more_and_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
