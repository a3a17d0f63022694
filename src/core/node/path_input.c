/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a packet that came: opening, relaying, delivering (docs/packet.md). */
#include <netinet/in.h>

#include "base/units.h"
#include "core/forward/visited.h"
#include "core/node/path_internal.h"

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

static bool decide_flow(struct node *n, struct peer *p, const struct inner *i,
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

/* A later fragment goes by the first one's right. One that comes before it, or without it, is asked
 * of policy by its protocol alone. */
static bool flow_is_allowed(struct node *n, struct peer *p, const struct inner *i,
			    const struct prefix *offer)
{
	if (i->is_later_fragment && fragments_follow(&n->fragments, p->id, i, n->now_us))
		return true;
	if (!decide_flow(n, p, i, offer))
		return false;
	if (i->is_first_fragment)
		fragments_note(&n->fragments, p->id, i, n->now_us);
	return true;
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
	if (is_packet) {
		path_deliver(n, s->peer, plaintext);
		return;
	}
	n->may_wait = false;
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
	if (r == 0)
		n->counters.relayed++;
	else
		n->counters.no_route++;
}

static void relayed_input(struct node *n, struct peer *from, struct span sealed_part,
			  struct span payload)
{
	struct wire_hop hop;

	/* To its source comes back only what finds no other way. Nobody sends an empty payload, and
	 * what is sealed has a tag. */
	if (wire_hop_decode(sealed_part, &hop) < 0 || visited_check(&hop) < 0 ||
	    payload.len < (hop.kind == KIND_DATA ? AEAD_TAG_LEN : 1) ||
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

		n->may_wait = false;
		handshakes_input(n->handshakes, &path, payload, n->now_us);
		break;
	}
	case KIND_CONTROL:
		n->may_wait = false;
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

		n->may_wait = false;
		handshakes_input(n->handshakes, &path, datagram, n->now_us);
		return;
	}
	transport_input(n, from, datagram);
}
