/* SPDX-License-Identifier: Apache-2.0 */
/* What the scenarios on a mesh share: cold start, rest, samples of pairs, flows of packets. */
#include "sim/mesh_field.h"

#include <stdlib.h>
#include <string.h>

#include "sim/mesh_world.h"

#define SAMPLED_PAIRS 2000
#define SAMPLED_PAIRS_LARGE 500 /* where most of them have to be looked for */
#define STRETCH_PAIRS 200	/* each costs a search of the whole graph */
#define BOOT_SPREAD_US MS(100)
#define COLD_MAX_US SECONDS(60)
#define COLD_STEP_US MS(10)
#define COLD_STEP_LARGE_US MS(50)
#define LARGE_NODES 1000
#define TRIES_MAX 1000

bool field_random_pair(struct field *f, struct field_pair *ret)
{
	size_t n = mesh_n_nodes(f->mesh);

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		uint32_t a = (uint32_t)rng_below(&f->rng, n);
		uint32_t b = (uint32_t)rng_below(&f->rng, n);

		if (a == b || f->part[a] != f->part[b])
			continue;
		*ret = (struct field_pair){ a, b };
		return true;
	}
	return false;
}

bool field_sample_pairs(struct field *f)
{
	size_t n = mesh_n_nodes(f->mesh);
	size_t flat = f->options->flat_max ? f->options->flat_max : REACH_FLAT_MAX;
	size_t wanted = n > flat ? SAMPLED_PAIRS_LARGE : SAMPLED_PAIRS;

	if (n * (n - 1) < wanted)
		wanted = n * (n - 1);
	f->sampled = calloc(wanted, sizeof(*f->sampled));
	if (!f->sampled)
		return false;
	mesh_parts(f->mesh, false, NULL, f->part);
	for (size_t i = 0; i < wanted; i++)
		if (!field_random_pair(f, &f->sampled[i]))
			return false;
	f->report->sampled = wanted;
	return true;
}

size_t field_count_routed(struct field *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->report->sampled; i++)
		n += mesh_walk(f->mesh, f->sampled[i].from, f->sampled[i].to, NULL) > 0;
	return n;
}

static void measure_pair(struct field *f, const struct field_pair *p, bool by_delay,
			 struct samples *ret)
{
	unsigned n = mesh_walk(f->mesh, p->from, p->to, f->path);
	uint64_t cost;

	if (n == 0 || mesh_distances(f->mesh, p->to, by_delay, f->costs) < 0 ||
	    f->costs[p->from] == UINT64_MAX || f->costs[p->from] == 0)
		return;
	cost = mesh_path_cost(f->mesh, f->path, n, by_delay);
	samples_add(ret, cost * 1000 / f->costs[p->from]);
}

void field_measure_stretch(struct field *f)
{
	for (size_t i = 0; i < f->report->sampled && i < STRETCH_PAIRS; i++) {
		measure_pair(f, &f->sampled[i], false, &f->report->stretch);
		measure_pair(f, &f->sampled[i], true, &f->report->delay_stretch);
	}
}

/* ---- flows ---- */

void field_clear_flows(struct field *f)
{
	mesh_forget_packets(f->mesh);
	f->n_flows = f->n_rounds = 0;
}

static void grow_joined(struct field *f)
{
	size_t wanted = (f->n_rounds + 1) * f->n_flows;

	if (wanted <= f->joined_size)
		return;
	f->joined_size = 2 * wanted;
	f->is_joined = realloc(f->is_joined, f->joined_size * sizeof(*f->is_joined));
	if (!f->is_joined)
		abort();
}

static void send_round(struct field *f)
{
	grow_joined(f);
	mesh_parts(f->mesh, false, NULL, f->part);
	for (size_t i = 0; i < f->n_flows; i++) {
		const struct field_pair *p = &f->flows[i];
		bool is_traced = i == 0 && f->options->wants_trace && f->report->failures == 0;

		f->is_joined[f->n_rounds * f->n_flows + i] = f->part[p->from] == f->part[p->to];
		if (is_traced)
			(void)mesh_send_traced(f->mesh, p->from, p->to);
		else
			(void)mesh_send(f->mesh, p->from, p->to);
	}
	f->n_rounds++;
}

