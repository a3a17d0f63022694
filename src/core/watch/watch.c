/* SPDX-License-Identifier: Apache-2.0 */
/* Destinations in use, probes through their next hops, and what follows from the answers. */
#include "core/watch/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/units.h"

#define TIMEOUT_MIN_US 250000
#define HOPS_UNKNOWN 4
#define HOPS_MAX 16
#define TIMEOUT_FIRST_US 600000 /* while no round trip is known */
#define TIMEOUT_MAX_US 2000000
#define ALIVE_US 10000000 /* answered this lately, by any way: the destination is there */
#define ANSWERS_MAX 64
#define DOUBTS_MAX (WATCH_DESTINATIONS_MAX * WATCH_HOPS_MAX + 2 * WATCH_NEIGHBOURS_MAX)

/* One neighbour as the way to one destination. */
struct hop {
	uint64_t neighbour; /* 0: free */
	uint64_t used_us;
	uint64_t probe_us; /* when the next one is due, or the one under way is lost */
	uint64_t sent_us;
	uint64_t answered_us;
	uint32_t id;	  /* of the probe under way; 0 none */
	uint32_t late_id; /* of the last one given up: it may yet be answered */
	uint64_t late_sent_us;
	uint64_t hurry_us; /* probed often until then */
	uint64_t noted_us; /* of the last bit of history */
	uint32_t history;  /* as results, and for longer; without bulk */
	uint8_t n_history;
	uint16_t results; /* a bit for each of the last probes: 1 lost */
	uint8_t n_results;
	uint8_t n_lost_row; /* in parts of WATCH_BULK_LOST to one */
	bool is_bulk;	    /* the probe under way */
	uint8_t n_answered_row;
	uint8_t n_needed; /* answers to be believed again */
	bool has_answered;
	bool is_doubted;
};

struct destination {
	uint64_t id;	    /* 0: free */
	uint64_t seen_us;   /* of the last packet */
	uint64_t used_us;   /* of the last one that was one of many, or ours */
	uint64_t packet_us; /* of the last one that was no answer */
	uint64_t count_us;  /* since when it is counted; and how much, now and the time before */
	unsigned count, count_before;
	uint64_t current; /* neighbour of the last packet */
	size_t len;
	uint8_t tag;
	bool is_bulk;
	uint32_t rtt_us;
	unsigned n_hops; /* of the last answer; 0 unknown */
	struct hop hops[WATCH_HOPS_MAX];
};

struct neighbour {
	uint64_t id;
	bool is_doubted;
	uint64_t until_us;
	uint64_t for_us;
	unsigned n_lies;
	uint64_t lies_us; /* the first of them */
};

struct watch {
	struct rng rng;
	struct destination destinations[WATCH_DESTINATIONS_MAX];
	size_t last; /* found last */
	struct neighbour neighbours[WATCH_NEIGHBOURS_MAX];
	bool is_used; /* something was ever put there: many nodes pass on nothing */
	/* The earliest of all below, as it was when is_due_known was set; it may have become later.
	 */
	uint64_t due_us;
	bool is_due_known;
	uint32_t next_id;
	struct watch_doubt doubts[DOUBTS_MAX]; /* a ring */
	size_t first_doubt, n_doubts;
	struct watch_counters counters;
};

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

/* ---- doubts ---- */

/* The newest word about the same pair takes the place of an older one, so the ring has room. */
static void say(struct watch *w, struct watch_doubt doubt)
{
	for (size_t i = 0; i < w->n_doubts; i++) {
		struct watch_doubt *d = &w->doubts[(w->first_doubt + i) % DOUBTS_MAX];

		if (d->neighbour == doubt.neighbour && d->destination == doubt.destination) {
			doubt.is_news |= d->is_news;
			*d = doubt;
			return;
		}
	}
	if (w->n_doubts == DOUBTS_MAX) { /* nobody drains: the oldest word is lost */
		w->first_doubt = (w->first_doubt + 1) % DOUBTS_MAX;
		w->n_doubts--;
	}
	w->doubts[(w->first_doubt + w->n_doubts++) % DOUBTS_MAX] = doubt;
}

