/* SPDX-License-Identifier: Apache-2.0 */
/* Failover: what a pair of nodes that could still reach each other loses when an element on its
 * path fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/mesh_field.h"

#define FAILURES 20
#define FLOWS 8
#define TRIES 400	   /* pairs looked at, for flows through what fails */
#define BEFORE_US MS(600)  /* flows run before: their links become active ones */
#define WINDOW_US MS(3000) /* and after */
#define WINDOW_MIN_US MS(600)
#define UNDER_WAY_ROUNDS 20
#define QUIET_ROUNDS 25	   /* delivered in a row, a flow is well again */
#define ARRIVE_US MS(1000) /* what is under way has arrived or is lost */
#define SETTLE_STEP_US MS(100)
#define SETTLE_MAX_US SECONDS(4)

struct failure {
	enum mesh_fault fault;
	size_t links[2];
	size_t n_links;
	size_t node; /* MESH_FAULT_NODE */
};

/* ---- what fails ---- */

static bool uses(const struct failure *x, const struct mesh *m, const size_t *path, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t link = mesh_link_between(m, path[i], path[i + 1]);

		for (size_t k = 0; k < x->n_links; k++)
			if (link == x->links[k])
				return true;
		if (x->fault == MESH_FAULT_NODE && i > 0 && path[i] == x->node)
			return true;
	}
	return false;
}

static bool is_failing(const struct failure *x, const struct mesh *m, size_t link)
{
	size_t a, b;

	for (size_t k = 0; k < x->n_links; k++)
		if (link == x->links[k])
			return true;
	mesh_link_ends(m, link, &a, &b);
	return x->fault == MESH_FAULT_NODE && (a == x->node || b == x->node);
}

static void cut_all(struct field *f, struct failure *x, bool is_cut)
{
	bool silent = !f->options->has_carrier_loss;

	for (size_t i = 0; i < mesh_n_links(f->mesh); i++) {
		if (!is_failing(x, f->mesh, i))
			continue;
		if (is_cut)
			mesh_cut(f->mesh, i, silent);
		else
			mesh_mend(f->mesh, i);
	}
}

/* A random link or node in the middle of a random pair's path. */
static bool choose(struct field *f, struct failure *x)
{
	*x = (struct failure){ .fault = f->options->fault, .node = MESH_NONE };
	for (unsigned i = 0; i < TRIES; i++) {
		struct field_pair p;
		unsigned n;
		size_t at;

		if (!field_routed_pair(f, &p))
			return false;
		n = mesh_walk(f->mesh, p.from, p.to, f->path);
		if (n == 0 || (x->fault == MESH_FAULT_NODE && n < 2))
			continue;
		if (x->fault == MESH_FAULT_NODE) {
			x->node = f->path[1 + rng_below(&f->rng, n - 1)];
			return true;
		}
		at = rng_below(&f->rng, n);
		x->links[x->n_links] = mesh_link_between(f->mesh, f->path[at], f->path[at + 1]);
		if (x->n_links == 0 || x->links[1] != x->links[0])
			x->n_links++;
		if (x->n_links == (x->fault == MESH_FAULT_DOUBLE ? 2 : 1))
			return true;
	}
	return false;
}

/* Flows whose paths it breaks and whose ends remain joined. The links that are down already do not
 * join anybody: what is not up now will not be in time. */
static void choose_flows(struct field *f, struct failure *x)
{
	size_t n_links = mesh_n_links(f->mesh);
	size_t n_nodes = mesh_n_nodes(f->mesh);
	uint32_t *after = calloc(n_nodes, sizeof(*after));
	bool *fails = calloc(n_links, sizeof(*fails));

	if (!after || !fails)
		abort();
	for (size_t i = 0; i < n_links; i++)
		fails[i] = is_failing(x, f->mesh, i);
	mesh_parts(f->mesh, true, fails, after);
	field_clear_flows(f);
	for (unsigned i = 0; i < TRIES && f->n_flows < FLOWS; i++) {
		struct field_pair p;
		unsigned n;

		if (!field_routed_pair(f, &p))
			break;
		n = mesh_walk(f->mesh, p.from, p.to, f->path);
		if (n == 0 || p.from == x->node || p.to == x->node || !uses(x, f->mesh, f->path, n))
			continue;
		f->report->pairs++;
		if (after[p.from] != after[p.to])
			f->report->unrepairable++;
		else
			f->flows[f->n_flows++] = p;
	}
	free(after);
	free(fails);
}

