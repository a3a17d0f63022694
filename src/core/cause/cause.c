/* SPDX-License-Identifier: Apache-2.0 */
/* Explained deviation over a dependency graph. */
#include "core/cause/cause.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAD_TO_SIGMA 1.4826
#define SIGMA_SHARE 0.25  /* the scale is at least this part of the standard deviation */
#define MEDIAN_SHARE 1e-3 /* and this part of the median */
#define VALUE_MAX 1e100
#define WEIGHT_FLOOR 0.1 /* of a pair that does not move together: rows may be few */
#define HOP_SHARE 0.5
#define CORRELATION_ROWS_MIN 5 /* of four, chance correlates anything */
#define FAR UINT8_MAX

static int rising(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), rising);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double bounded(double v)
{
	return v > VALUE_MAX ? VALUE_MAX : v < -VALUE_MAX ? -VALUE_MAX : v;
}

/* Drops what is missing; returns how many are left. */
static size_t present(double *v, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(v[i]))
			v[left++] = bounded(v[i]);
	return left;
}

static double standard_deviation(const double *v, size_t n)
{
	double mean = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (v[i] - mean) * (v[i] - mean) / (double)n;
	return sqrt(squares);
}

void cause_deviations(double *normal, size_t n_normal, const double *now, size_t n_now,
		      enum cause_direction direction, double *ret)
{
	size_t n = present(normal, n_normal);

	if (n < CAUSE_NORMAL_MIN) {
		for (size_t i = 0; i < n_now; i++)
			ret[i] = NAN;
		return;
	}

	double scale = SIGMA_SHARE * standard_deviation(normal, n);
	double middle = median(normal, n);
	for (size_t i = 0; i < n; i++)
		normal[i] = fabs(normal[i] - middle);
	scale = fmax(scale, median(normal, n) * MAD_TO_SIGMA);
	scale = fmax(scale, MEDIAN_SHARE * (middle == 0 ? 1 : fabs(middle)));
	for (size_t i = 0; i < n_now; i++) {
		double z = (bounded(now[i]) - middle) / scale;

		if (direction == CAUSE_FALLS)
			z = -z;
		if (direction == CAUSE_BOTH_WAYS)
			z = fabs(z);
		ret[i] = isnan(z) ? z : fmin(fmax(z, 0), CAUSE_DEVIATION_MAX);
	}
}

static double correlation_at(const double *effect, const double *cause, size_t n, size_t lag)
{
	double x = 0, y = 0, xx = 0, yy = 0, xy = 0, count = 0;

	for (size_t i = lag; i < n; i++) {
		if (isnan(effect[i]) || isnan(cause[i - lag]))
			continue;
		count++;
		x += effect[i];
		y += cause[i - lag];
	}
	if (count < 3)
		return 0;
	x /= count;
	y /= count;
	for (size_t i = lag; i < n; i++) {
		if (isnan(effect[i]) || isnan(cause[i - lag]))
			continue;
		xx += (effect[i] - x) * (effect[i] - x);
		yy += (cause[i - lag] - y) * (cause[i - lag] - y);
		xy += (effect[i] - x) * (cause[i - lag] - y);
	}
	return xx > 1e-12 && yy > 1e-12 ? xy / sqrt(xx * yy) : 0;
}

double cause_correlation(const double *effect, const double *cause, size_t n)
{
	double best = fmax(correlation_at(effect, cause, n, 0), 0);

	return n > 0 ? fmax(best, correlation_at(effect, cause, n, 1)) : best;
}

/* ---- ranking ---- */

struct ranking {
	const struct cause_input *in;
	double mean[CAUSE_NODES_MAX];	  /* of the deviations that are there; 0 for none */
	size_t n_symptom_rows;		  /* that are there */
	uint8_t hops[CAUSE_NODES_MAX];	  /* scratch of walk() */
	uint8_t reached[CAUSE_NODES_MAX]; /* hops from the symptom, or FAR */
};

static const double *series(const struct ranking *r, size_t node)
{
	return r->in->deviations + node * r->in->n_rows;
}

/* How far the effect moves with the cause; 1 where there are too few rows to say. */
static double weight(const struct ranking *r, size_t effect, size_t cause)
{
	if (r->n_symptom_rows < CORRELATION_ROWS_MIN)
		return 1;
	return WEIGHT_FLOOR + (1 - WEIGHT_FLOOR) * cause_correlation(series(r, effect),
								     series(r, cause),
								     r->in->n_rows);
}

