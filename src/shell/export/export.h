/* SPDX-License-Identifier: Apache-2.0 */
/* export.h - sends spans to a collector, over HTTP, from a thread of its own. libcurl is loaded
 * when an exporter is made (shell/fetch).
 *
 * Whoever has a span hands it over and goes on: it is copied into a queue of EXPORT_QUEUE_MAX, and
 * where that is full it is dropped and counted. Spans go out in batches, at the latest after
 * EXPORT_WAIT_MS. What the collector answers decides: 2xx is done; 429, 502, 503, 504 and no answer
 * at all are tried again, after Retry-After where it says so; anything else, redirects too, is
 * dropped, for it would be refused again. The status alone counts: bodies are not read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shell/log/log.h"
#include "trace/trace.h"

#define EXPORT_QUEUE_MAX 1024 /* spans that wait; some 1.3 MB */
#define EXPORT_BATCH_MAX 128  /* spans of one request */
#define EXPORT_WAIT_MS 1000   /* for others to go with */
#define EXPORT_CONNECT_MS 3000
#define EXPORT_ANSWER_MS 10000
#define EXPORT_ANSWER_MAX 65536	  /* bytes of an answer's body; what goes on beyond is hung up on */
#define EXPORT_TRIES_MAX 6	  /* of one batch: with the waits below, half a minute */
#define EXPORT_RETRY_MS 1000	  /* before the second, then twice that, */
#define EXPORT_RETRY_MAX_MS 30000 /* up to this */
#define EXPORT_RETRY_AFTER_MAX_S 300 /* the collector is not obeyed beyond this */
#define EXPORT_LAST_MS 500	     /* for what is left when it ends */
#define EXPORT_WHY_SIZE 240

enum export_format { /* in the order of the choices of tracing.format */
	EXPORT_OTLP,
	EXPORT_ZIPKIN,
};

struct export_options {
	/* http:// or https://, host, port; without a path that of the protocol is taken. */
	const char *endpoint;
	enum export_format format;
	struct trace_resource resource; /* what it points to is borrowed until export_free() */
	struct log *log;
};

struct exporter;

/* -EINVAL for an endpoint that is none, -ENOENT without libcurl, -ENOMEM; each with a sentence. */
int export_new(const struct export_options *options, struct exporter **ret,
	       char why[EXPORT_WHY_SIZE]);
/* Sends what is left, if the collector takes it within EXPORT_LAST_MS. */
void export_free(struct exporter *e);

/* Copies s if it is sampled. Any thread; never waits for the network. */
void export_span(struct exporter *e, const struct trace_span *s);

struct export_counters {
	uint64_t sent;	   /* spans that the collector has taken */
	uint64_t dropped;  /* the queue was full */
	uint64_t refused;  /* it will not have them */
	uint64_t given_up; /* tried EXPORT_TRIES_MAX times, or left at the end */
	uint64_t requests, retries;
	size_t waiting; /* now */
};

void export_counters(struct exporter *e, struct export_counters *ret);
