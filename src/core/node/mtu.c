/* SPDX-License-Identifier: Apache-2.0 */
/* How long a packet may be: found out for each link, told to each source, and what a link cannot
 * carry whole goes in two (docs/mtu.md). */
#include <errno.h>

#include "core/forward/mss.h"
#include "core/node/node_internal.h"

#define TOO_BIG_LEN 23 /* type 1 | limit 2 | destination 8 | e2e index 4 | e2e counter 8 */
#define PIECE_AROUND (WIRE_HEADER_LEN + HOP_SHORT_LEN + AEAD_TAG_LEN)
#define DIRECT_AROUND PIECE_AROUND
#define SEQUENCE_MASK ((UINT64_C(1) << 56) - 1)
#define TOLD_US SECONDS(600)  /* RFC 8201 section 4: believed for ten minutes */
#define TOLD_RECENT (1 << 16) /* packets since the one it speaks of */

/* ---- probes ---- */

void mtu_attach(const struct node *n, struct neighbour *nb)
{
	pmtu_init(&nb->pmtu, n->mtu_bytes + FORWARD_OVERHEAD, n->mtu_confirm_us, n->mtu_raise_us);
}

void mtu_detach(struct neighbour *nb)
{
	pieces_free(nb->pieces);
	nb->pieces = NULL;
}

static void send_message(struct node *n, struct peer *p, const struct pmtu_message *m)
{
	uint8_t body[NODE_DATAGRAM_MAX];
	size_t len = PMTU_MESSAGE_LEN;

	if (!m->is_answer)
		len = m->size - PIECE_AROUND;
	memset(body, 0, len);
	pmtu_message_encode(m, body);
	path_send_unheard(n, p, SPAN(body, len), !m->is_answer);
}

/* Sends what is due. */
void mtu_probe(struct node *n, struct peer *p)
{
	struct pmtu_message m = { .is_answer = false };

	while (p->neighbour && p->direct &&
	       pmtu_next_probe(&p->neighbour->pmtu, n->now_us, &m.id, &m.size))
		send_message(n, p, &m);
}

/* The link's state changed, or its address. */
void mtu_link_changed(struct node *n, struct peer *p, bool has_moved)
{
	struct neighbour *nb = p->neighbour;
	bool is_up = link_state(nb->link) != LINK_DOWN;

	if (!is_up)
		pmtu_stop(&nb->pmtu);
	else if (has_moved || nb->pmtu.state == PMTU_DISABLED)
		pmtu_begin(&nb->pmtu, endpoint_is_ipv4(&nb->roam.current), n->now_us);
	mtu_probe(n, p);
}

void mtu_tick(struct node *n, struct peer *p)
{
	pmtu_tick(&p->neighbour->pmtu, n->now_us);
	if (p->neighbour->pieces)
		pieces_tick(p->neighbour->pieces, n->now_us);
	mtu_probe(n, p);
}

uint64_t mtu_deadline_us(const struct peer *p)
{
	uint64_t at = p->direct ? pmtu_deadline_us(&p->neighbour->pmtu) : NEVER_US;

	if (p->neighbour->pieces)
		at = min_u64(at, pieces_deadline_us(p->neighbour->pieces));
	return at;
}

/* Is it one? Then it is taken. It came in a datagram of so many bytes. */
bool mtu_message(struct node *n, struct node_session *s, struct span body, size_t datagram_len)
{
	struct pmtu_message m;

	if (!pmtu_is_message(body))
		return false;
	if (!s->peer || !s->peer->neighbour)
		return true;
	if (pmtu_message_decode(body, &m) < 0 || (!m.is_answer && m.size != datagram_len)) {
		n->counters.malformed++;
		return true;
	}
	session_heard(n, s, false);
	if (!s->peer || !s->peer->neighbour)
		return true;
	if (m.is_answer) {
		(void)pmtu_answered(&s->peer->neighbour->pmtu, m.id, m.size, n->now_us);
		mtu_probe(n, s->peer);
	} else if (s->peer->direct) {
		m.is_answer = true;
		send_message(n, s->peer, &m);
	}
	return true;
}

static struct peer *next_neighbour_at(struct node *n, size_t *cursor, const struct endpoint *at)
{
	struct peer *p;

	while ((p = peer_next(n, cursor)))
		if (p->neighbour && endpoint_equal(&p->neighbour->roam.current, at))
			return p;
	return NULL;
}

void node_path_hint(struct node *n, const struct endpoint *to, unsigned datagram_max,
		    uint64_t now_us)
{
	size_t cursor = 0;
	struct peer *p;

	n->now_us = now_us;
	while ((p = next_neighbour_at(n, &cursor, to)))
		pmtu_hint(&p->neighbour->pmtu, datagram_max, now_us);
	n->deadline_is_known = false;
}

