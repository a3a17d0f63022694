/* SPDX-License-Identifier: Apache-2.0 */
/* What an episode leaves: the file that tests/chaos judges, in the words of `x0 heal`. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "chaos/world.h"
#include "core/ledger/entry.h"

#define FORMAT 1
#define WORD_SIZE 32
#define NAME_SIZE (2 * CHAOS_NAME_SIZE + WORD_SIZE)
#define DOMAIN "spiffe://sim.test/node/"

static double seconds(const struct world *w)
{
	return (double)sim_now_us(w->sim) / US_PER_S;
}

json_t *record_time(const struct world *w)
{
	return json_real(seconds(w));
}

static double unix_of(double at_s)
{
	return (double)CHAOS_UNIX_MS_AT_0 / 1000 + at_s;
}

/* Of a node's own clock, which is wrong by parts in a million. */
static json_t *when(uint64_t local_us)
{
	int64_t unix_ms = CHAOS_UNIX_MS_AT_0 + (int64_t)(local_us / US_PER_MS);
	time_t unix_s = (time_t)(unix_ms / 1000);
	char text[WORD_SIZE], whole[2 * WORD_SIZE];
	struct tm tm;

	if (local_us == 0)
		return json_null();
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&unix_s, &tm));
	(void)snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(unix_ms % 1000));
	return json_string(whole);
}

static const char *name_of(const struct world *w, uint64_t id)
{
	size_t node = node_of_id(w, id);

	return node < w->spec->n_nodes ? w->spec->names[node] : "?";
}

static json_t *real_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* ---- incidents ---- */

static json_t *vertex_name(const struct world *w, const struct healing_vertex *v)
{
	const char *a = name_of(w, v->a), *b = name_of(w, v->b);
	char text[NAME_SIZE] = "";

	switch (v->kind) {
	case VERTEX_ROUTE:
		(void)snprintf(text, sizeof(text), "route to %s by %s", b, a);
		break;
	case VERTEX_LINK:
		(void)snprintf(text, sizeof(text), "link %s - %s", a, b);
		break;
	case VERTEX_NODE:
		(void)snprintf(text, sizeof(text), "node %s", a);
		break;
	case VERTEX_HOST:
		(void)snprintf(text, sizeof(text), "host of %s", a);
		break;
	case VERTEX_BEHIND:
		(void)snprintf(text, sizeof(text), "behind %s, towards %s", a, b);
		break;
	}
	return json_string(text);
}

static json_t *causes(const struct world *w, const struct healing_ranking *r)
{
	json_t *list = json_array();

	for (size_t n = 0; n < r->n; n++) {
		const struct healing_cause *c = &r->causes[n];

		(void)json_array_append_new(list, json_pack("{s:o, s:i, s:o, s:o}", "name",
							    vertex_name(w, &c->vertex), "hops",
							    (int)c->n_hops, "explained",
							    real_or_null(c->explained), "deviation",
							    real_or_null(c->vertex.deviation)));
	}
	return list;
}

static json_t *evidence(const struct world *w, const struct healing_incident *i)
{
	json_t *list = json_array();

	for (size_t n = 0; n < i->n_evidence; n++) {
		const struct healing_reading *r = &i->evidence[n];

		(void)json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:I, s:o}", "value",
							    real_or_null(r->value), "about",
							    r->about ? name_of(w, r->about) : "",
							    "source", r->source, "samples",
							    (json_int_t)r->n_samples, "measured",
							    when(r->at_us)));
	}
	return list;
}

/* Everything but its history and number, which stay. */
static void fill(const struct world *w, size_t node, const struct healing_incident *i, json_t *j)
{
	const char *subject = i->subject ? name_of(w, i->subject) : w->spec->names[node];

	json_object_set_new(j, "node", json_string(w->spec->names[node]));
	json_object_set_new(j, "kind", json_string(healing_kind_name(i->kind)));
	json_object_set_new(j, "severity", json_string(healing_severity_name(i->severity)));
	json_object_set_new(j, "subject", json_string(subject));
	json_object_set_new(j, "about", i->about ? json_string(name_of(w, i->about)) : json_null());
	json_object_set_new(j, "state", json_string(healing_state_name(i->state)));
	json_object_set_new(j, "began", when(i->began_us));
	json_object_set_new(j, "opened", when(i->opened_us));
	json_object_set_new(j, "healed", when(i->healed_us));
	json_object_set_new(j, "closed", when(i->closed_us));
	json_object_set_new(j, "remedy", json_string(remedy_name(i->remedy)));
	json_object_set_new(j, "is_confirmed", json_boolean(i->is_confirmed));
	json_object_set_new(j, "why", json_string(i->why));
	json_object_set_new(j, "causes", causes(w, &i->causes));
	json_object_set_new(j, "evidence", evidence(w, i));
}

