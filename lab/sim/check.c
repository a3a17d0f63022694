/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of the simulated world, checked as things happen. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "core/node/node_internal.h"
#include "sim/world.h"

size_t sim_host_of(const struct sim *s, uint64_t id)
{
	for (size_t i = 0; i < s->config.n_nodes; i++)
		if (s->hosts[i].id == id)
			return i;
	return SIM_NODES_MAX;
}

/* Would a packet from one node be opened by the other? Not when that has restarted since: it no
 * longer has the keys, so what the first believes of it can loop nothing. */
static bool shares_keys(const struct sim *s, size_t from, size_t to)
{
	const struct peer *p = map_get(s->hosts[from].node->peers, &s->hosts[to].id);

	return p && p->direct && s->hosts[to].node &&
	       p->direct->peer_boot_epoch == s->hosts[to].boot_epoch;
}

/* For people: each node of the loop with what it holds and has advertised. */
static void tell_loop(struct sim *s, size_t at, uint64_t destination)
{
	for (unsigned i = 0; i < 8; i++) {
		struct route r = { 0 };
		uint32_t epoch = 0;
		uint16_t seqno = 0;
		uint32_t metric = 0;

		(void)routes_lookup(node_routes(s->hosts[at].node), destination, &r);
		(void)routes_feasibility(node_routes(s->hosts[at].node), destination, &epoch,
					 &seqno, &metric);
		(void)fprintf(stderr,
			      "  node %zu boot %llu: via %zu metric %u seqno %u epoch %u; "
			      "feasible below metric %u seqno %u epoch %u\n",
			      at, (unsigned long long)s->hosts[at].boot_epoch,
			      sim_host_of(s, r.next_hop), r.metric, r.seqno, r.epoch, metric, seqno,
			      epoch);
		at = sim_host_of(s, r.next_hop);
		if (at == SIM_NODES_MAX || !s->hosts[at].node)
			return;
	}
}

/* Follows next hops from a node. A loop is a broken invariant. */
static unsigned walk(struct sim *s, size_t from, uint64_t destination)
{
	unsigned hops = 0;
	size_t at = from;
	size_t next;

	while (s->hosts[at].id != destination) {
		struct route route;

		if (!s->hosts[at].node ||
		    !routes_lookup(node_routes(s->hosts[at].node), destination, &route) ||
		    !route.next_hop)
			return 0;
		next = sim_host_of(s, route.next_hop);
		if (next == SIM_NODES_MAX) {
			sim_fail(s, "a next hop is no node");
			return 0;
		}
		if (!shares_keys(s, at, next))
			return 0;
		at = next;
		if (++hops > s->config.n_nodes) {
			tell_loop(s, at, destination);
			sim_fail(s, "routing loop from node %zu to %zu", from,
				 sim_host_of(s, destination));
			return 0;
		}
	}
	return hops;
}

unsigned sim_walk(struct sim *s, size_t from, size_t to)
{
	return walk(s, from, s->hosts[to].id);
}

/* The ID, the node id, the address and what the sim knows must be one. */
static void check_binding(struct sim *s, const struct node_event *e)
{
	size_t i = sim_host_of(s, e->node_id);
	char expected[NODE_NAME_MAX + 1];

	if (i == SIM_NODES_MAX) {
		sim_fail(s, "a session with an identity nobody has");
		return;
	}
	(void)snprintf(expected, sizeof(expected), "n%zu", i);
	if (strcmp(expected, e->name) != 0)
		sim_fail(s, "node id and name are bound wrongly: %s is not %s", e->name, expected);
}

