/* SPDX-License-Identifier: Apache-2.0 */
/* Forecasts every feature from slow and fast averages of all of them, and finds rows strange
 * whose errors are large for how errors used to go together.
 *
 * Each value is taken in standard deviations of training, clipped. Two moving averages of each
 * feature, of rows before the one at hand, forecast all features at once by ridge regression:
 * a slow drift moves the averages along and stays small, as a change of level does after a
 * while. The errors are weighed by the inverse of their training covariance, shrunk towards
 * independence: what moves together by habit counts once, what breaks the habit counts more.
 * The logarithm of the mean squared, weighed error is then averaged over the last rows on two
 * time scales, because faults last. */
#include "core/anomaly/detector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/anomaly/numbers.h"

#define N_AVERAGES 2
#define N_SCORE_AVERAGES 2
#define VALUE_CLIP 10.0	  /* standard deviations of the feature */
#define ERROR_CLIP 20.0	  /* standard deviations of the forecast's error */
#define RIDGE 0.001	  /* of the number of rows */
#define SHRINKAGE 0.5	  /* added to the diagonal, where training has about 1 */
#define ERROR_FLOOR 0.02  /* no feature is forecast better than this */
#define SCALE_FLOOR 0.001 /* of the mean: a feature that never moved in training */
#define TRAIN_ROWS_MIN 20 /* complete ones, besides two for each regressor */
#define VALUE_MAX 1e100	  /* so that squares and sums stay finite */

/* Half-lives in rows. */
static const double average_half_lives[N_AVERAGES] = { 5, 50 };
static const double score_half_lives[N_SCORE_AVERAGES] = { 1, 10 };

struct forecast {
	size_t n_features, n_regressors;
	double usual;	   /* median logarithm in training: where the averages of scores start */
	double *center;	   /* n */
	double *scale;	   /* n; 0 for a feature that training never saw */
	double *deviation; /* n, of the errors */
	double *weights;   /* n_regressors rows of n */
	double *factor;	   /* n by n, lower */
	double numbers[];
};

/* What is remembered from row to row. */
struct past {
	double *averages;   /* N_AVERAGES * n; NaN until the feature was seen */
	double *regressors; /* n_regressors */
	double *z, *error;  /* n; the row at hand; NaN missing */
};

static size_t n_numbers(size_t n)
{
	return 3 * n + (N_AVERAGES * n + 1) * n + n * n;
}

static struct forecast *forecast_new(size_t n)
{
	struct forecast *f = calloc(1, sizeof(*f) + n_numbers(n) * sizeof(double));

	if (!f)
		return NULL;
	f->n_features = n;
	f->n_regressors = N_AVERAGES * n + 1;
	f->center = f->numbers;
	f->scale = f->center + n;
	f->deviation = f->scale + n;
	f->weights = f->deviation + n;
	f->factor = f->weights + f->n_regressors * n;
	return f;
}

static void forecast_free(void *model)
{
	free(model);
}

static size_t forecast_n_features(const void *model)
{
	return ((const struct forecast *)model)->n_features;
}

static int past_init(struct past *p, const struct forecast *f)
{
	size_t n = f->n_features, n_averages = N_AVERAGES * n;

	p->averages = calloc(n_averages + f->n_regressors + 2 * n, sizeof(double));
	if (!p->averages)
		return -ENOMEM;
	p->regressors = p->averages + n_averages;
	p->z = p->regressors + f->n_regressors;
	p->error = p->z + n;
	for (size_t i = 0; i < n_averages; i++)
		p->averages[i] = NAN;
	return 0;
}

static double keep_of(double half_life)
{
	return exp2(-1 / half_life);
}

