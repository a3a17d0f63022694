/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: a random geometric graph or a given one, cold start, mixed faults, and the verdict
 * after them. */
#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "sim/sim.h"
#include "sim/topology.h"

#define STEP_US MS(100)
#define EDGES_MAX 8192 /* SIM_LINKS_MAX */
#define NARROW_BYTES \
	700 /* probes and small packets pass; rekeys and handshakes do not, nor in two */
#define VERDICT_PINGS 100
#define VERDICT_REPEATS 4

const struct sim_scenario sim_scenario_mixed = {
	.n_nodes = 50,
	.calm_us = SECONDS(4),
	.faults_us = SECONDS(20),
	.link_fault_one_in = 3,
	.crash_one_in = 25,
	.partition_one_in = 150,
	.fault_max_us = SECONDS(8),
	.heal_us = SECONDS(15),
};

const struct sim_scenario sim_scenario_long = {
	.n_nodes = 8,
	.calm_us = SECONDS(4),
	.faults_us = SECONDS(440),
	.link_fault_one_in = 40,
	.crash_one_in = 1500,
	.partition_one_in = 3000,
	.fault_max_us = SECONDS(60),
	.has_narrow_paths = true,
	.session_max_us = SECONDS(200),
	.heal_us = SECONDS(15),
};

struct field {
	const struct sim_scenario *scenario;
	struct sim *sim;
	struct rng rng;
	size_t n_nodes, n_links;
	struct sim_link_quality good[EDGES_MAX];
	bool is_cut[EDGES_MAX];
	uint64_t mend_us[EDGES_MAX]; /* when a fault of this link ends; 0 for none */
	uint64_t boot_us[SIM_NODES_MAX];
};

static struct sim_link_quality some_quality(struct rng *r)
{
	return (struct sim_link_quality){
		.delay_us = (uint32_t)(500 + rng_below(r, 20000)),
		.jitter_us = (uint32_t)rng_below(r, 2000),
		.loss_ppm = (uint32_t)rng_below(r, 5000),
		.duplicate_ppm = (uint32_t)rng_below(r, 1000),
	};
}

static void edge(struct field *f, size_t a, size_t b)
{
	if (f->n_links == EDGES_MAX)
		return;
	f->good[f->n_links] = some_quality(&f->rng);
	(void)sim_link(f->sim, a, b, &f->good[f->n_links], rng_below(&f->rng, 2) == 0);
	f->n_links++;
}

/* Points on the unit square, joined when near; each also to the nearest before it, so that the
 * graph is connected. */
static void lay_out(struct field *f, double radius)
{
	double x[SIM_NODES_MAX];
	double y[SIM_NODES_MAX];

	for (size_t i = 0; i < f->n_nodes; i++) {
		double best = 9.0;
		size_t nearest = 0;

		x[i] = rng_unit(&f->rng);
		y[i] = rng_unit(&f->rng);
		for (size_t j = 0; j < i; j++) {
			double d = hypot(x[i] - x[j], y[i] - y[j]);

			if (d < best) {
				best = d;
				nearest = j;
			}
			if (d < radius)
				edge(f, i, j);
		}
		if (i > 0 && best >= radius)
			edge(f, i, nearest);
	}
}

/* Loss is the same both ways here, and not in bursts; rates are none. */
static void lay_out_as(struct field *f, const struct topology *t)
{
	for (size_t i = 0; i < t->n_links && f->n_links < EDGES_MAX; i++) {
		const struct topology_link *l = &t->links[i];
		struct sim_link_quality q = {
			.delay_us = l->delay_us,
			.jitter_us = l->delay_us / 10,
			.loss_ppm = (l->loss_ppm[0] + l->loss_ppm[1]) / 2,
		};

		f->good[f->n_links++] = q;
		(void)sim_link(f->sim, l->a, l->b, &q, true);
	}
}

static void fault_on_link(struct field *f, uint64_t now_us)
{
	size_t l = rng_below(&f->rng, f->n_links);
	struct sim_link_quality bad = f->good[l];

	if (f->mend_us[l])
		return;
	f->mend_us[l] = now_us + MS(200) + rng_below(&f->rng, f->scenario->fault_max_us);
	switch (rng_below(&f->rng, f->scenario->has_narrow_paths ? 7 : 6)) {
	case 0:
	case 1:
		f->is_cut[l] = true;
		sim_link_cut(f->sim, l, true);
		return;
	case 2:
		bad.loss_ppm = 200000;
		break;
	case 3:
		bad.jitter_us = 50000; /* reorders */
		break;
	case 4:
		bad.duplicate_ppm = 200000;
		break;
	case 6:
		bad.size_max = NARROW_BYTES;
		break;
	default:
		bad.corrupt_ppm = 50000;
		break;
	}
	sim_link_set(f->sim, l, &bad);
}

