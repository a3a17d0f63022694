/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab sim: many nodes in virtual time, from a range of seeds. */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "lab.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/sim.h"

#define MEMORY_MAX_MB 16384UL
#define SEEDS_MAX 1000000

DEFINE_FREEP(struct topology, topology_free)

static bool number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && !*end && *ret <= max;
}

/* "1", "0.5": percent, in ppm. */
static bool percent(const char *text, uint32_t *ret_ppm)
{
	char *end;
	double p = strtod(text, &end);

	*ret_ppm = p >= 0 && p <= 100 ? (uint32_t)(p * 10000 + 0.5) : 0;
	return *text >= '0' && *text <= '9' && !*end && p <= 100;
}

/* ---- the command line ---- */

static bool node_scenario_of(const char *name, struct sim_scenario *ret)
{
	if (strcmp(name, "mixed") == 0)
		return true;
	if (strcmp(name, "long") == 0) {
		*ret = sim_scenario_long;
		return true;
	}
	if (strcmp(name, "coldstart") != 0)
		return false;
	ret->faults_us = 0;
	ret->heal_us = SECONDS(1);
	return true;
}

static bool liar_of(const char *name, unsigned *ret)
{
	if (strcmp(name, "metric") == 0)
		*ret = MESH_LIAR_METRIC;
	else if (strcmp(name, "drops") == 0)
		*ret = MESH_LIAR_DROPS;
	else if (strcmp(name, "both") == 0)
		*ret = MESH_LIAR_METRIC | MESH_LIAR_DROPS;
	else
		return false;
	return true;
}

static bool level_of(const char *name, struct sim_options *ret)
{
	ret->has_level = true;
	ret->is_route_level = strcmp(name, "route") == 0;
	return ret->is_route_level || strcmp(name, "node") == 0;
}

static bool option(int o, const char *arg, struct sim_options *ret)
{
	unsigned long n = 0;
	bool ok = true;

	switch (o) {
	case 'n':
		ok = number(arg, TOPOLOGY_NODES_MAX, &ret->n_nodes) && ret->n_nodes >= 2;
		break;
	case 's':
		ok = number(arg, UINT32_MAX, &ret->first_seed);
		break;
	case 'k':
		ok = number(arg, SEEDS_MAX, &ret->n_seeds) && ret->n_seeds > 0;
		break;
	case 'c':
		ret->scenario = arg;
		break;
	case 'j':
		ret->is_json = true;
		break;
	case 'l':
		ok = level_of(arg, ret);
		break;
	case 't':
		ret->topology_path = arg;
		break;
	case 'g':
		ret->has_kind = topology_kind_of(arg, &ret->kind);
		ok = ret->has_kind;
		break;
	case 'p':
		ok = percent(arg, &ret->mesh.loss_ppm);
		break;
	case 'f':
		ok = number(arg, SEEDS_MAX, &n) && n > 0;
		ret->mesh.n_failures = n;
		break;
	case 'F':
		ok = mesh_fault_of(arg, &ret->mesh.fault);
		break;
	case 'C':
		ret->mesh.has_carrier_loss = true;
		break;
	case 'd':
		ok = number(arg, 1000000, &n) && n > 0;
		ret->mesh.duration_us = SECONDS(n);
		break;
	case 'L':
		ok = liar_of(arg, &ret->mesh.liar);
		break;
	case 'e':
		ok = number(arg, 1000000, &n) && n > 0;
		ret->mesh.check_every = (unsigned)n;
		break;
	case 'm':
		ok = number(arg, 1UL << 30, &ret->memory_mb);
		break;
	case 'x':
		ok = number(arg, REACH_FLAT_MAX, &n) && n >= REACH_FLAT_MIN;
		ret->mesh.flat_max = n;
		break;
	case 'z':
		ok = number(arg, REACH_FLAT_MAX, &n) && n >= REACH_ZONE_MIN;
		ret->mesh.zone_max = n;
		break;
	case 'u':
		ret->mesh.is_unproved = true;
		break;
	case 'T':
		ret->mesh.wants_trace = true;
		break;
	case 'v':
		ret->svg_path = arg;
		break;
	case 'S':
		ret->wants_samples = true;
		break;
	default:
		ok = false;
	}
	return ok;
}

