/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop reads of its node: links, and whether packets arrive. */
#include <math.h>

#include "base/units.h"
#include "core/manager/internal.h"

#define FRESH_US SECONDS(4)
#define LOOK_FROM 0.4		 /* of what is sure; chance rarely comes so far */
#define LOOK_AGAIN_US SECONDS(5) /* others are asked so often at most; they tell for ten */
#define SUSPECTED_US SECONDS(30) /* without suspicion: the next one is another */
#define JUST_UNDER 0.98
#define LINK_WINDOW_US SECONDS(30) /* of core/link */
#define PPM 1e6

/* ---- links ---- */

/* One that said goodbye, or has been silent so long that it is taken for dead, is no fault to be
 * healed but a node that is not there. */
static bool is_expected(const struct node_peer_view *v)
{
	return v->is_neighbour && v->life != NODE_LEFT && v->life != NODE_DEAD &&
	       v->quality.last_heard_us != 0;
}

void read_links(struct manager *m, uint64_t now_us)
{
	struct node_peer_view v;
	size_t cursor = 0, n = 0;

	while (n < MANAGER_WATCHED_MAX && node_next_peer(m->node, &cursor, now_us, &v)) {
		struct healing_reading r = {
			.subject = v.node_id,
			.at_us = now_us,
			.n_samples = 1,
			.source = "the link's own sequence numbers",
		};
		bool is_down = v.state == LINK_DOWN;
		struct route way;

		if (!is_expected(&v))
			continue;
		n++;
		r.kind = HEALING_LINK_DOWN;
		r.value = is_down ? (double)(now_us - v.quality.last_heard_us) / 1e6 : 0;
		/* One that nobody reaches sleeps, or is gone: that is no fault of the link. */
		if (is_down &&
		    !(routes_lookup(node_routes(m->node), v.node_id, &way) && way.next_hop))
			r.value = NAN;
		manager_say(m, r, now_us);
		r.kind = HEALING_LINK_LOSS;
		/* What an outage cost is in the window too, and no loss of the link now. */
		if (is_down || now_us - v.quality.up_since_us < LINK_WINDOW_US)
			r.value = NAN;
		else
			r.value = v.quality.loss_ppm / PPM;
		manager_say(m, r, now_us);
	}
}

/* ---- whether packets arrive ---- */

/* More seems to be lost than usual: what others say of their links will be wanted. */
static bool prepare(struct manager *m, const struct watch_way *w, uint64_t now_us)
{
	if (!(w->is_current || w->is_doubted) || !w->is_suspect || now_us - w->noted_us > FRESH_US)
		return false;
	if (w->sureness < LOOK_FROM || now_us < m->surveyed_us + LOOK_AGAIN_US)
		return true;
	if (now_us > m->surveyed_us + SUSPECTED_US)
		m->suspected_us = now_us;
	m->surveyed_us = now_us;
	(void)node_survey_look(m->node, now_us);
	return true;
}

/* The share that is lost, at least; it opens an incident where, and only where, core/watch is sure
 * that more is lost than links lose by chance. */
static double share_lost(const struct watch_way *w)
{
	double opens_at = healing_opens_at(HEALING_DELIVERY);

	if (w->is_failing)
		return fmax(healing_share_at_least(w->n_missing, w->n_seen), opens_at);
	return fmin(healing_share_at_least(w->n_lost, w->n_sent), opens_at * JUST_UNDER);
}

/* Of all destinations of a neighbour the one that most surely loses speaks for it. */
bool read_deliveries(struct manager *m, uint64_t now_us)
{
	struct healing_reading worst[MANAGER_WATCHED_MAX];
	struct watch_way w;
	size_t cursor = 0, n = 0;
	bool is_suspect = false;

	while (node_next_watched(m->node, &cursor, &w)) {
		struct healing_reading r = {
			.kind = HEALING_DELIVERY,
			.subject = w.neighbour,
			.about = w.destination,
			.value = share_lost(&w),
			.at_us = w.noted_us,
			.n_samples =
				w.is_failing ? (uint32_t)max_u64(w.n_seen, w.n_sent) : w.n_sent,
			.source = w.is_failing && w.is_of_packets
					  ? "what the destination says it had of our packets"
					  : "probes to the destination through the neighbour",
		};
		size_t i = 0;

		is_suspect |= prepare(m, &w, now_us);
		if (now_us - w.noted_us > HEALING_AGE_MAX_US)
			continue;
		while (i < n && worst[i].subject != r.subject)
			i++;
		if (i == MANAGER_WATCHED_MAX)
			continue;
		if (i == n || r.value > worst[i].value)
			worst[i] = r;
		n += i == n;
	}
	for (size_t i = 0; i < n; i++)
		manager_say(m, worst[i], now_us);
	return is_suspect;
}
