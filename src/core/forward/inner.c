/* SPDX-License-Identifier: Apache-2.0 */
/* What an inner packet is: IPv6 header, extension headers, ports. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/siphash.h"
#include "core/forward/forward.h"

#define IPV6_HEADER_LEN 40
#define EXTENSION_HEADERS_MAX 8
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

/* Walks hop-by-hop, routing, destination and fragment headers (RFC 8200 section 4). Returns
 * true when what follows is the upper layer's header, whose protocol is then in *protocol. */
static bool skip_extensions(struct reader *r, uint8_t *protocol)
{
	for (unsigned i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		uint8_t next;
		uint8_t len;

		switch (*protocol) {
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
			if (read_u16(r) >> 3 != 0) {
				*protocol = next;
				return false; /* not the first fragment */
			}
			(void)read_u32(r);
			break;
		default:
			return !r->overrun;
		}
		if (r->overrun)
			return false;
		*protocol = next;
	}
	return false;
}

static void read_upper(struct reader r, struct inner *i)
{
	const uint8_t *p = r.at;
	size_t left = r.left;

	switch (i->protocol) {
	case IPPROTO_TCP:
		if (left < 20)
			return;
		i->is_tcp_syn = (p[TCP_FLAGS_OFFSET] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
		break;
	case IPPROTO_UDP:
		if (left < 8)
			return;
		break;
	case IPPROTO_ICMPV6:
		if (left < 8)
			return;
		i->is_icmp_error = p[0] < 128;
		i->is_echo_request = p[0] == ICMPV6_ECHO_REQUEST;
		if (p[0] != ICMPV6_ECHO_REQUEST && p[0] != ICMPV6_ECHO_REPLY)
			return;
		i->has_ports = true;
		i->source_port = i->destination_port = load_u16(p + 4);
		return;
	default:
		return;
	}
	i->has_ports = true;
	i->source_port = load_u16(p);
	i->destination_port = load_u16(p + 2);
}

int inner_parse(struct span packet, struct inner *ret)
{
	struct reader r = reader_of(packet);
	struct inner i = { 0 };

	if (packet.len < 1 || packet.at[0] >> 4 != 6)
		return packet.len < 1 ? -EBADMSG : -EPROTO;
	if (packet.len < IPV6_HEADER_LEN ||
	    (size_t)load_u16(packet.at + 4) + IPV6_HEADER_LEN != packet.len)
		return -EBADMSG;
	i.protocol = packet.at[6];
	(void)read_bytes(&r, 8);
	read_copy(&r, i.source, 16);
	read_copy(&r, i.destination, 16);
	if (skip_extensions(&r, &i.protocol))
		read_upper(r, &i);
	*ret = i;
	return 0;
}

uint16_t inner_flow_hash(const struct inner *i, const uint8_t key[16])
{
	uint8_t ports[5] = { i->protocol };
	const struct span parts[] = { SPAN_OF(i->source), SPAN_OF(i->destination), SPAN_OF(ports) };

	store_u16(ports + 1, i->source_port);
	store_u16(ports + 3, i->destination_port);
	return (uint16_t)siphash64(key, parts, 3);
}

void inner_resource(const struct inner *i, char ret[FLOW_RESOURCE_SIZE])
{
	switch (i->protocol) {
	case IPPROTO_TCP:
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "tcp:%u", i->destination_port);
		break;
	case IPPROTO_UDP:
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "udp:%u", i->destination_port);
		break;
	case IPPROTO_ICMPV6:
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "icmpv6");
		break;
	default:
		(void)snprintf(ret, FLOW_RESOURCE_SIZE, "proto:%u", i->protocol);
	}
}
