/* SPDX-License-Identifier: Apache-2.0 */
/* The table as its node sees it: neighbours come and go, time passes, routes are asked for. */
#include "core/route/route.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/route/table.h"

DEFINE_FREEP(struct routes, routes_free)

static int add_self(struct routes *t)
{
	int slot = table_add(t, t->config.self, NO_SLOT);

	if (slot < 0)
		return slot;
	t->destinations[SELF].at = (struct distance){ .epoch = t->config.epoch };
	t->destinations[SELF].last_metric = 0;
	t->n_unreachable--;
	return 0;
}

int routes_new(const struct route_config *config, uint64_t now_us, struct routes **ret)
{
	CLEANUP(routes_freep) struct routes *t = NULL;
	int r;

	if (config->self == 0)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->config = *config;
	t->now_us = now_us;
	t->retry_us = NEVER_US;
	t->sweep_us = NEVER_US;
	t->bump_us = NEVER_US;
	t->zone_max = config->zone_max;
	t->radius = ROUTE_METRIC_INFINITY;
	t->radius_id = UINT64_MAX;
	rng_seed(&t->rng, config->seed);
	t->refresh_us = now_us + rng_jitter(&t->rng, ROUTE_REFRESH_US, 25);
	r = map_new(sizeof(uint64_t), ROUTE_DESTINATIONS_MAX, config->hash_key, &t->by_id);
	if (r < 0)
		return r;
	r = add_self(t);
	if (r < 0)
		return r;
	*ret = TAKE(t);
	return 0;
}

void routes_free(struct routes *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n_neighbours; i++)
		neighbour_done(t, &t->neighbours[i]);
	free(t->neighbours);
	free(t->destinations);
	free(t->freed.items);
	free(t->changed.items);
	free(t->pending.items);
	map_free(t->by_id);
	free(t->own);
	free(t);
}

/* ---- neighbours ---- */

static void review_shunned(struct routes *t);

static uint32_t link_cost(uint32_t metric)
{
	return metric == 0 ? 1 : (uint32_t)min_u64(metric, ROUTE_METRIC_INFINITY);
}

/* Routes through it, and routes it could now do better. */
static void cost_changed(struct routes *t, int slot)
{
	const struct neighbour *n = &t->neighbours[slot];

	for (uint32_t i = 1; i < t->n_destinations; i++) {
		const struct destination *d = &t->destinations[i];

		if (heard_metric(&n->heard[i]) >= ROUTE_METRIC_INFINITY)
			continue;
		if (d->next < 0 || d->next == slot || d->better == slot ||
		    metric_add(n->heard[i].at.metric, n->metric) <= d->at.metric ||
		    n->heard[i].at.epoch > d->at.epoch)
			select_route(t, i, false);
	}
}

static void set_cost(struct routes *t, int slot, uint32_t metric)
{
	struct neighbour *n = &t->neighbours[slot];

	if (n->metric == link_cost(metric))
		return;
	n->metric = link_cost(metric);
	cost_changed(t, slot);
}

int routes_neighbour_up(struct routes *t, uint64_t neighbour, uint32_t metric, uint64_t now_us)
{
	struct neighbour *n;
	int slot;

	t->now_us = now_us;
	if (neighbour == 0 || neighbour == t->config.self)
		return -EINVAL;
	slot = neighbour_add(t, neighbour);
	if (slot < 0)
		return slot;
	n = &t->neighbours[slot];
	if (n->is_up) {
		set_cost(t, slot, metric);
		return 0;
	}
	n->is_up = true;
	n->metric = link_cost(metric);
	n->flush_us = now_us;
	n->digest_us = now_us + rng_jitter(&t->rng, ROUTE_DIGEST_US, 10);
	tell_all(t, n);
	cost_changed(t, slot);
	review_shunned(t);
	return 0;
}

void routes_neighbour_metric(struct routes *t, uint64_t neighbour, uint32_t metric, uint64_t now_us)
{
	int slot = neighbour_find(t, neighbour);

	t->now_us = now_us;
	if (neighbour && slot >= 0 && t->neighbours[slot].is_up)
		set_cost(t, slot, metric);
}

void routes_neighbour_down(struct routes *t, uint64_t neighbour, uint64_t now_us)
{
	int slot = neighbour_find(t, neighbour);
	struct neighbour *n;

	t->now_us = now_us;
	if (neighbour == 0 || slot < 0)
		return;
	n = &t->neighbours[slot];
	n->is_up = false;
	n->is_draining = false;
	n->is_resyncing = false;
	n->metric = ROUTE_METRIC_INFINITY;
	n->is_doubted = n->is_shunned = false;
	for (uint32_t i = 0; i < t->n_destinations; i++)
		n->heard[i].is_doubted = false;
	n->was_dumped = false;
	n->resync_wait_us = ROUTE_DIGEST_US;
	forget_told(t, n);
	unhear_all(t, slot);
	neighbour_detach(t, slot);
	review_shunned(t);
}

