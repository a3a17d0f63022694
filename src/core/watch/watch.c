/* SPDX-License-Identifier: Apache-2.0 */
/* Destinations in use, probes through their next hops, and what follows from the answers. */
#include "core/watch/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/units.h"

#define TIMEOUT_MIN_US 250000
#define HOPS_UNKNOWN 4
#define HOPS_MAX 16
#define TIMEOUT_FIRST_US 600000 /* while no round trip is known */
#define TIMEOUT_MAX_US 2000000
#define ANSWERS_MAX 64
#define BEYOND_CHANCE 0.4 /* of what is sure */

int watch_new(uint64_t seed, uint64_t now_us, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	(void)now_us;
	if (!w)
		return -ENOMEM;
	rng_seed(&w->rng, seed ^ UINT64_C(0x77617463686572));
	w->next_id = 1;
	*ret = w;
	return 0;
}

void watch_free(struct watch *w)
{
	free(w);
}

/* ---- destinations in use ---- */

static struct destination *find(struct watch *w, uint64_t id)
{
	if (w->destinations[w->last].id == id)
		return &w->destinations[w->last];
	for (size_t i = 0; i < WATCH_DESTINATIONS_MAX; i++)
		if (w->destinations[i].id == id) {
			w->last = i;
			return &w->destinations[i];
		}
	return NULL;
}

static void forget(struct watch *w, struct destination *d)
{
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++)
		if (d->hops[i].is_doubted)
			watch_doubt_hop(w, d, &d->hops[i], false);
	*d = (struct destination){ 0 };
}

/* A free place, or that of the one longest out of use. */
static struct destination *make(struct watch *w, uint64_t id, uint64_t now_us)
{
	struct destination *d = find(w, 0);

	for (size_t i = 0; !d && i < WATCH_DESTINATIONS_MAX; i++) {
		struct destination *c = &w->destinations[i];

		if (now_us - c->used_us >= WATCH_ACTIVE_US &&
		    (!d || max_u64(c->used_us, c->seen_us) < max_u64(d->used_us, d->seen_us)))
			d = c;
	}
	if (!d) {
		w->counters.full++;
		return NULL;
	}
	if (d->id)
		forget(w, d);
	*d = (struct destination){ .id = id, .count_us = now_us };
	w->is_due_known = false;
	w->is_used = true;
	return d;
}

static struct hop *find_hop(struct destination *d, uint64_t neighbour)
{
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++)
		if (d->hops[i].neighbour == neighbour)
			return &d->hops[i];
	return NULL;
}

/* A free place, or that of the one longest out of use; of believed ones first. */
static struct hop *make_hop(struct watch *w, struct destination *d, uint64_t neighbour)
{
	struct hop *h = find_hop(d, 0);

	for (size_t i = 0; !h && i < WATCH_HOPS_MAX; i++) {
		struct hop *c = &d->hops[i];

		if (!c->is_doubted)
			h = c;
	}
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++) {
		struct hop *c = &d->hops[i];

		if (!h ||
		    (h->neighbour && c->is_doubted == h->is_doubted && c->used_us < h->used_us))
			h = c;
	}
	if (h->is_doubted)
		watch_doubt_hop(w, d, h, false);
	*h = (struct hop){ .neighbour = neighbour, .n_needed = WATCH_ANSWERS_MIN };
	w->is_due_known = false;
	return h;
}

/* Others' probes look like packets, and shall not lead to ours: only many make a use. */
static bool is_use(struct destination *d, enum watch_use use, uint64_t now_us)
{
	if (now_us - d->count_us >= WATCH_ACTIVE_US / 2) {
		d->count_before = now_us - d->count_us < WATCH_ACTIVE_US ? d->count : 0;
		d->count = 0;
		d->count_us = now_us;
	}
	d->count += d->count < WATCH_PACKETS_MIN;
	d->seen_us = now_us;
	return use != WATCH_RELAYED || d->count + d->count_before >= WATCH_PACKETS_MIN;
}

/* Where many of ours go the next probe is due sooner: it asks how many arrived; and where many of
 * others do, so that who is nearest to a loss is soon sure of it. */
