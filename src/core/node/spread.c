/* SPDX-License-Identifier: Apache-2.0 */
/* More than one way to a peer: when, which, and what goes by each (docs/multipath.md). */
#include <errno.h>
#include <stdlib.h>

#include "core/node/spread_internal.h"

#define NAME_TRIES 8 /* for a flow hash under which no two nodes of a way have one tag */

/* ---- made and forgotten ---- */

static void spread_free(struct spread *sp)
{
	sp->peer->spread = NULL;
	ways_done(&sp->ways);
	resequence_free(sp->order);
	free(sp);
}

static void remove_at(struct node *n, size_t at)
{
	spread_free(n->spreads[at]);
	memmove(n->spreads + at, n->spreads + at + 1,
		(n->n_spreads - at - 1) * sizeof(struct spread *));
	n->n_spreads--;
}

void spread_forget(struct node *n, struct peer *p)
{
	for (size_t i = 0; i < n->n_spreads; i++) {
		if (n->spreads[i] != p->spread)
			continue;
		remove_at(n, i);
		return;
	}
}

/* NULL: there are NODE_SPREADS_MAX; others then go one way. */
struct spread *spread_make(struct node *n, struct peer *p)
{
	struct spread *sp = p->spread;

	if (sp || n->n_spreads == NODE_SPREADS_MAX)
		return sp;
	sp = calloc(1, sizeof(*sp));
	if (!sp)
		return NULL;
	sp->peer = p;
	sp->used_us = n->now_us;
	sp->explore_us = NEVER_US;
	p->spread = sp;
	n->spreads[n->n_spreads++] = sp;
	return sp;
}

/* ---- which ways ---- */

static bool is_same(const struct path *a, const struct path *b)
{
	return a->n == b->n && memcmp(a->nodes, b->nodes, a->n * sizeof(a->nodes[0])) == 0;
}

static bool has_path(const struct spread *sp, const struct path *p)
{
	for (size_t i = 0; i < sp->n_paths; i++)
		if (is_same(p, &sp->paths[i]))
			return true;
	return false;
}

/* In any order: which of two is the nearer may change at any time. */
static bool are_same(const struct spread *sp, const struct path *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has_path(sp, &paths[i]))
			return false;
	return n == sp->n_paths;
}

static bool is_name_free(const struct spread *sp, uint16_t name)
{
	for (size_t i = 0; i < sp->n_paths; i++)
		if (sp->labels[i].flow_hash == name)
			return false;
	return true;
}

static bool name_way(struct node *n, const struct spread *sp, const struct path *p,
		     struct wire_hop *ret)
{
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		uint8_t bytes[2];

		entropy_fill(&n->entropy, bytes, sizeof(bytes));
		*ret = (struct wire_hop){ .flow_hash = load_u16(bytes) };
		if (is_name_free(sp, ret->flow_hash) && labels_set(ret, p->nodes, p->n))
			return true;
	}
	return false;
}

/* Where all ways are the same as before they are kept with what is known of them; and where less
 * than two were found, as an answer may have been lost: one that leads nowhere is silent. */
static void take_paths(struct node *n, struct spread *sp, const struct path *paths, size_t count)
{
	if (count < 2 || are_same(sp, paths, count))
		return;
	ways_done(&sp->ways);
	sp->n_paths = 0;
	for (size_t i = 0; i < count; i++) {
		struct wire_hop labels;

		if (!name_way(n, sp, &paths[i], &labels) ||
		    ways_add(&sp->ways, labels.flow_hash, paths[i].cost * 20, n->now_us) < 0)
			continue;
		sp->paths[sp->n_paths] = paths[i];
		sp->labels[sp->n_paths++] = labels;
	}
	sp->probe_us = n->now_us;
}

static void explore(struct node *n, struct spread *sp)
{
	struct path paths[PATHS_MAX];
	size_t count;

	if (sp->explores_us == 0) {
		sp->explores_us = n->now_us;
		sp->explore_us = NEVER_US;
	}
	if (!spread_explore(n, sp, paths, &count))
		return;
	sp->explores_us = 0;
	sp->step_us = NEVER_US;
	sp->explored_us = n->now_us;
	sp->again_us = count >= 2 ? SPREAD_EXPLORE_US
				  : min_u64(max_u64(2 * sp->again_us, SPREAD_EXPLORE_MIN_US),
					    SPREAD_EXPLORE_US);
	sp->explore_us = n->now_us + sp->again_us;
	take_paths(n, sp, paths, count);
}

static void explore_soon(struct node *n, struct spread *sp)
{
	if (sp->wanted_us && sp->explores_us == 0)
		sp->explore_us = min_u64(sp->explore_us,
					 max_u64(n->now_us, sp->explored_us + SPREAD_AGAIN_US));
	n->deadline_is_known = false;
}

