/* SPDX-License-Identifier: Apache-2.0 */
/* What is told about packets that did not get through: to programs on this machine by ICMP through
 * the tunnel, to peers inside the session. */
#include <errno.h>

#include "core/node/node_internal.h"

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT 5
#define ICMP_HEADER_LEN 8

/* To this machine, or a host behind it. IPv4 errors have the address that the packet was for as
 * source: Linux takes nothing from a device that claims to be from an address of its own. */
void errors_tell(struct node *n, enum icmp_reason reason, unsigned mtu, struct span packet)
{
	struct icmp_budget *budget =
		reason == ICMP_TOO_BIG ? &n->icmp_too_big : &n->icmp_to_machine;
	uint8_t error[ICMP_ERROR_MAX];
	size_t len;

	if (packet.len == 0 || packet.at[0] >> 4 < 4) /* a message of our own */
		return;
	len = icmp_error(reason, n->address, mtu, packet, error);
	if (len == 0 || !icmp_may_tell(budget, n->now_us))
		return;
	if (node_act(n, NODE_DELIVER, SPAN(error, len)))
		n->counters.icmp_told++;
}

/* Who tells a peer: this node by the address of the packet's family, where it has one. */
static size_t make(const struct node *n, enum icmp_reason reason, struct span packet,
		   uint8_t ret[ICMP_ERROR_MAX])
{
	uint8_t ipv4[16];
	bool is_ipv4 = packet.at[0] >> 4 == 4 && node_ipv4(n, ipv4);

	return icmp_error(reason, is_ipv4 ? ipv4 : n->address, 0, packet, ret);
}

/* Where the configuration says so, who was denied is told (RFC 4443 section 3.1, code 1). */
void errors_denied(struct node *n, struct peer *p, struct span packet)
{
	uint8_t error[ICMP_ERROR_MAX];
	size_t len;

	if (!n->tells_denied)
		return;
	len = make(n, ICMP_PROHIBITED, packet, error);
	if (len == 0 || !icmp_may_tell(&n->icmp_to_peers, n->now_us))
		return;
	if (path_send(n, p, CLASS_INTERACTIVE, SPAN(error, len)) == 0)
		n->counters.icmp_told++;
}

/* Where the quoted packet begins; 0 where this is no error that concerns one: source quench and
 * redirects of ICMP are nobody's to send here (RFC 6633, RFC 1812 section 4.3.3.2). */
static size_t quote_at(const struct inner *error, struct span packet)
{
	size_t header = error->is_ipv4 ? (size_t)(packet.at[0] & 0x0f) * 4 : IPV6_HEADER_LEN;

	if (!error->is_icmp_error || packet.len < header + ICMP_HEADER_LEN)
		return 0;
	if (error->is_ipv4 &&
	    (packet.at[header] == ICMP_SOURCE_QUENCH || packet.at[header] == ICMP_REDIRECT))
		return 0;
	if (!error->is_ipv4 && packet.at[6] != error->protocol)
		return 0; /* behind extension headers */
	return header + ICMP_HEADER_LEN;
}

/* Reads a packet of which the end may be missing. */
static int parse_quoted(struct span quoted, bool is_ipv4, struct inner *ret)
{
	uint8_t copy[ICMP_ERROR_MAX];

	if (quoted.len > sizeof(copy) ||
	    quoted.len < (is_ipv4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN) ||
	    quoted.at[0] >> 4 != (is_ipv4 ? 4 : 6))
		return -EBADMSG;
	memcpy(copy, quoted.at, quoted.len);
	if (is_ipv4)
		store_u16(copy + 2, (uint16_t)quoted.len);
	else
		store_u16(copy + 4, (uint16_t)(quoted.len - IPV6_HEADER_LEN));
	return inner_parse(SPAN(copy, quoted.len), ret);
}

/* Whether an ICMP error speaks of a packet of a flow under way from here: it may come in by the
 * right of that flow, as an answer may, and from the same peers: another could only guess the
 * flow and end it. */
bool errors_concern_flow(struct node *n, const struct peer *p, const struct inner *error,
			 struct span packet)
{
	size_t at = quote_at(error, packet);
	struct inner i, answer;

	if (at == 0 ||
	    parse_quoted(SPAN(packet.at + at, packet.len - at), error->is_ipv4, &i) < 0 ||
	    memcmp(i.source, error->destination, 16) != 0)
		return false;
	answer = (struct inner){ .is_ipv4 = i.is_ipv4,
				 .protocol = i.protocol,
				 .has_ports = i.has_ports,
				 .source_port = i.destination_port,
				 .destination_port = i.source_port };
	memcpy(answer.source, i.destination, 16);
	memcpy(answer.destination, i.source, 16);
	return networks_may_come_from(n, p, &answer) &&
	       flows_inbound(n->flows, p->id, &answer, n->now_us) == FLOW_KNOWN;
}
