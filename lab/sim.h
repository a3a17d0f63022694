/* SPDX-License-Identifier: Apache-2.0 */
/* sim.h - what the two files of x0-lab sim share: the command line, and runs at level route. */
#pragma once

#include <jansson.h>

#include "sim/mesh_run.h"

struct sim_options {
	const char *scenario;
	bool has_level, is_route_level;
	bool is_falsedown; /* links alone */
	unsigned long first_seed, n_seeds;
	unsigned long n_nodes; /* 0: as the scenario says */
	const char *topology_path;
	bool has_kind;
	enum topology_kind kind;
	unsigned long memory_mb;
	bool is_json;
	bool wants_samples; /* every outage, in JSON: to be put together with those of other runs */
	const char *svg_path;
	struct mesh_options mesh;
};

/* A day of every link; its exit status. */
int sim_falsedown(const struct sim_options *o, const struct topology *t);

/* Runs of several seeds, told as they end, and together at the end. */
struct mesh_summary {
	const struct sim_options *options;
	json_t *runs;
	unsigned long n_runs, failed;
	struct samples outages;
	size_t failures, pairs, unrepairable, unrepaired;
	uint64_t loops, violations, loops_of_liars;
	char topology[TOPOLOGY_NAME_SIZE];
	size_t n_nodes, n_links;
};

void mesh_summary_begin(struct mesh_summary *s, const struct sim_options *o);
/* Negative, and told to standard error, where no run could be made. */
int mesh_summary_run(struct mesh_summary *s, const struct topology *t, unsigned long seed);
bool mesh_summary_end(struct mesh_summary *s); /* all runs were well */
