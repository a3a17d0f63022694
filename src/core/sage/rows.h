/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - the arithmetic of the network on rows of numbers, inside this room.
 *
 * rows.c is compiled once for each level of the processor in float, and once in double, in which
 * the gradients are checked: SAGE_DOUBLE says which of the two a file speaks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/sage/sage.h"

#ifdef SAGE_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#define SHARES_SPARE 3	    /* shares are computed by fours */
#define ATTENTION_SLOPE 0.2 /* of the leaky rectifier (Velickovic et al. 2018) */

/* One layer's attention over the whole graph. rows are the normalised rows of the nodes, logits
 * 2 * heads numbers a node: what it asks for, then what it offers. */
struct attention {
	const uint32_t *begin, *to; /* struct sage_graph */
	const real *rows, *logits;
	size_t width, heads;
};

/* Where the gradients of one layer's attention are summed up. */
struct attention_gradient {
	real *rows, *logits;
};

struct rows_ops {
	const char *name;
	void (*add)(real *out, const real *a, const real *b, size_t n);
	/* out[m][n] += a[m][k] * b[k][n]. Element (i, p) of a is at a[i * a_row + p * a_column],
	 * so that a transposed matrix needs no copy; out and b are dense in their rows. */
	void (*product)(real *out, const real *a, size_t a_row, size_t a_column, const real *b,
			size_t m, size_t k, size_t n);
	/* Layer normalisation, then the rectifier. gain is width gains, then width biases.
	 * ret_moments, unless NULL: the mean and the inverse deviation of each row. */
	void (*norm)(const real *h, size_t m, size_t width, const real *gain, real *ret,
		     real *ret_moments);
	/* From the gradient by ret of norm(): adds to that by h and to that by gain. */
	void (*norm_back)(const real *h, size_t m, size_t width, const real *gain,
			  const real *moments, const real *out, const real *by_out, real *by_h,
			  real *by_gain);
	/* What a node's neighbours say, width numbers; and the weight of each of them for each
	 * head, heads numbers a neighbour. Up to SHARES_SPARE numbers behind these are
	 * overwritten: go through the nodes in their order, and have room behind the last. */
	void (*attend)(const struct attention *a, size_t node, real *ret_weights, real *ret);
	void (*attend_back)(const struct attention *a, size_t node, const real *weights,
			    const real *by_out, const real *out,
			    const struct attention_gradient *to);
};

#ifdef SAGE_DOUBLE
extern const struct rows_ops sage_rows_double;
#else
extern const struct rows_ops sage_rows_portable;
#ifdef __x86_64__
extern const struct rows_ops sage_rows_avx2, sage_rows_avx512;
#endif
/* The level in use. */
const struct rows_ops *sage_rows(void);
#endif
