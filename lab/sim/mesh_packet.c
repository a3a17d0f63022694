/* SPDX-License-Identifier: Apache-2.0 */
/* The packet path of the mesh: which neighbour next, as core/node asks core/forward, and what
 * became of each packet. */
#include <stdio.h>
#include <stdlib.h>

#include "core/forward/forward.h"
#include "core/forward/visited.h"
#include "core/watch/watch.h"
#include "sim/mesh_world.h"

#define LANE_OF_HINTS 2 /* as core/node: control overtakes payload */

static struct mesh_flight *flight_of(const struct mesh_datagram *d)
{
	return (struct mesh_flight *)(uintptr_t)d->bytes;
}

static bool is_present(const struct mesh *m, const struct mesh_flight *f)
{
	return f->generation == m->generation && f->packet < m->n_packets;
}

/* ---- what is remembered ---- */

static void step(struct mesh *m, const struct mesh_flight *f, size_t node, const char *what,
		 size_t next, uint32_t metric)
{
	if (!is_present(m, f) || !m->packets[f->packet].is_traced)
		return;
	if (m->n_steps == m->steps_size) {
		m->steps_size = m->steps_size ? 2 * m->steps_size : 256;
		m->steps = realloc(m->steps, m->steps_size * sizeof(*m->steps));
		if (!m->steps)
			abort();
	}
	m->steps[m->n_steps++] = (struct mesh_step){ .at_us = m->now_us,
						     .packet = f->packet,
						     .node = node,
						     .what = what,
						     .next = next,
						     .metric = metric };
}

bool mesh_next_step(const struct mesh *m, size_t *cursor, struct mesh_step *ret)
{
	if (*cursor >= m->n_steps)
		return false;
	*ret = m->steps[(*cursor)++];
	return true;
}

static void copy_ends(struct mesh *m, const struct mesh_flight *f)
{
	if (is_present(m, f))
		m->packets[f->packet].n_copies--;
}

void mesh_copy_is_lost(struct mesh *m, const struct mesh_datagram *d, size_t node, const char *why,
		       size_t next)
{
	const struct mesh_flight *f;

	if (d->kind != MESH_DATA)
		return;
	f = flight_of(d);
	step(m, f, node, why, next, ROUTE_METRIC_INFINITY);
	copy_ends(m, f);
}

/* ---- which way ---- */

struct asker {
	const struct mesh *m;
	size_t node;
	uint64_t destination;
};

static enum link_state state_to(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;
	uint32_t end = mesh_end_to(a->m, a->node, mesh_node(neighbour));

	return end == MESH_NO_END ? LINK_DOWN : mesh_end_state(&a->m->links[end / 2].ends[end % 2]);
}

static bool is_dead_end(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;

	return hints_has(&a->m->hosts[a->node].hints->heard, neighbour, a->destination,
			 a->m->now_us);
}

static bool is_restless(void *arg, uint64_t neighbour)
{
	const struct asker *a = arg;
	uint32_t end = mesh_end_to(a->m, a->node, mesh_node(neighbour));

	return end != MESH_NO_END &&
	       link_is_restless(a->m->links[end / 2].ends[end % 2].link, a->m->now_us);
}

static bool next_neighbour(void *arg, size_t *cursor, uint64_t *ret, uint32_t *ret_metric)
{
	const struct asker *a = arg;

	return routes_next_neighbour(a->m->hosts[a->node].routes, cursor, a->destination, ret,
				     ret_metric);
}

/* More than the next hop is looked for only where that will not do, as in core/node. */
static struct forward_plan plan_of(struct asker *a, struct forward_question *q,
				   const struct wire_hop *hop, struct route *ret)
{
	const struct routes *routes = a->m->hosts[a->node].routes;
	struct forward_plan plan = { 0 };

	*ret = (struct route){ .metric = ROUTE_METRIC_INFINITY };
	ret->next_hop = routes_next_hop_since(routes, a->destination, &ret->since_us);
	if (forward_straight(q, hop, &plan) || !routes_lookup(routes, a->destination, ret))
		return plan;
	return forward_next(q, hop);
}

