/* SPDX-License-Identifier: Apache-2.0 */
/* Routing tables joined by channels; see route_net.h. */
#include "route_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static unsigned node_of(uint64_t id)
{
	return (unsigned)(id - 1);
}

int net_new(unsigned n_nodes, uint64_t seed, struct net **ret)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return -ENOMEM;
	net->n_nodes = n_nodes;
	net->now_us = SECONDS(1);
	rng_seed(&net->rng, seed);
	net->nodes = calloc(n_nodes, sizeof(*net->nodes));
	net->seen = calloc((size_t)n_nodes * n_nodes, sizeof(*net->seen));
	if (!net->nodes || !net->seen) {
		net_free(net);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n_nodes; i++) {
		net->nodes[i].id = i + 1;
		net->nodes[i].tick_us = NEVER_US;
	}
	*ret = net;
	return 0;
}

static void channel_clear(struct net_channel *c)
{
	while (c->head) {
		struct net_message *m = c->head;

		c->head = m->next;
		free(m);
	}
	*c = (struct net_channel){ 0 };
}

void net_free(struct net *net)
{
	if (!net)
		return;
	for (unsigned i = 0; i < net->n_links; i++) {
		channel_clear(&net->links[i].channel[0]);
		channel_clear(&net->links[i].channel[1]);
	}
	for (unsigned i = 0; net->nodes && i < net->n_nodes; i++) {
		routes_free(net->nodes[i].routes);
		free(net->nodes[i].links);
	}
	free(net->nodes);
	free(net->links);
	free(net->seen);
	free(net);
}

static void *grown(void *array, size_t n, size_t size)
{
	void *p = realloc(array, n * size);

	if (!p)
		abort();
	return p;
}

static void attach(struct net_node *n, unsigned link)
{
	n->links = grown(n->links, n->n_links + 1, sizeof(*n->links));
	n->links[n->n_links++] = link;
}

unsigned net_add_link(struct net *net, unsigned a, unsigned b, uint32_t cost, uint64_t delay_us)
{
	unsigned i = net->n_links++;

	net->links = grown(net->links, net->n_links, sizeof(*net->links));
	net->links[i] = (struct net_link){
		.node = { a, b },
		.cost = { cost, cost },
		.delay_us = delay_us,
	};
	attach(&net->nodes[a], i);
	attach(&net->nodes[b], i);
	return i;
}

/* ---- invariants ---- */

static void fail(struct net *net, const char *what, unsigned node, unsigned destination)
{
	if (net->failure[0])
		return;
	(void)snprintf(net->failure, sizeof(net->failure), "%s at node %u for %u, t = %llu us",
		       what, node, destination, (unsigned long long)net->now_us);
}

/* The link over which a packet of node a to b would really arrive: same session at both ends. */
static bool is_passable(const struct net *net, unsigned a, unsigned b)
{
	for (unsigned i = 0; i < net->nodes[a].n_links; i++) {
		const struct net_link *l = &net->links[net->nodes[a].links[i]];
		unsigned end = l->node[0] == a ? 0 : 1;

		if (l->node[1 - end] == b)
			return net->nodes[b].routes && l->is_up[end] &&
			       l->end_session[0] == l->end_session[1];
	}
	return false;
}

static struct net_fd fd_of(const struct net *net, unsigned node, unsigned destination)
{
	struct net_fd fd = { 0 };

	fd.is_known = routes_feasibility(net->nodes[node].routes, net->nodes[destination].id,
					 &fd.epoch, &fd.seqno, &fd.metric);
	return fd;
}

/* Written out here once more, independently of the code under test. */
static bool is_closer(const struct net_fd *a, const struct net_fd *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	if (a->seqno != b->seqno)
		return (uint16_t)(a->seqno - b->seqno) < 0x8000;
	return a->metric < b->metric;
}

