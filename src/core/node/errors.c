/* SPDX-License-Identifier: Apache-2.0 */
/* What is told about packets that did not get through: to programs on this machine by ICMP through
 * the tunnel, to peers inside the session. */
#include "core/node/node_internal.h"

#define IPV6_HEADER_LEN 40
#define ICMP_HEADER_LEN 8

void errors_tell(struct node *n, enum icmp_reason reason, unsigned mtu, struct span packet)
{
	uint8_t error[ICMP_ERROR_MAX];
	size_t len;

	if (packet.len == 0 || packet.at[0] >> 4 < 4) /* a message of our own */
		return;
	len = icmp_error(reason, n->address, mtu, packet, error);
	if (len == 0 || !icmp_may_tell(&n->icmp_budget, n->now_us))
		return;
	if (node_act(n, NODE_DELIVER, SPAN(error, len)))
		n->counters.icmp_told++;
}

/* Where the configuration says so, who was denied is told (RFC 4443 section 3.1, code 1). */
void errors_denied(struct node *n, struct peer *p, struct span packet)
{
	uint8_t error[ICMP_ERROR_MAX];
	size_t len;

	if (!n->tells_denied)
		return;
	len = icmp_error(ICMP_PROHIBITED, n->address, 0, packet, error);
	if (len == 0 || !icmp_may_tell(&n->icmp_budget, n->now_us))
		return;
	if (path_send(n, p, CLASS_INTERACTIVE, SPAN(error, len)) == 0)
		n->counters.icmp_told++;
}

/* Whether an ICMPv6 error speaks of a packet of a flow under way from here: it may come in by the
 * right of that flow, as an answer may. */
bool errors_concern_flow(struct node *n, const struct inner *error, struct span packet)
{
	const size_t head = IPV6_HEADER_LEN + ICMP_HEADER_LEN;
	uint8_t quoted[ICMP_ERROR_MAX];
	struct inner i, answer;
	size_t len;

	if (!error->is_icmp_error || packet.at[6] != error->protocol ||
	    packet.len < head + IPV6_HEADER_LEN || packet.len > sizeof(quoted))
		return false;
	len = packet.len - head;
	memcpy(quoted, packet.at + head, len);
	store_u16(quoted + 4, (uint16_t)(len - IPV6_HEADER_LEN)); /* it may be cut off */
	if (inner_parse(SPAN(quoted, len), &i) < 0 || memcmp(i.source, error->destination, 16) != 0)
		return false;
	answer = (struct inner){ .protocol = i.protocol,
				 .has_ports = i.has_ports,
				 .source_port = i.destination_port,
				 .destination_port = i.source_port };
	memcpy(answer.source, i.destination, 16);
	memcpy(answer.destination, i.source, 16);
	return flows_inbound(n->flows, &answer, n->now_us) == FLOW_KNOWN;
}
