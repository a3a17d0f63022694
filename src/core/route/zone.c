/* SPDX-License-Identifier: Apache-2.0 */
/* Zones: which destinations all neighbours are told of, and which only those that asked.
 *
 * What is told to whom has no part in the proof that there are no loops: to leave a destination
 * out is to have advertised it to nobody, and to take it back is an ordinary withdrawal. */
#include "core/route/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"

/* A full zone is cut to seven eighths, so that it is not cut again for each newcomer; below three
 * quarters it is filled up to that. */
static size_t zone_aim(const struct routes *t)
{
	return t->zone_max - t->zone_max / 8;
}

static size_t zone_min(const struct routes *t)
{
	return t->zone_max - t->zone_max / 4;
}

/* A doubt makes a destination no further away: else it would leave the zone, and neighbours would
 * be told nothing where they should be told of the doubt. */
static uint32_t near_metric(uint32_t metric)
{
	if (metric >= ROUTE_METRIC_INFINITY)
		return metric;
	if (metric >= ROUTE_SHUNNED)
		return metric - ROUTE_SHUNNED;
	return metric >= ROUTE_DOUBTED ? metric - ROUTE_DOUBTED : metric;
}

static bool is_within(const struct routes *t, const struct destination *d)
{
	uint32_t metric = near_metric(d->at.metric);

	if (metric != t->radius)
		return metric < t->radius;
	return d->id <= t->radius_id;
}

/* What is in leaves it an eighth further out than it came in, so that costs may waver. */
static bool may_stay(const struct routes *t, const struct destination *d)
{
	return near_metric(d->at.metric) <= (uint64_t)t->radius + t->radius / 8;
}

static bool put(struct routes *t, struct destination *d, bool is_in)
{
	if (d->is_in_zone == is_in)
		return false;
	d->is_in_zone = is_in;
	if (is_in)
		t->n_zone++;
	else
		t->n_zone--;
	return true;
}

bool zone_update(struct routes *t, struct destination *d)
{
	if (d->next < 0)
		return put(t, d, false);
	return put(t, d, t->zone_max == 0 || is_within(t, d) || (d->is_in_zone && may_stay(t, d)));
}

struct place {
	uint32_t metric;
	uint64_t id;
};

static bool place_is_before(const struct place *a, const struct place *b)
{
	return a->metric != b->metric ? a->metric < b->metric : a->id < b->id;
}

/* The k-th nearest comes to place k (Hoare). */
static void select_nth(struct place *p, size_t n, size_t k)
{
	size_t low = 0;
	size_t high = n - 1;

	while (low < high) {
		struct place pivot = p[low + (high - low) / 2];
		size_t i = low;
		size_t j = high;

		while (i <= j) {
			while (place_is_before(&p[i], &pivot))
				i++;
			while (place_is_before(&pivot, &p[j]))
				j--;
			if (i <= j) {
				struct place swapped = p[i];

				p[i++] = p[j];
				p[j] = swapped;
				if (j == 0)
					break;
				j--;
			}
		}
		if (k <= j)
			high = j;
		else if (k >= i)
			low = i;
		else
			return;
	}
}

static int find_radius(struct routes *t)
{
	struct place *p;
	size_t n = 0;

	if (t->zone_max == 0 || t->n_reachable <= zone_aim(t)) {
		t->radius = ROUTE_METRIC_INFINITY;
		t->radius_id = UINT64_MAX;
		return 0;
	}
	p = calloc(t->n_reachable, sizeof(*p));
	if (!p)
		return -ENOMEM;
	for (uint32_t slot = 1; slot < t->n_destinations; slot++) {
		const struct destination *d = &t->destinations[slot];

		if (d->id != 0 && d->next >= 0)
			p[n++] = (struct place){ near_metric(d->at.metric), d->id };
	}
	select_nth(p, n, zone_aim(t) - 1);
	t->radius = p[zone_aim(t) - 1].metric;
	t->radius_id = p[zone_aim(t) - 1].id;
	free(p);
	return 0;
}

static void set_radius(struct routes *t)
{
	if (find_radius(t) < 0)
		return; /* as before; looked at again at the next call */
	for (uint32_t slot = 1; slot < t->n_destinations; slot++) {
		struct destination *d = &t->destinations[slot];

		if (d->id == 0)
			continue;
		if (d->next < 0 && d->has_feasibility && d->wish == WISH_NONE && zone_cares(t, d))
			select_route(t, slot, false); /* it is worth asking for now */
		else if (d->next >= 0 && put(t, d, is_within(t, d)))
			tell(t, slot);
	}
}

void zone_review(struct routes *t)
{
	if (t->zone_max == 0)
		return;
	if (t->n_zone > t->zone_max || (t->n_zone < zone_min(t) && t->n_zone < t->n_reachable))
		set_radius(t);
}

void routes_set_zone(struct routes *t, size_t zone_max, uint64_t now_us)
{
	t->now_us = now_us;
	if (zone_max == t->zone_max)
		return;
	t->zone_max = zone_max;
	set_radius(t);
	for (uint32_t slot = 1; slot < t->n_destinations; slot++) {
		if (t->destinations[slot].id != 0)
			select_route(t, slot, false); /* what was not worth asking for may be now */
	}
}

