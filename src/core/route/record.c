/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of routing records. */
#include "core/route/record.h"

#include <errno.h>

#include "base/siphash.h"

static int attributes_decode(struct span all, struct entry *e)
{
	struct reader r = reader_of(all);
	bool has_hops = false;

	while (r.left > 0) {
		const uint8_t *start = r.at;
		uint8_t type = read_u8(&r);
		size_t len = read_u8(&r);
		struct span value = read_span(&r, len);
		size_t whole = 2 + len;

		if (r.overrun)
			return -EBADMSG;
		if (type == ATTRIBUTE_HOPS) {
			if (has_hops || len != 1)
				return -EPROTO;
			has_hops = true;
			e->hops = value.at[0];
			continue;
		}
		if (e->relayed_len + whole > RELAYED_MAX)
			return -EPROTO;
		memcpy(e->relayed + e->relayed_len, start, whole);
		e->relayed_len = (uint8_t)(e->relayed_len + whole);
	}
	return 0;
}

int entry_decode(struct reader *r, struct entry *ret)
{
	const uint8_t *start = r->at;

	ret->destination = read_u64(r);
	ret->epoch = read_u32(r);
	ret->seqno = read_u16(r);
	ret->metric = read_u24(r);
	ret->flags = read_u8(r);
	ret->hops = 0;
	ret->relayed_len = 0;

	struct span attributes = read_span(r, read_u8(r));

	if (r->overrun)
		return -EBADMSG;
	if (ret->destination == 0 || ret->flags & ~(ENTRY_VIA_YOU | ENTRY_BEYOND) ||
	    (ret->flags & ENTRY_BEYOND && ret->metric < ROUTE_METRIC_INFINITY))
		return -EPROTO;
	ret->bytes = SPAN(start, (size_t)(r->at - start));
	return attributes_decode(attributes, ret);
}

bool entry_encode(struct writer *w, const struct entry *e)
{
	size_t attributes_len = 3U + e->relayed_len;

	if (w->size - w->len < ENTRY_LEN + attributes_len)
		return false;
	write_u64(w, e->destination);
	write_u32(w, e->epoch);
	write_u16(w, e->seqno);
	write_u24(w, e->metric);
	write_u8(w, e->flags);
	write_u8(w, (uint8_t)attributes_len);
	write_u8(w, ATTRIBUTE_HOPS);
	write_u8(w, 1);
	write_u8(w, e->hops);
	write_bytes(w, e->relayed, e->relayed_len);
	return true;
}

/* Not a secret: a neighbour that lies here only has its own table told again. */
uint64_t entry_hash(struct span bytes)
{
	static const uint8_t key[16] = "x0 route digest";

	return siphash64(key, &bytes, 1);
}

static size_t strip(struct span attributes, unsigned types, size_t room, uint8_t *ret)
{
	struct reader r = reader_of(attributes);
	size_t len = 0;

	while (r.left > 0) {
		const uint8_t *start = r.at;
		uint8_t type = read_u8(&r);
		size_t whole;

		(void)read_span(&r, read_u8(&r));
		if (r.overrun)
			break;
		whole = (size_t)(r.at - start);
		if ((type < 8 && types >> type & 1) || whole > room - len)
			continue;
		memcpy(ret + len, start, whole);
		len += whole;
	}
	return len;
}

size_t strip_proof(struct span attributes, uint8_t *ret)
{
	return strip(attributes, 1U << ATTRIBUTE_PATH | 1U << ATTRIBUTE_ELEMENT, attributes.len,
		     ret);
}

size_t strip_reserved(struct span attributes, size_t room, uint8_t *ret)
{
	return strip(attributes,
		     1U << ATTRIBUTE_PATH | 1U << ATTRIBUTE_ELEMENT | 1U << ATTRIBUTE_CERTIFICATE,
		     room, ret);
}

int request_decode(struct reader *r, struct request *ret)
{
	ret->destination = read_u64(r);
	ret->epoch = read_u32(r);
	ret->seqno = read_u16(r);
	ret->hops = read_u8(r);
	if (r->overrun)
		return -EBADMSG;
	if (ret->destination == 0 || ret->hops == 0 || ret->hops > ROUTE_REQUEST_HOPS_MAX)
		return -EPROTO;
	return 0;
}

void request_encode(struct writer *w, const struct request *q)
{
	write_u64(w, q->destination);
	write_u32(w, q->epoch);
	write_u16(w, q->seqno);
	write_u8(w, q->hops);
}

static struct digest read_digest(struct reader *r)
{
	uint32_t n = read_u32(r);

	return (struct digest){ .n = n, .sum = read_u64(r) };
}

int digest_decode(struct span body, struct digest *ret)
{
	struct reader r = reader_of(body);
	struct digest d = read_digest(&r);

	if (r.overrun || r.left)
		return -EBADMSG;
	*ret = d;
	return 0;
}

void digest_encode(struct writer *w, const struct digest *d)
{
	write_u32(w, d->n);
	write_u64(w, d->sum);
}

int resync_decode(struct span body, struct resync *ret)
{
	struct reader r = reader_of(body);
	uint8_t kind = read_u8(&r);
	struct resync s = { .kind = (enum resync_kind)kind };

	if (!r.overrun && kind > RESYNC_END)
		return -EPROTO;
	if (kind == RESYNC_BEGIN) {
		s.epoch = read_u32(&r);
		s.heard = read_digest(&r);
	}
	if (r.overrun || r.left)
		return -EBADMSG;
	*ret = s;
	return 0;
}

void resync_encode(struct writer *w, const struct resync *s)
{
	write_u8(w, (uint8_t)s->kind);
	if (s->kind != RESYNC_BEGIN)
		return;
	write_u32(w, s->epoch);
	digest_encode(w, &s->heard);
}
