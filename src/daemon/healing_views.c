/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents, mandates and plans as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/healing.h"
#include "shell/host/services.h"

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *real_json(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *id_json(uint64_t id)
{
	char text[17];

	node_id_text(id, text);
	return json_string(text);
}

/* Monotonic time as a date; null for never. */
static json_t *time_json(const struct daemon *d, uint64_t at_us)
{
	uint64_t now_us = loop_now_us();
	char when[32];

	if (at_us == 0)
		return json_null();
	topology_time(daemon_unix_ms(d) + ((int64_t)at_us - (int64_t)now_us) / (int64_t)US_PER_MS,
		      when);
	return json_string(when);
}

void healing_name(const struct daemon *d, uint64_t id, char ret[NODE_NAME_MAX + 1])
{
	struct host_service service;
	char text[17];

	if (d->healing && healing_service(d->healing, id, &service)) {
		(void)snprintf(ret, NODE_NAME_MAX + 1, "%.*s", NODE_NAME_MAX, service.url);
	} else if (id == 0 || id == d->member->node_id) {
		(void)snprintf(ret, NODE_NAME_MAX + 1, "%s", d->member->name);
	} else if (!node_name_of(d->node, id, ret)) {
		node_id_text(id, text);
		(void)snprintf(ret, NODE_NAME_MAX + 1, "%s", text);
	}
}

static json_t *name_json(const struct daemon *d, uint64_t id)
{
	char name[NODE_NAME_MAX + 1];

	healing_name(d, id, name);
	return json_string(name);
}

/* ---- causes ---- */

void healing_vertex_name(const struct daemon *d, const struct healing_vertex *v, char *ret,
			 size_t size)
{
	char a[NODE_NAME_MAX + 1], b[NODE_NAME_MAX + 1];

	healing_name(d, v->a, a);
	healing_name(d, v->b, b);
	switch (v->kind) {
	case VERTEX_ROUTE:
		(void)snprintf(ret, size, "route to %s by %s", b, a);
		break;
	case VERTEX_LINK:
		(void)snprintf(ret, size, "link %s - %s", a, b);
		break;
	case VERTEX_NODE:
		(void)snprintf(ret, size, "node %s", a);
		break;
	case VERTEX_HOST:
		(void)snprintf(ret, size, "host of %s", a);
		break;
	case VERTEX_BEHIND:
		(void)snprintf(ret, size, "behind %s, towards %s", a, b);
		break;
	}
}

static json_t *vertex_name(const struct daemon *d, const struct healing_vertex *v)
{
	char text[2 * NODE_NAME_MAX + 32] = "";

	healing_vertex_name(d, v, text, sizeof(text));
	return json_string(text);
}

static json_t *vertex_json(const struct healing_loop *l, const struct healing_vertex *v)
{
	json_t *j = json_object();

	set(j, "kind", json_string(healing_vertex_kind_name(v->kind)));
	set(j, "name", vertex_name(l->daemon, v));
	set(j, "node", id_json(v->a));
	set(j, "deviation", real_json(v->deviation));
	set(j, "source", v->source ? json_string(v->source) : json_null());
	set(j, "measured", time_json(l->daemon, v->at_us));
	return j;
}

static json_t *causes_json(const struct healing_loop *l, const struct healing_ranking *r)
{
	json_t *list = json_array();

	for (size_t n = 0; n < r->n; n++) {
		const struct healing_cause *c = &r->causes[n];
		json_t *j = vertex_json(l, &c->vertex);

		set(j, "hops", json_integer(c->n_hops));
		set(j, "explained", real_json(c->explained));
		set(j, "confidence", real_json(c->confidence));
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *graph_json(const struct healing_loop *l, const struct healing_graph *g)
{
	json_t *vertices = json_array(), *edges = json_array();

	for (size_t n = 0; n < g->n_vertices; n++)
		(void)json_array_append_new(vertices, vertex_json(l, &g->vertices[n]));
	for (size_t n = 0; n < g->n_edges; n++)
		(void)json_array_append_new(edges, json_pack("{s:i, s:i, s:f}", "from",
							     g->edges[n].from, "to", g->edges[n].to,
							     "weight", g->edges[n].weight));
	return json_pack("{s:o, s:o}", "vertices", vertices, "edges", edges);
}

/* ---- incidents ---- */

static json_t *evidence_json(const struct healing_loop *l, const struct healing_incident *i)
{
	uint64_t now_us = loop_now_us();
	json_t *list = json_array();

	for (size_t n = 0; n < i->n_evidence; n++) {
		const struct healing_reading *r = &i->evidence[n];
		json_t *j = json_object();

		set(j, "value", real_json(r->value));
		set(j, "unit", json_string(healing_kind_unit(r->kind)));
		set(j, "opens_at", real_json(healing_opens_at(r->kind)));
		set(j, "samples", json_integer(r->n_samples));
		set(j, "surprise_bits", real_json(r->surprise));
		set(j, "source", json_string(r->source));
		set(j, "measured", time_json(l->daemon, r->at_us));
		set(j, "age_ms", json_integer((json_int_t)((now_us - r->at_us) / US_PER_MS)));
		(void)json_array_append_new(list, j);
	}
	return list;
}

static json_t *steps_json(const struct healing_loop *l, const struct healing_incident *i)
{
	json_t *list = json_array();

	for (size_t n = 0; n < i->n_steps; n++)
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:o}", "state",
						      healing_state_name(i->steps[n].state), "at",
						      time_json(l->daemon, i->steps[n].at_us)));
	return list;
}

