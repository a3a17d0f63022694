/* SPDX-License-Identifier: Apache-2.0 */
/* The scenario of a node that lies: which one, and what share of others' ways and packets it has.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/route/route.h"
#include "sim/mesh_field.h"

#define SETTLE_US SECONDS(8)
#define LIES_FOR_US SECONDS(10)
#define LOOK_US SECONDS(1) /* packets are counted for so long, before the lies and at the end */
#define CANDIDATES 50
#define FEW 0.05 /* of the pairs */

/* Do next hops lead a pair's packets to the node, if only in a circle? */
static bool leads_to(struct field *f, const struct field_pair *p, size_t node)
{
	size_t at = p->from;

	for (size_t n = 0; n <= mesh_n_nodes(f->mesh) && at != p->to; n++) {
		at = mesh_next(f->mesh, at, p->to);
		if (at == MESH_NONE)
			return false;
		if (at == node)
			return true;
	}
	return false;
}

/* The parts into which the graph falls without the node: only pairs within one have another way. */
static void parts_without(struct field *f, size_t node)
{
	CLEANUP_FREE bool *without = calloc(mesh_n_links(f->mesh), sizeof(*without));

	if (!without)
		abort();
	for (size_t l = 0; l < mesh_n_links(f->mesh); l++) {
		size_t a, b;

		mesh_link_ends(f->mesh, l, &a, &b);
		without[l] = a == node || b == node;
	}
	mesh_parts(f->mesh, true, without, f->part);
}

static bool has_choice(const struct field *f, const struct field_pair *p, size_t node)
{
	return p->from != node && p->to != node && f->part[p->from] == f->part[p->to];
}

/* Of the sampled pairs of others that have another way. */
static double share_through(struct field *f, size_t node)
{
	size_t through = 0;
	size_t n_pairs = 0;

	parts_without(f, node);
	for (size_t i = 0; i < f->report->sampled; i++) {
		const struct field_pair *p = &f->sampled[i];

		if (!has_choice(f, p, node))
			continue;
		n_pairs++;
		through += leads_to(f, p, node);
	}
	return n_pairs ? (double)through / (double)n_pairs : 0;
}

static size_t degree_of(const struct field *f, size_t node)
{
	size_t degree = 0;

	for (size_t l = 0; l < mesh_n_links(f->mesh); l++) {
		size_t a, b;

		mesh_link_ends(f->mesh, l, &a, &b);
		degree += a == node || b == node;
	}
	return degree;
}

/* One that understates is at first on few paths, so that what it attracts is seen; one that only
 * drops is on as many as a node can be, so that what avoids it is. */
static size_t choose_liar(struct field *f)
{
	bool wants_few = f->options->liar != MESH_LIAR_DROPS;
	size_t best = MESH_NONE;
	double best_share = wants_few ? 2 : -1;

	for (unsigned i = 0; i < CANDIDATES; i++) {
		size_t node = rng_below(&f->rng, mesh_n_nodes(f->mesh));
		double share;

		if (degree_of(f, node) < 2)
			continue;
		share = share_through(f, node);
		if (wants_few && share > 0 && share < FEW)
			return node;
		if (wants_few ? share >= best_share : share <= best_share)
			continue;
		best_share = share;
		best = node;
	}
	return best;
}

static bool choose_flows(struct field *f, size_t liar)
{
	field_clear_flows(f);
	parts_without(f, liar);
	while (f->n_flows < FIELD_FLOWS_MAX) {
		struct field_pair *p = &f->flows[f->n_flows];

		if (!field_random_pair(f, p))
			return false;
		f->n_flows += has_choice(f, p, liar);
	}
	return true;
}

/* Runs the flows; returns which part of their packets came to the liar in the last LOOK_US. */
static bool run_and_look(struct field *f, uint64_t for_us, double *ret_share, double *ret_lost)
{
	struct mesh_totals before, after;
	uint64_t sent;

	if (!field_run_flows(f, mesh_now_us(f->mesh) + for_us - LOOK_US))
		return false;
	mesh_totals(f->mesh, &before);
	if (!field_run_flows(f, mesh_now_us(f->mesh) + LOOK_US))
		return false;
	mesh_totals(f->mesh, &after);
	sent = after.sent - before.sent;
	*ret_share = sent ? (double)(after.at_liar - before.at_liar) / (double)sent : 0;
	*ret_lost = sent ? 1 - (double)(after.delivered - before.delivered) / (double)sent : 0;
	return true;
}

bool run_liars(struct field *f)
{
	struct mesh_report *r = f->report;
	unsigned how = f->options->liar ? f->options->liar : MESH_LIAR_METRIC;
	uint64_t for_us = f->options->duration_us ? f->options->duration_us : LIES_FOR_US;
	double ignored;
	size_t liar;

	/* All certificates are fetched: before, a lie about a node is believed. */
	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + SETTLE_US))
		return false;
	liar = choose_liar(f);
	if (liar == MESH_NONE || !choose_flows(f, liar) || mesh_set_liar(f->mesh, liar, 0) < 0)
		return false;
	r->picture.n_failed_nodes = 1;
	r->picture.failed_nodes[0] = liar;
	r->share_before = share_through(f, liar);
	if (!run_and_look(f, 2 * LOOK_US, &r->traffic_before, &ignored) ||
	    mesh_set_liar(f->mesh, liar, how) < 0 ||
	    !run_and_look(f, for_us, &r->traffic_after, &r->lost_after))
		return false;
	r->share_after = share_through(f, liar);
	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + SECONDS(1)))
		return false;
	field_count_flows(f);
	f->report->routed = field_count_routed(f);
	return true;
}