static void count_passed(struct watch *w, struct hop *h, const struct watch_packet *packet,
			 uint64_t now_us)
{
	if (packet->use == WATCH_OWN) {
		h->n_passed++;
		h->has_bulk |= packet->is_bulk;
	}
	h->n_since_probe++;
	fill_passed(&h->fill, packet->len, packet->is_bulk, now_us);
	if (h->id || h->is_doubted || fill_is_slow(&h->fill, now_us) || h->probe_us == NEVER_US ||
	    h->n_since_probe < WATCH_BUSY_PACKETS ||
	    h->probe_us <= max_u64(now_us, h->sent_us + WATCH_BUSY_US))
		return;
	h->probe_us = max_u64(now_us, h->sent_us + WATCH_BUSY_US);
	h->is_busy = true;
	w->is_due_known = false;
}

void watch_passed(struct watch *w, const struct watch_packet *packet, uint64_t now_us)
{
	uint64_t neighbour = packet->neighbour;
	struct destination *d;
	struct hop *h;

	if (packet->destination == neighbour || !packet->destination || !neighbour ||
	    packet->use == WATCH_NOT)
		return;
	d = find(w, packet->destination);
	if (!d)
		d = make(w, packet->destination, now_us);
	if (!d || !is_use(d, packet->use, now_us))
		return;
	d->len = packet->len;
	d->tag = packet->tag;
	d->is_bulk = packet->is_bulk;
	h = find_hop(d, neighbour);
	if (!h)
		h = make_hop(w, d, neighbour);
	if (d->current != neighbour) {
		w->is_due_known = false;
		if (!h->id)
			h->probe_us = NEVER_US; /* soon */
	}
	d->current = neighbour;
	d->used_us = now_us;
	if (packet->use != WATCH_ANSWER)
		d->packet_us = now_us;
	h->used_us = now_us;
	if (packet->use != WATCH_ANSWER)
		count_passed(w, h, packet, now_us);
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++)
		if (!d->hops[i].id && d->hops[i].probe_us == NEVER_US) {
			d->hops[i].probe_us = now_us + rng_below(&w->rng, WATCH_INTERVAL_US / 4);
			w->is_due_known = false;
		}
}

void watch_gone(struct watch *w, uint64_t neighbour)
{
	struct neighbour *n = neighbour ? watch_find_neighbour(w, neighbour) : NULL;

	if (n)
		*n = (struct neighbour){ 0 };
	for (size_t i = 0; neighbour && i < WATCH_DESTINATIONS_MAX; i++) {
		struct hop *h = find_hop(&w->destinations[i], neighbour);

		if (h)
			*h = (struct hop){ 0 };
	}
}

/* ---- probes ---- */

static uint64_t timeout_us(const struct destination *d)
{
	if (!d->rtt_us)
		return TIMEOUT_FIRST_US;
	return min_u64(max_u64(2 * (uint64_t)d->rtt_us + MS(100), TIMEOUT_MIN_US), TIMEOUT_MAX_US);
}

static void note(struct hop *h, bool is_lost)
{
	h->results = (uint16_t)(h->results << 1 | is_lost);
	if (h->n_results < WATCH_WINDOW)
		h->n_results++;
}

static void note_history(struct hop *h, bool is_lost, uint64_t now_us)
{
	if (now_us - h->noted_us > WATCH_HISTORY_US) {
		h->n_history = 0;
		h->evidence = (struct evidence){ 0 };
		h->again_us = 0;
	}
	h->history = h->history << 1 | is_lost;
	h->n_history = (uint8_t)min_u64(h->n_history + 1U, WATCH_HISTORY);
	h->noted_us = now_us;
}

/* ---- those nearer first ---- */

static bool is_letting_nearer(const struct hop *h, uint64_t now_us)
{
	return now_us < h->again_us;
}

/* Where the loss is behind the next hop, somebody nearer sees it too, knows better whose it is, and
 * goes around it. So what speaks for it here is forgotten once, and has to come again after they
 * had their time. */
