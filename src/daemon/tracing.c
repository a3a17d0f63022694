/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of handshakes, discoveries and packets, and the exporter that takes them.
 *
 * The trace of a handshake needs no word on the wire: its id is a random number that both ends
 * know, the beginning of the initiator's ephemeral key. The id decides whether it is recorded, and
 * the initiator's span id is a hash of it, so that each end can tell its part and the parts fit. */
#include "daemon/tracing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/siphash.h"
#include "base/units.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

struct tracing {
	struct exporter *exporter;
	struct rng rng;
	uint32_t ratio_ppm;
	uint64_t forward_us; /* when a packet was last looked at */
	uint8_t told_id[TRACE_ID_LEN];
	char instance[SPIFFE_ID_SIZE], node[NODE_NAME_MAX + 1]; /* the member may be replaced */
};

_Static_assert(sizeof(((struct node_event *)0)->address) == TRACE_ID_LEN, "a trace's id");

int64_t tracing_unix_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint32_t tracing_ratio_ppm(const struct config *c)
{
	return (uint32_t)(c->tracing_sample_percent * (TRACE_PPM / 100));
}

struct exporter *tracing_exporter(const struct daemon *d)
{
	return d->tracing ? d->tracing->exporter : NULL;
}

/* ---- from the start to the end ---- */

void tracing_start(struct daemon *d)
{
	const struct config *c = d->options->config;
	char why[EXPORT_WHY_SIZE] = "out of memory";
	struct tracing *t;

	if (!c->tracing_endpoint[0])
		return;
	t = calloc(1, sizeof(*t));
	if (t) {
		uint64_t seed;

		entropy_fill(&kernel_entropy, (uint8_t *)&seed, sizeof(seed));
		rng_seed(&t->rng, seed);
		t->ratio_ppm = tracing_ratio_ppm(c);
		(void)snprintf(t->instance, sizeof(t->instance), "%s", d->member->is.spiffe_id);
		(void)snprintf(t->node, sizeof(t->node), "%s", d->member->name);

		const struct export_options options = {
			.endpoint = c->tracing_endpoint,
			.format = (enum export_format)c->tracing_format,
			.resource = { .service = "x0",
				      .version = X0_VERSION,
				      .instance = t->instance,
				      .node = t->node },
			.log = d->log,
		};

		if (export_new(&options, &t->exporter, why) < 0) {
			free(t);
			t = NULL;
		}
	}
	d->tracing = t;
	daemon_feature(d, "tracing", t != NULL, t ? "" : why);
}

void tracing_end(struct daemon *d)
{
	if (!d->tracing)
		return;
	export_free(d->tracing->exporter);
	free(d->tracing);
	d->tracing = NULL;
}

json_t *tracing_status(const struct daemon *d)
{
	struct export_counters c = { 0 };

	if (d->tracing)
		export_counters(d->tracing->exporter, &c);
	return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I}", "is_on", d->tracing != NULL,
			 "endpoint", d->options->config->tracing_endpoint, "sent",
			 (json_int_t)c.sent, "waiting", (json_int_t)c.waiting, "dropped",
			 (json_int_t)c.dropped, "refused", (json_int_t)c.refused, "given_up",
			 (json_int_t)c.given_up);
}

/* ---- spans ---- */

static void began(struct tracing *t, struct trace_span *s, const char *name,
		  const struct trace_context *parent, uint64_t took_us)
{
	trace_begin(s, name, TRACE_INTERNAL, parent, t->ratio_ppm, &t->rng,
		    tracing_unix_us() - (int64_t)took_us);
	s->took_us = took_us;
}

/* The same at both ends: of the initiator's span. */
static void initiators_span(const uint8_t trace_id[TRACE_ID_LEN], uint8_t ret[TRACE_SPAN_ID_LEN])
{
	static const uint8_t key[16] = "x0 handshake id";
	const struct span parts[] = { SPAN(trace_id, TRACE_ID_LEN) };

	store_u64(ret, siphash64(key, parts, 1) | 1); /* never zero */
}

static void peer_attributes(struct trace_span *s, const struct node_event *e)
{
	char text[ENDPOINT_TEXT_SIZE];

	node_id_text(e->node_id, text);
	if (e->name[0] || e->node_id)
		trace_text(s, "x0.peer", e->name[0] ? e->name : text);
	if (endpoint_is_null(&e->endpoint))
		return;
	endpoint_format(&e->endpoint, text);
	trace_text(s, "network.peer.address", text);
}

