/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a packet that goes: sealing, choosing by whom, sending (docs/packet.md). */
#include <errno.h>

#include "base/units.h"
#include "core/forward/flowlets.h"
#include "core/forward/labels.h"
#include "core/node/path_internal.h"

_Static_assert(LINK_LANES == SESSION_LANES_MAX, "a link counts in whatever lane a peer may use");

/* Lanes do not wait for each other: what overtakes bulk has its own, at both uses. */
static unsigned lane_of(enum wire_class class)
{
	return class == CLASS_BULK ? LANE_PACKETS : LANE_URGENT;
}

enum link_state neighbour_state(void *node, uint64_t id)
{
	const struct peer *p = peer_look(node, id);

	if (!p || !p->neighbour || !p->direct)
		return LINK_DOWN;
	return link_state_now(p->neighbour->link, ((struct node *)node)->now_us);
}

/* Clear header, then part_len bytes that lie behind its place already and are sealed there under
 * the link key, then the payload that is relayed; NULL: the short form, "ends here". The form is
 * never told from the payload's length: a relayed header taken for the short form would be a
 * message of ours, written by somebody else. Returns the datagram's length, 0 where the session
 * cannot send. */
static size_t seal_link(struct node *n, struct node_session *s, uint8_t type, unsigned lane,
			size_t part_len, const struct span *relayed, uint8_t *ret)
{
	struct span part = SPAN(ret + WIRE_HEADER_LEN, part_len);
	struct span rest = relayed ? *relayed : (struct span){ 0 };
	size_t len = WIRE_HEADER_LEN + part.len + AEAD_TAG_LEN + rest.len;
	struct wire_transport t = { .type = type };
	struct session_ticket ticket;

	if (session_reserve(s->keys, SESSION_LINK, lane, len, n->now_us, &ticket) < 0)
		return 0;
	t.seal_len = relayed ? (uint16_t)part.len : 0;
	t.receiver_index = ticket.remote_index;
	t.lane = ticket.lane;
	t.sequence = ticket.sequence;
	wire_transport_encode(&t, ret);
	if (session_seal(s->keys, &ticket, SPAN(ret, WIRE_HEADER_LEN), part,
			 ret + WIRE_HEADER_LEN) < 0)
		return 0;
	if (rest.len > 0 && rest.at != ret + len - rest.len)
		memcpy(ret + len - rest.len, rest.at, rest.len);
	return len;
}

static void note_sent(struct node *n, struct node_session *s, size_t len, bool is_payload)
{
	struct peer *p = s->peer;

	s->spoke_us = n->now_us;
	s->owes_us = NEVER_US;
	if (is_payload && s->unanswered_us == NEVER_US)
		s->unanswered_us = n->now_us;
	if (!p)
		return;
	p->sent_bytes += len;
	p->sent_packets++;
	if (p->neighbour)
		link_sent(p->neighbour->link, len, is_payload, n->now_us);
}

/* The datagram lies in node_room(). */
static void send_room(struct node *n, struct node_session *s, const struct endpoint *to,
		      struct treatment treatment, size_t len, bool is_payload)
{
	if (mtu_is_long(s->peer, len) && mtu_cut(n, s, to, treatment, len))
		return;
	(void)node_send_room(n, to, treatment, len);
	note_sent(n, s, len, is_payload);
}

static uint16_t next_link_sequence(struct node_session *s, unsigned lane)
{
	return s->peer && s->peer->neighbour ? link_next_sequence(s->peer->neighbour->link, lane)
					     : 0;
}