/* Fewest edges from a node to all others, along or against them; FAR beyond CAUSE_HOPS_MAX. */
static void walk(const struct cause_input *in, size_t from, bool against, uint8_t *ret_hops)
{
	memset(ret_hops, FAR, in->n_nodes);
	ret_hops[from] = 0;
	for (uint8_t hop = 0; hop < CAUSE_HOPS_MAX; hop++)
		for (size_t i = 0; i < in->n_edges; i++) {
			size_t a = against ? in->edges[i].to : in->edges[i].from;
			size_t b = against ? in->edges[i].from : in->edges[i].to;

			if (ret_hops[a] == hop && ret_hops[b] == FAR)
				ret_hops[b] = (uint8_t)(hop + 1);
		}
}

/* What the node has that nothing it depends on explains. */
static double own_part(const struct ranking *r, size_t node)
{
	double explained = 0;

	for (size_t i = 0; i < r->in->n_edges; i++) {
		const struct cause_edge *e = &r->in->edges[i];

		if (e->from == node && e->to != node)
			explained = fmax(explained, fmin(r->mean[e->to], r->mean[node]) *
							    weight(r, node, e->to));
	}
	return r->mean[node] - explained;
}

static double explained_by(struct ranking *r, size_t node)
{
	double sum;

	if (r->mean[node] <= 0)
		return 0;
	sum = own_part(r, node) * weight(r, r->in->symptom, node);
	walk(r->in, node, true, r->hops);
	for (size_t u = 0; u < r->in->n_nodes; u++)
		if (r->hops[u] != FAR && r->hops[u] > 0)
			sum += pow(HOP_SHARE, r->hops[u]) * fmin(r->mean[u], r->mean[node]) *
			       weight(r, u, node);
	return fmax(sum, 0);
}

static bool is_sound(const struct cause_input *in)
{
	if (in->n_nodes == 0 || in->n_nodes > CAUSE_NODES_MAX || in->n_rows > CAUSE_ROWS_MAX ||
	    in->n_edges > CAUSE_EDGES_MAX || in->symptom >= in->n_nodes)
		return false;
	for (size_t i = 0; i < in->n_edges; i++)
		if (in->edges[i].from >= in->n_nodes || in->edges[i].to >= in->n_nodes)
			return false;
	for (size_t i = 0; i < in->n_nodes * in->n_rows; i++)
		if (in->deviations[i] < 0 || isinf(in->deviations[i]))
			return false;
	return true;
}

static void learn_means(struct ranking *r)
{
	for (size_t v = 0; v < r->in->n_nodes; v++) {
		double sum = 0, n = 0;

		for (size_t i = 0; i < r->in->n_rows; i++)
			if (!isnan(series(r, v)[i])) {
				sum += fmin(series(r, v)[i], CAUSE_DEVIATION_MAX);
				n++;
			}
		r->mean[v] = n > 0 ? sum / n : 0;
		if (v == r->in->symptom)
			r->n_symptom_rows = (size_t)n;
	}
}

static int falling(const void *a, const void *b)
{
	const struct cause *x = a, *y = b;

	if (x->explained != y->explained)
		return x->explained < y->explained ? 1 : -1;
	return (x->node > y->node) - (x->node < y->node);
}

int cause_rank(const struct cause_input *in, struct cause *ret, size_t *ret_n)
{
	CLEANUP_FREE struct ranking *r = calloc(1, sizeof(*r));
	double sum = 0;
	size_t n = 0;

	if (!r)
		return -ENOMEM;
	if (!is_sound(in))
		return -EINVAL;
	r->in = in;
	learn_means(r);
	walk(in, in->symptom, false, r->reached);
	for (size_t v = 0; v < in->n_nodes; v++) {
		if (r->reached[v] == FAR)
			continue;
		ret[n] = (struct cause){ .node = v, .hops = r->reached[v] };
		ret[n].explained = explained_by(r, v);
		sum += ret[n++].explained;
	}
	for (size_t i = 0; i < n; i++)
		ret[i].confidence = sum > 0 ? ret[i].explained / sum : 0;
	qsort(ret, n, sizeof(*ret), falling);
	*ret_n = n;
	return 0;
}
