/* SPDX-License-Identifier: Apache-2.0 */
/* Isolation forest: what random cuts separate from the rest early is strange.
 *
 * Liu, Ting, Zhou: Isolation Forest (2008). A tree's nodes lie in the order in which they were
 * cut, so that the children of the k-th cut are the nodes 2k + 1 and 2k + 2: no index is stored,
 * and none can be wrong. */
#include "core/anomaly/detector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/powers.h"
#include "core/anomaly/numbers.h"

#define FOREST_TREES 100  /* section 5 of the paper: path lengths have converged by then */
#define FOREST_SAMPLE 256 /* section 5 */
#define FOREST_TREES_MAX 1000
#define FOREST_SAMPLE_MAX 4096
#define DEPTH_MAX 12 /* log2 of the largest sample */
#define NODES_MAX (2 * FOREST_SAMPLE_MAX - 1)
#define LEAF UINT16_MAX /* as a feature */
#define VALUE_MAX 1e100
#define TRAIN_ROWS_MIN 8
#define EULER 0.5772156649015329

struct node {
	double at;     /* values below go left; of a leaf: how many rows of the sample it holds */
	uint32_t left; /* the right child is the next one */
	uint16_t feature; /* or LEAF */
	double share;	  /* of the rows, that went left */
};

struct tree {
	uint32_t n_nodes;
	struct node *nodes;
};

struct forest {
	size_t n_features, sample_size, n_trees;
	struct tree trees[];
};

static struct forest *forest_new(size_t n_features, size_t sample_size, size_t n_trees)
{
	struct forest *f = calloc(1, sizeof(*f) + n_trees * sizeof(struct tree));

	if (f) {
		f->n_features = n_features;
		f->sample_size = sample_size;
		f->n_trees = n_trees;
	}
	return f;
}

static void forest_free(void *model)
{
	struct forest *f = model;

	for (size_t i = 0; f && i < f->n_trees; i++)
		free(f->trees[i].nodes);
	free(f);
}

static void forest_freep(struct forest **f)
{
	forest_free(*f);
}

static size_t forest_n_features(const void *model)
{
	return ((const struct forest *)model)->n_features;
}

/* The mean path of an unsuccessful search among n (equation 1). */
static double path_among(double n)
{
	if (n <= 1)
		return 0;
	if (n <= 2)
		return 1;
	return 2 * (powers_log2(n - 1) * M_LN2 + EULER) - 2 * (n - 1) / n;
}

/* ---- growing ---- */

/* A node whose rows are not cut yet: sample[from..to). */
struct growth {
	size_t from, to;
	unsigned depth;
};

struct grower {
	const struct rows *train;
	struct rng *rng;
	uint32_t *sample;
	struct growth *growths; /* 2 * sample_size - 1 of both */
	struct node *nodes;
	uint32_t n_nodes;
	unsigned depth_max;
};

static double value_of(const struct grower *g, size_t i, size_t feature)
{
	return numbers_clip(rows_at(g->train, g->sample[i])[feature], VALUE_MAX);
}

/* The range of a feature among rows; false where it has fewer than two values. */
static bool range_of(const struct grower *g, struct growth w, size_t feature, double *ret_low,
		     double *ret_high)
{
	double low = INFINITY, high = -INFINITY;

	for (size_t i = w.from; i < w.to; i++) {
		double v = value_of(g, i, feature);

		low = v < low ? v : low; /* NaN is neither */
		high = v > high ? v : high;
	}
	*ret_low = low;
	*ret_high = high;
	return low < high;
}