bool watch_next_doubt(struct watch *w, struct watch_doubt *ret)
{
	if (w->n_doubts == 0)
		return false;
	*ret = w->doubts[w->first_doubt];
	w->first_doubt = (w->first_doubt + 1) % DOUBTS_MAX;
	w->n_doubts--;
	return true;
}

static unsigned count_lost(const struct hop *h)
{
	return (unsigned)__builtin_popcount(h->results);
}

static void doubt_hop(struct watch *w, const struct destination *d, struct hop *h, bool is_doubted)
{
	bool is_news = h->is_doubted != is_doubted;

	w->counters.doubts += is_doubted && is_news;
	h->is_doubted = is_doubted;
	say(w, (struct watch_doubt){ .neighbour = h->neighbour,
				     .destination = d->id,
				     .is_doubted = is_doubted,
				     .is_news = is_news,
				     .n_lost = count_lost(h),
				     .n_sent = h->n_results });
}

static struct neighbour *find_neighbour(struct watch *w, uint64_t id)
{
	for (size_t i = 0; i < WATCH_NEIGHBOURS_MAX; i++)
		if (w->neighbours[i].id == id)
			return &w->neighbours[i];
	return NULL;
}

/* A free place, or that of the one that has been believed again the longest. */
static struct neighbour *make_neighbour(struct watch *w, uint64_t id)
{
	struct neighbour *n = find_neighbour(w, id);
	struct neighbour *best = NULL;

	if (n)
		return n;
	n = find_neighbour(w, 0);
	for (size_t i = 0; !n && i < WATCH_NEIGHBOURS_MAX; i++) {
		struct neighbour *c = &w->neighbours[i];

		if (!c->is_doubted && (!best || c->until_us < best->until_us))
			best = c;
	}
	n = n ? n : best;
	if (n)
		*n = (struct neighbour){ .id = id };
	w->is_used = true;
	return n;
}

static void doubt_neighbour(struct watch *w, uint64_t id, uint64_t now_us)
{
	struct neighbour *n = make_neighbour(w, id);

	if (!n)
		return;
	if (!n->is_doubted) {
		n->for_us =
			n->for_us ? min_u64(2 * n->for_us, WATCH_DOUBT_MAX_US) : WATCH_DOUBT_MIN_US;
		w->counters.neighbour_doubts++;
		say(w,
		    (struct watch_doubt){ .neighbour = id, .is_doubted = true, .is_news = true });
	}
	n->is_doubted = true;
	n->until_us = now_us + n->for_us;
	w->is_due_known = false;
}

static bool is_alive(const struct destination *d, const struct hop *but, uint64_t now_us)
{
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++) {
		const struct hop *h = &d->hops[i];

		if (h != but && h->neighbour && h->has_answered &&
		    now_us - h->answered_us < ALIVE_US)
			return true;
	}
	return false;
}

/* Convicted: lost by this neighbour, while the destination answers by another. Where the answers
 * come by the neighbour too none will; then it is for more destinations failing to tell. One that
 * was answered through it speaks for it. */
static void judge_neighbour(struct watch *w, uint64_t id, uint64_t now_us)
{
	unsigned n_convicted = 0;
	unsigned n_failing = 0;

	for (size_t i = 0; i < WATCH_DESTINATIONS_MAX; i++) {
		const struct destination *d = &w->destinations[i];

		for (size_t k = 0; d->id && k < WATCH_HOPS_MAX; k++) {
			const struct hop *h = &d->hops[k];

			if (h->neighbour != id)
				continue;
			if (h->is_doubted) {
				n_failing++;
				n_convicted += is_alive(d, h, now_us);
			} else if (h->has_answered && now_us - h->answered_us < ALIVE_US) {
				return;
			}
		}
	}
	if (n_convicted >= WATCH_CONVICTED_MIN || n_failing >= WATCH_FAILING_MIN)
		doubt_neighbour(w, id, now_us);
}

static void believe_neighbour(struct watch *w, uint64_t id)
{
	struct neighbour *n = find_neighbour(w, id);

	if (!n || !n->is_doubted || n->n_lies >= WATCH_LIES_MAX)
		return;
	n->is_doubted = false;
	say(w, (struct watch_doubt){ .neighbour = id, .is_news = true });
}

