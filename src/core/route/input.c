/* SPDX-License-Identifier: Apache-2.0 */
/* Records from neighbours: all of a record is judged before any of it counts. */
#include "core/route/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/link/stream.h"

#define RESYNC_WAIT_MAX_US 60000000

void unhear(struct neighbour *n, uint32_t slot)
{
	struct heard *h = &n->heard[slot];

	if (h->at.metric < ROUTE_METRIC_INFINITY) {
		n->heard_digest.sum -= h->hash;
		n->heard_digest.n--;
	}
	free(h->relayed);
	h->relayed = NULL;
	h->at.metric = ROUTE_METRIC_INFINITY;
	h->via_us = false;
	h->is_beyond = false;
	h->is_stale = false;
	h->is_refused = false;
}

void unhear_all(struct routes *t, int neighbour)
{
	struct neighbour *n = &t->neighbours[neighbour];

	for (uint32_t slot = 0; slot < t->n_destinations; slot++) {
		n->heard[slot].is_beyond = false;
		if (n->heard[slot].at.metric >= ROUTE_METRIC_INFINITY)
			continue;
		unhear(n, slot);
		if (slot != SELF)
			select_route(t, slot, false);
	}
}

static int keep_relayed(struct heard *h, const struct entry *e)
{
	uint8_t *kept = NULL;

	if (e->relayed_len) {
		kept = malloc(1U + e->relayed_len);
		if (!kept)
			return -ENOMEM;
		kept[0] = e->relayed_len;
		memcpy(kept + 1, e->relayed, e->relayed_len);
	}
	free(h->relayed);
	h->relayed = kept;
	return 0;
}

