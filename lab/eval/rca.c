/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab eval rca: which service or pod caused a fault. A folder with noissue/metrics.csv and
 * graph.csv is read as PetShop's, one with faults.csv as Nezha's. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/cause/cause.h"
#include "csv.h"
#include "eval/eval.h"
#include "eval/scoring.h"

#define K_MAX 5
#define HEADER_ROWS 4 /* of PetShop's metrics: service, metric, statistic, index */
#define FAULT_S 240.0 /* of Nezha: how long a fault lasts, and is quiet before it */
#define BEFORE_S 240.0
#define WALK_STEPS 100
#define SIGMA_MAX 1e6
#define SIGMA_MIN 1e-3 /* so that a walker goes on where nothing deviates */

enum method {
	OURS,
	WALK,
	WALK_PICKED,
	N_SIGMA,
	LARGEST_SIGMA,
	N_METHODS
};
static const char *const method_names[N_METHODS] = { "explained", "random_walk",
						     "random_walk_picked", "n_sigma",
						     "largest_n_sigma" };

/* One fault: what is known of each node, and which one it was. */
struct fault {
	struct cause_input in;
	/* In plain standard deviations, not clipped: the mean over the fault of the metric that the
	 * symptom is of, and the largest of any row and metric. */
	const double *sigma, *largest;
	size_t answer;
	bool symptom_is_none; /* the symptom's node cannot be a cause */
};

struct tally {
	double within[N_METHODS][K_MAX], n;
};

/* ---- three ways to rank ---- */

static int rank_ours(const struct fault *f, double *ret_scores)
{
	CLEANUP_FREE struct cause *causes = calloc(f->in.n_nodes, sizeof(*causes));
	size_t n;
	int r;

	if (!causes)
		return -ENOMEM;
	r = cause_rank(&f->in, causes, &n);
	for (size_t i = 0; i < f->in.n_nodes; i++)
		ret_scores[i] = NAN; /* no candidate */
	for (size_t i = 0; r == 0 && i < n; i++)
		ret_scores[causes[i].node] = causes[i].explained;
	return r;
}

/* A walker at the symptom goes to a node called with a chance in proportion to its deviation,
 * back to a caller with a tenth of that, and starts again now and then: where it is most of the
 * time (Kim, Sumbaly, Shah: MonitorRank, 2013). */
struct walk {
	double restart, back;
	bool stays; /* by the node's own deviation */
};

/* As its authors have it, but for the restart, which PageRank has. */
static const struct walk walk_usual = { .restart = 0.15, .back = 0.1, .stays = true };
/* Near the best of 324 settings tried on PetShop's own answers (which reached 1.0): no honest
 * competitor, but what is to be said of PetShop where the answers may be looked at. */
static const struct walk walk_picked = { .restart = 0.05, .back = 0.1 };

struct walker {
	const struct fault *fault;
	const struct walk *how;
	double *deviation, *next, *total; /* a node each; total: of its ways out */
};

static double chance_of(const struct walker *w, size_t from, size_t to, double weight)
{
	return w->total[from] > 0 ? weight * w->deviation[to] / w->total[from] : 0;
}

static void walk_totals(struct walker *w)
{
	const struct cause_input *in = &w->fault->in;

	for (size_t v = 0; v < in->n_nodes; v++)
		w->total[v] = w->how->stays ? w->deviation[v] : 0;
	for (size_t i = 0; i < in->n_edges; i++) {
		if (in->edges[i].from == in->edges[i].to)
			continue;
		w->total[in->edges[i].from] += w->deviation[in->edges[i].to];
		w->total[in->edges[i].to] += w->how->back * w->deviation[in->edges[i].from];
	}
}