static void let_nearer(struct hop *h, uint64_t now_us)
{
	double sureness = evidence_sureness(&h->evidence);
	unsigned n_further = WATCH_FURTHER_UNKNOWN;

	if (now_us - max_u64(h->again_us, h->seen_us) >= WATCH_NEARER_KEPT_US)
		h->again_us = 0;
	if (sureness >= BEYOND_CHANCE)
		h->seen_us = now_us;
	if (sureness < 1 || h->again_us || h->n_hops == WATCH_NEAREST_HOPS)
		return;
	if (h->n_hops > WATCH_NEAREST_HOPS)
		n_further = (unsigned)min_u64(h->n_hops - WATCH_NEAREST_HOPS, WATCH_FURTHER_MAX);
	h->again_us = now_us + n_further * (uint64_t)WATCH_NEARER_US;
	h->n_hurried = 0; /* it is to be sure again soon after that */
	h->evidence = (struct evidence){ 0 };
}

static void weigh_probe(const struct destination *d, struct hop *h, bool is_lost, uint64_t now_us)
{
	note_history(h, is_lost, now_us);
	if (is_letting_nearer(h, now_us))
		return;
	evidence_probe(&h->evidence, d->n_hops, is_lost);
	let_nearer(h, now_us);
}

/* Lost ones that were held. */
static void weigh_held(const struct destination *d, struct hop *h, bool with_bulk, uint64_t now_us)
{
	for (unsigned n = fill_release(&h->fill, with_bulk); n > 0; n--)
		weigh_probe(d, h, true, now_us);
}

/* Of a way that was just doubted it shall soon be sure whether it loses all; not of many at once,
 * so that whoever answers, and those between, are not kept busy with it. */
static bool may_hurry(struct watch *w, const struct destination *d, struct hop *h, uint64_t now_us)
{
	if (d->hurried != h->neighbour || h->n_hurried >= WATCH_HURRIED_MAX ||
	    is_letting_nearer(h, now_us) || evidence_is_sure(&h->evidence))
		return false;
	if (now_us - w->hurried_us >= SECONDS(1)) {
		w->hurried_us = now_us;
		w->n_hurried = 0;
	}
	if (w->n_hurried >= WATCH_HURRIED_PER_S)
		return false;
	w->n_hurried++;
	h->n_hurried++;
	return true;
}

static uint64_t until_next_us(struct watch *w, const struct destination *d, struct hop *h,
			      uint64_t now_us)
{
	uint64_t mean_us = WATCH_INTERVAL_US;

	if (h->is_doubted)
		mean_us = may_hurry(w, d, h, now_us) ? WATCH_DOUBTED_US : WATCH_INTERVAL_US;
	else if (fill_is_slow(&h->fill, now_us))
		mean_us = WATCH_INTERVAL_US;
	else if (evidence_is_suspect(&h->evidence) || h->fill.n_held_bulk > 0)
		mean_us = WATCH_HURRY_US;
	return rng_jitter(&w->rng, mean_us, 25);
}

/* Whoever is nearer to where they are lost finds out first, and mends it before others doubt those
 * between. */
static unsigned lost_max(const struct destination *d)
{
	unsigned n_hops = d->n_hops ? d->n_hops : HOPS_UNKNOWN;

	return WATCH_LOST_MIN + (n_hops < HOPS_MAX ? n_hops : HOPS_MAX) / 2;
}

/* One more where probes are frequent: chance has as many more tries. */
static bool is_to_be_doubted(const struct destination *d, const struct hop *h)
{
	unsigned n_row = h->n_lost_row * (unsigned)WATCH_BULK_LOST + h->n_bulk_row;

	return n_row >= WATCH_BULK_LOST * (lost_max(d) + h->is_busy) ||
	       (h->n_results == WATCH_WINDOW && watch_count_lost(h) >= WATCH_WINDOW_LOST_MAX);
}

static void count_up(uint8_t *n)
{
	*n = (uint8_t)(*n + (*n < UINT8_MAX));
}

