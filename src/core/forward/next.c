/* SPDX-License-Identifier: Apache-2.0 */
/* Where a packet goes next: the primary while its link is up, else an alternate, else wherever it
 * has not been, else back. */
#include "base/units.h"
#include "core/forward/forward.h"
#include "core/forward/visited.h"

static uint64_t unchanged_us(const struct forward_question *q)
{
	return q->now_us > q->route->since_us ? q->now_us - q->route->since_us : 0;
}

static bool is_open(const struct forward_question *q, const struct wire_hop *hop, uint64_t node)
{
	return node != 0 && node != q->from && node != q->self && !visited_has(hop, node);
}

static bool is_dead_end(const struct forward_question *q, uint64_t id)
{
	return q->is_dead_end && q->is_dead_end(q->arg, id);
}

static uint64_t first_alternate(const struct forward_question *q, const struct wire_hop *hop,
				bool suspect_too)
{
	const struct route *route = q->route;

	for (size_t i = 0; i < route->n_alternates; i++) {
		uint64_t a = route->alternates[i];
		enum link_state s = LINK_DOWN;

		if (a != route->next_hop && is_open(q, hop, a) && !is_dead_end(q, a))
			s = q->state(q->arg, a);
		if (s == LINK_UP || (suspect_too && s == LINK_SUSPECT))
			return a;
	}
	return 0;
}

/* The neighbour with the smallest metric; nothing says that its way does not lead back here. */
static uint64_t nearest_open_but(const struct forward_question *q, const struct wire_hop *hop,
				 uint64_t but, bool dead_ends_too)
{
	uint32_t best_metric = ROUTE_METRIC_INFINITY;
	uint64_t best = 0, id;
	size_t cursor = 0;
	uint32_t metric;

	while (q->neighbour(q->arg, &cursor, &id, &metric)) {
		if (metric >= best_metric || id == but || !is_open(q, hop, id) ||
		    q->state(q->arg, id) == LINK_DOWN || (!dead_ends_too && is_dead_end(q, id)))
			continue;
		best = id;
		best_metric = metric;
	}
	return best;
}

static uint64_t nearest_open(const struct forward_question *q, const struct wire_hop *hop,
			     uint64_t but)
{
	uint64_t id = nearest_open_but(q, hop, but, false);

	return id || !q->is_dead_end ? id : nearest_open_but(q, hop, but, true);
}

/* The nearest earlier one in the list that is a neighbour: no node keeps what the packet tells. */
static uint64_t back_by_list(const struct forward_question *q, const struct wire_hop *hop)
{
	int here = visited_place(hop, q->self);
	int best_place = -1;
	uint64_t best = 0, id;
	size_t cursor = 0;
	uint32_t metric;

	if (here < 0) /* comes to the end */
		here = VISITED_TAGS_MAX;
	while (q->neighbour(q->arg, &cursor, &id, &metric)) {
		int place = visited_place(hop, id);

		if (place <= best_place || place >= here || q->state(q->arg, id) == LINK_DOWN)
			continue;
		best = id;
		best_place = place;
	}
	return best;
}

static bool may_wander_to(const struct forward_question *q, uint64_t id)
{
	return id != q->from && q->state(q->arg, id) != LINK_DOWN;
}

/* A filter has no order, so by chance: the TTL differs each time the packet is here. Packets to
 * where nobody is would wander until it ends, thus the bound. */
static uint64_t back_by_chance(const struct forward_question *q, const struct wire_hop *hop)
{
	uint32_t metric;
	size_t cursor = 0;
	size_t n = 0;
	uint64_t id;

	if (hop->ttl + FORWARD_WANDERS_MAX <= HOP_TTL_MAX)
		return 0;
	while (q->neighbour(q->arg, &cursor, &id, &metric))
		n += may_wander_to(q, id);
	if (n == 0)
		return 0;
	n = (hop->flow_hash * 31U + hop->ttl * 7U + (unsigned)(q->self & 0xffff)) % n;
	cursor = 0;
	while (q->neighbour(q->arg, &cursor, &id, &metric))
		if (may_wander_to(q, id) && n-- == 0)
			return id;
	return 0;
}

/* What was sent on without a record knows only whence it came. */
static uint64_t back(const struct forward_question *q, const struct wire_hop *hop)
{
	if (!hop->has_options)
		return q->from && q->state(q->arg, q->from) != LINK_DOWN ? q->from : 0;
	return hop->is_filter ? back_by_chance(q, hop) : back_by_list(q, hop);
}

