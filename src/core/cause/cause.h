/* SPDX-License-Identifier: Apache-2.0 */
/* cause.h - which node of a dependency graph explains best what is wrong at another.
 *
 * A node that a symptom depends on, over at most three edges, is a candidate. It explains, of
 * its own deviation, what those it depends on do not explain, as far as it moves with the
 * symptom; and of every node that depends on it, as much deviation as both have, as far as the
 * two move together, half as much for each edge between them. Edges are real dependencies;
 * names and numbers of nodes decide nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAUSE_NODES_MAX 256 /* what five minutes of one neighbourhood hold */
#define CAUSE_EDGES_MAX 4096
#define CAUSE_ROWS_MAX 600
#define CAUSE_HOPS_MAX 3
#define CAUSE_DEVIATION_MAX 20.0 /* robust standard deviations */
#define CAUSE_NORMAL_MIN 3	 /* values that a normal period has at least */

struct cause_edge {
	size_t from, to; /* from depends on to */
};

struct cause_input {
	size_t n_nodes, n_rows, n_edges;
	const double
		*deviations; /* n_rows of each node, in order of time; at least 0; NaN missing */
	const struct cause_edge *edges;
	size_t symptom; /* node */
};

struct cause {
	size_t node;
	unsigned hops;	   /* from the symptom; 0 is the symptom itself */
	double explained;  /* in robust standard deviations, at least 0 */
	double confidence; /* its share of what all candidates explain; 0..1 */
};

enum cause_direction {
	CAUSE_BOTH_WAYS,
	CAUSE_RISES, /* only more than normal is wrong */
	CAUSE_FALLS,
};

/* How far each value is from the median of the normal period, in robust standard deviations, 0
 * to CAUSE_DEVIATION_MAX; NaN for a missing value, and for all where fewer than
 * CAUSE_NORMAL_MIN normal values are there. normal is put in another order. */
void cause_deviations(double *normal, size_t n_normal, const double *now, size_t n_now,
		      enum cause_direction direction, double *ret);

/* The highest correlation of the two over the rows that both have, the second at the same time
 * as the first or one row before it; 0 for none, for less than three rows, or where one of them
 * does not move. */
double cause_correlation(const double *effect, const double *cause, size_t n);

/* The candidates, best first, into room for n_nodes. -EINVAL for an input out of bounds or a
 * node that is none, -ENOMEM. */
int cause_rank(const struct cause_input *in, struct cause *ret, size_t *ret_n);
