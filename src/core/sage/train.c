/* SPDX-License-Identifier: Apache-2.0 */
/* Training: scaling, first weights, Adam, and which round's weights are kept. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/sage/gradient.h"

/* Of Adam (Kingma, Ba 2015), as its authors give them. */
#define MOMENT_KEPT 0.9
#define SQUARE_KEPT 0.999
#define SMALLEST 1e-8

#define WARM_UP 10 /* rounds in which the rate rises */
#define CLIP 10	   /* deviations */
#define ROUNDS_MAX 100000

const struct sage_training sage_training_default = {
	.hidden = 64,
	.heads = 4,
	.layers = 2,
	.rounds = 500,
	.check_every = 5,
	.patience = 150,
	.rate = 3e-3,
	.decay = 1e-4,
	.dropout = 0.2,
	.positive_weight = 1,
};

struct trainer {
	const struct sage_task *task;
	const struct sage_training *how;
	struct sage_net *net;
	struct rng rng;
	float *moments, *squares;
	float positive_weight;
	struct sage_model *best;
	struct sage_outcome outcome;
};

static bool is_between(double x, double low, double high)
{
	return x >= low && x <= high; /* false for NAN */
}

static int check_settings(const struct sage_training *how)
{
	bool is_fine = how->rounds > 0 && how->rounds <= ROUNDS_MAX && how->check_every > 0 &&
		       how->check_every <= how->rounds && how->patience > 0 &&
		       is_between(how->rate, 1e-8, 1) && is_between(how->decay, 0, 1) &&
		       is_between(how->dropout, 0, 0.9) && is_between(how->positive_weight, 0, 1e6);

	return is_fine ? 0 : -EINVAL;
}

/* Both labels are there to learn from and to choose by; numbers are finite. */
static int check_task(const struct sage_task *task)
{
	size_t counts[SAGE_UNSEEN + 1][2] = { 0 };
	size_t n = task->graph->n_nodes;

	for (size_t i = 0; i < n; i++) {
		if (task->parts[i] > SAGE_UNSEEN || task->labels[i] > 1)
			return -EINVAL;
		counts[task->parts[i]][task->labels[i]]++;
	}
	for (size_t i = 0; i < n * task->n_features; i++)
		if (!isfinite(task->features[i]))
			return -EINVAL;
	for (int part = SAGE_LEARN; part <= SAGE_CHOOSE; part++)
		if (counts[part][0] == 0 || counts[part][1] == 0)
			return -EINVAL;
	return 0;
}

static float weight_of_positives(const struct sage_task *task, const struct sage_training *how)
{
	size_t counts[2] = { 0 };

	if (how->positive_weight > 0)
		return (float)how->positive_weight;
	for (size_t i = 0; i < task->graph->n_nodes; i++)
		if (task->parts[i] == SAGE_LEARN)
			counts[task->labels[i]]++;
	return (float)counts[0] / (float)counts[1];
}

/* Mean and deviation over the nodes that are learnt from. */
static void measure_scaling(const struct sage_task *task, struct sage_model *m)
{
	size_t width = task->n_features;

	for (size_t d = 0; d < width; d++) {
		double sum = 0, square = 0, count = 0;

		for (size_t i = 0; i < task->graph->n_nodes; i++) {
			double x = (double)task->features[i * width + d];

			if (task->parts[i] != SAGE_LEARN)
				continue;
			sum += x;
			square += x * x;
			count++;
		}
		double mean = sum / count, variance = square / count - mean * mean;

		m->centres[d] = (float)mean;
		m->scales[d] = variance > 1e-12 ? (float)sqrt(variance) : 1;
	}
}

float scaled_feature(const struct sage_model *m, size_t d, float x)
{
	float scaled = (x - m->centres[d]) / m->scales[d];

	return scaled > CLIP ? CLIP : scaled < -CLIP ? -CLIP : scaled;
}

static void fill_uniform(struct trainer *t, size_t at, size_t n, double limit)
{
	for (size_t i = 0; i < n; i++)
		t->net->weights[at + i] = (float)((2 * rng_unit(&t->rng) - 1) * limit);
}

/* As Glorot and Bengio 2010 for matrices; gains 1; attention begins small, so that the first
 * rounds see means. */
static void first_weights(struct trainer *t)
{
	const struct shape_map *map = &t->net->map;
	size_t wide = t->net->shape.hidden, features = t->net->shape.n_features;

	fill_uniform(t, map->in, features * wide, sqrt(6.0 / (double)(features + wide)));
	for (size_t l = 0; l < t->net->shape.layers; l++) {
		const struct shape_layer *at = &map->layer[l];

		for (size_t d = 0; d < wide; d++)
			t->net->weights[at->gain + d] = 1;
		fill_uniform(t, at->logit, wide * 2 * t->net->shape.heads,
			     0.1 * sqrt(6.0 / (double)wide));
		fill_uniform(t, at->own, 2 * wide * wide, sqrt(6.0 / (double)(3 * wide)));
	}
	for (size_t d = 0; d < wide; d++)
		t->net->weights[map->gain + d] = 1;
	fill_uniform(t, map->out, wide, sqrt(6.0 / (double)(wide + 1)));
}

