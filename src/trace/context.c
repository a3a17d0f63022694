/* SPDX-License-Identifier: Apache-2.0 */
/* Where in which trace one is, and a span while it is made. */
#include "trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_zero(const uint8_t *at, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= at[i];
	return any == 0;
}

bool trace_is_valid(const struct trace_context *c)
{
	return !is_zero(c->trace_id, TRACE_ID_LEN) && !is_zero(c->span_id, TRACE_SPAN_ID_LEN);
}

/* Lower case alone (W3C Trace Context, 3.2.2). */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int trace_parse(const char *text, struct trace_context *ret)
{
	struct trace_context c;
	size_t len = strlen(text);
	uint8_t version;
	uint8_t flags;

	if (len < TRACEPARENT_SIZE - 1 || !read_hex(text, &version, 1) || version == 0xff)
		return -EBADMSG;
	if (text[2] != '-' || text[35] != '-' || text[52] != '-')
		return -EBADMSG;
	/* A later version may have more behind a dash (3.2.1, 4.1). */
	if (len > TRACEPARENT_SIZE - 1 && (version == 0 || text[TRACEPARENT_SIZE - 1] != '-'))
		return -EBADMSG;
	if (!read_hex(text + 3, c.trace_id, TRACE_ID_LEN) ||
	    !read_hex(text + 36, c.span_id, TRACE_SPAN_ID_LEN) || !read_hex(text + 53, &flags, 1))
		return -EBADMSG;
	c.is_sampled = flags & 1;
	if (!trace_is_valid(&c))
		return -EBADMSG;
	*ret = c;
	return 0;
}

void trace_format(const struct trace_context *c, char ret[TRACEPARENT_SIZE])
{
	char id[2 * TRACE_ID_LEN + 1];
	char span[2 * TRACE_SPAN_ID_LEN + 1];

	bytes_to_hex(c->trace_id, TRACE_ID_LEN, id);
	bytes_to_hex(c->span_id, TRACE_SPAN_ID_LEN, span);
	(void)snprintf(ret, TRACEPARENT_SIZE, "00-%s-%s-%s", id, span, c->is_sampled ? "01" : "00");
}

/* The last 56 bits are those that are random (Trace Context level 2, 3.2.2.3). */
bool trace_id_is_sampled(const uint8_t trace_id[TRACE_ID_LEN], uint32_t ratio_ppm)
{
	uint64_t random = 0;

	for (size_t i = TRACE_ID_LEN - 7; i < TRACE_ID_LEN; i++)
		random = random << 8 | trace_id[i];
	return (random >> 24) * TRACE_PPM < ((uint64_t)ratio_ppm << 32);
}

/* ---- spans ---- */

static void fill(struct rng *rng, uint8_t *ret, size_t len)
{
	do {
		for (size_t i = 0; i < len; i += 8) {
			uint64_t r = rng_next(rng);

			memcpy(ret + i, &r, 8);
		}
	} while (is_zero(ret, len));
}

_Static_assert(TRACE_ID_LEN % 8 == 0 && TRACE_SPAN_ID_LEN == 8, "whole words of the generator");

void trace_begin(struct trace_span *s, const char *name, enum trace_kind kind,
		 const struct trace_context *parent, uint32_t ratio_ppm, struct rng *rng,
		 int64_t start_unix_us)
{
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->start_unix_us = start_unix_us;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	if (parent && trace_is_valid(parent)) {
		s->context = *parent;
		memcpy(s->parent_id, parent->span_id, TRACE_SPAN_ID_LEN);
	} else {
		fill(rng, s->context.trace_id, TRACE_ID_LEN);
		s->context.is_sampled = trace_id_is_sampled(s->context.trace_id, ratio_ppm);
	}
	fill(rng, s->context.span_id, TRACE_SPAN_ID_LEN);
}

static struct trace_attribute *add(struct trace_span *s, const char *key, enum trace_type type)
{
	struct trace_attribute *a;

	if (s->n_attributes == TRACE_ATTRIBUTES_MAX)
		return NULL;
	a = &s->attributes[s->n_attributes++];
	a->key = key;
	a->type = type;
	return a;
}

/* A text has to be UTF-8 on the wire, and a cut may be anywhere: what is not ASCII becomes '?'. */
static void copy_text(char *ret, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(ret, from, len);
	ret[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)ret[i] < 0x20 || (uint8_t)ret[i] >= 0x7f)
			ret[i] = '?';
}

void trace_text(struct trace_span *s, const char *key, const char *value)
{
	struct trace_attribute *a = value && value[0] ? add(s, key, TRACE_TEXT) : NULL;

	if (a)
		copy_text(a->text, sizeof(a->text), value);
}

void trace_number(struct trace_span *s, const char *key, int64_t value)
{
	struct trace_attribute *a = add(s, key, TRACE_NUMBER);

	if (a)
		a->number = value;
}

void trace_bool(struct trace_span *s, const char *key, bool value)
{
	struct trace_attribute *a = add(s, key, TRACE_BOOL);

	if (a)
		a->boolean = value;
}

void trace_error(struct trace_span *s, const char *message)
{
	s->is_error = true;
	copy_text(s->message, sizeof(s->message), message);
}
