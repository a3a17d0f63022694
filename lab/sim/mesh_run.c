/* SPDX-License-Identifier: Apache-2.0 */
/* One run: a topology, a scenario, a seed. */
#include "sim/mesh_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "sim/mesh_field.h"

#define REST_US SECONDS(5)

static const char *const scenarios[MESH_N_SCENARIOS] = {
	[MESH_COLDSTART] = "coldstart", [MESH_FAILOVER] = "failover",	[MESH_CHURN] = "churn",
	[MESH_MOBILITY] = "mobility",	[MESH_PARTITION] = "partition", [MESH_LIARS] = "liars",
};

static const char *const faults[MESH_N_FAULTS] = {
	[MESH_FAULT_LINK] = "link",
	[MESH_FAULT_NODE] = "node",
	[MESH_FAULT_DOUBLE] = "double",
};

const char *mesh_scenario_name(enum mesh_scenario s)
{
	return scenarios[s];
}

const char *mesh_fault_name(enum mesh_fault f)
{
	return faults[f];
}

bool mesh_scenario_of(const char *name, enum mesh_scenario *ret)
{
	for (unsigned i = 0; i < MESH_N_SCENARIOS; i++)
		if (strcmp(scenarios[i], name) == 0) {
			*ret = (enum mesh_scenario)i;
			return true;
		}
	return false;
}

bool mesh_fault_of(const char *name, enum mesh_fault *ret)
{
	for (unsigned i = 0; i < MESH_N_FAULTS; i++)
		if (strcmp(faults[i], name) == 0) {
			*ret = (enum mesh_fault)i;
			return true;
		}
	return false;
}

void mesh_report_done(struct mesh_report *r)
{
	samples_done(&r->setup);
	samples_done(&r->setup_rtt);
	samples_done(&r->setup_beyond);
	samples_done(&r->reach_stretch);
	samples_done(&r->ping);
	samples_done(&r->known);
	samples_done(&r->stretch);
	samples_done(&r->delay_stretch);
	samples_done(&r->outages);
	samples_done(&r->repair_stretch);
	free(r->picture.before);
	free(r->picture.after);
	free(r->packet_trace);
	*r = (struct mesh_report){ 0 };
}

static bool run_coldstart(struct field *f)
{
	uint64_t for_us = f->options->duration_us ? f->options->duration_us : REST_US;

	if (!field_rest(f, for_us))
		return false;
	f->report->routed = field_count_routed(f);
	field_measure_stretch(f);
	return true;
}

static bool run(struct field *f)
{
	static bool (*const scenario[MESH_N_SCENARIOS])(struct field *) = {
		[MESH_COLDSTART] = run_coldstart, [MESH_FAILOVER] = run_failover,
		[MESH_CHURN] = run_churn,	  [MESH_MOBILITY] = run_mobility,
		[MESH_PARTITION] = run_partition, [MESH_LIARS] = run_liars,
	};

	return field_cold_start(f) && scenario[f->options->scenario](f) && field_look_again(f);
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void judge(struct field *f, bool is_through)
{
	struct mesh_report *r = f->report;
	struct mesh_totals *t = &r->totals;
	bool is_lied_to = f->options->scenario == MESH_LIARS; /* then it is measured, not judged */

	mesh_totals(f->mesh, t);
	r->trace = mesh_trace(f->mesh);
	r->virtual_us = mesh_now_us(f->mesh) - SECONDS(1);
	r->memory_peak = mesh_process_memory();
	r->is_out_of_memory = mesh_is_out_of_memory(f->mesh);
	r->is_ok = is_through && (r->routed == r->sampled || is_lied_to) && t->loops == 0 &&
		   t->route_loops == 0 && t->infeasible == 0 && t->refused == 0;
	if (mesh_failure(f->mesh)[0])
		(void)snprintf(r->failure, sizeof(r->failure), "%s", mesh_failure(f->mesh));
	else if (r->is_out_of_memory)
		(void)snprintf(
			r->failure, sizeof(r->failure),
			"memory ran out %.3f s after the first boot: %zu of %zu pairs routed",
			(double)r->virtual_us / 1e6, r->routed, r->sampled);
	else if (!r->is_ok)
		(void)snprintf(r->failure, sizeof(r->failure), "%zu of %zu pairs routed%s",
			       r->routed, r->sampled, is_through ? "" : ": it went no further");
}

static void field_done(struct field *f)
{
	mesh_free(f->mesh);
	free(f->sampled);
	free(f->part);
	free(f->path);
	free(f->costs);
	free(f->is_joined);
}

int mesh_run_scenario(const struct mesh_options *options, struct mesh_report *ret)
{
	size_t n = options->topology->n_nodes;
	CLEANUP(field_done) struct field f = { .options = options, .report = ret };
	struct mesh_config config = {
		.seed = options->seed,
		.topology = options->topology,
		.loss_ppm = options->loss_ppm,
		.check_every = options->check_every,
		.memory_max = options->memory_max,
		.flat_max = options->flat_max,
		.zone_max = options->zone_max,
		.is_unproved = options->is_unproved,
	};
	double start_s = seconds_of(CLOCK_MONOTONIC);
	double start_cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	int r;

	*ret = (struct mesh_report){ 0 };
	if (options->scenario == MESH_MOBILITY && !options->topology->has_places)
		return -EINVAL;
	r = mesh_new(&config, &f.mesh);
	if (r < 0)
		return r;
	rng_seed(&f.rng, options->seed ^ UINT64_C(0x5ce9a7105ce9a710));
	f.part = calloc(n, sizeof(*f.part));
	f.path = calloc(n + 2, sizeof(*f.path));
	f.costs = calloc(n, sizeof(*f.costs));
	if (!f.part || !f.path || !f.costs)
		return -ENOMEM;
	judge(&f, run(&f));
	ret->wall_s = seconds_of(CLOCK_MONOTONIC) - start_s;
	ret->cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start_cpu_s;
	return 0;
}