static void step(struct trainer *t, uint32_t round)
{
	const struct sage_training *how = t->how;
	double done = (double)round / how->rounds;
	double rate = how->rate * (round < WARM_UP ? (round + 1.0) / WARM_UP : 1) *
		      (1 + cos(done * M_PI)) / 2;
	float bias1 = (float)(1 - pow(MOMENT_KEPT, round + 1.0));
	float bias2 = (float)(1 - pow(SQUARE_KEPT, round + 1.0));

	for (size_t i = 0; i < t->net->map.n; i++) {
		float g = t->net->gradient[i];
		float *moment = &t->moments[i], *square = &t->squares[i];

		*moment = (float)MOMENT_KEPT * *moment + (float)(1 - MOMENT_KEPT) * g;
		*square = (float)SQUARE_KEPT * *square + (float)(1 - SQUARE_KEPT) * g * g;
		t->net->weights[i] -=
			(float)rate *
			(*moment / bias1 / (sqrtf(*square / bias2) + (float)SMALLEST) +
			 (float)how->decay * t->net->weights[i]);
	}
}

/* Keeps the weights if they are the best so far. */
static int look(struct trainer *t, uint32_t round)
{
	double auroc;
	int r;

	net_forward(t->net, 0, NULL);
	r = sage_auroc(t->net->out, t->task->labels, t->task->parts, SAGE_CHOOSE,
		       t->task->graph->n_nodes, &auroc);
	if (r < 0)
		return r;
	if (auroc > t->outcome.best_auroc) {
		t->outcome.best_auroc = auroc;
		t->outcome.best_round = round;
		memcpy(t->best->weights, t->net->weights, t->net->map.n * sizeof(float));
	}
	return 0;
}

static int run(struct trainer *t)
{
	const struct sage_training *how = t->how;
	int r = 0;

	for (uint32_t round = 0; round < how->rounds && r == 0; round++) {
		net_forward(t->net, how->dropout, &t->rng);
		(void)net_loss(t->net, t->task->labels, t->task->parts, t->positive_weight);
		net_backward(t->net);
		step(t, round);
		t->outcome.rounds = round + 1;
		if ((round + 1) % how->check_every == 0)
			r = look(t, round + 1);
		if (round + 1 >= t->outcome.best_round + how->patience)
			break;
	}
	return r;
}

static int prepare(struct trainer *t)
{
	size_t n = t->task->graph->n_nodes, width = t->task->n_features;

	measure_scaling(t->task, t->best);
	for (size_t i = 0; i < n; i++)
		for (size_t d = 0; d < width; d++)
			t->net->x[i * width + d] =
				scaled_feature(t->best, d, t->task->features[i * width + d]);
	t->moments = calloc(2 * t->net->map.n, sizeof(float));
	if (!t->moments)
		return -ENOMEM;
	t->squares = t->moments + t->net->map.n;
	t->positive_weight = weight_of_positives(t->task, t->how);
	first_weights(t);
	return 0;
}

int sage_train(const struct sage_task *task, const struct sage_training *how, uint64_t seed,
	       struct sage_model **ret, struct sage_outcome *ret_outcome)
{
	struct sage_shape shape = { task->n_features, how->hidden, how->heads, how->layers };
	CLEANUP(sage_model_freep) struct sage_model *model = NULL;
	CLEANUP(net_freep) struct sage_net *net = NULL;
	struct trainer t = { .task = task, .how = how };
	int r = check_settings(how);

	if (r == 0)
		r = check_task(task);
	if (r == 0)
		r = model_new(&shape, task->names_hash, &model);
	if (r == 0)
		r = net_new(&shape, task->graph, sage_rows(), &net);
	if (r < 0)
		return r;
	t.best = model;
	t.outcome.best_auroc = -1; /* an area of 0 is better than none */
	t.net = net;
	rng_seed(&t.rng, seed);
	r = prepare(&t);
	if (r == 0)
		r = run(&t);
	if (r == 0 && t.outcome.best_round == 0)
		r = -ERANGE; /* the numbers ran away before the first look, or it was never taken */
	free(t.moments);
	if (r < 0)
		return r;
	if (ret_outcome)
		*ret_outcome = t.outcome;
	*ret = TAKE(model);
	return 0;
}