/* A random feature that can be cut, or LEAF: from a random one on, the next that varies. */
static uint16_t choose(struct grower *g, struct growth w, double *ret_low, double *ret_high)
{
	size_t n = g->train->n_features, first = rng_below(g->rng, n);

	for (size_t k = 0; k < n; k++) {
		size_t feature = (first + k) % n;

		if (range_of(g, w, feature, ret_low, ret_high))
			return (uint16_t)feature;
	}
	return LEAF;
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

/* Brings the rows that go left to the front and returns where the others begin. A row that
 * misses the value goes either way by chance. */
static size_t part(struct grower *g, struct growth w, const struct node *node)
{
	size_t middle = w.from;

	for (size_t i = w.from; i < w.to; i++) {
		double v = value_of(g, i, node->feature);
		bool goes_left = isnan(v) ? rng_below(g->rng, 2) == 0 : v < node->at;

		if (goes_left)
			swap(&g->sample[i], &g->sample[middle++]);
	}
	return middle;
}

static void cut(struct grower *g, uint32_t i)
{
	struct growth w = g->growths[i];
	struct node *node = &g->nodes[i];
	double low, high;

	*node = (struct node){ .feature = LEAF, .at = (double)(w.to - w.from) };
	if (w.depth >= g->depth_max || w.to - w.from < 2)
		return;
	node->feature = choose(g, w, &low, &high);
	if (node->feature == LEAF)
		return;
	node->at = low +
		   (high - low) * (1 - rng_unit(g->rng)); /* in (low, high]: both sides get some */

	size_t middle = part(g, w, node);
	node->share = (double)(middle - w.from) / (double)(w.to - w.from);
	node->left = g->n_nodes;
	g->growths[g->n_nodes++] = (struct growth){ w.from, middle, w.depth + 1 };
	g->growths[g->n_nodes++] = (struct growth){ middle, w.to, w.depth + 1 };
}

/* Rows of the sample are drawn without replacement: the first sample_size of a shuffle. */
static int grow(struct grower *g, uint32_t *shuffle, size_t sample_size, struct tree *ret)
{
	for (size_t i = 0; i < sample_size; i++)
		swap(&shuffle[i], &shuffle[i + rng_below(g->rng, g->train->n_rows - i)]);
	g->sample = shuffle;
	g->growths[0] = (struct growth){ 0, sample_size, 0 };
	g->n_nodes = 1;
	for (uint32_t i = 0; i < g->n_nodes; i++)
		cut(g, i);
	ret->nodes = calloc(g->n_nodes, sizeof(struct node));
	if (!ret->nodes)
		return -ENOMEM;
	memcpy(ret->nodes, g->nodes, g->n_nodes * sizeof(struct node));
	ret->n_nodes = g->n_nodes;
	return 0;
}

static unsigned depth_for(size_t sample_size)
{
	unsigned depth = 0;

	while ((size_t)1 << depth < sample_size)
		depth++;
	return depth;
}

static int forest_fit(const struct rows *train, const struct detector_settings *s, struct rng *rng,
		      void **ret)
{
	size_t n_trees = s->n_trees ? s->n_trees : FOREST_TREES;
	size_t sample_size = s->sample_size ? s->sample_size : FOREST_SAMPLE;

	if (!rng || train->n_features == 0 || train->n_features > DETECTOR_FEATURES_MAX ||
	    train->n_rows > DETECTOR_TRAIN_ROWS_MAX || n_trees > FOREST_TREES_MAX ||
	    sample_size > FOREST_SAMPLE_MAX || sample_size < 2)
		return -EINVAL;
	if (train->n_rows < TRAIN_ROWS_MIN)
		return -ENODATA;
	if (sample_size > train->n_rows)
		sample_size = train->n_rows;

	CLEANUP(forest_freep)
	struct forest *f = forest_new(train->n_features, sample_size, n_trees);
	CLEANUP_FREE uint32_t *shuffle = calloc(train->n_rows, sizeof(*shuffle));
	CLEANUP_FREE struct growth *growths = calloc(2 * sample_size - 1, sizeof(*growths));
	CLEANUP_FREE struct node *nodes = calloc(2 * sample_size - 1, sizeof(*nodes));
	if (!f || !shuffle || !growths || !nodes)
		return -ENOMEM;

	struct grower g = {
		.train = train,
		.rng = rng,
		.growths = growths,
		.nodes = nodes,
		.depth_max = depth_for(sample_size),
	};
	for (uint32_t i = 0; i < train->n_rows; i++)
		shuffle[i] = i;
	for (size_t i = 0; i < n_trees; i++)
		if (grow(&g, shuffle, sample_size, &f->trees[i]) < 0)
			return -ENOMEM;
	*ret = TAKE(f);
	return 0;
}

/* ---- judging ---- */

/* The path of a row from a node down; through both sides, by how many went there in training,
 * where the value is missing. Depth is at most DEPTH_MAX. */
static double path_from(const struct tree *t, uint32_t i, const double *row, unsigned depth)
{
	const struct node *node = &t->nodes[i];

	if (node->feature == LEAF)
		return depth + path_among(node->at);

	double v = numbers_clip(row[node->feature], VALUE_MAX);
	if (!isnan(v))
		return path_from(t, node->left + (v < node->at ? 0 : 1), row, depth + 1);
	return node->share * path_from(t, node->left, row, depth + 1) +
	       (1 - node->share) * path_from(t, node->left + 1, row, depth + 1);
}

/* Equation 2: near 1 strange, 0.5 and below usual. */
static double score_row(const struct forest *f, const double *row)
{
	double sum = 0;

	for (size_t i = 0; i < f->n_trees; i++)
		sum += path_from(&f->trees[i], 0, row, 0);
	return powers_exp2(-sum / (double)f->n_trees / path_among((double)f->sample_size));
}

static bool is_empty(const double *row, size_t n)
{
	for (size_t j = 0; j < n; j++)
		if (!isnan(row[j]))
			return false;
	return true;
}

static int forest_score(const void *model, const struct rows *in, double *ret_scores)
{
	const struct forest *f = model;

	if (in->n_features != f->n_features)
		return -EINVAL;
	for (size_t i = 0; i < in->n_rows; i++) {
		const double *row = rows_at(in, i);

		ret_scores[i] = is_empty(row, f->n_features) ? NAN : score_row(f, row);
	}
	return 0;
}

/* How much the score falls when the feature is taken away. */
static int forest_explain(const void *model, const double *row, double *ret_shares)
{
	const struct forest *f = model;
	size_t n = f->n_features;
	CLEANUP_FREE double *without = calloc(n, sizeof(double));
	double whole = score_row(f, row), sum = 0;

	if (!without)
		return -ENOMEM;
	memcpy(without, row, n * sizeof(double));
	for (size_t j = 0; j < n; j++) {
		without[j] = NAN;
		ret_shares[j] = fmax(whole - score_row(f, without), 0);
		sum += ret_shares[j];
		without[j] = row[j];
	}
	for (size_t j = 0; j < n; j++)
		ret_shares[j] = sum > 0 ? ret_shares[j] / sum : 1 / (double)n;
	return 0;
}

/* ---- as bytes: the sizes, and of each tree its nodes; a leaf is its feature and count ---- */

static int forest_save(const void *model, struct writer *to)
{
	const struct forest *f = model;

	write_u16(to, (uint16_t)f->n_features);
	write_u16(to, (uint16_t)f->sample_size);
	write_u16(to, (uint16_t)f->n_trees);
	for (size_t i = 0; i < f->n_trees; i++) {
		write_u16(to, (uint16_t)f->trees[i].n_nodes);
		for (uint32_t k = 0; k < f->trees[i].n_nodes; k++) {
			const struct node *node = &f->trees[i].nodes[k];

			write_u16(to, node->feature);
			write_double(to, node->at);
			write_double(to, node->share);
		}
	}
	return to->overrun ? -ENOBUFS : 0;
}

static bool read_node(struct reader *r, size_t n_features, size_t sample_size, struct node *ret)
{
	ret->feature = read_u16(r);
	if (!read_doubles(r, &ret->at, 1) || !read_doubles(r, &ret->share, 1))
		return false;
	if (ret->feature == LEAF)
		return ret->at >= 0 && ret->at <= (double)sample_size;
	return ret->feature < n_features && ret->share >= 0 && ret->share <= 1;
}

/* Children follow from the order; what is checked is that all of them are there and none is
 * deeper than a tree grows. */
static bool link_nodes(struct tree *t)
{
	uint8_t depth[NODES_MAX] = { 0 };
	uint32_t next = 1;

	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (i >= next)
			return false; /* nobody's child */
		if (t->nodes[i].feature == LEAF)
			continue;
		if (next + 2 > t->n_nodes || depth[i] >= DEPTH_MAX)
			return false;
		t->nodes[i].left = next;
		depth[next] = depth[next + 1] = (uint8_t)(depth[i] + 1);
		next += 2;
	}
	return next == t->n_nodes;
}