void routes_neighbour_resync(struct routes *t, uint64_t neighbour, uint64_t now_us)
{
	int slot = neighbour_find(t, neighbour);

	t->now_us = now_us;
	if (neighbour == 0 || slot < 0 || !t->neighbours[slot].is_up)
		return;
	tell_all(t, &t->neighbours[slot]);
	/* Not in the drain under way: where a record found no room the next one finds none. */
	t->neighbours[slot].is_draining = false;
	t->neighbours[slot].flush_us = now_us + ROUTE_PACING_US;
}

/* ---- what is known of claims and of deliveries ---- */

void routes_review(struct routes *t, uint64_t destination, uint64_t now_us)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;
	bool has_changed = false;

	t->now_us = now_us;
	if (slot < 0)
		return;
	for (unsigned i = 0; i < t->n_neighbours; i++)
		if (t->neighbours[i].heard)
			has_changed |= judge_claim(t, &t->neighbours[i], (uint32_t)slot);
	if (slot == SELF)
		tell(t, SELF); /* another proof goes with it */
	else if (has_changed)
		select_route(t, (uint32_t)slot, false);
}

/* Who drops what is for others drops what is for us too, so it is not to be the way to us either,
 * nor through us, where there is another. It is told all the same: it may be the only one for those
 * behind it, and not be to blame. */
static void review_shunned(struct routes *t)
{
	bool has_other = false;

	for (unsigned i = 0; i < t->n_neighbours; i++)
		has_other |= t->neighbours[i].is_up && !t->neighbours[i].is_doubted;
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		struct neighbour *n = &t->neighbours[i];

		if (!n->is_up || n->is_shunned == (n->is_doubted && has_other))
			continue;
		n->is_shunned = !n->is_shunned;
		for (uint32_t slot = 0; slot < t->n_destinations; slot++)
			if (t->destinations[slot].id)
				tell_one(t, n, slot, false);
	}
}

static void doubt_all(struct routes *t, int neighbour, bool is_doubted)
{
	struct neighbour *n = &t->neighbours[neighbour];

	if (n->is_doubted == is_doubted)
		return;
	n->is_doubted = is_doubted;
	for (uint32_t slot = 1; slot < t->n_destinations; slot++)
		if (heard_metric(&n->heard[slot]) < ROUTE_METRIC_INFINITY)
			select_route(t, slot, false);
	review_shunned(t);
}

void routes_set_doubt(struct routes *t, uint64_t neighbour, uint64_t destination, bool is_doubted,
		      uint64_t now_us)
{
	int n = neighbour ? neighbour_find(t, neighbour) : NO_SLOT;
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	t->now_us = now_us;
	if (n < 0 || (destination && slot <= SELF))
		return;
	if (!destination) {
		doubt_all(t, n, is_doubted);
		return;
	}
	if (t->neighbours[n].heard[slot].is_doubted == is_doubted)
		return;
	t->neighbours[n].heard[slot].is_doubted = is_doubted;
	select_route(t, (uint32_t)slot, false);
}

/* ---- time ---- */

static bool is_unused(const struct routes *t, uint32_t slot)
{
	const struct destination *d = &t->destinations[slot];

	if (d->next >= 0 || d->has_feasibility || d->is_pending || d->is_changed ||
	    d->subscribed_until_us)
		return false;
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		const struct neighbour *n = &t->neighbours[i];

		if (n->heard &&
		    (n->heard[slot].at.metric < ROUTE_METRIC_INFINITY || n->told[slot].is_told ||
		     n->told[slot].is_dirty || n->told[slot].has_request))
			return false;
	}
	return true;
}

/* Three minutes after a withdrawal no update from before it can be under way any more. */
static void sweep(struct routes *t)
{
	if (t->now_us < t->sweep_us)
		return;
	for (uint32_t slot = 1; slot < t->n_destinations; slot++) {
		struct destination *d = &t->destinations[slot];

		if (d->id == 0)
			continue;
		zone_tick(t, slot);
		if (d->next >= 0)
			continue;
		if (d->has_feasibility && t->now_us >= d->feasibility_until_us) {
			d->has_feasibility = false;
			select_route(t, slot, false);
		}
		if (is_unused(t, slot))
			table_forget(t, slot);
	}
	t->sweep_us = t->n_unreachable || t->n_subscribed ? t->now_us + ROUTE_SWEEP_US : NEVER_US;
}

static void refresh(struct routes *t)
{
	if (t->now_us < t->refresh_us)
		return;
	t->refresh_us = t->now_us + rng_jitter(&t->rng, ROUTE_REFRESH_US, 25);
	raise_own_seqno(t);
}

