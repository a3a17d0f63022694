/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab eval fabric: whether, and where, something is wrong in a network of routers. A folder
 * with nodes_ts.csv, ifaces_ts.csv, edges.csv and events.csv is one run; a step is 10 s. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/anomaly/detector.h"
#include "core/cause/cause.h"
#include "csv.h"
#include "eval/eval.h"
#include "eval/scoring.h"

#define STEP_S 10.0
#define STEPS_MAX 512
#define DEVICES_MAX 48
#define IFACES_MAX 512
#define N_FEATURES 8
#define N_METRICS 9
#define N_GROUPS 3
#define EVENT_STEPS 12 /* after an event, that are to be found */
#define PLACE_STEPS 6  /* of data after it, to say where */
#define ROLLING 30     /* steps back that the rolling median sees */
#define FIRST_STEP 30  /* scored: before it the forecast has too few rows */
#define LARGEST 5
#define NOBODY SIZE_MAX
#define ALARM_QUANTILE 0.95
#define SCORED_MAX 8192

enum method {
	OURS_FORECAST,
	OURS_ROBUST,
	ROLLING_MAD,
	N_METHODS
};
static const char *const method_names[N_METHODS] = { "forecast", "robust_z", "rolling_mad" };

enum place {
	OURS_EXPLAINED,
	FIVE_LARGEST,
	N_PLACES
};
static const char *const place_names[N_PLACES] = { "explained", "five_largest" };

static const char *const features[N_FEATURES] = { "in_kbps",   "out_kbps",     "if_up",
						  "bfd_up",    "bgp_up",       "d_drops",
						  "bgp_paths", "d_bgp_updates" };
static const unsigned group_of[N_FEATURES] = { 0, 0, 1, 1, 1, 2, 2, 2 };
static const char *const metrics[N_METRICS] = { "up",	       "in_kbps",  "out_kbps",
						"in_pps",      "out_pps",  "d_in_drops",
						"d_out_drops", "d_errors", "d_carrier" };
/* The data set says that these are the devices to rank: the others are outside the fabric. */
static const char *const ranked[] = { "leaf", "spine", "dr" };

struct iface {
	size_t device, facing; /* NOBODY where the other end is no ranked device */
	const char *name;
	double values[N_METRICS][STEPS_MAX];
	double deviation[PLACE_STEPS], mean; /* after the event at hand */
};

struct fabric {
	struct csv nodes, ifaces_ts, edges, events;
	const char *names[DEVICES_MAX];
	double rows[DEVICES_MAX][STEPS_MAX][N_FEATURES];
	struct iface ifaces[IFACES_MAX];
	size_t n_devices, n_ifaces, n_steps;
};

/* Over all runs together. */
struct found {
	double scores[N_METHODS][SCORED_MAX];
	uint8_t labels[SCORED_MAX];
	size_t event_at[EVAL_DIRS_MAX]; /* first positive step of each event among scores */
	double since_s[EVAL_DIRS_MAX];	/* from the event to that step */
	size_t n, n_events;
	double within[N_PLACES][2], n_placed; /* first, among the first three */
	double iface_within[N_PLACES][2], n_ifaces_placed;
};

static void fabric_free(struct fabric *f)
{
	if (!f)
		return;
	csv_done(&f->nodes);
	csv_done(&f->ifaces_ts);
	csv_done(&f->edges);
	csv_done(&f->events);
	free(f);
}
DEFINE_FREEP(struct fabric, fabric_free)

/* ---- reading ---- */

static bool is_ranked(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(ranked); i++)
		if (strncmp(name, ranked[i], strlen(ranked[i])) == 0)
			return true;
	return false;
}

static size_t device_of(const struct fabric *f, const char *name)
{
	for (size_t v = 0; v < f->n_devices; v++)
		if (strcmp(f->names[v], name) == 0)
			return v;
	return NOBODY;
}