/* ---- what is seen of it ---- */

static bool all_are_well(const struct field *f, size_t first_round)
{
	uint64_t arrived_us = mesh_now_us(f->mesh) - MS(400);

	for (size_t i = 0; i < f->n_flows; i++) {
		size_t n = 0;

		for (size_t r = f->n_rounds; r > first_round && n < QUIET_ROUNDS; r--) {
			size_t p = (r - 1) * f->n_flows + i;

			if (mesh_sent_us(f->mesh, p) > arrived_us)
				continue;
			if (mesh_fate(f->mesh, p) != MESH_DELIVERED)
				return false;
			n++;
		}
		if (n < QUIET_ROUNDS)
			return false;
	}
	return true;
}

/* How much longer the first packet after the outage took than the best path there then is. */
static void measure_repair(struct field *f, size_t flow, size_t first_round)
{
	bool was_lost = false;

	for (size_t r = first_round; r < f->n_rounds; r++) {
		size_t p = r * f->n_flows + flow;
		uint64_t best;

		if (mesh_fate(f->mesh, p) != MESH_DELIVERED) {
			was_lost = true;
			continue;
		}
		if (!was_lost)
			continue;
		if (mesh_distances(f->mesh, f->flows[flow].to, true, f->costs) < 0)
			return;
		best = f->costs[f->flows[flow].from];
		if (best > 0 && best < UINT64_MAX)
			samples_add(&f->report->repair_stretch,
				    mesh_delivery_us(f->mesh, p) * 1000 / best);
		return;
	}
}

/* What was under way at the failure may be lost to it, too: outages count from a little before. */
static void measure(struct field *f, size_t fail_round)
{
	size_t first_round = fail_round > UNDER_WAY_ROUNDS ? fail_round - UNDER_WAY_ROUNDS : 0;

	for (size_t i = 0; i < f->n_flows; i++) {
		size_t last = (f->n_rounds - 1) * f->n_flows + i;
		bool is_well = false;

		for (size_t r = 0; r < 10 && !is_well; r++)
			is_well = mesh_fate(f->mesh, last - r * f->n_flows) == MESH_DELIVERED;
		f->report->unrepaired += !is_well;
		samples_add(&f->report->outages, field_outage_us(f, i, first_round));
		measure_repair(f, i, fail_round);
	}
}

/* ---- one packet's life ---- */

static size_t first_of(const struct field *f, size_t first_round, bool is_delivered)
{
	bool was_lost = false;

	for (size_t r = first_round; r < f->n_rounds; r++) {
		bool is = mesh_fate(f->mesh, r * f->n_flows) == MESH_DELIVERED;

		if (is_delivered ? is && was_lost : !is)
			return r * f->n_flows;
		was_lost |= !is;
	}
	return MESH_NONE;
}

static void print_life(FILE *to, const struct mesh *m, size_t packet, const char *which)
{
	struct mesh_step s;
	size_t cursor = 0;

	if (packet == MESH_NONE)
		return;
	(void)fprintf(to, "%s, sent at %.3f ms\n", which, (double)mesh_sent_us(m, packet) / 1e3);
	while (mesh_next_step(m, &cursor, &s)) {
		if (s.packet != packet)
			continue;
		(void)fprintf(to, "  %10.3f ms  node %-5zu %s",
			      (double)(s.at_us - mesh_sent_us(m, packet)) / 1e3, s.node, s.what);
		if (s.next != MESH_NONE)
			(void)fprintf(to, ", node %zu", s.next);
		if (s.metric > 0 && s.metric < ROUTE_METRIC_INFINITY)
			(void)fprintf(to, ", metric %u", s.metric);
		(void)fprintf(to, "\n");
	}
}

