/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass, the loss, and the gradients of all weights. */
#include "core/sage/gradient.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void net_free(struct sage_net *n)
{
	if (!n)
		return;
	for (size_t l = 0; l <= n->shape.layers; l++) {
		struct net_layer *at = &n->layer[l];
		real *all[] = { at->h, at->n, at->moments, at->logits, at->shares, at->m };

		for (size_t i = 0; i < N_ELEMENTS(all); i++)
			free(all[i]);
	}
	real *all[] = { n->x,	 n->weights, n->gradient, n->out,	n->by_out,
			n->by_h, n->by_n,    n->by_m,	  n->by_logits, n->turned };

	for (size_t i = 0; i < N_ELEMENTS(all); i++)
		free(all[i]);
	free(n);
}

static bool take_room(real **ret, size_t n)
{
	*ret = calloc(n + 1, sizeof(real)); /* + 1: a graph may have no edge */
	return *ret != NULL;
}

static bool layer_init(struct sage_net *n, size_t l)
{
	struct net_layer *at = &n->layer[l];
	size_t nodes = n->graph->n_nodes, wide = nodes * n->shape.hidden;

	if (!take_room(&at->h, wide) || !take_room(&at->n, wide) ||
	    !take_room(&at->moments, 2 * nodes))
		return false;
	return l == n->shape.layers ||
	       (take_room(&at->logits, 2 * nodes * n->shape.heads) &&
		take_room(&at->shares,
			  (size_t)n->graph->begin[nodes] * n->shape.heads + SHARES_SPARE) &&
		take_room(&at->m, wide));
}

int net_new(const struct sage_shape *shape, const struct sage_graph *g, const struct rows_ops *ops,
	    struct sage_net **ret)
{
	size_t nodes = g->n_nodes, wide = nodes * shape->hidden;
	struct shape_map map;
	int r = shape_map(shape, &map);
	CLEANUP(net_freep) struct sage_net *n = r < 0 ? NULL : calloc(1, sizeof(*n));

	if (r < 0)
		return r;
	if (!n)
		return -ENOMEM;
	n->shape = *shape;
	n->map = map;
	n->ops = ops;
	n->graph = g;
	n->kept_scale = 1;
	for (size_t l = 0; l <= shape->layers; l++)
		if (!layer_init(n, l))
			return -ENOMEM;
	if (!take_room(&n->x, nodes * shape->n_features) || !take_room(&n->weights, map.n) ||
	    !take_room(&n->gradient, map.n) || !take_room(&n->out, nodes) ||
	    !take_room(&n->by_out, nodes) || !take_room(&n->by_h, wide) ||
	    !take_room(&n->by_n, wide) || !take_room(&n->by_m, wide) ||
	    !take_room(&n->by_logits, 2 * nodes * shape->heads) ||
	    !take_room(&n->turned, (size_t)SAGE_HIDDEN_MAX * SAGE_HIDDEN_MAX))
		return -ENOMEM;
	*ret = TAKE(n);
	return 0;
}

/* ---- forward ---- */

/* out = in + bias, in every row; in NULL for zeros. */
static void start_rows(const struct sage_net *n, real *out, const real *in, const real *bias)
{
	size_t wide = n->shape.hidden;

	for (size_t i = 0; i < n->graph->n_nodes; i++)
		if (in)
			n->ops->add(out + i * wide, in + i * wide, bias, wide);
		else
			memcpy(out + i * wide, bias, wide * sizeof(real));
}

/* One byte of chance for each number: the share left out is in 256ths. */
static void leave_out(struct sage_net *n, real *rows, double dropout, struct rng *rng)
{
	size_t count = n->graph->n_nodes * n->shape.hidden;
	unsigned limit = (unsigned)(dropout * 256 + 0.5);

	n->kept_scale = 1;
	if (!rng || limit == 0)
		return;
	n->kept_scale = (real)256 / (real)(256 - limit);
	for (size_t i = 0; i < count; i += 8) {
		uint64_t chance = rng_next(rng);

		for (size_t j = i; j < i + 8 && j < count; j++, chance >>= 8)
			rows[j] = (chance & 255) < limit ? 0 : rows[j] * n->kept_scale;
	}
}

static void normalise(struct sage_net *n, size_t l, size_t gain, double dropout, struct rng *rng)
{
	struct net_layer *at = &n->layer[l];

	n->ops->norm(at->h, n->graph->n_nodes, n->shape.hidden, n->weights + gain, at->n,
		     at->moments);
	leave_out(n, at->n, dropout, rng);
}

static struct attention attention_of(const struct sage_net *n, size_t l)
{
	return (struct attention){ .begin = n->graph->begin,
				   .to = n->graph->to,
				   .rows = n->layer[l].n,
				   .logits = n->layer[l].logits,
				   .width = n->shape.hidden,
				   .heads = n->shape.heads };
}

static void layer_forward(struct sage_net *n, size_t l)
{
	struct net_layer *at = &n->layer[l];
	const struct shape_layer *map = &n->map.layer[l];
	size_t nodes = n->graph->n_nodes, wide = n->shape.hidden, heads = n->shape.heads;
	struct attention attention = attention_of(n, l);
	real *next = n->layer[l + 1].h;

	memset(at->logits, 0, nodes * 2 * heads * sizeof(real));
	n->ops->product(at->logits, at->n, wide, 1, n->weights + map->logit, nodes, wide,
			2 * heads);
	for (size_t i = 0; i < nodes; i++)
		n->ops->attend(&attention, i, at->shares + n->graph->begin[i] * heads,
			       at->m + i * wide);
	start_rows(n, next, at->h, n->weights + map->bias);
	n->ops->product(next, at->n, wide, 1, n->weights + map->own, nodes, wide, wide);
	n->ops->product(next, at->m, wide, 1, n->weights + map->other, nodes, wide, wide);
}