static int add_devices(struct fabric *f, const struct csv *c, size_t column)
{
	for (size_t i = 1; i < c->n_rows; i++) {
		const char *name = csv_cell(c, i, column);

		if (!is_ranked(name) || device_of(f, name) != NOBODY)
			continue;
		if (f->n_devices == DEVICES_MAX)
			return -ENOBUFS;
		f->names[f->n_devices++] = name;
	}
	return 0;
}

static size_t iface_of(const struct fabric *f, size_t device, const char *name)
{
	for (size_t i = 0; i < f->n_ifaces; i++)
		if (f->ifaces[i].device == device && strcmp(f->ifaces[i].name, name) == 0)
			return i;
	return NOBODY;
}

/* NOBODY for what is no time of a step. */
static size_t step_of(const struct csv *c, size_t row, size_t column)
{
	double step = csv_number(c, row, column) / STEP_S;

	return step >= 0 && step < STEPS_MAX ? (size_t)step : NOBODY;
}

static int columns_of(const struct csv *c, const char *const *names, size_t n, size_t *ret)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = csv_column(c, names[i], &ret[i]);
	return r < 0 ? -EBADMSG : 0;
}

static int take_nodes(struct fabric *f)
{
	static const char *const keys[] = { "t", "node" };
	size_t key[2], column[N_FEATURES];

	if (columns_of(&f->nodes, keys, 2, key) < 0 ||
	    columns_of(&f->nodes, features, N_FEATURES, column) < 0)
		return -EBADMSG;

	int r = add_devices(f, &f->nodes, key[1]);
	for (size_t v = 0; v < DEVICES_MAX; v++)
		for (size_t s = 0; s < STEPS_MAX; s++)
			for (size_t j = 0; j < N_FEATURES; j++)
				f->rows[v][s][j] = NAN;
	for (size_t i = 1; r == 0 && i < f->nodes.n_rows; i++) {
		size_t v = device_of(f, csv_cell(&f->nodes, i, key[1]));
		size_t s = step_of(&f->nodes, i, key[0]);

		if (v == NOBODY || s == NOBODY)
			continue;
		if (s >= f->n_steps)
			f->n_steps = s + 1;
		for (size_t j = 0; j < N_FEATURES; j++)
			f->rows[v][s][j] = csv_number(&f->nodes, i, column[j]);
	}
	return r;
}

static struct iface *add_iface(struct fabric *f, size_t device, const char *name)
{
	size_t at = iface_of(f, device, name);

	if (at != NOBODY)
		return &f->ifaces[at];
	if (f->n_ifaces == IFACES_MAX)
		return NULL;

	struct iface *new = &f->ifaces[f->n_ifaces++];
	new->device = device;
	new->facing = NOBODY;
	new->name = name;
	for (size_t k = 0; k < N_METRICS; k++)
		for (size_t s = 0; s < STEPS_MAX; s++)
			new->values[k][s] = NAN;
	return new;
}

static int take_ifaces(struct fabric *f)
{
	static const char *const keys[] = { "t", "node", "if" };
	const struct csv *c = &f->ifaces_ts;
	size_t key[3], column[N_METRICS];

	if (columns_of(c, keys, 3, key) < 0 || columns_of(c, metrics, N_METRICS, column) < 0)
		return -EBADMSG;
	for (size_t i = 1; i < c->n_rows; i++) {
		size_t v = device_of(f, csv_cell(c, i, key[1])), s = step_of(c, i, key[0]);

		if (v == NOBODY || s == NOBODY)
			continue;

		struct iface *to = add_iface(f, v, csv_cell(c, i, key[2]));
		if (!to)
			return -ENOBUFS;
		for (size_t k = 0; k < N_METRICS; k++)
			to->values[k][s] = csv_number(c, i, column[k]);
	}
	return 0;
}