json_t *healing_incident_json(const struct healing_loop *l, const struct healing_incident *i,
			      bool is_whole)
{
	const struct daemon *d = l->daemon;
	json_t *j = json_object();

	set(j, "id", id_json(i->id));
	set(j, "kind", json_string(healing_kind_name(i->kind)));
	set(j, "subject", name_json(d, i->subject));
	set(j, "subject_id", id_json(i->subject ? i->subject : d->member->node_id));
	set(j, "about", i->about ? name_json(d, i->about) : json_null());
	set(j, "severity", json_string(healing_severity_name(i->severity)));
	set(j, "state", json_string(healing_state_name(i->state)));
	set(j, "is_open", json_boolean(i->state != HEALING_CLOSED && i->state != HEALING_HEALED));
	set(j, "began", time_json(d, i->began_us));
	set(j, "opened", time_json(d, i->opened_us));
	set(j, "healed", time_json(d, i->healed_us));
	set(j, "closed", time_json(d, i->closed_us));
	set(j, "held_until", time_json(d, i->state == HEALING_HEALED ? i->held_until_us : 0));
	set(j, "times_before", json_integer(i->n_before));
	set(j, "remedy", json_string(remedy_name(i->remedy)));
	set(j, "effect", json_string(remedy_effect(i->remedy)));
	set(j, "action", i->action ? id_json(i->action) : json_null());
	set(j, "is_confirmed", json_boolean(i->is_confirmed));
	set(j, "why", json_string(i->why));
	set(j, "causes", causes_json(l, &i->causes));
	if (!is_whole)
		return j;
	set(j, "unknown", json_integer(i->causes.n_unknown));
	set(j, "evidence", evidence_json(l, i));
	set(j, "steps", steps_json(l, i));
	set(j, "graph", graph_json(l, healing_graph_of(l->core, i->id)));
	return j;
}

bool healing_is_off(struct daemon *d, uint64_t request)
{
	if (d->healing)
		return false;
	(void)answer_error(d, request, "failed", "healing is off: see x0 doctor");
	return true;
}

/* ---- mandates ---- */

void healing_mandates(struct daemon *d, uint64_t request)
{
	const struct healing_loop *l = d->healing;
	json_t *list, *j;
	char why[DAEMON_WHY_SIZE] = "";

	if (healing_is_off(d, request))
		return;
	list = json_array();
	for (unsigned r = 0; r < MANDATE_N_REMEDIES; r++) {
		const struct mandate *m = &l->mandates.of[r];

		j = json_object();
		set(j, "remedy", json_string(remedy_name((enum mandate_remedy)r)));
		set(j, "effect", json_string(remedy_effect((enum mandate_remedy)r)));
		set(j, "is_allowed", json_boolean(m->is_allowed));
		set(j, "rate_per_hour", json_integer(m->rate_per_hour));
		set(j, "from_hour", json_integer(m->from_hour));
		set(j, "to_hour", json_integer(m->to_hour));
		(void)json_array_append_new(list, j);
	}
	for (size_t i = 0; i < d->n_features; i++)
		if (strcmp(d->features[i].name, "healing.act") == 0 && !d->features[i].is_on)
			(void)snprintf(why, sizeof(why), "%s", d->features[i].why);
	(void)answer_result(d, request,
			    json_pack("{s:s, s:b, s:s, s:b, s:s, s:o}", "file", l->mandates_path,
				      "is_default", l->mandates.is_default, "refused",
				      l->mandates_why, "can_act", why[0] == '\0', "why_not", why,
				      "mandates", list));
}

/* ---- a dry run ---- */

