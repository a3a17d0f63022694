/* SPDX-License-Identifier: Apache-2.0 */
/* Seqno requests: how a node without a feasible route gets a new seqno out of the destination
 * (RFC 8966 section 3.8.2), and what others do with its request. */
#include "core/route/table.h"

#include "base/units.h"

#define FAST_TRIES 5 /* then the wait doubles */
#define RETRY_MAX_US 16000000
#define BETTER_RETRY_US UINT64_C(240000) /* a better route is no emergency */
#define REPEAT_US 40000			 /* a copy this soon is not sent on: less than the retry */
#define RELAY_KEPT_US 2000000		 /* neighbours that asked are remembered */
#define BUMP_MIN_US 10000 /* own seqno rises no faster: half its circle takes over 5 min */
#define BUMP_LASTING_US \
	500000 /* and after BUMPS_MAX in a row no faster than this: each has a proof */
#define BUMPS_MAX 100
#define CLAIM_MIN_US 1000000 /* own id is claimed back no faster */

bool has_askers(const struct destination *d)
{
	for (unsigned i = 0; i < ASKERS_WORDS; i++) {
		if (d->askers[i])
			return true;
	}
	return false;
}

static bool is_asker(const struct destination *d, unsigned neighbour)
{
	return d->askers[neighbour / 64] >> neighbour % 64 & 1;
}

static void set_asker(struct destination *d, int neighbour)
{
	d->askers[neighbour / 64] |= UINT64_C(1) << neighbour % 64;
}

static void forget_askers(struct destination *d)
{
	memset(d->askers, 0, sizeof(d->askers));
}

static void set_pending(struct routes *t, uint32_t slot, uint64_t due_us)
{
	struct destination *d = &t->destinations[slot];

	t->retry_us = min_u64(t->retry_us, due_us);
	if (d->is_pending)
		return;
	d->is_pending = true;
	queue_push(&t->pending, t->n_size, slot);
}

static void answer_askers(struct routes *t, uint32_t slot)
{
	struct destination *d = &t->destinations[slot];

	bool is_fresh = !distance_is_older(&d->at, &d->wanted);

	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (!is_asker(d, i))
			continue;
		if (is_fresh)
			zone_subscribe(t, slot, (int)i);
		tell_one(t, &t->neighbours[i], slot, true);
		if (is_fresh && t->zone_max)
			tell_now(t, &t->neighbours[i]);
	}
	if (is_fresh)
		forget_askers(d);
}

static uint64_t retry_wait_us(const struct destination *d)
{
	unsigned n = d->n_tries;

	if (d->wish == WISH_BETTER)
		return min_u64(BETTER_RETRY_US << (n < 5 ? n : 5), RETRY_MAX_US);
	if (n < FAST_TRIES)
		return ROUTE_REQUEST_RETRY_US;
	n -= FAST_TRIES - 1;
	return min_u64((uint64_t)ROUTE_REQUEST_RETRY_US << (n < 10 ? n : 10), RETRY_MAX_US);
}

static void flood(struct routes *t, uint32_t slot, int except)
{
	for (int i = 0; i < (int)t->n_neighbours; i++) {
		if (i != except)
			ask_one(t, &t->neighbours[i], slot);
	}
}

static void ask_own(struct routes *t, uint32_t slot)
{
	struct destination *d = &t->destinations[slot];

	d->ask_hops = ROUTE_REQUEST_HOPS_MAX;
	d->asked_us = t->now_us;
	if (d->wish == WISH_BETTER)
		ask_one(t, &t->neighbours[d->better], slot);
	else
		flood(t, slot, NO_SLOT);
	d->retry_us = t->now_us + retry_wait_us(d);
	d->n_tries++;
}

static enum wish wish_of(const struct routes *t, const struct destination *d, int better)
{
	if (d->next < 0)
		return d->has_feasibility && zone_cares(t, d) ? WISH_ANY : WISH_NONE;
	return better >= 0 ? WISH_BETTER : WISH_NONE;
}

