/* SPDX-License-Identifier: Apache-2.0 */
/* Several detectors as one: each score becomes the surprise, in bits, that a row of training
 * would have had so high a one, and the surprises are averaged. */
#include "core/anomaly/detector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/anomaly/numbers.h"

#define N_MEMBERS 3
#define N_STEPS 16	  /* the k-th grid point is passed by 2^-k of the training rows */
#define SURPRISE_MAX 32.0 /* beyond the last point the line goes on to here */

static const struct detector_ops *const members[N_MEMBERS] = {
	&detector_robust_z,
	&detector_forest,
	&detector_forecast,
};

struct ensemble {
	size_t n_features;
	void *models[N_MEMBERS];
	unsigned n_steps; /* as many as the training rows can tell */
	double grids[N_MEMBERS][N_STEPS];
};

static void ensemble_free(void *model)
{
	struct ensemble *e = model;

	for (size_t i = 0; e && i < N_MEMBERS; i++)
		members[i]->free(e->models[i]);
	free(e);
}

static void ensemble_freep(struct ensemble **e)
{
	ensemble_free(*e);
}

static size_t ensemble_n_features(const void *model)
{
	return ((const struct ensemble *)model)->n_features;
}

static double surprise(const double *grid, unsigned n_steps, double score)
{
	unsigned k = 1;

	if (score <= grid[0])
		return 0;
	while (k + 1 < n_steps && score > grid[k])
		k++;

	double step = grid[k] - grid[k - 1];
	if (step <= 0)
		return score > grid[k] ? SURPRISE_MAX : k;
	return fmin(k - 1 + (score - grid[k - 1]) / step, SURPRISE_MAX);
}

static int learn_grid(struct ensemble *e, size_t i, const struct rows *train, double *scores)
{
	int r = members[i]->score(e->models[i], train, scores);
	size_t n = 0;

	if (r < 0)
		return r;
	for (size_t k = 0; k < train->n_rows; k++)
		if (!isnan(scores[k]))
			scores[n++] = scores[k];
	if (n < 2)
		return -ENODATA;
	numbers_sort(scores, n);
	for (unsigned k = 0; k < e->n_steps; k++)
		e->grids[i][k] = numbers_quantile(scores, n, 1 - exp2(-(double)k));
	return 0;
}

static int ensemble_fit(const struct rows *train, const struct detector_settings *s,
			struct rng *rng, void **ret)
{
	CLEANUP(ensemble_freep) struct ensemble *e = calloc(1, sizeof(*e));
	CLEANUP_FREE double *scores = calloc(train->n_rows + 1, sizeof(double));
	int r = 0;

	if (!e || !scores)
		return -ENOMEM;
	e->n_features = train->n_features;
	for (e->n_steps = 2; e->n_steps < N_STEPS && (size_t)2 << e->n_steps <= train->n_rows;)
		e->n_steps++;
	for (size_t i = 0; i < N_MEMBERS && r == 0; i++) {
		r = members[i]->fit(train, s, rng, &e->models[i]);
		if (r == 0)
			r = learn_grid(e, i, train, scores);
	}
	if (r < 0)
		return r;
	*ret = TAKE(e);
	return 0;
}

static int ensemble_score(const void *model, const struct rows *in, double *ret_scores)
{
	const struct ensemble *e = model;
	CLEANUP_FREE double *scores = calloc(in->n_rows + 1, sizeof(double));

	if (in->n_features != e->n_features)
		return -EINVAL;
	if (!scores)
		return -ENOMEM;
	for (size_t k = 0; k < in->n_rows; k++)
		ret_scores[k] = 0;
	for (size_t i = 0; i < N_MEMBERS; i++) {
		int r = members[i]->score(e->models[i], in, scores);

		if (r < 0)
			return r;
		for (size_t k = 0; k < in->n_rows; k++)
			ret_scores[k] +=
				isnan(scores[k])
					? NAN
					: surprise(e->grids[i], e->n_steps, scores[k]) / N_MEMBERS;
	}
	return 0;
}

static int ensemble_explain(const void *model, const double *row, double *ret_shares)
{
	const struct ensemble *e = model;
	CLEANUP_FREE double *shares = calloc(e->n_features, sizeof(double));

	if (!shares)
		return -ENOMEM;
	memset(ret_shares, 0, e->n_features * sizeof(double));
	for (size_t i = 0; i < N_MEMBERS; i++) {
		int r = members[i]->explain(e->models[i], row, shares);

		if (r < 0)
			return r;
		for (size_t j = 0; j < e->n_features; j++)
			ret_shares[j] += shares[j] / N_MEMBERS;
	}
	return 0;
}

/* As bytes: n_features, n_steps; of each member its grid, the length of its bytes, and these. */
static int ensemble_save(const void *model, struct writer *to)
{
	const struct ensemble *e = model;

	write_u16(to, (uint16_t)e->n_features);
	write_u8(to, (uint8_t)e->n_steps);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		uint8_t *len_at;
		size_t before;
		int r;

		write_doubles(to, e->grids[i], e->n_steps);
		len_at = write_room(to, 4);
		before = to->len;
		r = members[i]->save(e->models[i], to);
		if (r < 0)
			return r;
		if (!len_at)
			return -ENOBUFS;
		store_u32(len_at, (uint32_t)(to->len - before));
	}
	return to->overrun ? -ENOBUFS : 0;
}

static int load_member(struct ensemble *e, size_t i, struct reader *r)
{
	struct span body;
	int result;

	if (!read_doubles(r, e->grids[i], e->n_steps))
		return -EBADMSG;
	for (unsigned k = 1; k < e->n_steps; k++)
		if (e->grids[i][k] < e->grids[i][k - 1])
			return -EBADMSG;
	body = read_span(r, read_u32(r));
	if (r->overrun)
		return -EBADMSG;
	result = members[i]->load(body, &e->models[i]);
	if (result < 0)
		return result;
	return members[i]->n_features(e->models[i]) == e->n_features ? 0 : -EBADMSG;
}

static int ensemble_load(struct span from, void **ret)
{
	struct reader r = reader_of(from);
	CLEANUP(ensemble_freep) struct ensemble *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->n_features = read_u16(&r);
	e->n_steps = read_u8(&r);
	if (e->n_steps < 2 || e->n_steps > N_STEPS)
		return -EBADMSG;
	for (size_t i = 0; i < N_MEMBERS; i++) {
		int result = load_member(e, i, &r);

		if (result < 0)
			return result;
	}
	if (r.left != 0)
		return -EBADMSG;
	*ret = TAKE(e);
	return 0;
}

const struct detector_ops detector_ensemble = {
	.name = "ensemble",
	.fit = ensemble_fit,
	.score = ensemble_score,
	.explain = ensemble_explain,
	.save = ensemble_save,
	.load = ensemble_load,
	.n_features = ensemble_n_features,
	.free = ensemble_free,
};
