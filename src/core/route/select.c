/* SPDX-License-Identifier: Apache-2.0 */
/* Which route is taken: the feasibility condition, and the choice among what it allows. */
#include "core/route/table.h"

#include "base/units.h"

static bool seqno_is_newer(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b) > 0;
}

bool distance_is_older(const struct distance *a, const struct distance *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch;
	return seqno_is_newer(b->seqno, a->seqno);
}

bool distance_is_closer(const struct distance *a, const struct distance *b)
{
	if (distance_is_older(b, a))
		return true;
	return a->epoch == b->epoch && a->seqno == b->seqno && a->metric < b->metric;
}

uint32_t metric_add(uint32_t a, uint32_t b)
{
	uint64_t sum = (uint64_t)a + b;

	return (uint32_t)min_u64(sum, ROUTE_METRIC_INFINITY);
}

bool route_is_feasible(const struct destination *d, const struct distance *offered)
{
	if (offered->metric >= ROUTE_METRIC_INFINITY)
		return false;
	return !d->has_feasibility || distance_is_closer(offered, &d->feasibility);
}

/* The next hop may be kept when its metric rises, feasible or not: what makes loops impossible
 * is that its feasibility distance is below ours, and that only falls. An older seqno than we
 * advertised is no longer covered by this. */
static bool may_keep(const struct destination *d, const struct distance *offered)
{
	return offered->metric < ROUTE_METRIC_INFINITY &&
	       !(d->has_feasibility && distance_is_older(offered, &d->feasibility));
}

struct choice {
	int slot;
	struct distance at; /* our link included */
};

/* A later epoch is a later boot, and routes to the boot before lead nowhere. */
static bool is_better(const struct choice *c, const struct choice *than, int current)
{
	if (c->at.metric >= ROUTE_METRIC_INFINITY)
		return false;
	if (than->slot < 0)
		return true;
	if (c->at.epoch != than->at.epoch)
		return c->at.epoch > than->at.epoch;
	if (c->at.metric != than->at.metric)
		return c->at.metric < than->at.metric;
	return c->slot == current;
}

bool is_doubted(const struct routes *t, const struct neighbour *n, uint32_t slot)
{
	return n->heard[slot].is_doubted || (n->is_doubted && t->destinations[slot].id != n->id);
}

/* A doubt is announced, as a metric of its own range: so that others go around who can, and that
 * one doubt is enough however many are on the way. */
uint32_t cost_through(const struct routes *t, const struct neighbour *n, uint32_t slot)
{
	uint32_t cost = metric_add(heard_metric(&n->heard[slot]), n->metric);

	return cost < ROUTE_DOUBTED && is_doubted(t, n, slot) ? cost + ROUTE_DOUBTED : cost;
}

static struct choice choose(struct routes *t, uint32_t slot, struct choice *ret_infeasible)
{
	struct destination *d = &t->destinations[slot];
	struct choice best = { .slot = NO_SLOT };
	bool is_beyond = false;

	*ret_infeasible = (struct choice){ .slot = NO_SLOT };
	for (int i = 0; i < (int)t->n_neighbours; i++) {
		const struct neighbour *n = &t->neighbours[i];
		const struct heard *h;
		struct choice c = { .slot = i };

		if (!n->is_up)
			continue;
		h = &n->heard[slot];
		is_beyond |= h->is_beyond;
		if (h->is_refused)
			continue;
		c.at = h->at;
		c.at.metric = cost_through(t, n, slot);
		if (route_is_feasible(d, &h->at) || (i == d->next && may_keep(d, &h->at))) {
			if (is_better(&c, &best, d->next))
				best = c;
		} else if (!h->via_us && is_better(&c, ret_infeasible, NO_SLOT)) {
			*ret_infeasible = c;
		}
	}
	d->is_beyond = is_beyond && best.slot < 0 && ret_infeasible->slot < 0;
	d->hoped = ret_infeasible->slot < 0 ? ROUTE_METRIC_INFINITY : ret_infeasible->at.metric;
	return best;
}

static void note_change(struct routes *t, uint32_t slot)
{
	struct destination *d = &t->destinations[slot];

	d->since_us = t->now_us;
	if (d->is_changed)
		return;
	d->is_changed = true;
	queue_push(&t->changed, t->n_size, slot);
}

static void take(struct routes *t, struct destination *d, const struct choice *c)
{
	if (d->next < 0) {
		t->n_unreachable--;
		t->n_reachable++;
	}
	d->next = c->slot;
	d->at = c->at;
	d->last_metric = c->at.metric;
}

/* From now on counts the time for which the feasibility distance is kept. */
static void drop(struct routes *t, struct destination *d)
{
	if (d->next < 0)
		return;
	t->n_unreachable++;
	t->n_reachable--;
	if (t->sweep_us == NEVER_US)
		t->sweep_us = t->now_us + ROUTE_SWEEP_US;
	d->next = NO_SLOT;
	d->at.metric = ROUTE_METRIC_INFINITY;
	d->hops = 0;
	d->feasibility_until_us = t->now_us + ROUTE_FEASIBILITY_KEPT_US;
}

void select_route(struct routes *t, uint32_t slot, bool has_new_attributes)
{
	struct destination *d = &t->destinations[slot];
	struct destination before = *d;
	struct choice infeasible;
	struct choice best = choose(t, slot, &infeasible);
	bool wants_better;
	bool has_crossed;

	if (best.slot >= 0) {
		uint8_t hops = t->neighbours[best.slot].heard[slot].hops;

		take(t, d, &best);
		d->hops = hops < UINT8_MAX ? (uint8_t)(hops + 1) : UINT8_MAX;
	} else {
		drop(t, d);
	}
	has_crossed = zone_update(t, d);
	if (d->next != before.next)
		note_change(t, slot);
	t->n_changes += d->next != before.next || has_new_attributes;
	if (d->next != before.next || d->at.metric != before.at.metric ||
	    d->at.epoch != before.at.epoch || d->hops != before.hops || has_new_attributes ||
	    has_crossed)
		tell(t, slot);
	wants_better = infeasible.slot >= 0 && best.slot >= 0 &&
		       is_better(&infeasible, &best, best.slot) && zone_cares(t, d);
	review_wishes(t, slot, wants_better ? infeasible.slot : NO_SLOT, infeasible.slot >= 0);
}
