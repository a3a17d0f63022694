/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab eval timeseries: detectors that learn from train.csv and score test.csv, beside
 * simple ones, on every folder that has both and test_label.csv. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "eval/baseline.h"
#include "csv.h"
#include "eval/eval.h"
#include "eval/scoring.h"

#define QUANTILE 0.999 /* of the training scores: every detector's threshold */
#define SEED 1
#define N_OURS 4

static const struct detector_ops *const ours[N_OURS] = {
	&detector_forecast,
	&detector_ensemble,
	&detector_forest,
	&detector_robust_z,
};
#define N_OWN 2 /* of these, what is not a baseline; the others are simple, and compared with */

struct entity {
	struct rows train, all; /* all: train, then test */
	uint8_t *labels;	/* of test */
	double *values;
};

static void entity_done(struct entity *e)
{
	free(e->values);
	free(e->labels);
}

static void csv_numbers(const struct csv *c, double *ret)
{
	for (size_t i = 0; i < c->n_rows; i++)
		for (size_t j = 0; j < c->n_columns; j++)
			ret[i * c->n_columns + j] = csv_number(c, i, j);
}

static int entity_make(struct entity *e, const struct csv *train, const struct csv *test,
		       const struct csv *labels)
{
	size_t n = train->n_columns;

	if (test->n_columns != n || n > DETECTOR_FEATURES_MAX || labels->n_columns != 1 ||
	    labels->n_rows != test->n_rows || train->n_rows == 0)
		return -EBADMSG;
	e->values = calloc((train->n_rows + test->n_rows) * n, sizeof(double));
	e->labels = calloc(test->n_rows + 1, 1);
	if (!e->values || !e->labels)
		return -ENOMEM;
	csv_numbers(train, e->values);
	csv_numbers(test, e->values + train->n_rows * n);
	for (size_t i = 0; i < test->n_rows; i++)
		e->labels[i] = csv_number(labels, i, 0) > 0;
	e->train = (struct rows){ e->values, train->n_rows, n };
	e->all = (struct rows){ e->values, train->n_rows + test->n_rows, n };
	return 0;
}

static int entity_read(const char *dir, struct entity *ret)
{
	static const char *const names[] = { "train.csv", "test.csv", "test_label.csv" };
	struct csv tables[N_ELEMENTS(names)] = { 0 };
	struct entity e = { 0 };
	char path[EVAL_PATH_MAX];
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(names) && r == 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		r = csv_read(path, &tables[i]);
		if (r < 0)
			eval_complain(path, r);
	}
	if (r == 0) {
		r = entity_make(&e, &tables[0], &tables[1], &tables[2]);
		if (r < 0)
			eval_complain(dir, r);
	}
	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		csv_done(&tables[i]);
	if (r < 0)
		entity_done(&e);
	else
		*ret = e;
	return r;
}

static int own_score(const struct detector_ops *ops, const struct entity *e, struct rng *rng,
		     double *ret_scores)
{
	struct detector_settings settings = { 0 };
	void *model;
	int r = ops->fit(&e->train, &settings, rng, &model);

	if (r < 0)
		return r;
	r = ops->score(model, &e->all, ret_scores);
	ops->free(model);
	return r;
}

/* Of the scores of training that are there. */
static double threshold_of(const double *scores, size_t n_train)
{
	CLEANUP_FREE double *sorted = calloc(n_train, sizeof(double));
	size_t n = 0;

	for (size_t i = 0; sorted && i < n_train; i++)
		if (!isnan(scores[i]))
			sorted[n++] = scores[i];
	return scoring_quantile(sorted, n, QUANTILE);
}

/* Scores of detector k: ours first, then the baselines. */
static int score_with(size_t k, const struct entity *e, struct scoring *ret)
{
	CLEANUP_FREE double *scores = calloc(e->all.n_rows, sizeof(double));
	struct rng rng;
	int r;

	if (!scores)
		return -ENOMEM;
	rng_seed(&rng, SEED);
	if (k < N_OURS)
		r = own_score(ours[k], e, &rng, scores);
	else
		r = baselines[k - N_OURS].score(&e->train, &e->all, &rng, scores);
	if (r < 0)
		return r;
	return scoring_rows(scores + e->train.n_rows, e->labels, e->all.n_rows - e->train.n_rows,
			    threshold_of(scores, e->train.n_rows), ret);
}

