/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - what the node counts, in the text format of Prometheus (version 0.0.4).
 *
 * Names are those of docs/api.md: the unit is in the name and is a base unit, counters end in
 * _total, histograms have buckets, a sum and a count. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPEN_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_ENDPOINTS_MAX 64
#define METRICS_STATUSES_MAX 8 /* of one endpoint; more are counted as "other" */
#define METRICS_N_BUCKETS 6

/* Requests, by the row of the table that answered them. */
struct metrics_endpoint {
	const char *method, *path;
	struct {
		unsigned status; /* 0: free */
		uint64_t n;
	} statuses[METRICS_STATUSES_MAX];
	uint64_t n_other;
	uint64_t buckets[METRICS_N_BUCKETS + 1]; /* not yet summed up; the last: beyond all */
	uint64_t sum_us;
};

struct metrics_http {
	struct metrics_endpoint endpoints[METRICS_ENDPOINTS_MAX];
	size_t n_endpoints;
	uint64_t connections, sockets, refused_connections, limited, sockets_dropped, answer_bytes,
		answers_refused, events_dropped;
};

struct metrics_process {
	double cpu_s, start_s;
	double resident_bytes, virtual_bytes, descriptors, descriptors_max; /* NAN: not known */
};

void metrics_count(struct metrics_endpoint *e, unsigned status, uint64_t took_us);

/* source: {"status": as the verb status, "peers": as the verb peers, "routes": how many by hops,
 * "initiated", "responded", "discoveries", "failovers", "decisions": {"bounds_us": [], "counts":
 * [], "sum_us"}, "rotations": {"renewed", "failed"}}. The text, to free(); NULL: out of memory. */
char *metrics_text(const json_t *source, const struct metrics_http *http,
		   const struct metrics_process *process, size_t *ret_len);

/* The same in the text format of OpenMetrics 1.0; to free(). NULL: out of memory. */
char *metrics_openmetrics(const char *text, size_t *ret_len);
/* Whether a client that sends this Accept header takes that before the other. */
bool metrics_wants_open(const char *accept);