/* Scenarios of routing alone are simulated at that level; the others with whole nodes. */
static bool choose_level(struct sim_options *o)
{
	struct sim_scenario unused = { 0 };
	bool for_nodes = node_scenario_of(o->scenario, &unused);
	bool for_mesh = mesh_scenario_of(o->scenario, &o->mesh.scenario);

	o->is_falsedown = strcmp(o->scenario, "falsedown") == 0;
	if (o->is_falsedown) {
		o->is_route_level = true; /* and so a graph is made */
		return true;
	}
	if (!for_nodes && !for_mesh)
		return false;
	if (!o->has_level)
		o->is_route_level = !for_nodes;
	if (o->is_route_level ? for_mesh : for_nodes)
		return true;
	(void)fprintf(stderr, "x0-lab sim: there is no scenario %s at level %s\n", o->scenario,
		      o->is_route_level ? "route" : "node");
	return false;
}

static bool parse(int argc, char **argv, struct sim_options *ret)
{
	static const struct option longs[] = { { "nodes", required_argument, NULL, 'n' },
					       { "seed", required_argument, NULL, 's' },
					       { "seeds", required_argument, NULL, 'k' },
					       { "scenario", required_argument, NULL, 'c' },
					       { "level", required_argument, NULL, 'l' },
					       { "topology", required_argument, NULL, 't' },
					       { "graph", required_argument, NULL, 'g' },
					       { "loss", required_argument, NULL, 'p' },
					       { "failures", required_argument, NULL, 'f' },
					       { "fault", required_argument, NULL, 'F' },
					       { "carrier", no_argument, NULL, 'C' },
					       { "duration", required_argument, NULL, 'd' },
					       { "liar", required_argument, NULL, 'L' },
					       { "check-every", required_argument, NULL, 'e' },
					       { "memory", required_argument, NULL, 'm' },
					       { "flat-max", required_argument, NULL, 'x' },
					       { "zone-max", required_argument, NULL, 'z' },
					       { "unproved", no_argument, NULL, 'u' },
					       { "trace", no_argument, NULL, 'T' },
					       { "svg", required_argument, NULL, 'v' },
					       { "samples", no_argument, NULL, 'S' },
					       { "json", no_argument, NULL, 'j' },
					       { 0 } };
	int o;

	*ret = (struct sim_options){
		.first_seed = 1, .n_seeds = 1, .scenario = "mixed", .memory_mb = MEMORY_MAX_MB
	};
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!option(o, optarg, ret))
			return false;
	if (ret->topology_path && (ret->has_kind || ret->n_nodes)) {
		(void)fprintf(stderr, "x0-lab sim: --topology is itself a graph\n");
		return false;
	}
	ret->mesh.memory_max = (uint64_t)ret->memory_mb << 20;
	return optind == argc && choose_level(ret);
}

/* NULL, and no error, where the scenario makes its own graph. */
static int graph_of(const struct sim_options *o, unsigned long seed, struct topology **ret)
{
	char error[TOPOLOGY_ERROR_SIZE] = "";
	int r;

	*ret = NULL;
	if (o->topology_path) {
		r = topology_load(o->topology_path, ret, error);
		if (r < 0)
			(void)fprintf(stderr, "x0-lab sim: %s: %s\n", o->topology_path,
				      error[0] ? error : strerror(-r));
		return r;
	}
	if (!o->has_kind && !o->is_route_level)
		return 0;
	r = topology_generate(o->has_kind ? o->kind : TOPOLOGY_GEO, o->n_nodes ? o->n_nodes : 50,
			      seed, ret);
	if (r < 0)
		(void)fprintf(stderr, "x0-lab sim: no graph: %s\n", strerror(-r));
	return r;
}

/* ---- whole nodes ---- */

static json_t *report_json(unsigned long seed, const struct sim_report *r)
{
	char trace[17];

	(void)snprintf(trace, sizeof(trace), "%016llx", (unsigned long long)r->trace);
	return json_pack(
		"{s:I, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"seed", (json_int_t)seed, "is_ok", r->is_ok, "failure", r->failure, "trace", trace,
		"pairs_joined", (json_int_t)r->joined, "pairs_routed", (json_int_t)r->routed,
		"packets_checked", (json_int_t)r->pings, "packets_arrived",
		(json_int_t)r->pings_answered, "cold_start_us", (json_int_t)r->routed_us,
		"datagrams", (json_int_t)r->totals.datagrams, "handshakes",
		(json_int_t)r->totals.handshakes, "packets_delivered",
		(json_int_t)r->totals.packets_delivered, "seals", (json_int_t)r->totals.seals,
		"rekeys", (json_int_t)r->totals.rekeys, "sessions_ended",
		(json_int_t)r->totals.sessions_ended);
}