static void walk_step(struct walker *w, double *scores)
{
	const struct cause_input *in = &w->fault->in;
	size_t n = in->n_nodes;

	for (size_t v = 0; v < n; v++)
		w->next[v] = w->total[v] <= 0 ? scores[v]
			     : w->how->stays  ? scores[v] * chance_of(w, v, v, 1)
					      : 0;
	for (size_t i = 0; i < in->n_edges; i++) {
		size_t from = in->edges[i].from, to = in->edges[i].to;

		if (from == to)
			continue;
		w->next[to] += scores[from] * chance_of(w, from, to, 1);
		w->next[from] += scores[to] * chance_of(w, to, from, w->how->back);
	}
	for (size_t v = 0; v < n; v++)
		scores[v] = (1 - w->how->restart) * w->next[v] +
			    (v == in->symptom ? w->how->restart : 0);
}

static int rank_walk(const struct fault *f, const struct walk *how, const double *sigma,
		     double *ret_scores)
{
	size_t n = f->in.n_nodes;
	CLEANUP_FREE double *room = calloc(3 * n, sizeof(double));

	if (!room)
		return -ENOMEM;

	struct walker w = { f, how, room, room + n, room + 2 * n };
	for (size_t v = 0; v < n; v++) {
		w.deviation[v] = sigma[v] + SIGMA_MIN;
		ret_scores[v] = v == f->in.symptom;
	}
	walk_totals(&w);
	for (int step = 0; step < WALK_STEPS; step++)
		walk_step(&w, ret_scores);
	return 0;
}

static int rank(const struct fault *f, enum method m, double *ret_scores)
{
	switch (m) {
	case OURS:
		return rank_ours(f, ret_scores);
	case WALK:
		return rank_walk(f, &walk_usual, f->sigma, ret_scores);
	case WALK_PICKED:
		return rank_walk(f, &walk_picked, f->largest, ret_scores);
	case N_SIGMA:
		memcpy(ret_scores, f->sigma, f->in.n_nodes * sizeof(double));
		return 0;
	case LARGEST_SIGMA:
		memcpy(ret_scores, f->largest, f->in.n_nodes * sizeof(double));
		return 0;
	case N_METHODS:
		break;
	}
	return -EINVAL;
}

static int count_fault(const struct fault *f, struct tally *t)
{
	CLEANUP_FREE double *scores = calloc(f->in.n_nodes, sizeof(double));
	int r = 0;

	if (!scores)
		return -ENOMEM;
	for (enum method m = 0; m < N_METHODS && r == 0; m++) {
		r = rank(f, m, scores);
		if (f->symptom_is_none)
			scores[f->in.symptom] = NAN;
		for (size_t k = 0; k < K_MAX && r == 0; k++)
			t->within[m][k] += scoring_within(scores, f->in.n_nodes, f->answer, k + 1);
	}
	t->n += 1;
	return r;
}

static json_t *tally_json(const struct tally *t)
{
	json_t *methods = json_object();

	for (enum method m = 0; m < N_METHODS; m++) {
		double sum = 0;

		for (size_t k = 0; k < K_MAX; k++)
			sum += t->within[m][k] / t->n / K_MAX;
		(void)json_object_set_new(
			methods, method_names[m],
			json_pack("{s:f, s:f, s:f, s:f, s:f}", "ac_1", t->within[m][0] / t->n,
				  "ac_3", t->within[m][2] / t->n, "ac_5", t->within[m][4] / t->n,
				  "avg_5", sum, "faults", t->n));
	}
	return json_pack("{s:o}", "mean", methods);
}

/* ---- deviations in plain standard deviations ---- */

/* Raises *mean and *largest to those of one metric where they are higher. */
static void raise_sigmas(const double *normal, size_t n_normal, const double *now, size_t n_now,
			 enum cause_direction direction, double *mean, double *largest)
{
	double middle = 0, squares = 0, n = 0, sum = 0, n_there = 0;

	for (size_t i = 0; i < n_normal; i++)
		if (!isnan(normal[i])) {
			n++;
			middle += normal[i];
			squares += normal[i] * normal[i];
		}
	if (n < CAUSE_NORMAL_MIN)
		return;
	middle /= n;