size_t routes_zone_max(const struct routes *t)
{
	return t->zone_max;
}

size_t routes_zone_count(const struct routes *t)
{
	return t->n_zone;
}

bool routes_is_in_zone(const struct routes *t, uint64_t destination)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	return slot >= 0 && (slot == SELF || t->destinations[slot].is_in_zone);
}

/* ---- who asked ---- */

static bool is_subscriber(const struct destination *d, size_t neighbour)
{
	return d->subscribed_until_us && d->subscribers[neighbour / 64] >> neighbour % 64 & 1;
}

bool zone_allows(const struct routes *t, const struct neighbour *n, const struct destination *d)
{
	return d->is_in_zone || d == &t->destinations[SELF] ||
	       is_subscriber(d, (size_t)(n - t->neighbours));
}

bool zone_cares(const struct routes *t, const struct destination *d)
{
	if (t->zone_max == 0 || d->subscribed_until_us || t->now_us < d->used_until_us)
		return true;
	return !d->is_beyond &&
	       min_u64(near_metric(d->hoped), near_metric(d->last_metric)) <= t->radius;
}

void zone_subscribe(struct routes *t, uint32_t slot, int neighbour)
{
	struct destination *d = &t->destinations[slot];

	if (slot == SELF || t->zone_max == 0)
		return;
	if (!d->subscribed_until_us)
		t->n_subscribed++;
	d->subscribed_until_us = t->now_us + ROUTE_SUBSCRIBED_US;
	d->subscribers[neighbour / 64] |= UINT64_C(1) << neighbour % 64;
	if (t->sweep_us == NEVER_US)
		t->sweep_us = t->now_us + ROUTE_SWEEP_US;
}

static void unsubscribe_all(struct routes *t, struct destination *d)
{
	if (!d->subscribed_until_us)
		return;
	t->n_subscribed--;
	d->subscribed_until_us = 0;
	memset(d->subscribers, 0, sizeof(d->subscribers));
}

void zone_detach(struct routes *t, int neighbour)
{
	for (uint32_t slot = 1; t->n_subscribed > 0 && slot < t->n_destinations; slot++)
		t->destinations[slot].subscribers[neighbour / 64] &=
			~(UINT64_C(1) << neighbour % 64);
}

void zone_tick(struct routes *t, uint32_t slot)
{
	struct destination *d = &t->destinations[slot];

	if (!d->subscribed_until_us || t->now_us < d->subscribed_until_us)
		return;
	unsubscribe_all(t, d);
	tell(t, slot);
}

static int find_up(const struct routes *t, uint64_t neighbour)
{
	int n = neighbour ? neighbour_find(t, neighbour) : NO_SLOT;

	return n >= 0 && t->neighbours[n].is_up ? n : NO_SLOT;
}

int routes_subscribe(struct routes *t, uint64_t neighbour, uint64_t by, uint64_t destination,
		     uint64_t now_us)
{
	int n = find_up(t, neighbour);
	int introducer = find_up(t, by);
	int slot;

	t->now_us = now_us;
	if (n < 0 || introducer < 0)
		return -ENOENT;
	slot = table_add(t, destination, introducer);
	if (slot < 0)
		return slot;
	zone_subscribe(t, (uint32_t)slot, n);
	tell_one(t, &t->neighbours[n], (uint32_t)slot, false);
	tell_now(t, &t->neighbours[n]);
	return 0;
}

void routes_used(struct routes *t, uint64_t destination, uint64_t now_us)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;

	t->now_us = now_us;
	if (slot > SELF)
		t->destinations[slot].used_until_us = now_us + ROUTE_SUBSCRIBED_US;
}

/* One newer than what was ever advertised here; of a route that is there, one newer than it. */
static struct distance needed(const struct destination *d)
{
	struct distance at = { 0 };

	if (d->has_feasibility)
		at = d->feasibility;
	if (d->next >= 0 && (!d->has_feasibility || distance_is_older(&at, &d->at)))
		at = d->at;
	if (at.epoch != 0)
		at.seqno++;
	return at;
}

struct route_wanted routes_wanted(const struct routes *t, uint64_t destination)
{
	int slot = destination ? table_find(t, destination) : NO_SLOT;
	struct distance at;

	if (slot <= SELF)
		return (struct route_wanted){ 0 };
	at = needed(&t->destinations[slot]);
	return (struct route_wanted){ at.epoch, at.seqno };
}

int routes_asked(struct routes *t, uint64_t neighbour, uint64_t destination,
		 struct route_wanted *wanted, uint64_t now_us)
{
	struct distance asked = { .epoch = wanted->epoch, .seqno = wanted->seqno };
	int n = find_up(t, neighbour);
	struct distance own;
	int slot;

	t->now_us = now_us;
	if (n < 0)
		return -ENOENT;
	slot = table_add(t, destination, n);
	if (slot < 0)
		return slot;
	if (slot != SELF) {
		own = needed(&t->destinations[slot]);
		if (distance_is_older(&asked, &own))
			asked = own;
		*wanted = (struct route_wanted){ asked.epoch, asked.seqno };
	}
	ask_received(t, (uint32_t)slot, n, &asked);
	return 0;
}
