/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs made from a seed. Integers alone decide which links there are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "sim/topology.h"

#define SQUARE 1000000U	  /* places lie in a square of this side */
#define DELAY_MIN_US 500U /* of links without places: 0.5 to 10 ms */
#define DELAY_SPREAD_US 9500U
#define SQUARE_US 20000U /* one way across the square's side */
#define LINKS_PER_NODE 16

struct maker {
	struct topology *t;
	struct rng rng;
	size_t links_size;
	uint16_t *degree;
};

static const char *const names[TOPOLOGY_N_KINDS] = {
	[TOPOLOGY_LINE] = "line", [TOPOLOGY_RING] = "ring",	  [TOPOLOGY_GRID] = "grid",
	[TOPOLOGY_TREE] = "tree", [TOPOLOGY_GEO] = "geo",	  [TOPOLOGY_TIERS] = "tiers",
	[TOPOLOGY_BA] = "ba",	  [TOPOLOGY_DIAMOND] = "diamond",
};

const char *topology_kind_name(enum topology_kind k)
{
	return names[k];
}

bool topology_kind_of(const char *name, enum topology_kind *ret)
{
	for (unsigned i = 0; i < TOPOLOGY_N_KINDS; i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum topology_kind)i;
			return true;
		}
	return false;
}

static uint64_t isqrt(uint64_t n)
{
	uint64_t r = n;

	for (uint64_t next = (n + 1) / 2; next > 0 && next < r; next = (r + n / r) / 2)
		r = next; /* Newton */
	return r;
}

static bool is_joined(const struct maker *m, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < m->t->n_links; i++) {
		const struct topology_link *l = &m->t->links[i];

		if ((l->a == a && l->b == b) || (l->a == b && l->b == a))
			return true;
	}
	return false;
}

static void join_for(struct maker *m, uint32_t a, uint32_t b, uint32_t delay_us)
{
	if (m->t->n_links == m->links_size || m->degree[a] == TOPOLOGY_DEGREE_MAX ||
	    m->degree[b] == TOPOLOGY_DEGREE_MAX)
		return;
	m->t->links[m->t->n_links++] =
		(struct topology_link){ .a = a, .b = b, .delay_us = delay_us };
	m->degree[a]++;
	m->degree[b]++;
}

static void join(struct maker *m, uint32_t a, uint32_t b)
{
	join_for(m, a, b, DELAY_MIN_US + (uint32_t)rng_below(&m->rng, DELAY_SPREAD_US));
}

static void join_new(struct maker *m, uint32_t a, uint32_t b)
{
	if (a != b && !is_joined(m, a, b))
		join(m, a, b);
}

static void line(struct maker *m)
{
	for (uint32_t i = 1; i < m->t->n_nodes; i++)
		join(m, i - 1, i);
}

static void ring(struct maker *m)
{
	uint32_t n = (uint32_t)m->t->n_nodes;

	line(m);
	if (n > 2)
		join(m, n - 1, 0);
	for (uint32_t i = 0; i < n / 8; i++)
		join_new(m, (uint32_t)rng_below(&m->rng, n), (uint32_t)rng_below(&m->rng, n));
}

static void grid(struct maker *m)
{
	uint32_t n = (uint32_t)m->t->n_nodes;
	uint32_t side = (uint32_t)isqrt(n);

	m->t->has_places = true;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t column = i % side;
		uint32_t row = i / side;

		m->t->nodes[i].x = column;
		m->t->nodes[i].y = row;
		if (i % side + 1 < side && i + 1 < n)
			join(m, i, i + 1);
		if (i + side < n)
			join(m, i, i + side);
	}
}

static void tree(struct maker *m)
{
	for (uint32_t i = 1; i < m->t->n_nodes; i++)
		join(m, (i - 1) / 3, i);
}