/* One that was bulk counts for little, and all count for that while the way may be full. */
static void count_lost(const struct destination *d, struct hop *h, uint64_t now_us)
{
	bool may_be_full = fill_may_be_full(&h->fill, now_us);

	h->is_noted = !h->is_bulk && !may_be_full;
	h->is_weighed = false;
	count_up(h->is_noted ? &h->n_lost_row : &h->n_bulk_row);
	if (h->is_noted)
		note(h, true);
	if (may_be_full)
		return;
	if (fill_has_bulk(&h->fill, now_us) || h->is_bulk) {
		fill_hold(&h->fill, h->is_bulk);
		return;
	}
	h->is_weighed = true;
	weigh_probe(d, h, true, now_us);
}

static void give_up(struct hop *h)
{
	memmove(h->given_up + 1, h->given_up, sizeof(h->given_up) - sizeof(h->given_up[0]));
	h->given_up[0] = (struct given_up){ .id = h->id, .sent_us = h->sent_us };
	h->id = 0;
}

/* The next one goes at once, to be sure soon; through a doubted one as soon as may be. */
static void lost(struct watch *w, struct destination *d, struct hop *h, uint64_t now_us)
{
	bool was_doubted = h->is_doubted;

	give_up(h);
	w->counters.lost++;
	count_lost(d, h, now_us);
	h->n_answered_row = 0;
	if (h->is_doubted || is_to_be_doubted(d, h))
		watch_doubt_hop(w, d, h, true); /* said again: it may have been taken back */
	if (h->is_doubted && !was_doubted) {
		d->hurried = h->neighbour;
		h->n_hurried = 0;
	}
	/* Through a doubted one no bulk of ours goes that could fill it. */
	h->wants_second = (h->wants_second || h->is_bulk) && !h->is_doubted;
	if (h->is_doubted) {
		weigh_held(d, h, true, now_us);
		watch_judge(w, h->neighbour, now_us);
	}
	h->probe_us = now_us;
	if (was_doubted)
		h->probe_us = max_u64(now_us, h->sent_us + until_next_us(w, d, h, now_us));
}

static void believe(struct watch *w, struct destination *d, struct hop *h)
{
	h->results = 0;
	h->n_results = 0;
	h->n_needed = (uint8_t)min_u64(2U * h->n_needed, ANSWERS_MAX);
	watch_doubt_hop(w, d, h, false);
	watch_believe(w, h->neighbour);
}

static void note_round_trip(struct destination *d, uint64_t rtt_us)
{
	d->rtt_us = (uint32_t)(d->rtt_us ? (7 * (uint64_t)d->rtt_us + rtt_us) / 8 : rtt_us);
}

static struct given_up *find_given_up(struct hop *h, uint32_t id)
{
	for (size_t i = 0; i < GIVEN_UP_MAX; i++)
		if (h->given_up[i].id == id)
			return &h->given_up[i];
	return NULL;
}

static struct hop *find_probe(struct destination *d, uint32_t id)
{
	for (size_t i = 0; id && i < WATCH_HOPS_MAX; i++) {
		struct hop *h = &d->hops[i];

		if (h->neighbour && (h->id == id || find_given_up(h, id)))
			return h;
	}
	return NULL;
}

/* Of the last two the less: now and then one answer comes back by a longer way. */
static void note_hops(struct hop *h, unsigned n_hops)
{
	uint8_t n = (uint8_t)min_u64(n_hops, UINT8_MAX);
	uint8_t before = h->n_hops;

	h->n_hops = h->last_hops && h->last_hops < n ? h->last_hops : n;
	h->last_hops = n;
	if (h->n_hops != before)
		h->fill.least_us = 0; /* another way behind the neighbour */
}

/* It was not lost: the way is longer than was thought. */
static void answered_late(struct destination *d, struct hop *h, uint32_t id, uint64_t now_us)
{
	struct given_up *late = find_given_up(h, id);

	if (late == h->given_up && h->is_noted)
		h->results &= (uint16_t)~1U;
	if (late == h->given_up && h->is_weighed) {
		h->history &= ~UINT32_C(1);
		evidence_late(&h->evidence, d->n_hops);
	}
	/* no longer than a probe is waited for: who holds answers back shall not blind us longer */
	d->rtt_us = (uint32_t)max_u64(d->rtt_us, min_u64(now_us - late->sent_us, TIMEOUT_MAX_US));
	fill_answered(&h->fill, now_us - late->sent_us, FILL_LATE, now_us);
	late->id = 0;
	h->n_bulk_row = 0;
}

