/* SPDX-License-Identifier: Apache-2.0 */
/* Back from the symptom, and the order of what is found. */
#include "core/healing/causes.h"

#include <errno.h>
#include <math.h>

#define LATER_FACTOR 0.5       /* what began after the symptom explains it half as well */
#define LATER_US 2000000       /* by so much more than the two are measured apart */
#define EXPLAINED_MIN 0.05     /* less is noise */
#define UNEXPLAINED_WEIGHT 0.1 /* there is always something nobody has looked at */

int graph_vertex(struct healing_graph *g, const struct healing_vertex *v)
{
	for (size_t i = 0; i < g->n_vertices; i++) {
		const struct healing_vertex *o = &g->vertices[i];

		if (o->kind == v->kind && o->a == v->a && o->b == v->b)
			return (int)i;
	}
	if (g->n_vertices == HEALING_VERTICES_MAX)
		return -ENOBUFS;
	g->vertices[g->n_vertices] = *v;
	return (int)g->n_vertices++;
}

int graph_edge(struct healing_graph *g, int from, int to, double weight)
{
	if (from < 0 || to < 0 || (size_t)from >= g->n_vertices || (size_t)to >= g->n_vertices ||
	    !(weight > 0 && weight <= 1))
		return -EINVAL;
	if (g->n_edges == HEALING_EDGES_MAX)
		return -ENOBUFS;
	g->edges[g->n_edges++] = (struct healing_edge){ (uint8_t)from, (uint8_t)to, weight };
	return 0;
}

static bool is_known(const struct healing_vertex *v)
{
	return isfinite(v->deviation) && v->deviation >= 0;
}

static double explains(const struct healing_vertex *symptom, const struct healing_vertex *v,
		       double weight)
{
	double share = v->deviation / symptom->deviation;

	if (share > 1)
		share = 1;
	if (v->since_us && symptom->since_us && v->since_us > symptom->since_us + LATER_US)
		share *= LATER_FACTOR;
	return share * weight;
}

static void insert(struct healing_ranking *r, const struct healing_cause *c)
{
	size_t at = r->n;

	while (at > 0 && (r->causes[at - 1].explained < c->explained))
		at--;
	if (at == HEALING_CAUSES_MAX)
		return;
	if (r->n < HEALING_CAUSES_MAX)
		r->n++;
	for (size_t i = r->n - 1; i > at; i--)
		r->causes[i] = r->causes[i - 1];
	r->causes[at] = *c;
}

/* The strongest way back to each vertex, by relaxing all edges once for each hop. */
static void walk_back(const struct healing_graph *g, double weights[HEALING_VERTICES_MAX],
		      unsigned hops[HEALING_VERTICES_MAX])
{
	for (size_t i = 0; i < HEALING_VERTICES_MAX; i++) {
		weights[i] = i == 0 ? 1 : 0;
		hops[i] = 0;
	}
	for (unsigned hop = 1; hop <= HEALING_HOPS_MAX; hop++) {
		double next[HEALING_VERTICES_MAX] = { 0 };

		for (size_t i = 0; i < g->n_edges; i++) {
			const struct healing_edge *e = &g->edges[i];
			double w = weights[e->from] * e->weight;

			if (hops[e->from] + 1 == hop && w > weights[e->to] && w > next[e->to])
				next[e->to] = w;
		}
		for (size_t i = 1; i < g->n_vertices; i++) {
			if (next[i] > 0) {
				weights[i] = next[i];
				hops[i] = hop;
			}
		}
	}
}

void healing_rank(const struct healing_graph *g, struct healing_ranking *ret)
{
	double weights[HEALING_VERTICES_MAX];
	unsigned hops[HEALING_VERTICES_MAX];
	struct healing_ranking r = { 0 };
	double sum = UNEXPLAINED_WEIGHT;

	*ret = r;
	if (g->n_vertices == 0 || !is_known(&g->vertices[0]) || g->vertices[0].deviation <= 0)
		return;
	walk_back(g, weights, hops);
	for (size_t i = 1; i < g->n_vertices; i++) {
		struct healing_cause c = { .vertex = g->vertices[i], .n_hops = hops[i] };

		if (hops[i] == 0)
			continue;
		if (!is_known(&c.vertex)) {
			r.n_unknown++;
			continue;
		}
		c.explained = explains(&g->vertices[0], &c.vertex, weights[i]);
		if (c.explained >= EXPLAINED_MIN)
			insert(&r, &c);
	}
	for (size_t i = 0; i < r.n; i++)
		sum += r.causes[i].explained;
	for (size_t i = 0; i < r.n; i++)
		r.causes[i].confidence = r.causes[i].explained / sum;
	*ret = r;
}

const char *healing_vertex_kind_name(enum healing_vertex_kind k)
{
	switch (k) {
	case VERTEX_ROUTE:
		return "route";
	case VERTEX_LINK:
		return "link";
	case VERTEX_NODE:
		return "node";
	case VERTEX_HOST:
		return "host";
	case VERTEX_BEHIND:
		return "behind";
	}
	return "unknown";
}