void spread_route_changed(struct node *n, struct peer *p)
{
	if (p->spread)
		explore_soon(n, p->spread);
}

/* ---- sending ---- */

static int send_by(struct node *n, struct spread *sp, size_t at, struct wire_hop hop,
		   struct treatment treatment, enum watch_use use, struct span sealed)
{
	int r;

	hop.flow_hash = sp->labels[at].flow_hash;
	hop.has_options = hop.is_labelled = true;
	memcpy(hop.options, sp->labels[at].options, sizeof(hop.options));
	r = path_send_routed(n, &hop, treatment, 0, use, sealed);
	if (r == 0)
		ways_sent(&sp->ways, at, hop.e2e_lane, hop.e2e_sequence, sealed.len, n->now_us);
	return r;
}

/* By the first, and a copy by the second where there is one: the same sealed bytes, of which the
 * receiver's replay window takes whichever comes first. What cannot leave by either goes as the
 * routing table says. */
static int send_by_two(struct node *n, struct spread *sp, const size_t at[2],
		       struct treatment treatment, uint16_t flow_hash, struct span plaintext)
{
	uint8_t bytes[NODE_DATAGRAM_MAX];
	struct node_session *s = sp->peer->e2e;
	struct wire_hop hop, copy;
	enum watch_use use = path_use_of(plaintext);
	struct span sealed;
	int r = path_seal(n, s, treatment, plaintext, &hop, bytes);

	if (r < 0)
		return r;
	sealed = SPAN(bytes, plaintext.len + AEAD_TAG_LEN);
	r = send_by(n, sp, at[0], hop, treatment, use, sealed);
	if (at[1] != WAYS_NONE) {
		copy = hop;
		copy.is_duplicate = true;
		n->counters.copies_sent++;
		if (send_by(n, sp, at[1], copy, treatment, use, sealed) == 0)
			r = 0;
	}
	if (r < 0) {
		hop.flow_hash = flow_hash;
		r = path_send_routed(n, &hop, treatment, 0, use, sealed);
	}
	if (r == 0)
		path_note_relayed(n, s, plaintext);
	return r;
}

/* Whether there is so much bulk to the peer that a second way is worth looking for. */
static bool is_much(struct node *n, struct peer *p, size_t len)
{
	if (n->now_us >= p->spread_bulk_us + SPREAD_BULK_WINDOW_US) {
		p->spread_bulk_us = n->now_us;
		p->spread_bulk_len = 0;
	}
	p->spread_bulk_len += len;
	return p->spread_bulk_len * 8 * US_PER_S > SPREAD_BULK_BPS * SPREAD_BULK_WINDOW_US;
}

static bool is_wanted(struct node *n, struct peer *p, enum wire_class class, size_t len)
{
	switch (class) {
	case CLASS_CRITICAL:
		return true;
	case CLASS_INTERACTIVE:
		return p->spread && p->spread->wanted_us; /* where there are ways it uses them */
	case CLASS_BULK:
		break;
	}
	return is_much(n, p, len) || (p->spread && p->spread->n_paths > 0);
}

static struct spread *wanted(struct node *n, struct peer *p, enum wire_class class, size_t len)
{
	struct spread *sp;

	if (!n->has_multipath || !is_wanted(n, p, class, len))
		return NULL;
	sp = spread_make(n, p);
	if (!sp)
		return NULL;
	sp->used_us = n->now_us;
	if (class != CLASS_INTERACTIVE)
		sp->wanted_us = n->now_us;
	if (sp->explores_us == 0 && sp->explore_us == NEVER_US) {
		sp->explore_us = n->now_us;
		n->deadline_is_known = false;
	}
	return sp;
}

/* A neighbour is sent to in the short form, by one seal, but what is critical. */
bool spread_is_better(struct node *n, struct peer *p, enum wire_class class)
{
	struct spread *sp = class == CLASS_CRITICAL ? wanted(n, p, class, 0) : NULL;
	size_t at[2];

	if (!sp || sp->n_paths < 2 || !p->e2e || !session_can_send(p->e2e->keys, n->now_us))
		return false;
	ways_critical(&sp->ways, at);
	return at[1] != WAYS_NONE;
}

bool spread_send(struct node *n, struct peer *p, struct treatment treatment, uint16_t flow_hash,
		 struct span plaintext, int *ret_r)
{
	struct spread *sp = wanted(n, p, treatment.class, plaintext.len);
	size_t at[2] = { WAYS_NONE, WAYS_NONE };

