/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios that last: nodes come and go, wander, are parted and joined again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/route/route.h"
#include "sim/mesh_field.h"

#define STEP_US MS(100)
#define DURATION_US SECONDS(30)
#define SETTLE_US SECONDS(10)
#define FLOWS 16

static uint64_t duration_us(const struct field *f)
{
	return f->options->duration_us ? f->options->duration_us : DURATION_US;
}

static bool choose_flows(struct field *f)
{
	field_clear_flows(f);
	mesh_parts(f->mesh, false, NULL, f->part);
	while (f->n_flows < FLOWS)
		if (!field_random_pair(f, &f->flows[f->n_flows++]))
			return false;
	return true;
}

/* Flows until all is over and settled; then what they came to. */
static bool run_on(struct field *f, uint64_t for_us)
{
	if (!field_run_flows(f, mesh_now_us(f->mesh) + for_us) ||
	    !mesh_run(f->mesh, mesh_now_us(f->mesh) + SECONDS(1)))
		return false;
	field_count_flows(f);
	f->report->routed = field_count_routed(f);
	return true;
}

/* ---- churn: every node crashes once in 100 s on average, and boots 1 to 10 s later ---- */

#define CRASH_ONE_IN 1000 /* a node and step */
#define OFF_MIN_US SECONDS(1)
#define OFF_SPREAD_US SECONDS(9)

/* The ends of flows stay, so that what is measured is what others' going does to them. */
static bool is_end_of_flow(const struct field *f, size_t node)
{
	for (size_t i = 0; i < f->n_flows; i++)
		if (f->flows[i].from == node || f->flows[i].to == node)
			return true;
	return false;
}

static void churn_step(struct field *f, uint64_t *boot_us)
{
	for (size_t i = 0; i < mesh_n_nodes(f->mesh); i++) {
		if (boot_us[i] && mesh_now_us(f->mesh) >= boot_us[i]) {
			boot_us[i] = 0;
			mesh_boot(f->mesh, i);
		} else if (!boot_us[i] && !is_end_of_flow(f, i) &&
			   rng_below(&f->rng, CRASH_ONE_IN) == 0) {
			boot_us[i] = mesh_now_us(f->mesh) + OFF_MIN_US +
				     rng_below(&f->rng, OFF_SPREAD_US);
			mesh_crash(f->mesh, i);
			f->report->n_upheavals++;
		}
	}
}

bool run_churn(struct field *f)
{
	CLEANUP_FREE uint64_t *boot_us = calloc(mesh_n_nodes(f->mesh), sizeof(*boot_us));
	uint64_t until_us = mesh_now_us(f->mesh) + duration_us(f);

	if (!boot_us || !choose_flows(f))
		return false;
	while (mesh_now_us(f->mesh) < until_us) {
		churn_step(f, boot_us);
		if (!field_run_flows(f, mesh_now_us(f->mesh) + STEP_US))
			return false;
	}
	for (size_t i = 0; i < mesh_n_nodes(f->mesh); i++)
		if (boot_us[i])
			mesh_boot(f->mesh, i);
	return run_on(f, SETTLE_US);
}

/* ---- mobility: everybody walks to random places, a link's reach in ten seconds ---- */

#define REACH_PERCENTILE 95 /* of the links' lengths at the beginning */
#define LOST_AT 1.1	    /* of the reach */
#define STEPS_PER_REACH 100

struct walker {
	double x, y, to_x, to_y;
};

struct walk {
	struct walker *walkers;
	double reach, low_x, low_y, high_x, high_y;
};

static double square(double v)
{
	return v * v;
}

static double distance2(const struct walker *a, const struct walker *b)
{
	return square(a->x - b->x) + square(a->y - b->y);
}

/* Integers and sqrt() by Newton alone: the same on every machine. */
static double root(double v)
{
	double r = v > 1 ? v : 1;

	for (unsigned i = 0; i < 100; i++)
		r = (r + v / r) / 2;
	return r;
}

static void choose_goal(struct field *f, const struct walk *w, struct walker *a)
{
	a->to_x = w->low_x + rng_unit(&f->rng) * (w->high_x - w->low_x);
	a->to_y = w->low_y + rng_unit(&f->rng) * (w->high_y - w->low_y);
}

static int walk_new(struct field *f, struct walk *ret)
{
	const struct topology *t = f->options->topology;
	struct samples lengths = { 0 };
	double unit;

	*ret = (struct walk){ .low_x = t->nodes[0].x,
			      .high_x = t->nodes[0].x,
			      .low_y = t->nodes[0].y,
			      .high_y = t->nodes[0].y };
	ret->walkers = calloc(t->n_nodes, sizeof(*ret->walkers));
	if (!ret->walkers)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_nodes; i++) {
		const struct topology_node *n = &t->nodes[i];

		ret->walkers[i] = (struct walker){ .x = n->x, .y = n->y };
		ret->low_x = n->x < ret->low_x ? n->x : ret->low_x;
		ret->low_y = n->y < ret->low_y ? n->y : ret->low_y;
		ret->high_x = n->x > ret->high_x ? n->x : ret->high_x;
		ret->high_y = n->y > ret->high_y ? n->y : ret->high_y;
	}
	unit = (ret->high_x - ret->low_x + ret->high_y - ret->low_y) / 1e6;
	for (size_t i = 0; unit > 0 && i < t->n_links; i++)
		samples_add(&lengths, (uint64_t)(root(distance2(&ret->walkers[t->links[i].a],
								&ret->walkers[t->links[i].b])) /
						 unit));
	ret->reach = (double)samples_percentile(&lengths, REACH_PERCENTILE) * unit;
	samples_done(&lengths);
	for (size_t i = 0; i < t->n_nodes; i++)
		choose_goal(f, ret, &ret->walkers[i]);
	return ret->reach > 0 ? 0 : -EINVAL;
}