/* Takes the row in standard deviations and makes the regressors of the rows before it. */
static bool past_look(const struct forecast *f, struct past *p, const double *row)
{
	size_t n = f->n_features;
	bool is_complete = true;

	for (size_t j = 0; j < n; j++) {
		if (f->scale[j] == 0) {
			p->z[j] = NAN;
			continue;
		}
		p->z[j] = numbers_clip(
			(numbers_clip(row[j], VALUE_MAX) - f->center[j]) / f->scale[j], VALUE_CLIP);
		is_complete = is_complete && !isnan(p->z[j]);
	}
	for (size_t k = 0; k < N_AVERAGES; k++)
		for (size_t j = 0; j < n; j++) {
			double *average = &p->averages[k * n + j];

			if (isnan(*average))
				*average = p->z[j]; /* the first value of all forecasts itself */
			p->regressors[k * n + j] = isnan(*average) ? 0 : *average;
		}
	p->regressors[N_AVERAGES * n] = 1;
	return is_complete;
}

/* Lets the row become the past. */
static void past_move(const struct forecast *f, struct past *p)
{
	size_t n = f->n_features;

	for (size_t k = 0; k < N_AVERAGES; k++) {
		double keep = keep_of(average_half_lives[k]);
		double *average = p->averages + k * n;

		for (size_t j = 0; j < n; j++)
			if (!isnan(p->z[j]))
				average[j] = keep * average[j] + (1 - keep) * p->z[j];
	}
}

/* Errors of the forecast in their standard deviations; 0 for a missing value. Returns how many
 * values were there. */
static size_t past_errors(const struct forecast *f, struct past *p)
{
	size_t n = f->n_features, n_present = 0;

	for (size_t j = 0; j < n; j++)
		p->error[j] = p->z[j];
	for (size_t i = 0; i < f->n_regressors; i++)
		for (size_t j = 0; j < n; j++)
			p->error[j] -= p->regressors[i] * f->weights[i * n + j];
	for (size_t j = 0; j < n; j++) {
		if (!isnan(p->z[j]))
			n_present++;
		p->error[j] = isnan(p->z[j])
				      ? 0
				      : numbers_clip(p->error[j] / f->deviation[j], ERROR_CLIP);
	}
	return n_present;
}

/* ---- learning ---- */

static void learn_scale(struct forecast *f, const struct rows *train)
{
	for (size_t j = 0; j < f->n_features; j++) {
		double sum = 0, squares = 0, n = 0;

		for (size_t i = 0; i < train->n_rows; i++) {
			double v = numbers_clip(rows_at(train, i)[j], VALUE_MAX);

			if (isnan(v))
				continue;
			n++;
			sum += (v - sum) / n;
		}
		if (n == 0)
			continue; /* never seen: scale 0 */
		for (size_t i = 0; i < train->n_rows; i++) {
			double v = numbers_clip(rows_at(train, i)[j], VALUE_MAX);

			if (!isnan(v))
				squares += (v - sum) * (v - sum) / n;
		}
		f->center[j] = sum;
		f->scale[j] = fmax(sqrt(squares), SCALE_FLOOR * (sum == 0 ? 1 : fabs(sum)));
	}
}

static void add_outer(double *a, const double *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j <= i; j++)
			a[i * n + j] += x[i] * x[j];
}

/* Ridge regression over complete rows; a row with a gap trains nothing, but moves the
 * averages. */
static int learn_weights(struct forecast *f, const struct rows *train, struct past *p)
{
	size_t n = f->n_features, m = f->n_regressors, n_rows = 0;
	CLEANUP_FREE double *gram = calloc(m * m + m, sizeof(double));

	if (!gram)
		return -ENOMEM;
	for (size_t i = 0; i < train->n_rows; i++, past_move(f, p)) {
		if (!past_look(f, p, rows_at(train, i)))
			continue;
		n_rows++;
		add_outer(gram, p->regressors, m);
		for (size_t k = 0; k < m; k++)
			for (size_t j = 0; j < n; j++)
				f->weights[k * n + j] +=
					isnan(p->z[j]) ? 0 : p->regressors[k] * p->z[j];
	}
	if (n_rows < TRAIN_ROWS_MIN || n_rows < 2 * m)
		return -ENODATA;
	for (size_t k = 0; k < m; k++)
		gram[k * m + k] += RIDGE * (double)n_rows;
	if (!numbers_cholesky(gram, m))
		return -EINVAL;

	double *column = gram + m * m;
	for (size_t j = 0; j < n; j++) {
		for (size_t k = 0; k < m; k++)
			column[k] = f->weights[k * n + j];
		numbers_solve_lower(gram, m, column);
		numbers_solve_upper(gram, m, column);
		for (size_t k = 0; k < m; k++)
			f->weights[k * n + j] = column[k];
	}
	return 0;
}