static void print(unsigned long seed, const struct sim_report *r)
{
	(void)printf(
		"seed %lu: %s, %zu of %zu pairs routed, 95 %% after %.1f s, %llu handshakes, "
		"%llu rekeys, %llu sessions ended, %llu datagrams, %llu seals, trace %016llx%s%s\n",
		seed, r->is_ok ? "ok" : "FAILED", r->routed, r->joined, (double)r->routed_us / 1e6,
		(unsigned long long)r->totals.handshakes, (unsigned long long)r->totals.rekeys,
		(unsigned long long)r->totals.sessions_ended,
		(unsigned long long)r->totals.datagrams, (unsigned long long)r->totals.seals,
		(unsigned long long)r->trace, r->failure[0] ? ": " : "", r->failure);
}

static int run_nodes(const struct sim_options *o, struct sim_pki *pki, struct sim_scenario *s)
{
	unsigned long failed = 0;
	json_t *list = json_array();

	for (unsigned long seed = o->first_seed; seed < o->first_seed + o->n_seeds; seed++) {
		CLEANUP(topology_freep) struct topology *t = NULL;
		struct sim_report r = { 0 };

		if (graph_of(o, seed, &t) < 0) {
			json_decref(list);
			return EXIT_FAILURE;
		}
		s->topology = t;
		if (sim_run_scenario(pki, s, seed, &r) < 0)
			r.is_ok = false;
		failed += !r.is_ok;
		if (o->is_json)
			(void)json_array_append_new(list, report_json(seed, &r));
		else
			print(seed, &r);
		(void)fflush(stdout);
	}
	if (o->is_json)
		(void)json_dumpf(list, stdout, JSON_INDENT(1));
	else
		(void)printf("%lu passed, %lu failed\n", o->n_seeds - failed, failed);
	json_decref(list);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int sim_nodes(const struct sim_options *o)
{
	CLEANUP(topology_freep) struct topology *t = NULL;
	struct sim_scenario scenario = sim_scenario_mixed;
	const struct crypto_ops *ops;
	const char *error = "";
	struct sim_pki *pki;
	int r;

	(void)node_scenario_of(o->scenario, &scenario);
	if (o->n_nodes)
		scenario.n_nodes = o->n_nodes;
	if (graph_of(o, o->first_seed, &t) < 0)
		return EXIT_FAILURE;
	if (t)
		scenario.n_nodes = t->n_nodes;
	if (scenario.n_nodes > SIM_NODES_MAX) {
		(void)fprintf(stderr,
			      "x0-lab sim: at most %d whole nodes; --level route takes more\n",
			      SIM_NODES_MAX);
		return EXIT_FAILURE;
	}
	ops = openssl_crypto_ops(&error);
	if (!ops || sim_pki_new(ops, scenario.n_nodes, &pki) < 0) {
		(void)fprintf(stderr, "x0-lab sim: no certificates: %s\n", error);
		return EXIT_FAILURE;
	}
	r = run_nodes(o, pki, &scenario);
	sim_pki_free(pki);
	return r;
}

/* ---- routing alone ---- */

static int sim_routes(const struct sim_options *o)
{
	struct mesh_summary summary;
	int r = EXIT_SUCCESS;

	mesh_summary_begin(&summary, o);
	for (unsigned long seed = o->first_seed; seed < o->first_seed + o->n_seeds; seed++) {
		CLEANUP(topology_freep) struct topology *t = NULL;

		if (graph_of(o, seed, &t) < 0 || mesh_summary_run(&summary, t, seed) < 0) {
			r = EXIT_FAILURE;
			break;
		}
	}
	return mesh_summary_end(&summary) ? r : EXIT_FAILURE;
}

static int sim_links(const struct sim_options *o)
{
	CLEANUP(topology_freep) struct topology *t = NULL;

	if (graph_of(o, o->first_seed, &t) < 0)
		return EXIT_FAILURE;
	return sim_falsedown(o, t);
}

int lab_sim(int argc, char **argv)
{
	struct sim_options o;

	if (!parse(argc, argv, &o))
		return lab_usage(false, LAB_SIM_USAGE);
	if (o.is_falsedown)
		return sim_links(&o);
	return o.is_route_level ? sim_routes(&o) : sim_nodes(&o);
}