static void walk_step(struct field *f, struct walk *w, struct walker *a)
{
	double step = w->reach / STEPS_PER_REACH;
	double left = root(square(a->to_x - a->x) + square(a->to_y - a->y));

	if (left <= step) {
		choose_goal(f, w, a);
		return;
	}
	a->x += (a->to_x - a->x) * step / left;
	a->y += (a->to_y - a->y) * step / left;
}

static void review(struct field *f, const struct walk *w, uint32_t a, uint32_t b)
{
	double d2 = distance2(&w->walkers[a], &w->walkers[b]);
	size_t link;

	if (d2 > square(w->reach * LOST_AT)) {
		link = mesh_link_between(f->mesh, a, b);
		if (link == MESH_NONE || mesh_is_cut(f->mesh, link))
			return;
		mesh_cut(f->mesh, link, true);
		f->report->n_upheavals++;
		return;
	}
	if (d2 > square(w->reach))
		return;
	link = mesh_link_between(f->mesh, a, b);
	if (link == MESH_NONE) {
		struct topology_link l = { .a = a, .b = b, .delay_us = 1000 };

		link = mesh_add_link(f->mesh, &l);
	}
	if (!mesh_is_cut(f->mesh, link))
		return;
	mesh_mend(f->mesh, link);
	f->report->n_upheavals++;
}

bool run_mobility(struct field *f)
{
	CLEANUP_FREE struct walker *walkers = NULL;
	uint64_t until_us = mesh_now_us(f->mesh) + duration_us(f);
	uint32_t n = (uint32_t)mesh_n_nodes(f->mesh);
	struct walk w;

	if (walk_new(f, &w) < 0 || !choose_flows(f)) {
		free(w.walkers);
		return false;
	}
	walkers = w.walkers;
	while (mesh_now_us(f->mesh) < until_us) {
		for (uint32_t i = 0; i < n; i++)
			walk_step(f, &w, &walkers[i]);
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t k = 0; k < i; k++)
				review(f, &w, i, k);
		if (!field_run_flows(f, mesh_now_us(f->mesh) + STEP_US))
			return false;
	}
	if (!run_on(f, SETTLE_US))
		return false;
	/* Where all ended up there need be no way between all: those that have one count. */
	mesh_parts(f->mesh, false, NULL, f->part);
	for (size_t i = 0; i < f->report->sampled; i++)
		f->report->routed += f->part[f->sampled[i].from] != f->part[f->sampled[i].to];
	return true;
}

/* ---- partition and merge ---- */

#define APART_US SECONDS(10)
#define MERGE_STEP_US MS(10)

/* Half of the nodes, those nearest to a random one, against the rest. */
static void halve(struct field *f, bool *ret_is_in)
{
	size_t n = mesh_n_nodes(f->mesh);
	CLEANUP_FREE size_t *queue = calloc(n, sizeof(*queue));
	size_t n_queue = 1;

	if (!queue)
		abort();
	queue[0] = rng_below(&f->rng, n);
	ret_is_in[queue[0]] = true;
	for (size_t i = 0; i < n_queue && n_queue < n / 2; i++) {
		for (size_t l = 0; l < mesh_n_links(f->mesh) && n_queue < n / 2; l++) {
			size_t a, b, other;

			mesh_link_ends(f->mesh, l, &a, &b);
			other = a == queue[i] ? b : a;
			if ((a != queue[i] && b != queue[i]) || ret_is_in[other])
				continue;
			ret_is_in[other] = true;
			queue[n_queue++] = other;
		}
	}
}

static void set_apart(struct field *f, const bool *is_in, bool is_apart)
{
	for (size_t l = 0; l < mesh_n_links(f->mesh); l++) {
		size_t a, b;

		mesh_link_ends(f->mesh, l, &a, &b);
		if (is_in[a] == is_in[b])
			continue;
		f->report->n_upheavals += is_apart;
		if (is_apart)
			mesh_cut(f->mesh, l, true);
		else
			mesh_mend(f->mesh, l);
	}
}

bool run_partition(struct field *f)
{
	CLEANUP_FREE bool *is_in = calloc(mesh_n_nodes(f->mesh), sizeof(*is_in));
	uint64_t merged_us, until_us;

	if (!is_in || !choose_flows(f))
		return false;
	halve(f, is_in);
	if (!field_run_flows(f, mesh_now_us(f->mesh) + SECONDS(1)))
		return false;
	set_apart(f, is_in, true);
	if (!field_run_flows(f, mesh_now_us(f->mesh) + APART_US))
		return false;
	set_apart(f, is_in, false);
	merged_us = mesh_now_us(f->mesh);
	until_us = merged_us + duration_us(f);
	while (!f->report->merge_us && mesh_now_us(f->mesh) < until_us) {
		if (!field_run_flows(f, mesh_now_us(f->mesh) + MERGE_STEP_US))
			return false;
		if (field_count_routed(f) == f->report->sampled)
			f->report->merge_us = mesh_now_us(f->mesh) - merged_us;
	}
	return run_on(f, SECONDS(2));
}