static bool find_subject(const struct daemon *d, const char *name, uint64_t *ret)
{
	struct node_peer_view v;
	size_t cursor = 0;

	*ret = 0;
	if (strcmp(name, d->member->name) == 0)
		return true;
	while (node_next_peer(d->node, &cursor, loop_now_us(), &v)) {
		if (strcmp(v.name, name) != 0 || !v.is_neighbour)
			continue;
		*ret = v.node_id;
		return true;
	}
	return false;
}

/* What the incident would begin with: the latest that was measured, of the way in use. */
static void suppose(struct daemon *d, enum healing_kind kind, uint64_t subject,
		    struct healing_incident *ret)
{
	struct watch_way w;
	size_t cursor = 0;

	*ret = (struct healing_incident){
		.kind = kind,
		.subject = subject,
		.began_us = loop_now_us(),
		.remedy = MANDATE_N_REMEDIES,
		.n_evidence = 1,
	};
	ret->evidence[0] = (struct healing_reading){
		.kind = kind,
		.subject = subject,
		.value = healing_opens_at(kind),
		.at_us = ret->began_us,
		.source = "supposed",
		.surprise = NAN,
	};
	while (kind == HEALING_DELIVERY && node_next_watched(d->node, &cursor, &w))
		if (w.neighbour == subject && (w.is_current || !ret->about))
			ret->about = w.destination;
}

void healing_simulate_verb(struct daemon *d, uint64_t request, const json_t *args)
{
	const char *kind_name = json_string_value(json_object_get(args, "kind"));
	const char *subject_name = json_string_value(json_object_get(args, "subject"));
	char why[HEALING_WHY_SIZE];
	struct healing_incident i;
	struct healing_facts facts;
	struct healing_ranking ranking;
	enum healing_kind kind;
	enum mandate_remedy remedy;
	uint64_t subject;

	if (healing_is_off(d, request))
		return;
	if (!kind_name || healing_kind_parse(kind_name, &kind) < 0) {
		(void)answer_error(d, request, "usage",
				   "kinds: delivery, link_loss, link_down, cpu, memory, disk");
		return;
	}
	if (!subject_name || !find_subject(d, subject_name, &subject)) {
		(void)answer_error(d, request, "not_found",
				   "the subject is this node or a neighbour: see x0 peers");
		return;
	}
	suppose(d, kind, subject, &i);
	manager_facts(d->healing->manager, &i, loop_now_us(), &facts);
	healing_rank(&facts.graph, &ranking);
	remedy = healing_simulate(d->healing->core, kind, subject, &facts, loop_now_us(), why);
	(void)answer_result(d, request,
			    json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:o}", "kind",
				      healing_kind_name(kind), "subject", name_json(d, subject),
				      "about", i.about ? name_json(d, i.about) : json_null(),
				      "remedy", remedy_name(remedy), "effect",
				      remedy_effect(remedy), "why", why, "causes",
				      causes_json(d->healing, &ranking), "graph",
				      graph_json(d->healing, &facts.graph)));
}

/* ---- what is counted ---- */

json_t *healing_status(const struct daemon *d)
{
	const struct healing_loop *l = d->healing;
	struct healing_counters c;
	json_t *j;

	if (!l)
		return json_null();
	healing_counters(l->core, &c);
	j = json_pack("{s:s, s:s}", "mode", healing_mode_name(healing_mode(l->core, loop_now_us())),
		      "detectors", healing_detectors_mode(l));
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "cycles", l->n_cycles },
		{ "cycles_us", l->cycles_us },
		{ "readings", c.readings },
		{ "missing", c.missing },
		{ "refused", c.refused },
		{ "opened", c.opened },
		{ "left_out", c.left_out },
		{ "healed", c.healed },
		{ "avoided", c.healed_by[REMEDY_AVOID].n },
		{ "avoided_us", c.healed_by[REMEDY_AVOID].sum_us },
		{ "rehandshaken", c.healed_by[REMEDY_REHANDSHAKE].n },
		{ "rehandshaken_us", c.healed_by[REMEDY_REHANDSHAKE].sum_us },
		{ "freed_space", c.healed_by[REMEDY_FREE_SPACE].n },
		{ "freed_space_us", c.healed_by[REMEDY_FREE_SPACE].sum_us },
		{ "unconfirmed", c.unconfirmed },
		{ "escalated", c.escalated },
		{ "intents", c.intents },
		{ "results", c.results },
		{ "actions", c.actions },
		{ "undone", c.undone },
		{ "denied", c.denied },
		{ "late_answers", c.late_answers },
		{ "hints", c.hints },
		{ "hints_confirmed", c.hints_confirmed },
	};

	for (size_t n = 0; n < N_ELEMENTS(rows); n++)
		set(j, rows[n].name, json_integer((json_int_t)rows[n].value));
	return j;
}
