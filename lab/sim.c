/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab sim: many nodes in virtual time, from a range of seeds. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "lab.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/sim.h"

struct options {
	struct sim_scenario scenario;
	unsigned long first_seed;
	unsigned long n_seeds;
	unsigned long n_nodes; /* 0: as the scenario says */
	bool is_json;
};

static bool number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && !*end && *ret <= max;
}

static bool scenario_of(const char *name, struct sim_scenario *ret)
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

static bool parse(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = { { "nodes", required_argument, NULL, 'n' },
					       { "seed", required_argument, NULL, 's' },
					       { "seeds", required_argument, NULL, 'k' },
					       { "scenario", required_argument, NULL, 'c' },
					       { "json", no_argument, NULL, 'j' },
					       { 0 } };
	unsigned long n;
	int o;

	*ret = (struct options){ .scenario = sim_scenario_mixed, .first_seed = 1, .n_seeds = 1 };
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		bool ok = true;

		switch (o) {
		case 'n':
			ok = number(optarg, SIM_NODES_MAX, &n) && n >= 2;
			ret->n_nodes = n;
			break;
		case 's':
			ok = number(optarg, UINT32_MAX, &ret->first_seed);
			break;
		case 'k':
			ok = number(optarg, 1000000, &ret->n_seeds);
			break;
		case 'c':
			ok = scenario_of(optarg, &ret->scenario);
			break;
		case 'j':
			ret->is_json = true;
			break;
		default:
			ok = false;
		}
		if (!ok)
			return false;
	}
	if (ret->n_nodes)
		ret->scenario.n_nodes = ret->n_nodes;
	return optind == argc;
}

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

int lab_sim(int argc, char **argv)
{
	const struct crypto_ops *ops;
	const char *error = "";
	struct sim_pki *pki;
	struct options o;
	json_t *list;
	unsigned long failed = 0;

	if (!parse(argc, argv, &o))
		return lab_usage(false, LAB_SIM_USAGE);
	ops = openssl_crypto_ops(&error);
	if (!ops || sim_pki_new(ops, o.scenario.n_nodes, &pki) < 0) {
		(void)fprintf(stderr, "x0-lab sim: no certificates: %s\n", error);
		return EXIT_FAILURE;
	}
	list = json_array();
	for (unsigned long seed = o.first_seed; seed < o.first_seed + o.n_seeds; seed++) {
		struct sim_report r;

		if (sim_run_scenario(pki, &o.scenario, seed, &r) < 0)
			r.is_ok = false;
		failed += !r.is_ok;
		if (o.is_json)
			(void)json_array_append_new(list, report_json(seed, &r));
		else
			print(seed, &r);
		(void)fflush(stdout);
	}
	if (o.is_json)
		(void)json_dumpf(list, stdout, JSON_INDENT(1));
	else
		(void)printf("%lu passed, %lu failed\n", o.n_seeds - failed, failed);
	json_decref(list);
	sim_pki_free(pki);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