/* How large the errors are (first pass), and how they go together (second). */
static int learn_errors(struct forecast *f, const struct rows *train, struct past *p, bool together)
{
	size_t n = f->n_features, n_rows = 0;
	CLEANUP_FREE double *squares = calloc(n, sizeof(double));

	if (!squares)
		return -ENOMEM;
	for (size_t i = 0; i < train->n_rows; i++, past_move(f, p)) {
		if (!past_look(f, p, rows_at(train, i)))
			continue;
		(void)past_errors(f, p);
		n_rows++;
		for (size_t j = 0; j < n; j++)
			squares[j] += p->error[j] * p->error[j];
		if (together)
			add_outer(f->factor, p->error, n);
	}
	for (size_t j = 0; j < n; j++)
		if (!together)
			f->deviation[j] *= fmax(sqrt(squares[j] / (double)n_rows), ERROR_FLOOR);
	if (!together)
		return 0;
	for (size_t i = 0; i < n * n; i++)
		f->factor[i] /= (double)n_rows;
	for (size_t i = 0; i < n; i++)
		f->factor[i * n + i] += SHRINKAGE;
	return numbers_cholesky(f->factor, n) ? 0 : -EINVAL;
}

static void past_forget(const struct forecast *f, struct past *p)
{
	for (size_t i = 0; i < N_AVERAGES * f->n_features; i++)
		p->averages[i] = NAN;
}

/* The logarithm for each row, NaN for one with nothing in it. */
static void logarithms(const struct forecast *f, struct past *p, const struct rows *in, double *ret)
{
	size_t n = f->n_features;

	past_forget(f, p);
	for (size_t i = 0; i < in->n_rows; i++, past_move(f, p)) {
		(void)past_look(f, p, rows_at(in, i));

		size_t n_present = past_errors(f, p);
		double sum = 0;

		numbers_solve_lower(f->factor, n, p->error);
		for (size_t j = 0; j < n; j++)
			sum += p->error[j] * p->error[j];
		ret[i] = n_present ? log1p(sum / (double)n_present) : NAN;
	}
}

static int learn_usual(struct forecast *f, const struct rows *train, struct past *p)
{
	CLEANUP_FREE double *scores = calloc(train->n_rows, sizeof(double));
	size_t n = 0;

	if (!scores)
		return -ENOMEM;
	logarithms(f, p, train, scores);
	for (size_t i = 0; i < train->n_rows; i++)
		if (!isnan(scores[i]))
			scores[n++] = scores[i];
	numbers_sort(scores, n);
	f->usual = numbers_quantile(scores, n, 0.5);
	return 0;
}

static int forecast_fit(const struct rows *train, const struct detector_settings *s,
			struct rng *rng, void **ret)
{
	size_t n = train->n_features;
	CLEANUP_FREE struct forecast *f = NULL;
	struct past p = { 0 };
	int r;

	(void)s;
	(void)rng;
	if (n == 0 || n > DETECTOR_FEATURES_MAX || train->n_rows > DETECTOR_TRAIN_ROWS_MAX)
		return -EINVAL;
	f = forecast_new(n);
	if (!f || past_init(&p, f) < 0)
		return -ENOMEM;
	learn_scale(f, train);
	r = learn_weights(f, train, &p);
	for (size_t j = 0; j < n; j++)
		f->deviation[j] = 1;
	for (int pass = 0; pass < 2 && r == 0; pass++) {
		past_forget(f, &p);
		r = learn_errors(f, train, &p, pass == 1);
	}
	if (r == 0)
		r = learn_usual(f, train, &p);
	free(p.averages);
	if (r < 0)
		return r;
	*ret = TAKE(f);
	return 0;
}

