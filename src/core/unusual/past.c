/* SPDX-License-Identifier: Apache-2.0 */
/* A sample of one subject's past, and the detectors that are fitted to it. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/powers.h"
#include "core/unusual/internal.h"

#define TREES 25 /* of 64 rows: 80 kB at most, where the paper's 100 of 256 would be 1.2 MB */
#define TREE_ROWS 64
#define SECOND_BITS 1.0 /* for having asked a second one */

static const struct detector_ops *const judges[N_JUDGES] = {
	[JUDGE_ROBUST] = &detector_robust_z,
	[JUDGE_FOREST] = &detector_forest,
};

/* The least by which scores are taken to differ, on each judge's scale. */
static const double excess_min[N_JUDGES] = {
	[JUDGE_ROBUST] = 0.25,
	[JUDGE_FOREST] = 0.01,
};

int past_new(enum unusual_group g, uint64_t subject, uint64_t seed, struct past **ret)
{
	size_t n_values = UNUSUAL_SAMPLES * unusual_groups[g].n_features;
	struct past *p = calloc(1, sizeof(*p) + n_values * sizeof(p->samples[0]));

	if (!p)
		return -ENOMEM;
	p->group = g;
	p->subject = subject;
	rng_seed(&p->rng, seed ^ subject ^ (uint64_t)g << 56);
	p->verdict = (struct unusual_verdict){ .bits = NAN, .hint_bits = NAN, .mostly = "" };
	*ret = p;
	return 0;
}

static void drop(struct past *p, enum judge j)
{
	judges[j]->free(p->models[j]);
	p->models[j] = NULL;
}

void past_free(struct past *p)
{
	for (unsigned j = 0; p && j < N_JUDGES; j++)
		drop(p, j);
	free(p);
}

/* ---- the sample ---- */

static int16_t *sample(struct past *p, size_t i)
{
	return p->samples + i * unusual_groups[p->group].n_features;
}

/* Where the next row goes: of the first hour each is in the sample with the same chance (Vitter's
 * algorithm R), then old ones fade, in an hour in the mean. UNUSUAL_SAMPLES: nowhere. */
static size_t place(struct past *p)
{
	size_t at;

	if (p->n_seen < UNUSUAL_PAST_S)
		p->n_seen++;
	if (p->n == UNUSUAL_SAMPLES) {
		at = (size_t)rng_below(&p->rng, p->n_seen);
		return at < UNUSUAL_SAMPLES ? at : UNUSUAL_SAMPLES;
	}
	for (size_t k = 0; k < unusual_groups[p->group].n_features; k++)
		sample(p, p->n)[k] = STEP_MISSING;
	return p->n++;
}

void past_learn(struct past *p, const int16_t *row, unsigned without)
{
	size_t n = unusual_groups[p->group].n_features, n_known = 0, at;

	for (size_t k = 0; k < n; k++)
		n_known += row[k] != STEP_MISSING && !(without & 1U << k);
	if (n_known == 0)
		return;
	at = place(p);
	for (size_t k = 0; at < UNUSUAL_SAMPLES && k < n; k++)
		if (row[k] != STEP_MISSING && !(without & 1U << k))
			sample(p, at)[k] = row[k]; /* else what was known of it stays */
}

void past_hurry(struct past *p)
{
	p->n_seen = p->n;
}

void past_forget(struct past *p, size_t feature)
{
	for (size_t i = 0; i < p->n; i++)
		sample(p, i)[feature] = STEP_MISSING;
	p->is_due = true;
	past_hurry(p);
}

/* ---- fitting ---- */

static void to_values(const int16_t *row, unsigned of, size_t n, double *ret)
{
	for (size_t k = 0; k < n; k++)
		ret[k] = row[k] == STEP_MISSING || !(of & 1U << k) ? (double)NAN : row[k];
}

static unsigned known_features(struct past *p, size_t n_features, unsigned learn_s)
{
	unsigned ret = 0;

	for (size_t k = 0; k < n_features; k++) {
		unsigned n = 0;

		for (size_t i = 0; i < p->n; i++)
			n += sample(p, i)[k] != STEP_MISSING;
		if (n >= learn_s)
			ret |= 1U << k;
	}
	return ret;
}

static int fit_judge(struct past *p, enum judge j, const struct rows *rows)
{
	const struct detector_settings settings = {
		.scale_min = SPREAD_STEPS_MIN,
		.n_trees = TREES,
		.sample_size = TREE_ROWS,
	};
	CLEANUP_FREE double *scores = NULL;
	int r;

	drop(p, j); /* first, for there is room for one of them */
	scores = calloc(rows->n_rows, sizeof(*scores));
	if (!scores)
		return -ENOMEM;
	r = judges[j]->fit(rows, &settings, &p->rng, &p->models[j]);
	if (r == 0)
		r = judges[j]->score(p->models[j], rows, scores);
	if (r == 0)
		r = surprise_learn(scores, rows->n_rows, excess_min[j], &p->surprises[j]);
	if (r < 0)
		drop(p, j);
	return r;
}

int past_fit(struct past *p, unsigned learn_s, uint64_t now_us)
{
	const struct group *g = &unusual_groups[p->group];
	CLEANUP_FREE double *values = NULL;
	struct rows rows = { .n_rows = p->n, .n_features = g->n_features };
	int r;

	p->fitted_us = now_us;
	p->is_due = false;
	p->learned = known_features(p, g->n_features, learn_s);
	if (p->learned == 0) {
		drop(p, JUDGE_ROBUST);
		drop(p, JUDGE_FOREST);
		return -ENODATA;
	}
	values = calloc(p->n * g->n_features, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		to_values(sample(p, i), p->learned, g->n_features, values + i * g->n_features);
	rows.values = values;
	r = fit_judge(p, JUDGE_ROBUST, &rows);
	if (r == 0 && g->has_forest && p->n >= UNUSUAL_FOREST_ROWS)
		r = fit_judge(p, JUDGE_FOREST, &rows);
	return r;
}

/* ---- judging ---- */

/* The more surprised of them, less a bit where two were asked (Bonferroni): a mean would let one
 * that cannot tell what is odd silence the other. */
double past_bits(const struct past *p, const int16_t *row, unsigned without)
{
	size_t n_features = unusual_groups[p->group].n_features;
	double values[UNUSUAL_FEATURES_MAX], score, most = 0;
	const struct rows rows = { .values = values, .n_rows = 1, .n_features = n_features };
	unsigned n = 0;

	to_values(row, p->learned & ~without, n_features, values);
	for (unsigned j = 0; j < N_JUDGES; j++) {
		if (!p->models[j] || judges[j]->score(p->models[j], &rows, &score) < 0 ||
		    isnan(score))
			continue;
		most = powers_larger(most, surprise_bits(&p->surprises[j], score));
		n++;
	}
	return n ? powers_larger(0, most - (n - 1) * SECOND_BITS) : (double)NAN;
}

bool past_shares(const struct past *p, const int16_t *row, unsigned without,
		 double ret[UNUSUAL_FEATURES_MAX])
{
	size_t n_features = unusual_groups[p->group].n_features;
	double values[UNUSUAL_FEATURES_MAX];

	to_values(row, p->learned & ~without, n_features, values);
	return p->models[JUDGE_ROBUST] &&
	       judges[JUDGE_ROBUST]->explain(p->models[JUDGE_ROBUST], values, ret) == 0;
}