static int take_edges(struct fabric *f)
{
	static const char *const keys[] = { "a", "a_if", "b", "b_if" };
	const struct csv *c = &f->edges;
	size_t key[4];
	int r = columns_of(c, keys, 4, key);

	for (size_t end = 0; end < 4 && r == 0; end += 2)
		r = add_devices(f, c, key[end]);
	for (size_t i = 1; r == 0 && i < c->n_rows; i++)
		for (size_t end = 0; end < 4; end += 2) {
			size_t v = device_of(f, csv_cell(c, i, key[end]));
			size_t at =
				v == NOBODY ? NOBODY : iface_of(f, v, csv_cell(c, i, key[end + 1]));

			if (at != NOBODY)
				f->ifaces[at].facing = device_of(f, csv_cell(c, i, key[2 - end]));
		}
	return r;
}

static int fabric_read(const char *dir, struct fabric *f)
{
	static const char *const files[] = { "nodes_ts.csv", "ifaces_ts.csv", "edges.csv",
					     "events.csv" };
	struct csv *tables[] = { &f->nodes, &f->ifaces_ts, &f->edges, &f->events };
	char path[EVAL_PATH_MAX];
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(files) && r == 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		r = csv_read(path, tables[i]);
	}
	if (r == 0)
		r = take_nodes(f);
	if (r == 0)
		r = take_ifaces(f);
	return r == 0 ? take_edges(f) : r;
}

/* ---- whether: a score for each step, from that step and those before it ---- */

/* Deviations of a device's features at a step from the rolling median. */
static void rolling(const struct fabric *f, size_t v, size_t step, double *ret)
{
	double normal[ROLLING];
	size_t from = step > ROLLING ? step - ROLLING : 0;

	for (size_t j = 0; j < N_FEATURES; j++) {
		for (size_t s = from; s < step; s++)
			normal[s - from] = f->rows[v][s][j];
		cause_deviations(normal, step - from, &f->rows[v][step][j], 1, CAUSE_BOTH_WAYS,
				 &ret[j]);
	}
}

static double score_rolling(const struct fabric *f, size_t step)
{
	double largest = NAN, deviation[N_FEATURES];

	for (size_t v = 0; v < f->n_devices; v++) {
		double sum = 0, n = 0;

		rolling(f, v, step, deviation);
		for (size_t j = 0; j < N_FEATURES; j++)
			if (!isnan(deviation[j])) {
				sum += deviation[j];
				n++;
			}
		if (n > 0)
			largest = fmax(largest, sum / n);
	}
	return largest;
}

static int score_robust(const struct fabric *f, size_t step, double *ret)
{
	struct detector_settings settings = { 0 };

	*ret = NAN;
	for (size_t v = 0; v < f->n_devices; v++) {
		struct rows past = { f->rows[v][0], step, N_FEATURES };
		struct rows now = { f->rows[v][step], 1, N_FEATURES };
		double score = NAN;
		void *model;
		int r = detector_robust_z.fit(&past, &settings, NULL, &model);

		if (r == 0) {
			r = detector_robust_z.score(model, &now, &score);
			detector_robust_z.free(model);
		}
		if (r < 0)
			return r;
		*ret = fmax(*ret, score);
	}
	return 0;
}

/* One row for the whole network: of each group of features, the largest mean deviation that a
 * device has. */
static void group_row(const struct fabric *f, size_t step, double *ret)
{
	double deviation[N_FEATURES];

	for (size_t g = 0; g < N_GROUPS; g++)
		ret[g] = NAN;
	for (size_t v = 0; v < f->n_devices; v++) {
		double sum[N_GROUPS] = { 0 }, n[N_GROUPS] = { 0 };

		rolling(f, v, step, deviation);
		for (size_t j = 0; j < N_FEATURES; j++)
			if (!isnan(deviation[j])) {
				sum[group_of[j]] += deviation[j];
				n[group_of[j]]++;
			}
		for (size_t g = 0; g < N_GROUPS; g++)
			if (n[g] > 0)
				ret[g] = fmax(ret[g], sum[g] / n[g]);
	}
}

