/* SPDX-License-Identifier: Apache-2.0 */
/* Links of other nodes: asked for, kept for a while, made into a graph. */
#include "core/multipath/view.h"

#include <errno.h>

#include "base/units.h"

#define ANSWER_HEAD_LEN 5
#define LINK_LEN 11
#define OUTSTANDING_MAX 8 /* questions without an answer yet */

int view_answer_decode(struct span body, struct view_answer *ret)
{
	struct reader r = reader_of(body);
	struct view_answer a = { .nonce = read_u32(&r), .n = read_u8(&r) };

	if (r.overrun || r.left != a.n * LINK_LEN)
		return -EBADMSG;
	if (a.n > GRAPH_DEGREE_MAX)
		return -EPROTO;
	for (size_t i = 0; i < a.n; i++) {
		a.links[i] = (struct view_link){ .id = read_u64(&r), .cost = read_u24(&r) };
		if (a.links[i].id == 0 || a.links[i].cost == 0 || a.links[i].cost > VIEW_COST_MAX)
			return -EPROTO;
		for (size_t k = 0; k < i; k++)
			if (a.links[k].id == a.links[i].id)
				return -EPROTO;
	}
	*ret = a;
	return 0;
}

size_t view_answer_encode(const struct view_answer *a, uint8_t ret[VIEW_ANSWER_MAX])
{
	struct writer w = writer_of(ret, VIEW_ANSWER_MAX);

	write_u32(&w, a->nonce);
	write_u8(&w, (uint8_t)a->n);
	for (size_t i = 0; i < a->n; i++) {
		write_u64(&w, a->links[i].id);
		write_u24(&w, a->links[i].cost);
	}
	return w.len;
}

static bool is_within(uint64_t then_us, uint64_t for_us, uint64_t now_us)
{
	return then_us != 0 && now_us < then_us + for_us;
}

static bool has_told(const struct view_node *node, uint64_t now_us)
{
	return is_within(node->told_us, VIEW_FRESH_US, now_us);
}

static bool is_silent(const struct view_node *node, uint64_t now_us)
{
	return node->n_asked >= VIEW_TRIES && is_within(node->asked_us, VIEW_SILENT_US, now_us) &&
	       now_us >= node->asked_us + VIEW_RETRY_US;
}

static bool is_awaited(const struct view_node *node, uint64_t now_us)
{
	return !has_told(node, now_us) && is_within(node->asked_us, VIEW_RETRY_US, now_us);
}

static struct view_node *find(struct view *v, uint64_t id)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->nodes[i].id == id)
			return &v->nodes[i];
	return NULL;
}

/* In place of whoever was asked longest ago, and is no longer fresh. */
static struct view_node *make(struct view *v, uint64_t id, uint64_t now_us)
{
	struct view_node *node = find(v, id);

	if (node)
		return node;
	if (v->n < VIEW_NODES_MAX) {
		node = &v->nodes[v->n++];
	} else {
		for (size_t i = 0; i < v->n; i++)
			if (!is_within(v->nodes[i].asked_us, VIEW_FRESH_US, now_us) &&
			    (!node || v->nodes[i].asked_us < node->asked_us))
				node = &v->nodes[i];
	}
	if (node)
		*node = (struct view_node){ .id = id };
	return node;
}

/* ---- the graph ---- */

static uint32_t cost_in(const struct view_link *links, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (links[i].id == id)
			return links[i].cost;
	return 0;
}

/* What the other end says of the link: its cost; 0: it knows of none; UINT32_MAX: it has not told.
 */
static uint32_t cost_back(const struct view *v, const struct view_self *self, uint64_t of,
			  uint64_t id, uint64_t now_us)
{
	if (of == self->id)
		return cost_in(self->links, self->n_links, id);
	for (size_t i = 0; i < v->n; i++)
		if (v->nodes[i].id == of && has_told(&v->nodes[i], now_us))
			return cost_in(v->nodes[i].links, v->nodes[i].n_links, id);
	return UINT32_MAX;
}

static void add_links(const struct view *v, const struct view_self *self, uint64_t id,
		      const struct view_link *links, size_t n, uint64_t now_us, struct graph *g)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t back = cost_back(v, self, links[i].id, id, now_us);
		uint32_t cost = links[i].cost;

		if (back == 0)
			continue;
		if (back != UINT32_MAX && back > cost)
			cost = back;
		(void)graph_link(g, id, links[i].id, cost);
		(void)graph_link(g, links[i].id, id, cost);
	}
}

void view_graph(const struct view *v, const struct view_self *self, uint64_t now_us,
		struct graph *ret)
{
	ret->n = 0;
	add_links(v, self, self->id, self->links, self->n_links, now_us, ret);
	for (size_t i = 0; i < v->n; i++)
		if (has_told(&v->nodes[i], now_us))
			add_links(v, self, v->nodes[i].id, v->nodes[i].links, v->nodes[i].n_links,
				  now_us, ret);
}