/* The short form, "ends here", to any address: path checks go to two. */
static bool send_short(struct node *n, struct node_session *s, uint8_t type, unsigned lane,
		       const struct endpoint *to, struct span plaintext, struct treatment treatment)
{
	const size_t around = WIRE_HEADER_LEN + HOP_SHORT_LEN + AEAD_TAG_LEN;
	struct wire_hop hop = { .ttl = 1, .class = treatment.class };
	uint8_t *room, *part;
	size_t len;

	if (plaintext.len + around > n->datagram_max) {
		n->counters.too_big++;
		return false;
	}
	room = node_room(n);
	if (!room)
		return false;
	part = room + WIRE_HEADER_LEN;
	hop.link_sequence = next_link_sequence(s, lane);
	wire_hop_encode_short(&hop, part);
	memcpy(part + HOP_SHORT_LEN, plaintext.at, plaintext.len);
	len = seal_link(n, s, type, lane, HOP_SHORT_LEN + plaintext.len, NULL, room);
	if (len == 0)
		return false;
	send_room(n, s, to, treatment, len,
		  type == WIRE_LINK_FRAGMENT || (type == WIRE_TRANSPORT && is_ip(plaintext)));
	return true;
}

void path_send_piece(struct node *n, struct node_session *s, const struct endpoint *to,
		     struct span plaintext, struct treatment treatment)
{
	(void)send_short(n, s, WIRE_LINK_FRAGMENT, lane_of(treatment.class), to, plaintext,
			 treatment);
}

/* Probes of the path MTU and their answers. They are made to be lost, so they are no sign of life
 * and have no sequence number, whose gap would be taken for loss. */
void path_send_unheard(struct node *n, struct peer *p, struct span plaintext, bool dont_fragment)
{
	struct wire_hop hop = { .ttl = 1, .class = CLASS_CRITICAL };
	uint8_t *room = node_room(n);
	struct node_action *a;
	size_t len;

	if (!room)
		return;
	wire_hop_encode_short(&hop, room + WIRE_HEADER_LEN);
	memcpy(room + WIRE_HEADER_LEN + HOP_SHORT_LEN, plaintext.at, plaintext.len);
	len = seal_link(n, p->direct, WIRE_PROBE, LANE_PROBES, HOP_SHORT_LEN + plaintext.len, NULL,
			room);
	if (len == 0)
		return;
	p->sent_bytes += len;
	p->sent_packets++;
	a = node_send_room(n, &p->neighbour->roam.current, node_control(n), len);
	a->dont_fragment = dont_fragment;
}

/* To an address where the peer may be, which nobody has proved: small, and no sign of life. The
 * other end takes it by the keys of the session that the two have through the mesh. */
void path_send_punch(struct node *n, struct peer *p, const struct endpoint *to, struct span body)
{
	struct wire_hop hop = { .ttl = 1, .class = CLASS_CRITICAL };
	uint8_t *room = p && p->e2e ? node_room(n) : NULL;
	size_t len;

	if (!room)
		return;
	wire_hop_encode_short(&hop, room + WIRE_HEADER_LEN);
	memcpy(room + WIRE_HEADER_LEN + HOP_SHORT_LEN, body.at, body.len);
	len = seal_link(n, p->e2e, WIRE_PROBE, LANE_PROBES, HOP_SHORT_LEN + body.len, NULL, room);
	if (len > 0)
		(void)node_send_room(n, to, node_control(n), len);
}

void path_send_direct(struct node *n, struct node_session *s, const struct endpoint *to,
		      struct span plaintext)
{
	(void)send_short(n, s, WIRE_TRANSPORT, LANE_URGENT, to, plaintext, node_control(n));
}

void path_send_probe(struct node *n, struct peer *p, struct span probe)
{
	(void)send_short(n, p->direct, WIRE_PROBE, LANE_PROBES, &p->neighbour->roam.current, probe,
			 node_control(n));
}

size_t path_seal_probe(struct node *n, struct peer *p, uint8_t byte, uint8_t *ret)
{
	struct wire_hop hop = { .ttl = 1, .class = CLASS_CRITICAL };

	wire_hop_encode_short(&hop, ret + WIRE_HEADER_LEN);
	ret[WIRE_HEADER_LEN + HOP_SHORT_LEN] = byte;
	return seal_link(n, p->direct, WIRE_PROBE, LANE_PROBES, HOP_SHORT_LEN + 1, NULL, ret);
}

/* Where a payload that is relayed lies in the datagram lent, with the header that came before it:
 * the new one, of the same length, takes its place, unless the whole is to be cut. Only the first
 * copy goes there. */
