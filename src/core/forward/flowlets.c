/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of packets of a flow, and the way each takes. */
#include "core/forward/flowlets.h"

#include "base/units.h"

#define SPREAD 0x9e3779b1U /* a prime near 2^32 over the golden ratio */
#define METRIC_US 10

static struct flowlet *place_of(struct flowlets *f, const struct wire_hop *hop)
{
	uint64_t mixed = (hop->destination ^ hop->flow_hash) * SPREAD;

	return &f->places[(mixed >> 20) % FLOWLETS_MAX];
}

static bool is_settled(const struct forward_question *q)
{
	return q->now_us >= q->route->since_us + FORWARD_SETTLED_US;
}

/* Its link is up, not just suspect, and packets to there do not turn back at it. */
static bool is_open(const struct forward_question *q, uint64_t neighbour)
{
	return q->state(q->arg, neighbour) == LINK_UP &&
	       !(q->is_dead_end && q->is_dead_end(q->arg, neighbour));
}

bool flowlets_apply(const struct forward_question *q, const struct wire_hop *hop)
{
	return hop->class == CLASS_BULK && hop->kind == KIND_DATA && !hop->has_options &&
	       q->route->next_hop != 0 && q->route->next_hop != hop->destination &&
	       q->route->next_hop != q->from && is_settled(q) && is_open(q, q->route->next_hop);
}

bool flowlets_follow(struct flowlets *f, const struct forward_question *q,
		     const struct wire_hop *hop, uint64_t *ret)
{
	struct flowlet *place = place_of(f, hop);

	if (place->destination != hop->destination || place->hash != hop->flow_hash ||
	    q->now_us >= place->last_us + place->gap_us)
		return false;
	if (place->next && (place->next == q->from || place->next == q->route->next_hop ||
			    !is_open(q, place->next)))
		return false;
	place->last_us = q->now_us;
	*ret = place->next;
	return true;
}

static uint32_t cost_by(const struct forward_question *q, uint64_t neighbour)
{
	size_t cursor = 0;
	uint32_t metric;
	uint64_t id;

	while (q->neighbour(q->arg, &cursor, &id, &metric))
		if (id == neighbour)
			return metric;
	return ROUTE_METRIC_INFINITY;
}

/* In millionths, so that the nearest of all, of cost 1, does not overflow a sum of four. */
static uint64_t weight_of(uint32_t cost)
{
	return UINT64_C(1000000) / (cost ? cost : 1) + 1;
}

uint64_t flowlets_begin(struct flowlets *f, const struct forward_question *q,
			const struct wire_hop *hop, bool (*is_bad)(void *arg, uint64_t neighbour),
			uint64_t chance)
{
	struct flowlet *place = place_of(f, hop);
	const struct route *r = q->route;
	uint64_t ways[1 + ROUTE_ALTERNATES_MAX] = { 0 }; /* the first is the next hop */
	uint64_t weights[1 + ROUTE_ALTERNATES_MAX] = { weight_of(r->metric) };
	uint64_t sum = weights[0];
	size_t n = 1, at = 0;

	for (size_t i = 0; i < r->n_feasible; i++) {
		uint64_t a = r->alternates[i];
		uint32_t cost = cost_by(q, a);

		if (a == q->from || cost > FLOWLET_COST_FACTOR * (uint64_t)r->metric ||
		    !is_open(q, a) || is_bad(q->arg, a))
			continue;
		ways[n] = a;
		weights[n] = weight_of(cost);
		sum += weights[n++];
	}
	for (chance %= sum; chance >= weights[at]; at++)
		chance -= weights[at];
	/* ways differ by the metric of the best at most, there and back */
	*place = (struct flowlet){ .hash = hop->flow_hash,
				   .destination = hop->destination,
				   .last_us = q->now_us,
				   .gap_us = FLOWLET_GAP_US + UINT64_C(2) * METRIC_US * r->metric,
				   .next = ways[at] };
	return place->next;
}
