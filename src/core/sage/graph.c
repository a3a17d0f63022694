/* SPDX-License-Identifier: Apache-2.0 */
/* A graph from its edges. */
#include <errno.h>
#include <stdlib.h>

#include "core/sage/sage.h"

void sage_graph_free(struct sage_graph *g)
{
	if (!g)
		return;
	free(g->begin);
	free(g->to);
	free(g);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool are_edges(size_t n_nodes, const uint32_t (*edges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (edges[i][0] >= n_nodes || edges[i][1] >= n_nodes || edges[i][0] == edges[i][1])
			return false;
	return true;
}

/* begin[i + 2] counts the edges of i first, so that begin[i + 1] can move as they are filled in. */
static void fill(struct sage_graph *g, const uint32_t (*edges)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (int end = 0; end < 2; end++)
			g->begin[edges[i][end] + 2]++;
	for (size_t i = 2; i <= g->n_nodes; i++)
		g->begin[i] += g->begin[i - 1];
	for (size_t i = 0; i < n; i++)
		for (int end = 0; end < 2; end++)
			g->to[g->begin[edges[i][end] + 1]++] = edges[i][!end];
}

static int sort(struct sage_graph *g)
{
	for (size_t i = 0; i < g->n_nodes; i++) {
		uint32_t *row = g->to + g->begin[i];
		size_t degree = g->begin[i + 1] - g->begin[i];

		qsort(row, degree, sizeof(row[0]), compare);
		for (size_t e = 1; e < degree; e++)
			if (row[e] == row[e - 1])
				return -EINVAL;
		if (degree > g->degree_max)
			g->degree_max = degree;
	}
	return 0;
}

int sage_graph_new(size_t n_nodes, const uint32_t (*edges)[2], size_t n_edges,
		   struct sage_graph **ret)
{
	CLEANUP(sage_graph_freep) struct sage_graph *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	if (n_nodes > SAGE_NODES_MAX || n_edges > SAGE_EDGES_MAX)
		return -ENOBUFS;
	if (!are_edges(n_nodes, edges, n_edges))
		return -EINVAL;
	g->n_nodes = n_nodes;
	g->begin = calloc(n_nodes + 2, sizeof(g->begin[0]));
	g->to = calloc(2 * n_edges + 1, sizeof(g->to[0]));
	if (!g->begin || !g->to)
		return -ENOMEM;
	fill(g, edges, n_edges);
	r = sort(g);
	if (r < 0)
		return r;
	*ret = TAKE(g);
	return 0;
}
