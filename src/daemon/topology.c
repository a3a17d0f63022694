/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh as this node knows it while somebody looks, as JSON (docs/survey.md): nodes by their
 * routes and answers, links by what both ends say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/api.h"

#define NODES_MAX 2048 /* that are shown: those asked, those that routes or links name */
#define LINK_SIDES_MAX ((SURVEY_NODES_MAX + 1) * SURVEY_LINKS_MAX)

/* What one end says of a link. */
struct side {
	uint64_t a, b; /* a < b */
	bool is_b;     /* it is b that says so */
	const struct survey_link *link;
};

struct picture {
	const struct daemon *d;
	uint64_t now_us;
	size_t n_views;
	struct survey_view views[SURVEY_NODES_MAX + 1]; /* in order of their ids */
	size_t n_ids;
	uint64_t ids[NODES_MAX];
	size_t n_sides;
	struct side sides[LINK_SIDES_MAX];
	uint64_t ends[LINK_SIDES_MAX]; /* that they name, while gathering */
	bool has_all;
	unsigned n_awaited, n_silent, n_refusing;
};

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *id_json(uint64_t id)
{
	char text[17];

	node_id_text(id, text);
	return json_string(text);
}

/* ---- gathered ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_id(const void *a, const void *b)
{
	return compare_u64(*(const uint64_t *)a, *(const uint64_t *)b);
}

static int views_by_id(const void *a, const void *b)
{
	return compare_u64(((const struct survey_view *)a)->id,
			   ((const struct survey_view *)b)->id);
}

static int by_ends(const void *a, const void *b)
{
	const struct side *x = a, *y = b;
	int r = compare_u64(x->a, y->a);

	if (r == 0)
		r = compare_u64(x->b, y->b);
	return r ? r : x->is_b - y->is_b;
}

static void add_id(struct picture *p, uint64_t id)
{
	if (p->n_ids < NODES_MAX)
		p->ids[p->n_ids++] = id;
	else
		p->has_all = false;
}

static void add_view(struct picture *p, const struct survey_view *v)
{
	p->views[p->n_views++] = *v;
	add_id(p, v->id);
	p->has_all &= v->n_links == v->n_all || v->state != SURVEY_ANSWERS;
	for (size_t i = 0; i < v->n_links; i++) {
		const struct survey_link *l = &v->links[i];

		if (l->id == v->id)
			continue;
		p->sides[p->n_sides++] = (struct side){
			.a = min_u64(v->id, l->id),
			.b = max_u64(v->id, l->id),
			.is_b = v->id > l->id,
			.link = l,
		};
	}
}

static const struct survey_view *view_of(const struct picture *p, uint64_t id)
{
	const struct survey_view key = { .id = id };

	return bsearch(&key, p->views, p->n_views, sizeof(p->views[0]), views_by_id);
}

static size_t sort_ids(uint64_t *ids, size_t n)
{
	size_t kept = 0;

	qsort(ids, n, sizeof(ids[0]), by_id);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || ids[i] != ids[i - 1])
			ids[kept++] = ids[i];
	return kept;
}

/* Those that nothing but a link names come last, and each once: a node can name what it likes, and
 * that is not to leave out others. */
static void add_ends(struct picture *p)
{
	size_t n_known = p->n_ids = sort_ids(p->ids, p->n_ids);
	size_t n;

	for (size_t i = 0; i < p->n_sides; i++)
		p->ends[i] = p->sides[i].link->id;
	n = sort_ids(p->ends, p->n_sides);
	for (size_t i = 0; i < n; i++)
		if (!bsearch(&p->ends[i], p->ids, n_known, sizeof(p->ids[0]), by_id))
			add_id(p, p->ends[i]);
	p->n_ids = sort_ids(p->ids, p->n_ids);
}