static void check_monotone(struct net *net, unsigned node, unsigned destination)
{
	struct net_fd *was = &net->seen[(size_t)node * net->n_nodes + destination];
	struct net_fd is = fd_of(net, node, destination);

	if (was->is_known && is.is_known && is_closer(was, &is))
		fail(net, "the feasibility distance rose", node, destination);
	*was = is;
}

static void check_walk(struct net *net, unsigned from, unsigned destination)
{
	unsigned at = from;

	for (unsigned n = 0; at != destination; n++) {
		struct route r;
		struct net_fd here, there;
		unsigned next;

		if (!net->nodes[at].routes ||
		    !routes_lookup(net->nodes[at].routes, net->nodes[destination].id, &r) ||
		    r.next_hop == 0)
			return;
		next = node_of(r.next_hop);
		if (!is_passable(net, at, next))
			return;
		if (n > net->n_nodes) {
			fail(net, "loop", from, destination);
			return;
		}
		here = fd_of(net, at, destination);
		there = fd_of(net, next, destination);
		if (here.is_known && next != destination &&
		    !(there.is_known && is_closer(&there, &here)))
			fail(net, "the next hop's feasibility distance is no smaller", at,
			     destination);
		at = next;
	}
}

/* ---- calls ---- */

static void put(struct net *net, unsigned link, unsigned from_end, const struct route_action *a)
{
	struct net_link *l = &net->links[link];
	struct net_channel *c = &l->channel[1 - from_end];
	struct net_message *m;

	if (!l->is_up[from_end] || l->end_session[from_end] != l->session)
		return; /* sealed for a session that is gone */
	m = malloc(sizeof(*m) + a->len);
	if (!m)
		abort();
	m->next = NULL;
	m->type = a->record_type;
	m->len = a->len;
	memcpy(m->body, a->body, a->len);
	m->deliver_us = net->now_us + l->delay_us + rng_below(&net->rng, net->jitter_us + 1);
	m->deliver_us = max_u64(m->deliver_us, c->last_us);
	c->last_us = m->deliver_us;
	if (c->tail)
		c->tail->next = m;
	else
		c->head = m;
	c->tail = m;
	net->n_messages++;
	net->n_bytes += a->len;
	if (net->sent)
		net->sent(net, link, 1 - from_end, m->deliver_us);
}

static void send_action(struct net *net, unsigned node, const struct route_action *a)
{
	const struct net_node *n = &net->nodes[node];

	for (unsigned i = 0; i < n->n_links; i++) {
		const struct net_link *l = &net->links[n->links[i]];
		unsigned end = l->node[0] == node ? 0 : 1;

		if (net->nodes[l->node[1 - end]].id == a->neighbour)
			put(net, n->links[i], end, a);
	}
}

static void after_call(struct net *net, unsigned node)
{
	struct routes *t = net->nodes[node].routes;
	struct route_action a;

	while (routes_next_action(t, &a)) {
		if (a.type == ROUTE_SEND) {
			send_action(net, node, &a);
			continue;
		}
		net->n_changes++;
		check_walk(net, node, node_of(a.destination));
	}
	for (unsigned d = 0; d < net->n_nodes; d++)
		check_monotone(net, node, d);
	net->n_checks++;
	if (net->called)
		net->called(net, node);
}

void net_node_start(struct net *net, unsigned node)
{
	struct net_node *n = &net->nodes[node];
	struct route_config config = {
		.self = n->id,
		.epoch = ++n->epoch,
		.seed = rng_next(&net->rng),
		.zone_max = net->zone_max,
	};

	if (routes_new(&config, net->now_us, &n->routes) < 0)
		abort();
	for (unsigned d = 0; d < net->n_nodes; d++)
		net->seen[(size_t)node * net->n_nodes + d].is_known = false;
	after_call(net, node);
}