static void send_copy(struct mesh *m, size_t node, const struct mesh_flight *f, uint64_t next,
		      const char *what, uint32_t metric)
{
	uint32_t end = mesh_end_to(m, node, mesh_node(next));
	size_t size = MESH_DATA_LEN + (f->hop.has_options ? HOP_OPTIONS_LEN : 0);
	struct mesh_end *e = mesh_end(m, end);
	struct mesh_datagram *d = mesh_datagram(MESH_DATA, sizeof(*f));

	memcpy(d->bytes, f, sizeof(*f));
	d->session = e->session;
	d->sequence = link_next_sequence(e->link, 0);
	if (is_present(m, f))
		m->packets[f->packet].n_copies++;
	m->totals.hops++;
	m->totals.recorded_hops += f->hop.has_options;
	step(m, f, node, what, mesh_node(next), metric);
	link_sent(e->link, size, true, m->now_us);
	mesh_transmit(m, end, d, size);
	mesh_arm(m, end);
}

static const char *reason(const struct forward_plan *plan, const struct route *route, uint64_t from)
{
	if (plan->duplicate)
		return "to the next hop, which is suspect";
	if (plan->way == FORWARD_PRIMARY)
		return plan->is_recorded ? "to the next hop, with a record of where it was"
					 : "to the next hop";
	if (plan->way == FORWARD_BACK)
		return "back: there is no other way";
	if (plan->way == FORWARD_DEFLECTED)
		return "deflected to the nearest that it was not at";
	if (!route->next_hop)
		return "to an alternate: there is no route";
	if (route->next_hop == from)
		return "to an alternate: it came from the next hop";
	return "to an alternate: the next hop is down, or it was there";
}

/* As core/node/dead_ends.c. */
static void tell_dead_end(struct mesh *m, size_t node, uint64_t to, uint64_t destination)
{
	struct mesh_host *h = &m->hosts[node];
	uint32_t end = mesh_end_to(m, node, mesh_node(to));
	uint8_t bytes[8];

	if (!h->hints)
		h->hints = calloc(1, sizeof(*h->hints));
	if (!h->hints)
		abort();
	if (end == MESH_NO_END || !mesh_end(m, end)->session || destination == to ||
	    !hints_put(&h->hints->told, to, destination, m->now_us, HINT_EVERY_US) ||
	    !hints_may(&h->hints->told_rate, m->now_us))
		return;
	store_u64(bytes, destination);
	mesh_send_plain(m, end, MESH_DEAD_END, LANE_OF_HINTS, bytes, sizeof(bytes));
	m->totals.hints++;
}

void mesh_dead_end_arrives(struct mesh *m, uint32_t end, const struct mesh_datagram *d)
{
	struct mesh_host *h = &m->hosts[mesh_owner(m, end)];

	if (!h->hints)
		h->hints = calloc(1, sizeof(*h->hints));
	if (!h->hints)
		abort();
	(void)hints_put(&h->hints->heard, mesh_id(mesh_other(m, end)), load_u64(d->bytes),
			m->now_us, HINT_US);
}

static enum watch_use use_of(const struct mesh_flight *f, uint64_t from)
{
	if (from)
		return WATCH_RELAYED;
	return f->probe ? WATCH_ANSWER : WATCH_OWN;
}

/* As core/node/authentic.c: a relay watches only who is in its zone, and so can answer it. */
static bool is_watched(const struct mesh *m, size_t node, const struct mesh_flight *f,
		       uint64_t from)
{
	const struct routes *routes = m->hosts[node].routes;

	if (!from)
		return !f->probe || f->is_for_packets;
	return routes_zone_count(routes) >= routes_count_reachable(routes) ||
	       routes_is_in_zone(routes, mesh_id(f->to));
}

static void route_on(struct mesh *m, size_t node, struct mesh_flight *f, uint64_t from)
{
	struct route route;
	struct asker a = { m, node, mesh_id(f->to) };
	struct forward_question q = { .self = mesh_id(node),
				      .from = from,
				      .now_us = m->now_us,
				      .route = &route,
				      .state = state_to,
				      .neighbour = next_neighbour,
				      .is_restless = is_restless,
				      .arg = &a };
	const struct mesh_hints *hints = m->hosts[node].hints;
	struct forward_plan plan;

	if (hints && hints_are_there(&hints->heard, m->now_us))
		q.is_dead_end = is_dead_end;
	plan = plan_of(&a, &q, &f->hop, &route);
	if (plan.tell)
		tell_dead_end(m, node, plan.tell, a.destination);
	if (!plan.next) {
		step(m, f, node, "lost: there is no way on", MESH_NONE, ROUTE_METRIC_INFINITY);
		return;
	}
	if (plan.way != FORWARD_BACK && is_watched(m, node, f, from))
		watch_passed(m->hosts[node].watch,
			     &(struct watch_packet){ .destination = mesh_id(f->to),
						     .neighbour = plan.next,
						     .len = MESH_DATA_LEN,
						     .use = use_of(f, from) },
			     m->now_us);
	f->was_repaired |= plan.way != FORWARD_PRIMARY;
	f->was_sent_back = plan.way == FORWARD_BACK;
	if (plan.is_recorded)
		forward_record(&q, &f->hop);
	send_copy(m, node, f, plan.next, reason(&plan, &route, from), route.metric);
	if (plan.duplicate && !f->hop.is_duplicate) {
		f->hop.is_duplicate = true;
		f->was_sent_back = plan.duplicate_way == FORWARD_BACK;
		f->was_repaired = true;
		forward_record(&q, &f->hop);
		send_copy(m, node, f, plan.duplicate, "a copy by another way", route.metric);
	}
}