void watch_lied(struct watch *w, uint64_t neighbour, uint64_t now_us)
{
	struct neighbour *n = make_neighbour(w, neighbour);

	if (!n)
		return;
	if (n->n_lies == 0 || now_us - n->lies_us > WATCH_LIES_US) {
		n->n_lies = 0;
		n->lies_us = now_us;
	}
	if (++n->n_lies >= WATCH_LIES_MAX)
		doubt_neighbour(w, neighbour, now_us);
}

static void review_neighbours(struct watch *w, uint64_t now_us)
{
	for (size_t i = 0; i < WATCH_NEIGHBOURS_MAX; i++) {
		struct neighbour *n = &w->neighbours[i];

		if (!n->is_doubted || now_us < n->until_us)
			continue;
		n->is_doubted = false;
		n->n_lies = 0;
		say(w, (struct watch_doubt){ .neighbour = n->id, .is_news = true });
	}
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
			doubt_hop(w, d, &d->hops[i], false);
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
		doubt_hop(w, d, h, false);
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
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++)
		if (!d->hops[i].id && d->hops[i].probe_us == NEVER_US) {
			d->hops[i].probe_us = now_us + rng_below(&w->rng, WATCH_INTERVAL_US / 4);
			w->is_due_known = false;
		}
}

void watch_gone(struct watch *w, uint64_t neighbour)
{
	struct neighbour *n = neighbour ? find_neighbour(w, neighbour) : NULL;

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
	if (h->is_bulk)
		return;
	if (now_us - h->noted_us > WATCH_HISTORY_US)
		h->n_history = 0;
	h->history = h->history << 1 | is_lost;
	h->n_history = (uint8_t)min_u64(h->n_history + 1U, WATCH_HISTORY);
	h->noted_us = now_us;
}

static uint64_t next_probe_us(struct watch *w, const struct hop *h, uint64_t now_us)
{
	uint64_t mean_us = now_us < h->hurry_us ? WATCH_HURRY_US : WATCH_INTERVAL_US;

	return now_us + rng_jitter(&w->rng, mean_us, 25);
}

/* Whoever is nearer to where they are lost finds out first, and mends it before others doubt those
 * between. */
static unsigned lost_max(const struct destination *d)
{
	unsigned n_hops = d->n_hops ? d->n_hops : HOPS_UNKNOWN;

	return WATCH_LOST_MIN + (n_hops < HOPS_MAX ? n_hops : HOPS_MAX) / 2;
}

static bool is_to_be_doubted(const struct destination *d, const struct hop *h)
{
	return h->n_lost_row >= WATCH_BULK_LOST * lost_max(d) ||
	       (h->n_results == WATCH_WINDOW && count_lost(h) >= WATCH_WINDOW_LOST_MAX);
}

/* The next one goes at once, to be sure soon; through a doubted one at leisure. */
static void lost(struct watch *w, struct destination *d, struct hop *h, uint64_t now_us)
{
	h->late_id = h->id;
	h->late_sent_us = h->sent_us;
	h->id = 0;
	w->counters.lost++;
	if (!h->is_bulk)
		note(h, true);
	note_history(h, true, now_us);
	h->n_lost_row =
		(uint8_t)min_u64(h->n_lost_row + (h->is_bulk ? 1U : WATCH_BULK_LOST), UINT8_MAX);
	h->n_answered_row = 0;
	h->probe_us = now_us;
	if (h->is_doubted)
		h->probe_us = next_probe_us(w, h, now_us);
	if (h->is_doubted || is_to_be_doubted(d, h))
		doubt_hop(w, d, h, true); /* said again: it may have been taken back */
	if (h->is_doubted)
		judge_neighbour(w, h->neighbour, now_us);
}

static void believe(struct watch *w, struct destination *d, struct hop *h)
{
	h->results = 0;
	h->n_results = 0;
	h->n_needed = (uint8_t)min_u64(2U * h->n_needed, ANSWERS_MAX);
	doubt_hop(w, d, h, false);
	believe_neighbour(w, h->neighbour);
}

static void note_round_trip(struct destination *d, uint64_t rtt_us)
{
	d->rtt_us = (uint32_t)(d->rtt_us ? (7 * (uint64_t)d->rtt_us + rtt_us) / 8 : rtt_us);
}

static struct hop *find_probe(struct destination *d, uint32_t id)
{
	for (size_t i = 0; id && i < WATCH_HOPS_MAX; i++) {
		struct hop *h = &d->hops[i];

		if (h->neighbour && (h->id == id || h->late_id == id))
			return h;
	}
	return NULL;
}