/* A destination that is gone is looked for no longer: its route would have come back by then. */
static bool may_deflect(const struct forward_question *q)
{
	return q->route->next_hop || unchanged_us(q) < FORWARD_DEFLECTS_US;
}

static bool is_settled(const struct forward_question *q)
{
	return unchanged_us(q) >= FORWARD_SETTLED_US;
}

/* Who sent it here first is not known any more, but it is going there, or away from both. */
static bool has_come_back(const struct forward_question *q, const struct wire_hop *hop,
			  const struct forward_plan *plan)
{
	if (hop->is_filter)
		return false;
	return plan->way == FORWARD_BACK || visited_place(hop, q->self) >= 0;
}

static struct forward_plan deflect(const struct forward_question *q, const struct wire_hop *hop)
{
	struct forward_plan plan = { .is_recorded = true };

	plan.next = first_alternate(q, hop, true);
	plan.way = FORWARD_ALTERNATE;
	if (!plan.next && may_deflect(q)) {
		plan.next = nearest_open(q, hop, 0);
		plan.way = FORWARD_DEFLECTED;
	}
	if (!plan.next && (may_deflect(q) || (hop->has_options && !hop->is_filter))) {
		plan.next = back(q, hop);
		plan.way = FORWARD_BACK;
	}
	if (!plan.next)
		plan.way = FORWARD_NOWHERE;
	if (plan.way != FORWARD_ALTERNATE)
		plan.tell = has_come_back(q, hop, &plan) ? plan.next : q->from;
	return plan;
}

/* Where a packet would go without the primary, which is suspect. */
static uint64_t second_way(const struct forward_question *q, const struct wire_hop *hop,
			   enum forward_way *ret)
{
	uint64_t primary = q->route->next_hop;
	uint64_t next = first_alternate(q, hop, false);

	*ret = FORWARD_ALTERNATE;
	if (next || (q->is_restless && q->is_restless(q->arg, primary)))
		return next;
	next = nearest_open(q, hop, primary);
	*ret = FORWARD_DEFLECTED;
	if (next)
		return next;
	next = back(q, hop);
	*ret = FORWARD_BACK;
	return next == primary ? 0 : next;
}

/* A filter of a long way takes many a node for a visited one, and the next hops alone form no
 * circle that lasts: there it is asked only by nodes that have to leave them. */
static enum link_state primary_state(const struct forward_question *q, const struct wire_hop *hop)
{
	uint64_t primary = q->route->next_hop;

	if (!primary || primary == q->from || (!hop->is_filter && visited_has(hop, primary)))
		return LINK_DOWN;
	if (is_dead_end(q, primary))
		return LINK_DOWN;
	return q->state(q->arg, primary);
}

static struct forward_plan to_primary(const struct forward_question *q, const struct wire_hop *hop)
{
	return (struct forward_plan){ .way = FORWARD_PRIMARY,
				      .next = q->route->next_hop,
				      .is_recorded = hop->has_options || !is_settled(q) };
}

bool forward_straight(const struct forward_question *q, const struct wire_hop *hop,
		      struct forward_plan *ret)
{
	if (primary_state(q, hop) != LINK_UP)
		return false;
	/* Member by member: a copy would read at once what was just written in parts, for which the
	 * processor waits, and this is done for each packet that is relayed. */
	ret->next = q->route->next_hop;
	ret->duplicate = 0;
	ret->way = ret->duplicate_way = FORWARD_PRIMARY;
	ret->tell = 0;
	ret->is_recorded = hop->has_options || !is_settled(q);
	return true;
}

struct forward_plan forward_next(const struct forward_question *q, const struct wire_hop *hop)
{
	enum link_state state = primary_state(q, hop);
	struct forward_plan plan;

	if (state == LINK_DOWN)
		return deflect(q, hop);
	plan = to_primary(q, hop);
	if (state != LINK_SUSPECT)
		return plan;
	plan.duplicate = second_way(q, hop, &plan.duplicate_way);
	if (hop->is_duplicate && plan.duplicate) { /* the packet itself takes the chance */
		plan.next = plan.duplicate;
		plan.duplicate = 0;
		plan.way = plan.duplicate_way;
		plan.is_recorded = true;
	}
	return plan;
}

void forward_record(const struct forward_question *q, struct wire_hop *hop)
{
	if (!hop->has_options && q->from)
		visited_add(hop, q->from);
	visited_add(hop, q->self);
}
