/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - quantiles, and the little linear algebra that small matrices need. Private to
 * this room. Matrices are row-major. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

double numbers_clip(double v, double limit); /* into [-limit, limit]; NaN stays */
void numbers_sort(double *v, size_t n);	     /* no NaN among them */
/* Of sorted values, linear between them; q in 0..1, n at least 1. */
double numbers_quantile(const double *sorted, size_t n, double q);
/* Sorts the n >= 1 values and returns their median and the median of their distances from it. */
void numbers_median_mad(double *v, size_t n, double *ret_median, double *ret_mad);

/* The lower Cholesky factor, in place (the upper triangle is left as it is). False where the
 * matrix is not positive definite to working precision. */
bool numbers_cholesky(double *a, size_t n);
void numbers_solve_lower(const double *l, size_t n, double *x); /* x := L^-1 x */
void numbers_solve_upper(const double *l, size_t n, double *x); /* x := L^-T x */

/* A double as its IEEE 754 bits, big-endian. */
void write_double(struct writer *w, double v);
void write_doubles(struct writer *w, const double *v, size_t n);
/* false where the bytes end or one is not finite. */
bool read_doubles(struct reader *r, double *ret, size_t n);
