/* SPDX-License-Identifier: Apache-2.0 */
/* Each node is split in two, with a link of no cost between the halves, so that ways which share no
 * link share no node. Each round finds the shortest way where links already used lead backwards at
 * minus their cost; what is used both ways cancels out. */
#include "core/multipath/disjoint.h"

#define HALVES_MAX (2 * GRAPH_NODES_MAX)
#define FAR INT64_MAX
#define NOWHERE (-1)

int graph_find(const struct graph *g, uint64_t id)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->nodes[i].id == id)
			return (int)i;
	return -1;
}

int graph_node(struct graph *g, uint64_t id)
{
	int at = graph_find(g, id);

	if (at >= 0)
		return at;
	if (g->n == GRAPH_NODES_MAX)
		return -1;
	g->nodes[g->n] = (struct graph_node){ .id = id };
	return (int)g->n++;
}

bool graph_link(struct graph *g, uint64_t from, uint64_t to, uint32_t cost)
{
	int a = graph_node(g, from);
	int b = graph_node(g, to);
	struct graph_node *node;

	if (a < 0 || b < 0)
		return false;
	if (a == b)
		return true; /* leads nowhere */
	node = &g->nodes[a];
	for (size_t i = 0; i < node->n_links; i++) {
		if (node->links[i].to != b)
			continue;
		if (cost < node->links[i].cost)
			node->links[i].cost = cost ? cost : 1;
		return true;
	}
	if (node->n_links == GRAPH_DEGREE_MAX)
		return false;
	node->links[node->n_links++] =
		(struct graph_link){ .to = (uint8_t)b, .cost = cost ? cost : 1 };
	return true;
}

/* What is used so far. As ways share no node but the ends, an inner node has one that its way goes
 * on to. */
struct rounds {
	const struct graph *g;
	int from, to;
	int next[GRAPH_NODES_MAX];	/* of inner nodes */
	bool is_first[GRAPH_NODES_MAX]; /* a way begins with the link from `from` to this node */
	bool is_direct;			/* the link from end to end is a way */
	int64_t distance[HALVES_MAX];
	int came[HALVES_MAX]; /* half by which the shortest way comes */
};

static int in_half(int node)
{
	return 2 * node;
}

static int out_half(int node)
{
	return 2 * node + 1;
}

static bool is_used(const struct rounds *r, int a, int b)
{
	if (a == r->from && b == r->to)
		return r->is_direct;
	if (a == r->from)
		return r->is_first[b];
	return r->next[a] == b;
}

static bool is_taken(const struct rounds *r, int node)
{
	return node != r->from && node != r->to && r->next[node] != NOWHERE;
}

static bool relax(struct rounds *r, int from_half, int to_half, int64_t cost)
{
	if (r->distance[from_half] == FAR || r->distance[from_half] + cost >= r->distance[to_half])
		return false;
	r->distance[to_half] = r->distance[from_half] + cost;
	r->came[to_half] = from_half;
	return true;
}

/* All links out of one node, as they are in this round. */
static bool relax_node(struct rounds *r, int a)
{
	const struct graph_node *node = &r->g->nodes[a];
	bool has_changed = false;

	/* through the node, or back through it where a way goes */
	if (is_taken(r, a))
		has_changed |= relax(r, out_half(a), in_half(a), 0);
	else
		has_changed |= relax(r, in_half(a), out_half(a), 0);
	for (size_t i = 0; i < node->n_links; i++) {
		int b = node->links[i].to;
		int64_t cost = node->links[i].cost;

		if (b == r->from || a == r->to)
			continue; /* a shortest way does not come back to its ends */
		if (is_used(r, a, b))
			has_changed |= relax(r, in_half(b), out_half(a), -cost);
		else
			has_changed |= relax(r, out_half(a), in_half(b), cost);
	}
	return has_changed;
}

/* Bellman and Ford: costs may be negative, and no circle's sum is. */
static bool find_way(struct rounds *r)
{
	for (size_t i = 0; i < 2 * r->g->n; i++) {
		r->distance[i] = FAR;
		r->came[i] = NOWHERE;
	}
	r->distance[out_half(r->from)] = 0;
	for (size_t round = 0; round < 2 * r->g->n; round++) {
		bool has_changed = false;

		for (size_t a = 0; a < r->g->n; a++)
			has_changed |= relax_node(r, (int)a);
		if (!has_changed)
			break;
	}
	return r->distance[in_half(r->to)] != FAR;
}

static void use(struct rounds *r, int a, int b)
{
	if (a == r->from && b == r->to)
		r->is_direct = true;
	else if (a == r->from)
		r->is_first[b] = true;
	else
		r->next[a] = b;
}

static void give_back(struct rounds *r, int a, int b)
{
	if (a == r->from)
		r->is_first[b] = false;
	else if (r->next[a] == b)
		r->next[a] = NOWHERE;
}

/* First what the new way goes back over is given back, then what it uses is used: a node may be
 * left by one way and entered by the other. */
static void take_way(struct rounds *r)
{
	for (int half = in_half(r->to); r->came[half] != NOWHERE; half = r->came[half]) {
		int came = r->came[half];

		if (half % 2 == 1 && came % 2 == 0 && half / 2 != came / 2)
			give_back(r, half / 2, came / 2);
	}
	for (int half = in_half(r->to); r->came[half] != NOWHERE; half = r->came[half]) {
		int came = r->came[half];

		if (half % 2 == 0 && came % 2 == 1 && half / 2 != came / 2)
			use(r, came / 2, half / 2);
	}
}

static uint32_t cost_of(const struct graph *g, int a, int b)
{
	for (size_t i = 0; i < g->nodes[a].n_links; i++)
		if (g->nodes[a].links[i].to == b)
			return g->nodes[a].links[i].cost;
	return 0;
}

/* False: too long. */
static bool follow(const struct rounds *r, int first, struct path *ret)
{
	int before = r->from;

	*ret = (struct path){ .n = 1, .nodes = { r->g->nodes[r->from].id } };
	for (int at = first;; at = r->next[at]) {
		if (ret->n == PATH_NODES_MAX)
			return false;
		ret->nodes[ret->n++] = r->g->nodes[at].id;
		ret->cost += cost_of(r->g, before, at);
		if (at == r->to)
			return true;
		before = at;
	}
}

/* Of equal ones the earlier stays first. */
static void sort(struct path *paths, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t k = i; k > 0 && paths[k].cost < paths[k - 1].cost; k--) {
			struct path p = paths[k];

			paths[k] = paths[k - 1];
			paths[k - 1] = p;
		}
	}
}

size_t disjoint_paths(const struct graph *g, uint64_t from, uint64_t to, size_t n_wanted,
		      struct path ret[PATHS_MAX])
{
	struct rounds r = { .g = g, .from = graph_find(g, from), .to = graph_find(g, to) };
	size_t n = 0;

	if (r.from < 0 || r.to < 0 || r.from == r.to)
		return 0;
	for (size_t i = 0; i < GRAPH_NODES_MAX; i++)
		r.next[i] = NOWHERE;
	for (size_t i = 0; i < n_wanted && i < PATHS_MAX && find_way(&r); i++)
		take_way(&r);
	if (r.is_direct)
		n += follow(&r, r.to, &ret[n]);
	for (size_t i = 0; i < g->n && n < PATHS_MAX; i++)
		if (r.is_first[i])
			n += follow(&r, (int)i, &ret[n]);
	sort(ret, n);
	return n;
}
