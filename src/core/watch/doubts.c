/* SPDX-License-Identifier: Apache-2.0 */
/* Who is doubted, for one destination or for all, and for how long. */
#include "core/watch/internal.h"

#define ALIVE_US 10000000 /* answered this lately, by any way: the destination is there */

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

unsigned watch_count_lost(const struct hop *h)
{
	return (unsigned)__builtin_popcount(h->results);
}

void watch_doubt_hop(struct watch *w, const struct destination *d, struct hop *h, bool is_doubted)
{
	bool is_news = h->is_doubted != is_doubted;

	w->counters.doubts += is_doubted && is_news;
	h->is_doubted = is_doubted;
	say(w, (struct watch_doubt){ .neighbour = h->neighbour,
				     .destination = d->id,
				     .is_doubted = is_doubted,
				     .is_news = is_news,
				     .n_lost = watch_count_lost(h),
				     .n_sent = h->n_results });
}

struct neighbour *watch_find_neighbour(struct watch *w, uint64_t id)
{
	for (size_t i = 0; i < WATCH_NEIGHBOURS_MAX; i++)
		if (w->neighbours[i].id == id)
			return &w->neighbours[i];
	return NULL;
}

/* A free place, or that of the one that has been believed again the longest. */
static struct neighbour *make_neighbour(struct watch *w, uint64_t id)
{
	struct neighbour *n = watch_find_neighbour(w, id);
	struct neighbour *best = NULL;

	if (n)
		return n;
	n = watch_find_neighbour(w, 0);
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
void watch_judge(struct watch *w, uint64_t id, uint64_t now_us)
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

void watch_believe(struct watch *w, uint64_t id)
{
	struct neighbour *n = watch_find_neighbour(w, id);

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

void watch_review(struct watch *w, uint64_t now_us)
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
