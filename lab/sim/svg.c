/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing a topology. Where it has no places, they come from distances in hops to a few nodes far
 * from each other (pivot MDS: Brandes and Pich, 2007), and a little pushing and pulling. */
#include "sim/svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PIVOTS 24
#define POWER_ROUNDS 60
#define SPRING_ROUNDS 60
#define SPRING_NODES_MAX 4000
#define SIDE 1000.0
#define MARGIN 20.0

/* ---- distances in hops ---- */

struct graph {
	size_t n;
	uint32_t *first; /* n + 1: where a node's neighbours begin */
	uint32_t *to;
};

static void graph_done(struct graph *g)
{
	free(g->first);
	free(g->to);
}

static int graph_of(const struct topology *t, struct graph *ret)
{
	uint32_t *at = calloc(t->n_nodes + 1, sizeof(*at));

	*ret = (struct graph){ .n = t->n_nodes };
	ret->first = calloc(t->n_nodes + 2, sizeof(*ret->first));
	ret->to = calloc(2 * t->n_links + 1, sizeof(*ret->to));
	if (!at || !ret->first || !ret->to) {
		free(at);
		return -ENOMEM;
	}
	for (size_t i = 0; i < t->n_links; i++) {
		ret->first[t->links[i].a + 1]++;
		ret->first[t->links[i].b + 1]++;
	}
	for (size_t i = 0; i < t->n_nodes; i++) {
		ret->first[i + 1] += ret->first[i];
		at[i] = ret->first[i];
	}
	for (size_t i = 0; i < t->n_links; i++) {
		ret->to[at[t->links[i].a]++] = t->links[i].b;
		ret->to[at[t->links[i].b]++] = t->links[i].a;
	}
	free(at);
	return 0;
}

/* Breadth first; what cannot be reached is as far as the graph has nodes. */
static void hops_from(const struct graph *g, uint32_t from, uint32_t *queue, double *ret)
{
	size_t n_queue = 1;

	for (size_t i = 0; i < g->n; i++)
		ret[i] = -1;
	queue[0] = from;
	ret[from] = 0;
	for (size_t i = 0; i < n_queue; i++)
		for (uint32_t k = g->first[queue[i]]; k < g->first[queue[i] + 1]; k++) {
			if (ret[g->to[k]] >= 0)
				continue;
			ret[g->to[k]] = ret[queue[i]] + 1;
			queue[n_queue++] = g->to[k];
		}
	for (size_t i = 0; i < g->n; i++)
		if (ret[i] < 0)
			ret[i] = (double)g->n;
}

/* ---- pivot MDS ---- */

/* n rows of n_pivots; row means and column means taken off the squared distances. */
static void centre(double *c, size_t n, size_t n_pivots)
{
	double column[PIVOTS] = { 0 };
	double all = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_pivots; k++) {
			c[i * n_pivots + k] *= c[i * n_pivots + k];
			column[k] += c[i * n_pivots + k] / (double)n;
			all += c[i * n_pivots + k] / (double)(n * n_pivots);
		}
	for (size_t i = 0; i < n; i++) {
		double row = 0;

		for (size_t k = 0; k < n_pivots; k++)
			row += c[i * n_pivots + k] / (double)n_pivots;
		for (size_t k = 0; k < n_pivots; k++)
			c[i * n_pivots + k] = -0.5 * (c[i * n_pivots + k] - row - column[k] + all);
	}
}

static void normalise(double *v, size_t n)
{
	double length = 0;

	for (size_t i = 0; i < n; i++)
		length += v[i] * v[i];
	length = sqrt(length);
	for (size_t i = 0; i < n && length > 0; i++)
		v[i] /= length;
}

/* The vector that C'C stretches most, at right angles to the one before. */
static void direction(const double *c, size_t n, size_t n_pivots, const double *before, double *ret)
{
	for (size_t k = 0; k < n_pivots; k++)
		ret[k] = 1.0 / (double)(k + 1 + (before ? 7 * (k % 3) : 0));
	for (unsigned round = 0; round < POWER_ROUNDS; round++) {
		double next[PIVOTS] = { 0 };
		double along = 0;

		for (size_t i = 0; i < n; i++) {
			double row = 0;

			for (size_t k = 0; k < n_pivots; k++)
				row += c[i * n_pivots + k] * ret[k];
			for (size_t k = 0; k < n_pivots; k++)
				next[k] += c[i * n_pivots + k] * row;
		}
		for (size_t k = 0; before && k < n_pivots; k++)
			along += next[k] * before[k];
		for (size_t k = 0; before && k < n_pivots; k++)
			next[k] -= along * before[k];
		normalise(next, n_pivots);
		memcpy(ret, next, n_pivots * sizeof(*ret));
	}
}

