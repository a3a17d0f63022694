/* SPDX-License-Identifier: Apache-2.0 */
/* Routing alone, in virtual time: grids, rings, random geometric graphs and published
 * topologies, with cut links, stalled links, changing costs, restarted nodes, partitions and
 * merges, all from one seed. The invariants of route_net.c are checked after every call; after
 * the faults end every pair is routed along a shortest path and the digests agree.
 *
 * route_sim [--seeds N] [--first SEED] [--nodes N] [--topology FILE] */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "route_net.h"

#define DETECT_US MS(40) /* a dead link is noticed after this, up to twice that */
#define SETTLE_MAX_US SECONDS(30)
#define SAMPLE_US MS(20)
#define REACH_SAMPLE_US MS(5)
#define N_FAULTS 25
#define N_CUTS 8
#define SEEDS 3
#define NODES_MAX 2000

/* ---- events ---- */

enum event_type {
	EVENT_TICK,    /* node */
	EVENT_DELIVER, /* link, end */
	EVENT_DOWN,
	EVENT_UP,
	EVENT_HEAL,
	EVENT_START, /* node */
};

struct event {
	uint64_t at_us;
	uint64_t order; /* of two at the same time the one scheduled first */
	enum event_type type;
	unsigned what;
	unsigned end;
	uint64_t cuts; /* of the link when it was scheduled */
};

struct sim {
	struct net *net;
	struct event *heap;
	size_t n, size;
	uint64_t order;
};