/* ---- what becomes of packets: core/watch, as core/node asks it ---- */

static struct mesh_flight flight_from(const struct mesh *m, size_t from, size_t to)
{
	return (struct mesh_flight){ .packet = UINT32_MAX,
				     .generation = m->generation,
				     .to = (uint32_t)to,
				     .n_visited = 1,
				     .visited = { (uint16_t)from },
				     .hop = { .ttl = HOP_TTL_MAX,
					      .flow_hash = (uint16_t)(from * 31 + to),
					      .destination = mesh_id(to),
					      .source = mesh_id(from) } };
}

static void answer(struct mesh *m, const struct mesh_flight *probe, size_t node)
{
	struct mesh_flight f = flight_from(m, node, probe->prober);

	f.probe = probe->probe;
	f.prober = probe->prober;
	f.is_for_packets = probe->is_for_packets;
	if (routes_next_hop(m->hosts[node].routes, mesh_id(f.to)) == 0)
		(void)mesh_want(m, node, f.to);
	route_on(m, node, &f, 0);
}

/* Through exactly that neighbour, so with a record of where it was. */
static void send_probe(struct mesh *m, size_t node, const struct watch_probe *p)
{
	struct mesh_flight f = flight_from(m, node, mesh_node(p->destination));
	struct asker a = { m, node, p->destination };
	struct forward_question q = { .self = mesh_id(node), .now_us = m->now_us };

	if (state_to(&a, p->neighbour) == LINK_DOWN) {
		watch_unsent(m->hosts[node].watch, p->id);
		return;
	}
	if (routes_last_metric(m->hosts[node].routes, p->neighbour, p->destination) >=
	    ROUTE_DOUBTED) {
		watch_excuse(m->hosts[node].watch, p->id);
		return;
	}
	f.probe = p->id;
	f.prober = (uint32_t)node;
	f.is_for_packets = p->is_for_packets;
	forward_record(&q, &f.hop);
	f.was_repaired = true;
	m->totals.watch_probes++;
	send_copy(m, node, &f, p->neighbour, "a probe", 0);
}

void mesh_watch(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];
	struct watch_probe p;
	struct watch_doubt d;

	while (watch_next_probe(h->watch, m->now_us, &p))
		send_probe(m, node, &p);
	while (watch_next_doubt(h->watch, &d)) {
		routes_set_doubt(h->routes, d.neighbour, d.destination, d.is_doubted, m->now_us);
		m->totals.doubts += d.is_doubted;
	}
}

/* ---- the verbs ---- */

static void delivered(struct mesh *m, const struct mesh_flight *f, size_t node)
{
	struct mesh_packet *p;

	if (!is_present(m, f))
		return;
	p = &m->packets[f->packet];
	step(m, f, node, p->delivered_us ? "delivered: a copy of what was" : "delivered", MESH_NONE,
	     0);
	if (p->delivered_us)
		return;
	p->delivered_us = m->now_us;
	m->totals.delivered++;
}

static void tell_loop(struct mesh *m, const struct mesh_flight *f, size_t node)
{
	char way[100] = "";
	size_t len = 0;

	for (unsigned i = 0; i < f->n_visited && len + 8 < sizeof(way); i++)
		len += (size_t)snprintf(way + len, sizeof(way) - len, " %u", f->visited[i]);
	mesh_fail(m, "a packet to node %u came to node %zu twice:%s", f->to, node, way);
}

/* A packet with a record of where it was may come back to nodes that are not in it, by a filter to
 * any, and otherwise where it is sent back; another has been led in a circle. */
static bool may_return(const struct mesh_flight *f, size_t node)
{
	return f->hop.has_options &&
	       (f->hop.is_filter || f->was_sent_back || visited_place(&f->hop, mesh_id(node)) < 0);
}

