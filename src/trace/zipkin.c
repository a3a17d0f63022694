/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as Zipkin's JSON v2 (zipkin2-api.yaml): times in microseconds, values of tags as texts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

/* Texts of ours and of spans are printable ASCII; what else there may be is left out. */
static void put_string(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		if ((uint8_t)*text >= 0x20 && (uint8_t)*text < 0x7f)
			(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static void put_member(FILE *out, const char *key, const char *value, bool is_first)
{
	if (!is_first)
		(void)fputc(',', out);
	put_string(out, key);
	(void)fputc(':', out);
	put_string(out, value);
}

static void put_hex(FILE *out, const char *key, const uint8_t *at, size_t len)
{
	char text[2 * TRACE_ID_LEN + 1];

	bytes_to_hex(at, len, text);
	(void)fprintf(out, "\"%s\":\"%s\",", key, text);
}

static void put_tags(FILE *out, const struct trace_resource *r, const struct trace_span *s)
{
	(void)fputs(",\"tags\":{", out);
	put_member(out, "service.instance.id", r->instance, true);
	put_member(out, "service.version", r->version, false);
	for (unsigned i = 0; i < s->n_attributes; i++) {
		const struct trace_attribute *a = &s->attributes[i];
		char number[24];

		(void)snprintf(number, sizeof(number), "%" PRId64, a->number);
		if (a->type == TRACE_TEXT)
			put_member(out, a->key, a->text, false);
		else if (a->type == TRACE_NUMBER)
			put_member(out, a->key, number, false);
		else
			put_member(out, a->key, a->boolean ? "true" : "false", false);
	}
	if (s->is_error)
		put_member(out, "error", s->message, false);
	(void)fputs("}", out);
}

static void put_span(FILE *out, const struct trace_resource *r, const struct trace_span *s)
{
	static const uint8_t none[TRACE_SPAN_ID_LEN];

	(void)fputs("{", out);
	put_hex(out, "traceId", s->context.trace_id, TRACE_ID_LEN);
	put_hex(out, "id", s->context.span_id, TRACE_SPAN_ID_LEN);
	if (memcmp(s->parent_id, none, sizeof(none)) != 0)
		put_hex(out, "parentId", s->parent_id, TRACE_SPAN_ID_LEN);
	if (s->kind != TRACE_INTERNAL)
		(void)fprintf(out, "\"kind\":\"%s\",",
			      s->kind == TRACE_SERVER ? "SERVER" : "CLIENT");
	put_member(out, "name", s->name, true);
	/* a duration is at least 1 */
	(void)fprintf(out, ",\"timestamp\":%" PRId64 ",\"duration\":%" PRIu64, s->start_unix_us,
		      s->took_us ? s->took_us : 1);
	(void)fputs(",\"localEndpoint\":{", out);
	put_member(out, "serviceName", r->service, true);
	(void)fputs("}", out);
	put_tags(out, r, s);
	(void)fputs("}", out);
}

char *trace_zipkin(const struct trace_resource *r, const struct trace_span *spans, size_t n,
		   size_t *ret_len)
{
	char *ret = NULL;
	FILE *out = open_memstream(&ret, ret_len);

	if (!out)
		return NULL;
	(void)fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)fputc(',', out);
		put_span(out, r, &spans[i]);
	}
	(void)fputc(']', out);
	if (fclose(out) != 0) {
		free(ret);
		return NULL;
	}
	return ret;
}
