/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of all nodes, and of those that one changed node can change. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/sage/rows.h"
#include "core/sage/shape.h"

#define BLOCK \
	96 /* rows gathered at a time: three of 24 KB at 64 numbers, within the second cache */

/* An offer that no other loses against: e^-1e30 is nothing. */
#define UNKNOWN_OFFER (-1e30F)

/* What is kept of each node before each layer: enough to compute any row of the next one. */
struct kept {
	float *h, *n, *logits;
};

struct sage_scorer {
	const struct sage_model *model;
	const struct sage_graph *graph;
	const struct rows_ops *ops;
	struct shape_map map;
	struct kept kept[SAGE_LAYERS_MAX];
	uint8_t *is_unknown;
	float *scores;
	float *x, *own, *other, *next, *logits, *outs, *shares; /* of one block */
	uint32_t *nodes;					/* a list of nodes, each once */
	uint32_t *marked; /* by node: the call in which it came onto the list */
	uint32_t call;
};

void sage_scorer_free(struct sage_scorer *s)
{
	if (!s)
		return;
	for (size_t l = 0; l < s->model->shape.layers; l++) {
		free(s->kept[l].h);
		free(s->kept[l].n);
		free(s->kept[l].logits);
	}
	void *all[] = { s->is_unknown, s->scores, s->x,	     s->own,   s->other, s->next,
			s->logits,     s->outs,	  s->shares, s->nodes, s->marked };

	for (size_t i = 0; i < N_ELEMENTS(all); i++)
		free(all[i]);
	free(s);
}

static bool take_floats(float **ret, size_t n)
{
	*ret = calloc(n + 1, sizeof(float));
	return *ret != NULL;
}

static bool take_room(struct sage_scorer *s)
{
	const struct sage_shape *shape = &s->model->shape;
	size_t n = s->graph->n_nodes, wide = shape->hidden;
	bool is_there = true;

	for (size_t l = 0; l < shape->layers; l++)
		is_there = is_there && take_floats(&s->kept[l].h, n * wide) &&
			   take_floats(&s->kept[l].n, n * wide) &&
			   take_floats(&s->kept[l].logits, n * 2 * shape->heads);
	s->is_unknown = calloc(n + 1, 1);
	s->nodes = calloc(n + 1, sizeof(s->nodes[0]));
	s->marked = calloc(n + 1, sizeof(s->marked[0]));
	return is_there && s->is_unknown && s->nodes && s->marked && take_floats(&s->scores, n) &&
	       take_floats(&s->x, BLOCK * (size_t)shape->n_features) &&
	       take_floats(&s->own, BLOCK * wide) && take_floats(&s->other, BLOCK * wide) &&
	       take_floats(&s->next, BLOCK * wide) &&
	       take_floats(&s->logits, BLOCK * 2 * (size_t)shape->heads) &&
	       take_floats(&s->outs, BLOCK) &&
	       take_floats(&s->shares, s->graph->degree_max * shape->heads + SHARES_SPARE);
}

int sage_scorer_new(const struct sage_model *m, const struct sage_graph *g,
		    struct sage_scorer **ret)
{
	struct shape_map map;
	int r = shape_map(&m->shape, &map);
	CLEANUP(sage_scorer_freep) struct sage_scorer *s = r < 0 ? NULL : calloc(1, sizeof(*s));

	if (r < 0)
		return r;
	if (!s)
		return -ENOMEM;
	s->model = m;
	s->graph = g;
	s->ops = sage_rows();
	s->map = map;
	if (!take_room(s))
		return -ENOMEM;
	*ret = TAKE(s);
	return 0;
}

/* ---- one block of nodes ---- */

/* nodes NULL: first, first + 1 ... */
static size_t node_at(const uint32_t *nodes, size_t first, size_t i)
{
	return nodes ? nodes[first + i] : first + i;
}

/* What came out of a layer, `next`, goes into layer l: keeps it, normalised too. All nodes in
 * their order are computed where they are kept, listed ones beside it. An unknown node says
 * nothing. */
static void keep_rows(struct sage_scorer *s, size_t l, const uint32_t *nodes, size_t first,
		      size_t count, const float *next)
{
	size_t wide = s->model->shape.hidden, heads = 2 * (size_t)s->model->shape.heads;
	const float *weights = s->model->weights;
	struct kept *to = &s->kept[l];
	float *n = nodes ? s->own : to->n + first * wide;
	float *logits = nodes ? s->logits : to->logits + first * heads;

	s->ops->norm(next, count, wide, weights + s->map.layer[l].gain, n, NULL);
	memset(logits, 0, count * heads * sizeof(float));
	s->ops->product(logits, n, wide, 1, weights + s->map.layer[l].logit, count, wide, heads);
	for (size_t i = 0; i < count; i++) {
		size_t node = node_at(nodes, first, i);

		if (nodes) {
			memcpy(to->h + node * wide, next + i * wide, wide * sizeof(float));
			memcpy(to->n + node * wide, n + i * wide, wide * sizeof(float));
			memcpy(to->logits + node * heads, logits + i * heads,
			       heads * sizeof(float));
		}
		if (!s->is_unknown[node])
			continue;
		memset(to->n + node * wide, 0, wide * sizeof(float));
		for (size_t k = heads / 2; k < heads; k++)
			to->logits[node * heads + k] = UNKNOWN_OFFER;
	}
}