static int score_forecast(const double (*groups)[N_GROUPS], size_t step, double *ret)
{
	struct detector_settings settings = { 0 };
	struct rows past = { groups[0], step, N_GROUPS }, all = { groups[0], step + 1, N_GROUPS };
	double scores[STEPS_MAX];
	void *model;
	int r = detector_forecast.fit(&past, &settings, NULL, &model);

	if (r == -ENODATA) {
		*ret = NAN;
		return 0;
	}
	if (r < 0)
		return r;
	r = detector_forecast.score(model, &all, scores);
	detector_forecast.free(model);
	if (r == 0)
		*ret = scores[step];
	return r;
}

static int score_step(const struct fabric *f, const double (*groups)[N_GROUPS], size_t step,
		      struct found *to)
{
	int r = score_forecast(groups, step, &to->scores[OURS_FORECAST][to->n]);

	if (r == 0)
		r = score_robust(f, step, &to->scores[OURS_ROBUST][to->n]);
	to->scores[ROLLING_MAD][to->n] = score_rolling(f, step);
	return r;
}

/* Steps before the first event, which should be quiet, and those right after it. */
static int detect(const struct fabric *f, double event_s, struct found *to)
{
	static double groups[STEPS_MAX][N_GROUPS];
	size_t first = (size_t)ceil(event_s / STEP_S);
	int r = 0;

	if (first <= FIRST_STEP || first >= f->n_steps)
		return -EBADMSG;
	for (size_t s = 0; s < f->n_steps; s++)
		group_row(f, s, groups[s]);
	for (size_t s = FIRST_STEP; s < f->n_steps && s < first + EVENT_STEPS && r == 0; s++) {
		if (to->n == SCORED_MAX)
			return -ENOBUFS;
		to->labels[to->n] = s >= first;
		if (s == first) {
			to->event_at[to->n_events] = to->n;
			to->since_s[to->n_events++] = (double)s * STEP_S - event_s;
		}
		r = score_step(f, (const double(*)[N_GROUPS])groups, s, to);
		to->n++;
	}
	return r;
}

/* ---- where ---- */

static void look_at_iface(struct iface *i, size_t first, size_t n)
{
	double normal[STEPS_MAX], deviation[PLACE_STEPS], sum = 0, n_there = 0;

	for (size_t s = 0; s < PLACE_STEPS; s++)
		i->deviation[s] = NAN;
	for (size_t k = 0; k < N_METRICS; k++) {
		memcpy(normal, i->values[k], first * sizeof(double));
		cause_deviations(normal, first, i->values[k] + first, n, CAUSE_BOTH_WAYS,
				 deviation);
		for (size_t s = 0; s < n; s++)
			i->deviation[s] = fmax(i->deviation[s], deviation[s]);
	}
	for (size_t s = 0; s < n; s++)
		if (!isnan(i->deviation[s])) {
			sum += i->deviation[s];
			n_there++;
		}
	i->mean = n_there > 0 ? sum / n_there : NAN;
}

static int falling(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

/* The mean of the five largest of a device's interfaces and of those that face it; of the mean
 * over the steps where step is PLACE_STEPS. NaN for a device of which nothing is seen. */
static double five_largest(const struct fabric *f, size_t device, size_t step)
{
	double values[IFACES_MAX], sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < f->n_ifaces; i++) {
		const struct iface *at = &f->ifaces[i];
		double v = step < PLACE_STEPS ? at->deviation[step] : at->mean;

		if ((at->device == device || at->facing == device) && !isnan(v))
			values[n++] = v;
	}
	if (n == 0)
		return NAN;
	qsort(values, n, sizeof(double), falling);
	if (n > LARGEST)
		n = LARGEST;
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	return sum / (double)n;
}

/* The network as causes see it: the symptom, of which nothing is measured, depends on every
 * device, and a device on those it has a link to. */
struct dependencies {
	struct cause_edge edges[DEVICES_MAX + IFACES_MAX];
	double deviations[(DEVICES_MAX + 1) * PLACE_STEPS];
	bool is_linked[DEVICES_MAX][DEVICES_MAX];
	size_t n_edges;
};