void node_path_refused(struct node *n, const struct endpoint *to, unsigned datagram_len,
		       uint64_t now_us)
{
	size_t cursor = 0;
	struct peer *p;

	n->now_us = now_us;
	while ((p = next_neighbour_at(n, &cursor, to)))
		pmtu_refused(&p->neighbour->pmtu, datagram_len, now_us);
	n->deadline_is_known = false;
}

/* ---- in two ---- */

static void cut(struct node *n, struct node_session *s, const struct endpoint *to,
		struct treatment treatment, size_t len, size_t at)
{
	uint8_t body[PIECE_HEADER_LEN + NODE_DATAGRAM_MAX];
	uint8_t datagram[NODE_DATAGRAM_MAX];
	struct piece piece = { .id = s->peer->neighbour->piece_id++, .total = (uint16_t)len };

	memcpy(datagram, node_room(n), len);
	for (unsigned i = 0; i < 2; i++) {
		piece.offset = (uint16_t)(i ? at : 0);
		piece.bytes = i ? SPAN(datagram + at, len - at) : SPAN(datagram, at);
		piece_header_encode(&piece, body);
		memcpy(body + PIECE_HEADER_LEN, piece.bytes.at, piece.bytes.len);
		path_send_piece(n, s, to, SPAN(body, PIECE_HEADER_LEN + piece.bytes.len),
				treatment);
	}
	n->counters.datagrams_cut++;
}

/* The datagram lies in node_room(). True: it was cut and sent, or dropped for being too long even
 * so; false: it goes whole. */
bool mtu_cut(struct node *n, struct node_session *s, const struct endpoint *to,
	     struct treatment treatment, size_t len)
{
	struct pmtu *pmtu = &s->peer->neighbour->pmtu;
	size_t at;

	if (len > PMTU_MIN)
		pmtu_sent_long(pmtu);
	if (len <= pmtu_size(pmtu) || node_room(n)[0] != WIRE_TRANSPORT)
		return false;
	at = pieces_cut_at(len, PIECE_AROUND, pmtu_size(pmtu));
	if (at == 0)
		n->counters.too_big++;
	else
		cut(n, s, to, treatment, len, at);
	return true;
}

/* A piece, opened. What it completes must be a datagram of the same peer: what may not be cut, or
 * was sealed for another, has no business in here. */
void mtu_piece(struct node *n, struct node_session *s, const struct endpoint *from,
	       struct span body)
{
	struct neighbour *nb = s->peer ? s->peer->neighbour : NULL;
	uint8_t joined[NODE_DATAGRAM_MAX];
	struct node_session *to;
	struct piece piece;
	struct span whole;
	int r;

	if (!nb || piece_decode(body, &piece) < 0 ||
	    (!nb->pieces && pieces_new(n->datagram_max, &nb->pieces) < 0)) {
		n->counters.malformed++;
		return;
	}
	piece.is_marked = (n->arrived & ECN_MASK) == ECN_CE;
	r = pieces_input(nb->pieces, &piece, n->now_us, &whole);
	if (r < 0)
		n->counters.pieces_refused++;
	if (r <= 0)
		return;
	n->counters.datagrams_joined++;
	if (pieces_is_marked(nb->pieces))
		n->arrived |= ECN_CE;
	memcpy(joined, whole.at, whole.len); /* the table may go with its session */
	to = session_at(n, load_u32(joined + 4));
	if (joined[0] != WIRE_TRANSPORT || !to || to->peer != s->peer) {
		n->counters.malformed++;
		return;
	}
	path_input(n, from, SPAN(joined, whole.len));
}

/* ---- limits ---- */

/* Whole, or in two: while it may yet turn out to pass whole, and up to at_least for good. */
static bool carries(const struct neighbour *nb, size_t datagram_len, size_t at_least)
{
	const struct pmtu *p = &nb->pmtu;

	return datagram_len <= pmtu_size(p) ||
	       (datagram_len <= max_u64(pmtu_at_most(p), at_least) &&
		pieces_cut_at(datagram_len, PIECE_AROUND, pmtu_size(p)) > 0);
}

/* What a source is told: what is carried now, be it in two. No IPv6 link may have less than 1,280
 * (RFC 8200 section 5). */
static unsigned inner_limit(const struct node *n, const struct neighbour *nb)
{
	const size_t of_piece = pmtu_size(&nb->pmtu) - PIECE_AROUND - PIECE_HEADER_LEN;
	unsigned most = (unsigned)min_u64(pmtu_at_most(&nb->pmtu), 2 * of_piece);

	if (most < PMTU_BASE)
		return INNER_MTU_MIN;
	return (unsigned)min_u64(most - FORWARD_OVERHEAD, n->mtu_bytes);
}