static void gather(struct picture *p)
{
	const struct survey *s = node_survey(p->d->node);
	struct survey_view v;
	struct route route;
	size_t cursor = 0;

	p->has_all = survey_has_all(s);
	survey_own(s, p->now_us, &v);
	add_view(p, &v);
	while (survey_next(s, &cursor, p->now_us, &v))
		add_view(p, &v);
	qsort(p->views, p->n_views, sizeof(p->views[0]), views_by_id);
	for (cursor = 0; routes_next(node_routes(p->d->node), &cursor, &route);)
		if (!view_of(p, route.destination))
			add_id(p, route.destination);
	add_ends(p);
	qsort(p->sides, p->n_sides, sizeof(p->sides[0]), by_ends);
}

/* ---- nodes ---- */

static const char *state_of(struct picture *p, uint64_t id, const struct survey_view *v,
			    bool is_reachable)
{
	if (id == p->d->member->node_id)
		return "self";
	if (v && v->state == SURVEY_ANSWERS)
		return "answers";
	if (v && v->state == SURVEY_REFUSES) {
		p->n_refusing++;
		return "answers";
	}
	if (!is_reachable)
		return "unreachable";
	if (v && v->state == SURVEY_AWAITED)
		p->n_awaited++;
	else
		p->n_silent++;
	return "silent";
}

static void set_told(json_t *j, const struct survey_view *v, uint64_t now_us)
{
	bool has_told = v && v->told_us != 0;
	bool is_told = has_told && v->status == SURVEY_TOLD;

	set(j, "age_ms",
	    has_told ? json_integer((json_int_t)((now_us - v->told_us) / US_PER_MS)) : json_null());
	set(j, "version", is_told && v->version[0] ? json_string(v->version) : json_null());
	set(j, "uptime_s", is_told ? json_integer((json_int_t)v->uptime_s) : json_null());
	set(j, "n_links",
	    has_told && v->state == SURVEY_ANSWERS ? json_integer((json_int_t)v->n_all)
						   : json_null());
}

static json_t *node_json(struct picture *p, uint64_t id)
{
	const struct survey_view *v = view_of(p, id);
	bool is_self = id == p->d->member->node_id;
	char name[NODE_NAME_MAX + 1];
	struct route route = { 0 };
	uint8_t address[16];
	json_t *j = json_object();
	bool is_reachable;

	is_reachable = !is_self && routes_lookup(node_routes(p->d->node), id, &route) &&
		       route.next_hop != 0;
	memcpy(address, node_overlay_address(p->d->node), sizeof(address));
	for (unsigned i = 0; i < 8; i++)
		address[8 + i] = (uint8_t)(id >> (56 - 8 * i));
	set(j, "id", id_json(id));
	set(j, "name", node_name_of(p->d->node, id, name) ? json_string(name) : id_json(id));
	set(j, "address", address_json(address));
	set(j, "is_self", json_boolean(is_self));
	set(j, "state", json_string(state_of(p, id, v, is_reachable)));
	set(j, "is_denied", json_boolean(v && v->state == SURVEY_REFUSES));
	set(j, "hops",
	    is_self	   ? json_integer(0)
	    : is_reachable ? json_integer((json_int_t)route.hops)
			   : json_null());
	set(j, "metric",
	    is_self	   ? json_integer(0)
	    : is_reachable ? json_integer((json_int_t)route.metric)
			   : json_null());
	set(j, "next_hop", is_reachable ? id_json(route.next_hop) : json_null());
	set_told(j, v, p->now_us);
	return j;
}

/* ---- links ---- */

/* A node may tell any number; JSON's has a sign. */
static json_t *count_json(uint64_t v)
{
	return json_integer((json_int_t)min_u64(v, INT64_MAX));
}