static void add_edge(struct dependencies *d, size_t from, size_t to)
{
	d->edges[d->n_edges++] = (struct cause_edge){ from, to }; /* one an interface at most */
}

static int explain(const struct fabric *f, double *ret_scores)
{
	CLEANUP_FREE struct dependencies *d = calloc(1, sizeof(*d));
	struct cause causes[DEVICES_MAX + 1];
	size_t symptom = f->n_devices, n = 0;

	if (!d)
		return -ENOMEM;
	for (size_t v = 0; v <= f->n_devices; v++)
		for (size_t s = 0; s < PLACE_STEPS; s++)
			d->deviations[v * PLACE_STEPS + s] =
				v == symptom ? (double)NAN : five_largest(f, v, s);
	for (size_t v = 0; v < f->n_devices; v++)
		add_edge(d, symptom, v);
	for (size_t i = 0; i < f->n_ifaces; i++) {
		size_t v = f->ifaces[i].device, u = f->ifaces[i].facing;

		if (u == NOBODY || u == v || d->is_linked[v][u])
			continue;
		d->is_linked[v][u] = true;
		add_edge(d, v, u);
	}

	struct cause_input in = { f->n_devices + 1, PLACE_STEPS, d->n_edges,
				  d->deviations,    d->edges,	 symptom };
	int r = cause_rank(&in, causes, &n);
	for (size_t v = 0; v < f->n_devices; v++)
		ret_scores[v] = NAN;
	for (size_t i = 0; i < n && r == 0; i++)
		if (causes[i].node < f->n_devices)
			ret_scores[causes[i].node] = causes[i].explained;
	return r;
}

static void count(double (*within)[2], enum place m, const double *scores, size_t n, size_t answer)
{
	within[m][0] += scoring_within(scores, n, answer, 1);
	within[m][1] += scoring_within(scores, n, answer, 3);
}

/* An interface deviates by itself; ours also asks how much its device explains. */
static void count_ifaces(const struct fabric *f, const double *device_scores, enum place m,
			 size_t answer, struct found *to)
{
	double scores[IFACES_MAX];

	for (size_t i = 0; i < f->n_ifaces; i++)
		scores[i] = f->ifaces[i].mean *
			    (m == OURS_EXPLAINED ? device_scores[f->ifaces[i].device] : 1);
	count(to->iface_within, m, scores, f->n_ifaces, answer);
}

static int locate(struct fabric *f, double event_s, const char *device, const char *iface,
		  struct found *to)
{
	size_t first = (size_t)ceil(event_s / STEP_S), answer = device_of(f, device);
	size_t n = first + PLACE_STEPS > f->n_steps ? f->n_steps - first : PLACE_STEPS;
	double scores[N_PLACES][DEVICES_MAX];

	if (answer == NOBODY)
		return -EBADMSG;
	for (size_t i = 0; i < f->n_ifaces; i++)
		look_at_iface(&f->ifaces[i], first, n);
	for (size_t v = 0; v < f->n_devices; v++)
		scores[FIVE_LARGEST][v] = five_largest(f, v, PLACE_STEPS);

	int r = explain(f, scores[OURS_EXPLAINED]);
	size_t at = iface_of(f, answer, iface);
	for (enum place m = 0; m < N_PLACES && r == 0; m++) {
		count(to->within, m, scores[m], f->n_devices, answer);
		if (at != NOBODY)
			count_ifaces(f, scores[m], m, at, to);
	}
	to->n_placed++;
	to->n_ifaces_placed += at != NOBODY;
	return r;
}

/* ---- all runs ---- */

/* The first event at a device; traffic that starts and stops has none. Later ones are not
 * scored: what is normal by then is not known. */