static const struct peer *link_of(const struct node *n, const struct peer *p, uint64_t next)
{
	const struct peer *via = next && next != p->id ? peer_look(n, next) : p;

	return via && via->neighbour && via->direct ? via : NULL;
}

/* The longest packet that reaches p, as far as we know. */
unsigned mtu_towards(const struct node *n, const struct peer *p)
{
	const struct peer *via = link_of(n, p, routes_next_hop(n->routes, p->id));
	unsigned limit = n->mtu_bytes;

	if (p->told_mtu && n->now_us < p->told_until_us)
		limit = (unsigned)min_u64(limit, p->told_mtu);
	if (via && via->neighbour->pmtu.state != PMTU_DISABLED)
		limit = (unsigned)min_u64(limit, inner_limit(n, via->neighbour));
	return limit;
}

/* A packet of ours of more than 1,280 bytes, by that neighbour. -EMSGSIZE. */
int mtu_check(const struct node *n, const struct peer *p, uint64_t next, size_t packet_len)
{
	const struct peer *via = link_of(n, p, next);

	if (p->told_mtu && n->now_us < p->told_until_us && packet_len > p->told_mtu)
		return -EMSGSIZE;
	if (!via || via->neighbour->pmtu.state == PMTU_DISABLED)
		return 0;
	return carries(via->neighbour, packet_len + (via == p ? DIRECT_AROUND : FORWARD_OVERHEAD),
		       0)
		       ? 0
		       : -EMSGSIZE;
}

/* The packet is not sent, and its source told why. */
void mtu_tell(struct node *n, const struct peer *p, struct span packet)
{
	n->counters.too_big++;
	errors_tell(n, ICMP_TOO_BIG, mtu_towards(n, p), packet);
}

static void tell_source(struct node *n, const struct peer *next, const struct wire_hop *hop)
{
	uint8_t told[TOO_BIG_LEN] = { CONTROL_TOO_BIG };

	if (!icmp_may_tell(&n->icmp_to_peers, n->now_us))
		return;
	store_u16(told + 1, (uint16_t)inner_limit(n, next->neighbour));
	store_u64(told + 3, hop->destination);
	store_u32(told + 11, hop->e2e_index);
	store_u64(told + 15, (uint64_t)hop->e2e_lane << 56 | hop->e2e_sequence);
	n->counters.too_big_told++;
	path_send_unsealed(n, hop->source, KIND_CONTROL, HOP_TTL_MAX, SPAN_OF(told));
}

/* The next link cannot carry it: dropped, and its source told. datagram_len is with the room for
 * options. */
bool mtu_refuses_hop(struct node *n, const struct peer *next, const struct wire_hop *hop,
		     size_t datagram_len)
{
	if (carries(next->neighbour, datagram_len, PMTU_BASE))
		return false;
	n->counters.too_big++;
	if (hop->kind == KIND_DATA && hop->source != n->self)
		tell_source(n, next, hop);
	return true;
}

/* Whoever says so knows the index and a recent counter of a long packet of ours, which only those
 * see that it came by; and it can only have us send shorter packets, never below 1,280 bytes. */
void mtu_told(struct node *n, struct span payload)
{
	unsigned limit;
	uint64_t counter, ago;
	unsigned lane;
	struct peer *p;

	if (payload.len != TOO_BIG_LEN)
		return;
	limit = load_u16(payload.at + 1);
	p = peer_get(n, load_u64(payload.at + 3));
	if (!p || !p->long_index || load_u32(payload.at + 11) != p->long_index ||
	    limit < INNER_MTU_MIN || limit >= n->mtu_bytes) {
		n->counters.malformed++;
		return;
	}
	counter = load_u64(payload.at + 15);
	lane = (unsigned)(counter >> 56);
	ago = lane < NODE_LANES ? p->long_sequence[lane] - (counter & SEQUENCE_MASK) : UINT64_MAX;
	if (ago > TOLD_RECENT) {
		n->counters.malformed++;
		return;
	}
	if (p->told_mtu && n->now_us < p->told_until_us && p->told_mtu <= limit)
		return;
	p->told_mtu = limit;
	p->told_until_us = n->now_us + TOLD_US;
}

/* A SYN is made to ask for segments no longer than what reaches p. */
void mtu_clamp(struct node *n, const struct peer *p, uint8_t *packet, size_t len)
{
	if (mss_is_syn(SPAN(packet, len)) && mss_clamp(packet, len, mtu_towards(n, p)))
		n->counters.mss_clamped++;
}
