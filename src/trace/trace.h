/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h - spans: what took how long, and as part of what; and how collectors want them written.
 *
 * Follows W3C Trace Context (traceparent), OpenTelemetry's protocol (opentelemetry-proto 1.0, OTLP
 * over HTTP in binary) and Zipkin's JSON v2. Pure: no clock, no socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

#define TRACE_ID_LEN 16
#define TRACE_SPAN_ID_LEN 8
#define TRACEPARENT_SIZE 56	/* "00-<32>-<16>-<2>" and NUL */
#define TRACE_NAME_SIZE 64	/* of a span */
#define TRACE_ATTRIBUTES_MAX 10 /* of one span; more are left out */
#define TRACE_VALUE_SIZE 80	/* of a text; more is cut */
#define TRACE_PPM 1000000

/* Where in which trace one is: what a traceparent says. */
struct trace_context {
	uint8_t trace_id[TRACE_ID_LEN]; /* all zero: in none */
	uint8_t span_id[TRACE_SPAN_ID_LEN];
	bool is_sampled;
};

bool trace_is_valid(const struct trace_context *c);
/* -EBADMSG for what is no traceparent; of later versions what is known of them is taken. */
int trace_parse(const char *text, struct trace_context *ret);
void trace_format(const struct trace_context *c, char ret[TRACEPARENT_SIZE]);

/* Whether a trace that begins with this id is recorded: a pure function of it, so that nodes which
 * know one id by other means decide alike. Of random ids ratio_ppm in a million are. */
bool trace_id_is_sampled(const uint8_t trace_id[TRACE_ID_LEN], uint32_t ratio_ppm);

/* ---- spans ---- */

enum trace_kind { /* numbers of SpanKind */
	TRACE_INTERNAL = 1,
	TRACE_SERVER = 2,
	TRACE_CLIENT = 3,
};

enum trace_type {
	TRACE_TEXT,
	TRACE_NUMBER,
	TRACE_BOOL,
};

struct trace_attribute {
	const char *key; /* a literal */
	enum trace_type type;
	union {
		char text[TRACE_VALUE_SIZE];
		int64_t number;
		bool boolean;
	};
};

struct trace_span {
	struct trace_context context;
	uint8_t parent_id[TRACE_SPAN_ID_LEN]; /* all zero: it begins the trace */
	enum trace_kind kind;
	char name[TRACE_NAME_SIZE];
	int64_t start_unix_us;
	uint64_t took_us;
	bool is_error;
	char message[TRACE_VALUE_SIZE]; /* of the error */
	unsigned n_attributes;
	struct trace_attribute attributes[TRACE_ATTRIBUTES_MAX];
};

/* Begins a span: below parent where that is valid (sampled as that is), else a trace of its own.
 * Ids come from rng, which has to be seeded by the kernel's randomness. */
void trace_begin(struct trace_span *s, const char *name, enum trace_kind kind,
		 const struct trace_context *parent, uint32_t ratio_ppm, struct rng *rng,
		 int64_t start_unix_us);
void trace_text(struct trace_span *s, const char *key, const char *value);
void trace_number(struct trace_span *s, const char *key, int64_t value);
void trace_bool(struct trace_span *s, const char *key, bool value);
void trace_error(struct trace_span *s, const char *message);

/* ---- what is sent ---- */

/* Who sends. All borrowed. */
struct trace_resource {
	const char *service;  /* service.name */
	const char *version;  /* service.version */
	const char *instance; /* service.instance.id: the SPIFFE ID */
	const char *node;     /* x0.node: the name */
};

/* An ExportTraceServiceRequest. malloc()ed; NULL when out of memory. */
uint8_t *trace_otlp(const struct trace_resource *r, const struct trace_span *spans, size_t n,
		    size_t *ret_len);
/* A JSON list of Zipkin's spans. The same. */
char *trace_zipkin(const struct trace_resource *r, const struct trace_span *spans, size_t n,
		   size_t *ret_len);