static struct seen *seen_of(struct world *w, size_t node, uint64_t id)
{
	struct agent *a = &w->agents[node];
	size_t n = a->n_seen < HEALING_INCIDENTS_MAX ? a->n_seen : HEALING_INCIDENTS_MAX;
	struct seen *s = a->seen;
	char text[17];

	for (; s < a->seen + n; s++)
		if (s->id == id)
			return s;
	s = &a->seen[a->n_seen++ % HEALING_INCIDENTS_MAX];
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
	*s = (struct seen){ .id = id, .state = HEALING_N_STATES };
	s->json = json_pack("{s:s, s:[]}", "id", text, "history");
	(void)json_array_append_new(w->incidents, s->json);
	return s;
}

void record_incidents(struct world *w, size_t node)
{
	const struct healing *h = manager_healing(w->agents[node].manager);
	const struct healing_incident *i;
	uint64_t cursor = 0;

	while ((i = healing_next(h, &cursor))) {
		struct seen *s = seen_of(w, node, i->id);

		if (s->state == i->state && s->explained_us == i->explained_us)
			continue;
		if (s->state != i->state)
			(void)json_array_append_new(
				json_object_get(s->json, "history"),
				json_pack("[f, s, s]", seconds(w) - (double)w->begin_us / US_PER_S,
					  healing_state_name(i->state), remedy_name(i->remedy)));
		s->state = i->state;
		s->explained_us = i->explained_us;
		fill(w, node, i, s->json);
	}
}

/* An intent or a result, as the entry that the daemon would have made of it. */
void record_order(struct world *w, size_t node, const struct healing_order *o)
{
	const struct healing_incident *i = o->incident;
	char who[NAME_SIZE], what[2 * WORD_SIZE];
	uint8_t bytes[LEDGER_ENTRY_MAX];
	struct ledger_entry e = {
		.kind = o->is_result ? LEDGER_RESULT : LEDGER_INTENT,
		.unix_ms = (uint64_t)CHAOS_UNIX_MS_AT_0 + sim_node_us(w->sim, node) / US_PER_MS,
		.incident = i->id,
		.action = i->action,
		.who = who,
		.what = what,
		.where = i->subject ? name_of(w, i->subject) : w->spec->names[node],
		.why = healing_kind_name(i->kind),
		.result = o->result,
	};
	json_t *entry;
	size_t len;

	if (o->type != HEALING_RECORD)
		return;
	(void)snprintf(who, sizeof(who), DOMAIN "%s", w->spec->names[node]);
	(void)snprintf(what, sizeof(what), "%s%s", remedy_name(i->remedy),
		       o->is_return ? " taken back" : "");
	if (ledger_entry_encode(&e, bytes, sizeof(bytes), &len) < 0)
		return; /* and the audit misses it */
	entry = json_loadb((const char *)bytes, len, 0, NULL);
	(void)json_array_append_new(w->agents[node].ledger, json_pack("{s:o}", "entry", entry));
}

/* ---- samples ---- */

static json_t *peers(const struct world *w, size_t node)
{
	struct node_peer_view v;
	json_t *j = json_object();
	size_t cursor = 0;

	while (node_next_peer(sim_node(w->sim, node), &cursor, sim_node_us(w->sim, node), &v))
		if (v.is_neighbour)
			json_object_set_new(j, name_of(w, v.node_id),
					    json_pack("[s, I, I]", link_state_name(v.state),
						      (json_int_t)v.quality.rtt_us,
						      (json_int_t)v.quality.loss_ppm));
	return j;
}