static int pivot_distances(const struct graph *g, size_t n_pivots, double *ret)
{
	CLEANUP_FREE uint32_t *queue = calloc(g->n, sizeof(*queue));
	CLEANUP_FREE double *hops = calloc(g->n, sizeof(*hops));
	CLEANUP_FREE double *nearest = calloc(g->n, sizeof(*nearest));
	uint32_t pivot = 0;

	if (!queue || !hops || !nearest)
		return -ENOMEM;
	for (size_t i = 0; i < g->n; i++)
		nearest[i] = 1e9;
	for (size_t k = 0; k < n_pivots; k++) {
		hops_from(g, pivot, queue, hops);
		for (size_t i = 0; i < g->n; i++) {
			ret[i * n_pivots + k] = hops[i];
			nearest[i] = hops[i] < nearest[i] ? hops[i] : nearest[i];
		}
		for (uint32_t i = 0; i < g->n; i++) /* the next is the farthest from all */
			pivot = nearest[i] > nearest[pivot] ? i : pivot;
	}
	return 0;
}

/* ---- pushing and pulling ---- */

static void pull(const struct topology *t, double *x, double *y, double rest)
{
	for (size_t i = 0; i < t->n_links; i++) {
		uint32_t a = t->links[i].a;
		uint32_t b = t->links[i].b;
		double dx = x[b] - x[a];
		double dy = y[b] - y[a];
		double d = sqrt(dx * dx + dy * dy) + 1e-9;
		double by = 0.1 * (d - rest) / d;

		x[a] += by * dx;
		y[a] += by * dy;
		x[b] -= by * dx;
		y[b] -= by * dy;
	}
}

static void push(size_t n, double *x, double *y, double reach)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			double dx = x[i] - x[k];
			double dy = y[i] - y[k];
			double d2 = dx * dx + dy * dy;
			double by;

			if (d2 >= reach * reach)
				continue;
			by = 0.25 * (reach - sqrt(d2)) / (sqrt(d2) + 0.01 * reach);
			x[i] += by * dx;
			y[i] += by * dy;
			x[k] -= by * dx;
			y[k] -= by * dy;
		}
}

static void fit(size_t n, double *x, double *y)
{
	double low_x = x[0];
	double high_x = x[0];
	double low_y = y[0];
	double high_y = y[0];
	double size;

	for (size_t i = 1; i < n; i++) {
		low_x = x[i] < low_x ? x[i] : low_x;
		high_x = x[i] > high_x ? x[i] : high_x;
		low_y = y[i] < low_y ? y[i] : low_y;
		high_y = y[i] > high_y ? y[i] : high_y;
	}
	size = high_x - low_x > high_y - low_y ? high_x - low_x : high_y - low_y;
	for (size_t i = 0; i < n; i++) {
		x[i] = size > 0 ? (x[i] - low_x) / size : 0.5;
		y[i] = size > 0 ? (y[i] - low_y) / size : 0.5;
	}
}

int svg_layout(const struct topology *t, double *ret_x, double *ret_y)
{
	CLEANUP(graph_done) struct graph g = { 0 };
	CLEANUP_FREE double *c = NULL;
	size_t n_pivots = t->n_nodes < PIVOTS ? t->n_nodes : PIVOTS;
	double first[PIVOTS], second[PIVOTS];

	for (size_t i = 0; t->has_places && i < t->n_nodes; i++) {
		ret_x[i] = t->nodes[i].x;
		ret_y[i] = t->nodes[i].y;
	}
	if (t->has_places) {
		fit(t->n_nodes, ret_x, ret_y);
		return 0;
	}
	c = calloc(t->n_nodes * n_pivots, sizeof(*c));
	if (!c || graph_of(t, &g) < 0 || pivot_distances(&g, n_pivots, c) < 0)
		return -ENOMEM;
	centre(c, t->n_nodes, n_pivots);
	direction(c, t->n_nodes, n_pivots, NULL, first);
	direction(c, t->n_nodes, n_pivots, first, second);
	for (size_t i = 0; i < t->n_nodes; i++) {
		ret_x[i] = ret_y[i] = 0;
		for (size_t k = 0; k < n_pivots; k++) {
			ret_x[i] += c[i * n_pivots + k] * first[k];
			ret_y[i] += c[i * n_pivots + k] * second[k];
		}
	}
	fit(t->n_nodes, ret_x, ret_y);
	for (size_t i = 0; i < t->n_nodes; i++) { /* leaves of one node fell on one place */
		ret_x[i] += 0.02 * cos((double)i);
		ret_y[i] += 0.02 * sin((double)i);
	}
	for (unsigned r = 0; t->n_nodes <= SPRING_NODES_MAX && r < SPRING_ROUNDS; r++) {
		double apart = 1 / sqrt((double)t->n_nodes);

		pull(t, ret_x, ret_y, 0.7 * apart);
		push(t->n_nodes, ret_x, ret_y, apart);
	}
	fit(t->n_nodes, ret_x, ret_y);
	return 0;
}

