/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a packet: sealing and sending, opening, relaying, delivering (docs/packet.md). */
#include <errno.h>
#include <netinet/in.h>

#include "base/units.h"
#include "core/forward/flowlets.h"
#include "core/forward/labels.h"
#include "core/forward/visited.h"
#include "core/node/node_internal.h"

#define E2E_AD_LEN 12 /* e2e index 4, counter 8 */

_Static_assert(LINK_LANES == SESSION_LANES_MAX, "a link counts in whatever lane a peer may use");

/* Lanes do not wait for each other: what overtakes bulk has its own, at both uses. */
static unsigned lane_of(enum wire_class class)
{
	return class == CLASS_BULK ? LANE_PACKETS : LANE_URGENT;
}

static bool is_ip(struct span plaintext)
{
	return plaintext.len > 0 && plaintext.at[0] >> 4 >= 4;
}

/* The encapsulator's rules: ECN goes out as it is (RFC 6040 section 4.1, normal mode), and
 * codepoints where they shall be seen (RFC 2983 section 4). */
static struct treatment treatment_of(const struct node *n, enum wire_class class, uint8_t inner)
{
	return (struct treatment){
		.class = class,
		.traffic_class = n->copies_dscp ? inner : inner & ECN_MASK,
	};
}

/* ---- sending ---- */

enum link_state neighbour_state(void *node, uint64_t id)
{
	const struct peer *p = peer_look(node, id);

	if (!p || !p->neighbour || !p->direct)
		return LINK_DOWN;
	return link_state_now(p->neighbour->link, ((struct node *)node)->now_us);
}

/* The bytes at this place, to write to, where they are of the datagram that is lent. */
static uint8_t *lent(const struct node *n, const uint8_t *at)
{
	if (!n->loan || at < n->loan || at >= n->loan + n->loan_len)
		return NULL;
	return n->loan + (at - n->loan);
}

/* Clear header, then part_len bytes that lie behind its place already and are sealed there under
 * the link key, then what follows unsealed. Returns the datagram's length, 0 where the session
 * cannot send. */