/* ---- whom to ask ---- */

/* Hops from either end, over what is known. */
static void measure(const struct graph *g, int from, uint8_t distance[GRAPH_NODES_MAX])
{
	uint8_t queue[GRAPH_NODES_MAX];
	size_t first = 0, last = 0;

	if (from < 0)
		return;
	distance[from] = 0;
	queue[last++] = (uint8_t)from;
	while (first < last) {
		const struct graph_node *node = &g->nodes[queue[first]];

		for (size_t i = 0; i < node->n_links; i++) {
			uint8_t to = node->links[i].to;

			if (distance[to] != UINT8_MAX)
				continue;
			distance[to] = (uint8_t)(distance[queue[first]] + 1);
			queue[last++] = to;
		}
		first++;
	}
}

/* The nearest to either end that has not told and is neither awaited nor silent; 0 for none. */
static uint64_t nearest_unknown(struct view *v, const struct graph *g, uint64_t self, uint64_t to,
				uint64_t now_us)
{
	uint8_t near_us[GRAPH_NODES_MAX], near_it[GRAPH_NODES_MAX];
	unsigned best_distance = UINT8_MAX;
	uint64_t best = 0;

	memset(near_us, UINT8_MAX, sizeof(near_us));
	memset(near_it, UINT8_MAX, sizeof(near_it));
	measure(g, graph_find(g, self), near_us);
	measure(g, graph_find(g, to), near_it);
	for (size_t i = 0; i < g->n; i++) {
		uint64_t id = g->nodes[i].id;
		unsigned distance = near_us[i] < near_it[i] ? near_us[i] : near_it[i];
		const struct view_node *node = find(v, id);

		if (id == self || distance >= best_distance)
			continue;
		if (node &&
		    (has_told(node, now_us) || is_awaited(node, now_us) || is_silent(node, now_us)))
			continue;
		best = id;
		best_distance = distance;
	}
	return best;
}

static bool may_ask(struct view *v, uint64_t now_us)
{
	size_t n_awaited = 0;

	if (now_us >= v->second_us + SECONDS(1)) {
		v->second_us = now_us;
		v->n_asks = 0;
	}
	for (size_t i = 0; i < v->n; i++)
		n_awaited += is_awaited(&v->nodes[i], now_us);
	return n_awaited < OUTSTANDING_MAX && v->n_asks < VIEW_ASKS_PER_SECOND;
}

static bool ask(struct view *v, uint64_t id, uint32_t nonce, uint64_t now_us)
{
	struct view_node *node = make(v, id, now_us);

	if (!node)
		return false;
	if (!is_within(node->asked_us, VIEW_SILENT_US, now_us))
		node->n_asked = 0; /* it was silent long ago */
	node->nonce = nonce;
	node->asked_us = now_us;
	node->n_asked++;
	v->n_asks++;
	return true;
}

/* When the first of those awaited is to be asked again. */
static uint64_t waits_until(const struct view *v, uint64_t now_us)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; i < v->n; i++)
		if (is_awaited(&v->nodes[i], now_us))
			at = min_u64(at, v->nodes[i].asked_us + VIEW_RETRY_US);
	return at;
}

enum view_step view_explore(struct view *v, const struct view_self *self, uint64_t to,
			    uint32_t nonce, uint64_t now_us, uint64_t *ret_id, uint64_t *ret_at_us)
{
	struct path paths[PATHS_MAX];
	struct graph g = { 0 };
	uint64_t id;

	view_graph(v, self, now_us, &g);
	if (disjoint_paths(&g, self->id, to, 2, paths) == 2)
		return VIEW_DONE;
	(void)graph_node(&g, to); /* it is asked first, whatever is known */
	id = nearest_unknown(v, &g, self->id, to, now_us);
	if (id && may_ask(v, now_us)) {
		if (!ask(v, id, nonce, now_us))
			return VIEW_DONE;
		*ret_id = id;
		return VIEW_ASK;
	}
	*ret_at_us = waits_until(v, now_us);
	if (*ret_at_us == NEVER_US && id)
		*ret_at_us = v->second_us + SECONDS(1);
	return *ret_at_us == NEVER_US ? VIEW_DONE : VIEW_WAIT;
}

bool view_told(struct view *v, uint64_t id, const struct view_answer *a, uint64_t now_us)
{
	struct view_node *node = find(v, id);

	if (!node || node->n_asked == 0 || node->nonce != a->nonce)
		return false;
	node->n_asked = 0;
	node->told_us = now_us;
	node->n_links = a->n;
	memcpy(node->links, a->links, a->n * sizeof(a->links[0]));
	return true;
}

void view_doubt(struct view *v, uint64_t id)
{
	struct view_node *node = find(v, id);

	if (node)
		node->told_us = node->asked_us = 0;
}