bool field_run_flows(struct field *f, uint64_t until_us)
{
	while (mesh_now_us(f->mesh) < until_us) {
		send_round(f);
		if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + FIELD_ROUND_US))
			return false;
	}
	return true;
}

uint64_t field_outage_us(const struct field *f, size_t flow, size_t first_round)
{
	uint64_t run = 0;
	uint64_t longest = 0;

	for (size_t r = first_round; r < f->n_rounds; r++) {
		size_t p = r * f->n_flows + flow;
		bool is_lost = f->is_joined[p] && mesh_fate(f->mesh, p) != MESH_DELIVERED;

		run = is_lost ? run + FIELD_ROUND_US : 0;
		longest = max_u64(longest, run);
	}
	return longest;
}

void field_count_flows(struct field *f)
{
	for (size_t i = 0; i < f->n_flows; i++)
		samples_add(&f->report->outages, field_outage_us(f, i, 0));
	for (size_t p = 0; p < f->n_rounds * f->n_flows; p++) {
		f->report->joined_sent += f->is_joined[p];
		f->report->joined_delivered +=
			f->is_joined[p] && mesh_fate(f->mesh, p) == MESH_DELIVERED;
	}
}

/* ---- cold start and rest ---- */

static uint64_t control_bytes(const struct mesh *m)
{
	struct mesh_totals t;

	mesh_totals(m, &t);
	return t.probe_bytes + t.stream_bytes;
}

static bool boot_all(struct field *f)
{
	size_t n = mesh_n_nodes(f->mesh);
	uint64_t start_us = mesh_now_us(f->mesh);

	for (size_t i = 0; i < n; i++) {
		if (!mesh_run(f->mesh, start_us + BOOT_SPREAD_US * i / n))
			return false;
		mesh_boot(f->mesh, i);
	}
	f->report->booted_us = mesh_now_us(f->mesh) - start_us;
	return true;
}

bool field_cold_start(struct field *f)
{
	struct mesh_report *r = f->report;
	uint64_t step = mesh_n_nodes(f->mesh) > LARGE_NODES ? COLD_STEP_LARGE_US : COLD_STEP_US;
	uint64_t limit = f->options->cold_max_us ? f->options->cold_max_us : COLD_MAX_US;
	uint64_t start_us;

	if (!boot_all(f) || !field_sample_pairs(f))
		return false;
	start_us = mesh_now_us(f->mesh);
	while (!r->cold_all_us && mesh_now_us(f->mesh) - start_us < limit) {
		bool goes_on = mesh_run(f->mesh, mesh_now_us(f->mesh) + step);

		field_note_found(f);
		field_look(f, start_us);
		r->routed = field_count_routed(f);
		if (!r->cold_99_us && 100 * r->routed >= 99 * r->sampled)
			r->cold_99_us = mesh_now_us(f->mesh) - start_us;
		if (r->routed == r->sampled)
			r->cold_all_us = mesh_now_us(f->mesh) - start_us;
		if (!goes_on)
			return false;
	}
	field_describe_tree(f);
	r->cold_bytes_node = (double)control_bytes(f->mesh) / (double)mesh_n_nodes(f->mesh);
	return r->cold_99_us > 0;
}

/* After two seconds in which first costs are corrected. */
bool field_rest(struct field *f, uint64_t for_us)
{
	struct mesh_report *r = f->report;
	struct mesh_totals before, after;
	double per;

	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + SECONDS(2)))
		return false;
	mesh_totals(f->mesh, &before);
	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + for_us))
		return false;
	mesh_totals(f->mesh, &after);
	per = (double)mesh_n_nodes(f->mesh) * (double)for_us / 1e6;
	r->rest_us = for_us;
	r->rest_probe_bytes = (double)(after.probe_bytes - before.probe_bytes) / per;
	r->rest_probe_packets = (double)(after.probe_packets - before.probe_packets) / per;
	r->rest_stream_bytes = (double)(after.stream_bytes - before.stream_bytes) / per;
	r->rest_stream_packets = (double)(after.stream_packets - before.stream_packets) / per;
	return true;
}
