/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny graphs under arbitrary interleavings: whichever message arrives, tick comes, link or
 * node fails next is drawn from the seed. After every step: no loop, and feasibility distances
 * fall along every next hop. Every other seed has zones of one to three nodes, with requests and
 * subscriptions. After the faults end, without zones: shortest paths, and equal digests.
 *
 * route_model [--seeds N] [--first SEED] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "route_net.h"

#define STEPS 400
#define SEEDS 300

static bool random_deliver(struct net *net)
{
	unsigned n = 2 * net->n_links;
	unsigned start = (unsigned)rng_below(&net->rng, n);

	for (unsigned i = 0; i < n; i++) {
		unsigned c = (start + i) % n;

		if (!net->links[c / 2].is_cut && net->links[c / 2].channel[c % 2].head)
			return net_deliver(net, c / 2, c % 2);
	}
	return false;
}

static void link_fault(struct net *net)
{
	unsigned i = (unsigned)rng_below(&net->rng, net->n_links);
	struct net_link *l = &net->links[i];
	unsigned end = (unsigned)rng_below(&net->rng, 2);

	switch (rng_below(&net->rng, 6)) {
	case 0:
		l->is_cut = !l->is_cut;
		break;
	case 1: /* one end gives it up; the session is gone for both */
		net_end_down(net, i, end);
		net_link_renew(net, i);
		break;
	case 2:
		if (!l->is_cut)
			net_end_up(net, i, end);
		break;
	case 3:
		net_link_rekey(net, i);
		break;
	default:
		net_end_cost(net, i, end, 1 + (uint32_t)rng_below(&net->rng, 20));
		break;
	}
}

static void node_fault(struct net *net)
{
	unsigned i = (unsigned)rng_below(&net->rng, net->n_nodes);

	if (net->nodes[i].routes)
		net_node_stop(net, i);
	else
		net_node_start(net, i);
	for (unsigned k = 0; k < net->nodes[i].n_links; k++)
		net_link_renew(net, net->nodes[i].links[k]);
}

/* What core/reach does to a table. */
static void random_reach(struct net *net)
{
	unsigned link = (unsigned)rng_below(&net->rng, net->n_links);
	unsigned end = (unsigned)rng_below(&net->rng, 2);
	unsigned destination = (unsigned)rng_below(&net->rng, net->n_nodes);

	switch (rng_below(&net->rng, 4)) {
	case 0:
		net_set_zone(net, 1 + rng_below(&net->rng, 3));
		break;
	case 1:
		net_subscribe(net, link, end, destination);
		break;
	default:
		net_ask(net, link, end, destination);
		break;
	}
}

static void random_step(struct net *net)
{
	uint64_t what = rng_below(&net->rng, 100);

	if (net->zone_max && what < 8) {
		random_reach(net);
	} else if (what < 60) {
		(void)random_deliver(net);
	} else if (what < 85) {
		net->now_us += rng_below(&net->rng, MS(20));
		net_tick(net, (unsigned)rng_below(&net->rng, net->n_nodes));
	} else if (what < 98) {
		link_fault(net);
	} else {
		node_fault(net);
	}
}

/* Everything works again; every message arrives, every tick comes in time. */
static void settle(struct net *net, uint64_t for_us)
{
	for (uint64_t end_us = net->now_us + for_us; net->now_us < end_us; net->now_us += MS(1)) {
		while (random_deliver(net))
			;
		for (unsigned i = 0; i < net->n_nodes; i++)
			net_tick(net, i);
	}
}

static void heal(struct net *net)
{
	for (unsigned i = 0; i < net->n_nodes; i++) {
		if (!net->nodes[i].routes)
			net_node_start(net, i);
	}
	for (unsigned i = 0; i < net->n_links; i++) {
		struct net_link *l = &net->links[i];

		l->is_cut = false;
		if (!l->is_up[0] || !l->is_up[1] || l->end_session[0] != l->session ||
		    l->end_session[1] != l->session)
			net_link_renew(net, i);
		net_end_up(net, i, 0);
		net_end_up(net, i, 1);
	}
}

static struct net *random_net(uint64_t seed)
{
	struct net *net;
	struct rng rng;
	unsigned n;

	rng_seed(&rng, seed);
	n = 3 + (unsigned)rng_below(&rng, 3);
	if (net_new(n, rng_next(&rng), &net) < 0)
		abort();
	for (unsigned b = 1; b < n; b++) {
		unsigned parent = (unsigned)rng_below(&rng, b);

		for (unsigned a = 0; a < b; a++) {
			if (a == parent || rng_below(&rng, 2))
				(void)net_add_link(net, a, b, 1 + (uint32_t)rng_below(&rng, 20), 0);
		}
	}
	net->zone_max = seed % 2 ? 0 : 1 + seed / 2 % 3; /* every other seed has zones */
	for (unsigned i = 0; i < n; i++)
		net_node_start(net, i);
	return net;
}

static bool run_seed(uint64_t seed)
{
	struct net *net = random_net(seed);
	char why[128] = "";
	uint64_t mismatches;

	heal(net);
	for (unsigned i = 0; i < STEPS && !net->failure[0]; i++)
		random_step(net);
	heal(net);
	settle(net, SECONDS(4));
	net_set_zone(net, 0);
	settle(net, SECONDS(2));
	mismatches = net_digest_mismatches(net);
	settle(net, SECONDS(2));
	if (!net->failure[0] && !net_is_converged(net, why, sizeof(why)))
		(void)snprintf(net->failure, sizeof(net->failure), "not converged: %s", why);
	if (!net->failure[0] && net_digest_mismatches(net) != mismatches)
		(void)snprintf(net->failure, sizeof(net->failure), "digests differ at the end");
	if (net->failure[0])
		(void)printf("seed %llu: %s\n", (unsigned long long)seed, net->failure);

	bool is_right = !net->failure[0];

	net_free(net);
	return is_right;
}

int main(int argc, char **argv)
{
	uint64_t n_seeds = SEEDS;
	uint64_t first = 1;
	uint64_t n_wrong = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seeds") == 0)
			n_seeds = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--first") == 0)
			first = strtoull(argv[i + 1], NULL, 10);
	}
	for (uint64_t seed = first; seed < first + n_seeds; seed++)
		n_wrong += !run_seed(seed);
	(void)printf("%llu seeds, %llu failed\n", (unsigned long long)n_seeds,
		     (unsigned long long)n_wrong);
	return n_wrong ? 1 : 0;
}