/* Each also to the nearest before it, so that the graph is connected. */
static void geo(struct maker *m)
{
	size_t n = m->t->n_nodes;
	uint64_t near2 = (uint64_t)SQUARE * SQUARE / n * 2;

	m->t->has_places = true;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t best2 = UINT64_MAX;
		uint32_t best = 0;
		int64_t x = (int64_t)rng_below(&m->rng, SQUARE);
		int64_t y = (int64_t)rng_below(&m->rng, SQUARE);

		m->t->nodes[i].x = (double)x;
		m->t->nodes[i].y = (double)y;
		for (uint32_t k = 0; k < i; k++) {
			int64_t dx = x - (int64_t)m->t->nodes[k].x;
			int64_t dy = y - (int64_t)m->t->nodes[k].y;
			uint64_t d2 = (uint64_t)(dx * dx + dy * dy);

			if (d2 < best2) {
				best2 = d2;
				best = k;
			}
			if (d2 < near2)
				join_for(m, i, k,
					 (uint32_t)(isqrt(d2) * SQUARE_US / SQUARE) + DELAY_MIN_US);
		}
		if (i && best2 >= near2)
			join_for(m, i, best,
				 (uint32_t)(isqrt(best2) * SQUARE_US / SQUARE) + DELAY_MIN_US);
	}
}

static void tiers(struct maker *m)
{
	uint32_t n = (uint32_t)m->t->n_nodes;
	uint32_t core = n / 50 < 3 ? 3 : n / 50;
	uint32_t middle = n / 5;

	if (n < 8) {
		ring(m);
		return;
	}
	for (uint32_t i = 0; i < core; i++)
		join(m, i, (i + 1) % core);
	for (uint32_t i = 0; i < core; i++)
		join_new(m, i, (uint32_t)rng_below(&m->rng, core));
	for (uint32_t i = core; i < n; i++) {
		uint32_t below = i < core + middle ? 0 : core;
		uint32_t size = i < core + middle ? core : middle;
		uint32_t first = below + (uint32_t)rng_below(&m->rng, size);
		uint32_t second = below + (uint32_t)rng_below(&m->rng, size);

		if (first >= i)
			first = 0;
		join(m, i, first);
		if (second < i && second != first && (below == 0 || rng_below(&m->rng, 2)))
			join(m, i, second);
	}
}

/* An end of a random link is a node by its degree. */
static void barabasi_albert(struct maker *m)
{
	join(m, 0, 1);
	for (uint32_t i = 2; i < m->t->n_nodes; i++) {
		size_t n_links = m->t->n_links;
		uint32_t to[2];

		for (unsigned k = 0; k < 2; k++) {
			const struct topology_link *l = &m->t->links[rng_below(&m->rng, n_links)];

			to[k] = rng_below(&m->rng, 2) ? l->a : l->b;
			while (m->degree[to[k]] >= TOPOLOGY_DEGREE_MAX)
				to[k] = (to[k] + 1) % i;
		}
		join(m, i, to[0]);
		if (to[1] != to[0])
			join(m, i, to[1]);
	}
}

static void diamond(struct maker *m)
{
	join_for(m, 0, 1, 1000);
	join_for(m, 1, 3, 1000);
	join_for(m, 0, 2, 1500);
	join_for(m, 2, 3, 1500);
}

DEFINE_FREEP(struct topology, topology_free)

int topology_generate(enum topology_kind kind, size_t n, uint64_t seed, struct topology **ret)
{
	static void (*const make[TOPOLOGY_N_KINDS])(struct maker *) = {
		[TOPOLOGY_LINE] = line,
		[TOPOLOGY_RING] = ring,
		[TOPOLOGY_GRID] = grid,
		[TOPOLOGY_TREE] = tree,
		[TOPOLOGY_GEO] = geo,
		[TOPOLOGY_TIERS] = tiers,
		[TOPOLOGY_BA] = barabasi_albert,
		[TOPOLOGY_DIAMOND] = diamond,
	};
	CLEANUP(topology_freep) struct topology *t = NULL;
	CLEANUP_FREE uint16_t *degree = NULL;
	struct maker m = { 0 };

	if (kind == TOPOLOGY_DIAMOND)
		n = 4;
	if (n < 2 || n > TOPOLOGY_NODES_MAX)
		return -EINVAL;
	m.links_size =
		n * LINKS_PER_NODE < TOPOLOGY_LINKS_MAX ? n * LINKS_PER_NODE : TOPOLOGY_LINKS_MAX;
	degree = calloc(n, sizeof(*degree));
	if (!degree || topology_new(n, m.links_size, &t) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		t->nodes[i].id = i;
	m.t = t;
	m.degree = degree;
	rng_seed(&m.rng, seed ^ 0x70b01097);
	make[kind](&m);
	(void)snprintf(t->name, sizeof(t->name), "%s-%zu", names[kind], n);
	*ret = TAKE(t);
	return 0;
}