static void mend(struct field *f, size_t l)
{
	f->mend_us[l] = 0;
	sim_link_set(f->sim, l, &f->good[l]);
	if (f->is_cut[l])
		sim_link_cut(f->sim, l, false);
	f->is_cut[l] = false;
}

/* Cuts all links between two random halves. */
static void partition(struct field *f, uint64_t now_us)
{
	uint64_t until = now_us + SECONDS(1) + rng_below(&f->rng, SECONDS(5));

	for (size_t l = 0; l < f->n_links; l++) {
		if (f->mend_us[l] || rng_below(&f->rng, 2))
			continue;
		f->mend_us[l] = until;
		f->is_cut[l] = true;
		sim_link_cut(f->sim, l, true);
	}
}

static int boot(struct field *f, size_t node)
{
	int64_t offset = (int64_t)rng_below(&f->rng, SECONDS(10));
	int32_t drift = (int32_t)rng_below(&f->rng, 200) - 100;

	return sim_boot(f->sim, node, offset, drift);
}

static void crash(struct field *f, uint64_t now_us)
{
	size_t node = rng_below(&f->rng, f->n_nodes);

	if (!sim_is_running(f->sim, node))
		return;
	sim_crash(f->sim, node);
	f->boot_us[node] = now_us + MS(100) + rng_below(&f->rng, SECONDS(6));
}

static int mend_what_is_due(struct field *f, uint64_t now_us)
{
	for (size_t l = 0; l < f->n_links; l++)
		if (f->mend_us[l] && now_us >= f->mend_us[l])
			mend(f, l);
	for (size_t i = 0; i < f->n_nodes; i++) {
		if (!f->boot_us[i] || now_us < f->boot_us[i])
			continue;
		f->boot_us[i] = 0;
		if (boot(f, i) < 0)
			return -1;
	}
	return 0;
}

static void some_traffic(struct field *f)
{
	size_t a = rng_below(&f->rng, f->n_nodes);
	size_t b = rng_below(&f->rng, f->n_nodes / 5 + 2); /* few destinations: few handshakes */

	if (a != b && b < f->n_nodes && sim_is_running(f->sim, a))
		(void)sim_send(f->sim, a, b, 8 + rng_below(&f->rng, 1200));
}

static bool comes(struct field *f, uint32_t one_in)
{
	return one_in > 0 && rng_below(&f->rng, one_in) == 0;
}

/* No session outlives what the scenario allows it, at any node. */
static bool check_ages(struct field *f, struct sim_report *ret)
{
	uint64_t max_us = f->scenario->session_max_us;

	for (size_t i = 0; max_us && i < f->n_nodes; i++) {
		struct node_peer_view view;
		size_t cursor = 0;

		if (!sim_is_running(f->sim, i))
			continue;
		while (node_next_peer(sim_node(f->sim, i), &cursor, sim_node_us(f->sim, i), &view))
			if (view.has_session && view.session_age_us > max_us + MS(1)) {
				(void)snprintf(ret->failure, sizeof(ret->failure),
					       "node %zu has a session with %s of %llu us", i,
					       view.name, (unsigned long long)view.session_age_us);
				return false;
			}
	}
	return true;
}

/* A session between any two: those that are not used again end of themselves. */
static bool greet_all(struct field *f)
{
	for (size_t a = 0; a < f->n_nodes; a++)
		for (size_t b = 0; b < f->n_nodes; b++)
			if (a != b)
				(void)sim_send(f->sim, a, b, 64);
	return sim_run(f->sim, sim_now_us(f->sim) + STEP_US);
}

static bool run_faults(struct field *f, uint64_t until_us, struct sim_report *ret)
{
	const struct sim_scenario *sc = f->scenario;

	if (sc->session_max_us && !greet_all(f))
		return false;
	while (sim_now_us(f->sim) < until_us) {
		uint64_t now = sim_now_us(f->sim);

		if (mend_what_is_due(f, now) < 0)
			return false;
		if (comes(f, sc->link_fault_one_in))
			fault_on_link(f, now);
		if (comes(f, sc->crash_one_in))
			crash(f, now);
		if (comes(f, sc->partition_one_in))
			partition(f, now);
		some_traffic(f);
		some_traffic(f);
		if (!sim_run(f->sim, now + STEP_US) || !check_ages(f, ret))
			return false;
	}
	return true;
}

static bool mend_all(struct field *f)
{
	for (size_t l = 0; l < f->n_links; l++)
		if (f->mend_us[l])
			mend(f, l);
	for (size_t i = 0; i < f->n_nodes; i++)
		f->boot_us[i] = f->boot_us[i] ? 1 : 0;
	return mend_what_is_due(f, 2) == 0;
}

