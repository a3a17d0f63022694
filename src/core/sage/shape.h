/* SPDX-License-Identifier: Apache-2.0 */
/* shape.h - where in the array of weights each matrix begins, inside this room. */
#pragma once

#include "core/sage/sage.h"

/* One layer. */
struct shape_layer {
	size_t gain;  /* hidden gains, hidden biases of the normalisation */
	size_t logit; /* hidden x 2 heads: what a node asks for, what it offers */
	size_t own;   /* hidden x hidden, of the node's own row */
	size_t other; /* hidden x hidden, of its neighbours' */
	size_t bias;  /* hidden */
};

struct shape_map {
	size_t in;	/* features x hidden */
	size_t in_bias; /* hidden */
	struct shape_layer layer[SAGE_LAYERS_MAX];
	size_t gain; /* of the last normalisation */
	size_t out;  /* hidden */
	size_t out_bias;
	size_t n; /* weights */
};

/* -EINVAL for a shape out of bounds. */
int shape_map(const struct sage_shape *s, struct shape_map *ret);

/* All zeros. */
int model_new(const struct sage_shape *shape, uint64_t names_hash, struct sage_model **ret);
/* A feature as it enters. */
float scaled_feature(const struct sage_model *m, size_t d, float x);