static void handshake_done(struct tracing *t, const struct node_event *e, struct trace_span *s)
{
	bool is_initiator = e->sequence != 0;

	struct trace_context initiators = {
		.is_sampled = trace_id_is_sampled(e->address, t->ratio_ppm),
	};

	memcpy(initiators.trace_id, e->address, TRACE_ID_LEN);
	initiators_span(e->address, initiators.span_id);
	began(t, s, "mesh.handshake", is_initiator ? NULL : &initiators, e->rtt_us);
	/* A peer may choose a key that begins with zeros, which is no id: then this end is a trace
	 * of its own, for collectors refuse such a span and all that is sent with it. */
	if (is_initiator && trace_is_valid(&initiators))
		s->context = initiators;
	s->kind = is_initiator ? TRACE_CLIENT : TRACE_SERVER;
	peer_attributes(s, e);
	trace_text(s, "x0.role", is_initiator ? "initiator" : "responder");
	trace_bool(s, "x0.is_direct", e->hops == 1);
}

static void handshake_failed(struct tracing *t, const struct node_event *e, struct trace_span *s)
{
	began(t, s, "mesh.handshake", NULL, e->rtt_us);
	s->kind = TRACE_CLIENT;
	peer_attributes(s, e);
	trace_text(s, "x0.role", "initiator");
	trace_error(s, e->reason ? e->reason : "failed");
}

static void route_found(struct tracing *t, const struct node_event *e, struct trace_span *s)
{
	char id[17];

	began(t, s, "mesh.route_discovery", NULL, e->rtt_us);
	node_id_text(e->node_id, id);
	trace_text(s, "x0.destination", e->name[0] ? e->name : id);
}

struct span tracing_event(struct daemon *d, const struct node_event *e)
{
	struct tracing *t = d->tracing;
	struct trace_span s;

	if (!t)
		return SPAN(NULL, 0);
	if (e->type == EVENT_PEER_UP)
		handshake_done(t, e, &s);
	else if (e->type == EVENT_HANDSHAKE_FAILED)
		handshake_failed(t, e, &s);
	else if (e->type == EVENT_ROUTE_FOUND)
		route_found(t, e, &s);
	else
		return SPAN(NULL, 0);
	if (!s.context.is_sampled)
		return SPAN(NULL, 0);
	export_span(t->exporter, &s);
	memcpy(t->told_id, s.context.trace_id, TRACE_ID_LEN);
	return SPAN(t->told_id, TRACE_ID_LEN);
}

void tracing_forward(struct daemon *d, const char *from, uint64_t began_us)
{
	struct tracing *t = d->tracing;
	struct trace_span s;

	if (!t || began_us < t->forward_us + TRACING_FORWARD_EVERY_US)
		return;
	t->forward_us = began_us;
	began(t, &s, "mesh.forward", NULL, loop_now_us() - began_us);
	trace_text(&s, "x0.from", from);
	export_span(t->exporter, &s);
}

/* ---- probes of a path ---- */

void tracing_probe(struct daemon *d, const struct trace_context *parent, struct trace_context *ret)
{
	struct trace_span s;

	*ret = (struct trace_context){ .is_sampled = false };
	if (!d->tracing)
		return;
	if (parent && trace_is_valid(parent)) {
		*ret = *parent;
		return;
	}
	began(d->tracing, &s, "x0.trace", NULL, 0);
	*ret = s.context;
	trace_text(&s, "x0.asked_by", "control socket");
	export_span(d->tracing->exporter, &s);
}

void tracing_hop(struct daemon *d, const struct ping *p, const struct node_event *e)
{
	struct tracing *t = d->tracing;
	uint64_t took_us = e ? e->rtt_us : loop_now_us() - p->sent_us;
	struct trace_span s;
	char id[17];

	if (!t || !trace_is_valid(&p->context))
		return;
	began(t, &s, "mesh.forward", &p->context, took_us);
	trace_text(&s, "x0.destination", p->name);
	trace_number(&s, "x0.hop", (int64_t)p->n_sent);
	if (e) {
		node_id_text(e->via, id);
		trace_text(&s, "x0.node", e->name[0] ? e->name : id);
	} else {
		trace_error(&s, "no answer");
	}
	export_span(t->exporter, &s);
}