static void visit(struct mesh *m, struct mesh_flight *f, size_t node)
{
	bool has_liar = false;
	bool was_here = false;

	for (unsigned i = 0; i < f->n_visited; i++) {
		const struct mesh_liar *liar = m->hosts[f->visited[i]].liar;

		was_here |= f->visited[i] == node;
		has_liar |= liar && liar->how & MESH_LIAR_METRIC;
	}
	f->visited[f->n_visited++] = (uint16_t)node;
	if (!was_here)
		return;
	if (may_return(f, node)) {
		m->totals.returns++;
		return;
	}
	step(m, f, node, "it was here before: a loop", MESH_NONE, ROUTE_METRIC_INFINITY);
	m->totals.liar_loops += has_liar;
	m->totals.loops += !has_liar;
	m->totals.plain_loops += !has_liar && !f->was_repaired;
	if (!has_liar)
		tell_loop(m, f, node);
}

void mesh_packet_arrives(struct mesh *m, uint32_t end, struct mesh_datagram *d)
{
	struct mesh_flight *f = flight_of(d);
	size_t node = mesh_owner(m, end);
	const struct mesh_liar *liar = m->hosts[node].liar;

	visit(m, f, node);
	m->totals.at_liar += liar && node != f->to && !f->probe && !f->hop.is_duplicate;
	if (visited_check(&f->hop) < 0)
		mesh_fail(m, "node %zu was sent a record of visited nodes that it refuses", node);
	if (node == f->to && f->probe) {
		if (node == f->prober)
			watch_answered(m->hosts[node].watch, mesh_id(f->visited[0]), f->probe,
				       HOP_TTL_MAX - f->hop.ttl + 1U, NULL, m->now_us);
		else
			answer(m, f, node);
	} else if (node == f->to) {
		delivered(m, f, node);
	} else if (liar && liar->how & MESH_LIAR_DROPS) {
		step(m, f, node, "lost: the liar drops it", MESH_NONE, ROUTE_METRIC_INFINITY);
	} else if (--f->hop.ttl == 0) {
		m->totals.ttl_ended++;
		step(m, f, node, "lost: its TTL ended", MESH_NONE, ROUTE_METRIC_INFINITY);
	} else {
		route_on(m, node, f, mesh_id(mesh_other(m, end)));
	}
	copy_ends(m, f);
}

static size_t add_packet(struct mesh *m, size_t from, size_t to, bool is_traced)
{
	if (m->n_packets == m->packets_size) {
		m->packets_size = m->packets_size ? 2 * m->packets_size : 1024;
		m->packets = realloc(m->packets, m->packets_size * sizeof(*m->packets));
		if (!m->packets)
			abort();
	}
	m->packets[m->n_packets] = (struct mesh_packet){ .from = (uint32_t)from,
							 .to = (uint32_t)to,
							 .sent_us = m->now_us,
							 .is_traced = is_traced };
	return m->n_packets++;
}

static size_t send_packet(struct mesh *m, size_t from, size_t to, bool is_traced)
{
	struct mesh_flight f = { .generation = m->generation,
				 .to = (uint32_t)to,
				 .hop = { .ttl = HOP_TTL_MAX,
					  .flow_hash = (uint16_t)(from * 31 + to),
					  .destination = mesh_id(to),
					  .source = mesh_id(from) } };

	f.packet = (uint32_t)add_packet(m, from, to, is_traced);
	m->totals.sent++;
	f.visited[f.n_visited++] = (uint16_t)from;
	if (m->hosts[from].routes)
		(void)mesh_want(m, from, to);
	if (m->hosts[from].routes)
		route_on(m, from, &f, 0);
	return f.packet;
}

size_t mesh_send(struct mesh *m, size_t from, size_t to)
{
	return send_packet(m, from, to, false);
}

size_t mesh_send_traced(struct mesh *m, size_t from, size_t to)
{
	return send_packet(m, from, to, true);
}

enum mesh_fate mesh_fate(const struct mesh *m, size_t packet)
{
	const struct mesh_packet *p = &m->packets[packet];

	if (p->delivered_us)
		return MESH_DELIVERED;
	return p->n_copies > 0 ? MESH_UNDER_WAY : MESH_LOST;
}

uint64_t mesh_sent_us(const struct mesh *m, size_t packet)
{
	return m->packets[packet].sent_us;
}

uint64_t mesh_delivery_us(const struct mesh *m, size_t packet)
{
	const struct mesh_packet *p = &m->packets[packet];

	return p->delivered_us ? p->delivered_us - p->sent_us : 0;
}

void mesh_forget_packets(struct mesh *m)
{
	m->generation++;
	m->n_packets = 0;
	m->n_steps = 0;
}
