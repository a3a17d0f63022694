/* SPDX-License-Identifier: Apache-2.0 */
/* Simple detectors of strange rows: chance, deviations, principal components, differences. */
#include "eval/baseline.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define CLIP 10.0 /* standard deviations, where the name says so */
#define SCALE_FLOOR 1e-4
#define KEPT_VARIANCE 0.95 /* by principal components */
#define SWEEPS_MAX 60

/* All rows in standard deviations of train; a missing value becomes 0 here. NULL for no memory. */
static double *standardised(const struct rows *train, const struct rows *all, double clip)
{
	size_t n = all->n_features;
	double *z = calloc(all->n_rows * n + 1, sizeof(double));

	for (size_t j = 0; z && j < n; j++) {
		double sum = 0, squares = 0, count = 0;

		for (size_t i = 0; i < train->n_rows; i++) {
			double v = rows_at(train, i)[j];

			if (isnan(v))
				continue;
			sum += v;
			squares += v * v;
			count++;
		}

		double mean = count > 0 ? sum / count : 0;
		double variance = count > 0 ? squares / count - mean * mean : 0;
		double scale = fmax(sqrt(fmax(variance, 0)), SCALE_FLOOR);
		for (size_t i = 0; i < all->n_rows; i++) {
			double v = (rows_at(all, i)[j] - mean) / scale;

			z[i * n + j] = isnan(v) ? 0 : fmin(fmax(v, -clip), clip);
		}
	}
	return z;
}

static double mean_square(const double *v, size_t n)
{
	double sum = 0;

	for (size_t j = 0; j < n; j++)
		sum += v[j] * v[j] / (double)n;
	return sum;
}

static int random_score(const struct rows *train, const struct rows *all, struct rng *rng,
			double *ret_scores)
{
	(void)train;
	for (size_t i = 0; i < all->n_rows; i++)
		ret_scores[i] = rng_unit(rng);
	return 0;
}

static int max_z(const struct rows *train, const struct rows *all, struct rng *rng,
		 double *ret_scores)
{
	CLEANUP_FREE double *z = standardised(train, all, INFINITY);
	size_t n = all->n_features;

	(void)rng;
	if (!z)
		return -ENOMEM;
	for (size_t i = 0; i < all->n_rows; i++) {
		ret_scores[i] = 0;
		for (size_t j = 0; j < n; j++)
			ret_scores[i] = fmax(ret_scores[i], fabs(z[i * n + j]));
	}
	return 0;
}

static int mean_square_z(const struct rows *train, const struct rows *all, double clip,
			 double *ret_scores)
{
	CLEANUP_FREE double *z = standardised(train, all, clip);

	if (!z)
		return -ENOMEM;
	for (size_t i = 0; i < all->n_rows; i++)
		ret_scores[i] = mean_square(z + i * all->n_features, all->n_features);
	return 0;
}

static int squared_z(const struct rows *train, const struct rows *all, struct rng *rng,
		     double *ret_scores)
{
	(void)rng;
	return mean_square_z(train, all, INFINITY, ret_scores);
}

static int clipped_z(const struct rows *train, const struct rows *all, struct rng *rng,
		     double *ret_scores)
{
	(void)rng;
	return mean_square_z(train, all, CLIP, ret_scores);
}

static int last_difference(const struct rows *train, const struct rows *all, struct rng *rng,
			   double *ret_scores)
{
	CLEANUP_FREE double *z = standardised(train, all, INFINITY);
	size_t n = all->n_features;

	(void)rng;
	if (!z)
		return -ENOMEM;
	for (size_t i = 0; i < all->n_rows; i++) {
		ret_scores[i] = 0;
		for (size_t j = 0; i > 0 && j < n; j++) {
			double d = z[i * n + j] - z[(i - 1) * n + j];

			ret_scores[i] += d * d / (double)n;
		}
	}
	return 0;
}

/* ---- principal components ---- */

/* Turns rows and columns p and q so that a[p][q] becomes 0; the columns of v turn along. */
static void rotate(double *a, double *v, size_t n, size_t p, size_t q)
{
	double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
	double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
	double c = 1 / sqrt(t * t + 1), s = t * c;

	for (size_t k = 0; k < n; k++) {
		double x = a[k * n + p], y = a[k * n + q];

		a[k * n + p] = c * x - s * y;
		a[k * n + q] = s * x + c * y;
	}
	for (size_t k = 0; k < n; k++) {
		double x = a[p * n + k], y = a[q * n + k];

		a[p * n + k] = c * x - s * y;
		a[q * n + k] = s * x + c * y;
		x = v[k * n + p];
		y = v[k * n + q];
		v[k * n + p] = c * x - s * y;
		v[k * n + q] = s * x + c * y;
	}
}

/* Jacobi's method: a ends diagonal, the columns of v are the eigenvectors. */
static void eigen(double *a, double *v, size_t n)
{
	for (size_t i = 0; i < n * n; i++)
		v[i] = i % (n + 1) == 0;
	for (int sweep = 0; sweep < SWEEPS_MAX; sweep++) {
		double off = 0;

		for (size_t p = 0; p < n; p++)
			for (size_t q = p + 1; q < n; q++) {
				off += fabs(a[p * n + q]);
				if (fabs(a[p * n + q]) > 1e-14)
					rotate(a, v, n, p, q);
			}
		if (off < 1e-10)
			return;
	}
}

/* Marks the fewest components that hold the variance to be kept. */
static void keep(const double *a, size_t n, bool *ret_kept)
{
	double total = 0, kept = 0;

	for (size_t i = 0; i < n; i++)
		total += a[i * n + i];
	while (kept < KEPT_VARIANCE * total) {
		size_t best = n;

		for (size_t i = 0; i < n; i++)
			if (!ret_kept[i] && (best == n || a[i * n + i] > a[best * n + best]))
				best = i;
		if (best == n)
			return;
		ret_kept[best] = true;
		kept += a[best * n + best];
	}
}

static int pca(const struct rows *train, const struct rows *all, struct rng *rng,
	       double *ret_scores)
{
	size_t n = all->n_features;
	CLEANUP_FREE double *z = standardised(train, all, INFINITY);
	CLEANUP_FREE double *a = calloc(n * n, sizeof(double));
	CLEANUP_FREE double *v = calloc(n * n, sizeof(double));
	bool kept[DETECTOR_FEATURES_MAX] = { false };

	(void)rng;
	if (!z || !a || !v)
		return -ENOMEM;
	for (size_t i = 0; i < train->n_rows; i++)
		for (size_t j = 0; j < n; j++)
			for (size_t k = 0; k < n; k++)
				a[j * n + k] += z[i * n + j] * z[i * n + k] / (double)train->n_rows;
	eigen(a, v, n);
	keep(a, n, kept);
	for (size_t i = 0; i < all->n_rows; i++) {
		ret_scores[i] = 0; /* what the components left out hold of the row */
		for (size_t k = 0; k < n; k++) {
			double part = 0;

			for (size_t j = 0; j < n && !kept[k]; j++)
				part += z[i * n + j] * v[j * n + k];
			ret_scores[i] += part * part / (double)n;
		}
	}
	return 0;
}

const struct baseline baselines[] = {
	{ "random", random_score },
	{ "max_z", max_z },
	{ "mean_squared_z", squared_z },
	{ "clipped_squared_z", clipped_z },
	{ "pca", pca },
	{ "last_difference", last_difference },
};
const size_t n_baselines = N_ELEMENTS(baselines);
