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
#define RESTART_TOLD_US SECONDS(60) /* one that is seen again so long has settled */
#define TOGETHER_US SECONDS(5)	    /* what is lost within it is lost at once */
#define CUT_OFF_MIN 2		    /* nodes: one alone may sleep, or be gone */

/* Asks others for their links: by these causes are told apart. */
static void look_around(struct manager *m, uint64_t now_us)
{
	if (m->surveyed_us && now_us < m->surveyed_us + LOOK_AGAIN_US)
		return;
	m->surveyed_us = now_us;
	(void)node_survey_look(m->node, now_us);
}

/* ---- links ---- */

/* One that said goodbye, or has been silent so long that it is taken for dead, is no fault to be
 * healed but a node that is not there. */
static bool is_expected(const struct node_peer_view *v)
{
	return v->is_neighbour && v->life != NODE_LEFT && v->life != NODE_DEAD &&
	       v->quality.last_heard_us != 0;
}

/* Its place, or that of the one not seen for longest. */
static struct manager_peer *remembered(struct manager *m, uint64_t id)
{
	struct manager_peer *best = m->peers;

	for (size_t i = 0; i < MANAGER_WATCHED_MAX; i++) {
		if (m->peers[i].id == id)
			return &m->peers[i];
		if (m->peers[i].seen_us < best->seen_us)
			best = &m->peers[i];
	}
	*best = (struct manager_peer){ .id = id };
	return best;
}

static void read_restarts(struct manager *m, const struct node_peer_view *v, uint64_t now_us)
{
	struct manager_peer *p = remembered(m, v->node_id);
	bool is_new = p->seen_us == 0;

	p->seen_us = now_us;
	if (!is_new && v->n_unannounced > p->n_unannounced)
		p->restarted_us = now_us;
	p->n_unannounced = v->n_unannounced;
	if (p->restarted_us == 0)
		return;
	manager_say(m,
		    (struct healing_reading){
			    .kind = HEALING_RESTART,
			    .subject = v->node_id,
			    .value = now_us < p->restarted_us + RESTART_TOLD_US,
			    .at_us = now_us,
			    .n_samples = 1,
			    .source = "a new boot epoch, and no goodbye before",
		    },
		    now_us);
}

/* How many fewer nodes there are ways to than a moment ago. */
static size_t n_lost_together(struct manager *m, uint64_t now_us)
{
	size_t n_now = routes_count_reachable(node_routes(m->node)), n_most = n_now;

	for (unsigned i = 0; i < MANAGER_REACHED_MAX; i++)
		if (m->reached_us[i] && now_us <= m->reached_us[i] + TOGETHER_US &&
		    m->n_reached[i] > n_most)
			n_most = m->n_reached[i];
	m->n_reached[m->reached_at] = n_now;
	m->reached_us[m->reached_at] = now_us;
	m->reached_at = (m->reached_at + 1) % MANAGER_REACHED_MAX;
	return n_most - n_now;
}

/* A link to a node that nobody reaches is no fault as long as it may be that this node sleeps, or
 * is gone. Where others were lost at the same time, the mesh was cut in two. */
static bool is_fault(struct manager *m, const struct node_peer_view *v, size_t n_lost)
{
	struct manager_peer *p = remembered(m, v->node_id);
	struct route way;

	if (v->state != LINK_DOWN) {
		p->is_cut_off = false;
		return false;
	}
	if (routes_lookup(node_routes(m->node), v->node_id, &way) && way.next_hop)
		return true;
	p->is_cut_off |= n_lost >= CUT_OFF_MIN;
	return p->is_cut_off;
}

/* What is smoothed lags: below the least of 30 s for a while, where a link became slow before. */
double slower_by_ms(const struct link_quality *q)
{
	return q->rtt_us > q->rtt_min_us ? (q->rtt_us - q->rtt_min_us) / 1e3 : 0;
}

static void read_link(struct manager *m, const struct node_peer_view *v, size_t n_lost,
		      uint64_t now_us)
{
	bool is_down = v->state == LINK_DOWN;
	struct healing_reading r = {
		.kind = HEALING_LINK_DOWN,
		.subject = v->node_id,
		.at_us = now_us,
		.n_samples = 1,
		.source = "the link's own sequence numbers",
	};

	if (is_fault(m, v, n_lost))
		r.value = (double)(now_us - v->quality.last_heard_us) / 1e6;
	else
		r.value = is_down ? (double)NAN : 0;
	manager_say(m, r, now_us);
	r.kind = HEALING_LINK_LOSS;
	/* What an outage cost is in the window too, and no loss of the link now. */
	if (is_down || now_us - v->quality.up_since_us < LINK_WINDOW_US)
		r.value = NAN;
	else
		r.value = v->quality.loss_ppm / PPM;
	if (r.value >= healing_closes_at(HEALING_LINK_LOSS))
		look_around(m, now_us);
	manager_say(m, r, now_us);
	if (is_down)
		return;
	r.kind = HEALING_LINK_DELAY;
	r.source = "its probes: beside the least of the last 30 s";
	r.value = slower_by_ms(&v->quality);
	manager_say(m, r, now_us);
}

void read_links(struct manager *m, uint64_t now_us)
{
	size_t n_lost = n_lost_together(m, now_us), cursor = 0, n = 0;
	struct node_peer_view v;

	while (n < MANAGER_WATCHED_MAX && node_next_peer(m->node, &cursor, now_us, &v)) {
		if (v.is_neighbour)
			read_restarts(m, &v, now_us);
		if (!is_expected(&v))
			continue;
		n++;
		read_link(m, &v, n_lost, now_us);
	}
}

/* ---- whether packets arrive ---- */

/* More seems to be lost than usual: what others say of their links will be wanted. */
static bool prepare(struct manager *m, const struct watch_way *w, uint64_t now_us)
{
	if (!(w->is_current || w->is_doubted) || !w->is_suspect || now_us - w->noted_us > FRESH_US)
		return false;
	if (w->sureness < LOOK_FROM)
		return true;
	if (now_us > m->doubted_us + SUSPECTED_US)
		m->suspected_us = now_us;
	m->doubted_us = now_us;
	look_around(m, now_us);
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