/* What proves the claim is another with each seqno and metric, and no news of its own. */
static bool same_relayed(const struct heard *h, const struct entry *e)
{
	const uint8_t none = 0;
	const uint8_t *was = h->relayed ? h->relayed : &none;
	uint8_t a[RELAYED_MAX], b[RELAYED_MAX];
	size_t a_len = strip_proof(SPAN(was + 1, was[0]), a);
	size_t b_len = strip_proof(SPAN(e->relayed, e->relayed_len), b);

	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

bool judge_claim(struct routes *t, struct neighbour *n, uint32_t slot)
{
	const struct route_proofs *proofs = t->config.proofs;
	struct heard *h = &n->heard[slot];
	struct route_claim claim = {
		.destination = t->destinations[slot].id,
		.epoch = h->at.epoch,
		.seqno = h->at.seqno,
		.metric = h->at.metric,
	};
	bool was_refused = h->is_refused;

	if (!proofs || h->at.metric >= ROUTE_METRIC_INFINITY)
		return false;
	if (h->relayed)
		claim.attributes = SPAN(h->relayed + 1, h->relayed[0]);
	h->is_refused = !proofs->holds(proofs->arg, n->id, &claim);
	t->counters.unproved += h->is_refused && slot != SELF;
	if (slot == SELF && !h->is_refused)
		own_id_announced(t, &h->at);
	return h->is_refused != was_refused;
}

static int hear(struct neighbour *n, uint32_t slot, const struct entry *e)
{
	struct heard *h = &n->heard[slot];

	unhear(n, slot);
	h->is_refused = false;
	h->at = (struct distance){ e->epoch, e->seqno, ROUTE_METRIC_INFINITY };
	h->is_beyond = e->flags & ENTRY_BEYOND;
	if (e->metric >= ROUTE_METRIC_INFINITY)
		return 0;
	if (keep_relayed(h, e) < 0)
		return -ENOMEM;
	h->at.metric = e->metric;
	h->last_metric = e->metric;
	if (e->metric >= ROUTE_DOUBTED)
		h->is_doubted = false; /* it knows, and looks for another way */
	h->hops = e->hops;
	h->via_us = e->flags & ENTRY_VIA_YOU;
	h->hash = entry_hash(e->bytes);
	n->heard_digest.sum += h->hash;
	n->heard_digest.n++;
	return 0;
}

static int slot_for(struct routes *t, int from, const struct entry *e)
{
	int slot = table_find(t, e->destination);

	if (slot < 0 && e->metric < ROUTE_METRIC_INFINITY)
		slot = table_add(t, e->destination, from);
	if (slot < 0 && e->metric < ROUTE_METRIC_INFINITY)
		t->counters.table_full++;
	return slot;
}

static void apply(struct routes *t, int from, const struct entry *e)
{
	struct neighbour *n = &t->neighbours[from];
	int slot = slot_for(t, from, e);
	struct destination *d;
	bool has_new_attributes;

	t->counters.updates_received++;
	if (slot < 0)
		return; /* withdrawn and unknown, or no room: the digest will say so */
	d = &t->destinations[slot];
	has_new_attributes = d->next == from && !same_relayed(&n->heard[slot], e);
	if (hear(n, (uint32_t)slot, e) < 0)
		t->counters.table_full++;
	(void)judge_claim(t, n, (uint32_t)slot);
	if (slot == SELF) {
		if (!t->config.proofs)
			own_id_announced(t, &n->heard[SELF].at);
		return;
	}
	if (e->metric < ROUTE_METRIC_INFINITY && !route_is_feasible(d, &n->heard[slot].at))
		t->counters.infeasible++;
	select_route(t, (uint32_t)slot, has_new_attributes);
}

/* Only a neighbour itself is at no cost from itself; or does not want to be reached by us, if it
 * doubts us. */
static bool is_possible(const struct neighbour *n, const struct entry *e)
{
	if (e->destination == n->id)
		return e->metric == 0 || e->metric == ROUTE_SHUNNED ||
		       e->metric == ROUTE_METRIC_INFINITY;
	return e->metric > 0;
}

static int input_update(struct routes *t, int from, struct span body)
{
	struct reader r = reader_of(body);
	struct entry e;

	if (body.len == 0)
		return -EBADMSG;
	while (r.left > 0) {
		int err = entry_decode(&r, &e);

		if (err < 0)
			return err;
		if (!is_possible(&t->neighbours[from], &e))
			return -EPROTO;
	}
	r = reader_of(body);
	while (r.left > 0 && entry_decode(&r, &e) == 0)
		apply(t, from, &e);
	return 0;
}

static int input_requests(struct routes *t, int from, struct span body)
{
	struct reader r = reader_of(body);
	struct request q;

	if (body.len == 0)
		return -EBADMSG;
	while (r.left > 0) {
		int err = request_decode(&r, &q);

		if (err < 0)
			return err;
	}
	r = reader_of(body);
	while (r.left > 0 && request_decode(&r, &q) == 0)
		request_received(t, from, &q);
	return 0;
}

static bool digests_differ(const struct digest *a, const struct digest *b)
{
	return a->n != b->n || a->sum != b->sum;
}

/* The stream keeps order: all that the digest sums was heard before it, or is lost. */
static int input_digest(struct routes *t, struct neighbour *n, struct span body)
{
	struct digest d;
	int r = digest_decode(body, &d);

	if (r < 0)
		return r;
	if (n->is_resyncing)
		return 0;
	if (!digests_differ(&d, &n->heard_digest)) {
		n->resync_wait_us = ROUTE_DIGEST_US;
		return 0;
	}
	t->counters.digest_mismatches++;
	if (t->now_us < n->resync_after_us)
		return 0;
	n->wants_resync = true;
	n->resync_after_us = t->now_us + n->resync_wait_us;
	n->resync_wait_us = min_u64(2 * n->resync_wait_us, RESYNC_WAIT_MAX_US);
	t->counters.resyncs++;
	return 0;
}

/* All is told again at most once a second: too soon, it waits for the next digest's time. */
static void tell_all_again(struct routes *t, struct neighbour *n)
{
	if (!n->is_up)
		return;
	n->needs_dump = n->was_dumped && t->now_us - n->dumped_us < ROUTE_DIGEST_US;
	if (!n->needs_dump)
		tell_all(t, n);
}

/* A neighbour with another epoch is one that restarted, and forgot what it had promised never
 * to exceed: nothing it said before counts any longer. */
static void begin_resync(struct routes *t, int from, const struct resync *s)
{
	struct neighbour *n = &t->neighbours[from];

	if (n->epoch != s->epoch)
		unhear_all(t, from);
	n->epoch = s->epoch;
	n->is_resyncing = true;
	for (uint32_t slot = 0; slot < t->n_destinations; slot++)
		n->heard[slot].is_stale = n->heard[slot].at.metric < ROUTE_METRIC_INFINITY;
	if (digests_differ(&s->heard, &n->told_digest) &&
	    !(n->was_dumped && t->now_us - n->dumped_us < ROUTE_DIGEST_US))
		tell_all_again(t, n); /* else what was told may still be under way */
}

static void end_resync(struct routes *t, struct neighbour *n)
{
	if (!n->is_resyncing)
		return;
	n->is_resyncing = false;
	for (uint32_t slot = 0; slot < t->n_destinations; slot++) {
		if (!n->heard[slot].is_stale)
			continue;
		unhear(n, slot);
		if (slot != SELF)
			select_route(t, slot, false);
	}
}

static int input_resync(struct routes *t, int from, struct span body)
{
	struct resync s;
	int r = resync_decode(body, &s);

	if (r < 0)
		return r;
	switch (s.kind) {
	case RESYNC_REQUEST:
		tell_all_again(t, &t->neighbours[from]);
		break;
	case RESYNC_BEGIN:
		begin_resync(t, from, &s);
		break;
	case RESYNC_END:
		end_resync(t, &t->neighbours[from]);
		break;
	}
	return 0;
}

static int input(struct routes *t, int from, uint8_t record_type, struct span body)
{
	switch (record_type) {
	case RECORD_ROUTE_UPDATE:
		return input_update(t, from, body);
	case RECORD_ROUTE_DIGEST:
		return input_digest(t, &t->neighbours[from], body);
	case RECORD_SEQNO_REQUEST:
		return input_requests(t, from, body);
	case RECORD_ROUTE_RESYNC:
		return input_resync(t, from, body);
	default:
		return -EPROTO;
	}
}

int routes_input(struct routes *t, uint64_t neighbour, uint8_t record_type, struct span body,
		 uint64_t now_us)
{
	int from;
	int r;

	t->now_us = now_us;
	if (neighbour == 0 || neighbour == t->config.self)
		return -EPROTO;
	from = neighbour_add(t, neighbour);
	if (from < 0)
		return from;
	r = input(t, from, record_type, body);
	if (r < 0)
		t->counters.refused++;
	return r;
}
