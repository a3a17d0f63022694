/* SPDX-License-Identifier: Apache-2.0 */
/* How far each feature is from its own median, in robust standard deviations. */
#include "core/anomaly/detector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/powers.h"
#include "core/anomaly/numbers.h"

#define CLIP 10.0	     /* robust standard deviations */
#define MAD_TO_SIGMA 1.4826  /* of a normal distribution: 1 / its 0.75 quantile */
#define MEAN_TO_SIGMA 1.2533 /* sqrt(pi / 2), the same for the mean absolute deviation */
#define SCALE_FLOOR 0.001    /* of the median: a feature that never moved */
#define TRAIN_ROWS_MIN 8
#define VALUE_MAX 1e100

struct robust {
	size_t n_features;
	double numbers[]; /* n medians, then n scales; scale 0 for a feature never seen */
};

static struct robust *robust_new(size_t n)
{
	struct robust *m = calloc(1, sizeof(*m) + 2 * n * sizeof(double));

	if (m)
		m->n_features = n;
	return m;
}

static void robust_free(void *model)
{
	free(model);
}

static size_t robust_n_features(const void *model)
{
	return ((const struct robust *)model)->n_features;
}

static void learn_feature(struct robust *m, size_t j, double *values, size_t n, double scale_min)
{
	double median, mad, mean = 0;

	if (n == 0)
		return;
	numbers_median_mad(values, n, &median, &mad);
	for (size_t i = 0; i < n; i++)
		mean += values[i] / (double)n; /* they are distances by now */
	if (mad == 0)
		mad = mean * MEAN_TO_SIGMA / MAD_TO_SIGMA; /* more than half are the same value */
	m->numbers[j] = median;
	m->numbers[m->n_features + j] =
		powers_larger(powers_larger(mad * MAD_TO_SIGMA, scale_min),
			      SCALE_FLOOR * (median == 0 ? 1 : fabs(median)));
}

static int robust_fit(const struct rows *train, const struct detector_settings *s, struct rng *rng,
		      void **ret)
{
	(void)rng;
	if (!(s->scale_min >= 0) || !isfinite(s->scale_min) || train->n_features == 0 ||
	    train->n_features > DETECTOR_FEATURES_MAX || train->n_rows > DETECTOR_TRAIN_ROWS_MAX)
		return -EINVAL;
	if (train->n_rows < TRAIN_ROWS_MIN)
		return -ENODATA;

	CLEANUP_FREE struct robust *m = robust_new(train->n_features);
	CLEANUP_FREE double *values = calloc(train->n_rows, sizeof(double));
	if (!m || !values)
		return -ENOMEM;
	for (size_t j = 0; j < train->n_features; j++) {
		size_t n = 0;

		for (size_t i = 0; i < train->n_rows; i++)
			if (!isnan(rows_at(train, i)[j]))
				values[n++] = numbers_clip(rows_at(train, i)[j], VALUE_MAX);
		learn_feature(m, j, values, n, s->scale_min);
	}
	*ret = TAKE(m);
	return 0;
}

static double deviation(const struct robust *m, const double *row, size_t j)
{
	double scale = m->numbers[m->n_features + j];

	if (scale == 0)
		return NAN;
	return numbers_clip((numbers_clip(row[j], VALUE_MAX) - m->numbers[j]) / scale, CLIP);
}

static int robust_score(const void *model, const struct rows *in, double *ret_scores)
{
	const struct robust *m = model;

	if (in->n_features != m->n_features)
		return -EINVAL;
	for (size_t i = 0; i < in->n_rows; i++) {
		double sum = 0, n = 0;

		for (size_t j = 0; j < m->n_features; j++) {
			double z = deviation(m, rows_at(in, i), j);

			if (isnan(z))
				continue;
			sum += z * z;
			n++;
		}
		ret_scores[i] = n > 0 ? sqrt(sum / n) : NAN;
	}
	return 0;
}

static int robust_explain(const void *model, const double *row, double *ret_shares)
{
	const struct robust *m = model;
	double sum = 0;

	for (size_t j = 0; j < m->n_features; j++) {
		double z = deviation(m, row, j);

		ret_shares[j] = isnan(z) ? 0 : z * z;
		sum += ret_shares[j];
	}
	for (size_t j = 0; j < m->n_features; j++)
		ret_shares[j] = sum > 0 ? ret_shares[j] / sum : 1 / (double)m->n_features;
	return 0;
}

static int robust_save(const void *model, struct writer *to)
{
	const struct robust *m = model;

	write_u16(to, (uint16_t)m->n_features);
	write_doubles(to, m->numbers, 2 * m->n_features);
	return to->overrun ? -ENOBUFS : 0;
}

static int robust_load(struct span from, void **ret)
{
	struct reader r = reader_of(from);
	size_t n = read_u16(&r);

	if (n == 0 || n > DETECTOR_FEATURES_MAX || r.left != 2 * n * sizeof(double))
		return -EBADMSG;

	CLEANUP_FREE struct robust *m = robust_new(n);
	if (!m)
		return -ENOMEM;
	if (!read_doubles(&r, m->numbers, 2 * n))
		return -EBADMSG;
	for (size_t j = 0; j < n; j++)
		if (m->numbers[n + j] < 0)
			return -EBADMSG;
	*ret = TAKE(m);
	return 0;
}

const struct detector_ops detector_robust_z = {
	.name = "robust_z",
	.fit = robust_fit,
	.score = robust_score,
	.explain = robust_explain,
	.save = robust_save,
	.load = robust_load,
	.n_features = robust_n_features,
	.free = robust_free,
};