	if (!sp || sp->n_paths < 2)
		return false;
	switch (treatment.class) {
	case CLASS_BULK:
		at[0] = ways_bulk(&sp->ways, plaintext.len, n->now_us);
		break;
	case CLASS_INTERACTIVE:
		at[0] = ways_interactive(&sp->ways, flow_hash, n->now_us);
		break;
	case CLASS_CRITICAL:
		ways_critical(&sp->ways, at);
		break;
	}
	if (at[0] == WAYS_NONE)
		return false;
	if (at[0] == WAYS_FULL) {
		n->counters.bulk_shed++;
		*ret_r = 0;
		return true;
	}
	*ret_r = send_by_two(n, sp, at, treatment, flow_hash, plaintext);
	return true;
}

/* ---- what the peer reports ---- */

void spread_report(struct node *n, struct peer *p, struct span body)
{
	struct report r;

	if (report_decode(body, &r) < 0) {
		n->counters.malformed++;
		return;
	}
	if (p->spread)
		ways_reported(&p->spread->ways, &r, n->now_us);
}

/* ---- time ---- */

/* Small packets of the session's own, so that each way's delay is known, and that it is one. */
static void probe(struct node *n, struct spread *sp)
{
	static const uint8_t keepalive[] = { PLAIN_SESSION, SESSION_MESSAGE_KEEPALIVE };
	struct node_session *s = sp->peer->e2e;

	if (ways_are_known(&sp->ways))
		sp->n_probes_soon = 0;
	else
		sp->n_probes_soon++;
	sp->probe_us = n->now_us + (sp->n_probes_soon == 0 || sp->n_probes_soon > SPREAD_PROBES_SOON
					    ? SPREAD_PROBE_US
					    : SPREAD_PROBE_SOON_US);
	if (!s || !session_can_send(s->keys, n->now_us))
		return;
	for (size_t i = 0; i < sp->n_paths; i++) {
		size_t at[2] = { i, WAYS_NONE };

		(void)send_by_two(n, sp, at, node_control(n), 0, SPAN_OF(keepalive));
	}
}

static bool is_sending(const struct node *n, const struct spread *sp)
{
	return sp->wanted_us && n->now_us < sp->wanted_us + SPREAD_IDLE_US;
}

static void lost_way(struct node *n, struct spread *sp)
{
	for (size_t i = 0; i < sp->n_paths; i++)
		for (size_t k = 1; sp->ways.list[i].is_silent && k < sp->paths[i].n; k++)
			view_doubt(n->view, sp->paths[i].nodes[k]);
	sp->probe_us = n->now_us;
	explore_soon(n, sp);
}

static void spread_tick(struct node *n, struct spread *sp)
{
	spread_in_tick(n, sp);
	if (!is_sending(n, sp))
		return;
	if (n->now_us >= sp->explore_us || (sp->explores_us && n->now_us >= sp->step_us))
		explore(n, sp);
	if (ways_tick(&sp->ways, n->now_us))
		lost_way(n, sp);
	if (sp->n_paths > 0 && n->now_us >= sp->probe_us)
		probe(n, sp);
}

void spreads_tick(struct node *n)
{
	for (size_t i = n->n_spreads; i > 0; i--) {
		struct spread *sp = n->spreads[i - 1];

		peer_touch(n, sp->peer);
		spread_tick(n, sp);
		if (n->now_us >= sp->used_us + SPREAD_IDLE_US)
			remove_at(n, i - 1);
	}
}

uint64_t spreads_deadline_us(const struct node *n)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; i < n->n_spreads; i++) {
		const struct spread *sp = n->spreads[i];

		at = min_u64(at, sp->used_us + SPREAD_IDLE_US);
		at = min_u64(at, spread_in_deadline_us(sp));
		if (!is_sending(n, sp))
			continue;
		at = min_u64(at, min_u64(sp->explore_us, ways_deadline_us(&sp->ways)));
		if (sp->explores_us)
			at = min_u64(at, sp->step_us);
		if (sp->n_paths > 0)
			at = min_u64(at, sp->probe_us);
	}
	return at;
}

/* ---- views ---- */

bool node_next_way(const struct node *n, uint64_t id, size_t *cursor, struct node_way_view *ret)
{
	const struct peer *p = peer_look(n, id);
	const struct spread *sp = p ? p->spread : NULL;
	const struct way *way;
	size_t at = *cursor;

	if (!sp || at >= sp->n_paths)
		return false;
	(*cursor)++;
	way = &sp->ways.list[at];
	*ret = (struct node_way_view){
		.node_id = id,
		.n_nodes = sp->paths[at].n,
		.is_used = !way->is_silent,
		.delay_us = way->has_delay[0] || way->has_delay[1] ? ways_least_us(way) : 0,
		.rate_bps = way->rate_bps,
		.is_rate_known = way->is_rate_known,
		.load_bps = way->load_bps,
		.sent_bytes = way->sent_bytes,
		.reason = ways_reason(&sp->ways, at, n->now_us),
	};
	memcpy(ret->nodes, sp->paths[at].nodes, sizeof(ret->nodes));
	return true;
}