static uint8_t *place_of(struct node *n, struct peer *to, const struct wire_hop *hop,
			 struct span payload)
{
	size_t around = WIRE_HEADER_LEN + wire_hop_len(hop) + AEAD_TAG_LEN;
	uint8_t *at = lent(n, payload.at);

	if (!at || (size_t)(at - n->loan) != around ||
	    around + payload.len > pmtu_size(&to->neighbour->pmtu))
		return NULL;
	if (around + payload.len > PMTU_MIN)
		pmtu_sent_long(&to->neighbour->pmtu);
	at = n->loan;
	n->loan = NULL;
	return at;
}

/* One hop of the relayed form. */
static bool send_hop(struct node *n, uint64_t neighbour, struct wire_hop *hop,
		     struct treatment treatment, struct span payload)
{
	const size_t around = WIRE_HEADER_LEN + HOP_LEN + HOP_OPTIONS_LEN + AEAD_TAG_LEN;
	struct peer *p = peer_get(n, neighbour);
	unsigned lane = lane_of(hop->class);
	uint8_t *place, *room;
	size_t len;

	if (!p || !p->direct || !p->neighbour)
		return false;
	if (payload.len + around > n->datagram_max) {
		n->counters.too_big++;
		return false;
	}
	if (payload.len + around > pmtu_size(&p->neighbour->pmtu) &&
	    mtu_refuses_hop(n, p, hop, payload.len + around))
		return false;
	place = place_of(n, p, hop, payload);
	room = place ? place : node_room(n);
	if (!room)
		return false;
	hop->link_sequence = next_link_sequence(p->direct, lane);
	len = wire_hop_encode(hop, room + WIRE_HEADER_LEN);
	len = seal_link(n, p->direct, WIRE_TRANSPORT, lane, len, &payload, room);
	if (len == 0)
		return false;
	treatment.class = hop->class;
	treatment.is_control = hop->kind != KIND_DATA;
	if (!place) {
		send_room(n, p->direct, &p->neighbour->roam.current, treatment, len,
			  hop->kind == KIND_DATA);
		return true;
	}
	node_send_on_loan(n, &p->neighbour->roam.current, treatment, SPAN(place, len));
	note_sent(n, p->direct, len, hop->kind == KIND_DATA);
	return true;
}

struct asker {
	struct node *n;
	uint64_t destination;
};

static enum link_state asked_state(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;

	return neighbour_state(a->n, neighbour);
}

static bool asked_neighbour(void *arg, size_t *cursor, uint64_t *ret, uint32_t *ret_metric)
{
	const struct asker *a = arg;

	return routes_next_neighbour(a->n->routes, cursor, a->destination, ret, ret_metric);
}

static bool asked_dead_end(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;

	return dead_ends_has(a->n, neighbour, a->destination);
}

static bool asked_restless(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;
	const struct peer *p = peer_look(a->n, neighbour);

	return p && p->neighbour && link_is_restless(p->neighbour->link, a->n->now_us);
}

/* More than the next hop is looked for only where that will not do. */
static void plan_of(struct node *n, const struct wire_hop *hop, struct forward_question *q,
		    struct route *route, struct forward_plan *ret)
{
	route->next_hop = routes_next_hop_since(n->routes, hop->destination, &route->since_us);
	if (forward_straight(q, hop, ret))
		return;
	if (routes_lookup(n->routes, hop->destination, route))
		*ret = forward_next(q, hop);
	else
		*ret = (struct forward_plan){ 0 };
}

/* By its labels; where those lead no further, they become the record of where it was. */
static uint64_t label_of(struct node *n, const struct forward_question *q, struct wire_hop *hop)
{
	uint64_t next = labels_next(q, hop, &n->label_hints[hop->flow_hash % LABEL_HINTS]);

	if (next)
		return next;
	n->counters.labels_left++;
	labels_drop(hop, n->self);
	forward_record(q, hop);
	return 0;
}

static bool is_bad(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;
	const struct peer *p = peer_look(a->n, neighbour);

	return !p || !p->neighbour || link_class(p->neighbour->link) == LINK_BAD;
}