/* It was not lost: the way is longer than was thought. */
static void answered_late(struct destination *d, struct hop *h, uint64_t now_us)
{
	h->late_id = 0;
	if (!h->is_bulk) {
		h->results &= (uint16_t)~1U;
		h->history &= ~UINT32_C(1);
	}
	d->rtt_us = (uint32_t)max_u64(d->rtt_us, now_us - h->late_sent_us);
}

void watch_answered(struct watch *w, uint64_t destination, uint32_t id, unsigned n_hops,
		    uint64_t now_us)
{
	struct destination *d = destination ? find(w, destination) : NULL;
	struct hop *h = d ? find_probe(d, id) : NULL;

	if (!h)
		return;
	w->is_due_known = false;
	w->counters.answered++;
	if (h->id == id) {
		h->id = 0;
		note(h, false);
		note_history(h, false, now_us);
		note_round_trip(d, now_us - h->sent_us);
		h->probe_us = next_probe_us(w, h, now_us);
	} else {
		answered_late(d, h, now_us);
	}
	d->n_hops = n_hops;
	h->has_answered = true;
	h->answered_us = now_us;
	h->n_lost_row = 0;
	if (h->n_answered_row < UINT8_MAX)
		h->n_answered_row++;
	if (h->is_doubted && h->n_answered_row >= h->n_needed)
		believe(w, d, h);
	for (size_t i = 0; i < WATCH_HOPS_MAX; i++)
		if (d->hops[i].is_doubted)
			judge_neighbour(w, d->hops[i].neighbour, now_us);
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
		h->results = h->n_results = h->n_lost_row = 0;
		h->probe_us = h->sent_us + WATCH_INTERVAL_US;
		if (h->is_doubted)
			doubt_hop(w, &w->destinations[i], h, false);
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
		if (now_us >= d->used_us + WATCH_ACTIVE_US)
			h->probe_us = NEVER_US; /* until it is used again */
		if (now_us < h->probe_us)
			continue;
		h->is_bulk = d->is_bulk;
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
	review_neighbours(w, now_us);
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

/* ---- asked ---- */

bool watch_next_way(const struct watch *w, size_t *cursor, struct watch_way *ret)
{
	while (*cursor < (size_t)WATCH_DESTINATIONS_MAX * WATCH_HOPS_MAX) {
		const struct destination *d = &w->destinations[*cursor / WATCH_HOPS_MAX];
		const struct hop *h = &d->hops[*cursor % WATCH_HOPS_MAX];
		uint32_t kept;

		(*cursor)++;
		if (!d->id || !h->neighbour || h->n_history == 0)
			continue;
		kept = h->n_history == 32 ? UINT32_MAX : (UINT32_C(1) << h->n_history) - 1;
		*ret = (struct watch_way){
			.destination = d->id,
			.neighbour = h->neighbour,
			.is_current = h->neighbour == d->current,
			.is_doubted = h->is_doubted,
			.n_hops = d->n_hops,
			.n_sent = h->n_history,
			.n_lost = (unsigned)__builtin_popcount(h->history & kept),
			.noted_us = h->noted_us,
		};
		return true;
	}
	return false;
}

void watch_hurry(struct watch *w, uint64_t destination, uint64_t neighbour, uint64_t until_us,
		 uint64_t now_us)
{
	struct destination *d = destination ? find(w, destination) : NULL;
	struct hop *h = d && neighbour ? find_hop(d, neighbour) : NULL;

	if (!h)
		return;
	h->hurry_us = until_us;
	/* One that is not used, or under way, is left as it is. */
	if (!h->id && h->probe_us != NEVER_US)
		h->probe_us = min_u64(h->probe_us, next_probe_us(w, h, now_us));
	w->is_due_known = false;
}

void watch_counters(const struct watch *w, struct watch_counters *ret)
{
	*ret = w->counters;
}

bool watch_is_doubted(const struct watch *w, uint64_t neighbour)
{
	for (size_t i = 0; i < WATCH_NEIGHBOURS_MAX; i++)
		if (neighbour && w->neighbours[i].id == neighbour)
			return w->neighbours[i].is_doubted;
	return false;
}
