/* SPDX-License-Identifier: Apache-2.0 */
/* Peers, their sessions and their links: made, chosen, timed and ended. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/node/node_internal.h"

/* ---- peers ---- */

struct peer *peer_get(struct node *n, uint64_t id)
{
	return map_get(n->peers, &id);
}

static bool has_session(const struct peer *p)
{
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i])
			return true;
	return false;
}

/* Packets to addresses where nobody is make peers too, and any program on this machine can send
 * those: they give way to whoever has proved to be there. */
static struct peer *evictable(const struct node *n)
{
	struct peer *oldest = NULL;
	size_t cursor = 0;
	struct peer *p;

	while ((p = map_next(n->peers, &cursor)))
		if (!has_session(p) && !p->attempt && (!oldest || p->seen_us < oldest->seen_us))
			oldest = p;
	return oldest;
}

bool peer_has_room(const struct node *n)
{
	return map_count(n->peers) < NODE_PEERS_MAX || evictable(n);
}

struct peer *peer_make(struct node *n, uint64_t id)
{
	struct peer *p = peer_get(n, id);

	if (p || id == 0)
		return p;
	if (map_count(n->peers) >= NODE_PEERS_MAX) {
		p = evictable(n);
		if (!p)
			return NULL;
		peer_forget(n, p, NULL);
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->id = id;
	p->seen_us = n->now_us;
	memcpy(p->address, n->address, OVERLAY_PREFIX_LEN);
	store_u64(p->address + OVERLAY_PREFIX_LEN, id);
	if (map_put(n->peers, &id, p) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

static void drop_waiting(struct peer *p, size_t n_first)
{
	for (size_t i = 0; i < n_first; i++) {
		bytes_wipe(p->waiting[i]->bytes, p->waiting[i]->len);
		free(p->waiting[i]->bytes);
		free(p->waiting[i]);
	}
	p->n_waiting -= n_first;
	memmove(p->waiting, p->waiting + n_first, p->n_waiting * sizeof(struct waiting *));
}

void peer_forget(struct node *n, struct peer *p, const char *reason)
{
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
		if (p->sessions[i])
			session_drop(n, p->sessions[i], reason);
	drop_waiting(p, p->n_waiting);
	spread_forget(n, p);
	if (p->attempt)
		handshakes_cancel(n->handshakes, p->attempt);
	(void)map_remove(n->peers, &p->id);
	free(p);
}

bool peer_is_direct(const struct peer *p)
{
	return p->direct && p->neighbour && link_state(p->neighbour->link) != LINK_DOWN;
}

/* A packet waits for a session; of a full queue the oldest goes. */
void peer_wait(struct node *n, struct peer *p, enum wire_class class, struct span plaintext)
{
	CLEANUP_FREE struct waiting *w = calloc(1, sizeof(*w));
	CLEANUP_FREE uint8_t *bytes = malloc(plaintext.len);

	if (!w || !bytes)
		return;
	if (p->n_waiting == NODE_PACKET_QUEUE_MAX) {
		n->counters.queue_full++;
		drop_waiting(p, 1);
	}
	memcpy(bytes, plaintext.at, plaintext.len);
	w->bytes = TAKE(bytes);
	w->len = plaintext.len;
	w->since_us = n->now_us;
	w->class = class;
	p->waiting[p->n_waiting++] = TAKE(w);
}

void peer_flush(struct node *n, struct peer *p)
{
	size_t sent = 0;

	while (sent < p->n_waiting) {
		struct waiting *w = p->waiting[sent];
		int r;

		r = path_send(n, p, w->class, SPAN(w->bytes, w->len));
		if (r == -EMSGSIZE) /* the way has changed meanwhile */
			mtu_tell(n, p, SPAN(w->bytes, w->len));
		else if (r < 0)
			break; /* no session yet, or no route yet */
		sent++;
	}
	drop_waiting(p, sent);
}

bool node_name_of(const struct node *n, uint64_t id, char ret[NODE_NAME_MAX + 1])
{
	const struct peer *p = map_get(n->peers, &id);
	char domain[DOMAIN_MAX + 1];

	if (id == n->self)
		return spiffe_id_parse(n->identity.spiffe_id, domain, ret) == 0;
	if (!p || !p->is_known)
		return false;
	memcpy(ret, p->name, sizeof(p->name));
	return true;
}

/* ---- what became of it ---- */

const char *node_life_name(enum node_life l)
{
	static const char *const names[NODE_N_LIVES] = { "joining",  "registered", "active",
							 "degraded", "dead",	   "left" };

	return l < NODE_N_LIVES ? names[l] : "unknown";
}

static enum node_life life_of(const struct node *n, const struct peer *p, uint64_t now_us)
{
	bool is_routed = routes_next_hop(n->routes, p->id) != 0;
	bool is_silent = now_us >= p->seen_us + PEER_DEAD_US;

	if (p->has_left)
		return NODE_LEFT;
	if (!p->is_known)
		return NODE_JOINING;
	if (p->neighbour && link_state(p->neighbour->link) != LINK_DOWN)
		return link_state(p->neighbour->link) == LINK_UP &&
				       link_class(p->neighbour->link) != LINK_BAD
			       ? NODE_ACTIVE
			       : NODE_DEGRADED;
	if (!is_routed)
		return is_silent ? NODE_DEAD : NODE_DEGRADED;
	if (p->neighbour)
		return NODE_DEGRADED; /* by relays alone, since its link is down */
	return has_session(p) ? NODE_ACTIVE : NODE_REGISTERED;
}

/* ---- links ---- */

void neighbour_changed(struct node *n, struct peer *p)
{
	static const enum node_event_type event[] = { [LINK_DOWN] = EVENT_LINK_DOWN,
						      [LINK_UP] = EVENT_LINK_UP,
						      [LINK_SUSPECT] = EVENT_LINK_SUSPECT };
	struct neighbour *nb = p->neighbour;
	enum link_state state = link_state(nb->link);
	struct node_event *e;

	if (state == nb->told)
		return;
	nb->told = state;
	n->ways_version++;
	e = node_event(n, event[state], p->id);
	e->endpoint = nb->roam.current;
	e->metric = link_metric(nb->link);
	mtu_link_changed(n, p, false);
	traverse_link_changed(n, p);
	if (state == LINK_DOWN) {
		nb->down_us = n->now_us;
		if (nb->is_routed)
			beyond_down(n, p->id);
		nb->is_routed = false;
	} else if (!nb->is_routed) {
		beyond_up(n, p);
	}
}

/* The routing table forgets what it heard from it, be the link up or not: records may have come
 * while it was held down, and a restarted neighbour no longer stands by what it said. */
static void neighbour_end(struct node *n, struct peer *p)
{
	struct neighbour *nb = p->neighbour;

	if (!nb)
		return;
	beyond_down(n, p->id);
	p->neighbour = NULL;
	traverse_neighbour_ended(n, p);
	mtu_detach(nb);
	link_free(nb->link);
	free(nb);
}

/* ---- sessions ---- */

struct node_session *session_at(const struct node *n, uint32_t index)
{
	return map_get(n->indices, &index);
}

static void retire_index(struct node *n, uint32_t index)
{
	(void)map_remove(n->indices, &index);
	n->sessions_version++;
	n->retired[n->retired_at].index = index;
	n->retired[n->retired_at].free_us = n->now_us + INDEX_QUARANTINE_US;
	n->retired_at = (n->retired_at + 1) % RETIRED_INDICES_MAX;
}

static void index_opened(struct node *n, struct node_session *s, uint32_t index)
{
	for (unsigned i = 0; i < SESSION_INDICES_MAX; i++) {
		if (s->indices[i] == index)
			return;
		if (s->indices[i] == 0) {
			if (map_put(n->indices, &index, s) == 0)
				s->indices[i] = index;
			n->sessions_version++;
			return;
		}
	}
}

static void index_retired(struct node *n, struct node_session *s, uint32_t index)
{
	for (unsigned i = 0; i < SESSION_INDICES_MAX; i++) {
		if (s->indices[i] != index || index == 0)
			continue;
		retire_index(n, index);
		memmove(s->indices + i, s->indices + i + 1,
			(SESSION_INDICES_MAX - 1 - i) * sizeof(s->indices[0]));
		s->indices[SESSION_INDICES_MAX - 1] = 0;
		return;
	}
}

/* Of two sessions that can send, which? Of two that crossed, the one whose initiator had the
 * lower ephemeral key, so that both ends choose alike; else the newer. */
static bool is_better(const struct node_session *a, const struct node_session *b)
{
	bool is_near = a->peer->neighbour && link_state(a->peer->neighbour->link) != LINK_DOWN;
	uint64_t apart = max_u64(a->made_us, b->made_us) - min_u64(a->made_us, b->made_us);

	if (a->is_direct != b->is_direct && is_near)
		return a->is_direct; /* whichever was made first: the ends may differ in that */
	if (apart < CROSSING_US && a->peer_boot_epoch == b->peer_boot_epoch &&
	    a->is_direct == b->is_direct &&
	    session_is_initiator(a->keys) != session_is_initiator(b->keys))
		return memcmp(a->e_initiator, b->e_initiator, X25519_LEN) < 0;
	return a->made_us > b->made_us;
}

static void choose(struct node *n, struct peer *p)
{
	struct node_session *direct = NULL;
	struct node_session *e2e = NULL;
	struct node_session *before = p->direct;

	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++) {
		struct node_session *s = p->sessions[i];

		if (!s || session_is_closed(s->keys) || !session_can_send(s->keys, n->now_us))
			continue;
		if (s->is_direct && (!direct || is_better(s, direct)))
			direct = s;
		if (!e2e || is_better(s, e2e))
			e2e = s;
	}
	if (p->direct != direct)
		n->ways_version++;
	p->direct = direct;
	p->e2e = e2e;
	for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++) {
		struct node_session *s = p->sessions[i];
		bool is_pending = s && !s->is_confirmed && session_is_initiator(s->keys);

		if (s && s != direct && s != e2e && !is_pending && s->ends_us == NEVER_US)
			s->ends_us = n->now_us + SUPERSEDED_US;
	}
	if (direct && direct != before)
		control_tell_neighbour(n, p);
}

void session_heard(struct node *n, struct node_session *s, bool is_payload)
{
	s->heard_us = n->now_us;
	s->unanswered_us = NEVER_US;
	if (s->ends_us != NEVER_US && !s->is_join)
		s->ends_us = n->now_us + SUPERSEDED_US; /* the peer still sends on it */
	if (is_payload && s->owes_us == NEVER_US)
		s->owes_us = n->now_us;
	if (s->peer)
		s->peer->seen_us = n->now_us;
	if (s->is_confirmed)
		return;
	s->is_confirmed = true;
	handshakes_confirmed(n->handshakes, s->first_index);
	if (s->peer) {
		choose(n, s->peer);
		peer_flush(n, s->peer);
	}
}

static void want_handshake(struct node *n, struct peer *p)
{
	if (p->neighbour && link_state(p->neighbour->link) != LINK_DOWN) {
		struct hs_path path = { .remote = p->neighbour->roam.current };
		struct hs_expect expect = { .node_id = p->id };

		if (p->attempt || n->now_us < p->retry_us)
			return;
		p->retry_us = n->now_us + PEER_RETRY_US;
		if (handshakes_start(n->handshakes, n->next_attempt, &path, &expect, n->now_us) ==
		    0)
			p->attempt = n->next_attempt++;
		return;
	}
	greet_peer(n, p);
}

static void send_rekey(struct node *n, struct node_session *s, struct span message)
{
	uint8_t plaintext[2 + SESSION_REKEY_MESSAGE_MAX] = { PLAIN_SESSION, SESSION_MESSAGE_REKEY };

	memcpy(plaintext + 2, message.at, message.len);
	(void)path_send_session(n, s, SPAN(plaintext, 2 + message.len));
}

/* What the session wants done, then what its stream has to send. Drops it when it closed. */
void session_pump(struct node *n, struct node_session *s)
{
	uint8_t packet[STREAM_PACKET_MAX];
	struct session_action a;
	bool is_closed = false;
	size_t len;

	if (s->peer && session_epoch(s->keys) != s->epoch) {
		s->epoch = session_epoch(s->keys);
		n->ways_version++;
		node_event(n, EVENT_REKEYED, s->peer->id)->sequence = s->epoch;
	}
	while (session_next_action(s->keys, &a)) {
		switch (a.type) {
		case SESSION_SEND_REKEY:
			send_rekey(n, s, SPAN(a.message, a.len));
			break;
		case SESSION_INDEX_OPENED:
			index_opened(n, s, a.index);
			break;
		case SESSION_INDEX_RETIRED:
			index_retired(n, s, a.index);
			break;
		case SESSION_WANT_HANDSHAKE:
			if (s->peer)
				want_handshake(n, s->peer);
			break;
		case SESSION_CLOSED:
			is_closed = true;
			break;
		}
	}
	if (is_closed || session_is_closed(s->keys)) {
		session_drop(n, s, "the session ended");
		return;
	}
	while (session_can_send(s->keys, n->now_us) &&
	       stream_next_packet(s->stream, n->now_us, packet, &len))
		if (path_send_session(n, s, SPAN(packet, len)) < 0)
			break; /* the stream repeats it */
}

static void forget_join(struct node *n, struct node_session *s)
{
	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i] == s)
			n->joins[i] = NULL;
}