void net_node_stop(struct net *net, unsigned node)
{
	struct net_node *n = &net->nodes[node];

	routes_free(n->routes);
	n->routes = NULL;
	n->tick_us = NEVER_US;
	for (unsigned i = 0; i < n->n_links; i++) {
		struct net_link *l = &net->links[n->links[i]];

		unsigned end = l->node[0] == node ? 0 : 1;

		l->is_up[end] = false;
		l->end_session[end] = 0;
	}
}

void net_tick(struct net *net, unsigned node)
{
	if (!net->nodes[node].routes)
		return;
	routes_tick(net->nodes[node].routes, net->now_us);
	after_call(net, node);
}

bool net_deliver(struct net *net, unsigned link, unsigned to_end)
{
	struct net_link *l = &net->links[link];
	struct net_channel *c = &l->channel[to_end];
	struct net_message *m = c->head;
	struct routes *t = net->nodes[l->node[to_end]].routes;

	if (!m)
		return false;
	c->head = m->next;
	if (!c->head)
		c->tail = NULL;
	if (t && l->end_session[to_end] == l->session) {
		if (routes_input(t, net->nodes[l->node[1 - to_end]].id, m->type,
				 SPAN(m->body, m->len), net->now_us) < 0)
			fail(net, "an honest record was refused", l->node[to_end], 0);
		after_call(net, l->node[to_end]);
	}
	free(m);
	return true;
}

void net_link_renew(struct net *net, unsigned link)
{
	struct net_link *l = &net->links[link];

	l->session++;
	channel_clear(&l->channel[0]);
	channel_clear(&l->channel[1]);
}

void net_end_down(struct net *net, unsigned link, unsigned end)
{
	struct net_link *l = &net->links[link];
	struct routes *t = net->nodes[l->node[end]].routes;

	if (!l->is_up[end])
		return;
	l->is_up[end] = false;
	routes_neighbour_down(t, net->nodes[l->node[1 - end]].id, net->now_us);
	after_call(net, l->node[end]);
}

void net_end_up(struct net *net, unsigned link, unsigned end)
{
	struct net_link *l = &net->links[link];
	struct routes *t = net->nodes[l->node[end]].routes;

	if (!t || (l->is_up[end] && l->end_session[end] == l->session))
		return;
	net_end_down(net, link, end);
	l->is_up[end] = true;
	l->end_session[end] = l->session;
	if (routes_neighbour_up(t, net->nodes[l->node[1 - end]].id, l->cost[end], net->now_us) < 0)
		fail(net, "no room for a neighbour", l->node[end], 0);
	after_call(net, l->node[end]);
}

void net_end_cost(struct net *net, unsigned link, unsigned end, uint32_t cost)
{
	struct net_link *l = &net->links[link];
	struct routes *t = net->nodes[l->node[end]].routes;

	l->cost[end] = cost;
	if (!t || !l->is_up[end])
		return;
	routes_neighbour_metric(t, net->nodes[l->node[1 - end]].id, cost, net->now_us);
	after_call(net, l->node[end]);
}

void net_set_zone(struct net *net, size_t zone_max)
{
	net->zone_max = zone_max;
	for (unsigned i = 0; i < net->n_nodes; i++) {
		if (!net->nodes[i].routes)
			continue;
		routes_set_zone(net->nodes[i].routes, zone_max, net->now_us);
		after_call(net, i);
	}
}

void net_ask(struct net *net, unsigned link, unsigned end, unsigned destination)
{
	const struct net_link *l = &net->links[link];
	struct route_wanted wanted = { 0 };

	if (!net->nodes[l->node[end]].routes)
		return;
	(void)routes_asked(net->nodes[l->node[end]].routes, net->nodes[l->node[1 - end]].id,
			   net->nodes[destination].id, &wanted, net->now_us);
	after_call(net, l->node[end]);
}