static int read_tree(struct reader *r, const struct forest *f, struct tree *ret)
{
	size_t n = read_u16(r);

	if (n == 0 || n > NODES_MAX || r->left < n * 18)
		return -EBADMSG;
	ret->nodes = calloc(n, sizeof(struct node));
	if (!ret->nodes)
		return -ENOMEM;
	ret->n_nodes = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		if (!read_node(r, f->n_features, f->sample_size, &ret->nodes[i]))
			return -EBADMSG;
	return link_nodes(ret) ? 0 : -EBADMSG;
}

static int forest_load(struct span from, void **ret)
{
	struct reader r = reader_of(from);
	size_t n_features = read_u16(&r), sample_size = read_u16(&r), n_trees = read_u16(&r);

	if (r.overrun || n_features == 0 || n_features > DETECTOR_FEATURES_MAX || sample_size < 2 ||
	    sample_size > FOREST_SAMPLE_MAX || n_trees == 0 || n_trees > FOREST_TREES_MAX)
		return -EBADMSG;

	CLEANUP(forest_freep) struct forest *f = forest_new(n_features, sample_size, n_trees);
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < n_trees; i++) {
		int e = read_tree(&r, f, &f->trees[i]);

		if (e < 0)
			return e;
	}
	if (r.overrun || r.left != 0)
		return -EBADMSG;
	*ret = TAKE(f);
	return 0;
}

const struct detector_ops detector_forest = {
	.name = "forest",
	.fit = forest_fit,
	.score = forest_score,
	.explain = forest_explain,
	.save = forest_save,
	.load = forest_load,
	.n_features = forest_n_features,
	.free = forest_free,
};