/* One newer than what we advertised makes any finite offer feasible. */
static struct distance wanted_of(const struct destination *d)
{
	return (struct distance){
		.epoch = d->feasibility.epoch,
		.seqno = (uint16_t)(d->feasibility.seqno + 1),
	};
}

void review_wishes(struct routes *t, uint32_t slot, int better, bool has_hope)
{
	struct destination *d = &t->destinations[slot];
	enum wish wish = wish_of(t, d, better);
	bool is_new = wish != d->wish || better != d->better || (has_hope && !d->has_hope);
	struct distance wanted = wanted_of(d);

	if (d->next >= 0 && has_askers(d))
		answer_askers(t, slot);
	d->wish = wish;
	d->better = better;
	d->has_hope = has_hope;
	if (wish == WISH_NONE)
		return;
	if (!d->is_pending || distance_is_older(&d->wanted, &wanted)) {
		d->wanted = wanted;
		is_new = true;
	}
	if (!is_new)
		return;
	d->n_tries = 0;
	ask_own(t, slot);
	set_pending(t, slot, d->retry_us);
}

static void review_pending(struct routes *t, uint32_t slot)
{
	struct destination *d = &t->destinations[slot];

	if (t->now_us >= d->relay_until_us)
		forget_askers(d);
	if (d->wish != WISH_NONE && !zone_cares(t, d))
		d->wish = WISH_NONE; /* the zone has drawn in meanwhile */
	if (d->wish == WISH_NONE && !has_askers(d)) {
		d->is_pending = false;
		return;
	}
	if (d->wish != WISH_NONE && t->now_us >= d->retry_us)
		ask_own(t, slot);
	if (d->wish != WISH_NONE)
		t->retry_us = min_u64(t->retry_us, d->retry_us);
	if (has_askers(d))
		t->retry_us = min_u64(t->retry_us, d->relay_until_us);
	queue_push(&t->pending, t->n_size, slot);
}

void requests_tick(struct routes *t)
{
	size_t n = t->pending.tail - t->pending.head;
	uint32_t slot;

	if (t->now_us < t->retry_us)
		return;
	t->retry_us = NEVER_US;
	while (n-- > 0 && queue_pop(&t->pending, &slot))
		review_pending(t, slot);
}

void raise_own_seqno(struct routes *t)
{
	t->destinations[SELF].at.seqno++;
	for (unsigned i = 0; i < t->n_neighbours; i++)
		tell_one(t, &t->neighbours[i], SELF, true);
}

/* Somebody remembers a boot of ours that we do not, or lies: either way nobody believes us
 * before we are ahead of it. */
void own_id_announced(struct routes *t, const struct distance *at)
{
	struct distance *own = &t->destinations[SELF].at;

	if (!distance_is_older(own, at))
		return;
	t->counters.own_id_claims++;
	t->has_claim = t->was_claimed && t->now_us - t->claim_us < CLAIM_MIN_US;
	if (t->has_claim)
		return;
	t->was_claimed = true;
	t->claim_us = t->now_us;
	own->epoch = at->epoch;
	own->seqno = at->seqno;
	raise_own_seqno(t);
}

/* A bucket of BUMPS_MAX, of which one is given back each BUMP_LASTING_US. */
static uint64_t next_bump_us(struct routes *t)
{
	uint64_t back = (t->now_us - t->bumps_us) / BUMP_LASTING_US;

	t->n_bumps = back < t->n_bumps ? t->n_bumps - (unsigned)back : 0;
	t->bumps_us = t->n_bumps ? t->bumps_us + back * BUMP_LASTING_US : t->now_us;
	t->n_bumps++;
	return t->now_us + (t->n_bumps < BUMPS_MAX ? BUMP_MIN_US : BUMP_LASTING_US);
}