/* The alternate that a run of bulk packets takes; 0: it goes as ever. */
static uint64_t flowlet_of(struct node *n, const struct forward_question *q,
			   const struct wire_hop *hop, struct route *route)
{
	uint64_t next;

	route->next_hop = routes_next_hop_since(n->routes, hop->destination, &route->since_us);
	if (!flowlets_apply(q, hop))
		return 0;
	if (flowlets_follow(n->flowlets, q, hop, &next))
		return next;
	if (!routes_lookup(n->routes, hop->destination, route))
		return 0;
	return flowlets_begin(n->flowlets, q, hop, is_bad, rng_next(&n->rng));
}

/* By its labels over a link that may be lost; so a copy leaves them here and goes another way. */
static bool send_beside(struct node *n, struct forward_question *q, struct wire_hop *hop,
			struct treatment treatment, uint64_t suspect, struct span payload)
{
	struct route route = { 0 };
	struct forward_plan plan;
	uint64_t next;

	q->route = &route;
	labels_drop(hop, n->self);
	forward_record(q, hop);
	plan_of(n, hop, q, &route, &plan);
	next = plan.next == suspect ? plan.duplicate : plan.next;
	if (!next)
		return false;
	hop->is_duplicate = true;
	n->counters.duplicates_sent++;
	return send_hop(n, next, hop, treatment, payload);
}

static int send_labelled(struct node *n, struct forward_question *q, struct wire_hop *hop,
			 struct treatment treatment, uint64_t next, struct span payload)
{
	bool is_sent = send_hop(n, next, hop, treatment, payload);

	if (neighbour_state(n, next) == LINK_SUSPECT && !hop->is_duplicate)
		is_sent |= send_beside(n, q, hop, treatment, next, payload);
	return is_sent ? 0 : -EAGAIN;
}

/* Sends the relayed form where its labels or the routing table say. -ENETUNREACH, -EAGAIN. */
int path_send_routed(struct node *n, struct wire_hop *hop, struct treatment treatment,
		     uint64_t from, enum watch_use use, struct span payload)
{
	struct asker a = { n, hop->destination };
	struct route route;
	struct forward_question q = { .self = n->self,
				      .from = from,
				      .now_us = n->now_us,
				      .route = &route,
				      .state = asked_state,
				      .neighbour = asked_neighbour,
				      .is_restless = asked_restless,
				      .arg = &a };
	struct forward_plan plan;
	uint64_t chosen;
	bool is_sent;

	route.next_hop = route.since_us = 0; /* of a route of zeros these alone are looked at */
	route.n_alternates = route.n_feasible = 0;
	route.is_doubted = false;
	if (hints_are_there(&n->dead_ends, n->now_us))
		q.is_dead_end = asked_dead_end;
	chosen = hop->is_labelled ? label_of(n, &q, hop) : 0;
	if (chosen) {
		/* What fills its ways loses probes too; those who report of ways say more of it. */
		if (hop->class != CLASS_BULK)
			authentic_passed(n, hop, chosen, payload.len, use);
		return send_labelled(n, &q, hop, treatment, chosen, payload);
	}
	chosen = n->flowlets ? flowlet_of(n, &q, hop, &route) : 0;
	if (chosen) {
		n->counters.flowlets++;
		forward_record(&q, hop);
		return send_hop(n, chosen, hop, treatment, payload) ? 0 : -EAGAIN;
	}
	plan_of(n, hop, &q, &route, &plan);
	if (plan.tell && hop->kind == KIND_DATA)
		dead_ends_tell(n, plan.tell, hop->destination);
	if (!plan.next)
		return -ENETUNREACH;
	if (plan.is_recorded)
		forward_record(&q, hop);
	n->counters.deflected += plan.way == FORWARD_DEFLECTED || plan.way == FORWARD_BACK;
	if (plan.way != FORWARD_BACK)
		authentic_passed(n, hop, plan.next, payload.len, use);
	is_sent = send_hop(n, plan.next, hop, treatment, payload);
	if (plan.duplicate && !hop->is_duplicate) { /* a copy is not copied again at each hop */
		hop->is_duplicate = true;
		n->counters.duplicates_sent++;
		forward_record(&q, hop);
		is_sent |= send_hop(n, plan.duplicate, hop, treatment, payload);
	}
	return is_sent ? 0 : -EAGAIN;
}

