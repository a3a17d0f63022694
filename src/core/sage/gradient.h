/* SPDX-License-Identifier: Apache-2.0 */
/* gradient.h - the network over a whole graph with all that its gradients need, inside this room.
 * Compiled in float for training and in double for checking it, as rows.h is. */
#pragma once

#include "base/rng.h"
#include "core/sage/rows.h"
#include "core/sage/shape.h"

struct net_layer {
	real *h;       /* what comes in, hidden numbers a node */
	real *n;       /* the same normalised, rectified, and partly left out */
	real *moments; /* of the normalisation, 2 a node */
	real *logits;  /* 2 heads a node */
	real *shares;  /* attention, heads for each entry of the graph's rows */
	real *m;       /* what the neighbours say, hidden numbers a node */
};

struct sage_net {
	struct sage_shape shape;
	struct shape_map map;
	const struct rows_ops *ops;
	const struct sage_graph *graph;
	real *x;				     /* features, scaled; the caller fills it in */
	real *weights, *gradient;		     /* map.n each */
	struct net_layer layer[SAGE_LAYERS_MAX + 1]; /* of the last only h, n and moments */
	real *out;    /* a number a node, of which the logistic function is the score */
	real *by_out; /* gradients, as the fields of the same name above */
	real *by_h, *by_n, *by_m, *by_logits, *turned;
	real kept_scale; /* of what dropout left, as of the last forward pass */
};

int net_new(const struct sage_shape *shape, const struct sage_graph *g, const struct rows_ops *ops,
	    struct sage_net **ret);
void net_free(struct sage_net *n);
DEFINE_FREEP(struct sage_net, net_free)

/* Fills in out. rng: what dropout leaves out, NULL for nothing. */
void net_forward(struct sage_net *n, double dropout, struct rng *rng);
/* The mean over the nodes of part SAGE_LEARN, each weighted, of the cross entropy; fills in
 * by_out. */
real net_loss(struct sage_net *n, const uint8_t *labels, const uint8_t *parts,
	      real positive_weight);
/* Fills in gradient, from by_out and the last forward pass. */
void net_backward(struct sage_net *n);