static const char *name_of(size_t k)
{
	return k < N_OURS ? ours[k]->name : baselines[k - N_OURS].name;
}

static void add_figure(json_t *to, const char *name, double v)
{
	(void)json_object_set_new(to, name, isnan(v) ? json_null() : json_real(v));
}

static json_t *figures(const struct scoring *s)
{
	json_t *o = json_object();

	add_figure(o, "vus_pr", s->vus_pr);
	add_figure(o, "auroc", s->auroc);
	add_figure(o, "auprc", s->auprc);
	add_figure(o, "best_f1", s->best_f1);
	add_figure(o, "f1", s->f1);
	add_figure(o, "precision", s->precision);
	add_figure(o, "recall", s->recall);
	add_figure(o, "false_positive_rate", s->false_positive_rate);
	add_figure(o, "event_recall", s->event_recall);
	add_figure(o, "delay_rows", s->delay);
	add_figure(o, "fc1", s->fc1);
	return o;
}

/* The mean of every figure over the entities of a set; null where no entity has one. */
static json_t *mean_of(json_t *entities, const char *detector)
{
	json_t *sum = json_object(), *entity, *figure;
	const char *name, *figure_name;

	json_object_foreach(entities, name, entity)
	{
		json_object_foreach(json_object_get(entity, detector), figure_name, figure)
		{
			double total = 0, n = 0;
			const char *other_name;
			json_t *other;

			if (json_object_get(sum, figure_name))
				continue;
			json_object_foreach(entities, other_name, other)
			{
				json_t *v = json_object_get(json_object_get(other, detector),
							    figure_name);

				if (json_is_number(v)) {
					total += json_number_value(v);
					n++;
				}
			}
			add_figure(sum, figure_name, n > 0 ? total / n : NAN);
		}
	}
	return sum;
}

/* dir/SET/ENTITY: the set's object in results, made where it is not there yet. */
static json_t *set_of(json_t *results, const char *dir, const char **ret_entity)
{
	const char *entity = strrchr(dir, '/'), *set = entity;
	char name[256];
	json_t *o;

	*ret_entity = entity ? entity + 1 : dir;
	while (entity && set > dir && set[-1] != '/')
		set--;
	(void)snprintf(name, sizeof(name), "%.*s", entity ? (int)(entity - set) : 1,
		       entity && entity > set ? set : ".");
	o = json_object_get(results, name);
	if (!o) {
		o = json_pack("{s:{}, s:{}}", "mean", "entities");
		(void)json_object_set_new(results, name, o);
	}
	return o;
}

static int evaluate(const char *dir, json_t *results)
{
	struct entity e;
	const char *name;
	json_t *entity = json_object();
	int r = entity_read(dir, &e);

	for (size_t k = 0; r == 0 && k < N_OURS + n_baselines; k++) {
		struct scoring s;

		r = score_with(k, &e, &s);
		if (r == 0)
			(void)json_object_set_new(entity, name_of(k), figures(&s));
		else
			(void)fprintf(stderr, "x0-lab eval: %s, %s: %s\n", dir, name_of(k),
				      strerror(-r));
		if (k + 1 == N_OURS + n_baselines || r < 0)
			entity_done(&e);
	}
	json_t *set = set_of(results, dir, &name);
	(void)json_object_set_new(json_object_get(set, "entities"), name, entity);
	return r;
}

json_t *eval_timeseries(const char *dir)
{
	json_t *results = json_object(), *set;
	const char *name;
	char **dirs = NULL;
	size_t n = 0;
	int r = eval_dirs(dir, "train.csv", &dirs, &n);

	if (r < 0 || n == 0)
		eval_complain(dir, r < 0 ? r : -ENOENT);
	for (size_t i = 0; i < n && r == 0; i++)
		r = evaluate(dirs[i], results);
	eval_dirs_free(dirs, n);
	if (r < 0 || n == 0) {
		json_decref(results);
		return NULL;
	}
	json_object_foreach(results, name, set) for (size_t k = 0; k < N_OURS + n_baselines; k++)(
		void) json_object_set_new(json_object_get(set, "mean"), name_of(k),
					  mean_of(json_object_get(set, "entities"), name_of(k)));
	return json_pack("{s:{s:s, s:f, s:s}, s:o}", "settings", "ours", "forecast",
			 "threshold_quantile", QUANTILE, "main", "vus_pr, f1", "sets", results);
}