/* Features of the block are in x. */
static void first_rows(struct sage_scorer *s, const uint32_t *nodes, size_t first, size_t count)
{
	size_t width = s->model->shape.n_features, wide = s->model->shape.hidden;
	const float *weights = s->model->weights;
	float *next = nodes ? s->next : s->kept[0].h + first * wide;

	for (size_t i = 0; i < count; i++)
		memcpy(next + i * wide, weights + s->map.in_bias, wide * sizeof(float));
	s->ops->product(next, s->x, width, 1, weights + s->map.in, count, width, wide);
	keep_rows(s, 0, nodes, first, count, next);
}

static void output_rows(struct sage_scorer *s, const uint32_t *nodes, size_t first, size_t count)
{
	size_t wide = s->model->shape.hidden;
	const float *weights = s->model->weights;

	s->ops->norm(s->next, count, wide, weights + s->map.gain, s->own, NULL);
	for (size_t i = 0; i < count; i++)
		s->outs[i] = weights[s->map.out_bias];
	s->ops->product(s->outs, s->own, wide, 1, weights + s->map.out, count, wide, 1);
	for (size_t i = 0; i < count; i++) {
		size_t node = node_at(nodes, first, i);

		s->scores[node] = s->is_unknown[node] ? NAN : 1 / (1 + expf(-s->outs[i]));
	}
}

/* Layer l, into the next one or the scores. */
static void layer_rows(struct sage_scorer *s, size_t l, const uint32_t *nodes, size_t first,
		       size_t count)
{
	const struct sage_shape *shape = &s->model->shape;
	const struct shape_layer *map = &s->map.layer[l];
	const float *weights = s->model->weights;
	size_t wide = shape->hidden;
	bool is_last = l + 1 == shape->layers;
	struct kept *from = &s->kept[l];
	struct attention attention = { s->graph->begin, s->graph->to, from->n,
				       from->logits,	wide,	      shape->heads };
	const float *own = nodes ? s->own : from->n + first * wide;
	float *next = nodes || is_last ? s->next : s->kept[l + 1].h + first * wide;

	for (size_t i = 0; i < count; i++) {
		size_t node = node_at(nodes, first, i);

		if (nodes)
			memcpy(s->own + i * wide, from->n + node * wide, wide * sizeof(float));
		s->ops->add(next + i * wide, from->h + node * wide, weights + map->bias, wide);
		s->ops->attend(&attention, node, s->shares, s->other + i * wide);
	}
	s->ops->product(next, own, wide, 1, weights + map->own, count, wide, wide);
	s->ops->product(next, s->other, wide, 1, weights + map->other, count, wide, wide);
	if (is_last)
		output_rows(s, nodes, first, count);
	else
		keep_rows(s, l + 1, nodes, first, count, next);
}

/* Row i of the block in x. */
static void take_features(struct sage_scorer *s, size_t node, const float *features, size_t i)
{
	size_t width = s->model->shape.n_features;
	bool is_known = true;

	for (size_t d = 0; d < width; d++) {
		bool is_finite = isfinite(features[d]);

		is_known = is_known && is_finite;
		s->x[i * width + d] = is_finite ? scaled_feature(s->model, d, features[d]) : 0;
	}
	s->is_unknown[node] = !is_known;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

void sage_scorer_all(struct sage_scorer *s, const float *features)
{
	size_t n = s->graph->n_nodes, width = s->model->shape.n_features;

	for (size_t at = 0; at < n; at += BLOCK) {
		size_t count = least(BLOCK, n - at);

		for (size_t i = 0; i < count; i++)
			take_features(s, at + i, features + (at + i) * width, i);
		first_rows(s, NULL, at, count);
	}
	for (size_t l = 0; l < s->model->shape.layers; l++)
		for (size_t at = 0; at < n; at += BLOCK)
			layer_rows(s, l, NULL, at, least(BLOCK, n - at));
}

/* ---- one changed node ---- */

static size_t mark(struct sage_scorer *s, uint32_t node, size_t n)
{
	if (s->marked[node] == s->call)
		return n;
	s->marked[node] = s->call;
	s->nodes[n] = node;
	return n + 1;
}

static void next_call(struct sage_scorer *s)
{
	if (++s->call == 0) {
		memset(s->marked, 0, s->graph->n_nodes * sizeof(s->marked[0]));
		s->call = 1;
	}
}

size_t sage_scorer_change(struct sage_scorer *s, size_t node, const float *features,
			  const uint32_t **ret_nodes)
{
	size_t n, from = 0;

	next_call(s);
	n = mark(s, (uint32_t)node, 0);
	take_features(s, node, features, 0);
	first_rows(s, s->nodes, 0, 1);
	for (size_t l = 0; l < s->model->shape.layers; l++) {
		size_t n_before = n; /* those from `from` on came last: only theirs can be new */

		for (size_t i = from; i < n_before; i++)
			for (size_t e = s->graph->begin[s->nodes[i]];
			     e < s->graph->begin[s->nodes[i] + 1]; e++)
				n = mark(s, s->graph->to[e], n);
		from = n_before;
		for (size_t at = 0; at < n; at += BLOCK)
			layer_rows(s, l, s->nodes, at, least(BLOCK, n - at));
	}
	*ret_nodes = s->nodes;
	return n;
}

const float *sage_scorer_scores(const struct sage_scorer *s)
{
	return s->scores;
}