void path_send_unsealed(struct node *n, uint64_t destination, enum wire_kind kind, uint8_t ttl,
			struct span payload)
{
	struct wire_hop hop = {
		.ttl = ttl,
		.class = CLASS_CRITICAL,
		.kind = kind,
		.destination = destination,
		.source = n->self,
	};

	if (path_send_routed(n, &hop, node_control(n), 0, WATCH_NOT, payload) < 0)
		n->counters.no_route++;
}

/* Through exactly this neighbour: with a record, for it may be no next hop of ours. */
static int send_through(struct node *n, uint64_t neighbour, struct wire_hop *hop,
			struct treatment treatment, struct span payload)
{
	struct forward_question q = { .self = n->self, .now_us = n->now_us };

	forward_record(&q, hop);
	return send_hop(n, neighbour, hop, treatment, payload) ? 0 : -EAGAIN;
}

/* Seals under the session's end-to-end key; the header lacks the way. */
int path_seal(struct node *n, struct node_session *s, struct treatment treatment,
	      struct span plaintext, struct wire_hop *ret_hop, uint8_t ret[NODE_DATAGRAM_MAX])
{
	uint8_t ad[E2E_AD_LEN];
	struct session_ticket ticket;
	struct wire_hop hop = {
		.ttl = HOP_TTL_MAX,
		.class = treatment.class,
		.kind = KIND_DATA,
		.destination = s->peer->id,
		.source = n->self,
	};
	int r;

	if (plaintext.len + AEAD_TAG_LEN > NODE_DATAGRAM_MAX)
		return -EMSGSIZE;
	r = session_reserve(s->keys, SESSION_E2E, lane_of(treatment.class), plaintext.len,
			    n->now_us, &ticket);
	if (r < 0)
		return -EAGAIN;
	if (plaintext.len > INNER_MTU_MIN) {
		s->peer->long_index = ticket.remote_index;
		s->peer->long_sequence[ticket.lane] = ticket.sequence;
	}
	hop.e2e_index = ticket.remote_index;
	hop.e2e_lane = ticket.lane;
	hop.e2e_sequence = ticket.sequence;
	store_u32(ad, hop.e2e_index);
	store_u64(ad + 4, (uint64_t)hop.e2e_lane << 56 | hop.e2e_sequence);
	r = session_seal(s->keys, &ticket, SPAN_OF(ad), plaintext, ret);
	if (r < 0)
		return r;
	s->peer->n_sealed += is_ip(plaintext);
	*ret_hop = hop;
	return r;
}

void path_note_relayed(struct node *n, struct node_session *s, struct span plaintext)
{
	s->spoke_us = n->now_us;
	if (!is_ip(plaintext))
		return;
	s->owes_us = NEVER_US;
	if (s->unanswered_us == NEVER_US)
		s->unanswered_us = n->now_us;
}

enum watch_use path_use_of(struct span plaintext)
{
	return is_ip(plaintext) ? WATCH_OWN : WATCH_NOT;
}

/* Seals once and sends along the route, or through a neighbour. */
static int send_sealed(struct node *n, struct node_session *s, struct treatment treatment,
		       uint16_t flow_hash, struct span plaintext, uint64_t through,
		       enum watch_use use)
{
	uint8_t bytes[NODE_DATAGRAM_MAX];
	struct wire_hop hop;
	struct span sealed;
	int r = path_seal(n, s, treatment, plaintext, &hop, bytes);

	if (r < 0)
		return r;
	sealed = SPAN(bytes, plaintext.len + AEAD_TAG_LEN);
	hop.flow_hash = flow_hash;
	if (through)
		return send_through(n, through, &hop, treatment, sealed);
	r = path_send_routed(n, &hop, treatment, 0, use, sealed);
	if (r == 0)
		path_note_relayed(n, s, plaintext);
	return r;
}

