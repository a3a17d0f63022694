/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for routes: sent on once, within rates, towards where the tree or a route leads; only
 * the destination answers, with a new seqno in core/route. */
#include <errno.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/link/stream.h"
#include "core/reach/internal.h"

static void send(struct reach *r, uint64_t to, const struct reach_request *q)
{
	uint8_t bytes[REACH_REQUEST_LEN];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct reach_request copy = *q;

	if (copy.first == 0)
		copy.first = to;
	reach_request_encode(&w, &copy);
	reach_send(r, to, RECORD_ROUTE_REQUEST, &w);
}

/* ---- towards whom ---- */

static unsigned send_to_all(struct reach *r, const struct reach_request *q, uint64_t except)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->n_peers; i++) {
		if (!r->peers[i].is_up || r->peers[i].id == except)
			continue;
		send(r, r->peers[i].id, q);
		n++;
	}
	return n;
}

/* Down wherever a filter matches; up as well, unless it came from there. */
static unsigned send_along_tree(struct reach *r, const struct reach_request *q, uint64_t from)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->n_peers; i++) {
		const struct peer *p = &r->peers[i];
		bool is_below = p->filter && filter_has(p->filter, q->destination);

		if (!p->is_up || p->id == from || (p->id != r->tree.parent && !is_below))
			continue;
		if (p->id == r->tree.parent && from == r->tree.parent)
			continue;
		send(r, p->id, q);
		n++;
	}
	return n;
}

static unsigned send_on(struct reach *r, const struct reach_request *q, uint64_t from)
{
	uint64_t next = routes_next_hop(r->routes, q->destination);

	if (next && next != from) {
		struct reach_request along = *q;

		along.hops_left = (uint8_t)(UINT8_MAX - q->hops_done);
		if (along.hops_left == 0)
			return 0;
		send(r, next, &along);
		return 1;
	}
	if (q->kind == REQUEST_RING)
		return send_to_all(r, q, from);
	return q->kind == REQUEST_TREE ? send_along_tree(r, q, from) : 0;
}

bool request_own(struct reach *r, struct want *w, enum request_kind kind, uint8_t hops)
{
	struct reach_request q = {
		.kind = kind,
		.hops_left = hops,
		.destination = w->id,
		.origin = r->config.self,
		.id = r->next_id++,
		.wanted = routes_wanted(r->routes, w->id),
	};
	uint64_t next = routes_next_hop(r->routes, w->id);
	struct route_wanted any = { 0 };

	if (kind == REQUEST_CONFIRM) {
		if (!next)
			return false;
		/* It is told of us anew: nothing that was advertised before stands against it. */
		(void)routes_asked(r->routes, next, r->config.self, &any, r->now_us);
		send(r, next, &q);
		return true;
	}
	r->counters.requests++;
	return send_on(r, &q, 0) > 0;
}

/* ---- what has been seen ---- */

static bool is_copy(struct reach *r, const struct reach_request *q)
{
	for (unsigned i = 0; i < r->n_seen; i++) {
		if (r->seen[i].id == q->id && r->seen[i].origin == q->origin)
			return true;
	}
	return false;
}

static void remember(struct reach *r, const struct reach_request *q)
{
	r->seen[r->next_seen++ % REACH_SEEN_MAX] = (struct seen){ q->origin, q->id };
	if (r->n_seen < REACH_SEEN_MAX)
		r->n_seen++;
}

static struct origin *origin_of(struct reach *r, uint64_t id)
{
	struct origin *oldest = &r->origins[0];

	for (unsigned i = 0; i < r->n_origins; i++) {
		struct origin *o = &r->origins[i];

		if (o->id == id)
			return o;
		if (o->bucket.filled_us < oldest->bucket.filled_us)
			oldest = o;
	}
	if (r->n_origins < REACH_ORIGINS_MAX)
		oldest = &r->origins[r->n_origins++];
	*oldest = (struct origin){ .id = id };
	return oldest;
}