static int evaluate(const char *dir, struct found *to)
{
	static const char *const keys[] = { "t", "device", "interface" };
	CLEANUP(fabric_freep) struct fabric *f = calloc(1, sizeof(*f));
	size_t key[3];

	if (!f)
		return -ENOMEM;
	int r = fabric_read(dir, f);
	if (r == 0)
		r = columns_of(&f->events, keys, 3, key);
	for (size_t i = 1; r == 0 && i < f->events.n_rows; i++) {
		double event_s = csv_number(&f->events, i, key[0]);
		const char *device = csv_cell(&f->events, i, key[1]);

		if (!*device)
			continue;
		if (!(event_s >= 0 && event_s < STEPS_MAX * STEP_S))
			return -EBADMSG;
		r = detect(f, event_s, to);
		return r < 0 ? r : locate(f, event_s, device, csv_cell(&f->events, i, key[2]), to);
	}
	return r;
}

static json_t *detection_json(const struct found *f, enum method m)
{
	CLEANUP_FREE double *quiet = calloc(f->n + 1, sizeof(double));
	double delays[EVAL_DIRS_MAX];
	size_t n_quiet = 0, n_found = 0;

	for (size_t i = 0; quiet && i < f->n; i++)
		if (!f->labels[i] && !isnan(f->scores[m][i]))
			quiet[n_quiet++] = f->scores[m][i];

	double threshold = scoring_quantile(quiet, n_quiet, ALARM_QUANTILE);
	for (size_t e = 0; e < f->n_events; e++)
		for (size_t i = f->event_at[e]; i < f->n && f->labels[i]; i++)
			if (f->scores[m][i] > threshold) {
				delays[n_found++] =
					f->since_s[e] + (double)(i - f->event_at[e]) * STEP_S;
				break;
			}

	double delay = scoring_quantile(delays, n_found, 0.5);
	json_t *o = json_pack("{s:f, s:f, s:f}", "auroc",
			      scoring_auroc(f->scores[m], f->labels, f->n), "found",
			      (double)n_found / (double)f->n_events, "events", (double)f->n_events);

	(void)json_object_set_new(o, "delay_s", isnan(delay) ? json_null() : json_real(delay));
	return o;
}

static json_t *places_json(const double (*within)[2], double n)
{
	json_t *o = json_object();

	for (enum place m = 0; m < N_PLACES; m++)
		(void)json_object_set_new(o, place_names[m],
					  json_pack("{s:f, s:f, s:f}", "ac_1", within[m][0] / n,
						    "ac_3", within[m][1] / n, "events", n));
	return json_pack("{s:o}", "mean", o);
}

static json_t *result(const struct found *f)
{
	json_t *sets = json_object(), *detection = json_object();

	for (enum method m = 0; m < N_METHODS; m++)
		(void)json_object_set_new(detection, method_names[m], detection_json(f, m));
	(void)json_object_set_new(sets, "detection", json_pack("{s:o}", "mean", detection));
	(void)json_object_set_new(sets, "device",
				  places_json((const double(*)[2])f->within, f->n_placed));
	if (f->n_ifaces_placed > 0)
		(void)json_object_set_new(
			sets, "interface",
			places_json((const double(*)[2])f->iface_within, f->n_ifaces_placed));
	return json_pack("{s:{s:s, s:s}, s:o}", "settings", "ours", "forecast, explained", "main",
			 "auroc, ac_1", "sets", sets);
}

json_t *eval_fabric(const char *dir)
{
	CLEANUP_FREE struct found *found = calloc(1, sizeof(*found));
	char **dirs = NULL;
	size_t n = 0;
	int r = found ? eval_dirs(dir, "nodes_ts.csv", &dirs, &n) : -ENOMEM;

	if (r < 0)
		eval_complain(dir, r);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = evaluate(dirs[i], found);
		if (r < 0)
			eval_complain(dirs[i], r);
	}
	eval_dirs_free(dirs, n);
	if (r == 0 && found->n_events == 0)
		eval_complain(dir, -ENOENT);
	return r == 0 && found->n_events > 0 ? result(found) : NULL;
}