void net_subscribe(struct net *net, unsigned link, unsigned end, unsigned destination)
{
	const struct net_link *l = &net->links[link];

	if (!net->nodes[l->node[end]].routes)
		return;
	(void)routes_subscribe(net->nodes[l->node[end]].routes, net->nodes[l->node[1 - end]].id,
			       net->nodes[l->node[1 - end]].id, net->nodes[destination].id,
			       net->now_us);
	after_call(net, l->node[end]);
}

void net_link_rekey(struct net *net, unsigned link)
{
	struct net_link *l = &net->links[link];

	if (!l->is_up[0] || !l->is_up[1] || l->end_session[0] != l->session ||
	    l->end_session[1] != l->session)
		return;
	net_link_renew(net, link);
	for (unsigned end = 0; end < 2; end++) {
		l->end_session[end] = l->session;
		routes_neighbour_resync(net->nodes[l->node[end]].routes,
					net->nodes[l->node[1 - end]].id, net->now_us);
	}
	after_call(net, l->node[0]);
	after_call(net, l->node[1]);
}

/* ---- what it should come to ---- */

static bool is_usable(const struct net *net, const struct net_link *l)
{
	return !l->is_cut && net->nodes[l->node[0]].routes && net->nodes[l->node[1]].routes;
}

/* Distances of all nodes to the destination (Bellman, Ford). */
static void distances(const struct net *net, unsigned destination, uint64_t *ret)
{
	bool has_changed = true;

	for (unsigned i = 0; i < net->n_nodes; i++)
		ret[i] = NET_METRIC_UNREACHABLE;
	ret[destination] = 0;
	while (has_changed) {
		has_changed = false;
		for (unsigned i = 0; i < 2 * net->n_links; i++) {
			const struct net_link *l = &net->links[i / 2];
			unsigned a = l->node[i % 2];
			unsigned b = l->node[1 - i % 2];

			if (!is_usable(net, l) || ret[b] == NET_METRIC_UNREACHABLE ||
			    ret[b] + l->cost[i % 2] >= ret[a])
				continue;
			ret[a] = ret[b] + l->cost[i % 2];
			has_changed = true;
		}
	}
}

static bool pair_is_right(const struct net *net, unsigned a, unsigned d, uint64_t expected,
			  bool any_route_will_do)
{
	struct route r;
	bool is_routed = routes_lookup(net->nodes[a].routes, net->nodes[d].id, &r) && r.next_hop;

	if (expected == NET_METRIC_UNREACHABLE)
		return any_route_will_do || !is_routed;
	return is_routed && (any_route_will_do || r.metric == expected);
}

static unsigned count_wrong(struct net *net, bool any_route_will_do, unsigned stop_at,
			    char *ret_why, size_t size)
{
	uint64_t *expected = malloc(net->n_nodes * sizeof(*expected));
	unsigned n = 0;

	if (!expected)
		abort();
	for (unsigned d = 0; d < net->n_nodes && n < stop_at; d++) {
		if (!net->nodes[d].routes)
			continue;
		distances(net, d, expected);
		for (unsigned a = 0; a < net->n_nodes && n < stop_at; a++) {
			if (!net->nodes[a].routes ||
			    pair_is_right(net, a, d, expected[a], any_route_will_do))
				continue;
			if (n++ == 0 && ret_why)
				(void)snprintf(ret_why, size, "%u to %u should cost %lld", a, d,
					       (long long)expected[a]);
		}
	}
	free(expected);
	return n;
}

bool net_is_converged(struct net *net, char *ret_why, size_t size)
{
	return count_wrong(net, false, 1, ret_why, size) == 0;
}

unsigned net_count_unrouted(struct net *net)
{
	return count_wrong(net, true, UINT32_MAX, NULL, 0);
}

uint64_t net_digest_mismatches(const struct net *net)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < net->n_nodes; i++) {
		struct route_counters c;

		if (!net->nodes[i].routes)
			continue;
		routes_counters(net->nodes[i].routes, &c);
		n += c.digest_mismatches;
	}
	return n;
}
