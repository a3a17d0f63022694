/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles, Cholesky factors, and doubles as bytes. */
#include "core/anomaly/numbers.h"

#include <math.h>
#include <stdlib.h>

double numbers_clip(double v, double limit)
{
	if (v > limit)
		return limit;
	return v < -limit ? -limit : v;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void numbers_sort(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
}

double numbers_quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

void numbers_median_mad(double *v, size_t n, double *ret_median, double *ret_mad)
{
	numbers_sort(v, n);
	double median = numbers_quantile(v, n, 0.5);

	for (size_t i = 0; i < n; i++)
		v[i] = fabs(v[i] - median);
	numbers_sort(v, n);
	*ret_median = median;
	*ret_mad = numbers_quantile(v, n, 0.5);
}

static double dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

bool numbers_cholesky(double *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++)
			a[i * n + j] = (a[i * n + j] - dot(a + i * n, a + j * n, j)) / a[j * n + j];

		double square = a[i * n + i] - dot(a + i * n, a + i * n, i);

		if (!(square > 0))
			return false;
		a[i * n + i] = sqrt(square);
	}
	return true;
}

void numbers_solve_lower(const double *l, size_t n, double *x)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (x[i] - dot(l + i * n, x, i)) / l[i * n + i];
}

void numbers_solve_upper(const double *l, size_t n, double *x)
{
	for (size_t i = n; i-- > 0;) {
		x[i] /= l[i * n + i];
		for (size_t j = 0; j < i; j++)
			x[j] -= l[i * n + j] * x[i];
	}
}

void write_double(struct writer *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	write_u64(w, bits);
}

void write_doubles(struct writer *w, const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		write_double(w, v[i]);
}

bool read_doubles(struct reader *r, double *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits = read_u64(r);

		memcpy(&ret[i], &bits, sizeof(bits));
		if (!isfinite(ret[i]))
			return false;
	}
	return !r->overrun;
}
