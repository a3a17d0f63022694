/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as an ExportTraceServiceRequest of opentelemetry-proto 1.0: trace_service.proto,
 * trace.proto, resource.proto and common.proto, of which five messages are used. Written by hand:
 * protobuf-c would be a compiler to build and a library to run for some forty lines. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

#define ATTRIBUTE_SIZE 256 /* key (a literal of ours, under 64), value, their heads */
#define SPAN_SIZE (TRACE_ATTRIBUTES_MAX * ATTRIBUTE_SIZE + 512)
#define RESOURCE_SIZE 2048

/* Wire types (protobuf's "Encoding"). */
enum {
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2,
};

struct out {
	uint8_t *at;
	size_t len, size;
	bool is_full;
};

static void put(struct out *o, const void *at, size_t len)
{
	if (o->is_full || len > o->size - o->len) {
		o->is_full = true;
		return;
	}
	memcpy(o->at + o->len, at, len);
	o->len += len;
}

static void put_varint(struct out *o, uint64_t v)
{
	uint8_t byte;

	for (; v >= 0x80; v >>= 7) {
		byte = (uint8_t)(v | 0x80);
		put(o, &byte, 1);
	}
	byte = (uint8_t)v;
	put(o, &byte, 1);
}

static void put_tag(struct out *o, unsigned field, unsigned type)
{
	put_varint(o, field << 3 | type);
}

static void put_bytes(struct out *o, unsigned field, const void *at, size_t len)
{
	put_tag(o, field, BYTES);
	put_varint(o, len);
	put(o, at, len);
}

static void put_text(struct out *o, unsigned field, const char *text)
{
	put_bytes(o, field, text, strlen(text));
}

static void put_number(struct out *o, unsigned field, uint64_t v)
{
	put_tag(o, field, VARINT);
	put_varint(o, v);
}

static void put_fixed64(struct out *o, unsigned field, uint64_t v)
{
	put_tag(o, field, FIXED64);
	for (unsigned i = 0; i < 8; i++) { /* little-endian */
		uint8_t byte = (uint8_t)(v >> (8 * i));

		put(o, &byte, 1);
	}
}

/* KeyValue { key = 1, value = 2 }, AnyValue { string_value = 1, bool_value = 2, int_value = 3 } */
static void put_attribute(struct out *o, unsigned field, const struct trace_attribute *a)
{
	uint8_t value_bytes[ATTRIBUTE_SIZE], bytes[ATTRIBUTE_SIZE];
	struct out value = { .at = value_bytes, .size = sizeof(value_bytes) };
	struct out pair = { .at = bytes, .size = sizeof(bytes) };

	switch (a->type) {
	case TRACE_TEXT:
		put_text(&value, 1, a->text);
		break;
	case TRACE_BOOL:
		put_number(&value, 2, a->boolean);
		break;
	case TRACE_NUMBER:
		put_number(&value, 3, (uint64_t)a->number);
		break;
	}
	put_text(&pair, 1, a->key);
	put_bytes(&pair, 2, value.at, value.len);
	put_bytes(o, field, pair.at, pair.len);
}

/* The same for a text that is longer than an attribute's: a SPIFFE ID. */
static void put_pair(struct out *o, const char *key, const char *text)
{
	uint8_t value_bytes[RESOURCE_SIZE / 4], bytes[RESOURCE_SIZE / 4];
	struct out value = { .at = value_bytes, .size = sizeof(value_bytes) };
	struct out pair = { .at = bytes, .size = sizeof(bytes) };

	if (!text[0])
		return;
	put_text(&value, 1, text);
	put_text(&pair, 1, key);
	put_bytes(&pair, 2, value.at, value.len);
	if (!value.is_full && !pair.is_full)
		put_bytes(o, 1, pair.at, pair.len);
}

static void put_span(struct out *o, const struct trace_span *s)
{
	static const uint8_t none[TRACE_SPAN_ID_LEN];
	uint8_t bytes[SPAN_SIZE], status_bytes[TRACE_VALUE_SIZE + 16];
	struct out span = { .at = bytes, .size = sizeof(bytes) };
	struct out status = { .at = status_bytes, .size = sizeof(status_bytes) };
	uint64_t start_ns = (uint64_t)s->start_unix_us * 1000;

	put_bytes(&span, 1, s->context.trace_id, TRACE_ID_LEN);
	put_bytes(&span, 2, s->context.span_id, TRACE_SPAN_ID_LEN);
	if (memcmp(s->parent_id, none, sizeof(none)) != 0)
		put_bytes(&span, 4, s->parent_id, TRACE_SPAN_ID_LEN);
	put_text(&span, 5, s->name);
	put_number(&span, 6, (uint64_t)s->kind);
	put_fixed64(&span, 7, start_ns);
	put_fixed64(&span, 8, start_ns + s->took_us * 1000);
	for (unsigned i = 0; i < s->n_attributes; i++)
		put_attribute(&span, 9, &s->attributes[i]);
	if (s->is_error) {
		put_text(&status, 2, s->message);
		put_number(&status, 3, 2); /* STATUS_CODE_ERROR */
		put_bytes(&span, 15, status.at, status.len);
	}
	put_bytes(o, 2, span.at, span.len); /* ScopeSpans.spans */
}

uint8_t *trace_otlp(const struct trace_resource *r, const struct trace_span *spans, size_t n,
		    size_t *ret_len)
{
	uint8_t resource_bytes[RESOURCE_SIZE], scope_bytes[128];
	struct out resource = { .at = resource_bytes, .size = sizeof(resource_bytes) };
	struct out scope = { .at = scope_bytes, .size = sizeof(scope_bytes) };
	struct out scope_spans = { .size = 256 + n * (SPAN_SIZE + 16) };
	struct out whole = { .size = scope_spans.size + RESOURCE_SIZE + 64 };
	struct out request = { .size = whole.size + 64 };

	scope_spans.at = malloc(scope_spans.size);
	whole.at = malloc(whole.size);
	request.at = malloc(request.size);
	if (!scope_spans.at || !whole.at || !request.at) {
		free(request.at);
		request.at = NULL;
		goto done;
	}
	put_pair(&resource, "service.name", r->service);
	put_pair(&resource, "service.version", r->version);
	put_pair(&resource, "service.instance.id", r->instance);
	put_pair(&resource, "x0.node", r->node);
	put_text(&scope, 1, "x0");
	put_text(&scope, 2, r->version);
	put_bytes(&scope_spans, 1, scope.at, scope.len);
	for (size_t i = 0; i < n; i++)
		put_span(&scope_spans, &spans[i]);
	put_bytes(&whole, 1, resource.at, resource.len);
	put_bytes(&whole, 2, scope_spans.at, scope_spans.len);
	put_bytes(&request, 1, whole.at, whole.len);
	*ret_len = request.len;
done:
	free(scope_spans.at);
	free(whole.at);
	return request.at;
}
