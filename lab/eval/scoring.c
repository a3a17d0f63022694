/* SPDX-License-Identifier: Apache-2.0 */
/* Areas, F values, events, and the volume under the surface of precision and recall. */
#include "eval/scoring.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define N_THRESHOLDS 250 /* of the published VUS */

/* A row of scores in falling order. */
struct ranked {
	double score;
	size_t row;
};

/* A run of positive rows, first and last. */
struct event {
	size_t first, last;
};

static int falling(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return (x->row > y->row) - (x->row < y->row);
}

static struct ranked *rank(const double *scores, size_t n)
{
	struct ranked *ranked = calloc(n + 1, sizeof(*ranked));

	for (size_t i = 0; ranked && i < n; i++)
		ranked[i] = (struct ranked){ isnan(scores[i]) ? -INFINITY : scores[i], i };
	if (ranked)
		qsort(ranked, n, sizeof(*ranked), falling);
	return ranked;
}

static double f_of(double precision, double recall)
{
	return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

/* One step for each distinct score. */
static void areas(const struct ranked *ranked, const uint8_t *labels, size_t n, double n_positive,
		  struct scoring *ret)
{
	double n_true = 0, true_before = 0, false_before = 0;

	ret->auroc = ret->auprc = ret->best_f1 = 0;
	for (size_t i = 0; i < n; i++) {
		n_true += labels[ranked[i].row];
		if (i + 1 < n && ranked[i + 1].score == ranked[i].score)
			continue;

		double n_false = (double)(i + 1) - n_true;
		double precision = n_true / (double)(i + 1);

		ret->auroc += (n_false - false_before) * (n_true + true_before) / 2;
		ret->auprc += (n_true - true_before) / n_positive * precision;
		ret->best_f1 = fmax(ret->best_f1, f_of(precision, n_true / n_positive));
		true_before = n_true;
		false_before = n_false;
	}
	ret->auroc /= n_positive * ((double)n - n_positive);
}

static size_t find_events(const double *labels, size_t n, struct event *ret)
{
	size_t n_events = 0;

	for (size_t i = 0; i < n; i++) {
		if (!(labels[i] > 0))
			continue;
		if (i == 0 || !(labels[i - 1] > 0))
			ret[n_events++].first = i;
		ret[n_events - 1].last = i;
	}
	return n_events;
}

static void at_threshold(const double *scores, const uint8_t *labels, size_t n, double threshold,
			 const struct event *events, size_t n_events, struct scoring *ret)
{
	double n_alarms = 0, n_true = 0, n_positive = 0, n_found = 0, delay = 0;

	for (size_t i = 0; i < n; i++) {
		n_positive += labels[i];
		n_alarms += scores[i] > threshold;
		n_true += labels[i] && scores[i] > threshold;
	}
	for (size_t k = 0; k < n_events; k++)
		for (size_t i = events[k].first; i <= events[k].last; i++)
			if (scores[i] > threshold) {
				n_found++;
				delay += (double)(i - events[k].first);
				break;
			}
	ret->precision = n_alarms > 0 ? n_true / n_alarms : 0;
	ret->recall = n_true / n_positive;
	ret->f1 = f_of(ret->precision, ret->recall);
	ret->false_positive_rate = (n_alarms - n_true) / ((double)n - n_positive);
	ret->event_recall = n_found / (double)n_events;
	ret->delay = n_found > 0 ? delay / n_found : NAN;
	ret->fc1 = f_of(ret->precision, ret->event_recall);
}

/* ---- VUS-PR ---- */

/* Labels with a border that falls off as a square root, half the width on either side. */
static void soften(const uint8_t *labels, size_t n, const struct event *events, size_t n_events,
		   size_t width, double *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = labels[i];
	for (size_t k = 0; k < n_events; k++) {
		for (size_t d = 0; d < width / 2 && events[k].last + d < n; d++)
			ret[events[k].last + d] += sqrt(1 - (double)d / (double)width);
		for (size_t d = 1; d <= width / 2 && d <= events[k].first; d++)
			ret[events[k].first - d] += sqrt(1 - (double)d / (double)width);
	}
	for (size_t i = 0; i < n; i++)
		ret[i] = fmin(ret[i], 1);
}

struct surface {
	const double *scores;
	const uint8_t *labels;
	const struct ranked *ranked;
	const struct event *events;
	size_t n, n_events;
	double n_positive;
	double *soft;		     /* n */
	double *peaks;		     /* n_events: the highest score of each */
	double *sums;		     /* n: of soft labels in falling order of the scores */
	struct event *soft_events;   /* n_events */
	size_t counts[N_THRESHOLDS]; /* rows at or above each threshold */
};

static void set_thresholds(struct surface *s)
{
	for (size_t t = 0; t < N_THRESHOLDS; t++) {
		size_t i = (size_t)((double)t * (double)(s->n - 1) / (N_THRESHOLDS - 1));

		while (i + 1 < s->n && s->ranked[i + 1].score == s->ranked[i].score)
			i++;
		s->counts[t] = i + 1;
	}
}

static double share_found(const struct surface *s, size_t n_events, double threshold)
{
	double n_found = 0;

	for (size_t k = 0; k < n_events; k++)
		n_found += s->peaks[k] >= threshold;
	return n_found / (double)n_events;
}

/* The area under precision and recall with borders of one width. Recall is that of rows,
 * against the mean of hard and soft positives, times the share of events found. */
static double area_at(struct surface *s, size_t width)
{
	double n_soft = 0, sum = 0, area = 0, recall_before = 0;
	size_t n_events;

	soften(s->labels, s->n, s->events, s->n_events, width, s->soft);
	n_events = find_events(s->soft, s->n, s->soft_events);
	for (size_t k = 0; k < n_events; k++) {
		s->peaks[k] = -INFINITY;
		for (size_t i = s->soft_events[k].first; i <= s->soft_events[k].last; i++)
			if (s->scores[i] > s->peaks[k])
				s->peaks[k] = s->scores[i];
	}
	for (size_t i = 0; i < s->n; i++) {
		n_soft += s->soft[i];
		sum += s->soft[s->ranked[i].row];
		s->sums[i] = sum;
	}
	for (size_t t = 0; t < N_THRESHOLDS; t++) {
		double n_true = s->sums[s->counts[t] - 1];
		double recall = fmin(n_true / ((s->n_positive + n_soft) / 2), 1) *
				share_found(s, n_events, s->ranked[s->counts[t] - 1].score);

		area += (recall - recall_before) * n_true / (double)s->counts[t];
		recall_before = recall;
	}
	return area;
}

static int volume(struct surface *s, double *ret)
{
	CLEANUP_FREE double *room = calloc(2 * s->n + s->n_events + 1, sizeof(double));
	CLEANUP_FREE struct event *soft_events = calloc(s->n_events + 1, sizeof(struct event));
	double sum = 0;

	if (!room || !soft_events)
		return -ENOMEM;
	s->soft = room;
	s->sums = room + s->n;
	s->peaks = room + 2 * s->n;
	s->soft_events = soft_events;
	set_thresholds(s);
	for (size_t width = 0; width <= SCORING_BORDER_MAX; width++)
		sum += area_at(s, width);
	*ret = sum / (SCORING_BORDER_MAX + 1);
	return 0;
}

int scoring_rows(const double *scores, const uint8_t *labels, size_t n, double threshold,
		 struct scoring *ret)
{
	CLEANUP_FREE struct ranked *ranked = rank(scores, n);
	CLEANUP_FREE struct event *events = calloc(n / 2 + 1, sizeof(*events));
	CLEANUP_FREE double *hard = calloc(n + 1, sizeof(double));
	double n_positive = 0;

	if (!ranked || !events || !hard)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		n_positive += hard[i] = labels[i];
	if (n_positive == 0 || n_positive == (double)n)
		return -ENODATA;

	size_t n_events = find_events(hard, n, events);
	struct surface surface = {
		.scores = scores,
		.labels = labels,
		.ranked = ranked,
		.events = events,
		.n = n,
		.n_events = n_events,
		.n_positive = n_positive,
	};
	areas(ranked, labels, n, n_positive, ret);
	at_threshold(scores, labels, n, threshold, events, n_events, ret);
	return volume(&surface, &ret->vus_pr);
}

double scoring_auroc(const double *scores, const uint8_t *labels, size_t n)
{
	CLEANUP_FREE struct ranked *ranked = rank(scores, n);
	struct scoring s;
	double n_positive = 0;

	for (size_t i = 0; i < n; i++)
		n_positive += labels[i];
	if (!ranked || n_positive == 0 || n_positive == (double)n)
		return NAN;
	areas(ranked, labels, n, n_positive, &s);
	return s.auroc;
}

static int rising(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double scoring_quantile(double *v, size_t n, double q)
{
	if (n == 0)
		return NAN;
	qsort(v, n, sizeof(double), rising);

	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[i];
}

double scoring_within(const double *scores, size_t n, size_t answer, size_t k)
{
	double own = isnan(scores[answer]) ? -INFINITY : scores[answer];
	size_t n_above = 0, n_equal = 0;

	for (size_t i = 0; i < n; i++) {
		double score = isnan(scores[i]) ? -INFINITY : scores[i];

		n_above += score > own;
		n_equal += score == own;
	}
	if (n_above >= k)
		return 0;
	return fmin(1, (double)(k - n_above) / (double)n_equal);
}