/* By one at a time, up to what was asked for, and no faster than every BUMP_MIN_US. */
void review_own_seqno(struct routes *t)
{
	struct destination *self = &t->destinations[SELF];

	if (!distance_is_older(&self->at, &self->wanted) || self->wanted.epoch != self->at.epoch) {
		t->bump_us = NEVER_US;
		return;
	}
	if (t->now_us < t->bump_after_us) {
		t->bump_us = t->bump_after_us;
		return;
	}
	self->at.seqno++;
	t->bump_after_us = next_bump_us(t);
	t->bump_us = t->bump_after_us;
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (!is_asker(self, i))
			continue;
		tell_one(t, &t->neighbours[i], SELF, true);
		if (t->zone_max)
			tell_now(t, &t->neighbours[i]);
	}
	if (!distance_is_older(&self->at, &self->wanted)) {
		forget_askers(self);
		t->bump_us = NEVER_US;
	}
}

static void asked_for_self(struct routes *t, int from, const struct distance *wanted)
{
	struct destination *self = &t->destinations[SELF];

	if (wanted->epoch > self->at.epoch) {
		if (!t->config.proofs) /* else a request proves nothing */
			own_id_announced(t, wanted);
	} else if (distance_is_older(&self->at, wanted)) {
		if (!has_askers(self) || distance_is_older(&self->wanted, wanted))
			self->wanted = *wanted;
		set_asker(self, from);
		review_own_seqno(t);
	}
	tell_one(t, &t->neighbours[from], SELF, true);
}

/* Along the route where there is one, and else to everybody. */
static void send_on(struct routes *t, uint32_t slot, int from)
{
	struct destination *d = &t->destinations[slot];

	d->asked_us = t->now_us;
	if (d->next >= 0 && d->next != from)
		ask_one(t, &t->neighbours[d->next], slot);
	else
		flood(t, slot, from);
}

static void relay(struct routes *t, uint32_t slot, int from, const struct distance *wanted,
		  uint8_t hops)
{
	struct destination *d = &t->destinations[slot];
	bool is_copy = d->is_pending && !distance_is_older(&d->wanted, wanted) &&
		       t->now_us - d->asked_us < REPEAT_US;

	set_asker(d, from);
	d->relay_until_us = t->now_us + RELAY_KEPT_US;
	if (!d->is_pending || distance_is_older(&d->wanted, wanted))
		d->wanted = *wanted;
	if (!is_copy)
		d->ask_hops = d->wish == WISH_NONE ? hops : ROUTE_REQUEST_HOPS_MAX;
	set_pending(t, slot, d->relay_until_us);
	if (!is_copy && d->ask_hops > 0)
		send_on(t, slot, from);
}

void request_received(struct routes *t, int from, const struct request *q)
{
	struct distance wanted = { .epoch = q->epoch, .seqno = q->seqno };
	struct neighbour *n = &t->neighbours[from];
	int slot = table_find(t, q->destination);
	struct destination *d;

	t->counters.requests_received++;
	if (slot < 0 || !n->is_up)
		return;
	if (slot == SELF) {
		asked_for_self(t, from, &wanted);
		return;
	}
	d = &t->destinations[slot];
	if (d->next >= 0 && d->next != from && !distance_is_older(&d->at, &wanted)) {
		zone_subscribe(t, (uint32_t)slot, from);
		tell_one(t, n, (uint32_t)slot, true);
		return;
	}
	relay(t, (uint32_t)slot, from, &wanted, (uint8_t)(q->hops - 1));
}

static void asked_for_own_route(struct routes *t, int from, const struct distance *wanted)
{
	struct destination *self = &t->destinations[SELF];
	struct distance next = { .epoch = self->at.epoch, .seqno = (uint16_t)(self->at.seqno + 1) };

	if (wanted->epoch == next.epoch && distance_is_older(&next, wanted))
		next = *wanted;
	asked_for_self(t, from, wanted->epoch > next.epoch ? wanted : &next);
}

void ask_received(struct routes *t, uint32_t slot, int from, const struct distance *wanted)
{
	struct destination *d = &t->destinations[slot];

	if (slot == SELF) {
		asked_for_own_route(t, from, wanted);
		return;
	}
	if (!d->is_pending || distance_is_older(&d->wanted, wanted))
		d->wanted = *wanted;
	set_asker(d, from);
	d->relay_until_us = t->now_us + RELAY_KEPT_US;
	set_pending(t, slot, d->relay_until_us);
}
