/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh: its making, its running, and what befalls it. */
#include "sim/mesh.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/origin/origin.h"
#include "core/watch/watch.h"
#include "sim/mesh_world.h"

#define EVENTS_PER_MEMORY_CHECK 4096
#define CHECK_ALL_BELOW 1600 /* nodes; beyond, one change in CHECK_SOME is walked */
#define CHECK_SOME 16
#define CERTIFICATES_OF_NODE 4 /* of several boots, and the one that follows */

void mesh_note(struct mesh *m, uint64_t a, uint64_t b)
{
	uint64_t x = m->trace ^ m->now_us * UINT64_C(0x9e3779b97f4a7c15) ^ a;

	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93) ^ b;
	m->trace = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

void mesh_fail(struct mesh *m, const char *format, ...)
{
	char text[120];
	va_list arguments;

	if (m->failure[0])
		return; /* the first one is told */
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)snprintf(m->failure, sizeof(m->failure), "seed %llu at %llu us: %s",
		       (unsigned long long)m->config.seed, (unsigned long long)m->now_us, text);
}

/* ---- who is joined to whom ---- */

static size_t neighbour_place(const struct mesh_host *h, uint32_t node)
{
	size_t low = 0;
	size_t high = h->n_neighbours;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (h->neighbours[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t mesh_end_to(const struct mesh *m, size_t node, size_t neighbour)
{
	const struct mesh_host *h = &m->hosts[node];
	size_t i = neighbour_place(h, (uint32_t)neighbour);

	return i < h->n_neighbours && h->neighbours[i].node == neighbour ? h->neighbours[i].end
									 : MESH_NO_END;
}

static void add_neighbour(struct mesh_host *h, uint32_t node, uint32_t end)
{
	size_t at = neighbour_place(h, node);

	h->neighbours = realloc(h->neighbours, (h->n_neighbours + 1) * sizeof(*h->neighbours));
	if (!h->neighbours)
		abort();
	for (size_t i = h->n_neighbours; i > at; i--)
		h->neighbours[i] = h->neighbours[i - 1];
	h->neighbours[at] = (struct mesh_neighbour){ node, end };
	h->n_neighbours++;
}

size_t mesh_add_link(struct mesh *m, const struct topology_link *l)
{
	size_t i = m->n_links++;

	if (i == m->links_size) {
		m->links_size = m->links_size ? 2 * m->links_size : 64;
		m->links = realloc(m->links, m->links_size * sizeof(*m->links));
		if (!m->links)
			abort();
	}
	m->links[i] = (struct mesh_link){ .is = *l, .is_cut = true };
	for (unsigned k = 0; k < 2; k++) {
		m->links[i].ends[k].armed_us = NEVER_US;
		m->links[i].ends[k].ask_us = NEVER_US;
	}
	add_neighbour(&m->hosts[l->a], l->b, (uint32_t)(2 * i));
	add_neighbour(&m->hosts[l->b], l->a, (uint32_t)(2 * i + 1));
	return i;
}

size_t mesh_n_nodes(const struct mesh *m)
{
	return m->n_hosts;
}

size_t mesh_n_links(const struct mesh *m)
{
	return m->n_links;
}

void mesh_link_ends(const struct mesh *m, size_t link, size_t *ret_a, size_t *ret_b)
{
	*ret_a = m->links[link].is.a;
	*ret_b = m->links[link].is.b;
}

size_t mesh_link_between(const struct mesh *m, size_t a, size_t b)
{
	uint32_t end = mesh_end_to(m, a, b);

	return end == MESH_NO_END ? MESH_NONE : end / 2;
}

/* ---- what befalls it ---- */

void mesh_boot(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];
	struct route_config config = {
		.self = mesh_id(node),
		.epoch = ++h->boot,
		.seed = rng_next(&m->rng),
	};
	struct reach_config reach = {
		.self = mesh_id(node),
		.flat_max = m->config.flat_max,
		.zone_max = m->config.zone_max,
	};

	if (!m->config.is_unproved) {
		if (mesh_origin_new(m, node) < 0)
			abort();
		mesh_origin_certify(m, node);
		config.proofs = origins_proofs(h->origins);
	}
	if (routes_new(&config, m->now_us, &h->routes) < 0 ||
	    watch_new(config.seed, m->now_us, &h->watch) < 0)
		abort();
	reach.routes = h->routes;
	reach.epoch = config.epoch;
	reach.seed = config.seed;
	if (reach_new(&reach, m->now_us, &h->reach) < 0)
		abort();
	h->armed_us = NEVER_US;
	mesh_note(m, 1, node);
	for (size_t i = 0; i < h->n_neighbours; i++)
		mesh_end_begin(m, h->neighbours[i].end);
	mesh_pump(m, node);
}

void mesh_crash(struct mesh *m, size_t node)
{
	struct mesh_host *h = &m->hosts[node];

	mesh_note(m, 2, node);
	for (size_t i = 0; i < h->n_neighbours; i++)
		mesh_end_forget(m, h->neighbours[i].end);
	reach_free(h->reach);
	routes_free(h->routes);
	watch_free(h->watch);
	origins_free(h->origins);
	free(h->hints);
	h->reach = NULL;
	h->routes = NULL;
	h->watch = NULL;
	h->origins = NULL;
	h->hints = NULL;
}

bool mesh_is_running(const struct mesh *m, size_t node)
{
	return m->hosts[node].routes != NULL;
}

struct routes *mesh_routes(struct mesh *m, size_t node)
{
	return m->hosts[node].routes;
}

struct reach *mesh_reach(struct mesh *m, size_t node)
{
	return m->hosts[node].reach;
}

void mesh_cut(struct mesh *m, size_t link, bool has_carrier)
{
	struct mesh_link *l = &m->links[link];

	mesh_note(m, 3, link);
	l->is_cut = true;
	for (uint32_t k = 0; !has_carrier && k < 2; k++) {
		uint32_t end = (uint32_t)(2 * link) + k;

		if (!l->ends[k].link)
			continue;
		(void)link_force_down(l->ends[k].link, m->now_us);
		mesh_end_changed(m, end);
		mesh_pump(m, mesh_owner(m, end));
		mesh_arm(m, end);
	}
}

void mesh_mend(struct mesh *m, size_t link)
{
	mesh_note(m, 4, link);
	m->links[link].is_cut = false;
	for (uint32_t k = 0; k < 2; k++) {
		uint32_t end = (uint32_t)(2 * link) + k;

		if (m->hosts[mesh_owner(m, end)].routes && !m->links[link].ends[k].session)
			mesh_end_begin(m, end);
	}
}

bool mesh_is_cut(const struct mesh *m, size_t link)
{
	return m->links[link].is_cut;
}

bool mesh_is_up(const struct mesh *m, size_t link)
{
	return m->links[link].ends[0].is_routed && m->links[link].ends[1].is_routed;
}

/* A packet of this end would be taken at the other. */
bool mesh_is_passing(const struct mesh *m, uint32_t end)
{
	const struct mesh_link *l = &m->links[end / 2];

	return l->ends[end % 2].is_routed && l->ends[0].session == l->ends[1].session;
}

/* ---- running ---- */

uint64_t mesh_process_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long total = 0;
	unsigned long long resident = 0;

	if (!f)
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote the numbers */
	if (fscanf(f, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	(void)fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void happen(struct mesh *m, const struct mesh_event *e)
{
	mesh_note(m, (uint64_t)e->type << 56 | e->what, e->datagram ? e->datagram->len : 0);
	switch (e->type) {
	case MESH_ARRIVES:
		mesh_arrives(m, e->what, e->datagram);
		break;
	case MESH_END_TIMER:
		if (mesh_end(m, e->what)->armed_us == e->at_us)
			mesh_end_timer(m, e->what);
		break;
	case MESH_HOST_TIMER:
		if (m->hosts[e->what].armed_us == e->at_us)
			mesh_host_timer(m, e->what);
		break;
	}
}

bool mesh_run(struct mesh *m, uint64_t until_us)
{
	while (m->n_heap > 0 && m->heap[0].at_us <= until_us && !m->is_out_of_memory) {
		struct mesh_event e = mesh_pop(m);

		m->now_us = e.at_us;
		happen(m, &e);
		free(e.datagram);
		if (++m->totals.events % EVENTS_PER_MEMORY_CHECK == 0 && m->config.memory_max)
			m->is_out_of_memory = mesh_process_memory() > m->config.memory_max;
	}
	if (!m->is_out_of_memory)
		m->now_us = max_u64(m->now_us, until_us);
	return !m->is_out_of_memory;
}

uint64_t mesh_now_us(const struct mesh *m)
{
	return m->now_us;
}

const char *mesh_failure(const struct mesh *m)
{
	return m->failure;
}

bool mesh_is_out_of_memory(const struct mesh *m)
{
	return m->is_out_of_memory;
}

void mesh_totals(const struct mesh *m, struct mesh_totals *ret)
{
	*ret = m->totals;
}

uint64_t mesh_trace(const struct mesh *m)
{
	return m->trace;
}

/* ---- making ---- */

DEFINE_FREEP(struct mesh, mesh_free)

int mesh_new(const struct mesh_config *config, struct mesh **ret)
{
	CLEANUP(mesh_freep) struct mesh *m = calloc(1, sizeof(*m));
	const struct topology *t = config->topology;

	if (!m)
		return -ENOMEM;
	m->config = *config;
	if (m->config.check_every == 0)
		m->config.check_every = t->n_nodes <= CHECK_ALL_BELOW ? 1 : CHECK_SOME;
	if (origin_store_new((size_t)CERTIFICATES_OF_NODE * t->n_nodes,
			     (const uint8_t *)"certificates key", &m->certificates) < 0)
		return -ENOMEM;
	m->now_us = SECONDS(1);
	m->next_session = 1;
	rng_seed(&m->rng, config->seed);
	m->hosts = calloc(t->n_nodes, sizeof(*m->hosts));
	if (!m->hosts)
		return -ENOMEM;
	m->n_hosts = t->n_nodes;
	for (size_t i = 0; i < t->n_links; i++) {
		size_t link = mesh_add_link(m, &t->links[i]);

		m->links[link].is_cut = false;
	}
	*ret = TAKE(m);
	return 0;
}

void mesh_free(struct mesh *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < 2 * m->n_links; i++)
		mesh_end_forget(m, i);
	for (size_t i = 0; i < m->n_hosts; i++) {
		mesh_liar_free(m, i);
		reach_free(m->hosts[i].reach);
		routes_free(m->hosts[i].routes);
		free(m->hosts[i].hints);
		watch_free(m->hosts[i].watch);
		origins_free(m->hosts[i].origins);
		free(m->hosts[i].neighbours);
	}
	origin_store_free(m->certificates);
	for (size_t i = 0; i < m->n_heap; i++)
		free(m->heap[i].datagram);
	free(m->heap);
	free(m->hosts);
	free(m->links);
	free(m->packets);
	free(m->steps);
	free(m->found);
	free(m);
}