void net_forward(struct sage_net *n, double dropout, struct rng *rng)
{
	size_t nodes = n->graph->n_nodes, wide = n->shape.hidden, last = n->shape.layers;

	start_rows(n, n->layer[0].h, NULL, n->weights + n->map.in_bias);
	n->ops->product(n->layer[0].h, n->x, n->shape.n_features, 1, n->weights + n->map.in, nodes,
			n->shape.n_features, wide);
	for (size_t l = 0; l < last; l++) {
		normalise(n, l, n->map.layer[l].gain, dropout, rng);
		layer_forward(n, l);
	}
	normalise(n, last, n->map.gain, dropout, rng);
	for (size_t i = 0; i < nodes; i++)
		n->out[i] = n->weights[n->map.out_bias];
	n->ops->product(n->out, n->layer[last].n, wide, 1, n->weights + n->map.out, nodes, wide, 1);
}

/* ---- loss ---- */

real net_loss(struct sage_net *n, const uint8_t *labels, const uint8_t *parts, real positive_weight)
{
	double sum = 0, weights = 0;

	for (size_t i = 0; i < n->graph->n_nodes; i++) {
		double weight = parts[i] != SAGE_LEARN ? 0
				: labels[i]	       ? (double)positive_weight
						       : 1;
		double x = (double)n->out[i], y = labels[i];

		/* log(1 + e^x) - x y, without overflow */
		sum += weight * ((x > 0 ? x : 0) - x * y + log1p(exp(-fabs(x))));
		weights += weight;
		n->by_out[i] = (real)(weight * (1 / (1 + exp(-x)) - y));
	}
	for (size_t i = 0; i < n->graph->n_nodes; i++)
		n->by_out[i] /= (real)weights;
	return (real)(sum / weights);
}

/* ---- backward ---- */

static const real *turn(struct sage_net *n, const real *matrix, size_t rows, size_t columns)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < columns; j++)
			n->turned[j * rows + i] = matrix[i * columns + j];
	return n->turned;
}

static void sum_rows(const real *rows, size_t n, size_t width, real *to)
{
	for (size_t i = 0; i < n; i++, rows += width)
		for (size_t d = 0; d < width; d++)
			to[d] += rows[d];
}

/* Through out = in * w, width and depth being those of the two: by_w += in^T * by_out, and
 * by_in += by_out * w^T. */
static void product_back(struct sage_net *n, size_t w, const real *in, const real *by_out,
			 real *by_in, size_t depth, size_t width)
{
	size_t nodes = n->graph->n_nodes;

	n->ops->product(n->gradient + w, in, 1, depth, by_out, depth, nodes, width);
	if (by_in)
		n->ops->product(by_in, by_out, width, 1, turn(n, n->weights + w, depth, width),
				nodes, width, depth);
}

/* by_n to by_h, which it is added to. */
static void normalise_back(struct sage_net *n, size_t l, size_t gain)
{
	struct net_layer *at = &n->layer[l];
	size_t nodes = n->graph->n_nodes, wide = n->shape.hidden;

	for (size_t i = 0; n->kept_scale > 1 && i < nodes * wide; i++)
		n->by_n[i] *= n->kept_scale;
	n->ops->norm_back(at->h, nodes, wide, n->weights + gain, at->moments, at->n, n->by_n,
			  n->by_h, n->gradient + gain);
}

/* by_h is that of the layer above, and then of this one: what came in went on unchanged, too. */
static void layer_back(struct sage_net *n, size_t l)
{
	struct net_layer *at = &n->layer[l];
	const struct shape_layer *map = &n->map.layer[l];
	size_t nodes = n->graph->n_nodes, wide = n->shape.hidden, heads = n->shape.heads;
	struct attention attention = attention_of(n, l);
	struct attention_gradient to = { .rows = n->by_n, .logits = n->by_logits };

	memset(n->by_n, 0, nodes * wide * sizeof(real));
	memset(n->by_m, 0, nodes * wide * sizeof(real));
	memset(n->by_logits, 0, nodes * 2 * heads * sizeof(real));
	sum_rows(n->by_h, nodes, wide, n->gradient + map->bias);
	product_back(n, map->own, at->n, n->by_h, n->by_n, wide, wide);
	product_back(n, map->other, at->m, n->by_h, n->by_m, wide, wide);
	for (size_t i = 0; i < nodes; i++)
		n->ops->attend_back(&attention, i, at->shares + n->graph->begin[i] * heads,
				    n->by_m + i * wide, at->m + i * wide, &to);
	product_back(n, map->logit, at->n, n->by_logits, n->by_n, wide, 2 * heads);
	normalise_back(n, l, map->gain);
}

void net_backward(struct sage_net *n)
{
	size_t nodes = n->graph->n_nodes, wide = n->shape.hidden, last = n->shape.layers;

	memset(n->gradient, 0, n->map.n * sizeof(real));
	memset(n->by_n, 0, nodes * wide * sizeof(real));
	memset(n->by_h, 0, nodes * wide * sizeof(real));
	sum_rows(n->by_out, nodes, 1, n->gradient + n->map.out_bias);
	product_back(n, n->map.out, n->layer[last].n, n->by_out, n->by_n, wide, 1);
	normalise_back(n, last, n->map.gain);
	for (size_t l = last; l-- > 0;)
		layer_back(n, l);
	sum_rows(n->by_h, nodes, wide, n->gradient + n->map.in_bias);
	product_back(n, n->map.in, n->x, n->by_h, NULL, n->shape.n_features, wide);
}