	double scale = fmax(sqrt(fmax(squares / n - middle * middle, 0)), 1e-9);
	for (size_t i = 0; i < n_now; i++) {
		double z = (now[i] - middle) / scale * (direction == CAUSE_FALLS ? -1 : 1);

		if (isnan(z))
			continue;
		if (direction == CAUSE_BOTH_WAYS)
			z = fabs(z);
		sum += z;
		n_there++;
		*largest = fmax(*largest, fmin(z, SIGMA_MAX));
	}
	if (n_there > 0)
		*mean = fmax(*mean, fmin(sum / n_there, SIGMA_MAX));
}

static void column_of(const struct csv *c, size_t first_row, size_t column, double *ret)
{
	for (size_t i = first_row; i < c->n_rows; i++)
		ret[i - first_row] = csv_number(c, i, column);
}

/* ---- PetShop ---- */

struct petshop {
	struct csv graph, normal;
	struct cause_edge *edges;
	size_t n_edges, n_nodes;
};

static void petshop_done(struct petshop *p)
{
	csv_done(&p->graph);
	csv_done(&p->normal);
	free(p->edges);
}

static const char *petshop_name(const struct petshop *p, size_t node)
{
	return csv_cell(&p->graph, 0, node + 1);
}

static size_t petshop_node(const struct petshop *p, const char *name)
{
	size_t v = 0;

	while (v < p->n_nodes && strcmp(petshop_name(p, v), name) != 0)
		v++;
	return v;
}

static int petshop_open(const char *dir, struct petshop *p)
{
	char path[EVAL_PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "%s/graph.csv", dir);
	r = csv_read(path, &p->graph);
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "%s/noissue/metrics.csv", dir);
		r = csv_read(path, &p->normal);
	}
	if (r < 0 || p->graph.n_columns < 2 || p->graph.n_rows != p->graph.n_columns ||
	    p->graph.n_columns > CAUSE_NODES_MAX || p->normal.n_rows <= HEADER_ROWS) {
		eval_complain(path, r < 0 ? r : -EBADMSG);
		return r < 0 ? r : -EBADMSG;
	}
	p->n_nodes = p->graph.n_columns - 1;
	p->edges = calloc(p->n_nodes * p->n_nodes, sizeof(*p->edges));
	if (!p->edges)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t j = 0; j < p->n_nodes; j++)
			if (csv_number(&p->graph, i + 1, j + 1) > 0)
				p->edges[p->n_edges++] = (struct cause_edge){
					petshop_node(p, csv_cell(&p->graph, i + 1, 0)), j
				};
	return 0;
}

/* The column of the normal period with the same three headers; n_columns for none. */
static size_t same_column(const struct csv *normal, const struct csv *issue, size_t column)
{
	size_t c = 1;

	for (; c < normal->n_columns; c++) {
		bool is_same = true;

		for (size_t h = 0; h < 3; h++)
			is_same = is_same &&
				  strcmp(csv_cell(normal, h, c), csv_cell(issue, h, column)) == 0;
		if (is_same)
			break;
	}
	return c;
}

/* Of every service, the deviation of the metric that the symptom is of, with its statistic. */
static int petshop_count(const struct petshop *p, const struct csv *issue, json_t *target,
			 struct tally *t)
{
	const char *name, *metric, *statistic, *cause;
	size_t n_normal = p->normal.n_rows - HEADER_ROWS, n_rows = issue->n_rows - HEADER_ROWS;
	CLEANUP_FREE double *normal = calloc(n_normal, sizeof(double));
	CLEANUP_FREE double *now = calloc(n_rows, sizeof(double));
	CLEANUP_FREE double *deviations = calloc(p->n_nodes * n_rows, sizeof(double));
	CLEANUP_FREE double *sigma = calloc(2 * p->n_nodes, sizeof(double));

