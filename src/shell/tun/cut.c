/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting super-packets. The headers of a segment are written right before its payload, over the
 * end of the segment before it, which has been taken by then: payload is never moved. */
#include "shell/tun/cut.h"

#include <errno.h>

#include "shell/tun/checksum.h"

#define TCP_FLAGS_AT 13

/* A checksum of zero is sent as its other form: in UDP zero means that there is none. */
static uint16_t complete(uint64_t sum)
{
	uint16_t folded = (uint16_t)~checksum_fold(sum);

	return folded ? folded : 0xffff;
}

/* A packet that is whole, but for its checksum: the field holds the sum of the pseudo-header. */
static int complete_single(const struct vnet_header *h, uint8_t *packet, size_t len)
{
	size_t at = (size_t)h->csum_start + h->csum_offset;

	if (at + 2 > len)
		return -EBADMSG;
	checksum_store(packet + at, complete(checksum_add(
					    0, SPAN(packet + h->csum_start, len - h->csum_start))));
	return 0;
}

static bool fits(const struct vnet_header *h, const struct headers *is)
{
	switch (h->gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_TCP4:
		return is->protocol == PROTOCOL_TCP && !is->is_ipv6;
	case VNET_GSO_TCP6:
		return is->protocol == PROTOCOL_TCP && is->is_ipv6;
	default:
		return is->protocol == PROTOCOL_UDP;
	}
}

static int begin_segments(struct cut *c, const struct vnet_header *h)
{
	size_t payload;

	if (headers_read(SPAN(c->packet, c->len), &c->headers) < 0 || !fits(h, &c->headers))
		return -EBADMSG;
	payload = c->len - c->headers.len;
	if (h->gso_size == 0 || payload == 0 ||
	    (payload + h->gso_size - 1) / h->gso_size > CUT_SEGMENTS_MAX)
		return -EBADMSG;
	/* Only with a partial checksum is there anything to cut; and where it begins, TCP does. */
	if (!(h->flags & VNET_NEEDS_CSUM) || h->csum_start != c->headers.ip_len ||
	    (size_t)h->csum_start + h->csum_offset != headers_checksum_at(&c->headers))
		return -EBADMSG;
	memcpy(c->first, c->packet, c->headers.len);
	c->gso_size = h->gso_size;
	c->gso_type = h->gso_type;
	return 0;
}

int cut_begin(struct cut *c, const struct vnet_header *h, uint8_t *packet, size_t len)
{
	c->packet = packet;
	c->len = len;
	c->gso_size = 0;
	c->done = 0;
	c->n = 0;
	switch (h->gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_NONE:
		return h->flags & VNET_NEEDS_CSUM ? complete_single(h, packet, len) : 0;
	case VNET_GSO_TCP4:
	case VNET_GSO_TCP6:
	case VNET_GSO_UDP:
		return begin_segments(c, h);
	default:
		return -EPROTO;
	}
}

static void write_ip(const struct cut *c, uint8_t *at, size_t len)
{
	if (c->headers.is_ipv6) {
		store_u16(at + 4, (uint16_t)(len - 40));
		return;
	}
	store_u16(at + 2, (uint16_t)len);
	store_u16(at + 4, (uint16_t)(load_u16(c->first + 4) + c->n));
	checksum_store(at + 10, 0);
	checksum_store(at + 10,
		       (uint16_t)~checksum_fold(checksum_add(0, SPAN(at, c->headers.ip_len))));
}

/* FIN and PSH belong to the last byte, CWR to the first segment (RFC 3168 section 6.1.2). */
static void write_tcp(const struct cut *c, uint8_t *tcp, bool is_last)
{
	uint32_t sequence = load_u32(c->first + c->headers.ip_len + 4);

	store_u32(tcp + 4, (uint32_t)(sequence + c->done));
	if (!is_last)
		tcp[TCP_FLAGS_AT] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (c->n > 0)
		tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
}

bool cut_next(struct cut *c, struct span *ret)
{
	const struct headers *h = &c->headers;
	size_t left, size, upper_len;
	uint8_t *at, *upper;

	if (c->gso_size == 0) {
		*ret = SPAN(c->packet, c->len);
		return c->n++ == 0;
	}
	left = c->len - h->len - c->done;
	if (left == 0)
		return false;
	size = left < c->gso_size ? left : c->gso_size;
	at = c->packet + c->done;
	upper = at + h->ip_len;
	upper_len = h->len - h->ip_len + size;
	memcpy(at, c->first, h->len);
	write_ip(c, at, h->len + size);
	if (h->protocol == PROTOCOL_TCP)
		write_tcp(c, upper, size == left);
	else
		store_u16(upper + 4, (uint16_t)upper_len);
	checksum_store(at + headers_checksum_at(h), 0);
	checksum_store(at + headers_checksum_at(h),
		       complete(checksum_add(headers_pseudo_sum(h, at, upper_len),
					     SPAN(upper, upper_len))));
	c->done += size;
	c->n++;
	*ret = SPAN(at, h->len + size);
	return true;
}