static bool is_earlier(const struct event *a, const struct event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void swap(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

static void schedule(struct sim *s, uint64_t at_us, enum event_type type, unsigned what,
		     unsigned end)
{
	size_t i = s->n++;

	if (s->n > s->size) {
		s->size = s->size ? 2 * s->size : 1024;
		s->heap = realloc(s->heap, s->size * sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	s->heap[i] = (struct event){ at_us, s->order++, type, what, end, 0 };
	if (type == EVENT_DOWN || type == EVENT_UP || type == EVENT_HEAL)
		s->heap[i].cuts = s->net->links[what].cuts;
	for (; i > 0 && is_earlier(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static struct event take_event(struct sim *s)
{
	struct event first = s->heap[0];

	s->heap[0] = s->heap[--s->n];
	for (size_t i = 0;;) {
		size_t least = i;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < s->n; c++) {
			if (is_earlier(&s->heap[c], &s->heap[least]))
				least = c;
		}
		if (least == i)
			return first;
		swap(&s->heap[i], &s->heap[least]);
		i = least;
	}
}

static void on_sent(struct net *net, unsigned link, unsigned to_end, uint64_t deliver_us)
{
	schedule(net->arg, deliver_us, EVENT_DELIVER, link, to_end);
}

static void on_called(struct net *net, unsigned node)
{
	uint64_t due_us = max_u64(routes_deadline_us(net->nodes[node].routes), net->now_us + 1);

	if (due_us >= net->nodes[node].tick_us)
		return;
	net->nodes[node].tick_us = due_us;
	schedule(net->arg, due_us, EVENT_TICK, node, 0);
}

/* ---- faults ---- */

static void come_up(struct sim *s, unsigned link)
{
	net_link_renew(s->net, link);
	s->net->links[link].cuts++; /* what was noticed of the session before does not matter */
	for (unsigned end = 0; end < 2; end++)
		schedule(s, s->net->now_us + MS(1) + rng_below(&s->net->rng, MS(20)), EVENT_UP,
			 link, end);
}

static void cut(struct sim *s, unsigned link)
{
	struct net *net = s->net;

	net->links[link].is_cut = true;
	net->links[link].cuts++;
	for (unsigned end = 0; end < 2; end++)
		schedule(s, net->now_us + DETECT_US + rng_below(&net->rng, DETECT_US), EVENT_DOWN,
			 link, end);
}

static void deliver_waiting(struct sim *s, unsigned link, unsigned end)
{
	for (struct net_message *m = s->net->links[link].channel[end].head; m; m = m->next)
		schedule(s, max_u64(m->deliver_us, s->net->now_us), EVENT_DELIVER, link, end);
}

/* A record waits for a cut to heal, and for its receiver to have the session. */
static void deliver(struct sim *s, unsigned link, unsigned end)
{
	const struct net_link *l = &s->net->links[link];

	if (!l->is_cut && l->end_session[end] == l->session && l->channel[end].head &&
	    l->channel[end].head->deliver_us <= s->net->now_us)
		(void)net_deliver(s->net, link, end);
}

/* What neither end noticed was only a delay. */
static void heal(struct sim *s, unsigned link)
{
	struct net_link *l = &s->net->links[link];

	if (!l->is_cut)
		return;
	l->is_cut = false;
	l->cuts++;
	if (!l->is_up[0] || !l->is_up[1]) {
		come_up(s, link);
		return;
	}
	deliver_waiting(s, link, 0);
	deliver_waiting(s, link, 1);
}

static void stop(struct sim *s, unsigned node)
{
	struct net_node *n = &s->net->nodes[node];

	if (!n->routes)
		return;
	net_node_stop(s->net, node);
	for (unsigned i = 0; i < n->n_links; i++) {
		struct net_link *l = &s->net->links[n->links[i]];

		net_link_renew(s->net, n->links[i]);
		l->cuts++;
		schedule(s, s->net->now_us + DETECT_US + rng_below(&s->net->rng, DETECT_US),
			 EVENT_DOWN, n->links[i], l->node[0] == node ? 1 : 0);
	}
}

static void start(struct sim *s, unsigned node)
{
	struct net_node *n = &s->net->nodes[node];

	if (n->routes)
		return;
	net_node_start(s->net, node);
	for (unsigned i = 0; i < n->n_links; i++) {
		const struct net_link *l = &s->net->links[n->links[i]];

		if (!l->is_cut && s->net->nodes[l->node[0]].routes &&
		    s->net->nodes[l->node[1]].routes)
			come_up(s, n->links[i]);
	}
}

static void handle(struct sim *s, const struct event *e)
{
	struct net *net = s->net;

	switch (e->type) {
	case EVENT_TICK:
		if (net->nodes[e->what].tick_us != e->at_us)
			return; /* an earlier one took its place */
		net->nodes[e->what].tick_us = NEVER_US;
		net_tick(net, e->what);
		break;
	case EVENT_DELIVER:
		deliver(s, e->what, e->end);
		break;
	case EVENT_DOWN:
		if (net->links[e->what].cuts == e->cuts)
			net_end_down(net, e->what, e->end);
		break;
	case EVENT_UP:
		if (net->links[e->what].cuts != e->cuts)
			return;
		net_end_up(net, e->what, e->end);
		deliver_waiting(s, e->what, e->end);
		break;
	case EVENT_HEAL:
		if (net->links[e->what].cuts == e->cuts)
			heal(s, e->what);
		break;
	case EVENT_START:
		start(s, e->what);
		break;
	}
}

static void run(struct sim *s, uint64_t until_us)
{
	while (s->n && s->heap[0].at_us <= until_us && !s->net->failure[0]) {
		struct event e = take_event(s);

		s->net->now_us = e.at_us;
		handle(s, &e);
	}
	s->net->now_us = until_us;
}

static bool is_in_half(const struct net *net, unsigned node, unsigned pivot)
{
	return (node + pivot) % net->n_nodes < net->n_nodes / 2;
}

/* Half of the nodes, by number, against the other half. */
static void partition(struct sim *s, uint64_t for_us)
{
	struct net *net = s->net;
	unsigned pivot = (unsigned)rng_below(&net->rng, net->n_nodes);

	for (unsigned i = 0; i < net->n_links; i++) {
		struct net_link *l = &net->links[i];
		bool is_across =
			is_in_half(net, l->node[0], pivot) != is_in_half(net, l->node[1], pivot);

		if (!is_across || l->is_cut)
			continue;
		cut(s, i);
		schedule(s, net->now_us + for_us, EVENT_HEAL, i, 0);
	}
}

static void fault(struct sim *s)
{
	struct net *net = s->net;
	unsigned link = (unsigned)rng_below(&net->rng, net->n_links);
	unsigned node = (unsigned)rng_below(&net->rng, net->n_nodes);
	uint64_t what = rng_below(&net->rng, 100);

	if (what < 30) {
		cut(s, link);
		schedule(s, net->now_us + MS(10) + rng_below(&net->rng, SECONDS(3)), EVENT_HEAL,
			 link, 0);
	} else if (what < 70) {
		uint32_t cost = net->links[link].cost[0];

		net_end_cost(net, link, (unsigned)rng_below(&net->rng, 2),
			     1 + cost / 2 + (uint32_t)rng_below(&net->rng, 2 * cost));
	} else if (what < 80) {
		net_link_rekey(net, link);
	} else if (what < 95) {
		stop(s, node);
		schedule(s, net->now_us + MS(1) + rng_below(&net->rng, SECONDS(2)), EVENT_START,
			 node, 0);
	} else {
		partition(s, MS(500) + rng_below(&net->rng, SECONDS(5)));
	}
}

static void repair_all(struct sim *s)
{
	for (unsigned i = 0; i < s->net->n_nodes; i++)
		start(s, i);
	for (unsigned i = 0; i < s->net->n_links; i++)
		heal(s, i);
}

/* ---- measured ---- */

/* Time until every connected pair has a route at all. */
static uint64_t reach(struct sim *s)
{
	uint64_t start_us = s->net->now_us;

	while (s->net->now_us - start_us < SETTLE_MAX_US && !s->net->failure[0] &&
	       net_count_unrouted(s->net))
		run(s, s->net->now_us + REACH_SAMPLE_US);
	return s->net->now_us - start_us;
}

/* Time until every pair is right; NEVER_US if that takes too long. */
static uint64_t converge(struct sim *s)
{
	uint64_t start_us = s->net->now_us;
	char why[128];

	while (s->net->now_us - start_us < SETTLE_MAX_US && !s->net->failure[0]) {
		if (net_is_converged(s->net, why, sizeof(why)))
			return s->net->now_us - start_us;
		run(s, s->net->now_us + SAMPLE_US);
	}
	if (!s->net->failure[0])
		(void)snprintf(s->net->failure, sizeof(s->net->failure), "not converged: %s", why);
	return NEVER_US;
}

static void check_digests(struct sim *s)
{
	uint64_t before;

	run(s, s->net->now_us + SECONDS(2));
	before = net_digest_mismatches(s->net);
	run(s, s->net->now_us + SECONDS(2));
	if (!s->net->failure[0] && net_digest_mismatches(s->net) != before)
		(void)snprintf(s->net->failure, sizeof(s->net->failure),
			       "digests differ at the end");
}

struct result {
	uint64_t cold_us;
	uint64_t
		cut_us[N_CUTS]; /* from the cut of one link to shortest paths, detection included */
	uint64_t reach_us[N_CUTS]; /* to any route for all connected pairs, from the last detection
				    */
	unsigned n_cuts;
	uint64_t mixed_us; /* after mixed faults end */
	uint64_t rest_bytes_per_node_s;
};

static void one_by_one(struct sim *s, struct result *ret)
{
	for (unsigned i = 0; i < N_CUTS && !s->net->failure[0]; i++) {
		unsigned link = (unsigned)rng_below(&s->net->rng, s->net->n_links);

		cut(s, link);
		run(s, s->net->now_us + 2 * DETECT_US);
		ret->reach_us[i] = reach(s);
		ret->cut_us[i] = ret->reach_us[i] + converge(s) + 2 * DETECT_US;
		ret->n_cuts++;
		heal(s, link);
		run(s, s->net->now_us + MS(50));
		(void)converge(s);
	}
}

static void mixed(struct sim *s, struct result *ret)
{
	for (unsigned i = 0; i < N_FAULTS && !s->net->failure[0]; i++) {
		fault(s);
		run(s, s->net->now_us + rng_below(&s->net->rng, MS(400)));
	}
	repair_all(s);
	run(s, s->net->now_us + MS(100)); /* all ends know */
	ret->mixed_us = converge(s);
}

static bool simulate(const char *name, struct net *net, uint64_t seed, struct result *ret)
{
	struct sim s = { .net = net };
	uint64_t bytes;

	*ret = (struct result){ 0 };
	net->sent = on_sent;
	net->called = on_called;
	net->arg = &s;
	net->jitter_us = MS(2);
	for (unsigned i = 0; i < net->n_nodes; i++)
		schedule(&s, net->now_us + rng_below(&net->rng, MS(100)), EVENT_START, i, 0);
	run(&s, net->now_us + MS(120));
	ret->cold_us = converge(&s);
	run(&s, net->now_us + SECONDS(2));
	bytes = net->n_bytes;
	run(&s, net->now_us + SECONDS(5));
	ret->rest_bytes_per_node_s = (net->n_bytes - bytes) / 5 / net->n_nodes;
	one_by_one(&s, ret);
	mixed(&s, ret);
	check_digests(&s);
	free(s.heap);
	if (net->failure[0])
		(void)printf("%s, seed %llu: %s\n", name, (unsigned long long)seed, net->failure);
	return !net->failure[0];
}

/* ---- graphs ---- */

static struct net *new_net(unsigned n, uint64_t seed)
{
	struct net *net;

	if (net_new(n, seed, &net) < 0)
		abort();
	return net;
}

static uint32_t random_cost(struct net *net)
{
	return 50 + (uint32_t)rng_below(&net->rng, 1000);
}

static void join(struct net *net, unsigned a, unsigned b)
{
	(void)net_add_link(net, a, b, random_cost(net), MS(1) + rng_below(&net->rng, MS(10)));
}

static struct net *ring(unsigned n, uint64_t seed)
{
	struct net *net = new_net(n, seed);

	for (unsigned i = 0; i < n; i++)
		join(net, i, (i + 1) % n);
	return net;
}

static struct net *grid(unsigned side, uint64_t seed)
{
	struct net *net = new_net(side * side, seed);

	for (unsigned i = 0; i < side * side; i++) {
		if (i % side + 1 < side)
			join(net, i, i + 1);
		if (i + side < side * side)
			join(net, i, i + side);
	}
	return net;
}

/* Points of the unit square, each joined to what is near and to the nearest point before it,
 * so that the graph is connected. */
static struct net *geometric(unsigned n, uint64_t seed)
{
	struct net *net = new_net(n, seed);
	int64_t x[NODES_MAX], y[NODES_MAX];
	int64_t radius2 = INT64_C(1000000) * 2 / n; /* about six neighbours each */

	for (unsigned i = 0; i < n; i++) {
		int64_t nearest2 = INT64_MAX;
		unsigned nearest = 0;

		x[i] = (int64_t)rng_below(&net->rng, 1000);
		y[i] = (int64_t)rng_below(&net->rng, 1000);
		for (unsigned k = 0; k < i; k++) {
			int64_t d2 = (x[i] - x[k]) * (x[i] - x[k]) + (y[i] - y[k]) * (y[i] - y[k]);

			if (d2 < nearest2) {
				nearest2 = d2;
				nearest = k;
			}
			if (d2 < radius2)
				join(net, i, k);
		}
		if (i && nearest2 >= radius2)
			join(net, i, nearest);
	}
	return net;
}

static void add_json_link(struct net *net, const json_t *link)
{
	unsigned a = (unsigned)json_integer_value(json_object_get(link, "source"));
	unsigned b = (unsigned)json_integer_value(json_object_get(link, "target"));
	double delay_ms = json_number_value(json_object_get(link, "delay_ms"));
	uint64_t delay_us = delay_ms > 0 ? (uint64_t)(delay_ms * 1000) : MS(1);

	if (a >= net->n_nodes || b >= net->n_nodes || a == b)
		return;
	(void)net_add_link(net, a, b, (uint32_t)(10 + delay_us / 10), delay_us);
}

/* Nodes and links as meshnet-lab writes them; NULL if there is no such file. */
static struct net *from_file(const char *path, uint64_t seed)
{
	json_error_t error;
	json_t *root = json_load_file(path, 0, &error);
	json_t *links = json_object_get(root, "links");
	struct net *net;

	if (!root)
		return NULL;
	net = new_net((unsigned)json_array_size(json_object_get(root, "nodes")), seed);
	for (size_t i = 0; i < json_array_size(links); i++)
		add_json_link(net, json_array_get(links, i));
	json_decref(root);
	return net;
}

/* ---- main ---- */

static uint64_t longest(const uint64_t *us, unsigned n)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < n; i++)
		most = max_u64(most, us[i]);
	return most;
}

static bool report(const char *name, struct net *net, uint64_t seed)
{
	struct result r;
	bool is_right = simulate(name, net, seed, &r);

	if (is_right)
		(void)printf("%-22s seed %-4llu %4u nodes %4u links: cold %4llu ms, cut: routed <= "
			     "%llu, "
			     "shortest <= %llu ms, "
			     "mixed %4llu ms, rest %llu B/s a node, %llu checks\n",
			     name, (unsigned long long)seed, net->n_nodes, net->n_links,
			     (unsigned long long)(r.cold_us / 1000),
			     (unsigned long long)(longest(r.reach_us, r.n_cuts) / 1000),
			     (unsigned long long)(longest(r.cut_us, r.n_cuts) / 1000),
			     (unsigned long long)(r.mixed_us / 1000),
			     (unsigned long long)r.rest_bytes_per_node_s,
			     (unsigned long long)net->n_checks);
	net_free(net);
	return is_right;
}

static bool report_file(const char *path, uint64_t seed)
{
	struct net *net = from_file(path, seed);
	const char *name = strrchr(path, '/');

	if (!net) {
		(void)printf("SKIPPED %s: not there or not readable\n", path);
		return true;
	}
	return report(name ? name + 1 : path, net, seed);
}

static unsigned report_seed(uint64_t seed, unsigned n_nodes)
{
	unsigned n_wrong = 0;

	n_wrong += !report("ring", ring(12, seed), seed);
	n_wrong += !report("grid", grid(5, seed), seed);
	n_wrong += !report("geometric", geometric(n_nodes, seed), seed);
	return n_wrong;
}

static unsigned report_shared(void)
{
	static const char *const files[] = { "zoo-geant2012", "syn-geo-50" };
	const char *shared = getenv("X0_SHARED");
	unsigned n_wrong = 0;

	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		char path[4096];

		(void)snprintf(path, sizeof(path), "%s/topologies/%s.json",
			       shared ? shared : "../shared", files[i]);
		n_wrong += !report_file(path, 1);
	}
	return n_wrong;
}

int main(int argc, char **argv)
{
	uint64_t n_seeds = SEEDS;
	uint64_t first = 1;
	unsigned n_nodes = 30;
	unsigned n_wrong = 0;
	const char *topology = NULL;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seeds") == 0)
			n_seeds = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--first") == 0)
			first = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--nodes") == 0)
			n_nodes = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--topology") == 0)
			topology = argv[i + 1];
	}
	if (n_nodes < 2 || n_nodes > NODES_MAX)
		return 2;
	for (uint64_t seed = first; seed < first + n_seeds; seed++)
		n_wrong += topology ? !report_file(topology, seed) : report_seed(seed, n_nodes);
	if (!topology)
		n_wrong += report_shared();
	(void)printf("%u failed\n", n_wrong);
	return n_wrong ? 1 : 0;
}
