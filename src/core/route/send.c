/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out: queues of news for each neighbour, written into records when it is time. */
#include "core/route/table.h"

#include <assert.h>

#include "base/units.h"
#include "core/link/stream.h"

void tell_one(struct routes *t, struct neighbour *n, uint32_t slot, bool is_asked)
{
	struct told *told;

	if (!n->is_up)
		return;
	told = &n->told[slot];
	if (!is_asked && !told->is_told && !zone_allows(t, n, &t->destinations[slot]))
		return;
	told->is_asked |= is_asked;
	if (told->is_dirty)
		return;
	told->is_dirty = true;
	queue_push(&n->updates, t->n_size, slot);
}

void tell(struct routes *t, uint32_t slot)
{
	for (unsigned i = 0; i < t->n_neighbours; i++)
		tell_one(t, &t->neighbours[i], slot, false);
}

/* An answer does not wait for company: at each hop of its way it would. */
void tell_now(struct routes *t, struct neighbour *n)
{
	n->flush_us = min_u64(n->flush_us, t->now_us);
}

void ask_one(struct routes *t, struct neighbour *n, uint32_t slot)
{
	if (!n->is_up || n->told[slot].has_request)
		return;
	n->told[slot].has_request = true;
	queue_push(&n->requests, t->n_size, slot);
}

void forget_told(struct routes *t, struct neighbour *n)
{
	memset(n->told, 0, t->n_size * sizeof(*n->told));
	n->updates.head = n->updates.tail = 0;
	n->requests.head = n->requests.tail = 0;
	n->told_digest = (struct digest){ 0 };
	n->needs_begin = false;
	n->needs_end = false;
	n->needs_digest = false;
	n->needs_dump = false;
	n->wants_resync = false;
}

void tell_all(struct routes *t, struct neighbour *n)
{
	bool wants_resync = n->wants_resync;

	forget_told(t, n);
	n->wants_resync = wants_resync;
	n->needs_begin = true;
	n->needs_end = true;
	n->was_dumped = true;
	n->dumped_us = t->now_us;
	for (uint32_t slot = 0; slot < t->n_destinations; slot++) {
		if (slot == SELF ||
		    (t->destinations[slot].next >= 0 && zone_allows(t, n, &t->destinations[slot])))
			tell_one(t, n, slot, false);
	}
}

bool neighbour_has_work(const struct neighbour *n)
{
	return n->is_up && (n->needs_begin || n->needs_end || n->needs_digest || n->wants_resync ||
			    !queue_is_empty(&n->updates) || !queue_is_empty(&n->requests));
}

/* What proves the claim goes first, the rest as it was heard. */
static void write_attributes(const struct routes *t, uint32_t slot, const uint8_t *relayed,
			     struct entry *e)
{
	const struct route_proofs *proofs = t->config.proofs;
	const struct destination *d = &t->destinations[slot];
	struct span all = relayed ? SPAN(relayed + 1, relayed[0]) : (struct span){ 0 };
	uint8_t proof[ROUTE_PROOF_MAX], own[ROUTE_PROOF_MAX];
	struct route_claim claim = {
		.destination = d->id, .epoch = d->at.epoch, .seqno = d->at.seqno, .attributes = all
	};
	size_t len;

	if (!proofs) {
		if (all.len > 0)
			memcpy(e->relayed, all.at, all.len);
		e->relayed_len = (uint8_t)all.len;
		return;
	}
	if (slot == SELF) {
		claim.attributes = SPAN(own, proofs->own(proofs->arg, e->epoch, e->seqno, own));
	} else {
		claim.metric = t->neighbours[d->next].heard[slot].at.metric;
	}
	if (slot == SELF && e->metric == 0) {
		len = claim.attributes.len;
		memcpy(proof, own, len);
	} else {
		len = proofs->relay(proofs->arg, &claim, e->metric, proof);
	}
	memcpy(e->relayed, proof, len);
	e->relayed_len = (uint8_t)(len + strip_reserved(all, RELAYED_MAX - len, e->relayed + len));
}