void sim_check_event(struct sim *s, size_t node, const struct node_event *e)
{
	switch (e->type) {
	case EVENT_PEER_UP:
		s->totals.handshakes++;
		check_binding(s, e);
		break;
	case EVENT_PEER_DOWN:
		s->totals.sessions_ended += strcmp(e->reason, "the session ended") == 0;
		break;
	case EVENT_REKEYED:
		s->totals.rekeys++;
		break;
	case EVENT_ROUTE_CHANGED:
		(void)walk(s, node, e->node_id);
		break;
	case EVENT_SPOOFED_INNER:
	case EVENT_SPOOFED_TUN:
		if (!s->config.deliver) /* else the test gives packets of its own */
			sim_fail(s, "node %zu saw a spoofed address", node);
		break;
	default:
		break;
	}
}

/* ICMPv6 that says what became of a packet: it must be one that this node sent, quoted as it
 * was. */
static bool check_error(struct sim *s, size_t node, struct span packet)
{
	const size_t at = 48; /* of the quoted packet */
	uint64_t number;

	if (packet.len < at + SIM_INNER_HEADERS + 8 || packet.at[6] != 58 || packet.at[40] >= 128)
		return false;
	number = load_u64(packet.at + at + SIM_INNER_HEADERS);
	if (number == 0 || number > s->n_packets || s->packets[number - 1].from != node) {
		sim_fail(s, "node %zu was told of a packet that it did not send", node);
		return true;
	}
	s->packets[number - 1].error = (struct sim_error){ .type = packet.at[40],
							   .code = packet.at[41],
							   .mtu = load_u32(packet.at + 44) };
	return true;
}

void sim_check_delivery(struct sim *s, size_t node, struct span packet)
{
	uint64_t number;
	struct sim_packet *p;

	if (check_error(s, node, packet))
		return;
	if (packet.len < SIM_INNER_HEADERS + 8) {
		sim_fail(s, "node %zu was given a packet that nobody sent", node);
		return;
	}
	number = load_u64(packet.at + SIM_INNER_HEADERS);
	if (number == 0 || number > s->n_packets) {
		sim_fail(s, "node %zu was given a packet that nobody sent", node);
		return;
	}
	p = &s->packets[number - 1];
	if (p->delivered_us)
		sim_fail(s, "packet %llu was delivered twice", (unsigned long long)number);
	if (p->to != node)
		sim_fail(s, "packet %llu was delivered to another node",
			 (unsigned long long)number);
	if (packet.len != SIM_INNER_HEADERS + p->payload_len ||
	    memcmp(packet.at + 8,
		   node_overlay_address(s->hosts[p->from].node ? s->hosts[p->from].node
							       : s->hosts[node].node),
		   s->hosts[p->from].node ? 16 : 6) != 0)
		sim_fail(s, "packet %llu was changed on its way", (unsigned long long)number);
	p->delivered_us = s->now_us;
	s->totals.packets_delivered++;
}

/* Which nodes the uncut links join to this one. */
static void flood(const struct sim *s, size_t from, bool *ret_reached)
{
	size_t queue[SIM_NODES_MAX];
	size_t n = 0;

	queue[n++] = from;
	ret_reached[from] = true;
	for (size_t i = 0; i < n; i++) {
		for (size_t l = 0; l < s->n_links; l++) {
			const struct sim_link *link = &s->links[l];
			size_t other = link->a == queue[i] ? link->b : link->a;

			if (link->is_cut || (link->a != queue[i] && link->b != queue[i]) ||
			    ret_reached[other] || !s->hosts[other].node)
				continue;
			ret_reached[other] = true;
			queue[n++] = other;
		}
	}
}

void sim_pairs(struct sim *s, size_t *ret_joined, size_t *ret_routed)
{
	*ret_joined = *ret_routed = 0;
	for (size_t a = 0; a < s->config.n_nodes; a++) {
		bool reached[SIM_NODES_MAX] = { false };

		if (!s->hosts[a].node)
			continue;
		flood(s, a, reached);
		for (size_t b = 0; b < s->config.n_nodes; b++) {
			if (a == b || !reached[b])
				continue;
			++*ret_joined;
			*ret_routed += sim_walk(s, a, b) > 0;
		}
	}
}
