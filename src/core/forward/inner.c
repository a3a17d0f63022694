/* SPDX-License-Identifier: Apache-2.0 */
/* What an inner packet is: IPv6 header with extension headers, or IPv4 header; ports. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/siphash.h"
#include "core/forward/forward.h"

#define IPV6_HEADER_LEN 40
#define EXTENSION_HEADERS_MAX 8
#define TCP_PORTS_LEN 4
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define IPV4_HEADER_MIN 20 /* RFC 791 section 3.1 */
#define IPV4_OFFSET_MASK 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_MORE_FRAGMENTS 1
#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_REQUEST 8

/* Walks hop-by-hop, routing, destination and fragment headers (RFC 8200 section 4). 1: what
 * follows is the upper layer's header, whose protocol is then known; 0: this is a later fragment,
 * without one. -EBADMSG: the chain does not end in here, or is too long: who looks for
 * the ports would be asked about something else than what the receiver makes of it (RFC 7112
 * section 5). */
static int skip_extensions(struct reader *r, struct inner *inner)
{
	for (unsigned i = 0; i <= EXTENSION_HEADERS_MAX; i++) {
		uint16_t offset;
		uint8_t next;
		uint8_t len;

		switch (inner->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			next = read_u8(r);
			len = read_u8(r);
			(void)read_bytes(r, 6 + (size_t)len * 8);
			break;
		case IPPROTO_FRAGMENT:
			next = read_u8(r);
			(void)read_u8(r);
			offset = read_u16(r);
			inner->fragment_id = read_u32(r);
			inner->is_later_fragment = offset >> 3 != 0;
			inner->is_first_fragment =
				!inner->is_later_fragment && offset & IPV6_MORE_FRAGMENTS;
			if (inner->is_later_fragment) {
				inner->protocol = next;
				return r->overrun ? -EBADMSG : 0;
			}
			break;
		default:
			return 1;
		}
		if (r->overrun)
			return -EBADMSG;
		inner->protocol = next;
	}
	return -EBADMSG;
}

