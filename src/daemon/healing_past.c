/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents that are asked for: those in memory as they stand, the others as the database has them.
 * Both have the same members; what was not kept of an old one is null. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/healing.h"

#define LIST_DEFAULT 100

static json_t *real_json(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *date_json(int64_t unix_ms)
{
	char when[32];

	if (unix_ms <= 0)
		return json_null();
	topology_time(unix_ms, when);
	return json_string(when);
}

static json_t *id_json(uint64_t id)
{
	char text[17];

	node_id_text(id, text);
	return json_string(text);
}

/* ---- one of before ---- */

static json_t *causes_json(const struct knowledge_incident *i)
{
	json_t *list = json_array();

	for (size_t n = 0; n < i->n_causes; n++) {
		const struct knowledge_cause *c = &i->causes[n];

		(void)json_array_append_new(list,
					    json_pack("{s:s, s:s, s:f}", "kind", c->kind, "name",
						      c->subject, "confidence", c->confidence));
	}
	return list;
}

static json_t *evidence_json(const struct knowledge_incident *i)
{
	json_t *list = json_array();

	for (size_t n = 0; n < i->n_evidence; n++) {
		const struct knowledge_evidence *e = &i->evidence[n];
		enum healing_kind kind = HEALING_N_KINDS;
		json_t *j;

		(void)healing_kind_parse(e->signal, &kind); /* of another version: "unknown" */
		j = json_pack("{s:o, s:s, s:o, s:n, s:s, s:o, s:n}", "value", real_json(e->value),
			      "unit", healing_kind_unit(kind), "opens_at",
			      kind < HEALING_N_KINDS ? json_real(healing_opens_at(kind))
						     : json_null(),
			      "samples", "source", e->source, "measured", date_json(e->unix_ms),
			      "age_ms");
		(void)json_array_append_new(list, j);
	}
	return list;
}

static const char *effect_of(const char *remedy)
{
	unsigned r = 0;

	while (r < MANDATE_N_REMEDIES && strcmp(remedy_name((enum mandate_remedy)r), remedy) != 0)
		r++;
	return remedy_effect((enum mandate_remedy)r);
}

static json_t *past_json(const struct knowledge_incident *i, bool is_whole)
{
	const struct knowledge_action *a = i->n_actions ? &i->actions[i->n_actions - 1] : NULL;
	const char *about = i->n_evidence ? i->evidence[0].subject : "";
	bool is_confirmed = a && a->outcome == KNOWLEDGE_CONFIRMED;
	json_t *j = json_pack(
		"{s:o, s:s, s:s, s:n, s:o, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:n, s:n, s:s, s:s,"
		" s:o, s:b, s:s, s:o}",
		"id", id_json(i->id), "kind", i->kind, "subject", i->subject, "subject_id", "about",
		about[0] ? json_string(about) : json_null(), "severity",
		healing_severity_name((enum healing_severity)i->severity), "state", i->state,
		"is_open", i->closed_ms == 0, "began",
		date_json(i->n_evidence ? i->evidence[0].unix_ms : 0), "opened",
		date_json(i->opened_ms), "healed", date_json(is_confirmed ? a->ended_ms : 0),
		"closed", date_json(i->closed_ms), "held_until", "times_before", "remedy",
		a ? a->action : "none", "effect", effect_of(a ? a->action : ""), "action",
		a ? id_json(a->id) : json_null(), "is_confirmed", is_confirmed, "why", i->why,
		"causes", causes_json(i));

	if (is_whole && j) {
		(void)json_object_set_new(j, "unknown", json_null());
		(void)json_object_set_new(j, "evidence", evidence_json(i));
		(void)json_object_set_new(j, "steps", json_null());
		(void)json_object_set_new(j, "graph", json_null());
	}
	return j;
}

/* ---- answers ---- */

static bool is_asked_for(const struct healing_loop *l, const struct healing_ask *a,
			 const struct healing_incident *i)
{
	int64_t ago_ms = (int64_t)((loop_now_us() - i->opened_us) / US_PER_MS);

	return (!a->kind[0] || strcmp(a->kind, healing_kind_name(i->kind)) == 0) &&
	       daemon_unix_ms(l->daemon) - ago_ms >= a->since_ms;
}

/* Words are looked for in the database alone; without words those in memory are there even where
 * the disk has not got them yet. Both lists go from the newest to the oldest. */
static json_t *list_json(const struct healing_loop *l, const struct healing_ask *a)
{
	json_t *list = json_array();
	uint64_t cursor = 0;
	size_t at = 0;

	while (json_array_size(list) < a->n_max) {
		uint64_t next = cursor;
		const struct healing_incident *i = a->text[0] ? NULL : healing_next(l->core, &next);

		if (i && !is_asked_for(l, a, i)) {
			cursor = next;
		} else if (i && (at == a->n || i->id >= a->incidents[at].id)) {
			at += at < a->n && i->id == a->incidents[at].id;
			cursor = next;
			(void)json_array_append_new(list, healing_incident_json(l, i, false));
		} else if (at < a->n) {
			const struct knowledge_incident *k = &a->incidents[at++];

			i = healing_find(l->core, k->id);
			(void)json_array_append_new(list, i ? healing_incident_json(l, i, false)
							    : past_json(k, false));
		} else {
			break;
		}
	}
	return list;
}

static json_t *rates_json(const struct healing_ask *a)
{
	json_t *list = json_array();

	for (size_t n = 0; n < a->n; n++) {
		const struct knowledge_rate *r = &a->rates[n];

		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:I, s:I, s:f, s:f}", "cause", r->cause_kind,
				  "remedy", r->action, "tried", (json_int_t)r->n_tried, "worked",
				  (json_int_t)r->n_worked, "low", r->low, "high", r->high));
	}
	return list;
}