static int make_room(struct reach *r)
{
	if (!r->seen)
		r->seen = calloc(REACH_SEEN_MAX, sizeof(*r->seen));
	if (!r->origins)
		r->origins = calloc(REACH_ORIGINS_MAX, sizeof(*r->origins));
	return r->seen && r->origins ? 0 : -ENOMEM;
}

/* ---- this node is asked for ---- */

static struct answered *answered_to(struct reach *r, const struct reach_request *q)
{
	struct answered *a;

	for (unsigned i = 0; i < r->n_answered; i++) {
		a = &r->answered[i];
		if (a->id == q->id && a->origin == q->origin)
			return a;
	}
	a = &r->answered[r->next_answered++ % REACH_ANSWERED_MAX];
	*a = (struct answered){ .origin = q->origin, .id = q->id };
	if (r->n_answered < REACH_ANSWERED_MAX)
		r->n_answered++;
	return a;
}

/* Copies that share a first or last hop with one answered are no other way. */
static bool is_other_way(const struct answered *a, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < a->n; i++) {
		if (a->first[i] == first || a->last[i] == last)
			return false;
	}
	return a->n < REACH_ANSWERS_MAX;
}

static int answer(struct reach *r, const struct peer *from, struct reach_request *q)
{
	struct answered *a;

	if (!r->answered)
		r->answered = calloc(REACH_ANSWERED_MAX, sizeof(*r->answered));
	if (!r->answered)
		return -ENOMEM;
	a = answered_to(r, q);
	if (!is_other_way(a, q->first, from->id)) {
		r->counters.copies++;
		return 0;
	}
	a->first[a->n] = q->first;
	a->last[a->n++] = from->id;
	r->counters.answered++;
	(void)routes_asked(r->routes, from->id, r->config.self, &q->wanted, r->now_us);
	return 0;
}

/* ---- others are ---- */

/* The neighbour uses this route, and the next node is to know the way back. */
static void confirmed(struct reach *r, const struct peer *from, const struct reach_request *q)
{
	uint64_t next = routes_next_hop(r->routes, q->destination);

	if (q->destination == r->config.self) {
		routes_used(r->routes, q->origin, r->now_us);
		return;
	}
	if (!next || next == from->id)
		return;
	if (make_room(r) < 0 ||
	    !bucket_take(&origin_of(r, q->origin)->bucket, REACH_ORIGIN_RATE, r->now_us)) {
		r->counters.limited++;
		return;
	}
	(void)routes_subscribe(r->routes, from->id, from->id, q->destination, r->now_us);
	(void)routes_subscribe(r->routes, next, from->id, q->origin, r->now_us);
	send(r, next, q);
	r->counters.relayed++;
}

static int relay(struct reach *r, const struct peer *from, struct reach_request *q)
{
	if (make_room(r) < 0)
		return 0;
	if (is_copy(r, q)) {
		r->counters.copies++;
		return 0;
	}
	remember(r, q);
	if (!bucket_take(&origin_of(r, q->origin)->bucket, REACH_ORIGIN_RATE, r->now_us)) {
		r->counters.limited++;
		return 0;
	}
	if (q->hops_left == 0)
		return 0;
	if (routes_asked(r->routes, from->id, q->destination, &q->wanted, r->now_us) < 0)
		return 0;
	r->counters.relayed += send_on(r, q, from->id);
	return 0;
}

int request_input(struct reach *r, struct peer *from, struct span body)
{
	struct reach_request q;
	int err = reach_request_decode(body, &q);

	if (err < 0)
		return err;
	if (q.first == 0)
		return -EPROTO;
	if (!bucket_take(&from->bucket, REACH_NEIGHBOUR_RATE, r->now_us)) {
		r->counters.limited++;
		return 0;
	}
	if (q.origin == r->config.self)
		return 0; /* it came back */
	q.hops_left--;
	if (q.hops_done < UINT8_MAX)
		q.hops_done++;
	if (q.kind == REQUEST_CONFIRM && (q.hops_left > 0 || q.destination == r->config.self)) {
		confirmed(r, from, &q);
		return 0;
	}
	if (q.destination == r->config.self)
		return answer(r, from, &q);
	return q.kind == REQUEST_CONFIRM ? 0 : relay(r, from, &q);
}
