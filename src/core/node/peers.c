/* SPDX-License-Identifier: Apache-2.0 */
/* Peers, their sessions and their links: made, chosen and ended. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/node/node_internal.h"

/* ---- peers ---- */

const struct peer *peer_look(const struct node *n, uint64_t id)
{
	return map_get(n->peers, &id);
}

struct peer *peer_get(struct node *n, uint64_t id)
{
	struct peer *p = map_get(n->peers, &id);

	if (p)
		peer_touch(n, p);
	return p;
}

struct peer *peer_next(struct node *n, size_t *cursor)
{
	struct peer *p = map_next(n->peers, cursor);

	if (p)
		peer_touch(n, p);
	return p;
}

/* There is room: the map takes no more. */
static void find_place(struct node *n, struct peer *p)
{
	if (n->n_by_age == NODE_PEERS_MAX) {
		n->n_by_age = 0;
		for (unsigned i = 0; i < NODE_PEERS_MAX; i++) {
			struct peer *old = n->by_age[i];

			if (!old)
				continue;
			n->stirs_us[n->n_by_age] = n->stirs_us[i];
			n->due_us[n->n_by_age] = n->due_us[i];
			n->by_age[n->n_by_age] = old;
			old->place = n->n_by_age++;
		}
	}
	p->place = n->n_by_age++;
	n->by_age[p->place] = p;
	peer_touch(n, p);
}

bool peer_has_session(const struct peer *p)
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
		if (!peer_has_session(p) && !p->attempt &&
		    (!oldest || p->seen_us < oldest->seen_us))
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
	find_place(n, p);
	return p;
}

void peer_drop_waiting(struct peer *p, size_t n_first)
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
	peer_drop_waiting(p, p->n_waiting);
	spread_forget(n, p);
	if (p->attempt)
		handshakes_cancel(n->handshakes, p->attempt);
	(void)map_remove(n->peers, &p->id);
	n->by_age[p->place] = NULL;
	n->stirs_us[p->place] = n->due_us[p->place] = NEVER_US;
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
		peer_drop_waiting(p, 1);
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
	peer_drop_waiting(p, sent);
}

bool node_name_of(const struct node *n, uint64_t id, char ret[NODE_NAME_MAX + 1])
{
	const struct peer *p = peer_look(n, id);
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

enum node_life peer_life(const struct node *n, const struct peer *p, uint64_t now_us)
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
	return peer_has_session(p) ? NODE_ACTIVE : NODE_REGISTERED;
}

/* ---- links ---- */

void neighbour_changed(struct node *n, struct peer *p)
{
	static const enum node_event_type event[] = { [LINK_DOWN] = EVENT_LINK_DOWN,
						      [LINK_UP] = EVENT_LINK_UP,
						      [LINK_SUSPECT] = EVENT_LINK_SUSPECT };
	struct neighbour *nb = p->neighbour;
	enum link_state state = link_state(nb->link);
	bool is_trusted = state == LINK_UP && nb->told == LINK_SUSPECT;
	struct node_event *e;

	if (state == nb->told)
		return;
	nb->told = state;
	n->is_survey_stale = true;
	n->ways_version++;
	e = node_event(n, is_trusted ? EVENT_LINK_TRUSTED : event[state], p->id);
	e->endpoint = nb->roam.current;
	e->metric = link_metric(nb->link);
	mtu_link_changed(n, p, false);
	traverse_link_changed(n, p);
	if (state == LINK_DOWN) {
		nb->down_us = n->now_us;
		if (nb->is_routed) {
			failover_begin(n, p);
			beyond_down(n, p->id);
		}
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
	authentic_gone(n, p->id);
	n->is_survey_stale = true;
	p->neighbour = NULL;
	traverse_neighbour_ended(n, p);
	mtu_detach(nb);
	link_free(nb->link);
	free(nb);
}

/* ---- sessions ---- */

struct node_session *session_at(struct node *n, uint32_t index)
{
	struct node_session *s = map_get(n->indices, &index);

	if (s && s->peer)
		peer_touch(n, s->peer);
	return s;
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

	peer_touch(n, p);
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

void peer_want_handshake(struct node *n, struct peer *p)
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
				peer_want_handshake(n, s->peer);
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
	authentic_serve(n, s);
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
		.life = peer_life(n, p, now_us),
		.n_tried = p->way.n_tried,
	};
	ret->why_relayed = traverse_why(n, p, now_us, &ret->again_us);
	ret->n_unannounced = p->n_unannounced;
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
		ret->penalty = p->penalty;
		ret->path_mtu = pmtu_size(&p->neighbour->pmtu) + p->neighbour->pmtu.header_len;
		ret->path_mtu_state = p->neighbour->pmtu.state;
		ret->is_path_mtu_searched = pmtu_is_searching(&p->neighbour->pmtu);
		link_quality(p->neighbour->link, now_us, &ret->quality);
	}
	ret->mtu_bytes = mtu_towards(n, p);
}

int node_set_penalty(struct node *n, uint64_t node_id, uint32_t penalty, uint64_t now_us)
{
	struct peer *p = peer_get(n, node_id);

	if (penalty > NODE_PENALTY_MAX)
		return -EINVAL;
	if (!p)
		return -ENOENT;
	n->now_us = now_us;
	p->penalty = penalty;
	if (p->neighbour && p->neighbour->is_routed)
		beyond_cost(n, p);
	node_pump(n);
	return 0;
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
