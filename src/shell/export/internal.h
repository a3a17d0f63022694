/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "shell/export/export.h"
#include "shell/fetch/library.h"

#define URL_SIZE 512

/* Spans between those who have them and the thread that sends them. */
struct queue {
	pthread_mutex_t lock; /* held to copy a span, never longer */
	struct trace_span *spans;
	size_t first, n;
	struct export_counters counters;
};

struct exporter {
	const struct curl_library *curl;
	enum export_format format;
	struct trace_resource resource;
	struct log *log;
	char url[URL_SIZE];
	struct queue queue;
	pthread_t thread;
	atomic_bool is_stopping;
	uint64_t stop_us; /* the thread's: when it gives up what is left; NEVER_US while it runs */
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct trace_span *batch;
	size_t n_batch;
	size_t answer_len; /* of the request that is under way */
	bool is_failing;   /* told once, and once that it is over */
};

/* What came of one request. */
struct outcome {
	bool has_answer;
	long status;		/* of HTTP */
	unsigned retry_after_s; /* 0: it does not say */
	const char *why;	/* without an answer */
};

/* ---- send.c: one request ---- */
int send_open(struct exporter *e, char why[EXPORT_WHY_SIZE]);
void send_close(struct exporter *e);
void send_request(struct exporter *e, const void *body, size_t len, struct outcome *ret);
/* The URL for an endpoint: with the path of the protocol where it has none. -EINVAL. */
int send_url(const char *endpoint, enum export_format format, char ret[URL_SIZE]);

uint64_t export_now_us(void);