static int send_relayed(struct node *n, struct node_session *s, struct treatment treatment,
			uint16_t flow_hash, struct span plaintext)
{
	return send_sealed(n, s, treatment, flow_hash, plaintext, 0, path_use_of(plaintext));
}

void path_send_service(struct node *n, struct peer *p, enum wire_class class,
		       enum wire_service service, struct span body, uint64_t through,
		       bool is_watched)
{
	struct wire_service_message m = { .service = (uint16_t)service, .body = body };
	uint8_t plaintext[WIRE_SERVICE_MAX + 8];
	int len = wire_service_encode(&m, plaintext, sizeof(plaintext));

	if (len < 0 || !p->e2e || !session_can_send(p->e2e->keys, n->now_us))
		return;
	(void)send_sealed(n, p->e2e, treatment_of(n, class, 0), 0, SPAN(plaintext, (size_t)len),
			  through, is_watched ? WATCH_ANSWER : WATCH_NOT);
}

/* To a peer by whatever way is best. -EAGAIN: there is no usable session yet (one has been
 * asked for); -ENETUNREACH: there is no way; -EMSGSIZE: longer than the way carries. */
int path_send(struct node *n, struct peer *p, enum wire_class class, struct span plaintext)
{
	uint64_t next = routes_next_hop(n->routes, p->id);
	struct treatment treatment =
		treatment_of(n, class, is_ip(plaintext) ? traffic_class(plaintext) : 0);
	struct inner i;
	uint16_t hash = 0;
	bool is_near = peer_is_direct(p) && session_can_send(p->direct->keys, n->now_us);
	int way, r;

	if (plaintext.len > INNER_MTU_MIN && mtu_check(n, p, next, plaintext.len) < 0)
		return -EMSGSIZE;
	if (is_near && next && next != p->id && link_state(p->neighbour->link) == LINK_UP)
		is_near = false; /* the direct link is the worse way */
	if (is_near && link_state_now(p->neighbour->link, n->now_us) == LINK_UP &&
	    !spread_is_better(n, p, class) &&
	    send_short(n, p->direct, WIRE_TRANSPORT, lane_of(class), &p->neighbour->roam.current,
		       plaintext, treatment))
		return 0;
	way = beyond_want(n, p);
	if (!next && !p->e2e)
		return -EAGAIN;
	/* Without a route there may still be an alternate, or a neighbour that has one. */
	if (!p->e2e || !session_can_send(p->e2e->keys, n->now_us)) {
		greet_peer(n, p);
		return -EAGAIN;
	}
	if (inner_parse(plaintext, &i) == 0)
		hash = inner_flow_hash_again(&n->hashed, &i, n->flow_key);
	if (spread_send(n, p, treatment, hash, plaintext, &r))
		return r;
	r = send_relayed(n, p->e2e, treatment, hash, plaintext);
	if (r == 0 && next != p->id && is_ip(plaintext))
		traverse_used(n, p);
	return r == -ENETUNREACH && way == -EAGAIN ? way : r;
}

static const struct endpoint *direct_endpoint(struct node *n, const struct node_session *s)
{
	struct route route;

	if (s->is_join)
		return &s->endpoint;
	if (!s->is_direct || !s->peer->neighbour)
		return NULL;
	if (link_state(s->peer->neighbour->link) == LINK_DOWN &&
	    routes_lookup(n->routes, s->peer->id, &route) && route.next_hop)
		return NULL; /* the link is dead, but there is another way */
	return &s->peer->neighbour->roam.current;
}

/* Under the keys of this very session. */
int path_send_session(struct node *n, struct node_session *s, struct span plaintext)
{
	const struct endpoint *to = direct_endpoint(n, s);

	if (!to)
		return send_relayed(n, s, node_control(n), 0, plaintext);
	if (!send_short(n, s, WIRE_TRANSPORT, LANE_URGENT, to, plaintext, node_control(n)))
		return -EAGAIN;
	return 0;
}