void session_drop(struct node *n, struct node_session *s, const char *reason)
{
	struct peer *p = s->peer;
	bool has_any = false;

	if (n->watched == s)
		n->watched = NULL;
	while (s->indices[0])
		index_retired(n, s, s->indices[0]);
	forget_join(n, s);
	for (unsigned i = 0; i < N_BLOBS; i++)
		blob_done(&s->incoming[i]);
	blob_done(&s->request);
	bytes_wipe(s->join_key, sizeof(s->join_key));
	if (p) {
		bool has_direct = false;

		for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++) {
			if (p->sessions[i] == s)
				p->sessions[i] = NULL;
			has_any |= p->sessions[i] != NULL;
			has_direct |= p->sessions[i] && p->sessions[i]->is_direct;
		}
		if (p->direct == s)
			p->direct = NULL;
		if (p->e2e == s)
			p->e2e = NULL;
		if (!has_direct)
			neighbour_end(n, p);
		choose(n, p);
		if (!has_any && reason)
			node_event(n, EVENT_PEER_DOWN, p->id)->reason = reason;
	}
	session_free(s->keys);
	stream_free(s->stream);
	free(s);
}

/* ---- time ---- */

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
			want_handshake(n, s->peer);
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
	drop_waiting(p, old);
}

/* When nothing is left of it but what it proved once, and nobody has heard of it. */
static uint64_t forget_us(const struct peer *p)
{
	return p->seen_us + (p->is_known ? PEER_PRUNE_US : PEER_DEAD_US);
}

