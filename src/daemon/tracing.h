/* SPDX-License-Identifier: Apache-2.0 */
/* tracing.h - spans of what this node does. Inside the daemon only.
 *
 * Off where tracing.endpoint is not set: then d->tracing is NULL and every function here returns at
 * once. By the main loop's thread, but for what says otherwise. */
#pragma once

#include "daemon/daemon_internal.h"
#include "shell/export/export.h"

#define TRACING_FORWARD_EVERY_US SECONDS(1) /* of packets no more than one in this is looked at */

void tracing_start(struct daemon *d); /* after privileges went, before the API */
void tracing_end(struct daemon *d);   /* after the API */
json_t *tracing_status(const struct daemon *d);

/* For the API's thread: NULL where it is off. */
struct exporter *tracing_exporter(const struct daemon *d);
uint32_t tracing_ratio_ppm(const struct config *c);
int64_t tracing_unix_us(void); /* any thread */

/* A handshake or discovery that came to an end. ret_id: the trace it is recorded in, len 0 for
 * none; it points into a buffer of the next call. */
struct span tracing_event(struct daemon *d, const struct node_event *e);

/* Packets that came at began_us and have been passed on: one now and then. */
void tracing_forward(struct daemon *d, const char *from, uint64_t began_us);

/* `x0 trace`: a trace that begins, or goes on below parent; then each hop that answered or did not.
 */
void tracing_probe(struct daemon *d, const struct trace_context *parent, struct trace_context *ret);
void tracing_hop(struct daemon *d, const struct ping *p, const struct node_event *e);