void watch_mark(struct watch *w, uint32_t id, uint32_t n_sealed)
{
	for (size_t i = 0; i < WATCH_DESTINATIONS_MAX; i++) {
		struct hop *h = find_probe(&w->destinations[i], id);

		if (!h || h->id != id)
			continue;
		h->marked.n_sealed = n_sealed;
		h->is_marked = true;
		return;
	}
}

/* Of what went since the last answer that counted, if all of it went this way. More opened than
 * went is late: that many are given back. Fewer than before is another life of the other end, which
 * says nothing of the way. */
static void weigh_packets(const struct destination *d, struct hop *h, const uint32_t *n_opened,
			  uint64_t now_us)
{
	struct tally now = h->marked, before = h->counted;
	bool was_fast = h->fill.is_counted_fast;
	bool is_fast = !h->fill.is_slow;
	bool is_bulk = h->has_bulk;
	/* Who is farther would be sure long before those nearer, who have but their probes. */
	bool may_weigh_bulk = was_fast && is_fast && h->n_hops == WATCH_NEAREST_HOPS;
	bool is_comparable = h->is_counted && (!is_bulk || may_weigh_bulk);
	uint32_t n_sealed = now.n_sealed - before.n_sealed;
	int32_t n_opened_since;

	h->has_bulk = false;
	h->is_counted = h->is_marked && n_opened;
	if (!h->is_counted)
		return;
	h->fill.is_counted_fast = is_fast;
	now.n_opened = *n_opened;
	h->counted = now;
	n_opened_since = (int32_t)(now.n_opened - before.n_opened);
	if (!is_comparable || n_opened_since < 0 || n_sealed != now.n_passed - before.n_passed ||
	    is_letting_nearer(h, now_us))
		return;
	evidence_packets(&h->evidence, d->n_hops, n_sealed, (int64_t)n_sealed - n_opened_since,
			 is_bulk);
	let_nearer(h, now_us);
}

/* In time. */
static void answered(struct watch *w, struct destination *d, struct hop *h,
		     const uint32_t *n_opened, uint64_t now_us)
{
	uint64_t rtt_us = now_us - h->sent_us;
	bool is_second = h->wants_second && !h->is_bulk;

	h->id = 0;
	note(h, false);
	fill_answered(&h->fill, rtt_us, is_second ? FILL_SECOND : FILL_IN_TIME, now_us);
	if (!fill_is_slow(&h->fill, now_us)) {
		weigh_held(d, h, !is_second, now_us);
		/* That a second one comes says nothing for those that were lost before it. */
		if (!is_second)
			weigh_probe(d, h, false, now_us);
	}
	/* nor how much room there is for bulk, where all else goes first */
	if (!is_second)
		weigh_packets(d, h, n_opened, now_us);
	note_round_trip(d, rtt_us);
	count_up(&h->n_answered_row);
	h->wants_second = false;
	h->probe_us = now_us;
	if (is_second)
		return;
	h->probe_us += until_next_us(w, d, h, now_us);
	h->n_bulk_row = 0;
}

void watch_answered(struct watch *w, uint64_t destination, uint32_t id, unsigned n_hops,
		    const uint32_t *n_opened, uint64_t now_us)
{
	struct destination *d = destination ? find(w, destination) : NULL;
	struct hop *h = d ? find_probe(d, id) : NULL;

	if (!h)
		return;
	w->is_due_known = false;
	w->counters.answered++;
	note_hops(h, n_hops);
	if (h->id == id)
		answered(w, d, h, n_opened, now_us);
	else
		answered_late(d, h, id, now_us);
	d->n_hops = n_hops;
	h->has_answered = true;
	h->answered_us = now_us;
	h->n_lost_row = 0;
	if (h->is_doubted && h->n_answered_row >= h->n_needed)
		believe(w, d, h);
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++)
		if (d->hops[i].is_doubted)
			watch_judge(w, d->hops[i].neighbour, now_us);
}