static bool is_forgotten(const struct node *n, const struct peer *p)
{
	return !has_session(p) && p->n_waiting == 0 && !p->attempt && n->now_us >= forget_us(p);
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
	enum node_life life = life_of(n, p, n->now_us);

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

void peers_tick(struct node *n)
{
	size_t cursor = 0;
	struct peer *p;

	while ((p = map_next(n->peers, &cursor)))
		peer_tick(n, p);
	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i])
			(void)session_timers(n, n->joins[i]);
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

uint64_t peers_deadline_us(const struct node *n)
{
	uint64_t at = NEVER_US;
	size_t cursor = 0;
	const struct peer *p;

	while ((p = map_next(n->peers, &cursor)))
		at = min_u64(at, peer_deadline_us(n, p));
	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i])
			at = min_u64(at, session_deadline(n, n->joins[i]));
	return at;
}

/* ---- views ---- */

static void view(const struct node *n, const struct peer *p, uint64_t now_us,
		 struct node_peer_view *ret)
{
	const struct node_session *s = p->direct ? p->direct : p->e2e;

	*ret = (struct node_peer_view){
		.node_id = p->id,
		.has_session = s != NULL,
		.is_neighbour = p->neighbour != NULL,
		.not_after_s = p->not_after_s,
		.sent_bytes = p->sent_bytes,
		.received_bytes = p->received_bytes,
		.sent_packets = p->sent_packets,
		.received_packets = p->received_packets,
		.metric = LINK_METRIC_MAX,
		.life = life_of(n, p, now_us),
		.n_tried = p->way.n_tried,
	};
	ret->why_relayed = traverse_why(n, p, now_us, &ret->again_us);
	memcpy(ret->name, p->name, sizeof(ret->name));
	memcpy(ret->address, p->address, sizeof(ret->address));
	memcpy(ret->serial, p->serial, sizeof(ret->serial));
	if (s) {
		ret->is_initiator = session_is_initiator(s->keys);
		ret->aead = s->aead;
		ret->epoch = session_epoch(s->keys);
		ret->session_age_us = session_age_us(s->keys, now_us);
	}
	if (p->neighbour) {
		ret->endpoint = p->neighbour->roam.current;
		ret->state = link_state(p->neighbour->link);
		ret->class = link_class(p->neighbour->link);
		ret->metric = link_metric(p->neighbour->link);
		ret->path_mtu = pmtu_size(&p->neighbour->pmtu) + p->neighbour->pmtu.header_len;
		ret->path_mtu_state = p->neighbour->pmtu.state;
		ret->is_path_mtu_searched = pmtu_is_searching(&p->neighbour->pmtu);
		link_quality(p->neighbour->link, now_us, &ret->quality);
	}
	ret->mtu_bytes = mtu_towards(n, p);
}

bool node_next_peer(const struct node *n, size_t *cursor, uint64_t now_us,
		    struct node_peer_view *ret)
{
	const struct peer *p = map_next(n->peers, cursor);

	if (!p)
		return false;
	view(n, p, now_us, ret);
	return true;
}
