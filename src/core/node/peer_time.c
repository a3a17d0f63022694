/* SPDX-License-Identifier: Apache-2.0 */
/* What time does to peers, their sessions and their links. */
#include "core/node/node_internal.h"

void neighbour_probe(struct node *n, struct peer *p)
{
	uint8_t probe[LINK_PROBE_LEN];

	while (p->neighbour && p->direct && link_next_probe(p->neighbour->link, n->now_us, probe))
		path_send_probe(n, p, SPAN_OF(probe));
}

static void neighbour_tick(struct node *n, struct peer *p)
{
	struct neighbour *nb = p->neighbour;
	struct link_quality q;

	(void)link_tick(nb->link, n->now_us);
	neighbour_changed(n, p);
	mtu_tick(n, p);
	neighbour_probe(n, p);
	if (nb->is_routed && link_metric_should_announce(nb->link, n->now_us))
		beyond_cost(n, p);
	if (roam_tick(&nb->roam, n->now_us) && p->direct)
		path_send_challenges(n, p->direct);
	link_quality(nb->link, n->now_us, &q);
	if (p->direct && q.rtt_us) {
		stream_set_rtt(p->direct->stream, q.rtt_us);
		session_set_rtt_us(p->direct->keys, q.rtt_us);
	}
}

static uint64_t quiet_deadline_us(const struct node_session *s)
{
	uint64_t at = s->ends_us;

	if (s->owes_us != NEVER_US)
		at = min_u64(at, s->owes_us + KEEPALIVE_US);
	if (s->unanswered_us != NEVER_US)
		at = min_u64(at, s->unanswered_us + UNANSWERED_US);
	return at;
}

/* True when the session was dropped. */
static bool session_timers(struct node *n, struct node_session *s)
{
	static const uint8_t keepalive[] = { PLAIN_SESSION, SESSION_MESSAGE_KEEPALIVE };
	static const uint8_t close[] = { PLAIN_SESSION, SESSION_MESSAGE_CLOSE };

	if (n->now_us >= s->ends_us) {
		(void)path_send_session(n, s, SPAN_OF(close));
		session_drop(n, s, s->is_join ? NULL : "replaced by a newer session");
		return true;
	}
	session_tick(s->keys, n->now_us);
	if (s->owes_us != NEVER_US && n->now_us >= s->owes_us + KEEPALIVE_US) {
		s->owes_us = NEVER_US;
		(void)path_send_session(n, s, SPAN_OF(keepalive));
	}
	if (s->unanswered_us != NEVER_US && n->now_us >= s->unanswered_us + UNANSWERED_US) {
		s->unanswered_us = NEVER_US;
		if (s->peer && s == s->peer->e2e)
			peer_want_handshake(n, s->peer);
	}
	session_pump(n, s); /* may drop it */
	return false;
}

static void expire_waiting(struct node *n, struct peer *p)
{
	size_t old = 0;

	while (old < p->n_waiting && n->now_us >= p->waiting[old]->since_us + PACKET_WAIT_US)
		old++;
	for (size_t i = 0; i < old; i++)
		errors_tell(n, ICMP_NO_ADDRESS, 0, SPAN(p->waiting[i]->bytes, p->waiting[i]->len));
	n->counters.no_route += old;
	peer_drop_waiting(p, old);
}

/* When nothing is left of it but what it proved once, and nobody has heard of it. */
static uint64_t forget_us(const struct peer *p)
{
	return p->seen_us + (p->is_known ? PEER_PRUNE_US : PEER_DEAD_US);
}

static bool is_forgotten(const struct node *n, const struct peer *p)
{
	return !peer_has_session(p) && p->n_waiting == 0 && !p->attempt &&
	       n->now_us >= forget_us(p);
}

/* A neighbour silent for too long is no neighbour any more: its direct sessions end. */
static void prune_neighbour(struct node *n, struct peer *p)
{
	if (!p->neighbour || link_state(p->neighbour->link) != LINK_DOWN ||
	    n->now_us < p->neighbour->down_us + PEER_DEAD_US)
		return;
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i] && p->sessions[i]->is_direct &&
		    n->now_us >= p->sessions[i]->heard_us + PEER_DEAD_US)
			session_drop(n, p->sessions[i], "silent for a minute");
}

static void tell_life(struct node *n, struct peer *p)
{
	enum node_life life = peer_life(n, p, n->now_us);

	if (life == p->told_life)
		return;
	p->told_life = life;
	node_event(n, EVENT_PEER_LIFE, p->id)->reason = node_life_name(life);
}