static json_t *side_json(const struct survey_link *l)
{
	json_t *j = json_object();

	set(j, "state", json_string(link_state_name((enum link_state)l->state)));
	set(j, "class", json_string(link_class_name((enum link_class)l->class)));
	set(j, "rtt_ms", json_real((double)l->rtt_us / 1000));
	set(j, "jitter_ms", json_real((double)l->jitter_us / 1000));
	set(j, "loss", json_real((double)l->loss_ppm / 1e6));
	set(j, "sent_bytes", count_json(l->sent_bytes));
	set(j, "received_bytes", count_json(l->received_bytes));
	set(j, "sent_bps", count_json(l->sent_bps));
	set(j, "received_bps", count_json(l->received_bps));
	set(j, "underlay", json_string(l->is_ipv4 ? "ipv4" : "ipv6"));
	return j;
}

static json_t *links_json(const struct picture *p)
{
	json_t *list = json_array();
	json_t *j = NULL;

	for (size_t i = 0; i < p->n_sides; i++) {
		const struct side *s = &p->sides[i];
		bool is_new = i == 0 || s[-1].a != s->a || s[-1].b != s->b;

		if (is_new) {
			j = json_object();
			set(j, "a", id_json(s->a));
			set(j, "b", id_json(s->b));
			set(j, "ab", json_null());
			set(j, "ba", json_null());
			(void)json_array_append_new(list, j);
		}
		set(j, s->is_b ? "ba" : "ab", side_json(s->link));
	}
	return list;
}

/* ---- the whole ---- */

static void say_why(const struct picture *p, char *ret, size_t size)
{
	struct reach_view reach;

	reach_view(node_reach(p->d->node), &reach);
	if (p->n_awaited > 0)
		(void)snprintf(ret, size, "%u node%s just been asked", p->n_awaited,
			       p->n_awaited == 1 ? " has" : "s have");
	else if (p->n_silent > 0)
		(void)snprintf(ret, size, "%u node%s not answer", p->n_silent,
			       p->n_silent == 1 ? " does" : "s do");
	else if (p->n_refusing > 0)
		(void)snprintf(ret, size,
			       "%u nodes do not tell: their policy denies it (action survey), or "
			       "they tell as many as they can",
			       p->n_refusing);
	else if (!p->has_all)
		(void)snprintf(ret, size,
			       "there is more than is asked for: %u nodes, %u links of each",
			       SURVEY_NODES_MAX, SURVEY_LINKS_MAX);
	else if (reach.is_zoned)
		(void)snprintf(ret, size, "nodes beyond the zone are not asked");
	else
		ret[0] = '\0';
}

void topology_time(int64_t unix_ms, char ret[32])
{
	time_t s = (time_t)(unix_ms / 1000);
	char date[24] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm))
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(ret, 32, "%s.%03dZ", date, (int)(unix_ms % 1000));
}

static json_t *picture_json(struct picture *p)
{
	json_t *nodes = json_array();
	json_t *j = json_object();
	char when[32], why[160];

	for (size_t i = 0; i < p->n_ids; i++)
		(void)json_array_append_new(nodes, node_json(p, p->ids[i]));
	say_why(p, why, sizeof(why));
	topology_time(daemon_unix_ms(p->d), when);
	set(j, "self", id_json(p->d->member->node_id));
	set(j, "time", json_string(when));
	set(j, "is_complete", json_boolean(why[0] == '\0'));
	set(j, "why", json_string(why));
	set(j, "nodes", nodes);
	set(j, "links", links_json(p));
	return j;
}

void topology_look(struct daemon *d)
{
	(void)node_survey_look(d->node, loop_now_us());
	daemon_drain(d);
}

void topology_answer(struct daemon *d, uint64_t request)
{
	CLEANUP_FREE struct picture *p = calloc(1, sizeof(*p));
	uint64_t now_us = loop_now_us();

	if (!p || node_survey_look(d->node, now_us) < 0) {
		(void)answer_error(d, request, "out_of_memory", "out of memory");
		return;
	}
	daemon_drain(d);
	p->d = d;
	p->now_us = now_us;
	gather(p);
	(void)answer_result(d, request, picture_json(p));
}