/* ---- drawing ---- */

struct drawing {
	FILE *to;
	const struct topology *t;
	const double *x, *y;
	double dot; /* radius of a node */
};

static double px(double v)
{
	return MARGIN + v * (SIDE - 2 * MARGIN);
}

static void segment(const struct drawing *d, size_t a, size_t b)
{
	(void)fprintf(d->to, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		      px(d->x[a]), px(d->y[a]), px(d->x[b]), px(d->y[b]));
}

static void path(const struct drawing *d, const size_t *nodes, size_t n, const char *colour)
{
	(void)fprintf(d->to, "<g stroke=\"%s\" stroke-width=\"%.1f\" stroke-opacity=\"0.8\">\n",
		      colour, d->dot);
	for (size_t i = 1; i < n; i++)
		segment(d, nodes[i - 1], nodes[i]);
	(void)fprintf(d->to, "</g>\n");
}

static void node(const struct drawing *d, size_t i, double by, const char *more)
{
	(void)fprintf(d->to,
		      "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"%s><title>%u</title></circle>\n",
		      px(d->x[i]), px(d->y[i]), d->dot * by, more, d->t->nodes[i].id);
}

static void failed(const struct drawing *d, const struct mesh_picture *p)
{
	(void)fprintf(d->to,
		      "<g stroke=\"#d00\" stroke-width=\"%.1f\" stroke-dasharray=\"%.1f\">\n",
		      1.6 * d->dot, 2 * d->dot);
	for (size_t i = 0; i < p->n_failed_links;
	     i++) /* links of mobility are not the topology's */
		if (p->failed_links[i] < d->t->n_links)
			segment(d, d->t->links[p->failed_links[i]].a,
				d->t->links[p->failed_links[i]].b);
	(void)fprintf(d->to, "</g>\n");
	for (size_t i = 0; i < p->n_failed_nodes; i++)
		node(d, p->failed_nodes[i], 2.5, " fill=\"#d00\"");
}

static void draw(const struct drawing *d, const struct mesh_picture *p)
{
	(void)fprintf(d->to,
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\">\n"
		      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		      "<g stroke=\"#aaa\" stroke-width=\"%.2f\">\n",
		      SIDE, SIDE, d->dot / 4);
	for (size_t i = 0; i < d->t->n_links; i++)
		segment(d, d->t->links[i].a, d->t->links[i].b);
	(void)fprintf(d->to, "</g>\n");
	path(d, p->before, p->n_before, "#06c");
	path(d, p->after, p->n_after, "#0a3");
	(void)fprintf(d->to, "<g fill=\"#444\">\n");
	for (size_t i = 0; i < d->t->n_nodes; i++)
		node(d, i, 1, "");
	(void)fprintf(d->to, "</g>\n");
	failed(d, p);
	if (p->n_before) {
		node(d, p->before[0], 2, " fill=\"#06c\"");
		node(d, p->before[p->n_before - 1], 2, " fill=\"#06c\"");
	}
	(void)fprintf(d->to, "</svg>\n");
}

int svg_write(FILE *to, const struct topology *t, const struct mesh_picture *picture)
{
	CLEANUP_FREE double *x = calloc(t->n_nodes, sizeof(*x));
	CLEANUP_FREE double *y = calloc(t->n_nodes, sizeof(*y));
	struct drawing d = { to, t, x, y, 0 };

	if (!x || !y || svg_layout(t, x, y) < 0)
		return -ENOMEM;
	d.dot = 60 / sqrt((double)t->n_nodes);
	d.dot = d.dot > 6 ? 6 : d.dot;
	d.dot = d.dot < 1 ? 1 : d.dot;
	draw(&d, picture);
	return ferror(to) ? -EIO : 0;
}