static void peer_tick(struct node *n, struct peer *p)
{
	if (p->neighbour)
		neighbour_tick(n, p);
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i])
			(void)session_timers(n, p->sessions[i]);
	prune_neighbour(n, p);
	expire_waiting(n, p);
	if (p->n_waiting > 0) {
		peer_flush(n, p);
		if (p->n_waiting > 0 && !p->attempt)
			greet_peer(n, p);
	}
	if (!is_forgotten(n, p)) {
		tell_life(n, p);
		return;
	}
	if (p->is_known)
		node_event(n, EVENT_PEER_LIFE, p->id)->reason = "pruned";
	peer_forget(n, p, NULL);
}

static uint64_t session_deadline(const struct node *n, const struct node_session *s)
{
	uint64_t at = min_u64(session_deadline_us(s->keys), quiet_deadline_us(s));

	if (session_can_send(s->keys, n->now_us)) /* else nothing can be sent when it is due */
		at = min_u64(at, stream_deadline_us(s->stream));
	return at;
}

static uint64_t peer_deadline_us(const struct node *n, const struct peer *p)
{
	uint64_t at = NEVER_US;
	bool has_session = false;

	if (p->neighbour) {
		at = min_u64(roam_deadline_us(&p->neighbour->roam), mtu_deadline_us(p));
		if (p->direct) /* else no probe can be sent yet */
			at = min_u64(at, link_deadline_us(p->neighbour->link));
		if (p->neighbour->told == LINK_DOWN)
			at = min_u64(at, max_u64(p->neighbour->down_us + PEER_DEAD_US,
						 n->now_us + SECONDS(1)));
	}
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++) {
		if (!p->sessions[i])
			continue;
		has_session = true;
		at = min_u64(at, session_deadline(n, p->sessions[i]));
	}
	if (p->n_waiting > 0)
		at = min_u64(at, min_u64(p->waiting[0]->since_us + PACKET_WAIT_US,
					 max_u64(p->retry_us, n->now_us + MS(50))));
	if (!has_session && p->n_waiting == 0)
		at = min_u64(at, max_u64(forget_us(p), n->now_us + SECONDS(1)));
	return at;
}

/* No later than any deadline that this peer will have while nothing is done to it, nor than when
 * peer_tick() would do something for it that can wait for another reason to wake up. */
static uint64_t peer_stirs_us(const struct node *n, const struct peer *p)
{
	uint64_t at = peer_deadline_us(n, p);
	const struct neighbour *nb = p->neighbour;

	if (p->n_waiting > 0)
		return 0;
	if (nb) {
		at = min_u64(at, link_still_until_us(nb->link, n->now_us));
		at = min_u64(at, pmtu_deadline_us(&nb->pmtu));
		if (nb->told == LINK_DOWN)
			at = min_u64(at, nb->down_us + PEER_DEAD_US);
	}
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i])
			at = min_u64(at, stream_deadline_us(p->sessions[i]->stream));
	if (!peer_has_session(p))
		at = min_u64(at, forget_us(p));
	if (p->seen_us + PEER_DEAD_US > n->now_us) /* its life is another then */
		at = min_u64(at, p->seen_us + PEER_DEAD_US);
	return at;
}

/* What a tick does may lead to more in the next one. So only one that did nothing is the last,
 * until it is time. */
static void tick_at(struct node *n, unsigned place)
{
	size_t n_actions = n->used_slots;

	n->stirs_us[place] = NEVER_US;
	peer_tick(n, n->by_age[place]);
	if (!n->by_age[place])
		return;
	n->due_us[place] = 0;
	if (n->stirs_us[place] == 0)
		return;
	n->stirs_us[place] = n->used_slots == n_actions ? peer_stirs_us(n, n->by_age[place]) : 0;
}

/* A link that went down just now took routes with it, of peers that are not touched for that
 * before the change is drained. */
static bool are_routes_untold(const struct node *n)
{
	return routes_changes(n->routes) != n->routes_told;
}

void peers_tick(struct node *n)
{
	bool is_each = are_routes_untold(n);
	uint64_t id;

	for (size_t cursor = 0; origins_next_asking(n->origins, &cursor, &id);)
		(void)peer_get(n, id);
	for (unsigned i = 0; i < n->n_by_age; i++) {
		if ((n->stirs_us[i] > n->now_us && !is_each) || !n->by_age[i])
			continue;
		tick_at(n, i);
		is_each = are_routes_untold(n);
	}
	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i])
			(void)session_timers(n, n->joins[i]);
}

/* Of a peer to which nothing is done it only becomes later, as time goes on. */
uint64_t peers_deadline_us(struct node *n, uint64_t at)
{
	for (unsigned i = 0; i < n->n_by_age; i++) {
		if (n->due_us[i] >= at)
			continue;
		n->due_us[i] = peer_deadline_us(n, n->by_age[i]);
		at = min_u64(at, n->due_us[i]);
	}
	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i])
			at = min_u64(at, session_deadline(n, n->joins[i]));
	return at;
}
