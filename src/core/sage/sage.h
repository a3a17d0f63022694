/* SPDX-License-Identifier: Apache-2.0 */
/* sage.h - a graph neural network that gives each node of a graph one score.
 *
 * GraphSAGE (Hamilton et al. 2017) with the neighbours weighted by attention of several heads
 * (Velickovic et al. 2018), the node's own row kept apart from theirs, layers that add to what
 * went in, and layer normalisation: what Platonov et al. 2023 found needed where neighbours are
 * unlike each other. README.md has the formulae.
 *
 * Everything here computes; the caller brings the data. Calls for different objects may run in
 * different threads. Numbers of one level of the processor (sage_set_level()) are the same on
 * every machine that has it, built by the same compiler. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define SAGE_FEATURES_MAX 256
#define SAGE_HIDDEN_MAX 256
#define SAGE_HEADS_MAX 16
#define SAGE_LAYERS_MAX 16
#define SAGE_NODES_MAX (1U << 20)
#define SAGE_EDGES_MAX (1U << 23) /* undirected; 2^24 entries in the rows of the graph */

/* ---- level ---- */

/* "portable", "avx2" or "avx512", for tests and measurements, of the whole process, before any
 * other call; the highest there is unless set. -ENOTSUP if this machine lacks it, -EINVAL for
 * another name. */
int sage_set_level(const char *name);
const char *sage_level(void);

/* ---- graph ---- */

/* The neighbours of node i are to[begin[i]] to to[begin[i + 1] - 1], ascending; each edge is in
 * the rows of both its ends. */
struct sage_graph {
	size_t n_nodes, degree_max;
	uint32_t *begin, *to;
};

/* Copies. -EINVAL for an end that is no node, an edge from a node to itself, or one that is there
 * twice; -ENOBUFS beyond the bounds. */
int sage_graph_new(size_t n_nodes, const uint32_t (*edges)[2], size_t n_edges,
		   struct sage_graph **ret);
void sage_graph_free(struct sage_graph *g);
DEFINE_FREEP(struct sage_graph, sage_graph_free)

/* ---- model ---- */

struct sage_shape {
	uint32_t n_features;
	uint32_t hidden; /* a multiple of heads */
	uint32_t heads;
	uint32_t layers; /* how many hops away a node is seen */
};

struct sage_model {
	struct sage_shape shape;
	uint64_t names_hash;	 /* of the features it was trained on, sage_names_hash() */
	float *centres, *scales; /* a feature x enters as (x - centre) / scale, within +-10 */
	float *weights;
	size_t n_weights;
};

/* Of the names in their order: two lists that differ have different hashes. */
uint64_t sage_names_hash(const char *const *names, size_t n);

void sage_model_free(struct sage_model *m);
DEFINE_FREEP(struct sage_model, sage_model_free)

/* The file's bytes, the caller's to free(). */
int sage_model_save(const struct sage_model *m, uint8_t **ret, size_t *ret_len);
/* Refuses everything that sage_model_save() does not write. -EBADMSG for what is damaged or no
 * model, -EPROTO for another version or other features; ret_reason says why in words. */
int sage_model_load(struct span file, uint32_t n_features, uint64_t names_hash,
		    struct sage_model **ret, const char **ret_reason);

/* ---- training ---- */

enum sage_part {
	SAGE_LEARN,  /* its label is learnt from */
	SAGE_CHOOSE, /* its label chooses when to stop */
	SAGE_UNSEEN, /* its label is not looked at */
};

struct sage_task {
	const struct sage_graph *graph;
	const float *features; /* n_features a node, finite */
	const uint8_t *labels; /* 0 or 1 */
	const uint8_t *parts;  /* enum sage_part */
	uint32_t n_features;
	uint64_t names_hash;
};

struct sage_training {
	uint32_t hidden, heads, layers;
	uint32_t rounds;	/* passes over the graph at most */
	uint32_t check_every;	/* rounds between two looks at SAGE_CHOOSE */
	uint32_t patience;	/* rounds without a better look, after which it stops */
	double rate;		/* of Adam; falls to nothing along a cosine */
	double decay;		/* of weights, apart from Adam's step (Loshchilov, Hutter 2019) */
	double dropout;		/* share of the numbers of each layer left out */
	double positive_weight; /* of a label 1 against a label 0; 0 for as many as there are 0s to
				   a 1 among SAGE_LEARN */
};

/* Two layers of 64 in four heads: the shape that fits the mesh. */
extern const struct sage_training sage_training_default;

struct sage_outcome {
	uint32_t rounds;     /* made */
	uint32_t best_round; /* whose weights were kept */
	double best_auroc;   /* of SAGE_CHOOSE */
};

/* Same task, settings, seed and level: same weights. -EINVAL for settings or data out of range,
 * or labels all alike in one of the parts; -ERANGE where no look had a finite result, so that there
 * is nothing to keep. ret_outcome may be NULL. */
int sage_train(const struct sage_task *task, const struct sage_training *how, uint64_t seed,
	       struct sage_model **ret, struct sage_outcome *ret_outcome);

/* Area under the curve of true against false positives, ties counting half, over the nodes of a
 * part that have a score: one that is NAN is left out. NAN where these have one label only.
 * -ENOMEM. */
int sage_auroc(const float *scores, const uint8_t *labels, const uint8_t *parts,
	       enum sage_part part, size_t n, double *ret);

/* ---- scoring ---- */

/* The scores of one graph's nodes, kept so that a changed node costs only what it can change.
 * Keeps both pointers. */
struct sage_scorer;

int sage_scorer_new(const struct sage_model *m, const struct sage_graph *g,
		    struct sage_scorer **ret);
void sage_scorer_free(struct sage_scorer *s);
DEFINE_FREEP(struct sage_scorer, sage_scorer_free)

/* All nodes, n_features numbers each. A node with a number that is not finite is unknown: its
 * score is NAN and its neighbours do not hear it. */
void sage_scorer_all(struct sage_scorer *s, const float *features);

/* One node has other features now; no more than shape.layers hops away scores are computed anew.
 * Only after sage_scorer_all(). Returns how many, their numbers in ret_nodes, the scorer's until
 * the next call. */
size_t sage_scorer_change(struct sage_scorer *s, size_t node, const float *features,
			  const uint32_t **ret_nodes);

/* Probabilities of label 1, n_nodes of them, as the last call left them. */
const float *sage_scorer_scores(const struct sage_scorer *s);