/* What was claimed while it was too soon to claim it back. */
static void review_claims(struct routes *t)
{
	if (!t->has_claim || t->now_us - t->claim_us < ROUTE_DIGEST_US)
		return;
	t->has_claim = false;
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		const struct neighbour *n = &t->neighbours[i];

		if (n->heard && heard_metric(&n->heard[SELF]) < ROUTE_METRIC_INFINITY)
			own_id_announced(t, &n->heard[SELF].at);
	}
}

void routes_tick(struct routes *t, uint64_t now_us)
{
	t->now_us = now_us;
	refresh(t);
	review_claims(t);
	if (now_us >= t->bump_us)
		review_own_seqno(t);
	requests_tick(t);
	sweep(t);
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		struct neighbour *n = &t->neighbours[i];

		if (!n->is_up || now_us < n->digest_us)
			continue;
		if (n->needs_dump)
			tell_all(t, n);
		n->needs_digest = true;
		n->digest_us = now_us + rng_jitter(&t->rng, ROUTE_DIGEST_US, 10);
	}
}

uint64_t routes_deadline_us(const struct routes *t)
{
	uint64_t due_us = min_u64(min_u64(t->refresh_us, t->retry_us), t->sweep_us);

	due_us = min_u64(due_us, t->bump_us);
	if (t->has_claim)
		due_us = min_u64(due_us, t->claim_us + ROUTE_DIGEST_US);
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		const struct neighbour *n = &t->neighbours[i];

		if (!n->is_up)
			continue;
		due_us = min_u64(due_us, n->digest_us);
		if (neighbour_has_work(n))
			due_us = min_u64(due_us, n->flush_us);
	}
	return due_us;
}

/* ---- asked ---- */

struct alternate {
	uint64_t neighbour;
	uint32_t metric;
	bool is_feasible;
};

/* RFC 5286 section 3.1, inequality 1: its way to the destination does not lead back here. Its
 * distance to us is what it announces for us, or our own cost of the link. */
static bool is_loop_free(const struct routes *t, const struct neighbour *n, uint32_t slot)
{
	const struct heard *h = &n->heard[slot];
	uint32_t to_us = heard_metric(&n->heard[SELF]);

	if (to_us >= ROUTE_METRIC_INFINITY)
		to_us = n->metric;
	return !h->via_us && h->at.metric < metric_add(to_us, t->destinations[slot].last_metric);
}

static bool comes_before(const struct alternate *a, const struct alternate *b)
{
	if (a->is_feasible != b->is_feasible)
		return a->is_feasible;
	return a->metric < b->metric;
}

static void insert(struct alternate list[ROUTE_ALTERNATES_MAX], size_t *n, struct alternate a)
{
	size_t i = *n;

	if (i == ROUTE_ALTERNATES_MAX && !comes_before(&a, &list[i - 1]))
		return;
	if (i < ROUTE_ALTERNATES_MAX)
		(*n)++;
	else
		i--;
	for (; i > 0 && comes_before(&a, &list[i - 1]); i--)
		list[i] = list[i - 1];
	list[i] = a;
}

static void find_alternates(const struct routes *t, uint32_t slot, struct route *ret)
{
	const struct destination *d = &t->destinations[slot];
	struct alternate list[ROUTE_ALTERNATES_MAX] = { 0 };

	for (int i = 0; i < (int)t->n_neighbours; i++) {
		const struct neighbour *n = &t->neighbours[i];
		struct alternate a;

		if (!n->is_up || i == d->next)
			continue;
		a.neighbour = n->id;
		a.metric = cost_through(t, n, slot);
		a.is_feasible = route_is_feasible(d, &n->heard[slot].at);
		if (a.metric < ROUTE_METRIC_INFINITY && (a.is_feasible || is_loop_free(t, n, slot)))
			insert(list, &ret->n_alternates, a);
	}
	for (size_t i = 0; i < ret->n_alternates; i++)
		ret->alternates[i] = list[i].neighbour;
	while (ret->n_feasible < ret->n_alternates && list[ret->n_feasible].is_feasible)
		ret->n_feasible++;
}

static void describe(const struct routes *t, uint32_t slot, struct route *ret)
{
	const struct destination *d = &t->destinations[slot];

	*ret = (struct route){
		.destination = d->id,
		.metric = d->at.metric,
		.epoch = d->at.epoch,
		.seqno = d->at.seqno,
		.hops = d->hops,
		.since_us = d->since_us,
	};
	if (slot == SELF) {
		ret->next_hop = d->id;
		return;
	}
	if (d->next >= 0) {
		ret->next_hop = t->neighbours[d->next].id;
		ret->is_doubted = is_doubted(t, &t->neighbours[d->next], slot);
	}
	find_alternates(t, slot, ret);
}

bool routes_lookup(const struct routes *t, uint64_t destination, struct route *ret)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	if (slot < 0)
		return false;
	describe(t, (uint32_t)slot, ret);
	return true;
}