static size_t seal_link(struct node *n, struct node_session *s, uint8_t type, unsigned lane,
			size_t part_len, struct span rest, uint8_t *ret)
{
	struct span part = SPAN(ret + WIRE_HEADER_LEN, part_len);
	size_t len = WIRE_HEADER_LEN + part.len + AEAD_TAG_LEN + rest.len;
	struct wire_transport t = { .type = type };
	struct session_ticket ticket;

	if (session_reserve(s->keys, SESSION_LINK, lane, len, n->now_us, &ticket) < 0)
		return 0;
	t.seal_len = rest.len ? (uint16_t)part.len : 0;
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
	len = seal_link(n, s, type, lane, HOP_SHORT_LEN + plaintext.len, (struct span){ 0 }, room);
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
	len = seal_link(n, p->direct, WIRE_PROBE, LANE_PROBES, HOP_SHORT_LEN + plaintext.len,
			(struct span){ 0 }, room);
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
	len = seal_link(n, p->e2e, WIRE_PROBE, LANE_PROBES, HOP_SHORT_LEN + body.len,
			(struct span){ 0 }, room);
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
	return seal_link(n, p->direct, WIRE_PROBE, LANE_PROBES, HOP_SHORT_LEN + 1,
			 (struct span){ 0 }, ret);
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
	len = seal_link(n, p->direct, WIRE_TRANSPORT, lane, len, payload, room);
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
	if (!next && !p->e2e) {
		n->counters.no_route++;
		return -EAGAIN;
	}
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
	n->counters.no_route += r == -ENETUNREACH;
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

/* ---- receiving ---- */

static void spoofed_inner(struct node *n, struct peer *p, const struct inner *i)
{
	struct node_event *e;

	n->counters.spoofed_inner++;
	if (n->now_us < p->alarm_us)
		return;
	p->alarm_us = n->now_us + EVENT_INTERVAL_US;
	e = node_event(n, EVENT_SPOOFED_INNER, p->id);
	memcpy(e->address, i->source, 16);
	e->reason = "the inner source address is not the session peer's, nor in a network accepted "
		    "from it";
}

/* offer: the flow goes to a network behind us; NULL: to us. */
static bool policy_allows(struct node *n, const struct peer *p, const struct inner *i,
			  const struct prefix *offer)
{
	char resource[FLOW_RESOURCE_SIZE];
	char prefix[PREFIX_TEXT_SIZE];

	if (offer) {
		prefix_format(offer, prefix);
		if (node_decide(n, p->spiffe_id, POLICY_ROUTE, prefix, NULL) != POLICY_ALLOW)
			return false;
	}
	inner_resource(i, resource);
	return node_decide(n, p->spiffe_id, i->is_echo_request ? POLICY_PING : POLICY_CONNECT,
			   resource, NULL) == POLICY_ALLOW;
}

/* A connection from the internet, for which the exit speaks: whoever is beside the exit could
 * begin one by its rights. What goes on, of which the beginning was forgotten, and later fragments
 * are no beginning. */
static bool begins_in_internet(const struct node *n, const struct inner *i)
{
	return (i->is_tcp_syn || i->is_echo_request ||
		(i->protocol == IPPROTO_UDP && i->has_ports)) &&
	       networks_is_internet(n, i->source);
}

static bool flow_is_allowed(struct node *n, struct peer *p, const struct inner *i,
			    const struct prefix *offer)
{
	struct node_event *e;
	bool is_allowed, is_internet;

	switch (flows_inbound(n->flows, p->id, i, n->now_us)) {
	case FLOW_KNOWN:
		if (!offer)
			carried_mark(n, MARK_IN, i);
		return true;
	case FLOW_DENIED:
		n->counters.flow_denied++;
		return false;
	case FLOW_NEW:
		break;
	}
	is_internet = begins_in_internet(n, i);
	is_allowed = !is_internet && policy_allows(n, p, i, offer);
	flows_decide(n->flows, p->id, i, is_allowed, n->now_us);
	if (is_allowed) {
		if (!offer)
			carried_mark(n, MARK_IN, i);
		n->counters.policy_allowed++;
		return true;
	}
	n->counters.policy_denied++;
	n->counters.flow_denied++;
	if (n->now_us < p->denied_us) /* who tries all ports shall not fill the log */
		return false;
	p->denied_us = n->now_us + EVENT_INTERVAL_US;
	e = node_event(n, EVENT_FLOW_DENIED, p->id);
	e->reason = is_internet ? "from the internet, by an exit, only answers come in"
				: "policy does not allow this inbound flow";
	e->sequence = i->destination_port;
	return false;
}

/* The decapsulator's rules (RFC 6040 section 4.2): the mark the packet goes on with, or -1 to drop
 * it. */
static int congestion_mark(struct node *n, struct span packet)
{
	enum ecn inner = traffic_class(packet) & ECN_MASK;
	int mark = ecn_decapsulated(inner, n->arrived & ECN_MASK);

	if (mark < 0)
		n->counters.ecn_dropped++;
	else if (mark != (int)inner)
		n->counters.ecn_marked++;
	return mark;
}

/* The inner source must be the session peer's address, and the destination ours: this is what
 * makes a source address inside the overlay an identity. Or in networks accepted from the peer,
 * and offered by us. */
void path_deliver(struct node *n, struct peer *p, struct span packet)
{
	enum networks_target target;
	struct prefix offer;
	struct inner i;
	uint8_t *place, *room;
	int mark;

	/* Longer ones than our own may be: its tunnel's MTU is the sender's. */
	if (inner_parse(packet, &i) < 0) {
		n->counters.malformed++;
		return;
	}
	if (!networks_may_come_from(n, p, &i)) {
		spoofed_inner(n, p, &i);
		return;
	}
	target = networks_target(n, &i, &offer);
	if (target == TARGET_NONE) {
		n->counters.not_offered++;
		return;
	}
	if (i.hop_limit == 0) {
		n->counters.ttl_expired++;
		return;
	}
	if (!errors_concern_flow(n, p, &i, packet) &&
	    !flow_is_allowed(n, p, &i, target == TARGET_BEHIND ? &offer : NULL)) {
		errors_denied(n, p, packet);
		return;
	}
	mark = congestion_mark(n, packet);
	if (mark < 0)
		return;
	n->is_data = true;
	place = lent(n, packet.at);
	room = place ? place : node_room(n);
	if (!room)
		return;
	if (!place)
		memcpy(room, packet.at, packet.len);
	if (mark != (traffic_class(packet) & ECN_MASK))
		ecn_set(room, packet.len, (enum ecn)mark);
	mtu_clamp(n, p, room, packet.len);
	if (!place)
		(void)node_act_in_room(n, NODE_DELIVER, packet.len);
	else if (!node_act_on_loan(n, NODE_DELIVER, SPAN(place, packet.len)))
		return;
	n->counters.packets_to_tun++;
}

/* What came out of a session, from its peer. from is NULL when it was relayed. */
static void plaintext_input(struct node *n, struct node_session *s, const struct endpoint *from,
			    struct span plaintext, unsigned hops)
{
	bool is_packet = is_ip(plaintext);

	session_heard(n, s, is_packet);
	if (plaintext.len == 0)
		return;
	if (s->is_join && plaintext.at[0] != PLAIN_CONTROL && plaintext.at[0] != PLAIN_SESSION) {
		n->counters.malformed++; /* a join session carries nothing else */
		return;
	}
	if (is_packet)
		path_deliver(n, s->peer, plaintext);
	else
		control_input(n, s, from, plaintext, hops);
}

static void count_verdict(struct node *n, enum session_verdict v)
{
	switch (v) {
	case SESSION_OPENED:
		break;
	case SESSION_REPLAYED:
		n->counters.replayed++;
		break;
	case SESSION_FORGED:
		n->counters.forged++;
		break;
	case SESSION_UNKNOWN:
		n->counters.unknown_index++;
		break;
	}
}

static void ends_at_us(struct node *n, const struct wire_hop *hop, struct span payload)
{
	struct node_session *s = session_at(n, hop->e2e_index);
	uint8_t buffer[NODE_DATAGRAM_MAX];
	uint8_t *place = lent(n, payload.at);
	uint8_t *plaintext = place ? place : buffer;
	uint8_t ad[E2E_AD_LEN];
	enum session_verdict v;
	bool is_newest;

	if (!s || !s->peer || s->peer->id != hop->source || payload.len < AEAD_TAG_LEN ||
	    payload.len > sizeof(buffer)) {
		n->counters.unknown_index++;
		return;
	}
	store_u32(ad, hop->e2e_index);
	store_u64(ad + 4, (uint64_t)hop->e2e_lane << 56 | hop->e2e_sequence);
	v = session_open(s->keys, SESSION_E2E, hop->e2e_index, hop->e2e_lane, hop->e2e_sequence,
			 SPAN_OF(ad), payload, plaintext, &is_newest, n->now_us);
	if (!spread_heard(n, s->peer, hop, payload.len, v))
		count_verdict(n, v);
	if (v != SESSION_OPENED)
		return;
	payload = SPAN(plaintext, payload.len - AEAD_TAG_LEN);
	s->peer->n_opened += is_ip(payload);
	if (is_ip(payload) && spread_orders(s->peer, hop)) {
		session_heard(n, s, true);
		spread_order(n, s->peer, hop, payload);
		return;
	}
	plaintext_input(n, s, NULL, payload, (unsigned)(HOP_TTL_MAX - hop->ttl) + 1);
}

static void relay(struct node *n, struct peer *from, struct wire_hop *hop, struct span payload)
{
	int r;

	if (hop->ttl <= 1) {
		n->counters.ttl_expired++;
		trace_expired(n, hop, payload);
		return;
	}
	hop->ttl--;
	/* As a router within the tunnel: congestion met so far goes on with it. */
	r = path_send_routed(n, hop, treatment_of(n, hop->class, n->arrived), from->id,
			     WATCH_RELAYED, payload);
	n->is_data = hop->kind == KIND_DATA && r == 0;
	if (r == 0)
		n->counters.relayed++;
	else
		n->counters.no_route++;
}

static void relayed_input(struct node *n, struct peer *from, struct span sealed_part,
			  struct span payload)
{
	struct wire_hop hop;

	/* To its source comes back only what finds no other way. */
	if (wire_hop_decode(sealed_part, &hop) < 0 || visited_check(&hop) < 0 ||
	    (hop.source == n->self &&
	     (!hop.has_options || hop.is_labelled || hop.destination == n->self)) ||
	    hop.destination == 0 || hop.source == 0) {
		n->counters.malformed++;
		return;
	}
	if (hop.destination != n->self) {
		relay(n, from, &hop, payload);
		return;
	}
	switch (hop.kind) {
	case KIND_DATA:
		n->came_by = from->id;
		ends_at_us(n, &hop, payload);
		n->came_by = 0;
		break;
	case KIND_HANDSHAKE: {
		struct hs_path path = { .is_mesh = true, .node_id = hop.source, .via = from->id };

		handshakes_input(n->handshakes, &path, payload, n->now_us);
		break;
	}
	case KIND_CONTROL:
		control_unsealed(n, &hop, payload);
		break;
	}
}

static void send_challenge(struct node *n, struct node_session *s, const struct endpoint *to)
{
	uint8_t check[2 + ROAM_CHALLENGE_LEN] = { PLAIN_SESSION, SESSION_MESSAGE_PATH_CHECK };

	const uint8_t *challenge = roam_challenge(&s->peer->neighbour->roam, to);

	if (!challenge)
		return;
	memcpy(check + 2, challenge, ROAM_CHALLENGE_LEN);
	path_send_direct(n, s, to, SPAN_OF(check));
}

/* To the new address and the old. */
void path_send_challenges(struct node *n, struct node_session *s)
{
	struct roam *r = &s->peer->neighbour->roam;

	if (roam_may_send(r,
			  WIRE_HEADER_LEN + HOP_SHORT_LEN + 2 + ROAM_CHALLENGE_LEN + AEAD_TAG_LEN))
		send_challenge(n, s, &r->candidate);
	send_challenge(n, s, &r->current);
}

static void link_heard(struct node *n, struct node_session *s, const struct endpoint *from,
		       unsigned lane, uint16_t sequence, size_t len, bool is_payload,
		       bool is_newest)
{
	struct peer *p = s->peer;
	bool has_changed;

	if (!is_carried(n, lane)) {
		p->received_bytes += len;
		p->received_packets++;
	}
	if (roam_received(&p->neighbour->roam, from, len, is_newest, &n->entropy, n->now_us))
		path_send_challenges(n, s);
	has_changed = is_carried(n, lane)
			      ? link_carried(p->neighbour->link, 0, 0, 0, is_payload, n->now_us)
			      : link_received(p->neighbour->link, lane, sequence, len, is_payload,
					      n->now_us);
	if (has_changed)
		neighbour_changed(n, p);
}

static void opened_short(struct node *n, struct node_session *s, const struct endpoint *from,
			 const struct wire_transport *t, struct span opened, bool is_newest)
{
	struct wire_hop hop;
	struct span inner;
	bool is_payload;

	if (wire_hop_decode_short(opened, &hop, &inner) < 0) {
		n->counters.malformed++;
		return;
	}
	if (t->type == WIRE_PROBE && traverse_probe(n, s, from, inner))
		return;
	if (!s->is_join && !s->is_direct)
		return; /* its end still holds a link that we have given up */
	if (t->type == WIRE_PROBE && !s->is_join &&
	    mtu_message(n, s, inner, WIRE_HEADER_LEN + opened.len + AEAD_TAG_LEN))
		return;
	if (t->type == WIRE_PROBE && !s->is_join && liveness_is_sign(inner)) {
		session_heard(n, s, false);
		if (s->peer && s->peer->neighbour)
			liveness_heard(n, s->peer);
		return;
	}
	is_payload = t->type == WIRE_LINK_FRAGMENT || (t->type == WIRE_TRANSPORT && is_ip(inner));
	if (!s->is_join)
		link_heard(n, s, from, t->lane, hop.link_sequence, opened.len, is_payload,
			   is_newest);
	if (t->type == WIRE_PROBE) {
		session_heard(n, s, false);
		if (s->is_join || link_probe_input(s->peer->neighbour->link, inner, n->now_us) < 0)
			n->counters.malformed++;
		else
			neighbour_changed(n, s->peer);
		if (s->peer)
			neighbour_probe(n, s->peer);
		return;
	}
	if (t->type == WIRE_LINK_FRAGMENT) {
		mtu_piece(n, s, from, inner);
		return;
	}
	plaintext_input(n, s, from, inner, 1);
}

/* What a packet thread has opened in the short form and leaves to us; it is counted already. */
void path_opened(struct node *n, struct node_session *s, const struct endpoint *from,
		 struct span inner, bool is_newest)
{
	if (roam_received(&s->peer->neighbour->roam, from, inner.len, is_newest, &n->entropy,
			  n->now_us))
		path_send_challenges(n, s);
	plaintext_input(n, s, from, inner, 1);
}

static void transport_input(struct node *n, const struct endpoint *from, struct span datagram)
{
	uint8_t buffer[NODE_DATAGRAM_MAX];
	uint8_t *place = lent(n, datagram.at); /* NULL also for one put together from pieces */
	uint8_t *opened = place ? place + WIRE_HEADER_LEN : buffer;
	struct wire_transport t;
	struct node_session *s;
	struct span sealed, rest;
	enum session_verdict v;
	bool is_newest;

	if (wire_transport_decode(datagram, &t) < 0 || t.flags != 0 ||
	    datagram.len > n->datagram_max) {
		n->counters.malformed++;
		return;
	}
	sealed = SPAN(datagram.at + WIRE_HEADER_LEN, datagram.len - WIRE_HEADER_LEN);
	if (t.seal_len > 0) {
		if ((size_t)t.seal_len + AEAD_TAG_LEN > sealed.len) {
			n->counters.malformed++;
			return;
		}
		sealed.len = (size_t)t.seal_len + AEAD_TAG_LEN;
	}
	rest = SPAN(sealed.at + sealed.len, datagram.len - WIRE_HEADER_LEN - sealed.len);
	s = session_at(n, t.receiver_index);
	/* A session made through relays is used on a link for probes alone: docs/nat.md. */
	if (!s || !(s->is_direct || s->is_join || t.type == WIRE_PROBE) ||
	    sealed.len < AEAD_TAG_LEN) {
		n->counters.unknown_index++;
		return;
	}
	v = session_open(s->keys, SESSION_LINK, t.receiver_index, t.lane, t.sequence,
			 SPAN(datagram.at, WIRE_HEADER_LEN), sealed, opened, &is_newest, n->now_us);
	count_verdict(n, v);
	if (v != SESSION_OPENED)
		return;
	sealed.len -= AEAD_TAG_LEN;
	if (t.seal_len == 0) {
		opened_short(n, s, from, &t, SPAN(opened, sealed.len), is_newest);
		return;
	}
	if (s->is_join || t.type != WIRE_TRANSPORT) {
		n->counters.malformed++;
		return;
	}
	if (sealed.len >= 2)
		link_heard(n, s, from, t.lane, load_u16(opened), datagram.len, true, is_newest);
	session_heard(n, s, false);
	relayed_input(n, s->peer, SPAN(opened, sealed.len), rest);
}

void path_input(struct node *n, const struct endpoint *from, struct span datagram)
{
	if (datagram.len == 0)
		return;
	if (datagram.at[0] >= WIRE_M1 && datagram.at[0] <= WIRE_COOKIE) {
		struct hs_path path = { .remote = *from };

		handshakes_input(n->handshakes, &path, datagram, n->now_us);
		return;
	}
	transport_input(n, from, datagram);
}
