/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams as bytes: handshake fragments and acks, the cookie reply, the transport header, and
 * the service message inside a session. */
#include "core/wire/wire.h"

#include <errno.h>

#define MACS_LEN (2 * WIRE_MAC_LEN)
#define ACK_BITMAP_LEN 4
#define COOKIE_NONCE_LEN 16
#define COOKIE_SEALED_LEN 32
#define COOKIE_CLEAR_LEN (WIRE_COOKIE_REPLY_LEN - COOKIE_SEALED_LEN)
#define SEQUENCE_BITS 56
#define SEQUENCE_MASK ((UINT64_C(1) << SEQUENCE_BITS) - 1)
#define SERVICE_HEADER_LEN 5

static bool is_handshake_type(uint8_t type)
{
	return type >= WIRE_M1 && type <= WIRE_ACK;
}

static bool body_len_is_valid(uint8_t type, size_t len)
{
	if (type == WIRE_ACK)
		return len == ACK_BITMAP_LEN;
	return len >= 1 && len <= WIRE_HS_BODY_LINK;
}

int wire_handshake_decode(struct span datagram, struct wire_handshake *ret)
{
	struct reader r = reader_of(datagram);
	struct wire_handshake h = { .type = read_u8(&r) };

	h.version = read_u8(&r);
	h.flags = read_u8(&r);
	h.cookie_epoch = read_u8(&r);
	h.sender_index = read_u32(&r);
	h.receiver_index = read_u32(&r);
	h.message_len = read_u16(&r);
	h.offset = read_u16(&r);
	if (r.overrun || r.left < MACS_LEN || !is_handshake_type(h.type) ||
	    !body_len_is_valid(h.type, r.left - MACS_LEN))
		return -EBADMSG;
	h.body = read_span(&r, r.left - MACS_LEN);
	h.mac1 = read_bytes(&r, WIRE_MAC_LEN);
	h.mac2 = read_bytes(&r, WIRE_MAC_LEN);
	*ret = h;
	return 0;
}

int wire_handshake_encode(const struct wire_handshake *h, uint8_t *ret, size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size);
	uint8_t *macs;

	if (!is_handshake_type(h->type) || !body_len_is_valid(h->type, h->body.len))
		return -EINVAL;
	write_u8(&w, h->type);
	write_u8(&w, h->version);
	write_u8(&w, h->flags);
	write_u8(&w, h->cookie_epoch);
	write_u32(&w, h->sender_index);
	write_u32(&w, h->receiver_index);
	write_u16(&w, h->message_len);
	write_u16(&w, h->offset);
	write_span(&w, h->body);
	macs = write_room(&w, MACS_LEN);
	if (!macs)
		return -ENOBUFS;
	memset(macs, 0, MACS_LEN); /* a mac the caller has no key for is sent as zeros */
	return (int)w.len;
}

int wire_cookie_decode(struct span datagram, struct wire_cookie *ret)
{
	struct reader r = reader_of(datagram);
	struct wire_cookie c;
	uint8_t type = read_u8(&r);
	uint16_t reserved;

	c.epoch = read_u8(&r);
	reserved = read_u16(&r);
	c.receiver_index = read_u32(&r);
	c.nonce = read_bytes(&r, COOKIE_NONCE_LEN);
	c.sealed = read_bytes(&r, COOKIE_SEALED_LEN);
	c.clear = SPAN(datagram.at, COOKIE_CLEAR_LEN);
	if (r.overrun || r.left > 0 || type != WIRE_COOKIE || reserved != 0)
		return -EBADMSG;
	*ret = c;
	return 0;
}

int wire_transport_decode(struct span datagram, struct wire_transport *ret)
{
	const uint8_t *at = datagram.at;
	struct wire_transport t;

	if (datagram.len < WIRE_HEADER_LEN || at[0] < WIRE_TRANSPORT || at[0] > WIRE_PROBE)
		return -EBADMSG;
	t.type = at[0];
	t.flags = at[1];
	t.seal_len = load_u16(at + 2);
	t.receiver_index = load_u32(at + 4);
	t.lane = at[8];
	t.sequence = load_u64(at + 8) & SEQUENCE_MASK;
	if (t.flags != 0 || (t.type == WIRE_PROBE && t.seal_len != 0))
		return -EPROTO;
	*ret = t;
	return 0;
}

void wire_transport_encode(const struct wire_transport *t, uint8_t ret[WIRE_HEADER_LEN])
{
	uint64_t sequence = t->sequence & SEQUENCE_MASK;

	ret[0] = t->type;
	ret[1] = t->flags;
	store_u16(ret + 2, t->seal_len);
	store_u32(ret + 4, t->receiver_index);
	store_u64(ret + 8, (uint64_t)t->lane << SEQUENCE_BITS | sequence);
}

int wire_service_decode(struct span plaintext, struct wire_service_message *ret)
{
	struct reader r = reader_of(plaintext);
	struct wire_service_message m;
	uint8_t first = read_u8(&r);
	uint16_t len;

	m.service = read_u16(&r);
	len = read_u16(&r);
	m.body = read_span(&r, len);
	if (r.overrun || r.left > 0 || first != PLAIN_SERVICE || len > WIRE_SERVICE_MAX)
		return -EBADMSG;
	*ret = m;
	return 0;
}

int wire_service_encode(const struct wire_service_message *m, uint8_t *ret, size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size);

	if (m->body.len > WIRE_SERVICE_MAX || ret_size < SERVICE_HEADER_LEN + m->body.len)
		return -ENOBUFS;
	write_u8(&w, PLAIN_SERVICE);
	write_u16(&w, m->service);
	write_u16(&w, (uint16_t)m->body.len);
	write_span(&w, m->body);
	return (int)w.len;
}