	if (json_unpack(target, "{s:{s:s, s:s, s:s}, s:{s:s}}", "target", "node", &name, "metric",
			&metric, "agg", &statistic, "root_cause", "node", &cause) < 0)
		return -EBADMSG;
	if (!normal || !now || !deviations || !sigma)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes * n_rows; i++)
		deviations[i] = NAN;
	for (size_t c = 1; c < issue->n_columns; c++) {
		size_t same = same_column(&p->normal, issue, c);
		size_t v = petshop_node(p, csv_cell(issue, 0, c));

		if (same == p->normal.n_columns || v == p->n_nodes)
			continue;
		column_of(&p->normal, HEADER_ROWS, same, normal);
		column_of(issue, HEADER_ROWS, c, now);

		const char *name_of = csv_cell(issue, 1, c);
		enum cause_direction direction =
			strcmp(name_of, "availability") == 0 ? CAUSE_FALLS : CAUSE_RISES;
		bool is_symptoms = strcmp(name_of, metric) == 0 &&
				   strcmp(csv_cell(issue, 2, c), statistic) == 0;
		double other = 0;
		raise_sigmas(normal, n_normal, now, n_rows, direction,
			     is_symptoms ? &sigma[v] : &other, &sigma[p->n_nodes + v]);
		if (is_symptoms)
			cause_deviations(normal, n_normal, now, n_rows, direction,
					 deviations + v * n_rows);
	}

	struct fault f = {
		.in = { p->n_nodes, n_rows, p->n_edges, deviations, p->edges,
			petshop_node(p, name) },
		.sigma = sigma,
		.largest = sigma + p->n_nodes,
		.answer = petshop_node(p, cause),
	};
	return f.answer < p->n_nodes ? count_fault(&f, t) : -EBADMSG;
}

static int petshop_issue(const struct petshop *p, const char *dir, struct tally *t)
{
	char path[EVAL_PATH_MAX];
	struct csv issue = { 0 };
	json_t *target;
	int r;

	(void)snprintf(path, sizeof(path), "%s/metrics.csv", dir);
	r = csv_read(path, &issue);
	(void)snprintf(path, sizeof(path), "%s/target.json", dir);
	target = json_load_file(path, 0, NULL);
	if (r == 0)
		r = target && issue.n_rows > HEADER_ROWS ? petshop_count(p, &issue, target, t)
							 : -EBADMSG;
	json_decref(target);
	csv_done(&issue);
	if (r < 0)
		eval_complain(dir, r);
	return r;
}