/* ---- judging ---- */

static int forecast_score(const void *model, const struct rows *in, double *ret_scores)
{
	const struct forecast *f = model;
	double average[N_SCORE_AVERAGES];
	struct past p;

	if (in->n_features != f->n_features)
		return -EINVAL;
	if (past_init(&p, f) < 0)
		return -ENOMEM;
	logarithms(f, &p, in, ret_scores);
	free(p.averages);
	for (size_t k = 0; k < N_SCORE_AVERAGES; k++)
		average[k] = f->usual;
	for (size_t i = 0; i < in->n_rows; i++) {
		double now = ret_scores[i], sum = 0;

		for (size_t k = 0; k < N_SCORE_AVERAGES && !isnan(now); k++) {
			double keep = keep_of(score_half_lives[k]);

			average[k] = keep * average[k] + (1 - keep) * now;
			sum += average[k];
		}
		sum /= N_SCORE_AVERAGES;
		ret_scores[i] = isnan(now) ? (double)NAN : sum;
	}
	return 0;
}

/* The part of each feature in the weighed square of the errors, the averages taken to be those
 * of training. */
static int forecast_explain(const void *model, const double *row, double *ret_shares)
{
	const struct forecast *f = model;
	size_t n = f->n_features;
	struct past p;
	double sum = 0;

	if (past_init(&p, f) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < N_AVERAGES * n; i++)
		p.averages[i] = 0;
	(void)past_look(f, &p, row);
	(void)past_errors(f, &p);
	for (size_t j = 0; j < n; j++)
		ret_shares[j] = p.error[j];
	numbers_solve_lower(f->factor, n, p.error);
	numbers_solve_upper(f->factor, n, p.error);
	for (size_t j = 0; j < n; j++)
		sum += ret_shares[j] = fabs(ret_shares[j] * p.error[j]);
	free(p.averages);
	for (size_t j = 0; j < n; j++)
		ret_shares[j] = sum > 0 ? ret_shares[j] / sum : 1 / (double)n;
	return 0;
}

/* ---- as bytes: n_features, usual, and the numbers as they lie ---- */

static int forecast_save(const void *model, struct writer *to)
{
	const struct forecast *f = model;

	write_u16(to, (uint16_t)f->n_features);
	write_double(to, f->usual);
	write_doubles(to, f->numbers, n_numbers(f->n_features));
	return to->overrun ? -ENOBUFS : 0;
}

static bool is_sound(const struct forecast *f)
{
	size_t n = f->n_features;

	for (size_t j = 0; j < n; j++)
		if (f->scale[j] < 0 || f->deviation[j] <= 0 || f->factor[j * n + j] <= 0)
			return false;
	return true;
}

static int forecast_load(struct span from, void **ret)
{
	struct reader r = reader_of(from);
	size_t n = read_u16(&r);

	if (n == 0 || n > DETECTOR_FEATURES_MAX || r.left != (n_numbers(n) + 1) * sizeof(double))
		return -EBADMSG;

	CLEANUP_FREE struct forecast *f = forecast_new(n);
	if (!f)
		return -ENOMEM;
	if (!read_doubles(&r, &f->usual, 1) || !read_doubles(&r, f->numbers, n_numbers(n)) ||
	    !is_sound(f))
		return -EBADMSG;
	*ret = TAKE(f);
	return 0;
}

const struct detector_ops detector_forecast = {
	.name = "forecast",
	.fit = forecast_fit,
	.score = forecast_score,
	.explain = forecast_explain,
	.save = forecast_save,
	.load = forecast_load,
	.n_features = forecast_n_features,
	.free = forecast_free,
};