/* Types of ICMP that speak of another packet (RFC 1122 section 3.2.2). */
static bool is_icmp_error(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Reads ICMP and ICMPv6, at least 8 bytes. */
static void read_icmp(const uint8_t *p, struct inner *i)
{
	bool is_v6 = i->protocol == IPPROTO_ICMPV6;
	uint8_t request = is_v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST;
	uint8_t reply = is_v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY;

	i->is_icmp_error = is_v6 ? p[0] < 128 : is_icmp_error(p[0]);
	i->is_echo_request = p[0] == request;
	if (p[0] != request && p[0] != reply)
		return;
	i->has_ports = true;
	i->source_port = i->destination_port = load_u16(p + 4);
}

static void read_upper(struct reader r, struct inner *i)
{
	const uint8_t *p = r.at;
	size_t left = r.left;

	switch (i->protocol) {
	case IPPROTO_TCP:
		if (left < TCP_PORTS_LEN)
			return;
		/* A fragment of eight bytes, or a packet quoted by an error, shows no flags: they
		 * may be any. */
		i->is_tcp_syn = left <= TCP_FLAGS_OFFSET ||
				(p[TCP_FLAGS_OFFSET] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
		break;
	case IPPROTO_UDP:
		if (left < 8)
			return;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		/* each belongs to one version of IP; in the other it is any protocol */
		if (left >= 8 && (i->protocol == IPPROTO_ICMP) == i->is_ipv4)
			read_icmp(p, i);
		return;
	default:
		return;
	}
	i->has_ports = true;
	i->source_port = load_u16(p);
	i->destination_port = load_u16(p + 2);
}

static bool is_mapped(const uint8_t address[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

static int parse_ipv6(struct span packet, struct inner *i)
{
	struct reader r = reader_of(packet);
	int found;

	if (packet.len < IPV6_HEADER_LEN ||
	    (size_t)load_u16(packet.at + 4) + IPV6_HEADER_LEN != packet.len)
		return -EBADMSG;
	i->protocol = packet.at[6];
	i->hop_limit = packet.at[7];
	(void)read_bytes(&r, 8);
	read_copy(&r, i->source, 16);
	read_copy(&r, i->destination, 16);
	if (is_mapped(i->source) || is_mapped(i->destination))
		return -EBADMSG; /* would be taken for IPv4 */
	found = skip_extensions(&r, i);
	if (found > 0)
		read_upper(r, i);
	return found < 0 ? found : 0;
}

static void map_ipv4(const uint8_t *address, uint8_t ret[16])
{
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, address, 4);
}

static int parse_ipv4(struct span packet, struct inner *i)
{
	struct reader r = reader_of(packet);
	size_t header_len = (size_t)(packet.at[0] & 0x0f) * 4;
	uint16_t offset;

	if (packet.len < IPV4_HEADER_MIN || header_len < IPV4_HEADER_MIN ||
	    header_len > packet.len || load_u16(packet.at + 2) != packet.len)
		return -EBADMSG;
	i->is_ipv4 = true;
	i->hop_limit = packet.at[8];
	i->protocol = packet.at[9];
	map_ipv4(packet.at + 12, i->source);
	map_ipv4(packet.at + 16, i->destination);
	(void)read_bytes(&r, header_len);
	offset = load_u16(packet.at + 6);
	i->fragment_id = load_u16(packet.at + 4);
	i->is_later_fragment = (offset & IPV4_OFFSET_MASK) != 0;
	i->is_first_fragment = !i->is_later_fragment && offset & IPV4_MORE_FRAGMENTS;
	if (!i->is_later_fragment)
		read_upper(r, i);
	return 0;
}

int inner_parse(struct span packet, struct inner *ret)
{
	struct inner i = { 0 };
	int r;

	if (packet.len < 1)
		return -EBADMSG;
	switch (packet.at[0] >> 4) {
	case 6:
		r = parse_ipv6(packet, &i);
		break;
	case 4:
		r = parse_ipv4(packet, &i);
		break;
	default:
		return -EPROTO;
	}
	if (r == 0)
		*ret = i;
	return r;
}

uint16_t inner_flow_hash(const struct inner *i, const uint8_t key[16])
{
	uint8_t ports[5] = { i->protocol };
	const struct span parts[] = { SPAN_OF(i->source), SPAN_OF(i->destination), SPAN_OF(ports) };

	store_u16(ports + 1, i->source_port);
	store_u16(ports + 3, i->destination_port);
	return (uint16_t)siphash64(key, parts, 3);
}

static bool is_same_flow(const struct inner *a, const struct inner *b)
{
	return a->protocol == b->protocol && a->source_port == b->source_port &&
	       a->destination_port == b->destination_port &&
	       memcmp(a->source, b->source, sizeof(a->source)) == 0 &&
	       memcmp(a->destination, b->destination, sizeof(a->destination)) == 0;
}

uint16_t inner_flow_hash_again(struct inner_hashed *h, const struct inner *i, const uint8_t key[16])
{
	if (h->is_there && is_same_flow(&h->of, i))
		return h->hash;
	h->of = *i;
	h->hash = inner_flow_hash(i, key);
	h->is_there = true;
	return h->hash;
}

void inner_resource(const struct inner *i, char ret[FLOW_RESOURCE_SIZE])
{
	if (i->protocol == IPPROTO_TCP)
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "tcp:%u", i->destination_port);
	else if (i->protocol == IPPROTO_UDP)
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "udp:%u", i->destination_port);
	else if (i->protocol == IPPROTO_ICMPV6 && !i->is_ipv4)
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "icmpv6");
	else if (i->protocol == IPPROTO_ICMP && i->is_ipv4)
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "icmp");
	else
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "proto:%u", i->protocol);
}