static void tell_packets(struct field *f, size_t fail_round)
{
	size_t size;
	FILE *to;

	if (!f->options->wants_trace || f->report->packet_trace || f->n_flows == 0)
		return;
	to = open_memstream(&f->report->packet_trace, &size);
	if (!to)
		return;
	print_life(to, f->mesh, (fail_round - 1) * f->n_flows,
		   "the last packet before the failure");
	print_life(to, f->mesh, first_of(f, fail_round - 1, false), "the first packet lost");
	print_life(to, f->mesh, first_of(f, fail_round - 1, true),
		   "the first packet delivered after it");
	(void)fclose(to);
}

/* ---- a picture ---- */

static size_t *copy_path(const size_t *path, unsigned n)
{
	size_t *copy = calloc((size_t)n + 1, sizeof(*copy));

	if (copy)
		memcpy(copy, path, ((size_t)n + 1) * sizeof(*copy));
	return copy;
}

static void draw(struct field *f, const struct failure *x, bool is_after)
{
	struct mesh_picture *p = &f->report->picture;
	unsigned n;

	if (f->report->failures > 0 || f->n_flows == 0)
		return;
	n = mesh_walk(f->mesh, f->flows[0].from, f->flows[0].to, f->path);
	if (is_after) {
		p->after = copy_path(f->path, n);
		p->n_after = p->after && n ? n + 1 : 0;
		return;
	}
	p->before = copy_path(f->path, n);
	p->n_before = p->before && n ? n + 1 : 0;
	p->n_failed_links = x->n_links;
	memcpy(p->failed_links, x->links, sizeof(p->failed_links));
	p->n_failed_nodes = x->fault == MESH_FAULT_NODE;
	p->failed_nodes[0] = x->node;
}

/* ---- the scenario ---- */

static bool all_are_up(const struct field *f, const struct failure *x)
{
	for (size_t i = 0; i < mesh_n_links(f->mesh); i++)
		if (is_failing(x, f->mesh, i) && !mesh_is_up(f->mesh, i))
			return false;
	return true;
}

/* Until what failed is used again, or is still held down. */
static bool settle(struct field *f, const struct failure *x)
{
	uint64_t until_us = mesh_now_us(f->mesh) + SETTLE_MAX_US;

	while (!all_are_up(f, x) && mesh_now_us(f->mesh) < until_us)
		if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + SETTLE_STEP_US))
			return false;
	return mesh_run(f->mesh, mesh_now_us(f->mesh) + 3 * SETTLE_STEP_US);
}

static bool fail_once(struct field *f)
{
	struct failure x;
	uint64_t failed_us;
	size_t fail_round;

	field_use_sampled(f);
	mesh_parts(f->mesh, true, NULL, f->part);
	if (!choose(f, &x))
		return true; /* nothing is routed that could fail */
	choose_flows(f, &x);
	draw(f, &x, false);
	if (!field_run_flows(f, mesh_now_us(f->mesh) + BEFORE_US + rng_below(&f->rng, MS(300))))
		return false;
	fail_round = f->n_rounds;
	failed_us = mesh_now_us(f->mesh);
	cut_all(f, &x, true);
	while (mesh_now_us(f->mesh) < failed_us + WINDOW_US &&
	       !(mesh_now_us(f->mesh) >= failed_us + WINDOW_MIN_US && all_are_well(f, fail_round)))
		if (!field_run_flows(f, mesh_now_us(f->mesh) + MS(50)))
			return false;
	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + ARRIVE_US))
		return false;
	measure(f, fail_round);
	tell_packets(f, fail_round);
	draw(f, &x, true);
	f->report->failures++;
	cut_all(f, &x, false);
	return settle(f, &x);
}

bool run_failover(struct field *f)
{
	size_t n = f->options->n_failures ? f->options->n_failures : FAILURES;

	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + SECONDS(1)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!fail_once(f))
			return false;
	f->report->routed = field_count_routed(f);
	field_measure_stretch(f);
	return true;
}
