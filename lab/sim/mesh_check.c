/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh looked at from outside: invariants, walks, parts, best paths. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sim/mesh_world.h"

/* ---- invariants ---- */

struct feasibility {
	bool is_known;
	uint32_t epoch;
	uint16_t seqno;
	uint32_t metric;
};

static struct feasibility feasibility_of(const struct mesh *m, size_t node, uint64_t destination)
{
	struct feasibility f = { 0 };

	f.is_known = routes_feasibility(m->hosts[node].routes, destination, &f.epoch, &f.seqno,
					&f.metric);
	return f;
}

/* RFC 8966 section 3.5.1, written out again, independently of the code under test. */
static bool is_closer(const struct feasibility *a, const struct feasibility *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	if (a->seqno != b->seqno)
		return (uint16_t)(a->seqno - b->seqno) < 0x8000;
	return a->metric < b->metric;
}

static bool is_honest(const struct mesh *m, size_t node)
{
	return !m->hosts[node].liar || !(m->hosts[node].liar->how & MESH_LIAR_METRIC);
}

/* The next hop of a node towards a destination, where a packet would be taken. */
static size_t next_of(const struct mesh *m, size_t node, uint64_t destination)
{
	uint64_t next;
	uint32_t end;

	if (!m->hosts[node].routes)
		return MESH_NONE;
	next = routes_next_hop(m->hosts[node].routes, destination);
	if (!next || next == mesh_id(node))
		return MESH_NONE;
	end = mesh_end_to(m, node, mesh_node(next));
	if (end == MESH_NO_END || !mesh_is_passing(m, end) || !m->hosts[mesh_node(next)].routes)
		return MESH_NONE;
	return mesh_node(next);
}

static void check_hop(struct mesh *m, size_t at, size_t next, uint64_t destination)
{
	struct feasibility here = feasibility_of(m, at, destination);
	struct feasibility there;

	if (mesh_id(next) == destination || !here.is_known || !is_honest(m, at) ||
	    !is_honest(m, next))
		return;
	there = feasibility_of(m, next, destination);
	if (there.is_known && is_closer(&there, &here))
		return;
	m->totals.infeasible++;
	mesh_fail(m, "the feasibility distance of node %zu for %zu is no smaller than node %zu's",
		  next, mesh_node(destination), at);
}

/* The node lies on a circle, or leads to one that at lies on. */
static void circle(struct mesh *m, size_t node, size_t at, uint64_t destination)
{
	size_t first = at;
	bool has_liar = false;

	do {
		has_liar |= !is_honest(m, at);
		at = next_of(m, at, destination);
	} while (at != first && at != MESH_NONE);
	if (has_liar) {
		m->totals.liar_loops++;
		return;
	}
	m->totals.route_loops++;
	mesh_fail(m, "next hops from node %zu to %zu form a circle", node, mesh_node(destination));
}

void mesh_check_change(struct mesh *m, size_t node, uint64_t destination)
{
	size_t at = node;

	mesh_note(m, 5 + node, destination);
	if (m->totals.route_changes++ % m->config.check_every != 0)
		return;
	m->totals.checks++;
	for (size_t n = 0; mesh_id(at) != destination; n++) {
		size_t next = next_of(m, at, destination);

		if (next == MESH_NONE)
			return;
		if (n > m->n_hosts) {
			circle(m, node, at, destination);
			return;
		}
		check_hop(m, at, next, destination);
		at = next;
	}
}

/* ---- walks ---- */

size_t mesh_next(const struct mesh *m, size_t from, size_t to)
{
	return next_of(m, from, mesh_id(to));
}

unsigned mesh_walk(struct mesh *m, size_t from, size_t to, size_t *ret_path)
{
	size_t at = from;
	unsigned n = 0;

	if (ret_path)
		ret_path[0] = from;
	while (at != to) {
		at = next_of(m, at, mesh_id(to));
		if (at == MESH_NONE || ++n > m->n_hosts)
			return 0;
		if (ret_path)
			ret_path[n] = at;
	}
	return n;
}