static void answer_failed(struct healing_loop *l, const struct healing_ask *a)
{
	struct daemon *d = l->daemon;
	char text[120];

	if (a->result == -ENOENT) {
		(void)answer_error(d, a->request, "not_found",
				   "there is no such incident (any more)");
		return;
	}
	if (a->result == -ETIMEDOUT)
		(void)snprintf(text, sizeof(text), "the search takes too long: give longer words");
	else
		(void)snprintf(text, sizeof(text), "the database of incidents: %s",
			       strerror(-a->result));
	log_warning(d->log, "knowledge_not_read", log_str("why", text));
	(void)answer_error(d, a->request, "failed", text);
}

void healing_answer(struct healing_loop *l, const struct healing_ask *a)
{
	struct daemon *d = l->daemon;

	if (a->result < 0) {
		answer_failed(l, a);
		return;
	}
	switch (a->what) {
	case HEALING_ASK_FIND:
		(void)answer_result(d, a->request, list_json(l, a));
		break;
	case HEALING_ASK_GET:
		(void)answer_result(d, a->request, past_json(a->incidents, true));
		break;
	case HEALING_ASK_RATES:
		(void)answer_result(d, a->request, rates_json(a));
		break;
	}
}

/* ---- questions ---- */

static void ask_failed(struct daemon *d, uint64_t request, int r)
{
	(void)answer_error(d, request, r == -EAGAIN || r == -ENOBUFS ? "busy" : "failed",
			   r == -EAGAIN	   ? "the database of incidents is being opened: ask again"
			   : r == -ENOBUFS ? "too many searches at once: ask again"
			   : r == -ENOMEM
				   ? "out of memory"
				   : "the database of incidents is off, so that only those of this "
				     "run are known, by kind and time: see x0 doctor");
}

static void copy(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text ? text : "");
}

void healing_incidents(struct daemon *d, uint64_t request, const json_t *args)
{
	const json_t *since = json_object_get(args, "since_s"), *limit;
	const char *kind_name = json_string_value(json_object_get(args, "kind"));
	const char *text = json_string_value(json_object_get(args, "text"));
	struct healing_ask a = { .what = HEALING_ASK_FIND, .request = request };
	enum healing_kind kind;
	int r;

	if (healing_is_off(d, request))
		return;
	limit = json_object_get(args, "limit");
	if ((kind_name && healing_kind_parse(kind_name, &kind) < 0) ||
	    (limit &&
	     (json_integer_value(limit) < 1 || json_integer_value(limit) > HEALING_LIST_MAX)) ||
	    (since && json_integer_value(since) < 0) ||
	    (text && (text[0] == '\0' || strlen(text) >= sizeof(a.text)))) {
		(void)answer_error(
			d, request, "usage",
			"kinds: delivery, link_loss, link_down, cpu, memory, disk, service, "
			"ledger_split, unusual; "
			"limit: 1 to 200; text: 1 to 64 characters");
		return;
	}
	copy(a.kind, sizeof(a.kind), kind_name);
	copy(a.text, sizeof(a.text), text);
	a.n_max = limit ? (size_t)json_integer_value(limit) : LIST_DEFAULT;
	if (since && json_integer_value(since) < daemon_unix_ms(d) / 1000)
		a.since_ms = daemon_unix_ms(d) - json_integer_value(since) * 1000;
	r = healing_past_ask(d->healing, &a);
	if ((r == -ENODEV || r == -EAGAIN) && !text)
		(void)answer_result(d, request, list_json(d->healing, &a));
	else if (r < 0)
		ask_failed(d, request, r);
}

int healing_parse_id(const char *text, uint64_t *ret)
{
	char *end;

	if (!text || strlen(text) == 0 || strlen(text) > 16 ||
	    strspn(text, "0123456789abcdef") != strlen(text))
		return -EINVAL;
	*ret = strtoull(text, &end, 16);
	return 0;
}

void healing_incident(struct daemon *d, uint64_t request, const json_t *args)
{
	struct healing_ask a = { .what = HEALING_ASK_GET, .request = request };
	const struct healing_incident *i;
	int r;

	if (healing_is_off(d, request))
		return;
	if (healing_parse_id(json_string_value(json_object_get(args, "incident")), &a.id) < 0) {
		(void)answer_error(d, request, "usage",
				   "an incident's id is up to 16 hexadecimal digits");
		return;
	}
	i = healing_find(d->healing->core, a.id);
	if (i) {
		(void)answer_result(d, request, healing_incident_json(d->healing, i, true));
		return;
	}
	r = healing_past_ask(d->healing, &a);
	if (r < 0)
		ask_failed(d, request, r);
}

void healing_rates(struct daemon *d, uint64_t request)
{
	struct healing_ask a = { .what = HEALING_ASK_RATES, .request = request };
	int r;

	if (healing_is_off(d, request))
		return;
	r = healing_past_ask(d->healing, &a);
	if (r < 0)
		ask_failed(d, request, r);
}
