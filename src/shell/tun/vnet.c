/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-net header, and the headers of IP, TCP and UDP as far as offloads need them. */
#include "shell/tun/vnet.h"

#include <errno.h>

#include "shell/tun/checksum.h"

#define IPV4_LEN_MIN 20
#define IPV6_LEN 40
#define EXTENSIONS_MAX 4
#define HOP_BY_HOP 0
#define DESTINATION_OPTIONS 60

static uint16_t load_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void store_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

struct vnet_header vnet_decode(const uint8_t *from)
{
	return (struct vnet_header){
		.flags = from[0],
		.gso_type = from[1],
		.hdr_len = load_le16(from + 2),
		.gso_size = load_le16(from + 4),
		.csum_start = load_le16(from + 6),
		.csum_offset = load_le16(from + 8),
	};
}

void vnet_encode(const struct vnet_header *h, uint8_t ret[VNET_HEADER_LEN])
{
	ret[0] = h->flags;
	ret[1] = h->gso_type;
	store_le16(ret + 2, h->hdr_len);
	store_le16(ret + 4, h->gso_size);
	store_le16(ret + 6, h->csum_start);
	store_le16(ret + 8, h->csum_offset);
}

/* Options are the only extension headers that change nothing for the pseudo-header. */
static int read_ipv6(struct span packet, struct headers *ret)
{
	size_t at = IPV6_LEN;
	uint8_t next;

	if (packet.len < IPV6_LEN)
		return -EBADMSG;
	next = packet.at[6];
	for (unsigned i = 0; next == HOP_BY_HOP || next == DESTINATION_OPTIONS; i++) {
		if (i == EXTENSIONS_MAX)
			return -EPROTO;
		if (at + 8 > packet.len)
			return -EBADMSG;
		next = packet.at[at];
		at += 8 + 8 * (size_t)packet.at[at + 1];
	}
	ret->is_ipv6 = true;
	ret->protocol = next;
	ret->ip_len = at;
	return 0;
}

static int read_ipv4(struct span packet, struct headers *ret)
{
	if (packet.len < IPV4_LEN_MIN)
		return -EBADMSG;
	ret->is_ipv6 = false;
	ret->protocol = packet.at[9];
	ret->ip_len = 4 * (size_t)(packet.at[0] & 0x0f);
	if (ret->ip_len < IPV4_LEN_MIN)
		return -EBADMSG;
	return load_u16(packet.at + 6) & 0x3fff ? -EPROTO : 0; /* a fragment */
}

static int read_upper(struct span packet, struct headers *ret)
{
	size_t least = ret->protocol == PROTOCOL_TCP ? 20 : 8;

	if (ret->protocol != PROTOCOL_TCP && ret->protocol != PROTOCOL_UDP)
		return -EPROTO;
	if (ret->ip_len + least > packet.len)
		return -EBADMSG;
	if (ret->protocol == PROTOCOL_TCP) {
		size_t len = 4 * (size_t)(packet.at[ret->ip_len + 12] >> 4);

		if (len < least)
			return -EBADMSG;
		least = len;
	}
	ret->len = ret->ip_len + least;
	if (ret->len > HEADERS_MAX)
		return -EPROTO;
	return ret->len > packet.len ? -EBADMSG : 0;
}

int headers_read(struct span packet, struct headers *ret)
{
	struct headers h;
	int r;

	if (packet.len == 0)
		return -EBADMSG;
	switch (packet.at[0] >> 4) {
	case 4:
		r = read_ipv4(packet, &h);
		break;
	case 6:
		r = read_ipv6(packet, &h);
		break;
	default:
		r = -EPROTO;
		break;
	}
	if (r == 0)
		r = read_upper(packet, &h);
	if (r == 0)
		*ret = h;
	return r;
}

/* RFC 8200 section 8.1; RFC 9293 section 3.1 for IPv4. */
uint64_t headers_pseudo_sum(const struct headers *h, const uint8_t *packet, size_t upper_len)
{
	uint64_t sum = checksum_add(0, h->is_ipv6 ? SPAN(packet + 8, 32) : SPAN(packet + 12, 8));

	sum = checksum_add_u16(sum, h->protocol);
	return checksum_add_u16(sum, (uint16_t)upper_len);
}

size_t headers_checksum_at(const struct headers *h)
{
	return h->ip_len + (h->protocol == PROTOCOL_TCP ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
}