uint64_t routes_next_hop(const struct routes *t, uint64_t destination)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	if (slot < 0)
		return 0;
	if (slot == SELF)
		return destination;
	return t->destinations[slot].next >= 0 ? t->neighbours[t->destinations[slot].next].id : 0;
}

uint64_t routes_next_hop_since(const struct routes *t, uint64_t destination, uint64_t *ret_since_us)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	if (slot <= SELF || t->destinations[slot].next < 0)
		return 0;
	*ret_since_us = t->destinations[slot].since_us;
	return t->neighbours[t->destinations[slot].next].id;
}

bool routes_next(const struct routes *t, size_t *cursor, struct route *ret)
{
	for (size_t slot = *cursor + 1; slot < t->n_destinations; slot++) {
		if (t->destinations[slot].id == 0)
			continue;
		describe(t, (uint32_t)slot, ret);
		*cursor = slot;
		return true;
	}
	return false;
}

/* ---- attributes ---- */

static struct span find_attribute(struct span all, uint8_t type)
{
	struct reader r = reader_of(all);

	while (r.left > 0 && !r.overrun) {
		uint8_t at = read_u8(&r);
		struct span value = read_span(&r, read_u8(&r));

		if (at == type && !r.overrun)
			return value;
	}
	return (struct span){ 0 };
}

static bool attributes_are_valid(struct span all)
{
	struct reader r = reader_of(all);

	while (r.left > 0 && !r.overrun) {
		if (read_u8(&r) <= ROUTE_ATTRIBUTE_RESERVED)
			return false;
		(void)read_span(&r, read_u8(&r));
	}
	return !r.overrun && all.len <= ROUTE_ATTRIBUTES_MAX;
}

int routes_set_attributes(struct routes *t, struct span attributes, uint64_t now_us)
{
	uint8_t *own = NULL;

	if (!attributes_are_valid(attributes))
		return -EINVAL;
	if (attributes.len > 0) {
		own = malloc(1 + attributes.len);
		if (!own)
			return -ENOMEM;
		own[0] = (uint8_t)attributes.len;
		memcpy(own + 1, attributes.at, attributes.len);
	}
	free(t->own);
	t->own = own;
	t->now_us = now_us;
	tell(t, SELF);
	return 0;
}

struct span routes_attribute(const struct routes *t, uint64_t destination, uint8_t type)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;
	const struct destination *d = slot < 0 ? NULL : &t->destinations[slot];
	const uint8_t *all = t->own;

	if (!d || (slot != SELF && d->next < 0))
		return (struct span){ 0 };
	if (slot != SELF)
		all = t->neighbours[d->next].heard[slot].relayed;
	return all ? find_attribute(SPAN(all + 1, all[0]), type) : (struct span){ 0 };
}

uint64_t routes_changes(const struct routes *t)
{
	return t->n_changes;
}

size_t routes_count_reachable(const struct routes *t)
{
	return t->n_reachable;
}

uint32_t routes_last_metric(const struct routes *t, uint64_t neighbour, uint64_t destination)
{
	int n = neighbour ? neighbour_find(t, neighbour) : NO_SLOT;
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	if (n < 0 || slot < 0)
		return ROUTE_METRIC_INFINITY;
	return t->neighbours[n].heard[slot].is_refused ? ROUTE_METRIC_INFINITY
						       : t->neighbours[n].heard[slot].last_metric;
}

bool routes_next_neighbour(const struct routes *t, size_t *cursor, uint64_t destination,
			   uint64_t *ret, uint32_t *ret_metric)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	for (size_t i = *cursor; i < t->n_neighbours; i++) {
		const struct neighbour *n = &t->neighbours[i];

		if (!n->is_up)
			continue;
		*cursor = i + 1;
		*ret = n->id;
		*ret_metric = ROUTE_METRIC_INFINITY;
		if (slot >= 0 && !n->heard[slot].is_refused)
			*ret_metric = metric_add(n->heard[slot].last_metric, n->metric);
		if (slot >= 0 && *ret_metric < ROUTE_DOUBTED && is_doubted(t, n, (uint32_t)slot))
			*ret_metric += ROUTE_DOUBTED;
		return true;
	}
	return false;
}

bool routes_feasibility(const struct routes *t, uint64_t destination, uint32_t *ret_epoch,
			uint16_t *ret_seqno, uint32_t *ret_metric)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;
	const struct destination *d;

	if (slot < 0 || !t->destinations[slot].has_feasibility)
		return false;
	d = &t->destinations[slot];
	*ret_epoch = d->feasibility.epoch;
	*ret_seqno = d->feasibility.seqno;
	*ret_metric = d->feasibility.metric;
	return true;
}

void routes_counters(const struct routes *t, struct route_counters *ret)
{
	*ret = t->counters;
}