static json_t *said(const struct world *w, size_t node)
{
	const struct healing *h = manager_healing(w->agents[node].manager);
	struct healing_counters c;
	struct node_counters n;

	healing_counters(h, &c);
	node_counters(sim_node(w->sim, node), &n);
	return json_pack("{s:s, s:I, s:{s:I, s:I}, s:o, s:[n, n, n]}", "mode",
			 healing_mode_name(healing_mode(h, sim_node_us(w->sim, node))), "actions",
			 (json_int_t)c.actions, "counters", "ways_doubted",
			 (json_int_t)n.watch.doubts, "neighbours_doubted",
			 (json_int_t)n.watch.neighbour_doubts, "peers", peers(w, node), "host");
}

void record_sample(struct world *w)
{
	json_t *nodes = json_object(), *ways = json_array();

	for (size_t i = 0; i < 2 * w->spec->n_pairs; i++) { /* there, and back */
		const uint32_t *pair = w->spec->pairs[i / 2];
		size_t way[CHAOS_NODES_MAX], n = chaos_way(w, pair[i % 2], pair[!(i % 2)], way);
		json_t *names = json_array();

		for (size_t k = 0; k < n; k++)
			(void)json_array_append_new(names, json_string(w->spec->names[way[k]]));
		(void)json_array_append_new(ways, names);
	}
	for (size_t i = 0; i < w->spec->n_nodes; i++)
		json_object_set_new(nodes, w->spec->names[i],
				    w->agents[i].manager ? said(w, i) : json_null());
	(void)json_array_append_new(w->samples,
				    json_pack("{s:f, s:o, s:o}", "t",
					      seconds(w) - (double)w->begin_us / US_PER_S, "nodes",
					      nodes, "ways", ways));
}

/* ---- the file ---- */

static json_t *stream_json(const struct stream *s)
{
	return json_pack("{s:f, s:O, s:O}", "begin", (double)s->begin_us / US_PER_S, "after",
			 s->after, "took", s->took);
}

static json_t *probes(const struct world *w)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i < w->spec->n_pairs; i++)
		(void)json_array_append_new(
			pairs, json_pack("{s:o, s:o}", "small", stream_json(&w->streams[2 * i]),
					 "large", stream_json(&w->streams[2 * i + 1])));
	return json_pack("{s:o, s:[]}", "pairs", pairs, "controls");
}

static json_t *injector(const struct world *w)
{
	json_t *links = json_array(), *nodes = json_array();

	for (size_t l = 0; l < w->spec->n_links; l++)
		(void)json_array_append_new(links, json_pack("[s, s]",
							     w->spec->names[w->spec->links[l][0]],
							     w->spec->names[w->spec->links[l][1]]));
	for (size_t i = 0; i < w->spec->n_nodes; i++)
		if (w->agents[i].boots)
			(void)json_array_append_new(nodes, json_string(w->spec->names[i]));
	return json_pack("{s:O, s:O, s:O, s:o, s:o, s:f, s:f}", "fault", w->fault_log, "events",
			 w->event_log, "mandates", json_object_get(w->spec->json, "mandates"),
			 "links", links, "nodes", nodes, "begin_unix",
			 unix_of((double)w->begin_us / US_PER_S), "ended_unix",
			 unix_of(seconds(w)));
}

json_t *record_file(struct world *w)
{
	json_t *ledgers = json_object();

	for (size_t i = 0; i < w->spec->n_nodes; i++)
		if (w->agents[i].boots)
			json_object_set_new(ledgers, w->spec->names[i],
					    json_pack("{s:O, s:b}", "entries", w->agents[i].ledger,
						      "is_simulated", 1));
	return json_pack("{s:i, s:O, s:f, s:f, s:f, s:[f, f], s:o, s:O, s:O, s:o, s:o}", "format",
			 FORMAT, "spec", w->spec->json, "begin", (double)w->begin_us / US_PER_S,
			 "begin_unix", unix_of((double)w->begin_us / US_PER_S), "ended", seconds(w),
			 "load", 0.0, 0.0, "injector", injector(w), "samples", w->samples,
			 "incidents", w->incidents, "ledgers", ledgers, "probes", probes(w));
}