static bool cold_start(struct field *f, uint64_t until_us, struct sim_report *ret)
{
	for (size_t i = 0; i < f->n_nodes; i++)
		if (boot(f, i) < 0)
			return false;
	while (sim_now_us(f->sim) < until_us) {
		size_t joined;
		size_t routed;

		if (!sim_run(f->sim, sim_now_us(f->sim) + STEP_US))
			return false;
		if (ret->routed_us)
			continue;
		sim_pairs(f->sim, &joined, &routed);
		if (100 * routed >= 95 * joined)
			ret->routed_us = sim_now_us(f->sim);
	}
	return true;
}

struct question {
	size_t from, to;
	bool is_answered;
};

static bool ask(struct field *f, struct question *q, uint64_t wait_us)
{
	uint64_t sent[VERDICT_PINGS];

	for (size_t i = 0; i < VERDICT_PINGS; i++)
		if (!q[i].is_answered)
			sent[i] = sim_send(f->sim, q[i].from, q[i].to, 64);
	if (!sim_run(f->sim, sim_now_us(f->sim) + wait_us))
		return false;
	for (size_t i = 0; i < VERDICT_PINGS; i++)
		q[i].is_answered = q[i].is_answered || sim_is_delivered(f->sim, sent[i]);
	return true;
}

/* After the faults: everything joined is routed, and packets arrive. The links go on losing one in
 * a few hundred, so what did not arrive is sent again. */
static bool verdict(struct field *f, struct sim_report *ret)
{
	struct question q[VERDICT_PINGS];

	sim_pairs(f->sim, &ret->joined, &ret->routed);
	for (size_t i = 0; i < VERDICT_PINGS; i++) {
		size_t a = rng_below(&f->rng, f->n_nodes);
		size_t b = rng_below(&f->rng, f->n_nodes);

		q[i] = (struct question){ .from = a, .to = a == b ? (a + 1) % f->n_nodes : b };
	}
	if (!ask(f, q, SECONDS(5)))
		return false;
	for (unsigned again = 0; again < VERDICT_REPEATS; again++)
		if (!ask(f, q, MS(500)))
			return false;
	for (size_t i = 0; i < VERDICT_PINGS; i++)
		ret->pings_answered += q[i].is_answered;
	ret->pings = VERDICT_PINGS;
	return true;
}

static bool run(struct field *f, const struct sim_scenario *sc, struct sim_report *ret)
{
	if (!cold_start(f, sc->calm_us, ret))
		return false;
	if (sc->faults_us && !run_faults(f, sc->calm_us + sc->faults_us, ret))
		return false;
	if (!mend_all(f) || !sim_run(f->sim, sc->calm_us + sc->faults_us + sc->heal_us))
		return false;
	return verdict(f, ret);
}

DEFINE_FREEP(struct sim, sim_free)

int sim_run_scenario(struct sim_pki *pki, const struct sim_scenario *scenario, uint64_t seed,
		     struct sim_report *ret)
{
	CLEANUP_FREE struct field *f = calloc(1, sizeof(*f));
	CLEANUP(sim_freep) struct sim *sim = NULL;
	struct sim_config config = {
		.seed = seed,
		.pki = pki,
		.n_nodes = scenario->n_nodes,
		.limits.session_max_us = scenario->session_max_us,
		.allow_all = true,
	};
	double radius =
		scenario->radius > 0 ? scenario->radius : sqrt(2.0 / (double)scenario->n_nodes);
	int r;

	if (!f)
		return -1;
	*ret = (struct sim_report){ 0 };
	r = sim_new(&config, &sim);
	if (r < 0)
		return r;
	f->scenario = scenario;
	f->sim = sim;
	f->n_nodes = scenario->n_nodes;
	rng_seed(&f->rng, seed ^ 0x5ce9a7105ce9a710);
	if (scenario->topology)
		lay_out_as(f, scenario->topology);
	else
		lay_out(f, radius);
	ret->is_ok = run(f, scenario, ret) && ret->routed == ret->joined &&
		     ret->pings_answered == ret->pings;
	if (!ret->failure[0])
		(void)snprintf(ret->failure, sizeof(ret->failure), "%s", sim_failure(sim));
	if (!ret->is_ok && !ret->failure[0])
		(void)snprintf(ret->failure, sizeof(ret->failure),
			       "seed %llu: %zu of %zu pairs routed, %zu of %zu packets delivered",
			       (unsigned long long)seed, ret->routed, ret->joined,
			       ret->pings_answered, ret->pings);
	ret->trace = sim_trace(sim);
	sim_totals(sim, &ret->totals);
	return 0;
}
