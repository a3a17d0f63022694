/* SPDX-License-Identifier: Apache-2.0 */
/* grey.h - small meshes of which a link begins to lose a share, and what nodes make of it. */
#pragma once

#include "fixture.h"

#define N 6
#define CS4 32 /* interactive: what has no codepoint is bulk */
#define GREY_PPM 200000

/* A link that loses a share, towards its second end; of all, or of bulk alone. */
static struct {
	bool is_on;
	bool is_of_bulk;
	size_t len_min; /* and of long datagrams alone, which control is not */
	size_t link;
	uint32_t ppm;
	struct rng rng;
} one_way;

static bool lose_one_way(void *arg, size_t link, bool to_b, struct span datagram)
{
	struct wire_transport t;

	(void)arg;
	if (!one_way.is_on || !to_b || link != one_way.link || datagram.len < one_way.len_min)
		return false;
	if (one_way.is_of_bulk &&
	    (wire_transport_decode(datagram, &t) < 0 || t.lane != LANE_PACKETS))
		return false;
	return rng_below(&one_way.rng, US_PER_S) < one_way.ppm;
}

/* 0 - 1 - 3, and the longer way 0 - 2 - 4 - 3; 5 hangs on 3. */
static const size_t ends[][2] = { { 0, 1 }, { 1, 3 }, { 0, 2 }, { 2, 4 }, { 4, 3 }, { 3, 5 } };
enum {
	LINK_1_3 = 1,
	LINK_2_4 = 3,
};

static __attribute__((unused)) struct sim *mesh(uint64_t seed, uint32_t loss_ppm)
{
	struct sim_link_quality q = { .delay_us = 1000, .jitter_us = 300, .loss_ppm = loss_ppm };
	struct sim_config config = {
		.seed = seed, .pki = pki, .n_nodes = N, .allow_all = true, .tap = lose_one_way
	};
	struct sim *s;

	rng_seed(&one_way.rng, seed);
	one_way.is_on = one_way.is_of_bulk = false;
	one_way.len_min = 0;
	assert_int_equal(sim_new(&config, &s), 0);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		(void)sim_link(s, ends[i][0], ends[i][1], &q, true);
	boot_all(s, N);
	run(s, SECONDS(3));
	return s;
}

/* Of all ways of a node, how many surely lose more than links may. */
static __attribute__((unused)) unsigned n_failing(struct sim *s, size_t node)
{
	struct watch_way w;
	size_t cursor = 0;
	unsigned n = 0;

	while (node_next_watched(sim_node(s, node), &cursor, &w))
		n += w.is_failing;
	return n;
}

static __attribute__((unused)) int order_us(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What the healing loop does with a way that fails: its next hop is avoided. */
static bool avoid_failing(struct sim *s, size_t node)
{
	struct watch_way w;
	size_t cursor = 0;

	while (node_next_watched(sim_node(s, node), &cursor, &w)) {
		if (!w.is_failing || !w.is_current)
			continue;
		(void)node_set_penalty(sim_node(s, node), w.neighbour, NODE_PENALTY_MAX,
				       sim_node_us(s, node));
		sim_poke(s, node);
		return true;
	}
	return false;
}

/* a - b - c - d, where b has a slower way around c, and a one around b. */
enum {
	NODE_A,
	NODE_B,
	NODE_C,
	NODE_D,
	AROUND_C,
	AROUND_B,
	AROUND_B_TOO,
	N_LINE,
};

static __attribute__((unused)) struct sim *line(uint64_t seed)
{
	struct sim_link_quality slow = { .delay_us = 100000 };
	struct sim_config config = {
		.seed = seed,
		.pki = pki,
		.n_nodes = N_LINE,
		.allow_all = true,
		.tap = lose_one_way,
	};
	struct sim *s;

	rng_seed(&one_way.rng, seed);
	one_way.is_on = one_way.is_of_bulk = false;
	one_way.len_min = 0;
	one_way.ppm = GREY_PPM;
	assert_int_equal(sim_new(&config, &s), 0);
	(void)sim_link(s, NODE_A, NODE_B, &lan, true);
	(void)sim_link(s, NODE_B, NODE_C, &lan, true);
	one_way.link = sim_link(s, NODE_C, NODE_D, &lan, true);
	(void)sim_link(s, NODE_B, AROUND_C, &lan, true);
	(void)sim_link(s, AROUND_C, NODE_D, &slow, true);
	(void)sim_link(s, NODE_A, AROUND_B, &lan, true);
	(void)sim_link(s, AROUND_B, AROUND_B_TOO, &slow, true);
	(void)sim_link(s, AROUND_B_TOO, NODE_D, &lan, true);
	boot_all(s, N_LINE);
	run(s, SECONDS(5));
	return s;
}

/* Packets go from a to d while c loses a fifth of what it passes on, until somebody avoids its next
 * hop; who it is, and the time that it took. */
static __attribute__((unused)) size_t who_acts_first(struct sim *s, uint8_t dscp, uint64_t *ret_us)
{
	uint64_t begin = sim_now_us(s);

	while (sim_now_us(s) - begin < SECONDS(60)) {
		(void)sim_send_marked(s, NODE_A, NODE_D, 100, dscp);
		run(s, MS(10));
		*ret_us = sim_now_us(s) - begin;
		for (size_t node = NODE_A; node <= NODE_C; node++)
			if (avoid_failing(s, node))
				return node;
	}
	return N_LINE;
}