void watch_excuse(struct watch *w, uint32_t id)
{
	w->is_due_known = false;
	for (size_t i = 0; i < WATCH_DESTINATIONS_MAX; i++) {
		struct hop *h = find_probe(&w->destinations[i], id);

		if (!h)
			continue;
		h->id = 0;
		w->counters.sent--;
		h->results = h->n_results = h->n_lost_row = h->n_bulk_row = 0;
		(void)fill_release(&h->fill, true);
		h->probe_us = h->sent_us + WATCH_INTERVAL_US;
		if (h->is_doubted)
			watch_doubt_hop(w, &w->destinations[i], h, false);
	}
}

void watch_unsent(struct watch *w, uint32_t id)
{
	w->is_due_known = false;
	for (size_t i = 0; i < WATCH_DESTINATIONS_MAX; i++)
		for (size_t k = 0; id && k < WATCH_HOPS_MAX; k++)
			if (w->destinations[i].hops[k].id == id) {
				struct hop *h = &w->destinations[i].hops[k];

				h->id = 0;
				h->probe_us = h->sent_us + WATCH_INTERVAL_US / 2;
				w->counters.sent--;
			}
}

/* The next hop of a destination in use, and those that are doubted: to find out if they mended. */
static bool is_watched(const struct destination *d, const struct hop *h)
{
	return h->neighbour && (h->neighbour == d->current || h->is_doubted);
}

static bool probe(struct watch *w, struct destination *d, uint64_t now_us, struct watch_probe *ret)
{
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++) {
		struct hop *h = &d->hops[i];

		if (!is_watched(d, h) || now_us < h->probe_us)
			continue;
		if (h->id)
			lost(w, d, h, now_us);
		if (now_us >= d->used_us + WATCH_ACTIVE_US) {
			h->probe_us = NEVER_US; /* until it is used again */
			(void)fill_release(&h->fill, true);
			h->is_busy = false;
		}
		if (now_us < h->probe_us)
			continue;
		h->is_bulk = d->is_bulk && !h->wants_second;
		h->is_marked = false;
		h->marked = (struct tally){ .n_passed = h->n_passed };
		h->n_since_probe = 0;
		h->id = w->next_id++;
		w->next_id += w->next_id == 0;
		h->sent_us = now_us;
		h->probe_us = now_us + timeout_us(d);
		w->counters.sent++;
		*ret = (struct watch_probe){
			.destination = d->id,
			.neighbour = h->neighbour,
			.id = h->id,
			.len = d->len,
			.tag = d->tag,
			.is_second = d->is_bulk && h->wants_second,
			.is_for_packets = d->packet_us && now_us - d->packet_us < WATCH_ACTIVE_US,
		};
		return true;
	}
	return false;
}

bool watch_next_probe(struct watch *w, uint64_t now_us, struct watch_probe *ret)
{
	if (!w->is_used || now_us < watch_deadline_us(w))
		return false;
	w->is_due_known = false;
	watch_review(w, now_us);
	for (size_t i = 0; i < WATCH_DESTINATIONS_MAX; i++) {
		struct destination *d = &w->destinations[i];

		if (!d->id)
			continue;
		if (now_us >= max_u64(d->used_us, d->seen_us) + WATCH_KEPT_US)
			forget(w, d);
		else if (probe(w, d, now_us, ret))
			return true;
	}
	return false;
}

static uint64_t earliest_us(const struct watch *w)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; w->is_used && i < WATCH_DESTINATIONS_MAX; i++) {
		const struct destination *d = &w->destinations[i];

		if (!d->id)
			continue;
		at = min_u64(at, max_u64(d->used_us, d->seen_us) + WATCH_KEPT_US);
		for (size_t k = 0; k < WATCH_HOPS_MAX; k++) {
			const struct hop *h = &d->hops[k];

			if (is_watched(d, h))
				at = min_u64(at, h->probe_us);
		}
	}
	for (size_t i = 0; w->is_used && i < WATCH_NEIGHBOURS_MAX; i++)
		if (w->neighbours[i].is_doubted)
			at = min_u64(at, w->neighbours[i].until_us);
	return at;
}

uint64_t watch_deadline_us(struct watch *w)
{
	if (!w->is_due_known)
		w->due_us = earliest_us(w);
	w->is_due_known = true;
	return w->due_us;
}
