/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a packet on a packet thread. What is decided here, node/path.c decides alike: this is
 * its most frequent case. */
#include <netinet/in.h>

#include "core/carry/table.h"
#include "core/forward/class.h"
#include "core/forward/mss.h"
#include "core/wire/wire.h"

#define AROUND (WIRE_HEADER_LEN + HOP_SHORT_LEN + AEAD_TAG_LEN)
#define LONG_DATAGRAM 1232 /* PMTU_MIN: longer ones say that the path's length matters */

static void count_n(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter)
{
	count_n(counter, 1);
}

/* What begins a flow, also its first answer, whose MSS may be lowered, or is about others, is
 * looked at by the owner. */
static bool is_plain(struct span packet, const struct inner *i)
{
	return !i->is_ipv4 && i->hop_limit > 0 && !i->is_tcp_syn && !i->is_icmp_error &&
	       i->protocol != IPPROTO_ICMPV6 && i->has_ports && !i->is_first_fragment &&
	       !mss_is_syn(packet);
}

static enum carry_verdict owner(struct carry *c)
{
	count(&c->counters.handed_over);
	return CARRY_OWNER;
}

/* ---- out ---- */

/* Where a packet of the tunnel goes; NULL: the owner knows. */
static const struct carry_way *way_of(const struct carry_table *t, struct span packet,
				      uint64_t now_us)
{
	const struct carry_way *w;
	struct inner i;

	if (inner_parse(packet, &i) < 0 || !is_plain(packet, &i) ||
	    memcmp(i.source, t->self.address, sizeof(i.source)) != 0 ||
	    memcmp(i.destination, t->self.address, t->self.prefix_len) != 0 ||
	    class_of_packet(packet, &i) != CLASS_BULK)
		return NULL;
	w = carry_way_to(t, load_u64(i.destination + t->self.prefix_len));
	if (!w || !w->shares[0] || packet.len > w->packet_max ||
	    !marks_has(t->self.marks, MARK_OUT, &i, now_us))
		return NULL;
	return w;
}

enum carry_verdict carry_out(struct carry *c, const struct carry_table *t, struct span packet,
			     uint64_t now_us, uint8_t *room, struct carry_result *ret)
{
	const struct carry_way *w = way_of(t, packet, now_us);
	struct wire_hop hop = { .ttl = 1, .class = CLASS_BULK };
	struct wire_transport header = { .type = WIRE_TRANSPORT };
	struct session_ticket ticket;
	uint8_t inner_class = traffic_class(packet);
	uint8_t *part = room + WIRE_HEADER_LEN;

	if (!w || packet.len + AROUND > CARRY_DATAGRAM_MAX ||
	    share_reserve(w->shares[0], c->thread, SESSION_LINK, now_us, &ticket) < 0)
		return owner(c);
	header.receiver_index = ticket.remote_index;
	header.lane = ticket.lane;
	header.sequence = ticket.sequence;
	hop.link_sequence = share_link_sequence(w->shares[0], c->thread, &ticket);
	wire_transport_encode(&header, room);
	wire_hop_encode_short(&hop, part);
	memcpy(part + HOP_SHORT_LEN, packet.at, packet.len);
	if (w->shares[0]->ops->aead_seal(ticket.aead, ticket.nonce, SPAN(room, WIRE_HEADER_LEN),
					 SPAN(part, HOP_SHORT_LEN + packet.len), part) < 0)
		return CARRY_DONE;
	*ret = (struct carry_result){
		.bytes = room,
		.len = packet.len + AROUND,
		.to = &w->at,
		.traffic_class = t->self.copies_dscp ? inner_class : inner_class & ECN_MASK,
	};
	share_sent(w->shares[0], c->thread, ret->len, ret->len > LONG_DATAGRAM);
	count(&c->counters.packets_from_tun);
	count(&c->counters.datagrams_out);
	count_n(&c->counters.bytes_out, ret->len);
	return CARRY_SEND;
}

/* ---- in ---- */

static bool may_deliver(const struct carry_table *t, const struct carry_way *w, struct span packet,
			uint64_t now_us)
{
	struct inner i;

	return inner_parse(packet, &i) == 0 && is_plain(packet, &i) &&
	       memcmp(i.source, w->address, sizeof(i.source)) == 0 &&
	       memcmp(i.destination, t->self.address, sizeof(i.destination)) == 0 &&
	       marks_has(t->self.marks, MARK_IN, &i, now_us);
}

/* RFC 6040 section 4.2, as in node/path.c. */
static enum carry_verdict deliver(struct carry *c, uint8_t arrived, struct carry_result *ret)
{
	enum ecn inner = traffic_class(SPAN(ret->bytes, ret->len)) & ECN_MASK;
	int mark = ecn_decapsulated(inner, arrived & ECN_MASK);

	if (mark < 0) {
		count(&c->counters.ecn_dropped);
		return CARRY_DONE;
	}
	if (mark != (int)inner) {
		count(&c->counters.ecn_marked);
		ecn_set(ret->bytes, ret->len, (enum ecn)mark);
	}
	count(&c->counters.packets_to_tun);
	return CARRY_DELIVER;
}

static enum carry_verdict refused(struct carry *c, enum session_verdict v)
{
	switch (v) {
	case SESSION_REPLAYED:
		count(&c->counters.replayed);
		break;
	case SESSION_FORGED:
		count(&c->counters.forged);
		break;
	case SESSION_UNKNOWN:
		count(&c->counters.unknown_index);
		break;
	case SESSION_OPENED:
		break;
	}
	return CARRY_DONE;
}

enum carry_verdict carry_in(struct carry *c, const struct carry_table *t,
			    const struct endpoint *from, uint8_t arrived, uint8_t *datagram,
			    size_t len, uint64_t now_us, struct carry_result *ret)
{
	struct span sealed = SPAN(datagram + WIRE_HEADER_LEN, len - WIRE_HEADER_LEN);
	uint8_t *opened = datagram + WIRE_HEADER_LEN;
	const struct carry_way *w = NULL;
	struct wire_transport h;
	struct share *share = NULL;
	enum session_verdict v;
	struct wire_hop hop;
	struct span inner;

	if (len < AROUND || len > t->self.datagram_max ||
	    wire_transport_decode(SPAN(datagram, len), &h) < 0 || h.type != WIRE_TRANSPORT ||
	    h.flags != 0 || h.seal_len != 0)
		return owner(c);
	w = carry_way_at(t, h.receiver_index, &share);
	if (!w || !share_has_lane(share, h.lane) || now_us >= share->open_until_us)
		return owner(c);
	count(&c->counters.datagrams_in);
	count_n(&c->counters.bytes_in, len);
	v = share_open(share, c->thread, SESSION_LINK, h.lane, h.sequence,
		       SPAN(datagram, WIRE_HEADER_LEN), sealed, opened, &ret->is_newest, now_us);
	if (v != SESSION_OPENED)
		return refused(c, v);
	if (wire_hop_decode_short(SPAN(opened, sealed.len - AEAD_TAG_LEN), &hop, &inner) < 0) {
		count(&c->counters.malformed);
		return CARRY_DONE;
	}
	ret->bytes = opened + HOP_SHORT_LEN;
	ret->len = inner.len;
	ret->index = h.receiver_index;
	/* From elsewhere: the owner may follow the peer. */
	if (endpoint_equal(from, &w->at) && may_deliver(t, w, inner, now_us))
		return deliver(c, arrived, ret);
	count(&c->counters.handed_over);
	return CARRY_OPENED;
}