/* The present route as an entry for a neighbour; false if there is none. */
static bool entry_of(const struct routes *t, const struct neighbour *n, uint32_t slot,
		     struct entry *ret)
{
	const struct destination *d = &t->destinations[slot];
	const uint8_t *relayed;

	*ret = (struct entry){
		.destination = d->id,
		.epoch = d->at.epoch,
		.seqno = d->at.seqno,
		.metric = d->at.metric,
		.hops = d->hops,
	};
	if (slot != SELF && d->next < 0)
		return false;
	if (n->is_shunned && ret->metric < ROUTE_DOUBTED)
		ret->metric += ROUTE_SHUNNED;
	else if (n->is_shunned && ret->metric < ROUTE_SHUNNED)
		ret->metric += ROUTE_SHUNNED - ROUTE_DOUBTED;
	if (ret->metric >= ROUTE_METRIC_INFINITY)
		return false;
	if (slot != SELF && n == &t->neighbours[d->next])
		ret->flags = ENTRY_VIA_YOU;
	relayed = slot == SELF ? t->own : t->neighbours[d->next].heard[slot].relayed;
	write_attributes(t, slot, relayed, ret);
	return true;
}

static uint64_t hash_of(const struct entry *e)
{
	uint8_t bytes[ENTRY_LEN + UINT8_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	bool fits = entry_encode(&w, e);

	assert(fits);
	return entry_hash(SPAN(bytes, w.len));
}

/* Of what is news to one that did not ask: not a new seqno alone, nor what proves it. */
static uint64_t news_of(const struct entry *e)
{
	struct entry without = *e;

	without.seqno = 0;
	without.relayed_len =
		(uint8_t)strip_proof(SPAN(e->relayed, e->relayed_len), without.relayed);
	return hash_of(&without);
}

static bool is_news(const struct told *told, uint64_t news, uint64_t hash)
{
	if (!told->is_told)
		return true;
	return hash != told->hash && (told->is_asked || news != told->news);
}

/* The feasibility distance is the closest ever advertised, to anyone. */
static void note_advertised(struct destination *d, const struct entry *e)
{
	struct distance at = { .epoch = e->epoch, .seqno = e->seqno, .metric = e->metric };

	if (!d->has_feasibility || distance_is_closer(&at, &d->feasibility))
		d->feasibility = at;
	d->has_feasibility = true;
}

static bool write_withdrawal(const struct destination *d, struct neighbour *n, struct told *told,
			     struct writer *w)
{
	struct entry e = {
		.destination = d->id,
		.epoch = d->feasibility.epoch,
		.seqno = d->feasibility.seqno,
		.metric = ROUTE_METRIC_INFINITY,
		.flags = d->next >= 0 ? ENTRY_BEYOND : 0,
	};

	if (!told->is_told)
		return true;
	if (!entry_encode(w, &e))
		return false;
	told->is_told = false;
	n->told_digest.sum -= told->hash;
	n->told_digest.n--;
	return true;
}

/* False when there is no room left in the record. */
static bool write_entry(struct routes *t, struct neighbour *n, uint32_t slot, struct writer *w)
{
	struct destination *d = &t->destinations[slot];
	struct told *told = &n->told[slot];
	struct entry e;
	uint64_t hash, news;

	if (!zone_allows(t, n, d) || !entry_of(t, n, slot, &e))
		return write_withdrawal(d, n, told, w);
	hash = hash_of(&e);
	news = news_of(&e);
	if (!is_news(told, news, hash))
		return true;
	if (!entry_encode(w, &e))
		return false;
	if (told->is_told)
		n->told_digest.sum -= told->hash;
	else
		n->told_digest.n++;
	n->told_digest.sum += hash;
	told->is_told = true;
	told->hash = hash;
	told->news = news;
	note_advertised(d, &e);
	t->counters.updates_sent++;
	return true;
}

static void write_updates(struct routes *t, struct neighbour *n, struct writer *w)
{
	while (!queue_is_empty(&n->updates)) {
		uint32_t slot = n->updates.items[n->updates.head];

		if (!write_entry(t, n, slot, w))
			return;
		(void)queue_pop(&n->updates, &slot);
		n->told[slot].is_dirty = false;
		n->told[slot].is_asked = false;
	}
}

static void write_requests(struct routes *t, struct neighbour *n, struct writer *w)
{
	uint32_t slot;

	while (w->size - w->len >= REQUEST_LEN && queue_pop(&n->requests, &slot)) {
		const struct destination *d = &t->destinations[slot];
		struct request q = {
			.destination = d->id,
			.epoch = d->wanted.epoch,
			.seqno = d->wanted.seqno,
			.hops = d->ask_hops,
		};

		n->told[slot].has_request = false;
		if (d->wish == WISH_NONE && !has_askers(d))
			continue; /* it was answered meanwhile */
		request_encode(w, &q);
		t->counters.requests_sent++;
	}
}

static void write_resync(struct routes *t, struct neighbour *n, enum resync_kind kind,
			 struct writer *w)
{
	struct resync s = {
		.kind = kind,
		.epoch = t->config.epoch,
		.heard = n->heard_digest,
	};

	resync_encode(w, &s);
}

/* In the order that makes each true when it arrives: withdrawals before requests, everything
 * before the digest of it. Returns the type, or 0 for nothing. */
static uint8_t write_record(struct routes *t, struct neighbour *n, struct writer *w)
{
	if (n->needs_begin) {
		n->needs_begin = false;
		write_resync(t, n, RESYNC_BEGIN, w);
		return RECORD_ROUTE_RESYNC;
	}
	write_updates(t, n, w);
	if (w->len)
		return RECORD_ROUTE_UPDATE;
	if (n->needs_end) {
		n->needs_end = false;
		write_resync(t, n, RESYNC_END, w);
		return RECORD_ROUTE_RESYNC;
	}
	if (n->wants_resync) {
		n->wants_resync = false;
		write_resync(t, n, RESYNC_REQUEST, w);
		return RECORD_ROUTE_RESYNC;
	}
	write_requests(t, n, w);
	if (w->len)
		return RECORD_SEQNO_REQUEST;
	if (n->needs_digest) {
		n->needs_digest = false;
		digest_encode(w, &n->told_digest);
		return RECORD_ROUTE_DIGEST;
	}
	return 0;
}

static bool next_record(struct routes *t, struct neighbour *n, struct route_action *ret)
{
	struct writer w = writer_of(ret->body, sizeof(ret->body));
	uint8_t type = write_record(t, n, &w);

	if (type == 0)
		return false;
	ret->type = ROUTE_SEND;
	ret->neighbour = n->id;
	ret->record_type = type;
	ret->len = w.len;
	t->counters.bytes_sent += w.len;
	return true;
}

static bool next_change(struct routes *t, struct route_action *ret)
{
	uint32_t slot;

	if (!queue_pop(&t->changed, &slot))
		return false;
	t->destinations[slot].is_changed = false;
	ret->type = ROUTE_CHANGED;
	ret->destination = t->destinations[slot].id;
	return true;
}

bool routes_next_action(struct routes *t, struct route_action *ret)
{
	zone_review(t);
	if (next_change(t, ret))
		return true;
	for (; t->sending < t->n_neighbours; t->sending++) {
		struct neighbour *n = &t->neighbours[t->sending];

		if (!neighbour_has_work(n) && !n->is_draining)
			continue;
		if (!n->is_draining && t->now_us < n->flush_us)
			continue;
		if (next_record(t, n, ret)) {
			n->is_draining = true;
			return true;
		}
		if (n->is_draining)
			n->flush_us = t->now_us + ROUTE_PACING_US;
		n->is_draining = false;
	}
	t->sending = 0;
	return false;
}