/* ---- parts ---- */

static uint32_t root(uint32_t *part, uint32_t i)
{
	while (part[i] != i) {
		part[i] = part[part[i]];
		i = part[i];
	}
	return i;
}

void mesh_parts(const struct mesh *m, bool only_up, const bool *without, uint32_t *ret_part)
{
	for (uint32_t i = 0; i < m->n_hosts; i++)
		ret_part[i] = i;
	for (size_t i = 0; i < m->n_links; i++) {
		const struct mesh_link *l = &m->links[i];
		uint32_t a, b;

		if (l->is_cut || (only_up && !mesh_is_up(m, i)) || (without && without[i]) ||
		    !m->hosts[l->is.a].routes || !m->hosts[l->is.b].routes)
			continue;
		a = root(ret_part, l->is.a);
		b = root(ret_part, l->is.b);
		if (a < b)
			ret_part[b] = a;
		else
			ret_part[a] = b;
	}
	for (uint32_t i = 0; i < m->n_hosts; i++)
		ret_part[i] = root(ret_part, i);
}

/* ---- best paths (Dijkstra, by a heap with stale entries) ---- */

struct reached {
	uint64_t cost;
	uint32_t node;
};

struct frontier {
	struct reached *heap;
	size_t n;
};

static void frontier_push(struct frontier *f, struct reached r)
{
	size_t i;

	for (i = f->n++; i > 0 && r.cost < f->heap[(i - 1) / 2].cost; i = (i - 1) / 2)
		f->heap[i] = f->heap[(i - 1) / 2];
	f->heap[i] = r;
}

static struct reached frontier_pop(struct frontier *f)
{
	struct reached top = f->heap[0];
	struct reached last = f->heap[--f->n];
	size_t i = 0;

	for (size_t child = 1; child < f->n; child = 2 * i + 1) {
		if (child + 1 < f->n && f->heap[child + 1].cost < f->heap[child].cost)
			child++;
		if (f->heap[child].cost >= last.cost)
			break;
		f->heap[i] = f->heap[child];
		i = child;
	}
	if (f->n > 0)
		f->heap[i] = last;
	return top;
}

static uint64_t cost_of(const struct mesh *m, uint32_t end, bool by_delay)
{
	const struct mesh_link *l = &m->links[end / 2];

	return by_delay ? l->is.delay_us : link_metric(l->ends[end % 2].link);
}

int mesh_distances(const struct mesh *m, size_t to, bool by_delay, uint64_t *ret)
{
	CLEANUP_FREE struct reached *heap = malloc((2 * m->n_links + 1) * sizeof(*heap));
	struct frontier f = { heap, 0 };

	if (!heap)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_hosts; i++)
		ret[i] = UINT64_MAX;
	ret[to] = 0;
	frontier_push(&f, (struct reached){ 0, (uint32_t)to });
	while (f.n > 0) {
		struct reached r = frontier_pop(&f);
		const struct mesh_host *h = &m->hosts[r.node];

		if (r.cost > ret[r.node])
			continue;
		for (size_t i = 0; i < h->n_neighbours; i++) {
			uint32_t towards = h->neighbours[i].end ^ 1; /* the neighbour's end */
			uint32_t node = h->neighbours[i].node;
			uint64_t cost;

			if (m->links[towards / 2].is_cut || !mesh_is_passing(m, towards) ||
			    !mesh_is_passing(m, towards ^ 1))
				continue;
			cost = r.cost + cost_of(m, towards, by_delay);
			if (cost >= ret[node])
				continue;
			ret[node] = cost;
			frontier_push(&f, (struct reached){ cost, node });
		}
	}
	return 0;
}

uint64_t mesh_path_cost(const struct mesh *m, const size_t *path, unsigned n_hops, bool by_delay)
{
	uint64_t cost = 0;

	for (unsigned i = 0; i < n_hops; i++)
		cost += cost_of(m, mesh_end_to(m, path[i], path[i + 1]), by_delay);
	return cost;
}