static int petshop(const char *dir, struct tally *t)
{
	struct petshop p = { 0 };
	char **issues = NULL;
	size_t n = 0;
	int r = petshop_open(dir, &p);

	if (r == 0)
		r = eval_dirs(dir, "target.json", &issues, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = petshop_issue(&p, issues[i], t);
	eval_dirs_free(issues, n);
	petshop_done(&p);
	return r;
}

/* ---- Nezha ---- */

struct nezha {
	char **pods; /* and the front, where faults are noticed */
	size_t n_pods;
	struct csv faulty[CAUSE_NODES_MAX];
	struct cause_edge edges[CAUSE_EDGES_MAX];
	size_t n_edges, front;
};

static void nezha_free(struct nezha *z)
{
	for (size_t i = 0; z && i < z->n_pods; i++)
		csv_done(&z->faulty[i]);
	if (z)
		eval_dirs_free(z->pods, z->n_pods);
	free(z);
}

DEFINE_FREEP(struct nezha, nezha_free)

static size_t nezha_node(const struct nezha *z, const char *service)
{
	size_t v = 0, len = strlen(service);

	while (v < z->n_pods && !(strncmp(z->pods[v], service, len) == 0 && z->pods[v][len] == '-'))
		v++;
	return v;
}

/* Calls between services, where they are given; the front stands for every pod that nobody
 * is known to call, and without a graph for all. */
static int nezha_edges(struct nezha *z, const char *dir)
{
	bool is_called[CAUSE_NODES_MAX] = { false };
	char path[EVAL_PATH_MAX];
	struct csv c = { 0 };
	int r;

	(void)snprintf(path, sizeof(path), "%s/dependency.csv", dir);
	r = csv_read(path, &c);
	for (size_t i = 1; r == 0 && i < c.n_rows && c.n_columns >= 2; i++) {
		size_t from = nezha_node(z, csv_cell(&c, i, 0)),
		       to = nezha_node(z, csv_cell(&c, i, 1));

		if (from == z->n_pods || to == z->n_pods)
			continue;
		if (z->n_edges + CAUSE_NODES_MAX == CAUSE_EDGES_MAX) {
			r = -ENOBUFS;
			break;
		}
		z->edges[z->n_edges++] = (struct cause_edge){ from, to };
		is_called[to] = true;
	}
	csv_done(&c);
	for (size_t v = 0; v < z->n_pods; v++)
		if (!is_called[v] && v != z->front)
			z->edges[z->n_edges++] = (struct cause_edge){ z->front, v };
	return r == -ENOENT ? 0 : r;
}

static int nezha_open(const char *dir, struct nezha *z)
{
	char path[EVAL_PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "%s/faulty", dir);
	r = eval_names(path, ".csv", &z->pods, &z->n_pods);
	if (r < 0 || z->n_pods > CAUSE_NODES_MAX) {
		eval_complain(path, r < 0 ? r : -ENOBUFS);
		return r < 0 ? r : -ENOBUFS;
	}
	z->front = z->n_pods;
	for (size_t v = 0; v < z->n_pods && r == 0; v++) {
		if (strcmp(z->pods[v], "front_service") == 0)
			z->front = v;
		(void)snprintf(path, sizeof(path), "%s/faulty/%s.csv", dir, z->pods[v]);
		r = csv_read(path, &z->faulty[v]);
		if (r < 0)
			eval_complain(path, r);
	}
	if (r == 0 && z->front == z->n_pods)
		r = -EBADMSG;
	return r < 0 ? r : nezha_edges(z, dir);
}

/* Rows of a table with a time in [from, to). */
static size_t window(const struct csv *c, double from, double to, size_t column, double *ret,
		     size_t max)
{
	size_t n = 0;

	for (size_t i = 1; i < c->n_rows && n < max; i++) {
		double t = csv_number(c, i, 0);

		if (t >= from && t < to)
			ret[n++] = csv_number(c, i, column);
	}
	return n;
}

#define WINDOW_MAX 16 /* rows of four minutes, about one a minute */

/* For each row of the fault, the mean of its metrics' deviations from the minutes before;
 * each is of the metric's mean over the fault so far, since single rows are noisy. */
static void pod_deviations(const struct nezha *z, size_t pod, double t, double *ret,
			   double *ret_sigma, double *ret_largest)
{
	const struct csv *c = &z->faulty[pod];
	double sums[WINDOW_MAX] = { 0 };
	size_t n_seen[WINDOW_MAX] = { 0 };
	double before[WINDOW_MAX], now[WINDOW_MAX], deviation[WINDOW_MAX];

	*ret_sigma = *ret_largest = 0;
	for (size_t column = 1; column < c->n_columns; column++) {
		size_t n_before = window(c, t - BEFORE_S, t, column, before, WINDOW_MAX);
		size_t n_now = window(c, t, t + FAULT_S, column, now, WINDOW_MAX);
		double sum = 0, n = 0;

		raise_sigmas(before, n_before, now, n_now, CAUSE_BOTH_WAYS, ret_sigma, ret_largest);
		if (strncmp(csv_cell(c, 0, column), "Node", 4) == 0)
			continue; /* of the machine, which pods share */
		for (size_t i = 0; i < n_now; i++)
			if (!isnan(now[i])) {
				sum += now[i];
				now[i] = sum / ++n;
			}
		cause_deviations(before, n_before, now, n_now, CAUSE_BOTH_WAYS, deviation);
		for (size_t i = 0; i < n_now; i++)
			if (!isnan(deviation[i])) {
				sums[i] += deviation[i];
				n_seen[i]++;
			}
	}
	for (size_t i = 0; i < WINDOW_MAX; i++)
		ret[i] = n_seen[i] ? sums[i] / (double)n_seen[i] : (double)NAN;
}

static int nezha_fault(const struct nezha *z, double t, const char *pod, struct tally *tally)
{
	CLEANUP_FREE double *deviations = calloc(z->n_pods * WINDOW_MAX, sizeof(double));
	CLEANUP_FREE double *sigma = calloc(2 * z->n_pods, sizeof(double));
	struct fault f = {
		.in = { z->n_pods, WINDOW_MAX, z->n_edges, deviations, z->edges, z->front },
		.sigma = sigma,
		.largest = sigma + z->n_pods,
		.symptom_is_none = true,
	};

	if (!deviations || !sigma)
		return -ENOMEM;
	while (f.answer < z->n_pods && strcmp(z->pods[f.answer], pod) != 0)
		f.answer++;
	if (f.answer == z->n_pods)
		return -EBADMSG;
	for (size_t v = 0; v < z->n_pods; v++)
		pod_deviations(z, v, t, deviations + v * WINDOW_MAX, &sigma[v],
			       &sigma[z->n_pods + v]);
	return count_fault(&f, tally);
}

static int nezha(const char *dir, struct tally *t)
{
	CLEANUP(nezha_freep) struct nezha *z = calloc(1, sizeof(*z));
	char path[EVAL_PATH_MAX];
	struct csv faults = { 0 };
	int r;

	if (!z)
		return -ENOMEM;
	r = nezha_open(dir, z);
	(void)snprintf(path, sizeof(path), "%s/faults.csv", dir);
	if (r == 0)
		r = csv_read(path, &faults);
	if (r == 0 && faults.n_columns < 2)
		r = -EBADMSG;
	for (size_t i = 1; r == 0 && i < faults.n_rows; i++)
		r = nezha_fault(z, csv_number(&faults, i, 0), csv_cell(&faults, i, 1), t);
	csv_done(&faults);
	if (r < 0)
		eval_complain(dir, r);
	return r;
}

/* ---- all below a folder ---- */

/* A set for each folder that holds the file, and one for all of them together. */
static int add_sets(const char *dir, const char *file, int (*run)(const char *, struct tally *),
		    const char *together, json_t *sets)
{
	char **dirs = NULL;
	struct tally all = { 0 };
	size_t n = 0;
	int r = eval_dirs(dir, file, &dirs, &n);

	for (size_t i = 0; i < n && r == 0; i++) {
		const char *slash = strrchr(dirs[i], '/');
		struct tally t = { 0 };

		r = run(dirs[i], &t);
		for (size_t m = 0; m < N_METHODS; m++)
			for (size_t k = 0; k < K_MAX; k++)
				all.within[m][k] += t.within[m][k];
		all.n += t.n;
		if (r == 0 && t.n > 0)
			(void)json_object_set_new(sets, slash ? slash + 1 : dirs[i],
						  tally_json(&t));
	}
	if (r == 0 && all.n > 0)
		(void)json_object_set_new(sets, together, tally_json(&all));
	eval_dirs_free(dirs, n);
	return r;
}

/* Without a normal period nothing can be said of a scenario: it is left out aloud. */
static int petshop_or_skip(const char *dir, struct tally *t)
{
	char path[EVAL_PATH_MAX], **dirs = NULL;
	size_t n = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s/noissue", dir);
	r = eval_dirs(path, "metrics.csv", &dirs, &n);
	eval_dirs_free(dirs, n);
	if (r == -ENOENT || n == 0) {
		(void)fprintf(stderr, "x0-lab eval: %s: left out: no normal period\n", dir);
		return 0;
	}
	return petshop(dir, t);
}

json_t *eval_rca(const char *dir)
{
	json_t *sets = json_object();
	int r = add_sets(dir, "graph.csv", petshop_or_skip, "all of PetShop", sets);

	if (r == 0)
		r = add_sets(dir, "faults.csv", nezha, "all of Nezha", sets);
	if (r == 0 && json_object_size(sets) == 0)
		r = -ENOENT;
	if (r < 0) {
		eval_complain(dir, r);
		json_decref(sets);
		return NULL;
	}
	return json_pack("{s:{s:s, s:s}, s:o}", "settings", "ours", "explained", "main", "ac_1",
			 "sets", sets);
}
